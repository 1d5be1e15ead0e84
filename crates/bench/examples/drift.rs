//! Accuracy of a network on phase-change chips over ten years: with its weights as they are, with weights scaled so
//! that the largest of each tile is 1, and trained hardware-aware. Trains the network digitally, and a copy
//! hardware-aware in the second half of the training; programs chips; lets them drift. The command `ohmgrad drift` does
//! this for any recipe.
//!
//! ```text
//! cargo run --release --example drift -- --plot drift
//! ```

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use ohmgrad::plots::Band;
use ohmgrad::prelude::*;
use ohmgrad_bench::networks::hardware;
use ohmgrad_bench::options::{Common, Failure};
use serde_json::json;

/// Follows the accuracy of networks for handwritten digits on chips.
#[derive(Parser)]
struct Args {
    /// Evaluate these weights, a PyTorch state dict as safetensors, instead of training.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The network: 784-256-128-10 with ReLU, or two convolutions and two linear layers with tanh.
    #[arg(long, value_enum, default_value_t = Net::Mlp)]
    net: Net,
    /// An InferenceRpuConfig as TOML or JSON, instead of: no ADC steps, additive weight noise 0.02, weights mapped with
    /// omega 1, PCM at 25 µS, global drift compensation.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Chips that are programmed with each network.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..))]
    chips: u16,
    /// Seconds since programming.
    #[arg(long, value_delimiter = ',', default_value = "1,60,3600,86400,2629800,31557600,315576000")]
    times: Vec<f64>,
    /// Directory with the four IDX files of MNIST, plain or gzipped [default: the digits that ship with the project].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Test with the first N images only.
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    test_images: usize,
    /// Epochs over the training digits, for each half of a training.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Write the digital weights into this directory, as `NET_digital.safetensors` and
    /// `NET_hardware_aware.safetensors`.
    #[arg(long, value_name = "DIR", conflicts_with = "weights")]
    save: Option<PathBuf>,
    /// Draw accuracies over time into NAME.svg and NAME.png.
    #[arg(long, value_name = "NAME")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Net {
    Mlp,
    Lenet,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    use_threads(args.common.threads)?;
    let mut config = hardware(BackwardIoParameters::perfect());
    config.mapping.weight_scaling_omega = 1.0;
    if let Some(file) = &args.config {
        config = InferenceRpuConfig::from_file(file)?;
    }
    config.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
    let mut mnist = args.data.as_ref().map_or_else(|| Ok(Mnist::embedded()), Mnist::from_dir)?;
    mnist.test = mnist.test.take(args.test_images);
    if matches!(args.net, Net::Lenet) {
        for set in [&mut mnist.train, &mut mnist.test] {
            set.x = set.x.reshape(&[set.len(), 1, 28, 28]);
        }
    }
    let (key, mut bands) = (Key::new(args.common.seed), vec![]);
    let times: Vec<f32> = args.times.iter().map(|&t| t as f32).collect();
    for (name, title, config, mut net) in networks(&args, &config, &mnist, key)? {
        let digital = 100.0 * accuracy(&net, &mnist.test, key.fold("test"));
        args.common.say(format!("\n{title}: {digital:.2} % in digital memory; on {} chips", args.chips));
        if let Some(dir) = args.save.as_ref().filter(|_| name != "unmapped") {
            let file = format!("{}_{name}.safetensors", format!("{:?}", args.net).to_lowercase());
            Checkpoint::save(dir.join(file), &net, None, &TrainingState::new(key))?;
        }
        net.to_analog(&config, key.fold("hardware"))?;
        net.program(key.fold("look"))?.warnings().iter().for_each(|weak| eprintln!("warning: {weak}"));
        let ages = accuracy_over_time(&net, &mnist.test, &times, args.chips.into(), key.fold("chips"))?;
        for (t, at) in args.times.iter().zip(&ages) {
            let mut line = json!({ "t": t, "mean": at.mean(), "std": at.std(), "chips": args.chips });
            if args.weights.is_none() {
                line["network"] = json!(name);
            }
            args.common.event(line);
            let (mean, half) = (100.0 * at.mean(), 100.0 * at.confidence());
            args.common.say(format!("{t:>12} s  {mean:.2} ± {half:.2} %"));
        }
        let points = ages.iter().map(|at| [at.t.into(), at.mean(), at.std()]).collect();
        bands.push(Band { name: title.into(), over: format!("{} chips", args.chips), points });
    }
    for extension in ["svg", "png"] {
        if let Some(name) = &args.plot {
            ohmgrad::plots::accuracy_over_time(&bands).save(name.with_extension(extension))?;
        }
    }
    Ok(())
}

type Named = (&'static str, &'static str, InferenceRpuConfig, Sequential);

/// The network with the given weights; without any, a network that is trained digitally, unmapped and mapped, and a
/// copy that is trained hardware-aware in the second half. In this half its weights have additive noise of a tenth of a
/// tile's largest weight, drawn anew in each step, besides the noise of the reads.
fn networks(args: &Args, config: &InferenceRpuConfig, mnist: &Mnist, key: Key) -> Result<Vec<Named>, Failure> {
    let layers = Sequential::new();
    let layers = match args.net {
        Net::Mlp => layers.linear(784, 256).relu().linear(256, 128).relu().linear(128, 10),
        Net::Lenet => {
            let features = layers.conv2d(1, 16, 5).tanh().max_pool2d(2).conv2d(16, 32, 5).tanh().max_pool2d(2);
            features.flatten().linear(512, 128).tanh().linear(128, 10)
        }
    };
    let mut half = layers.init(key.fold("weights"));
    if let Some(file) = &args.weights {
        half.load_weights(file)?;
        return Ok(vec![("weights", "given weights", config.clone(), half)]);
    }
    let train = |net: &mut Sequential, key: Key| {
        let schedule = Schedule::one_cycle(2e-3, args.epochs * mnist.train.len().div_ceil(64));
        let mut trainer = Trainer::new(args.epochs, 64, key).with_schedule(schedule);
        let mut adam = Adam::new(0.0);
        trainer.fit(net, &mut adam, &mnist.train, |y, labels| y.cross_entropy(labels), |_, _| f64::NAN, |_| ())
    };
    train(&mut half, key.fold("first"))?;
    let (mut plain, mut aware) = (half.clone(), half);
    train(&mut plain, key.fold("second"))?;
    let modifier = WeightModifierParameter { kind: WeightModifier::AddNormal, std_dev: 0.1, ..Default::default() };
    aware.to_analog(&InferenceRpuConfig { modifier, ..config.clone() }, key.fold("hardware"))?;
    train(&mut aware, key.fold("second"))?;
    aware.to_digital();
    let mut as_they_are = config.clone();
    as_they_are.mapping.weight_scaling_omega = 0.0;
    Ok(vec![
        ("unmapped", "weights as they are", as_they_are, plain.clone()),
        ("digital", "mapped", config.clone(), plain),
        ("hardware_aware", "mapped, trained hardware-aware", config.clone(), aware),
    ])
}
