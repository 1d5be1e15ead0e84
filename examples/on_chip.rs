//! Handwritten digits, trained on the chip: weights live in devices, and pulses update them.
//!
//! Trains a 784-256-128-10 network of sigmoids digitally and in the devices of a preset; prints counts of the pulses.
//!
//! ```text
//! cargo run --release --example on_chip -- --preset AGADReRamSB
//! ```

mod options;

use std::path::PathBuf;

use clap::Parser;
use ohmgrad::analog::cell::presets;
use ohmgrad::plots;
use ohmgrad::prelude::*;
use options::{Common, Failure};
use serde_json::json;

/// Trains a network on handwritten digits with its weights in pulsed devices.
#[derive(Parser)]
struct Args {
    /// The devices or cells: one of the names that --list prints.
    #[arg(long, value_name = "NAME", default_value = "GokmenVlasov")]
    preset: String,
    /// Print the names of all presets and their cells, and end.
    #[arg(long)]
    list: bool,
    /// Directory with the four IDX files of MNIST or a similar set [default: the digits that ship with the project].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Times through the training digits.
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// Digits in a step; each is a separate update by pulses.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Initial learning rate per digit: a step multiplies it by the batch, because its loss is a mean.
    #[arg(long, default_value_t = 0.01)]
    lr: f32,
    /// Draw the losses, and the pulses that each crosspoint got, into this file, .svg or .png.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    use_threads(args.common.threads)?;
    if args.list {
        presets::all().iter().for_each(|preset| println!("{:24}  {}", preset.name, preset.cell));
        return Ok(());
    }
    let preset = presets::by_name(&args.preset).ok_or("--preset: no such name; --list prints all names")?;
    let mnist = args.data.as_ref().map_or_else(|| Ok(Mnist::embedded()), Mnist::from_dir)?;
    let key = Key::new(args.common.seed);
    let net = Sequential::new().linear(28 * 28, 256).sigmoid().linear(256, 128).sigmoid().linear(128, 10);
    let mut digital = net.init(key.fold("weights"));
    let mut on_chip = digital.clone();
    on_chip.to_analog(preset, key.fold("hardware"))?;
    on_chip.tile_arrays_mut().into_iter().for_each(|(_, tiles)| tiles.count_pulses());
    let losses = [train("digital", &mut digital, &mnist, &args), train("on the chip", &mut on_chip, &mnist, &args)];
    args.common.say(format!("\n{}", on_chip.summary()));
    if let Some(file) = &args.plot {
        let pulses = |tiles: &TileArray| -> Vec<f32> {
            let devices = tiles.cells().iter().flat_map(|cell| cell.devices());
            devices.filter_map(|device| device.pulses()).flat_map(|n| n.to_vec()).collect()
        };
        let worn: Vec<_> = on_chip.tile_arrays().into_iter().map(|(path, tiles)| (path, pulses(tiles))).collect();
        let worn: Vec<_> = worn.iter().map(|(path, pulses)| (path.as_str(), &pulses[..])).collect();
        let mut curves = plots::training_curves(&[("digital", &losses[0]), ("on the chip", &losses[1])]);
        curves.x.label = "epoch".into();
        plots::save(file, &[curves, plots::wear(&worn)])?;
    }
    Ok(())
}

/// The losses of a training without momentum, digitally or by pulses.
fn train(run: &str, net: &mut Sequential, mnist: &Mnist, args: &Args) -> Vec<f32> {
    let (key, mut sgd, mut losses) = (Key::new(args.common.seed), Sgd::new(0.0), vec![]);
    for epoch in 0..args.epochs {
        // Halved after each third, as by Gokmen and Vlasov (2016).
        sgd.lr = args.lr * args.batch as f32 * 0.5f32.powi((3 * epoch / args.epochs) as i32);
        let mut total = 0.0;
        for (step, batch) in mnist.train.batches(args.batch, key.fold("shuffle").fold(epoch)).enumerate() {
            let tape = Tape::train(key.fold("step").fold(epoch).fold(step));
            let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
            total += f64::from(loss.item()) * batch.y.len() as f64;
            sgd.step(net, loss.backward());
        }
        let loss = total / mnist.train.len() as f64;
        losses.push(loss as f32);
        let test = accuracy(net, &mnist.test, key.fold("test").fold(epoch));
        args.common.event(json!({ "run": run, "epoch": epoch, "loss": loss, "test_accuracy": test }));
        args.common.say(format!("{run:>11}  epoch {:2}  loss {loss:.4}  test {:.2} %", epoch + 1, 100.0 * test));
    }
    losses
}
