//! The effect of an analog backward, or of the reference's mask, on a convolutional network for handwritten
//! digits.
//!
//! Two copies of one network train in lockstep on the same batches and the same noise. By default one has a perfect
//! backward and the other an analog one; with `--mask` both are perfect, but the second masks saturated outputs. With
//! `--train EPOCHS` one network is trained to convergence instead, with checkpoints.
//!
//! ```text
//! cargo run --release --example mnist_cnn
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use ohmgrad::prelude::*;
use serde_json::json;

/// Trains a convolutional network on handwritten digits, on analog tiles.
///
/// Without --data on the digits that ship with the project. The number of threads changes no result.
#[derive(Parser)]
struct Args {
    /// Steps of the comparison.
    #[arg(long, default_value_t = 101)]
    iterations: usize,
    /// Prints every N-th iteration.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Directory with the four IDX files of MNIST, plain or gzipped.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    /// Range of the ADC; 0 switches it off, and with it the mask.
    #[arg(long, default_value_t = 12.0, allow_negative_numbers = true)]
    out_bound: f32,
    /// Train one network with Adam for N epochs instead.
    #[arg(long, value_name = "EPOCHS")]
    train: Option<usize>,
    /// With --train: write a checkpoint to this file every 200 steps.
    #[arg(long, value_name = "FILE", requires = "train")]
    checkpoint: Option<PathBuf>,
    /// With --train: go on from this checkpoint (and write on to it, unless --checkpoint names another).
    #[arg(long, value_name = "FILE", requires = "train")]
    resume: Option<PathBuf>,
    /// Draw the losses of the comparison into this file, .svg or .png.
    #[arg(long, value_name = "FILE", conflicts_with = "train")]
    plot: Option<PathBuf>,
    /// Print JSON lines and nothing else on standard output.
    #[arg(long)]
    json: bool,
    /// Threads to compute on [default: RAYON_NUM_THREADS, or all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    Sgd,
    Adam,
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

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    use_threads(args.threads)?;
    let mut mnist = match &args.data {
        Some(dir) => Mnist::from_dir(dir)?,
        None => Mnist::embedded(),
    };
    for set in [&mut mnist.train, &mut mnist.test] {
        set.x = set.x.reshape(&[set.len(), 1, mnist.size[0], mnist.size[1]]);
    }
    match args.train {
        Some(epochs) => train(epochs, &mnist, args),
        None => compare(&mnist, args),
    }
}

fn network(key: Key) -> Sequential {
    Sequential::new()
        .conv2d(1, 32, 3)
        .relu()
        .conv2d(32, 64, 3)
        .relu()
        .max_pool2d(2)
        .dropout(0.25)
        .flatten()
        .linear(9216, 128)
        .relu()
        .dropout(0.5)
        .linear(128, 10)
        .init(key.fold("weights"))
}

fn on_tiles(backward: BackwardIoParameters, args: &Args) -> Result<Sequential, Box<dyn Error>> {
    let key = Key::new(args.seed);
    let config = InferenceRpuConfig {
        forward: IoParameters {
            out_res: -1.0,
            out_bound: args.out_bound,
            w_noise: 0.02,
            w_noise_type: WeightNoise::AdditiveConstant,
            ..Default::default()
        },
        backward,
        ..Default::default()
    };
    let mut net = network(key);
    net.to_analog(&config, key.fold("hardware"))?;
    Ok(net)
}

/// One of the two copies.
struct Run {
    net: Sequential,
    optimizer: Box<dyn Optimizer>,
}

/// The results of a step of a run.
struct Shown {
    loss: f32,
    mean: f64,
    std: f64,
}

impl Run {
    fn new(backward: BackwardIoParameters, args: &Args) -> Result<Self, Box<dyn Error>> {
        let lr = args.lr.unwrap_or(1e-3);
        let optimizer: Box<dyn Optimizer> = match args.optimizer {
            Choice::Sgd => Box::new(Sgd::new(lr)),
            Choice::Adam => Box::new(Adam::new(lr)),
        };
        Ok(Self { net: on_tiles(backward, args)?, optimizer })
    }

    fn step(&mut self, x: &Tensor, labels: &[usize], key: Key, show: bool) -> Shown {
        let tape = Tape::train(key);
        let loss = self.net.forward(tape.constant(x.clone())).cross_entropy(labels);
        let gradients = loss.backward();
        let mut shown = Shown { loss: loss.item(), mean: 0.0, std: 0.0 };
        if show {
            (shown.mean, shown.std) = moments(&gradients);
        }
        self.optimizer.step(&mut self.net, gradients);
        shown
    }
}

/// Mean and standard deviation over all parameters' gradients together.
fn moments(gradients: &Gradients) -> (f64, f64) {
    let sum = |f: &dyn Fn(f64) -> f64| gradients.iter().flat_map(|(_, g)| g.to_vec()).map(|g| f(g.into())).sum::<f64>();
    let n = gradients.iter().map(|(_, g)| g.len()).sum::<usize>() as f64;
    let mean = sum(&|g| g) / n;
    (mean, (sum(&|g| (g - mean) * (g - mean)) / n).sqrt())
}

fn compare(mnist: &Mnist, args: &Args) -> Result<(), Box<dyn Error>> {
    let (key, batch) = (Key::new(args.seed), args.batch.unwrap_or(256));
    let perfect = BackwardIoParameters::perfect();
    let (other, names) = match args.mask {
        true => (BackwardIoParameters { mask_saturated: true, ..perfect }, ["perfect", "masked"]),
        false => (BackwardIoParameters { is_perfect: false, ..perfect }, ["perfect", "analog"]),
    };
    let mut runs = [Run::new(perfect, args)?, Run::new(other, args)?];
    if !args.json {
        let [a, b] = names;
        println!("{}\n", runs[0].net.summary());
        println!("{:9}  {:^25}  {:^25}  {:^23}", "", "mean of all gradients", "standard deviation", "loss");
        println!("iteration  {a:>12} {b:>12}  {a:>12} {b:>12}  {a:>11} {b:>11}");
    }
    let batches = (0..).flat_map(|epoch: u64| mnist.train.batches(batch, key.fold("shuffle").fold(epoch)));
    let progress = Progress::new("lockstep", args.iterations);
    let mut losses = [vec![], vec![]];
    for (i, batch) in batches.take(args.iterations).enumerate() {
        let show = i % args.every as usize == 0 || i + 1 == args.iterations && args.mask;
        let step = key.fold("step").fold(i);
        let [a, b] = runs.each_mut().map(|run| run.step(&batch.x, &batch.y, step, show));
        progress.step(|| format!("losses {:.4} and {:.4}", a.loss, b.loss));
        losses[0].push(a.loss);
        losses[1].push(b.loss);
        if show && args.json {
            let line = json!({
                "iteration": i, "grad_mean": [a.mean, b.mean], "grad_std": [a.std, b.std], "loss": [a.loss, b.loss],
            });
            println!("{line}");
        } else if show {
            let means = format!("{:>12.3e} {:>12.3e}", a.mean, b.mean);
            println!("{i:9}  {means}  {:>12.4e} {:>12.4e}  {:>11.4} {:>11.4}", a.std, b.std, a.loss, b.loss);
        }
    }
    drop(progress);
    if let Some(file) = &args.plot {
        ohmgrad_plots::training_curves(&[(names[0], &losses[0]), (names[1], &losses[1])]).save(file)?;
    }
    if args.mask {
        let [a, b] = runs.each_ref().map(|run| accuracy(&run.net, &mnist.test, key.fold("test")));
        if args.json {
            println!("{}", json!({ "test_accuracy": [a, b] }));
        } else {
            println!("\ntest accuracy: {} {:.2} %, {} {:.2} %", names[0], 100.0 * a, names[1], 100.0 * b);
        }
    }
    Ok(())
}

fn train(epochs: usize, mnist: &Mnist, args: &Args) -> Result<(), Box<dyn Error>> {
    let (key, batch) = (Key::new(args.seed), args.batch.unwrap_or(64));
    let mut net = on_tiles(BackwardIoParameters::perfect(), args)?;
    let mut adam = Adam::new(0.0);
    let steps = epochs * mnist.train.len().div_ceil(batch);
    let schedule = Schedule::one_cycle(args.lr.unwrap_or(2e-3), steps);
    let mut trainer = Trainer::new(epochs, batch, key).with_schedule(schedule);
    if let Some(file) = args.checkpoint.as_ref().or(args.resume.as_ref()) {
        trainer = trainer.with_checkpoints(file, 200);
    }
    if let Some(file) = &args.resume {
        trainer.resume(file, &mut net, &mut adam)?;
        eprintln!("going on from step {} of {}", trainer.state().step, file.display());
    }
    if !args.json {
        println!("{}\n", net.summary());
    }
    trainer.fit(
        &mut net,
        &mut adam,
        &mnist.train,
        |y, labels| y.cross_entropy(labels),
        |net, key| accuracy(net, &mnist.test, key),
        |epoch| match args.json {
            true => println!("{}", json!({ "epoch": epoch.epoch, "loss": epoch.loss, "epoch_accuracy": epoch.score })),
            false => println!("epoch {}  loss {:.4}  test {:.2} %", epoch.epoch, epoch.loss, 100.0 * epoch.score),
        },
    )?;
    let test = accuracy(&net, &mnist.test, key.fold("test"));
    match args.json {
        true => println!("{}", json!({ "test_accuracy": test })),
        false => println!("test accuracy {:.2} %", 100.0 * test),
    }
    Ok(())
}
