//! A layer learns a linear map on asymmetric devices: Tiki-Taka solves this task, and plain descent fails.
//!
//! Prints the error of the weights at the end of the training, for each algorithm.
//!
//! ```text
//! cargo run --release --example tiki_taka -- --plot tiki_taka.svg
//! ```

use std::path::PathBuf;

use clap::Parser;
use ohmgrad::plots::{Axis, Corner, Figure, Mark, Scale, Series};
use ohmgrad::prelude::*;
use ohmgrad_bench::linear_map::{ALGORITHMS, Task, mean};
use ohmgrad_bench::options::{Common, Failure};
use serde_json::json;

/// Learns a linear map on asymmetric devices, by plain descent and by versions of Tiki-Taka.
#[derive(Parser)]
struct Args {
    /// Training examples, one per step.
    #[arg(long, default_value_t = 20_000)]
    steps: usize,
    /// States of a device: the range of its weights over its step.
    #[arg(long, default_value_t = 20.0)]
    states: f32,
    /// Spread of the devices' symmetry points after their inexact subtraction.
    #[arg(long, default_value_t = 0.0)]
    offset: f32,
    /// Learning rate.
    #[arg(long, default_value_t = 0.02)]
    lr: f32,
    /// Draw the errors over the training to this file, .svg or .png.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    use_threads(args.common.threads)?;
    let task = Task { states: args.states, offset: args.offset, lr: args.lr, steps: args.steps };
    let mut series = vec![];
    for (name, algorithm) in ALGORITHMS {
        let errors = task.errors(algorithm, Key::new(args.common.seed), |step| step % 200 == 0)?;
        // The mean over the last tenth, as the fluctuation of the weights is part of the error.
        let end = mean(&errors[errors.len() - errors.len().div_ceil(10)..]);
        args.common.event(json!({ "algorithm": name, "error": end }));
        args.common.say(format!("{name:>6}  error of the weights {:5.1} %", 100.0 * end));
        let points = errors.into_iter().map(|(step, error)| (step as f64, error)).collect();
        series.push(Series::new(name, Mark::Line, points));
    }
    if let Some(file) = &args.plot {
        let figure = Figure {
            x: Axis::new("training step", Scale::Linear),
            y: Axis::new("error of the weights, relative", Scale::Log),
            series,
            legend: Corner::UpperRight,
        };
        figure.save(file)?;
    }
    Ok(())
}
