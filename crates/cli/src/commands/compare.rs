//! `ohmgrad compare`: two configurations of hardware on one network, and the effect of each layer.

use std::path::PathBuf;

use clap::Args;
use ohmgrad::prelude::*;
use serde_json::json;

use super::{ChipsArgs, ModelArgs};
use crate::failure::Outcome;
use crate::output::{Output, warn};
use crate::ranks::Ranks;
use crate::recipe::{config_from, time};
use crate::run::chips::{Finished, chip, each_once};
use crate::run::folder;
use crate::score::{Metric, mean_and_half};
use crate::table::{Table, csv};

/// Put one network on hardware A and on hardware B, with the same keys, and print the paired difference with its
/// interval; also for one layer at a time on B.
#[derive(Args)]
#[command(after_help = "Example:\n  ohmgrad compare today.toml cheaper.toml runs/mnist --chips 20 --times 1d,10y")]
pub struct CompareArgs {
    /// Hardware A: a configuration (TOML or JSON), or a recipe.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Hardware B.
    #[arg(value_name = "B")]
    b: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    chips: ChipsArgs,
    /// Write the scores of all chips into a CSV file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The network on A, on B, or on A with one layer on B.
struct Variant {
    name: String,
    net: Sequential,
}

/// Runs the command.
pub fn run(args: &CompareArgs, output: Output) -> Outcome<u8> {
    let (a, b) = (config_from(&args.a)?, config_from(&args.b)?);
    for (file, config) in [(&args.a, &a), (&args.b, &b)] {
        config.warnings().iter().for_each(|note| warn(format!("{}: {note}", file.display())));
    }
    let model = args.model.read()?;
    let recipe = &model.recipe;
    let (count, times) = args.chips.of(&recipe.chips)?;
    let (key, metric) = (recipe.key(), Metric::of(&model.recipe.data));
    let with = |name: &str, on_b: &dyn Fn(&str) -> bool| -> Outcome<Variant> {
        let mut net = model.net.clone();
        net.to_analog_with(key.fold("hardware"), |path| {
            recipe.hardware.of_layer(if on_b(path) { &b } else { &a }, path)
        })?;
        Ok(Variant { name: name.into(), net })
    };
    let mut variants = vec![with("A", &|_| false)?, with("B", &|_| true)?];
    let layers = layers(&variants[0].net);
    if layers.len() > 1 {
        for layer in &layers {
            variants.push(with(&format!("layer {layer} on B"), &|path| path == layer)?);
        }
    }
    let work: Vec<(String, (usize, usize))> = (0..variants.len())
        .flat_map(|v| (0..count).map(move |i| (v, i)))
        .map(|(v, i)| (format!("{} chip {i}", variants[v].name), (v, i)))
        .collect();
    let compute = |&(v, i): &(usize, usize)| chip(&variants[v].net, &model.data.test, &times, key.fold("chips"), i);
    let ranks = Ranks::all();
    let all = each_once("chips", &work, &Finished::none(), ranks, compute)?;
    if !ranks.is_first() {
        return Ok(0);
    }
    let scores: Vec<&[Vec<f64>]> = all.chunks(count).collect();
    output.say(format!("A  {}\nB  {}\n", a.reads(), b.reads()));
    let mut table = Table {
        title: format!("{}: {count} chips, {}, 95 % intervals", model.title, metric.title()),
        head: std::iter::once("hardware".to_owned()).chain(times.iter().map(|&t| time::age(t))).collect(),
        rows: vec![],
    };
    for (variant, scores) in variants.iter().zip(&scores).take(2) {
        let cell = |i: usize| metric.interval(&at(scores, i));
        table.row(std::iter::once(variant.name.clone()).chain((0..times.len()).map(cell)));
    }
    for (v, variant) in variants.iter().enumerate().skip(1) {
        let cell = |i: usize| metric.difference_interval(&differences(scores[v], scores[0], i));
        let name = if v == 1 { "B − A".into() } else { format!("  {}", variant.name) };
        table.row(std::iter::once(name).chain((0..times.len()).map(cell)));
    }
    output.say(table.to_text());
    for (v, variant) in variants.iter().enumerate() {
        for (i, &t) in times.iter().enumerate() {
            let (mean, half) = mean_and_half(&at(scores[v], i));
            let (difference, uncertain) = mean_and_half(&differences(scores[v], scores[0], i));
            output.event(&json!({
                "hardware": variant.name, "t": t, "mean": mean, "confidence": half.is_finite().then_some(half),
                "difference": difference, "difference_confidence": uncertain.is_finite().then_some(uncertain), "chips": count,
            }));
        }
    }
    if let Some(file) = &args.out {
        let rows = work.iter().zip(&all).flat_map(|((_, (v, i)), scores)| {
            let name = &variants[*v].name;
            times
                .iter()
                .zip(scores)
                .map(move |(t, score)| vec![name.clone(), i.to_string(), t.to_string(), score.to_string()])
        });
        folder::write(file, &csv(&["hardware", "chip", "seconds", metric.name()], rows))?;
        output.say(format!("\n{}: written", file.display()));
    }
    Ok(0)
}

/// The paths of the layers with weights on tiles.
fn layers(net: &Sequential) -> Vec<String> {
    net.tile_arrays().into_iter().map(|(path, _)| path).collect()
}

fn at(scores: &[Vec<f64>], time: usize) -> Vec<f64> {
    scores.iter().map(|chip| chip[time]).collect()
}

fn differences(scores: &[Vec<f64>], first: &[Vec<f64>], time: usize) -> Vec<f64> {
    scores.iter().zip(first).map(|(b, a)| b[time] - a[time]).collect()
}
