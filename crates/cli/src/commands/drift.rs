//! `ohmgrad drift`: chips of a network over time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use clap::Args;
use ohmgrad::prelude::*;
use serde_json::json;

use super::train::{band, by_time, chips_csv, table};
use super::{ChipsArgs, ModelArgs};
use crate::data::Goal;
use crate::failure::{Failure, Outcome, PARTLY};
use crate::interrupt::say_on_interrupt;
use crate::output::{Output, warn};
use crate::ranks::Ranks;
use crate::run::chips::{Finished, Scores, chip, each_once};
use crate::run::folder;
use crate::run::lock::Lock;
use crate::run::model::Model;
use crate::run::report::{Report, over_time};
use crate::score::{Metric, mean_and_half, spread};

/// Program chips with a network and follow them over time: a table, a CSV file, a plot and a page.
///
/// Chip i is the same in every command with the same network, hardware and seed. Each finished chip is written to
/// NAME.jsonl at once and is not computed again. Exit code 3 says that the interval of --until was not reached with
/// --most chips.
#[derive(Args)]
#[command(after_help = "Example:\n  ohmgrad drift runs/mnist --times 1s,1h,1d,1y,10y --until ±0.1%")]
pub struct DriftArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    chips: ChipsArgs,
    /// Add chips until the 95 % interval of the mean has at most this half width at every time: ±0.1%, or 0.001.
    #[arg(long, value_name = "±HALF", allow_negative_numbers = true, value_parser = parse_half)]
    until: Option<f64>,
    /// The most chips that --until takes.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    most: usize,
    /// The files to write: NAME.csv, NAME.jsonl, NAME.svg and NAME.html [default: drift in the folder of the run].
    #[arg(long, value_name = "NAME")]
    out: Option<PathBuf>,
}

fn parse_half(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_start_matches(['±', '+']).trim_start_matches("/-");
    let (number, unit) = number.strip_suffix('%').map_or((number, 1.0), |number| (number, 0.01));
    let half =
        number.trim().parse::<f64>().ok().map(|number| number * unit).filter(|half| *half > 0.0 && half.is_finite());
    half.ok_or_else(|| "must be half the width of an interval, above 0, as ±0.1% or 0.001".into())
}

/// Runs the command.
pub fn run(args: &DriftArgs, output: Output) -> Outcome<u8> {
    let model = args.model.read()?;
    let (mut count, times) = args.chips.of(&model.recipe.chips)?;
    let (net, key) = (model.on_tiles()?, model.recipe.key().fold("chips"));
    net_warnings(&net, key)?;
    let name = args.out.clone().unwrap_or_else(|| model.folder.join("drift"));
    let file = |end: &str| PathBuf::from(format!("{}.{end}", name.display()));
    let ranks = Ranks::all();
    let _lock = ranks.is_first().then(|| Lock::take(&hidden(&file("lock")), &name)).transpose()?;
    let finished = Finished::read(&file("jsonl"), None, ranks)?;
    say_on_interrupt("finished chips are kept: the same command goes on");
    let (metric, mark) = (Metric::of(&model.recipe.data), mark(&model, &times)?);
    let mut scores: Scores = vec![];
    let widest = |scores: &Scores| {
        let halves = by_time(&times, scores).into_iter().map(|(_, values)| mean_and_half(&values).1);
        halves.fold(0.0, f64::max)
    };
    let reached = loop {
        let work: Vec<(String, usize)> = (scores.len()..count).map(|i| (format!("{mark} chip {i}"), i)).collect();
        let of_chip = |&i: &usize| chip(&net, &model.data.test, &times, key, i);
        scores.extend(each_once("chips", &work, &finished, ranks, of_chip)?);
        let Some(until) = args.until else { break true };
        let half = widest(&scores);
        match (half <= until, count >= args.most) {
            (true, _) => break true,
            (false, true) => break false,
            // The width falls with the root of the number. The spread of few chips is uncertain, so their number at
            // most doubles.
            (false, false) => {
                let needed = (count as f64 * (half / until).powi(2)).min(2.0 * count as f64).ceil() as usize;
                count = needed.max(count + 1).min(args.most);
            }
        }
    };
    if !ranks.is_first() {
        return Ok(0);
    }
    for (t, values) in by_time(&times, &scores) {
        let (mean, half) = mean_and_half(&values);
        output.event(&json!({
            "t": t, "mean": mean, "std": spread(&values), "confidence": half.is_finite().then_some(half), "chips": count,
        }));
    }
    let ages = table(&model.title, metric, &times, &scores);
    output.say(ages.to_text());
    folder::write(&file("csv"), &chips_csv(metric, &times, [(model.title.as_str(), &scores)]))?;
    over_time(metric, &[band(&model.title, &times, &scores)]).save(file("svg"))?;
    let about = format!("{} chips, seed {}. {}", count, model.recipe.training.seed, model.recipe.hardware.rpu.reads());
    let mut report = Report::new("Chips over time", &about);
    report.table(&ages);
    report.picture("Chips over time", &file("svg"))?;
    report.text("The recipe", &model.recipe.to_toml());
    report.write(&file("html"))?;
    output.say(format!("\nreport  {}", file("html").display()));
    if !reached {
        let (half, most) = (metric.show(widest(&scores)), args.most);
        warn(format!("--until: with {most} chips the interval is still ± {half}; --most allows more"));
        return Ok(PARTLY);
    }
    Ok(0)
}

/// The path with a dot before the file's name.
fn hidden(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// A hash of everything that the scores of a chip depend on, so that chips are computed again if the network, the
/// recipe or the test set has changed. Another compiler may give other hashes; then chips are computed again, too.
fn mark(model: &Model, times: &[f64]) -> Outcome<String> {
    let mut hasher = DefaultHasher::new();
    let network = std::fs::read(&model.file).map_err(|error| Failure::file(&model.file, &error))?;
    (env!("CARGO_PKG_VERSION"), network, model.recipe.to_toml()).hash(&mut hasher);
    let numbers = |tensor: &Tensor| tensor.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
    numbers(&model.data.test.x).hash(&mut hasher);
    match &model.data.test.y {
        Goal::Labels(labels) => labels.hash(&mut hasher),
        Goal::Numbers(rows) => numbers(rows).hash(&mut hasher),
    }
    times.iter().for_each(|t| t.to_bits().hash(&mut hasher));
    Ok(format!("{:016x}", hasher.finish()))
}

fn net_warnings(net: &Sequential, key: Key) -> Outcome<()> {
    net.program(key.fold("chip").fold(0usize))?.warnings().iter().for_each(|weak| warn(weak.to_string()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_widths_are_read() {
        for (text, half) in [("±0.1%", 0.001), ("0.1 %", 0.001), ("0.02", 0.02), ("+/-1%", 0.01)] {
            assert!((parse_half(text).unwrap() - half).abs() < 1e-12, "{text}");
        }
        assert!(parse_half("-1").is_err() && parse_half("0").is_err() && parse_half("x").is_err());
    }
}
