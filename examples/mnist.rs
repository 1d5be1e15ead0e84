//! Handwritten digits on analog tiles, and the effect of hardware-aware training.
//!
//! Trains a 784-256-128-10 network digitally, puts the weights on tiles as they are, and continues the training there
//! hardware-aware: with the tiles' noise in every forward pass, and a perfect backward. Prints the three test
//! accuracies.
//!
//! ```text
//! cargo run --release --example mnist
//! ```

mod options;

use std::path::PathBuf;

use clap::Parser;
use ohmgrad::prelude::*;
use options::{Common, Failure};
use serde_json::json;

/// Trains a network on handwritten digits, digitally and on analog tiles.
#[derive(Parser)]
struct Args {
    /// Directory with the four IDX files of MNIST (or another set in its format), plain or gzipped [default: the digits
    /// that ship with the project, 10,000 for training and 10,000 for testing].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Times through the training digits, for each of the two trainings.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// An InferenceRpuConfig as TOML or JSON, instead of the default parameters plus additive weight noise 0.02.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    use_threads(args.common.threads)?;
    let key = Key::new(args.common.seed);
    let mnist = args.data.as_ref().map_or_else(|| Ok(Mnist::embedded()), Mnist::from_dir)?;
    let forward = IoParameters { w_noise: 0.02, w_noise_type: WeightNoise::AdditiveConstant, ..Default::default() };
    let config = match &args.config {
        Some(file) => InferenceRpuConfig::from_file(file)?,
        None => InferenceRpuConfig { forward, ..Default::default() },
    };
    config.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
    args.common.say(format!("{} digits for training, {} for testing; {config}", mnist.train.len(), mnist.test.len()));

    let net = Sequential::new().linear(mnist.size.iter().product(), 256).relu().linear(256, 128).relu().linear(128, 10);
    let mut digital = net.init(key.fold("weights"));
    train("digital", &mut digital, &mnist, &args);

    let mut on_tiles = digital.clone();
    on_tiles.to_analog(&config, key.fold("hardware"))?;

    let mut aware = on_tiles.clone();
    train("hardware_aware", &mut aware, &mnist, &args);

    let [digital, on_tiles, aware] =
        [digital, on_tiles, aware].map(|net| accuracy(&net, &mnist.test, key.fold("test")));
    args.common.event(json!({ "digital": digital, "digital_on_tiles": on_tiles, "hardware_aware": aware }));
    args.common.say("\n                              test accuracy");
    args.common.say(format!("digital                             {:6.2} %", 100.0 * digital));
    args.common.say(format!("digital weights put on tiles        {:6.2} %", 100.0 * on_tiles));
    args.common.say(format!("trained on hardware-aware           {:6.2} %", 100.0 * aware));
    Ok(())
}

/// Trains a network, digital or on tiles: the loop is the same.
fn train(run: &str, net: &mut Sequential, mnist: &Mnist, args: &Args) {
    const BATCH: usize = 64;
    let (key, mut adam, mut step) = (Key::new(args.common.seed), Adam::new(0.0), 0);
    let schedule = Schedule::one_cycle(2e-3, args.epochs * mnist.train.len().div_ceil(BATCH));
    for epoch in 0..args.epochs {
        let (mut total, first) = (0.0, step);
        for batch in mnist.train.batches(BATCH, key.fold("shuffle").fold(epoch)) {
            let tape = Tape::train(key.fold("step").fold(step));
            let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
            total += loss.item();
            adam.lr = schedule.at(step);
            adam.step(net, loss.backward());
            step += 1;
        }
        let loss = total / (step - first) as f32;
        let test = accuracy(net, &mnist.test, key.fold("validation").fold(epoch));
        args.common.event(json!({ "run": run, "epoch": epoch, "loss": loss, "test_accuracy": test }));
        args.common.say(format!("{run:>14}  epoch {:2}  loss {loss:.4}  test {:.2} %", epoch + 1, 100.0 * test));
    }
}
