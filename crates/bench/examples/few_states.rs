//! Residual learning on devices of few states, next to plain descent and Tiki-Taka.
//!
//! The task is that of the example `tiki_taka`: a layer learns a linear map from noisy examples. Residual learning adds
//! arrays whose weights in the sum are smaller and smaller, so that the weight has more states than a device; E-RIDER
//! adds the fast array's deviation from its moving average. Prints the error of the weights at the end (the root mean
//! square of their difference from the map, relative to that of the map), for each algorithm at the best of several
//! rates.
//!
//! ```text
//! cargo run --release --example few_states
//! cargo run --release --example few_states -- --offset 0.3
//! ```

use clap::Parser;
use ohmgrad::analog::cell::{Algorithm, CellConfig, ResidualTransferCompound, RiderTransferCompound, UnitCellConfig};
use ohmgrad::prelude::*;
use ohmgrad_bench::linear_map::{Task, mean};
use ohmgrad_bench::options::{Common, Failure};
use serde_json::json;

/// Learns a linear map on devices of few states.
#[derive(Parser)]
struct Args {
    /// Training examples, one per step.
    #[arg(long, default_value_t = 20_000)]
    steps: usize,
    /// States of a device, one column for each number.
    #[arg(long, value_delimiter = ',', default_value = "4,10,20")]
    states: Vec<f32>,
    /// Spread of the devices' symmetry points after their inexact subtraction.
    #[arg(long, default_value_t = 0.0)]
    offset: f32,
    #[command(flatten)]
    common: Common,
}

/// Rates that are tried; the results are those of the best one.
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

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    use_threads(args.common.threads)?;
    let heads: String = args.states.iter().map(|states| format!("  {states:>3} states (rate)")).collect();
    args.common.say(format!("{:18}{heads}", ""));
    for (name, algorithm, arrays) in ALGORITHMS {
        let mut best = vec![];
        for &states in &args.states {
            let errors = RATES.map(|rate| Ok((learn((algorithm, arrays), states, rate, &args)?, rate)));
            let errors = errors.into_iter().collect::<Result<Vec<_>, ohmgrad::Error>>()?;
            best.push(errors.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are rates"));
        }
        let cells: String = best.iter().map(|(error, rate)| format!("  {:>8.1} % ({rate:4})", 100.0 * error)).collect();
        args.common.say(format!("{name:18}{cells}"));
        let (errors, rates): (Vec<f64>, Vec<f32>) = best.into_iter().unzip();
        args.common.event(json!({ "algorithm": name, "states": args.states, "error": errors, "rate": rates }));
    }
    Ok(())
}

/// The mean error of the weights over the last tenth of a training.
fn learn((algorithm, arrays): (Algorithm, usize), states: f32, lr: f32, args: &Args) -> Result<f64, ohmgrad::Error> {
    let task = Task { states, offset: args.offset, lr, steps: args.steps };
    let (cell, update) = task.cell(algorithm, arrays);
    let cell = match cell {
        // Batches of one example need longer periods than those of the source.
        CellConfig::Unit(UnitCellConfig::Residual(cell)) => {
            UnitCellConfig::from(ResidualTransferCompound { transfer_every: 10.0, ..cell }).into()
        }
        // This cell does not use the learning rate.
        CellConfig::Unit(UnitCellConfig::Rider(cell)) => {
            UnitCellConfig::from(RiderTransferCompound { fast_lr: lr, ..cell }).into()
        }
        cell => cell,
    };
    let end = args.steps - args.steps.div_ceil(10);
    let errors = task.errors_of((cell, update), Key::new(args.common.seed), |step| step > end && step % 20 == 1)?;
    Ok(mean(&errors))
}
