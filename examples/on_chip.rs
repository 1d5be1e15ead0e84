//! Handwritten digits, trained on the chip: weights live in devices, and every update is pulses.
//!
//! A 784-256-128-10 network of sigmoids, digitally and with its weights in a preset's devices; then counts of the pulses.
//!
//! ```text
//! cargo run --release --example on_chip -- --preset AGADReRamSB --plot on_chip.svg
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ohmgrad::analog::cell::presets;
use ohmgrad::prelude::*;
use ohmgrad_plots::{Axis, Corner, Figure, Mark, Scale, Series};
use serde_json::json;

/// Trains a network on handwritten digits with its weights in pulsed devices.
///
/// Without --data: on the digits that ship with the project (10,000 for training, 10,000 for testing).
#[derive(Parser)]
struct Args {
    /// The devices or cells, a name of --list.
    #[arg(long, value_name = "NAME", default_value = "GokmenVlasov")]
    preset: String,
    /// List the presets and end.
    #[arg(long)]
    list: bool,
    /// Directory with the four IDX files of MNIST (or another set in its format), plain or gzipped.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Times through the training digits.
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// Digits in a step; each is a separate update by pulses.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Learning rate per digit, at first: a step takes it times the batch, because its loss is a mean.
    #[arg(long, default_value_t = 0.01)]
    lr: f32,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Draw losses, accuracies and the wear of the devices to this file, .svg or .png.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print a JSON line per epoch, and nothing else on standard output.
    #[arg(long)]
    json: bool,
}

type Curve = Vec<(f64, f64)>;

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
    if args.list {
        presets::all().iter().for_each(|preset| println!("{:24}  {}", preset.name, preset.cell));
        return Ok(());
    }
    let preset = presets::by_name(&args.preset).ok_or("--preset: no such name; --list has them")?;
    let mnist = args.data.as_ref().map_or_else(|| Ok(Mnist::embedded()), Mnist::from_dir)?;
    let key = Key::new(args.seed);
    let pixels = mnist.size.iter().product();
    let net = Sequential::new().linear(pixels, 256).sigmoid().linear(256, 128).sigmoid().linear(128, 10);
    let mut digital = net.init(key.fold("weights"));
    let mut on_chip = digital.clone();
    on_chip.to_analog(preset, key.fold("hardware"))?;
    if !args.json {
        println!("{} digits for training, {} for testing; {}", mnist.train.len(), mnist.test.len(), args.preset);
    }

    if args.plot.is_some() {
        on_chip.tile_arrays_mut().into_iter().for_each(|(_, tiles)| tiles.count_pulses());
    }

    let runs = [("digital", &mut digital), ("on the chip", &mut on_chip)];
    let curves = runs.map(|(name, net)| (name, train(name, net, &mnist, args, key)));
    if !args.json {
        println!("\n{}", on_chip.summary());
    }
    if let Some(file) = &args.plot {
        let mut worn: Vec<(String, Vec<f32>)> = vec![];
        for (path, tiles) in on_chip.tile_arrays() {
            let devices = tiles.cells().iter().flat_map(|cell| cell.devices());
            worn.push((path, devices.filter_map(|d| d.pulses()).flat_map(|n| n.to_vec()).collect()));
        }
        let worn: Vec<(&str, &[f32])> = worn.iter().map(|(path, pulses)| (path.as_str(), &pulses[..])).collect();
        let [loss, error] = figures(&curves);
        ohmgrad_plots::save(file, &[loss, error, ohmgrad_plots::wear(&worn)])?;
    }
    Ok(())
}

/// Gives training loss and test accuracy of each epoch.
fn train(run: &str, net: &mut Sequential, mnist: &Mnist, args: &Args, key: Key) -> Curve {
    let mut sgd = Sgd::new(0.0);
    let progress = Progress::new(run, args.epochs * mnist.train.len().div_ceil(args.batch));
    let mut curve = vec![];
    for epoch in 0..args.epochs {
        // Halved after each third, as by Gokmen and Vlasov (2016).
        sgd.lr = args.lr * args.batch as f32 * 0.5f32.powi((3 * epoch / args.epochs) as i32);
        let mut total = 0.0;
        for (step, batch) in mnist.train.batches(args.batch, key.fold("shuffle").fold(epoch)).enumerate() {
            let tape = Tape::train(key.fold("step").fold(epoch).fold(step));
            let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
            total += f64::from(loss.item()) * batch.y.len() as f64;
            sgd.step(net, loss.backward());
            progress.step(|| format!("epoch {}", epoch + 1));
        }
        let loss = total / mnist.train.len() as f64;
        let test = accuracy(net, &mnist.test, key.fold("test").fold(epoch));
        curve.push((loss, test));
        if args.json {
            println!("{}", json!({ "run": run, "epoch": epoch, "loss": loss, "test_accuracy": test }));
        } else {
            let epoch = epoch + 1;
            progress.say(&format!("{run:>11}  epoch {epoch:2}  loss {loss:.4}  test accuracy {:.2} %", 100.0 * test));
        }
    }
    curve
}

fn figures(curves: &[(&str, Curve); 2]) -> [Figure; 2] {
    let figure = |label: &str, scale, legend, value: &dyn Fn(&(f64, f64)) -> f64| {
        let points = |curve: &Curve| curve.iter().enumerate().map(|(i, p)| ((i + 1) as f64, value(p))).collect();
        let series = curves.iter().map(|(name, curve)| Series::new(*name, Mark::DottedLine, points(curve))).collect();
        Figure { x: Axis::new("epoch", Scale::Linear), y: Axis::new(label, scale), series, legend }
    };
    [
        figure("training loss", Scale::Log, Corner::UpperRight, &|point| point.0),
        figure("test error / %", Scale::Log, Corner::UpperRight, &|point| 100.0 * (1.0 - point.1)),
    ]
}
