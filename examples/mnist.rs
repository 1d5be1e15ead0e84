//! Handwritten digits on analog tiles, and the effect of hardware-aware training.
//!
//! Trains a 784-256-128-10 network digitally, puts the weights on tiles as they are, and trains them on there
//! hardware-aware: with the tiles' noise in every forward pass, and a perfect backward. Prints the three test accuracies.
//! Tiles are read under the default parameters plus weight noise.
//!
//! ```text
//! cargo run --release --example mnist
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ohmgrad::prelude::*;
use serde_json::json;

/// Trains a network on handwritten digits, digitally and on analog tiles.
///
/// Without --data or --download: on the digits that ship with the project (10,000 for training, 10,000 for testing).
/// The number of threads changes no result.
#[derive(Parser)]
struct Args {
    /// Directory with the four IDX files of MNIST (or another set in its format), plain or gzipped.
    #[arg(long, value_name = "DIR", conflicts_with = "download")]
    data: Option<PathBuf>,
    /// Fetch full MNIST from its public mirrors, check its sums, and keep it in the cache directory.
    #[arg(long)]
    download: bool,
    /// Times through the training digits, for each of the two trainings.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// An InferenceRpuConfig as TOML or JSON, instead of the default parameters plus additive weight noise 0.02.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print a JSON line per epoch, and accuracies (0…1) as the last line; nothing else on standard output.
    #[arg(long)]
    json: bool,
    /// Threads to compute on [default: RAYON_NUM_THREADS, or all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(feature = "download")]
fn download() -> Result<Mnist, Box<dyn Error>> {
    Ok(Mnist::download()?)
}

#[cfg(not(feature = "download"))]
fn download() -> Result<Mnist, Box<dyn Error>> {
    Err("--download needs the feature of that name: cargo run --release --features download --example mnist -- --download".into())
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    use_threads(args.threads)?;
    let config = match &args.config {
        Some(file) => InferenceRpuConfig::from_file(file)?,
        None => InferenceRpuConfig {
            forward: IoParameters { w_noise: 0.02, w_noise_type: WeightNoise::AdditiveConstant, ..Default::default() },
            ..Default::default()
        },
    };
    config.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
    let mnist = match &args.data {
        Some(dir) => Mnist::from_dir(dir)?,
        None if args.download => download()?,
        None => Mnist::embedded(),
    };
    let key = Key::new(args.seed);
    if !args.json {
        println!("{} digits for training, {} for testing; {}", mnist.train.len(), mnist.test.len(), config);
    }

    let mut digital = network(&mnist, key);
    train("digital", &mut digital, &mnist, args, key)?;

    let mut on_tiles = digital.clone();
    on_tiles.to_analog(&config, key.fold("hardware"))?;

    let mut aware = on_tiles.clone();
    train("hardware_aware", &mut aware, &mnist, args, key)?;

    let test = |net: &Sequential| accuracy(net, &mnist.test, key.fold("test"));
    let (digital, on_tiles, aware) = (test(&digital), test(&on_tiles), test(&aware));
    if args.json {
        println!("{}", json!({ "digital": digital, "digital_on_tiles": on_tiles, "hardware_aware": aware }));
    } else {
        println!("\n                                        test accuracy");
        println!("digital                                     {:6.2} %", 100.0 * digital);
        println!("digital weights put on tiles                {:6.2} %", 100.0 * on_tiles);
        println!("trained on hardware-aware                   {:6.2} %", 100.0 * aware);
    }
    Ok(())
}

fn network(mnist: &Mnist, key: Key) -> Sequential {
    let pixels = mnist.size.iter().product();
    Sequential::new().linear(pixels, 256).relu().linear(256, 128).relu().linear(128, 10).init(key.fold("weights"))
}

fn train(run: &str, net: &mut Sequential, mnist: &Mnist, args: &Args, key: Key) -> Result<(), Box<dyn Error>> {
    const BATCH: usize = 64;
    let steps = args.epochs * mnist.train.len().div_ceil(BATCH);
    let schedule = Schedule::one_cycle(2e-3, steps);
    let mut adam = Adam::new(0.0);
    let progress = Progress::new(run, steps);
    let mut step = 0;
    for epoch in 0..args.epochs {
        let (mut total, mut batches) = (0.0, 0);
        for batch in mnist.train.batches(BATCH, key.fold("shuffle").fold(epoch)) {
            let tape = Tape::train(key.fold("step").fold(step));
            let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
            total += loss.item();
            adam.lr = schedule.at(step);
            adam.step(net, loss.backward());
            (step, batches) = (step + 1, batches + 1);
            progress.step(|| format!("epoch {} loss {:.4}", epoch + 1, total / batches as f32));
        }
        let loss = total / batches as f32;
        let test = accuracy(net, &mnist.test, key.fold("validation").fold(epoch));
        if args.json {
            println!("{}", json!({ "run": run, "epoch": epoch, "loss": loss, "test_accuracy": test }));
        } else {
            progress.say(&format!(
                "{run:>14}  epoch {:2}  loss {loss:.4}  test accuracy {:.2} %",
                epoch + 1,
                100.0 * test
            ));
        }
    }
    Ok(())
}
