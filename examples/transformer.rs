//! A transformer on analog tiles: it learns to write sequences of digits in reverse.
//!
//! Every weight (of attention, fully connected layers and output) is on tiles and trained hardware-aware; the products
//! between queries, keys and values are digital. Prints the share of sequences that are wholly right.
//!
//! ```text
//! cargo run --release --example transformer
//! ```

use std::error::Error;

use clap::Parser;
use ohmgrad::analog::presets;
use ohmgrad::prelude::*;

/// The length of a sequence, and the width of the vectors that stand for its digits.
const LENGTH: usize = 8;
const WIDTH: usize = 32;

/// Trains a transformer to reverse sequences of digits, on the tiles of a preset.
#[derive(Parser)]
struct Args {
    /// Steps of training, of 64 new sequences each.
    #[arg(long, default_value_t = 2000)]
    steps: usize,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let key = Key::new(args.seed);
    let block = |key| TransformerEncoderLayer::new(WIDTH, 4, 2 * WIDTH, key);
    let mut net = Sequential::new()
        .embedding(10, WIDTH)
        .layer_with(|key| LearnedPositions::new(LENGTH, WIDTH, key))
        .layer_with(block)
        .layer_with(block)
        .linear(WIDTH, 10)
        .init(key.fold("weights"));
    net.to_analog(presets::standard_hwa_training(), key.fold("hardware"))?;
    println!("{}", net.summary());

    let schedule = Schedule::one_cycle(5e-3, args.steps);
    let mut adam = Adam::new(0.0);
    let progress = Progress::new("training", args.steps);
    for step in 0..args.steps {
        let (x, labels) = sequences(64, key.fold("train").fold(step));
        let tape = Tape::train(key.fold("step").fold(step));
        let loss = net.forward(tape.constant(x)).reshape(&[64 * LENGTH, 10]).cross_entropy(&labels);
        adam.lr = schedule.at(step);
        progress.step(|| format!("loss {:.4}", loss.item()));
        adam.step(&mut net, loss.backward());
    }

    let mut digital = net.clone();
    digital.to_digital();
    let mut chip = net.program(key.fold("chip"))?;
    println!("sequences reversed without a mistake");
    println!("on digital weights      {:6.2} %", 100.0 * reversed(&digital, key));
    println!("on tiles                {:6.2} %", 100.0 * reversed(&net, key));
    for (t, name) in [(0.0, "programmed"), (86_400.0, "after a day"), (31_536_000.0, "after a year")] {
        chip.drift_to(t)?;
        println!("on a chip, {name:12} {:6.2} %", 100.0 * reversed(&chip, key));
    }
    Ok(())
}

/// Sequences of random digits [n, length], and all digits of their reverses, one sequence after the other.
fn sequences(n: usize, key: Key) -> (Tensor, Vec<usize>) {
    let x = Tensor::uniform(&[n, LENGTH], key).map(|u| (10.0 * u).floor());
    let labels = x.flip(1).iter().map(|&digit| digit as usize).collect();
    (x, labels)
}

/// The share of new sequences that a network reverses without a mistake, 0…1.
fn reversed(net: &dyn Module, key: Key) -> f64 {
    let (x, labels) = sequences(1000, key.fold("test"));
    let digits = predict(net, &x, key.fold("reads")).argmax(2);
    let right = digits.chunks(LENGTH).zip(labels.chunks(LENGTH)).filter(|(digits, labels)| digits == labels).count();
    right as f64 / 1000.0
}
