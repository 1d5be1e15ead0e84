//! The question: does a perfect backward, set by hand, change a training? And does the mask?
//!
//! A user of another simulator set `backward.is_perfect = True`, the documented default, and got other results. No two
//! of its runs are alike, so the question has no answer there. Here one network is trained from one key: digitally, and
//! four times on tiles with the same noise in every forward read. Between these four only the backward differs, and the
//! losses are compared bit for bit.
//!
//! ```text
//! cargo run --release --example regression
//! ```

mod options;

use std::num::NonZeroUsize;

use clap::Parser;
use ohmgrad::analog::Saturation;
use ohmgrad::models::data::robot_arm;
use ohmgrad::prelude::*;
use options::{Common, Failure};
use serde_json::json;

/// Trains one network from one key, digitally and on tiles with four settings of the backward, and compares the losses.
#[derive(Parser)]
struct Args {
    /// Training steps of each run.
    #[arg(long, default_value = "1000")]
    steps: NonZeroUsize,
    /// Factor on the inputs, which are within ±1: 90 gives angles in degrees.
    #[arg(long, default_value_t = 1.0)]
    input_scale: f32,
    #[command(flatten)]
    common: Common,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    use_threads(args.common.threads)?;
    let (out_res, w_noise, w_noise_type) = (-1.0, 0.02, WeightNoise::AdditiveConstant);
    let forward = IoParameters { out_res, w_noise, w_noise_type, ..Default::default() };
    let by_default = InferenceRpuConfig { forward, ..Default::default() };
    let with = |backward| Some(InferenceRpuConfig { backward, ..by_default.clone() });
    let perfect = BackwardIoParameters::perfect();
    let mut runs = vec![];
    for (name, config) in [
        ("digital", None),
        ("default", Some(by_default.clone())),
        ("backward_perfect", with(BackwardIoParameters { is_perfect: true, ..perfect })),
        ("backward_analog", with(BackwardIoParameters { is_perfect: false, ..perfect })),
        ("backward_masked", with(BackwardIoParameters { mask_saturated: true, ..perfect })),
    ] {
        runs.push((name, train(name, config, &args)?));
    }
    let (default, steps) = (&runs[1].1, args.steps);
    args.common.say("\nlosses               step 0     step 1   step 100       last  equal to those of the default");
    for (name, losses) in &runs {
        let [zero, one, hundred, last] = [0, 1, 100, usize::MAX].map(|step| losses[step.min(losses.len() - 1)]);
        let equal = losses.iter().zip(default).take_while(|(a, b)| a.to_bits() == b.to_bits()).count();
        args.common.say(format!("{name:16}  {zero:9.7}  {one:9.7}  {hundred:9.7}  {last:9.7}  {equal} of {steps}"));
    }
    Ok(())
}

/// The losses of a training, digital or on tiles; the network maps joint angles of a robot arm to the tool's position.
fn train(run: &str, config: Option<InferenceRpuConfig>, args: &Args) -> Result<Vec<f32>, Failure> {
    let key = Key::new(args.common.seed);
    let data = robot_arm(4096, key.fold("data"));
    let hidden = Sequential::new().linear(6, 128).softplus().linear(128, 128).softplus().linear(128, 128).softplus();
    let mut net = hidden.linear(128, 3).init(key.fold("weights"));
    if let Some(config) = config {
        net.to_analog(config, key.fold("hardware"))?;
    }
    let (mut adam, mut losses, mut first) = (Adam::new(1e-3), vec![], None);
    let (mut masked, mut outputs) = (0, 0);
    let batches = (0u64..).flat_map(|epoch| data.batches(32, key.fold("shuffle").fold(epoch)));
    for (step, batch) in batches.take(args.steps.get()).enumerate() {
        let tape = Tape::train(key.fold("step").fold(step));
        let loss = net.forward(tape.constant(&batch.x * args.input_scale)).mse(tape.constant(batch.y));
        if step == 0 && run == "default" {
            args.common.say(tape.trace().named(&net.names()));
        }
        losses.push(loss.item());
        let gradients = loss.backward();
        first.get_or_insert_with(|| gradients.flat());
        for (_, saturation) in gradients.deposited::<Saturation>() {
            (masked, outputs) = (masked + saturation.masked, outputs + saturation.outputs);
        }
        adam.step(&mut net, gradients);
    }
    let (gradient, masked) = (first.expect("there is a step"), masked as f64 / outputs.max(1) as f64);
    let trajectory = losses.iter().fold(Key::new(0), |key, loss| key.fold(loss.to_bits())).to_string();
    args.common.event(json!({
        "run": run, "steps": losses.len(), "first_loss": losses[0], "final_loss": losses[losses.len() - 1],
        "grad_mean": gradient.mean(), "grad_std": gradient.std(0), "masked": masked,
        "trajectory": trajectory,
    }));
    args.common.say(format!("{run:16}  {:.2} % of outputs masked, digest {}", 100.0 * masked, &trajectory[..12]));
    Ok(losses)
}
