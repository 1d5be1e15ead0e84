//! `ohmgrad inspect`: what a network consists of, and what its tiles do.

use std::path::PathBuf;

use clap::Args;
use ohmgrad::plots::{Figure, histogram};
use ohmgrad::prelude::*;
use serde_json::{Value, json};

use super::ModelArgs;
use super::evaluate::tiles;
use crate::failure::Outcome;
use crate::output::Output;
use crate::table::Table;

/// Print layers, parameters, the filled share of tiles, weights and conductances, and counts of the converters on data.
#[derive(Args)]
#[command(after_help = "Example:\n  ohmgrad inspect runs/mnist --plot weights.svg")]
pub struct InspectArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Number of test rows for the counts of the converters.
    #[arg(long, default_value_t = 500, value_name = "N")]
    rows: usize,
    /// Draw histograms of weights and conductances into a file, .svg or .png.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// Numbers of one kind: the layer, and its numbers.
type Sets = Vec<(String, Vec<f32>)>;

/// Runs the command.
pub fn run(args: &InspectArgs, output: Output) -> Outcome<u8> {
    let model = args.model.read()?;
    let net = tiles(&model, &args.model)?;
    let summary = net.summary();
    for layer in &summary.layers {
        output.event(&json!({
            "kind": "layer", "layer": layer.path, "shape": layer.shape, "parameters": layer.parameters, "tiles": layer.tiles,
            "tile_size": layer.tile_size, "utilisation": layer.utilisation,
        }));
    }
    output.say(format!("{}: layers and tiles\n{summary}", model.title));
    let key = model.recipe.key();
    let (weights, conductances) = values(&net, key.fold("chips"))?;
    let mut table = Table::new("weights, and target conductances of a chip's devices / µS", COLUMNS);
    for (kind, sets) in [("weight", &weights), ("conductance", &conductances)] {
        for (layer, values) in sets {
            let [mean, std, low, high] = moments(values);
            output.event(&json!({
                "kind": kind, "layer": layer, "mean": mean, "std": std, "min": low, "max": high, "count": values.len(),
                "histogram": counts(values, low, high),
            }));
            let numbers = [mean, std, low, high].map(|number| format!("{number:.4}"));
            table.row([format!("{layer} {kind}")].into_iter().chain(numbers).chain([bars(&counts(values, low, high))]));
        }
    }
    output.say(format!("\n{}", table.to_text()));
    let rows = model.data.test.take(args.rows);
    let diagnostics = diagnose(&net, &rows.x, key.fold("test"));
    let tiles: Value = serde_json::from_str(&diagnostics.to_json()).expect("it writes JSON");
    for tile in tiles.as_array().into_iter().flatten() {
        let mut event = json!({ "kind": "tile" });
        event.as_object_mut().zip(tile.as_object()).into_iter().for_each(|(event, tile)| event.extend(tile.clone()));
        output.event(&event);
    }
    output.say(format!("\nconverters on {} test rows\n{diagnostics}", rows.len()));
    if let Some(file) = &args.plot {
        let figure = |label: &str, sets: &Sets| -> Figure {
            histogram(label, &sets.iter().map(|(name, values)| (name.as_str(), values.as_slice())).collect::<Vec<_>>())
        };
        let mut figures = vec![figure("weight", &weights)];
        figures.extend((!conductances.is_empty()).then(|| figure("target conductance / µS", &conductances)));
        ohmgrad::plots::save(file, &figures)?;
        output.say(format!("\nplot  {}", file.display()));
    }
    Ok(0)
}

const COLUMNS: [&str; 6] = ["layer", "mean", "std", "min", "max", "histogram"];

/// The weights of each layer, and the conductances that chip 0 is programmed to.
fn values(net: &Sequential, key: Key) -> Outcome<(Sets, Sets)> {
    let weights = net.affines().into_iter().map(|(path, affine)| (path, affine.weight().value.to_vec())).collect();
    let mut conductances = vec![];
    if net.is_analog() {
        let chip = net.program(key.fold("chip").fold(0usize))?;
        for (path, tiles) in chip.network().tile_arrays() {
            let Some(programmed) = tiles.programmed() else { continue };
            let targets = programmed.tiles().iter().flat_map(|tile| &tile.programmed.targets);
            let values: Vec<f32> = targets.flat_map(|target| target.to_vec()).collect();
            if !values.is_empty() {
                conductances.push((path, values));
            }
        }
    }
    Ok((weights, conductances))
}

/// Mean, standard deviation, smallest and largest of some numbers.
fn moments(values: &[f32]) -> [f64; 4] {
    let all = || values.iter().map(|&v| f64::from(v));
    let n = values.len().max(1) as f64;
    let mean = all().sum::<f64>() / n;
    let var = all().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    [mean, var.sqrt(), all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max)]
}

/// The number of values in each of 16 equal bins.
fn counts(values: &[f32], low: f64, high: f64) -> Vec<usize> {
    let mut counts = vec![0; 16];
    for &value in values {
        let place = 16.0 * (f64::from(value) - low) / (high - low);
        counts[if place.is_finite() { (place as usize).min(15) } else { 0 }] += 1;
    }
    counts
}

fn bars(counts: &[usize]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    counts.iter().map(|&n| if n == 0 { ' ' } else { BARS[(8 * n).div_ceil(most).clamp(1, 8) - 1] }).collect()
}
