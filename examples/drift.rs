//! What a network on a phase-change chip is worth after ten years, and what hardware-aware training does about it.
//!
//! Trains a network on handwritten digits twice: digitally, and then on from there with the noise of the hardware in every
//! step. Both are programmed onto many chips, the chips drift from a second to ten years, and their test accuracies are
//! printed and drawn. With `--weights` it evaluates given weights instead.
//!
//! ```text
//! cargo run --release --example drift
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use ohmgrad::analog::config::{WeightModifier, WeightModifierParameter};
use ohmgrad::models::AtTime;
use ohmgrad::prelude::*;
use ohmgrad_plots::{Band, Figure, histogram, programming_error};
use serde_json::json;

/// Programs chips with a network that knows handwritten digits, and follows their accuracy over time.
///
/// Trains the network both digitally and hardware-aware, or takes given weights. Without --data on the digits that ship
/// with the project (10,000 for training, 10,000 for testing). The number of threads changes no result.
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
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..))]
    chips: u64,
    /// Seconds since programming, separated by commas [default: a second, minute, hour, day, month, year, ten years].
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,60,3600,86400,2629800,31557600,315576000",
        hide_default_value = true
    )]
    times: Vec<f64>,
    /// Directory with the four IDX files of MNIST, plain or gzipped.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Test with the first so many images only.
    #[arg(long, value_name = "N")]
    test_images: Option<usize>,
    /// What everything random derives from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Times through the training digits, for each of the two trainings.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Noise on the weights in hardware-aware training, in units of the largest weight of a tile.
    #[arg(long, default_value_t = 0.1)]
    train_noise: f32,
    /// Write the digital weights of both trained networks into this directory, as `NET_digital.safetensors` and
    /// `NET_hardware_aware.safetensors`.
    #[arg(long, value_name = "DIR", conflicts_with = "weights")]
    save: Option<PathBuf>,
    /// Draw accuracies over time into this file's name with .svg and .png, and with `_devices` what programming did; after a training, unless --json, the default
    /// is `drift` in the directory for temporary files.
    #[arg(long, value_name = "NAME")]
    plot: Option<PathBuf>,
    /// Print a JSON line per time and nothing else on standard output.
    #[arg(long)]
    json: bool,
    /// Threads to compute on [default: RAYON_NUM_THREADS, or all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Net {
    Mlp,
    Lenet,
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
    let config = match &args.config {
        Some(file) => InferenceRpuConfig::from_file(file)?,
        None => default_config(),
    };
    config.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
    let mut mnist = match &args.data {
        Some(dir) => Mnist::from_dir(dir)?,
        None => Mnist::embedded(),
    };
    if let Some(n) = args.test_images {
        mnist.test = mnist.test.take(n);
    }
    if args.net == Net::Lenet {
        for set in [&mut mnist.train, &mut mnist.test] {
            set.x = set.x.reshape(&[set.len(), 1, mnist.size[0], mnist.size[1]]);
        }
    }
    let key = Key::new(args.seed);
    if !args.json {
        println!("{config}");
    }
    let networks = match &args.weights {
        Some(file) => {
            let mut net = network(args.net, key);
            net.load_weights(file)?;
            let digital = accuracy(&net, &mnist.test, key.fold("test"));
            net.to_analog(&config, key.fold("hardware"))?;
            vec![Trained { name: "weights", title: "given weights", digital, net }]
        }
        None => trained(&config, &mnist, args)?,
    };
    let mut bands = vec![];
    let mut chip_panels = vec![];
    for Trained { name, title, digital, net } in networks {
        let times: Vec<f32> = args.times.iter().map(|&t| t as f32).collect();
        let chip = net.program(key.fold("look"))?;
        for weak in chip.warnings() {
            eprintln!("warning: {weak}");
        }
        chip_panels = devices(&chip, key.fold("look"));
        let ages = accuracy_over_time(&net, &mnist.test, &times, args.chips as usize, key.fold("chips"))?;
        if !args.json {
            print(title, digital, &ages);
        }
        for (t, at) in args.times.iter().zip(ages.iter().filter(|_| args.json)) {
            let mut line = json!({ "t": t, "mean": at.mean(), "std": at.std(), "chips": args.chips });
            if args.weights.is_none() {
                line["network"] = json!(name);
            }
            println!("{line}");
        }
        bands.push(Band {
            name: title.into(),
            points: ages.iter().map(|at| [at.t.into(), at.mean(), at.std()]).collect(),
        });
    }
    let unasked = (args.weights.is_none() && !args.json).then(|| std::env::temp_dir().join("drift"));
    if let Some(name) = args.plot.clone().or(unasked) {
        draw(&[ohmgrad_plots::accuracy_over_time(&bands)], &name, args)?;
        let mut devices = name.into_os_string();
        devices.push("_devices");
        draw(&chip_panels, Path::new(&devices), args)?;
    }
    Ok(())
}

/// The hardware of the question, with weights that use the whole range of the devices.
fn default_config() -> InferenceRpuConfig {
    InferenceRpuConfig {
        forward: IoParameters {
            out_res: -1.0,
            w_noise: 0.02,
            w_noise_type: WeightNoise::AdditiveConstant,
            ..Default::default()
        },
        mapping: MappingParameter { weight_scaling_omega: 1.0, ..Default::default() },
        ..Default::default()
    }
}

fn network(net: Net, key: Key) -> Sequential {
    let layers = Sequential::new();
    match net {
        Net::Mlp => layers.linear(784, 256).relu().linear(256, 128).relu().linear(128, 10),
        Net::Lenet => layers
            .conv2d(1, 16, 5)
            .tanh()
            .max_pool2d(2)
            .conv2d(16, 32, 5)
            .tanh()
            .max_pool2d(2)
            .flatten()
            .linear(512, 128)
            .tanh()
            .linear(128, 10),
    }
    .init(key.fold("weights"))
}

/// A network on tiles, ready to be programmed.
struct Trained {
    name: &'static str,
    title: &'static str,
    /// Its test accuracy before it came onto tiles.
    digital: f64,
    net: Sequential,
}

/// The network trained digitally, and hardware-aware from there on: with additive noise on the weights that reads see, new
/// in each step, besides the noise of the reads. Each was trained for as many steps.
fn trained(config: &InferenceRpuConfig, mnist: &Mnist, args: &Args) -> Result<Vec<Trained>, Box<dyn Error>> {
    let key = Key::new(args.seed);
    let mut half = network(args.net, key);
    train("digital", &mut half, mnist, args, key.fold("first"))?;

    let mut plain = half.clone();
    train("digital", &mut plain, mnist, args, key.fold("second"))?;

    let modifier =
        WeightModifierParameter { kind: WeightModifier::AddNormal, std_dev: args.train_noise, ..Default::default() };
    let mut aware = half;
    aware.to_analog(&InferenceRpuConfig { modifier, ..config.clone() }, key.fold("hardware"))?;
    train("hardware-aware", &mut aware, mnist, args, key.fold("second"))?;
    aware.to_digital();

    let on_tiles = |name, title, mut net: Sequential| -> Result<Trained, Box<dyn Error>> {
        let digital = accuracy(&net, &mnist.test, key.fold("test"));
        if let Some(dir) = &args.save {
            let net_name = args.net.to_possible_value().expect("no variant is hidden");
            let file = dir.join(format!("{}_{name}.safetensors", net_name.get_name()));
            Checkpoint::save(file, &net, None, &TrainingState::new(key))?;
        }
        net.to_analog(config, key.fold("hardware"))?;
        Ok(Trained { name, title, digital, net })
    };
    Ok(vec![
        on_tiles("digital", "trained digitally", plain)?,
        on_tiles("hardware_aware", "trained hardware-aware", aware)?,
    ])
}

fn train(run: &str, net: &mut Sequential, mnist: &Mnist, args: &Args, key: Key) -> Result<(), Box<dyn Error>> {
    const BATCH: usize = 64;
    let steps = args.epochs * mnist.train.len().div_ceil(BATCH);
    let schedule = Schedule::one_cycle(2e-3, steps);
    let mut adam = Adam::new(0.0);
    let progress = Progress::new(run, steps);
    let epochs = (0..args.epochs).flat_map(|epoch| mnist.train.batches(BATCH, key.fold("shuffle").fold(epoch)));
    for (step, batch) in epochs.enumerate() {
        let tape = Tape::train(key.fold("step").fold(step));
        let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
        let shown = loss.item();
        adam.lr = schedule.at(step);
        adam.step(net, loss.backward());
        progress.step(|| format!("loss {shown:.4}"));
    }
    Ok(())
}

fn print(title: &str, digital: f64, ages: &[AtTime]) {
    println!("\n{title}: {:.2} % in digital memory; on {} chips", 100.0 * digital, ages[0].chips.len());
    println!("{:>16}  {:>8}  {:>8}  {:>16}", "since programming", "mean", "std", "95 % interval");
    for at in ages {
        let (mean, half) = (100.0 * at.mean(), 100.0 * at.confidence());
        let interval =
            if half.is_finite() { format!("{:.2} … {:.2} %", mean - half, mean + half) } else { "–".into() };
        println!("{:>17}  {mean:6.2} %  {:6.2} %  {interval:>16}", age(at.t), 100.0 * at.std());
    }
}

/// A time in the largest unit that it has at least one of.
fn age(seconds: f32) -> String {
    let units = [("years", 31_557_600.0), ("months", 2_629_800.0), ("days", 86_400.0), ("h", 3600.0), ("min", 60.0)];
    let unit = units.into_iter().find(|(_, length)| seconds >= 0.999 * length);
    let (name, length) = unit.unwrap_or(("s", 1.0));
    let number = format!("{:.1}", seconds / length);
    match number.trim_end_matches(".0") {
        "1" => format!("1 {}", name.trim_end_matches(|c| c == 's' && name.len() > 1)),
        number => format!("{number} {name}"),
    }
}

/// What programming does to the first layer's first tile: its weights, the conductances of its first devices, and by how
/// much these miss their targets.
fn devices(chip: &Chip<Sequential>, key: Key) -> Vec<Figure> {
    let first = chip.network().tile_arrays().into_iter().find_map(|(_, tiles)| {
        let on = &tiles.programmed()?.tiles()[0];
        Some((tiles, on, tiles.config().noise_model.model()?, on.programmed.targets.first()?))
    });
    let Some((tiles, on, model, target)) = first else { return vec![] };
    let (target, programmed) = (target.to_vec(), model.program(target, key).to_vec());
    let scales = tiles.tiles()[0].scales.clone().unwrap_or(Tensor::from([[1.0]]));
    let w = &tiles.weight.value;
    let outs = w.shape()[0];
    let part = w.reshape(&[outs, w.len() / outs]).slice(0, tiles.tiles()[0].outs.clone());
    let ins = tiles.tiles()[0].ins.start..tiles.tiles()[0].ins.end.min(part.shape()[1]);
    let meant = (&part.slice(1, ins) / &scales).to_vec();
    vec![
        histogram("tile weight", &[("trained", &meant), ("programmed", &on.programmed.weights.to_vec())]),
        histogram("conductance / µS", &[("target", &target), ("programmed", &programmed)]),
        programming_error(&target, &programmed),
    ]
}

fn draw(figures: &[Figure], name: &Path, args: &Args) -> Result<(), Box<dyn Error>> {
    for extension in ["svg", "png"] {
        let file = name.with_extension(extension);
        ohmgrad_plots::save(&file, figures)?;
        if !args.json {
            println!("{}{}", if extension == "svg" { "\n" } else { "" }, file.display());
        }
    }
    Ok(())
}
