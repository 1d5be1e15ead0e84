//! A task that plain descent on asymmetric devices fails and Tiki-Taka solves.
//!
//! A layer learns a linear map from noisy examples. Its devices respond to pulses up and down alike at their symmetry
//! points alone; elsewhere random pulses pull the weight there, and descent ends between the map and the symmetry
//! points. Tiki-Taka collects gradients on a fast array and writes to the weights what remains of them. Prints how far
//! the weights are from the map over the training: root mean squares relative to the map's.
//!
//! ```text
//! cargo run --release --example tiki_taka -- --plot tiki_taka.svg
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ohmgrad::analog::cell::{Algorithm, build_cell};
use ohmgrad::analog::config::RpuConfig;
use ohmgrad::analog::device::{DeviceConfig, SoftBoundsReference};
use ohmgrad::analog::update::UpdateParameters;
use ohmgrad::prelude::*;
use ohmgrad_plots::{Axis, Corner, Figure, Mark, Scale, Series};
use serde_json::json;

/// Learns a linear map on asymmetric devices, by plain descent and by versions of Tiki-Taka.
#[derive(Parser)]
struct Args {
    /// Examples that are learnt from, one a step.
    #[arg(long, default_value_t = 20_000)]
    steps: usize,
    /// States of a device: the range of its weights over its step.
    #[arg(long, default_value_t = 20.0)]
    states: f32,
    /// Spread of the devices' symmetry points: what is left of them after subtraction.
    #[arg(long, default_value_t = 0.0)]
    offset: f32,
    /// Learning rate.
    #[arg(long, default_value_t = 0.02)]
    lr: f32,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Draw the curves to this file, .svg or .png.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print a JSON line per algorithm, and nothing else.
    #[arg(long)]
    json: bool,
}

/// Inputs and outputs of the layer.
const SIZE: usize = 20;

/// Steps between two points of a curve.
const EVERY: usize = 200;

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
    let mut curves = vec![];
    for (name, algorithm) in [
        ("SGD", Algorithm::Sgd),
        ("TTv2", Algorithm::TikiTaka2),
        ("c-TTv2", Algorithm::ChoppedTikiTaka2),
        ("AGAD", Algorithm::Agad),
    ] {
        let curve = learn(&map, algorithm, args, key)?;
        // The last tenth: what the weights fluctuate by is part of it.
        let tail = &curve[curve.len() - curve.len().div_ceil(10)..];
        let end = tail.iter().map(|point| point.1).sum::<f64>() / tail.len() as f64;
        if args.json {
            println!("{}", json!({ "algorithm": name, "error": end }));
        } else {
            println!("{name:>6}  error of the weights {:5.1} %", 100.0 * end);
        }
        curves.push((name, curve));
    }
    if let Some(file) = &args.plot {
        let line = |(name, curve): (&str, Vec<(f64, f64)>)| Series::new(name, Mark::Line, curve);
        let figure = Figure {
            x: Axis::new("training step", Scale::Linear),
            y: Axis::new("error of the weights, relative", Scale::Log),
            series: curves.into_iter().map(line).collect(),
            legend: Corner::UpperRight,
        };
        figure.save(file)?;
    }
    Ok(())
}

/// The error of the weights over the steps of a training.
fn learn(map: &Tensor, algorithm: Algorithm, args: &Args, key: Key) -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
    let device = DeviceConfig::from(SoftBoundsReference {
        dw_min: 2.0 / args.states,
        w_max: 1.0,
        w_min: -1.0,
        reference_std: args.offset,
        subtract_symmetry_point: true,
        ..Default::default()
    });
    let io = IoParameters::default();
    let (cell, update) = build_cell(algorithm, &device, &io, UpdateParameters::default(), 1);
    let mut net = Linear::new(SIZE, SIZE, key.fold("weights")).without_bias();
    net.to_analog(RpuConfig::on_chip(cell, update, io), key.fold("hardware"))?;
    let mut sgd = Sgd::new(args.lr);
    let mut curve = vec![];
    for step in 0..args.steps {
        if step % EVERY == 0 {
            let (_, w) = net.effective_weights().swap_remove(0);
            let size = |t: &Tensor| f64::from((t * t).sum()).sqrt();
            curve.push((step as f64, size(&(&w - map)) / size(map)));
        }
        let key = key.fold("step").fold(step);
        let x = Tensor::normal(&[1, SIZE], key.fold("x"));
        let noise = &Tensor::normal(&[1, SIZE], key.fold("noise")) * 0.3;
        let target = &x.matmul(&map.t()) + &noise;
        let tape = Tape::train(key);
        let loss = net.forward(tape.constant(x)).mse(tape.constant(target));
        sgd.step(&mut net, loss.backward());
    }
    Ok(curve)
}
