//! Does a perfect backward, set by hand, change a training? And does the mask?
//!
//! A user of another simulator asked why setting `backward.is_perfect = True`, which is the documented default, gave
//! him other results. There no two runs are alike, so the question has no answer. Here the question has an exact
//! answer: the same network is trained from the same key five ways, with the same noise in every forward read, and what
//! differs is what the switch did.
//!
//! The task is the forward kinematics of a six-joint robot arm, from joint angles to the position of its tool.
//!
//! ```text
//! cargo run --release --example regression
//! ```

use std::error::Error;
use std::f32::consts::FRAC_PI_2;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ohmgrad::analog::Saturation;
use ohmgrad::prelude::*;
use serde_json::json;

/// Trains one network from one key five ways, which differ in the backward pass alone, and compares them.
///
/// The number of threads changes no result.
#[derive(Parser)]
struct Args {
    /// Training steps of each run.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rows per step.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Factor on the inputs, which are normalised to ±1: 90 gives angles in degrees, which were not scaled.
    #[arg(long, default_value_t = 1.0)]
    input_scale: f32,
    /// Draw the losses of all runs, and predictions over targets, into this file, .svg or .png.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print a JSON line per run and nothing else on standard output.
    #[arg(long)]
    json: bool,
    /// Threads to compute on [default: RAYON_NUM_THREADS, or all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// The results of one training.
struct Run {
    name: &'static str,
    losses: Vec<f32>,
    /// Mean and standard deviation over all parameters' gradients of step 0.
    gradient: (f32, f32),
    /// Outputs that the backward masked, and outputs of layers that mask, over all steps.
    masked: (usize, usize),
    /// The network at the end.
    net: Sequential,
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
    let by_default = InferenceRpuConfig {
        forward: IoParameters {
            out_res: -1.0,
            w_noise: 0.02,
            w_noise_type: WeightNoise::AdditiveConstant,
            ..Default::default()
        },
        ..Default::default()
    };
    let with = |backward| InferenceRpuConfig { backward, ..by_default.clone() };
    let perfect = BackwardIoParameters::perfect;
    let data = arm(4096, args.input_scale, Key::new(args.seed).fold("data"));
    let configs = [
        ("digital", None),
        ("default", Some(by_default.clone())),
        ("backward_perfect", Some(with(BackwardIoParameters { is_perfect: true, ..perfect() }))),
        ("backward_analog", Some(with(BackwardIoParameters { is_perfect: false, ..perfect() }))),
        ("backward_masked", Some(with(BackwardIoParameters { mask_saturated: true, ..perfect() }))),
    ];
    if !args.json {
        introduce(&by_default, &data, args)?;
    }
    let mut runs = vec![];
    for (name, config) in configs {
        let run = train(name, config.as_ref(), &data, args)?;
        if args.json {
            println!("{}", run.json());
        }
        runs.push(run);
    }
    if let Some(file) = &args.plot {
        draw(file, &runs, args)?;
    }
    if !args.json {
        compare(&runs);
        cosines(&by_default, &data, args)?;
        answer(&runs);
    }
    Ok(())
}

/// The losses of all runs, and where each network puts the tool on poses that it was not trained on. Runs that are equal to
/// the last bit are one curve.
fn draw(file: &Path, runs: &[Run], args: &Args) -> Result<(), Box<dyn Error>> {
    let key = Key::new(args.seed).fold("test");
    let test = arm(200, args.input_scale, key.fold("poses"));
    let mut curves: Vec<(String, &Run)> = vec![];
    for run in runs {
        match curves.iter_mut().find(|(_, other)| other.trajectory() == run.trajectory()) {
            Some((names, _)) => *names = format!("{names} = {}", run.name),
            None => curves.push((run.name.into(), run)),
        }
    }
    let predicted: Vec<Vec<f32>> =
        curves.iter().map(|(_, run)| predict(&run.net, &test.x, key.fold("reads")).to_vec()).collect();
    let losses: Vec<(&str, &[f32])> = curves.iter().map(|(name, run)| (name.as_str(), run.losses.as_slice())).collect();
    let predicted: Vec<(&str, &[f32])> =
        curves.iter().zip(&predicted).map(|((name, _), predicted)| (name.as_str(), predicted.as_slice())).collect();
    let panels = [
        ohmgrad_plots::training_curves(&losses),
        ohmgrad_plots::predictions("position / m", &test.y.to_vec(), &predicted),
    ];
    Ok(ohmgrad_plots::save(file, &panels)?)
}

/// The network of the question.
fn network(key: Key) -> Sequential {
    Sequential::new()
        .linear(6, 128)
        .softplus()
        .linear(128, 128)
        .softplus()
        .linear(128, 128)
        .softplus()
        .linear(128, 3)
        .init(key.fold("weights"))
}

fn train(
    name: &'static str,
    config: Option<&InferenceRpuConfig>,
    data: &Dataset<Tensor>,
    args: &Args,
) -> Result<Run, Box<dyn Error>> {
    let key = Key::new(args.seed);
    let mut net = network(key);
    if let Some(config) = config {
        net.to_analog(config, key.fold("hardware"))?;
    }
    let mut adam = Adam::new(1e-3);
    let progress = Progress::new(name, args.steps as usize);
    let (mut losses, mut gradient, mut masked) = (vec![], (0.0, 0.0), (0, 0));
    for (step, batch) in batches(data, args).enumerate() {
        let tape = Tape::train(key.fold("step").fold(step));
        let loss = net.forward(tape.constant(batch.x)).mse(tape.constant(batch.y));
        losses.push(loss.item());
        let gradients = loss.backward();
        if step == 0 {
            let all: Vec<f32> = gradients.iter().flat_map(|(_, g)| g.to_vec()).collect();
            let all = Tensor::from(all);
            gradient = (all.mean(), all.std(0));
        }
        for (_, saturation) in gradients.deposited::<Saturation>() {
            masked.0 += saturation.masked;
            masked.1 += saturation.outputs;
        }
        adam.step(&mut net, gradients);
        progress.step(|| format!("loss {:.5}", losses[step]));
    }
    Ok(Run { name, losses, gradient, masked, net })
}

/// As many batches as there are steps, through the shuffled data again and again.
fn batches<'a>(
    data: &'a Dataset<Tensor>,
    args: &Args,
) -> impl Iterator<Item = ohmgrad::models::data::Batch<Tensor>> + 'a {
    let (key, batch) = (Key::new(args.seed).fold("shuffle"), args.batch as usize);
    (0..).flat_map(move |epoch: u64| data.batches(batch, key.fold(epoch))).take(args.steps as usize)
}

impl Run {
    fn json(&self) -> serde_json::Value {
        json!({
            "run": self.name,
            "steps": self.losses.len(),
            "first_loss": self.losses[0],
            "final_loss": self.final_loss(),
            "grad_mean": self.gradient.0,
            "grad_std": self.gradient.1,
            "masked": self.masked_share(),
            "trajectory": self.trajectory(),
        })
    }

    fn masked_share(&self) -> f64 {
        self.masked.0 as f64 / self.masked.1.max(1) as f64
    }

    fn final_loss(&self) -> f32 {
        self.losses[self.losses.len() - 1]
    }

    /// A digest over the bits of every loss: equal digests mean equal trainings.
    fn trajectory(&self) -> String {
        self.losses.iter().fold(Key::new(0), |key, loss| key.fold(loss.to_bits())).to_string()
    }
}

/// Poses of a UR5 arm: joint angles within ±90°, given as ±1 times `scale`, and the position of its tool in metres.
///
/// Denavit–Hartenberg parameters as published by the maker (Universal Robots, "DH parameters for calculations of
/// kinematics and dynamics").
fn arm(poses: usize, scale: f32, key: Key) -> Dataset<Tensor> {
    const A: [f64; 6] = [0.0, -0.425, -0.39225, 0.0, 0.0, 0.0];
    const D: [f64; 6] = [0.089159, 0.0, 0.0, 0.10915, 0.09465, 0.0823];
    const ALPHA: [f64; 6] = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0]; // quarter turns
    let unit = Tensor::uniform(&[poses, 6], key).map(|u| 2.0 * u - 1.0);
    let position = |pose: usize| {
        // The tool's origin, carried from the last joint's frame to the base's.
        (0..6).rev().fold([0.0; 3], |[x, y, z], joint| {
            let theta = f64::from(unit[[pose, joint]] * FRAC_PI_2);
            let (sin, cos) = theta.sin_cos();
            let (sin_a, cos_a) = (ALPHA[joint] * f64::from(FRAC_PI_2)).sin_cos();
            let (u, v) = (x + A[joint], cos_a * y - sin_a * z);
            [cos * u - sin * v, sin * u + cos * v, sin_a * y + cos_a * z + D[joint]]
        })
    };
    let positions: Vec<f32> = (0..poses).flat_map(position).map(|metres| metres as f32).collect();
    Dataset::new(&unit * scale, Tensor::from_vec(positions, &[poses, 3]))
}

fn introduce(config: &InferenceRpuConfig, data: &Dataset<Tensor>, args: &Args) -> Result<(), Box<dyn Error>> {
    println!("Forward kinematics of a UR5 arm, {} steps of {} poses, key {}", args.steps, args.batch, args.seed);
    println!("{config}\n\nWhat one step does, as its tape tells:\n");
    let key = Key::new(args.seed);
    let mut net = network(key);
    net.to_analog(config, key.fold("hardware"))?;
    let tape = Tape::train(key.fold("step").fold(0));
    let batch = batches(data, args).next().expect("at least one step");
    net.forward(tape.constant(batch.x)).mse(tape.constant(batch.y));
    println!("{}", tape.trace().named(&net.names()));
    Ok(())
}

fn compare(runs: &[Run]) {
    let row = |label: &str, cell: &dyn Fn(&Run) -> String| {
        let cells: String = runs.iter().map(|run| format!("{:>18}", cell(run))).collect();
        println!("{label:<16}{cells}");
    };
    row("", &|run| run.name.into());
    let last = runs[0].losses.len() - 1;
    let mut shown: Vec<usize> = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500].into_iter().filter(|&s| s < last).collect();
    shown.push(last);
    for step in shown {
        row(&format!("loss, step {step}"), &|run| format!("{:.7}", run.losses[step]));
    }
    row("gradient mean", &|run| format!("{:.3e}", run.gradient.0));
    row("gradient std", &|run| format!("{:.3e}", run.gradient.1));
    row("outputs masked", &|run| format!("{:.3} %", 100.0 * run.masked_share()));
    row("trajectory", &|run| run.trajectory()[..12].into());
}

/// The angle between perfect and analog backward over the same forward: same weights, same noise.
fn cosines(config: &InferenceRpuConfig, data: &Dataset<Tensor>, args: &Args) -> Result<(), Box<dyn Error>> {
    let key = Key::new(args.seed);
    let mut net = network(key);
    net.to_analog(config, key.fold("hardware"))?;
    let mut adam = Adam::new(1e-3);
    let mut first = None;
    let mut last = vec![];
    for (step, batch) in batches(data, args).enumerate() {
        let tape = Tape::train(key.fold("step").fold(step));
        let loss = net.forward(tape.constant(batch.x)).mse(tape.constant(batch.y));
        if step == 0 || step + 1 == args.steps as usize {
            let analog = loss.backward_under(&BackwardIoParameters::default());
            let perfect = loss.backward_under(&BackwardIoParameters::perfect());
            last = vec![];
            for (path, param) in net.parameters() {
                if let (Some(a), Some(p)) = (analog.of(param), perfect.of(param)) {
                    last.push((path, cosine(a, p)));
                }
            }
            first.get_or_insert_with(|| last.clone());
        }
        adam.step(&mut net, loss.backward());
    }
    println!("\nCosine between the gradients of an analog and of a perfect backward, at equal weights and noise:\n");
    println!("{:<16}{:>18}{:>18}", "", "first step", "last step");
    for ((path, start), (_, end)) in first.unwrap_or_default().into_iter().zip(last) {
        println!("{path:<16}{start:>18.6}{end:>18.6}");
    }
    Ok(())
}

fn cosine(a: &Tensor, b: &Tensor) -> f32 {
    (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()
}

fn answer(runs: &[Run]) {
    let of = |name: &str| runs.iter().find(|run| run.name == name).expect("all five runs were made");
    let (default, set, masked) = (of("default"), of("backward_perfect"), of("backward_masked"));
    let parts = |other: &Run| default.losses.iter().zip(&other.losses).position(|(a, b)| a.to_bits() != b.to_bits());
    println!();
    match parts(set) {
        None => println!(
            "Setting is_perfect = true by hand changes nothing: all {} losses are equal to the last bit.",
            default.losses.len()
        ),
        Some(step) => println!("Setting is_perfect = true by hand changes the training from step {step} on."),
    }
    match parts(masked) {
        None => println!("The mask changes nothing here: no output was saturated where it would have mattered."),
        Some(step) => println!(
            "The mask changes the training from step {step} on: {} of {} outputs sent no gradient back.",
            masked.masked.0, masked.masked.1
        ),
    }
}
