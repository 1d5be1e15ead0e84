//! Searches how weights are best programmed on pairs of phase-change devices, and draws what it gains over a single pair.
//!
//! ```sh
//! cargo run --release --example programming -- --pairs 2 --out programming.svg
//! ```
//!
//! Left, the conductances of each device over the weight; right, the error of weights over time, with global drift
//! compensation, as a share of the largest weight.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;
use ohmgrad::analog::config::{ConverterConfig, NoiseModelConfig};
use ohmgrad::analog::noise::{
    CustomPair, DriftCompensation, Evolution, Global, Pcm, Programmed, ProgrammingOptions, SinglePair,
    optimise_programming,
};
use ohmgrad::prelude::*;
use ohmgrad_plots::{Axis, Corner, Figure, Mark, Scale, Series};

const YEAR: f32 = 31_536_000.0;

#[derive(Parser)]
struct Arguments {
    /// Pairs of devices for each weight
    #[arg(long, default_value_t = 2)]
    pairs: usize,
    /// Search the factors of the pairs too, instead of 1 for each
    #[arg(long)]
    search_factors: bool,
    /// Points of the search for each dimension
    #[arg(long, default_value_t = 20)]
    population: usize,
    #[arg(long, default_value_t = 60)]
    generations: usize,
    /// Inputs of the matrix on which programming is tried
    #[arg(long, default_value_t = 128)]
    inputs: usize,
    #[arg(long, default_value_t = 42)]
    seed: u64,
    #[arg(long, default_value = "programming.svg")]
    out: PathBuf,
}

fn pcm(converter: ConverterConfig) -> NoiseModelConfig {
    Pcm { g_converter: Some(converter), ..Default::default() }.into()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let key = Key::new(arguments.seed);
    let weights = Tensor::normal(&[128, 128], key.fold("weights")).map(|w| w.clamp(-3.0, 3.0));
    let options = ProgrammingOptions {
        f_lst: vec![(!arguments.search_factors).then_some(1.0); arguments.pairs],
        loss_margin: 0.99,
        inputs: arguments.inputs,
        evolution: Evolution {
            population: arguments.population,
            generations: arguments.generations,
            mutation: 0.4,
            ..Default::default()
        },
        ..Default::default()
    };
    let progress = Progress::new("generations", arguments.generations);
    let found = optimise_programming(&weights, pcm, &options, key.fold("search"), |_, value| {
        progress.step(|| format!("loss {:.1} % of the baseline's", 100.0 * (1.0 + value - options.loss_margin)));
    })?;
    drop(progress);
    println!("factors {:?}: loss {:.4}, single pair {:.4}", found.converter.f_lst, found.loss, found.baseline);
    let single = pcm(SinglePair::default().into());
    let optimised = pcm(found.converter.clone().into());
    let times: Vec<f32> = (0..=16).map(|i| (10.0 * YEAR).powf(i as f32 / 16.0)).collect();
    let mut curves = [vec![], vec![]];
    println!("{:>12} {:>12} {:>12}", "t [s]", "single pair", "optimised");
    for &t in &times {
        let errors = [error(&single, &weights, t, key)?, error(&optimised, &weights, t, key)?];
        println!("{t:>12.0} {:>12.4} {:>12.4}", errors[0], errors[1]);
        curves.iter_mut().zip(errors).for_each(|(curve, error)| curve.push((f64::from(t), f64::from(error))));
    }
    draw(&arguments.out, &found.converter, &curves)?;
    println!("drawn: {}", arguments.out.display());
    Ok(())
}

/// The root of the mean square error of compensated weights over the largest one.
fn error(model: &NoiseModelConfig, w: &Tensor, t: f32, key: Key) -> Result<f32, Box<dyn Error>> {
    let model = model.model().ok_or("no noise model")?;
    let chip = Programmed::new(model, w, key.fold("programming"));
    let read = chip.at(model, t, key.fold("read"))?;
    let alpha = Global.alpha(&Global.statistic(&chip.weights), &Global.statistic(&read)).item();
    let off = read.zip(w, |read, w| (alpha * read - w).powi(2)).mean().sqrt();
    Ok(off / w.abs().max())
}

fn draw(path: &Path, converter: &CustomPair, curves: &[Vec<(f64, f64)>; 2]) -> Result<(), Box<dyn Error>> {
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
    Ok(ohmgrad_plots::save(path, &[tables, errors])?)
}
