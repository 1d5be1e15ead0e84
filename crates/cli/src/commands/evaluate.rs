//! `ohmgrad evaluate`: how good a network is, digitally and on tiles.

use clap::Args;
use ohmgrad::prelude::*;
use serde_json::json;

use super::ModelArgs;
use crate::failure::Outcome;
use crate::output::Output;
use crate::run::model::Model;
use crate::score::{Metric, Score, mean_and_half, score, spread};
use crate::table::Table;

/// Measure accuracy and loss (or the error of a regression) of a network: digitally, and repeatedly on tiles, each time
/// with different noise.
///
/// A network that was trained on tiles is evaluated on those; a digital one, or one with --set or --recipe, is put on
/// the tiles of its recipe. The rows are the test rows of the recipe.
#[derive(Args)]
#[command(after_help = "Example:\n  ohmgrad evaluate runs/mnist --repeats 20 --set hardware.forward.out_noise=0.1")]
pub struct EvaluateArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Number of evaluations on tiles, each with different noise.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
}

/// Runs the command.
pub fn run(args: &EvaluateArgs, output: Output) -> Outcome<u8> {
    let model = args.model.read()?;
    let (metric, key) = (Metric::of(&model.recipe.data), model.recipe.key().fold("test"));
    let digital = score(&model.digital(), &model.data.test, key);
    let on_tiles = tiles(&model, &args.model)?;
    let reads = (0..args.repeats).map(|i| if i == 0 { key } else { key.fold(i as usize) });
    let scores: Vec<Score> = reads.map(|key| score(&on_tiles, &model.data.test, key)).collect();
    let (values, losses): (Vec<f64>, Vec<f64>) = scores.iter().map(|score| (score.value, score.loss)).unzip();
    let (mean, half) = mean_and_half(&values);
    output.event(&json!({ "network": "digital", metric.name(): digital.value, "loss": digital.loss }));
    output.event(&json!({
        "network": "on_tiles", metric.name(): mean, "std": spread(&values), "loss": mean_and_half(&losses).0,
        "confidence": half.is_finite().then_some(half), "repeats": args.repeats,
    }));
    let title =
        format!("{}: {} rows, {} repeats on tiles, 95 % interval", model.title, model.data.test.len(), args.repeats);
    let mut table = Table::new(title, ["network", metric.title(), "loss"]);
    table.row(["digital".into(), metric.show(digital.value), format!("{:.4}", digital.loss)]);
    table.row(["on tiles".into(), metric.interval(&values), format!("{:.4}", mean_and_half(&losses).0)]);
    output.say(table.to_text());
    Ok(0)
}

/// The network on tiles: those that it was trained on, or, if the recipe was changed or it is digital, new ones.
pub fn tiles(model: &Model, args: &ModelArgs) -> Outcome<Sequential> {
    match model.net.is_analog() && args.set.is_empty() && args.recipe.is_none() {
        true => Ok(model.net.clone()),
        false => model.on_tiles(),
    }
}
