//! Searches how weights are best programmed on pairs of phase-change devices, and draws what it gains over a single pair.
//!
//! ```sh
//! cargo run --release --example programming -- --pairs 2 --out programming.svg
//! ```
//!
//! Left, the conductances of each device over the weight; right, the error of weights over time, with global drift
//! compensation, as a share of the largest weight.

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use ohmgrad::analog::config::{ConverterConfig, NoiseModelConfig};
use ohmgrad::analog::noise::{
    CustomPair, DriftCompensation, Evolution, Global, Pcm, Programmed, ProgrammingOptions, SinglePair,
    optimise_programming,
};
use ohmgrad::prelude::*;
use plotters::prelude::*;

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

fn draw(path: &PathBuf, converter: &CustomPair, curves: &[Vec<(f64, f64)>; 2]) -> Result<(), Box<dyn Error>> {
    let canvas = SVGBackend::new(path, (1000, 420)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let (left, right) = canvas.split_horizontally(500);

    let mut tables = ChartBuilder::on(&left)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(48)
        .build_cartesian_2d(-1.0..1.0, 0.0..1.05 * f64::from(converter.g_max))?;
    tables.configure_mesh().x_desc("weight / largest weight").y_desc("conductance [µS]").draw()?;
    for (i, table) in converter.g_lst.iter().enumerate() {
        let last = (table.len() - 1) as f64;
        let points = table.iter().enumerate().map(|(j, &g)| (2.0 * j as f64 / last - 1.0, f64::from(g)));
        let color = Palette99::pick(i).to_rgba();
        let sign = if i % 2 == 0 { "+" } else { "−" };
        tables
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(format!("g{}{sign}", i / 2 + 1))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    tables.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;

    let top = curves.iter().flatten().fold(0.0, |top: f64, &(_, error)| top.max(error));
    let mut errors = ChartBuilder::on(&right)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d((1.0..f64::from(10.0 * YEAR)).log_scale(), 0.0..1.1 * top)?;
    errors.configure_mesh().x_desc("time since programming [s]").y_desc("error / largest weight").draw()?;
    for (i, (curve, name)) in curves.iter().zip(["single pair", "optimised"]).enumerate() {
        let color = Palette99::pick(i).to_rgba();
        errors
            .draw_series(LineSeries::new(curve.iter().copied(), color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    errors.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    canvas.present()?;
    Ok(())
}
