//! `ohmgrad explain`: what a read of some hardware does, in words and numbers.

use std::path::PathBuf;

use clap::Args;
use ohmgrad::analog::config::{NoiseManagement, RpuConfig, WeightNoise};
use ohmgrad::analog::presets;
use ohmgrad::prelude::*;
use serde_json::json;

use super::ModelArgs;
use crate::failure::Outcome;
use crate::output::{Output, warn};
use crate::recipe::config_from;
use crate::run::model::Model;
use crate::table::Table;

/// Explains a read: fields that differ from the defaults, converters, the share of each source of error in the output's
/// variance, effective bits, the backward, and fields that have no effect.
///
/// Shares are measured on a matrix with Gaussian inputs: one source is switched off at a time, with all other noise the
/// same. They need not add up to 100 %, because sources act on each other.
#[derive(Args)]
#[command(after_help = "Examples:\n  ohmgrad explain chip.toml\n  ohmgrad explain runs/mnist")]
pub struct ExplainArgs {
    /// A configuration (TOML or JSON), a recipe, the folder of a run, or a safetensors file with a recipe.toml beside
    /// it.
    #[arg(value_name = "CONFIG|MODEL")]
    what: PathBuf,
    /// Inputs of the matrix on which a configuration is tried.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8192))]
    inputs: u32,
    /// Outputs of that matrix.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8192))]
    outputs: u32,
    /// For a model: take the inputs of its layers from the test rows, instead of Gaussian ones. Convolutions and
    /// layers of sequences keep Gaussian inputs.
    #[arg(long)]
    on_data: bool,
    /// Number of reads to average over.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100_000))]
    reads: u32,
}

/// Runs the command.
pub fn run(args: &ExplainArgs, output: Output) -> Outcome<u8> {
    let key = Key::new(0).fold("explain");
    let is_model = args.what.is_dir() || args.what.extension().is_some_and(|extension| extension == "safetensors");
    let (rpu, matrices) = match is_model {
        true => {
            let model = ModelArgs { model: args.what.clone(), recipe: None, set: vec![] }.read()?;
            let matrices = weights(&model, args.on_data.then_some(args.reads as usize));
            (model.recipe.hardware.rpu, matrices)
        }
        false => {
            let shape = [args.outputs as usize, args.inputs as usize];
            let weight = Tensor::normal(&shape, key.fold("weights")).map(|w| (0.25 * w).clamp(-1.0, 1.0));
            (
                config_from(&args.what)?,
                vec![Matrix { name: format!("{}×{}", shape[0], shape[1]), weight, inputs: None }],
            )
        }
    };
    let config = rpu.reads();
    let warnings: Vec<String> = rpu.warnings().iter().map(ToString::to_string).collect();
    output.say(format!("{config}\n\n{}", words(&rpu)));
    let io = &config.forward;
    output.event(&json!({
        "kind": "config", "changes": config.to_string(), "forward": io.summary(), "backward": config.backward.summary(),
        "inp_bound": io.inp_bound, "inp_step": io.inp_step(), "out_bound": io.out_bound, "out_step": io.out_step(),
        "warnings": warnings,
    }));
    let mut columns = vec![];
    for Matrix { name, weight, inputs } in matrices {
        let on_data = inputs.is_some();
        let gaussian = || Tensor::normal(&[args.reads as usize, weight.shape()[1]], key.fold("x"));
        let shares = shares(&weight, &config, inputs.unwrap_or_else(gaussian), key)?;
        output.event(&json!({
            "kind": "shares", "layer": name, "on_data": on_data, "relative_error": shares.relative_error, "effective_bits": shares.bits,
            "shares": shares.sources.iter().map(|(name, share)| ((*name).to_owned(), json!(share))).collect::<serde_json::Map<_, _>>(),
        }));
        columns.push((if on_data { format!("{name} (data)") } else { name }, shares));
    }
    output.say(format!("\n{}", table(&columns, args.reads).to_text()));
    warnings.iter().for_each(warn);
    for (name, shares) in &columns {
        if shares.saturated > 0.01 {
            let percent = 100.0 * shares.saturated;
            warn(format!(
                "{name}: {percent:.1} % of the outputs are at the end of the ADC's range; out_bound may be too small"
            ));
        }
    }
    Ok(0)
}

/// A description of each stage of a read.
fn words(rpu: &RpuConfig) -> String {
    let config = rpu.reads();
    let io = &config.forward;
    let mut lines = vec![];
    let mut line = |name: &str, text: String| lines.push(format!("{name:<18}{text}"));
    if io.is_ideal() {
        line("forward", "the exact product".into());
    } else {
        line(
            "input scale",
            match io.noise_management {
                NoiseManagement::None => "none: inputs meet the DAC as they are".into(),
                NoiseManagement::AbsMax => "each row is divided by its largest magnitude".into(),
                other => format!("{other}"),
            },
        );
        line("DAC", converter(io.inp_bound, io.inp_step(), "inputs after scaling"));
        line(
            "array",
            match io.w_noise_type {
                WeightNoise::None => "no noise on the weights".into(),
                _ => format!("noise on the weights, {} in units of the tile weights", io.w_noise),
            },
        );
        line("output noise", format!("{} in units of the array's output", io.out_noise));
        line("ADC", converter(io.out_bound, io.out_step(), "the array's output"));
        line("bounds", format!("{}", io.bound_management));
    }
    line("forward, in short", io.summary());
    line("backward", config.backward.summary());
    match rpu.cell() {
        None => {
            line("gradient of W", "dᵀ·x, exact".into());
            line("devices", config.get("noise_model.type").unwrap_or_else(|_| "none".into()));
        }
        Some((_, update)) => {
            line("update of W", format!("on the chip, trains of up to {} pulses", update.desired_bl));
        }
    }
    lines.join("\n")
}

fn converter(bound: f32, step: Option<f32>, of: &str) -> String {
    let range = if bound > 0.0 { format!("range ±{bound}") } else { "no limit".into() };
    match step {
        Some(step) => format!("{range}, steps of {step:.5} ({:.0}), of {of}", 2.0 * bound / step),
        None => format!("{range}, no steps, of {of}"),
    }
}

/// A matrix that reads are tried on.
struct Matrix {
    name: String,
    weight: Tensor,
    /// The rows that it is read with; Gaussian ones if there are none.
    inputs: Option<Tensor>,
}

/// The weights of a model's layers as matrices, with their inputs for `rows` test rows, if that is given.
fn weights(model: &Model, rows: Option<usize>) -> Vec<Matrix> {
    let net = model.digital();
    let mut inputs = vec![];
    if let Some(rows) = rows {
        let mut x = model.data.test.take(rows).x;
        for layer in net.layers() {
            let tape = Tape::eval(model.recipe.key());
            let y = layer.forward(tape.constant(x.clone())).value();
            inputs.push(std::mem::replace(&mut x, y));
        }
    }
    let mut weights = vec![];
    for (name, affine) in net.affines() {
        let value = &affine.weight().value;
        let outs = value.shape()[0];
        let weight = value.reshape(&[outs, value.len() / outs]);
        let given: Option<&Tensor> = name.parse().ok().and_then(|i: usize| inputs.get(i));
        let inputs = given.filter(|x| x.rank() == 2 && x.shape()[1] == weight.shape()[1]).cloned();
        weights.push(Matrix { name, weight, inputs });
    }
    let hardware = &model.recipe.hardware;
    weights.retain(|matrix| hardware.of_layer(&hardware.rpu, &matrix.name).is_some());
    weights
}

/// Errors of the reads of one matrix.
struct Shares {
    /// The root mean square of the error over that of the output.
    relative_error: f64,
    /// The effective number of bits, (SNR/dB − 1.76)/6.02.
    bits: f64,
    /// Sources and their shares of the error's mean square.
    sources: Vec<(&'static str, f64)>,
    /// The share of outputs at the end of the ADC's range.
    saturated: f64,
}

/// A source of error: its name, and how it is switched off.
type Source = (&'static str, fn(&mut IoParameters));

const SOURCES: [Source; 11] = [
    ("DAC steps", |io| io.inp_res = -1.0),
    ("input noise", |io| io.inp_noise = 0.0),
    ("input asymmetry", |io| io.inp_asymmetry = 0.0),
    ("weight noise", |io| (io.w_noise, io.w_noise_type) = (0.0, WeightNoise::None)),
    ("IR drop", |io| (io.ir_drop, io.ir_drop_t) = (0.0, None)),
    ("series resistance", |io| io.r_series = 0.0),
    ("voltage offsets", |io| io.v_offset_std = 0.0),
    ("nonlinearity", |io| io.out_nonlinearity = 0.0),
    ("output asymmetry", |io| io.out_asymmetry = 0.0),
    ("output noise", |io| (io.out_noise, io.out_noise_std) = (0.0, 0.0)),
    ("ADC steps", |io| io.out_res = -1.0),
];

/// A source of error that cannot be switched off alone.
const ADC_RANGE: &str = "ADC range";

fn shares(weight: &Tensor, config: &InferenceRpuConfig, x: Tensor, key: Key) -> Outcome<Shares> {
    let read = |config: &InferenceRpuConfig| -> Outcome<Tensor> {
        let matrix = AnalogMatrix::new(weight.clone(), config, key.fold("hardware"))?;
        Ok(matrix.matvec(&x, key.fold("read")))
    };
    let exact = read(&presets::floating_point())?;
    let error = |forward: IoParameters| -> Outcome<f64> {
        // Without input ranges, because the error of the read alone is measured, and a range that is not trained yet
        // would clip.
        let config = InferenceRpuConfig { forward, pre_post: Default::default(), ..config.clone() };
        Ok(mean_square(&(&read(&config)? - &exact)))
    };
    let all = error(config.forward)?;
    let mut sources = vec![];
    let switched_off = |switch_off: fn(&mut IoParameters)| -> Outcome<Option<f64>> {
        let mut forward = config.forward;
        switch_off(&mut forward);
        // A source has no share if it is off already, or if the rules between fields forbid to switch it off.
        let config = InferenceRpuConfig { forward, ..config.clone() };
        if config.validate().is_err() { Ok(None) } else { error(forward).map(Some) }
    };
    for (name, switch_off) in SOURCES {
        if let Some(rest) = switched_off(switch_off)?.filter(|rest| *rest != all) {
            sources.push((name, 1.0 - rest / all));
        }
    }
    // Without a range there are no steps either, so the share of the range is the error without steps less the error
    // without a range.
    let stepless = switched_off(|io| io.out_res = -1.0)?;
    let unbounded = switched_off(|io| io.out_bound = -1.0)?;
    if let (Some(stepless), Some(unbounded)) = (stepless, unbounded)
        && stepless != unbounded
    {
        sources.push((ADC_RANGE, (stepless - unbounded) / all));
    }
    let signal = mean_square(&exact);
    let decibel = 10.0 * (signal / all).log10();
    let mut net = Sequential::new().layer(Linear::from_weight(weight.clone(), None)).init(key);
    net.to_analog(&InferenceRpuConfig { pre_post: Default::default(), ..config.clone() }, key.fold("hardware"))?;
    let counted = diagnose(&net, &x, key.fold("read"));
    let (clipped, values) = counted.tiles.iter().fold((0, 0), |(clipped, values), tile| {
        (clipped + tile.forward.outputs.clipped, values + tile.forward.outputs.values)
    });
    let saturated = clipped as f64 / (values as f64).max(1.0);
    Ok(Shares { relative_error: (all / signal).sqrt(), bits: (decibel - 1.76) / 6.02, sources, saturated })
}

fn mean_square(x: &Tensor) -> f64 {
    x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / x.len() as f64
}

fn table(columns: &[(String, Shares)], reads: u32) -> Table {
    let mut table = Table {
        title: format!(
            "errors of up to {reads} reads, relative to the exact product; inputs are Gaussian unless marked as data"
        ),
        head: std::iter::once("share of the variance".to_owned())
            .chain(columns.iter().map(|(name, _)| name.clone()))
            .collect(),
        rows: vec![],
    };
    for name in SOURCES.map(|(name, _)| name).into_iter().chain([ADC_RANGE]) {
        let share = |shares: &Shares| shares.sources.iter().find(|(other, _)| *other == name).map(|(_, share)| *share);
        if columns.iter().any(|(_, shares)| share(shares).is_some()) {
            let cell =
                |(_, shares): &(String, Shares)| share(shares).map_or("–".into(), |s| format!("{:.1} %", 100.0 * s));
            table.row(std::iter::once(name.to_owned()).chain(columns.iter().map(cell)));
        }
    }
    let line = |name: &str, cell: fn(&Shares) -> String| {
        std::iter::once(name.to_owned()).chain(columns.iter().map(move |(_, shares)| cell(shares))).collect::<Vec<_>>()
    };
    table.row(line("outputs at the ADC's end", |s| format!("{:.2} %", 100.0 * s.saturated)));
    table.row(line("relative error", |s| format!("{:.2} %", 100.0 * s.relative_error)));
    table.row(line("effective bits", |s| if s.bits.is_finite() { format!("{:.1}", s.bits) } else { "exact".into() }));
    table
}
