//! Results of a sweep: tables, CSV files, a line plot or a heat map, and a page.

use std::collections::{BTreeMap, BTreeSet};

use ohmgrad::plots::{Axis, Band, Corner, Figure, HeatMap, Scale, banded, error_bars};
use serde_json::json;

use super::grid::{Grid, short, shown};
use crate::failure::Outcome;
use crate::output::Output;
use crate::recipe::{Recipe, time};
use crate::run::folder::Folder;
use crate::run::report::{Report, counted, draw};
use crate::score::{Metric, mean_and_half, spread};
use crate::table::{Table, csv};

/// The scores of a chip: its training and its number, and a score for each time.
type Scored = ((usize, usize), Vec<f64>);

/// Independent values: those of the chips of one training, or, for several trainings, the mean over the chips of each,
/// because chips of one training are correlated.
fn independent(values: impl Iterator<Item = (usize, f64)>) -> Vec<f64> {
    let mut trainings: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    values.for_each(|(training, value)| trainings.entry(training).or_default().push(value));
    match trainings.len() {
        0 | 1 => trainings.into_values().flatten().collect(),
        _ => trainings.values().map(|chips| mean_and_half(chips).0).collect(),
    }
}

/// The scores of all points.
pub struct Results<'a> {
    /// The points.
    pub grid: &'a Grid,
    /// The quantity that the scores measure.
    pub metric: Metric,
    /// The times.
    pub times: Vec<f64>,
    /// The finished chips of each point.
    pub scores: Vec<Vec<Scored>>,
}

impl Results<'_> {
    fn at(&self, point: usize, time: usize) -> Vec<f64> {
        independent(self.scores[point].iter().map(|((training, _), scores)| (*training, scores[time])))
    }

    /// The differences to the first point, chip by chip: the same chip of the same training in both.
    fn differences(&self, point: usize, time: usize) -> Vec<f64> {
        let of_first = |who: &(usize, usize)| self.scores[0].iter().find(|(other, _)| other == who);
        let difference = |(who, scores): &Scored| Some((who.0, scores[time] - of_first(who)?.1[time]));
        independent(self.scores[point].iter().filter_map(difference))
    }

    /// Writes everything into a folder and prints the tables.
    pub fn write(&self, folder: &Folder, recipe: &Recipe, output: Output) -> Outcome<()> {
        let about = format!("Seed {}. {}", recipe.training.seed, recipe.hardware.rpu.reads());
        let mut report = Report::new("Sweep", &about);
        for time in 0..self.times.len() {
            let table = self.table(time);
            output.say(format!("\n{}", table.to_text()));
            report.table(&table);
        }
        self.events(output);
        match self.grid.axes.len() {
            1 => report.picture("Scores over the swept field", &draw(folder, "sweep.svg", &self.lines())?)?,
            2 => {
                let maps: Vec<HeatMap> = (0..self.times.len()).map(|time| self.heat_map(time)).collect();
                let svg = HeatMap::svg(&maps)?;
                folder.write("sweep.svg", &svg)?;
                report.heat_maps("Means over both swept fields", &svg);
            }
            _ => {}
        }
        let paths: Vec<&str> = self.grid.axes.iter().map(|axis| short(&axis.path)).collect();
        folder.write("chips.csv", &self.chips_csv(&paths))?;
        folder.write("sweep.csv", &self.summary_csv(&paths))?;
        report.text("The recipe", &recipe.to_toml());
        report.write(&folder.file("report.html"))?;
        output.say(format!("\nreport  {}", folder.file("report.html").display()));
        Ok(())
    }

    fn table(&self, time: usize) -> Table {
        let points = self.grid.points();
        let mut table = Table {
            title: format!(
                "{} after {}, 95 % intervals; differences are paired, chip by chip",
                self.metric.title(),
                time::age(self.times[time])
            ),
            head: self.grid.axes.iter().map(|axis| short(&axis.path).to_owned()).collect(),
            rows: vec![],
        };
        table.head.extend(["chips", "mean", "difference to the first"].map(String::from));
        for (i, point) in points.iter().enumerate() {
            let values = self.at(i, time);
            let mut row: Vec<String> = point.iter().map(|(_, value)| shown(value)).collect();
            row.push(self.scores[i].len().to_string());
            row.push(if values.is_empty() { "–".into() } else { self.metric.interval(&values) });
            row.push(match (i, self.differences(i, time)) {
                (0, _) => "–".into(),
                (_, differences) if differences.is_empty() => "–".into(),
                (_, differences) => self.metric.difference_interval(&differences),
            });
            table.rows.push(row);
        }
        table
    }

    fn events(&self, output: Output) {
        for (i, point) in self.grid.points().iter().enumerate() {
            for (time, t) in self.times.iter().enumerate() {
                let (values, differences) = (self.at(i, time), self.differences(i, time));
                let finite =
                    |(mean, half): (f64, f64)| (mean.is_finite().then_some(mean), half.is_finite().then_some(half));
                let ((mean, half), (difference, uncertain)) =
                    (finite(mean_and_half(&values)), finite(mean_and_half(&differences)));
                let fields: serde_json::Map<_, _> =
                    point.iter().map(|(path, value)| (short(path).to_owned(), json!(shown(value)))).collect();
                output.event(&json!({
                    "event": "point", "point": fields, "t": t, "chips": self.scores[i].len(), "mean": mean, "confidence": half,
                    "difference": difference, "difference_confidence": uncertain,
                }));
            }
        }
    }

    /// The number of independent values behind the means, with their kind; a range if points have different numbers.
    fn over(&self) -> String {
        let of_point = |chips: &Vec<Scored>| independent(chips.iter().map(|((training, _), _)| (*training, 0.0))).len();
        let counts = || self.scores.iter().map(of_point).filter(|&n| n > 0);
        let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
        let trainings: BTreeSet<usize> = self.scores.iter().flatten().map(|((training, _), _)| *training).collect();
        let values = counted(most, if trainings.len() > 1 { "training" } else { "chip" });
        if least < most { format!("{least} to {values}") } else { values }
    }

    /// Scores over the one swept field: means for each time, with their standard deviation.
    fn lines(&self) -> Figure {
        let axis = &self.grid.axes[0];
        let number = |value: &toml::Value| value.as_float().or(value.as_integer().map(|n| n as f64));
        // Names are placed at 0, 1, 2, …, and the label lists them.
        let numbers: Option<Vec<f64>> = axis.values.iter().map(number).collect();
        let names: Vec<String> =
            axis.values.iter().enumerate().map(|(i, value)| format!("{i} = {}", shown(value))).collect();
        let are_numbers = numbers.is_some();
        let (places, label) = match numbers {
            Some(numbers) => (numbers, short(&axis.path).to_owned()),
            None => {
                ((0..names.len()).map(|i| i as f64).collect(), format!("{}: {}", short(&axis.path), names.join(", ")))
            }
        };
        let factor = if self.metric == Metric::Accuracy { 100.0 } else { 1.0 };
        // No line connects names, so the error bars of several times stand side by side.
        let beside =
            |time: usize| if are_numbers { 0.0 } else { 0.08 * (time as f64 - (self.times.len() - 1) as f64 / 2.0) };
        let band = |(time, &t): (usize, &f64)| {
            let measured = (0..places.len()).filter(|&i| !self.scores[i].is_empty());
            let points = measured.map(|i| {
                let values = self.at(i, time);
                [places[i] + beside(time), mean_and_half(&values).0, spread(&values)]
            });
            Band { name: time::age(t), over: self.over(), points: points.collect() }
        };
        let bands: Vec<Band> = self.times.iter().enumerate().map(band).collect();
        let (low, high) = places.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), &x| (low.min(x), high.max(x)));
        let scale = if low > 0.0 && high / low > 30.0 { Scale::Log } else { Scale::Linear };
        let unit = if self.metric == Metric::Accuracy { " / %" } else { "" };
        Figure {
            x: Axis::new(label, scale),
            y: Axis::new(format!("{}{unit}", self.metric.title()), Scale::Linear),
            series: if are_numbers { banded(&bands, factor) } else { error_bars(&bands, factor) },
            legend: Corner::LowerLeft,
        }
    }

    fn heat_map(&self, time: usize) -> HeatMap {
        let [down, across] = [&self.grid.axes[0], &self.grid.axes[1]];
        let cell = |i: usize| {
            let values = self.at(i, time);
            (!values.is_empty()).then(|| mean_and_half(&values).0)
        };
        HeatMap {
            title: format!("{} after {}", self.metric.title(), time::age(self.times[time])),
            across: (short(&across.path).into(), across.values.iter().map(shown).collect()),
            down: (short(&down.path).into(), down.values.iter().map(shown).collect()),
            cells: (0..self.scores.len()).map(|i| cell(i).map(|mean| (mean, self.metric.show(mean)))).collect(),
        }
    }

    fn chips_csv(&self, paths: &[&str]) -> String {
        let points = self.grid.points();
        let rows = self.scores.iter().enumerate().flat_map(|(i, chips)| {
            let fields: Vec<String> = points[i].iter().map(|(_, value)| shown(value)).collect();
            let times = &self.times;
            chips.iter().flat_map(move |((training, chip), scores)| {
                let fields = fields.clone();
                times.iter().zip(scores).map(move |(t, score)| {
                    let numbers = [training.to_string(), chip.to_string(), t.to_string(), score.to_string()];
                    [fields.as_slice(), &numbers].concat()
                })
            })
        });
        csv(&[paths, &["training", "chip", "seconds", self.metric.name()]].concat(), rows)
    }

    fn summary_csv(&self, paths: &[&str]) -> String {
        let points = self.grid.points();
        let finite = |x: f64| if x.is_finite() { x.to_string() } else { String::new() };
        let rows = (0..points.len()).flat_map(|i| (0..self.times.len()).map(move |time| (i, time))).map(|(i, time)| {
            let (values, differences) = (self.at(i, time), self.differences(i, time));
            let (mean, half) = mean_and_half(&values);
            let (difference, uncertain) = mean_and_half(&differences);
            let fields: Vec<String> = points[i].iter().map(|(_, value)| shown(value)).collect();
            let numbers = [mean, spread(&values), half, difference, uncertain].map(finite);
            let numbers =
                [&[self.times[time].to_string(), self.scores[i].len().to_string()], numbers.as_slice()].concat();
            [fields, numbers].concat()
        });
        let further = ["seconds", "chips", "mean", "std", "confidence", "difference", "difference_confidence"];
        csv(&[paths, &further].concat(), rows)
    }
}
