//! Residual learning on devices of few states, next to plain descent and Tiki-Taka.
//!
//! The task is that of the example `tiki_taka`: a layer learns a linear map from noisy examples. Residual learning adds
//! arrays whose weights in the sum are smaller and smaller, so that the weight has more states than a device; E-RIDER adds
//! the fast array's deviation from its moving average. For each algorithm the best of some rates counts. Prints how far
//! the weights are from the map at the end: root mean squares relative to the map's.
//!
//! ```text
//! cargo run --release --example few_states
//! cargo run --release --example few_states -- --offset 0.3
//! ```

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use ohmgrad::analog::cell::{
    Algorithm, CellConfig, ResidualTransferCompound, RiderTransferCompound, UnitCellConfig, build_cell,
};
use ohmgrad::analog::config::RpuConfig;
use ohmgrad::analog::device::{DeviceConfig, SoftBoundsReference};
use ohmgrad::analog::update::UpdateParameters;
use ohmgrad::prelude::*;
use serde_json::json;

/// Learns a linear map on devices of few states.
#[derive(Parser)]
struct Args {
    /// Examples that are learnt from, one a step.
    #[arg(long, default_value_t = 20_000)]
    steps: usize,
    /// States of a device, one column for each number.
    #[arg(long, value_delimiter = ',', default_value = "4,10,20")]
    states: Vec<f32>,
    /// Spread of the devices' symmetry points: what is left of them after subtraction.
    #[arg(long, default_value_t = 0.0)]
    offset: f32,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print a JSON line per algorithm, and nothing else.
    #[arg(long)]
    json: bool,
}

/// Inputs and outputs of the layer.
const SIZE: usize = 20;

/// Rates of which the best counts.
const RATES: [f32; 7] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

/// Algorithms with the number of their arrays.
const ALGORITHMS: [(&str, Algorithm, usize); 8] = [
    ("SGD", Algorithm::Sgd, 1),
    ("TTv2", Algorithm::TikiTaka2, 2),
    ("c-TTv2", Algorithm::ChoppedTikiTaka2, 2),
    ("AGAD", Algorithm::Agad, 2),
    ("E-RIDER", Algorithm::ERider, 2),
    ("residual, 2 arrays", Algorithm::Residual, 2),
    ("residual, 4 arrays", Algorithm::Residual, 4),
    ("residual, 6 arrays", Algorithm::Residual, 6),
];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let key = Key::new(args.seed);
    let map = Tensor::normal(&[SIZE, SIZE], key.fold("map")).map(|w| 0.3 * w.clamp(-2.0, 2.0));
    if !args.json {
        let heads: String = args.states.iter().map(|states| format!("  {states:>3} states (rate)")).collect();
        println!("{:18}{heads}", "");
    }
    for (name, algorithm, arrays) in ALGORITHMS {
        let mut best = vec![];
        for &states in &args.states {
            let mut errors = vec![];
            for rate in RATES {
                errors.push((learn(&map, (algorithm, arrays), states, rate, args)?, rate));
            }
            best.push(errors.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are rates"));
        }
        if args.json {
            let (errors, rates): (Vec<f64>, Vec<f32>) = best.into_iter().unzip();
            println!("{}", json!({ "algorithm": name, "states": args.states, "error": errors, "rate": rates }));
        } else {
            let cells: String =
                best.iter().map(|(error, rate)| format!("  {:>8.1} % ({rate:4})", 100.0 * error)).collect();
            println!("{name:18}{cells}");
        }
    }
    Ok(())
}

/// The cell of an algorithm at a rate.
fn cell(
    (algorithm, arrays): (Algorithm, usize),
    states: f32,
    rate: f32,
    offset: f32,
) -> (CellConfig, UpdateParameters) {
    let device = DeviceConfig::from(SoftBoundsReference {
        dw_min: 2.0 / states,
        w_max: 1.0,
        w_min: -1.0,
        reference_std: offset,
        subtract_symmetry_point: true,
        ..Default::default()
    });
    let (cell, update) = build_cell(algorithm, &device, &IoParameters::default(), UpdateParameters::default(), arrays);
    let cell = match cell {
        // Batches of one example need longer periods than those of the source.
        CellConfig::Unit(UnitCellConfig::Residual(cell)) => {
            UnitCellConfig::from(ResidualTransferCompound { transfer_every: 10.0, ..cell }).into()
        }
        // The learning rate has no part in this cell.
        CellConfig::Unit(UnitCellConfig::Rider(cell)) => {
            UnitCellConfig::from(RiderTransferCompound { fast_lr: rate, ..cell }).into()
        }
        cell => cell,
    };
    (cell, update)
}

/// The mean error of the weights over the last tenth of a training.
fn learn(
    map: &Tensor,
    algorithm: (Algorithm, usize),
    states: f32,
    rate: f32,
    args: &Args,
) -> Result<f64, Box<dyn Error>> {
    let key = Key::new(args.seed);
    let (cell, update) = cell(algorithm, states, rate, args.offset);
    let mut net = Linear::new(SIZE, SIZE, key.fold("weights")).without_bias();
    net.to_analog(RpuConfig::on_chip(cell, update, IoParameters::default()), key.fold("hardware"))?;
    let mut sgd = Sgd::new(rate);
    let (mut sum, mut points) = (0.0, 0);
    for step in 0..args.steps {
        let key = key.fold("step").fold(step);
        let x = Tensor::normal(&[1, SIZE], key.fold("x"));
        let noise = &Tensor::normal(&[1, SIZE], key.fold("noise")) * 0.3;
        let target = &x.matmul(&map.t()) + &noise;
        let tape = Tape::train(key);
        let loss = net.forward(tape.constant(x)).mse(tape.constant(target));
        sgd.step(&mut net, loss.backward());
        if step >= args.steps - args.steps.div_ceil(10) && step % 20 == 0 {
            let (_, w) = net.effective_weights().swap_remove(0);
            let size = |t: &Tensor| f64::from((t * t).sum()).sqrt();
            sum += size(&(&w - map)) / size(map);
            points += 1;
        }
    }
    Ok(sum / f64::from(points.max(1)))
}
