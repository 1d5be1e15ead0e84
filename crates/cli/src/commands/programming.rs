//! `ohmgrad programming`: how weights are best programmed on pairs of phase-change devices.

use std::path::{Path, PathBuf};

use clap::Args;
use ohmgrad::analog::config::{ConverterConfig, NoiseModelConfig};
use ohmgrad::analog::noise::{
    CustomPair, DriftCompensation, Evolution, Global, Pcm, Programmed, ProgrammingOptions, SinglePair,
    optimise_programming,
};
use ohmgrad::plots::{Axis, Corner, Figure, Mark, Scale, Series};
use ohmgrad::prelude::*;
use serde_json::json;

use crate::failure::Outcome;
use crate::output::Output;
use crate::recipe::time;
use crate::table::Table;

/// Search the best programming of weights on pairs of phase-change devices, and draw the gain over a single pair.
///
/// The picture has on the left the conductances of each device over the weight, on the right the error of weights over
/// time, with global drift compensation, as a share of the largest weight.
#[derive(Args)]
#[command(after_help = "Example:\n  ohmgrad programming --pairs 2 --plot programming.svg")]
pub struct ProgrammingArgs {
    /// Pairs of devices for each weight.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    pairs: u8,
    /// Search the factors of the pairs too, instead of 1 for each.
    #[arg(long)]
    search_factors: bool,
    /// Points of the search for each dimension.
    #[arg(long, value_name = "N", default_value_t = 20)]
    population: usize,
    /// Generations of the search.
    #[arg(long, value_name = "N", default_value_t = 60)]
    generations: usize,
    /// Inputs of the matrix on which programming is tried.
    #[arg(long, value_name = "N", default_value_t = 128)]
    inputs: usize,
    /// Seed of all random numbers.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// The picture, .svg or .png.
    #[arg(long, value_name = "FILE", default_value = "programming.svg")]
    plot: PathBuf,
}

fn pcm(converter: ConverterConfig) -> NoiseModelConfig {
    Pcm { g_converter: Some(converter), ..Default::default() }.into()
}

/// Runs the command.
pub fn run(args: &ProgrammingArgs, output: Output) -> Outcome<u8> {
    let key = Key::new(args.seed);
    let weights = Tensor::normal(&[128, 128], key.fold("weights")).map(|w| w.clamp(-3.0, 3.0));
    let options = ProgrammingOptions {
        f_lst: vec![(!args.search_factors).then_some(1.0); args.pairs.into()],
        loss_margin: 0.99,
        inputs: args.inputs,
        evolution: Evolution {
            population: args.population,
            generations: args.generations,
            mutation: 0.4,
            ..Default::default()
        },
        ..Default::default()
    };
    let progress = Progress::new("generations", args.generations);
    let found = optimise_programming(&weights, pcm, &options, key.fold("search"), |_, value| {
        progress.step(|| format!("loss {:.1} % of the baseline's", 100.0 * (1.0 + value - options.loss_margin)));
    })?;
    drop(progress);
    let (factors, loss, baseline) = (&found.converter.f_lst, found.loss, found.baseline);
    output.event(&json!({ "event": "found", "factors": factors, "loss": loss, "single_pair": baseline }));
    output.say(format!("factors {factors:?}: loss {loss:.4}, of a single pair {baseline:.4}\n"));
    let models = [pcm(SinglePair::default().into()), pcm(found.converter.clone().into())];
    let mut curves = [vec![], vec![]];
    let mut table = Table::new("error over the largest weight", ["since programming", "single pair", "optimised"]);
    for t in (0..=16).map(|i| (10.0 * time::YEAR as f32).powf(i as f32 / 16.0)) {
        let errors = [error(&models[0], &weights, t, key)?, error(&models[1], &weights, t, key)?];
        output.event(&json!({ "event": "error", "t": t, "single_pair": errors[0], "optimised": errors[1] }));
        table.row([time::age(t.into())].into_iter().chain(errors.map(|error| format!("{error:.4}"))));
        curves.iter_mut().zip(errors).for_each(|(curve, error)| curve.push((f64::from(t), f64::from(error))));
    }
    output.say(table.to_text());
    draw(&args.plot, &found.converter, &curves)?;
    output.say(format!("\nplot  {}", args.plot.display()));
    Ok(0)
}

/// The root of the mean square error of compensated weights over the largest one.
fn error(model: &NoiseModelConfig, w: &Tensor, t: f32, key: Key) -> Outcome<f32> {
    let model = model.model().expect("the model is PCM");
    let chip = Programmed::new(model, w, key.fold("programming"));
    let read = chip.at(model, t, key.fold("read"))?;
    let alpha = Global.alpha(&Global.statistic(&chip.weights), &Global.statistic(&read)).item();
    let off = read.zip(w, |read, w| (alpha * read - w).powi(2)).mean().sqrt();
    Ok(off / w.abs().max())
}

fn draw(path: &Path, converter: &CustomPair, curves: &[Vec<(f64, f64)>; 2]) -> Outcome<()> {
    let device = |(i, table): (usize, &Vec<f32>)| {
        let last = (table.len() - 1) as f64;
        let points = table.iter().enumerate().map(|(j, &g)| (2.0 * j as f64 / last - 1.0, f64::from(g))).collect();
        Series::new(format!("g{}{}", i / 2 + 1, if i % 2 == 0 { "+" } else { "−" }), Mark::Line, points)
    };
    let curve = |(curve, name): (&Vec<(f64, f64)>, &str)| Series::new(name, Mark::Line, curve.clone());
    let tables = Figure {
        x: Axis::new("weight / largest weight", Scale::Linear),
        y: Axis::new("conductance / µS", Scale::Linear),
        series: converter.g_lst.iter().enumerate().map(device).collect(),
        legend: Corner::UpperRight,
    };
    let errors = Figure {
        x: Axis::new("time since programming", Scale::Time),
        y: Axis::new("error / largest weight", Scale::Linear),
        series: curves.iter().zip(["single pair", "optimised"]).map(curve).collect(),
        legend: Corner::UpperLeft,
    };
    Ok(ohmgrad::plots::save(path, &[tables, errors])?)
}
