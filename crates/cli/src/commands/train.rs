//! `ohmgrad train`: the trainings of a recipe, its chips, and a report of everything.

use std::path::{Path, PathBuf};

use clap::Args;
use ohmgrad::plots::Band;
use ohmgrad::prelude::*;
use serde_json::json;

use super::init;
use crate::data::Data;
use crate::failure::{Failure, Outcome};
use crate::interrupt::say_on_interrupt;
use crate::output::{Output, warn};
use crate::ranks::Ranks;
use crate::recipe::document::Document;
use crate::recipe::{Recipe, time};
use crate::run::chips::{Finished, Scores, chip, each_once};
use crate::run::folder::{Folder, RECIPE};
use crate::run::model::start;
use crate::run::report::{Report, counted, draw, losses, over_time};
use crate::run::training::{Phase, Trained, history, on_tiles, train};
use crate::score::{Metric, mean_and_half, shared_score, spread};
use crate::table::{Table, csv};

/// Train a network by a recipe, put it on tiles, and follow its chips over time.
///
/// Without a recipe, a network 784-256-128-10 for handwritten digits is trained digitally, put on tiles, trained
/// hardware-aware, and programmed onto chips that drift for ten years. Everything is written into a folder, with a
/// report.html.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ohmgrad train\n  ohmgrad train mnist.toml --set training.seed=3 --set hardware.forward.out_noise=0.1\n  ohmgrad train --resume runs/mnist"
)]
pub struct TrainArgs {
    /// The recipe, a TOML file; `ohmgrad init` writes one [default: the shipped MNIST recipe].
    #[arg(value_name = "RECIPE")]
    recipe: Option<PathBuf>,
    /// Set a field of the recipe, as training.seed=3; can be given several times.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// The folder for the results [default: runs/NAME, with a number if that exists].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Continue a run that was stopped; the results are bit for bit those of a run without a stop.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["recipe", "set", "out"])]
    resume: Option<PathBuf>,
}

/// Scores of one network of a run.
struct Entry {
    name: &'static str,
    title: &'static str,
    value: f64,
    loss: f64,
}

/// Runs the command.
pub fn run(args: &TrainArgs, output: Output) -> Outcome<u8> {
    let ranks = Ranks::all();
    let (recipe, data, folder) = match &args.resume {
        Some(path) => {
            let folder = Folder::of_all(ranks, || Folder::reopen(path))?;
            let recipe = Recipe::read(&folder.file(RECIPE), &[])?;
            (recipe.clone(), Data::read(&recipe.data)?, folder)
        }
        None => {
            let recipe = read(args.recipe.as_deref(), &args.set)?;
            let stem = args.recipe.as_deref().and_then(Path::file_stem);
            let name = stem.map_or_else(|| "mnist".into(), |name| name.to_string_lossy());
            // Errors of data and network are found before the folder is made.
            let data = Data::read(&recipe.data)?;
            on_tiles(&mut start(&recipe, &data)?, &recipe, recipe.key())?;
            let folder = Folder::of_all(ranks, || Folder::create(args.out.as_deref(), &name, &recipe))?;
            (recipe, data, folder)
        }
    };
    recipe.hardware.rpu.warnings().iter().for_each(|note| warn(format!("hardware.{note}")));
    let place = folder.path().display();
    say_on_interrupt(format!("the last checkpoint is whole: `ohmgrad train --resume {place}` goes on"));
    output.event(&json!({
        "event": "start", "folder": folder.path(), "seed": recipe.training.seed, "version": env!("CARGO_PKG_VERSION"),
    }));
    let (train_rows, test_rows) = (data.train.len(), data.test.len());
    output.say(format!("{train_rows} rows for training, {test_rows} for testing; {}", recipe.hardware.rpu.reads()));
    let trained = train(&recipe, &data, &folder, ranks, output)?;
    let entries = evaluate(&recipe, &data, &trained, ranks)?;
    let metric = Metric::of(&recipe.data);
    for Entry { name, value, loss, .. } in &entries {
        output.event(&json!({ "event": "evaluation", "network": name, metric.name(): value, "loss": loss }));
    }
    let mut scores = Table::new(format!("{} on {test_rows} rows", metric.title()), ["network", metric.title(), "loss"]);
    entries
        .iter()
        .for_each(|entry| scores.row([entry.title.into(), metric.show(entry.value), format!("{:.4}", entry.loss)]));
    output.say(format!("\n{}", scores.to_text()));
    let chips = chips(&recipe, &data, &trained, &folder, ranks, output)?;
    if !ranks.is_first() {
        return Ok(0);
    }
    write(&recipe, &folder, metric, &entries, &scores, &chips)?;
    output.event(&json!({ "event": "done", "folder": folder.path(), "report": folder.file("report.html") }));
    output.say(format!("\nreport  {}", folder.file("report.html").display()));
    Ok(0)
}

/// The recipe of a file, or the shipped one.
pub fn read(path: Option<&Path>, sets: &[String]) -> Outcome<Recipe> {
    match path {
        Some(path) => Recipe::read(path, sets),
        None => {
            let mut document = Document::parse(init::MNIST, "the shipped recipe")?;
            sets.iter().try_for_each(|argument| document.set(argument))?;
            Recipe::from_document(document, Path::new(""))
        }
    }
}

fn evaluate(recipe: &Recipe, data: &Data, trained: &Trained, ranks: Ranks) -> Outcome<Vec<Entry>> {
    let key = recipe.key();
    let entry = |name, title, net: &Sequential| -> Outcome<Entry> {
        let score = shared_score(net, &data.test, key.fold("test"), ranks)?;
        Ok(Entry { name, title, value: score.value, loss: score.loss })
    };
    let mut there = trained.digital.clone();
    on_tiles(&mut there, recipe, key)?;
    let mut entries = vec![
        entry("digital", "digital", &trained.digital)?,
        entry("on_tiles", "digital weights put on tiles", &there)?,
    ];
    if let Some(net) = &trained.hardware_aware {
        entries.push(entry("hardware_aware", recipe.title(Phase::HardwareAware), net)?);
    }
    Ok(entries)
}

/// The scores of the chips of each network.
fn chips(
    recipe: &Recipe,
    data: &Data,
    trained: &Trained,
    folder: &Folder,
    ranks: Ranks,
    output: Output,
) -> Outcome<Vec<(Phase, Scores)>> {
    let count = recipe.chips.count;
    if count == 0 {
        return Ok(vec![]);
    }
    let key = recipe.key();
    let mut networks = vec![(Phase::Digital, trained.digital.clone())];
    networks.extend(trained.hardware_aware.clone().map(|net| (Phase::HardwareAware, net)));
    let finished = Finished::read(&folder.file("chips.jsonl"), Some(recipe.chips.times.len()), ranks)?;
    let (metric, times) = (Metric::of(&recipe.data), &recipe.chips.times);
    let mut all = vec![];
    for (phase, mut net) in networks {
        // Mapped anew: training has changed the largest weight of each tile.
        on_tiles(&mut net, recipe, key)?;
        let work: Vec<(String, usize)> = (0..count).map(|i| (format!("{} {i}", phase.name()), i)).collect();
        let of_chip = |&i: &usize| chip(&net, &data.test, times, key.fold("chips"), i);
        let scores = each_once("chips", &work, &finished, ranks, of_chip)?;
        output.say(format!("\n{}", table(recipe.title(phase), metric, times, &scores).to_text()));
        for (t, values) in by_time(times, &scores) {
            let (mean, half) = mean_and_half(&values);
            output.event(&json!({
                "event": "chips", "network": phase.name(), "t": t, "mean": mean, "std": spread(&values),
                "confidence": half.is_finite().then_some(half), "chips": count,
            }));
        }
        all.push((phase, scores));
    }
    Ok(all)
}

/// The scores of all chips at each time.
pub fn by_time(times: &[f64], scores: &Scores) -> Vec<(f64, Vec<f64>)> {
    times.iter().enumerate().map(|(i, &t)| (t, scores.iter().map(|chip| chip[i]).collect())).collect()
}

/// Chips over time as a table.
pub fn table(title: &str, metric: Metric, times: &[f64], scores: &Scores) -> Table {
    let head = ["since programming", "mean", "std", "95 % interval of the mean"];
    let mut table = Table::new(format!("{title}: {} chips, {}", scores.len(), metric.title()), head);
    for (t, values) in by_time(times, scores) {
        let (mean, half) = mean_and_half(&values);
        let interval = match half.is_finite() {
            true => format!("{} … {}", metric.show(mean - half), metric.show(mean + half)),
            false => "–".into(),
        };
        table.row([time::age(t), metric.show(mean), metric.show(spread(&values)), interval]);
    }
    table
}

/// A band of a figure over time.
pub fn band(name: &str, times: &[f64], scores: &Scores) -> Band {
    let point = |(t, values): (f64, Vec<f64>)| [t, mean_and_half(&values).0, spread(&values)];
    let points = by_time(times, scores).into_iter().map(point).collect();
    Band { name: name.into(), over: counted(scores.len(), "chip"), points }
}

/// Chips over time as rows of CSV: a line for each network, chip and time.
pub fn chips_csv<'a>(
    metric: Metric,
    times: &[f64],
    networks: impl IntoIterator<Item = (&'a str, &'a Scores)>,
) -> String {
    let rows = networks.into_iter().flat_map(|(name, scores)| {
        let of_chip = move |(chip, values): (usize, &'a Vec<f64>)| {
            let row = move |(t, value): (&f64, &f64)| {
                vec![name.to_owned(), chip.to_string(), t.to_string(), value.to_string()]
            };
            times.iter().zip(values).map(row).collect::<Vec<_>>()
        };
        scores.iter().enumerate().flat_map(of_chip)
    });
    csv(&["network", "chip", "seconds", metric.name()], rows)
}

fn write(
    recipe: &Recipe,
    folder: &Folder,
    metric: Metric,
    entries: &[Entry],
    scores: &Table,
    chips: &[(Phase, Scores)],
) -> Outcome<()> {
    let (times, seed) = (&recipe.chips.times, recipe.training.seed);
    let about = format!("Seed {seed}. {}", recipe.hardware.rpu.reads());
    let mut report =
        Report::new(&folder.path().file_name().map_or("run".into(), |name| name.to_string_lossy()), &about);
    report.table(scores);
    let mut trainings = vec![];
    for phase in [Phase::Digital, Phase::HardwareAware] {
        trainings.push((recipe.title(phase), history(folder, phase)?));
        let best = folder.file(&format!("{}.best.safetensors", phase.name()));
        if best.is_file() {
            // The best network of the last training is the best one of the run.
            std::fs::copy(&best, folder.file("best.safetensors")).map_err(|error| Failure::file(&best, &error))?;
        }
    }
    trainings.retain(|(_, epochs)| !epochs.is_empty());
    if !chips.is_empty() {
        chips.iter().for_each(|(phase, scores)| report.table(&table(recipe.title(*phase), metric, times, scores)));
        let bands: Vec<Band> = chips.iter().map(|(phase, scores)| band(recipe.title(*phase), times, scores)).collect();
        report.picture("Chips over time", &draw(folder, "chips.svg", &over_time(metric, &bands))?)?;
        folder.write(
            "chips.csv",
            &chips_csv(metric, times, chips.iter().map(|(phase, scores)| (phase.name(), scores))),
        )?;
    }
    if !trainings.is_empty() {
        report.picture("Losses of the trainings", &draw(folder, "losses.svg", &losses(&trainings))?)?;
    }
    report.text("The recipe", &recipe.to_toml());
    report.write(&folder.file("report.html"))?;
    let of_entry = |entry: &Entry| (entry.name.to_owned(), json!({ metric.name(): entry.value, "loss": entry.loss }));
    let networks: serde_json::Map<String, serde_json::Value> = entries.iter().map(of_entry).collect();
    let of_chips = |(phase, scores): &(Phase, Scores)| {
        let ages = by_time(times, scores);
        let ages: Vec<_> = ages
            .iter()
            .map(|(t, values)| json!({ "t": t, "mean": mean_and_half(values).0, "std": spread(values) }))
            .collect();
        (phase.name().to_owned(), json!(ages))
    };
    let ages: serde_json::Map<String, serde_json::Value> = chips.iter().map(of_chips).collect();
    let result = json!({ "version": env!("CARGO_PKG_VERSION"), "seed": seed, "networks": networks, "chips": ages });
    folder.write("result.json", &format!("{result:#}\n"))
}
