//! The effect of an analog backward, or of the reference's mask, on a convolutional network for handwritten digits.
//!
//! Two copies of one network train in lockstep on the same batches and the same noise. By default one has a perfect
//! backward and the other an analog one; with `--mask` both are perfect, but the second masks saturated outputs. With
//! `--train EPOCHS` one network is trained to convergence instead. The example `lockstep` is the comparison in its
//! shortest form, and `ohmgrad train` trains such a network with checkpoints.
//!
//! ```text
//! cargo run --release --example mnist_cnn
//! ```

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use ohmgrad::prelude::*;
use ohmgrad_bench::networks::{cnn, hardware};
use ohmgrad_bench::options::{Common, Failure};
use serde_json::json;

/// Trains a convolutional network on handwritten digits, on analog tiles.
#[derive(Parser)]
struct Args {
    /// Steps of the comparison.
    #[arg(long, default_value_t = 101)]
    iterations: usize,
    /// Prints every N-th iteration.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Directory with the four IDX files of MNIST, plain or gzipped [default: the digits that ship with the project].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Rows per step [default: 256; 64 with --train].
    #[arg(long)]
    batch: Option<usize>,
    /// Learning rate [default: 0.001; with --train the peak of one cycle, 0.002].
    #[arg(long)]
    lr: Option<f32>,
    /// The optimizer of the comparison.
    #[arg(long, value_enum, default_value_t = Choice::Sgd)]
    optimizer: Choice,
    /// Compare a perfect backward without and with the mask of saturated outputs; ends with test accuracies.
    #[arg(long)]
    mask: bool,
    /// Bound of the ADC; 0: no bound, and so no saturated outputs to mask.
    #[arg(long, default_value_t = 12.0, allow_negative_numbers = true)]
    out_bound: f32,
    /// Train one network with Adam for N epochs instead.
    #[arg(long, value_name = "EPOCHS")]
    train: Option<usize>,
    /// Draw the losses of the comparison into this file, .svg or .png.
    #[arg(long, value_name = "FILE", conflicts_with = "train")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    Sgd,
    Adam,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    use_threads(args.common.threads)?;
    let mut mnist = args.data.as_ref().map_or_else(|| Ok(Mnist::embedded()), Mnist::from_dir)?;
    for set in [&mut mnist.train, &mut mnist.test] {
        set.x = set.x.reshape(&[set.len(), 1, mnist.size[0], mnist.size[1]]);
    }
    match args.train {
        Some(epochs) => train(epochs, &mnist, &args),
        None => compare(&mnist, &args),
    }
}

fn on_tiles(backward: BackwardIoParameters, args: &Args) -> Result<Sequential, Failure> {
    let key = Key::new(args.common.seed);
    let mut config = hardware(backward);
    config.forward.out_bound = args.out_bound;
    let mut net = cnn(key.fold("weights"));
    net.to_analog(&config, key.fold("hardware"))?;
    Ok(net)
}

/// One of the two copies.
struct Run {
    name: &'static str,
    net: Sequential,
    optimizer: Box<dyn Optimizer>,
    losses: Vec<f32>,
}

impl Run {
    fn new(name: &'static str, backward: BackwardIoParameters, args: &Args) -> Result<Self, Failure> {
        let lr = args.lr.unwrap_or(1e-3);
        let optimizer: Box<dyn Optimizer> = match args.optimizer {
            Choice::Sgd => Box::new(Sgd::new(lr)),
            Choice::Adam => Box::new(Adam::new(lr)),
        };
        Ok(Self { name, net: on_tiles(backward, args)?, optimizer, losses: vec![] })
    }

    /// Makes a step; returns its loss and, if `is_shown`, the moments of its gradients.
    fn step(&mut self, x: &Tensor, labels: &[usize], key: Key, is_shown: bool) -> (f32, [f64; 2]) {
        let tape = Tape::train(key);
        let loss = self.net.forward(tape.constant(x.clone())).cross_entropy(labels);
        let gradients = loss.backward();
        let moments = if is_shown { moments(&gradients) } else { [0.0; 2] };
        self.optimizer.step(&mut self.net, gradients);
        self.losses.push(loss.item());
        (loss.item(), moments)
    }
}

/// Mean and standard deviation over all parameters' gradients together.
fn moments(gradients: &Gradients) -> [f64; 2] {
    let all = gradients.flat();
    let n = all.len() as f64;
    let mean = all.iter().map(|&g| f64::from(g)).sum::<f64>() / n;
    let squares = all.iter().map(|&g| f64::from(g) - mean).map(|off| off * off).sum::<f64>();
    [mean, (squares / n).sqrt()]
}

fn compare(mnist: &Mnist, args: &Args) -> Result<(), Failure> {
    let (key, batch) = (Key::new(args.common.seed), args.batch.unwrap_or(256));
    let perfect = BackwardIoParameters::perfect();
    let (name, other) = match args.mask {
        true => ("masked", BackwardIoParameters { mask_saturated: true, ..perfect }),
        false => ("analog", BackwardIoParameters { is_perfect: false, ..perfect }),
    };
    let mut runs = [Run::new("perfect", perfect, args)?, Run::new(name, other, args)?];
    let [a, b] = ["perfect", name];
    args.common.say(format!("{}\n", runs[0].net.summary()));
    args.common.say("             mean of all gradients       standard deviation               loss");
    args.common.say(format!("iteration  {a:>12} {b:>12}  {a:>12} {b:>12}  {a:>11} {b:>11}"));
    let batches = (0..).flat_map(|epoch: u64| mnist.train.batches(batch, key.fold("shuffle").fold(epoch)));
    let progress = Progress::new("lockstep", args.iterations);
    for (i, batch) in batches.take(args.iterations).enumerate() {
        let is_shown = i % args.every as usize == 0 || i + 1 == args.iterations && args.mask;
        let step = key.fold("step").fold(i);
        let [(loss, [mean, std]), (other_loss, [other_mean, other_std])] =
            runs.each_mut().map(|run| run.step(&batch.x, &batch.y, step, is_shown));
        progress.step(|| format!("losses {loss:.4} and {other_loss:.4}"));
        if is_shown {
            args.common.event(json!({
                "iteration": i, "grad_mean": [mean, other_mean], "grad_std": [std, other_std], "loss": [loss, other_loss],
            }));
            let means = format!("{mean:>12.3e} {other_mean:>12.3e}");
            let stds = format!("{std:>12.4e} {other_std:>12.4e}");
            args.common.say(format!("{i:9}  {means}  {stds}  {loss:>11.4} {other_loss:>11.4}"));
        }
    }
    drop(progress);
    if let Some(file) = &args.plot {
        ohmgrad::plots::training_curves(&runs.each_ref().map(|run| (run.name, &run.losses[..]))).save(file)?;
    }
    if args.mask {
        let accuracies = runs.each_ref().map(|run| accuracy(&run.net, &mnist.test, key.fold("test")));
        args.common.event(json!({ "test_accuracy": accuracies }));
        let [a, b] = accuracies.map(|accuracy| 100.0 * accuracy);
        args.common.say(format!("\ntest accuracy: {} {a:.2} %, {} {b:.2} %", runs[0].name, runs[1].name));
    }
    Ok(())
}

fn train(epochs: usize, mnist: &Mnist, args: &Args) -> Result<(), Failure> {
    let (key, batch) = (Key::new(args.common.seed), args.batch.unwrap_or(64));
    let (mut net, mut adam) = (on_tiles(BackwardIoParameters::perfect(), args)?, Adam::new(0.0));
    let schedule = Schedule::one_cycle(args.lr.unwrap_or(2e-3), epochs * mnist.train.len().div_ceil(batch));
    args.common.say(format!("{}\n", net.summary()));
    Trainer::new(epochs, batch, key).with_schedule(schedule).fit(
        &mut net,
        &mut adam,
        &mnist.train,
        |y, labels| y.cross_entropy(labels),
        |net, key| accuracy(net, &mnist.test, key),
        |epoch| {
            let (number, loss, test) = (epoch.epoch, epoch.loss, epoch.score);
            args.common.event(json!({ "epoch": number, "loss": loss, "epoch_accuracy": test }));
            args.common.say(format!("epoch {number}  loss {loss:.4}  test {:.2} %", 100.0 * test));
        },
    )?;
    let test = accuracy(&net, &mnist.test, key.fold("test"));
    args.common.event(json!({ "test_accuracy": test }));
    args.common.say(format!("test accuracy {:.2} %", 100.0 * test));
    Ok(())
}
