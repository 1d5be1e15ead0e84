//! The record of each epoch.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use ohmgrad_files::Lines;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::TrainerError;

/// The columns that every file of metrics begins with.
const COLUMNS: [&str; 6] = ["epoch", "step", "loss", "score", "lr", "seconds"];

/// The results of an epoch. Two are equal if they differ in time alone.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// Steps of the whole training so far.
    pub step: usize,
    /// The mean loss over its steps, those before a resume included.
    pub loss: f32,
    /// The score of the evaluation at its end.
    pub score: f64,
    /// The learning rate of its last step.
    pub lr: f32,
    /// The seconds that it took, evaluation included; in a resumed epoch those since the resume.
    pub seconds: f64,
    /// Further metrics of the evaluation, by name.
    pub metrics: Vec<(String, f64)>,
}

/// One line: number, loss, score, learning rate, further metrics, seconds.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, loss, score, lr, seconds, metrics, .. } = self;
        write!(f, "epoch {epoch}: loss {loss:.4}, score {score:.4}, lr {lr:.2e}")?;
        metrics.iter().try_for_each(|(name, value)| write!(f, ", {name} {value:.4}"))?;
        write!(f, ", {seconds:.1} s")
    }
}

impl PartialEq for Epoch {
    fn eq(&self, other: &Self) -> bool {
        let of = |e: &Self| (e.epoch, e.step, e.loss, e.score, e.lr);
        of(self) == of(other) && self.metrics == other.metrics
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { epoch, step, loss, score, lr, seconds, metrics } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("epoch", epoch)?;
        map.serialize_entry("step", step)?;
        map.serialize_entry("loss", loss)?;
        map.serialize_entry("score", score)?;
        map.serialize_entry("lr", lr)?;
        map.serialize_entry("seconds", seconds)?;
        metrics.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

/// The result of an evaluation: the score that decides which network is best, and further metrics for the record.
///
/// ```
/// use ohmgrad_models::Evaluation;
///
/// let evaluation = Evaluation::from(0.97).with("test loss", 0.11);
/// assert_eq!((evaluation.score, evaluation.metrics[0].1), (0.97, 0.11));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The score; larger is better, unless the trainer [minimises](super::Trainer::minimise) it.
    pub score: f64,
    /// Further metrics, by name.
    pub metrics: Vec<(String, f64)>,
}

impl From<f64> for Evaluation {
    fn from(score: f64) -> Self {
        Self { score, metrics: vec![] }
    }
}

impl Evaluation {
    /// The same with another metric.
    ///
    /// # Panics
    /// If there is one of this name already, or it is a column of all files (`epoch`, `step`, `loss`, `score`, `lr`,
    /// `seconds`).
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        let name = name.into();
        let taken = COLUMNS.contains(&name.as_str()) || self.metrics.iter().any(|(other, _)| *other == name);
        assert!(!taken, "evaluation: `{name}` is given twice, or a column that there always is");
        self.metrics.push((name, value));
        self
    }
}

/// A file with a line for each epoch: CSV if its name ends in `.csv`, else JSON.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    lines: Lines,
    csv: bool,
}

impl Metrics {
    pub fn at(path: PathBuf) -> Self {
        let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        Self { lines: Lines::at(path), csv }
    }

    /// Prepares the file for the first epoch. A resumed training keeps the lines of its finished epochs; the file of
    /// another training is set aside.
    pub fn begin(&self, resumed: bool, epochs: usize) -> Result<(), TrainerError> {
        let mut number = 0;
        let result = match (self.lines.is_there(), resumed) {
            (false, _) => Ok(()),
            (true, false) => self.lines.set_aside().map(drop),
            (true, true) => self.lines.keep(|line| {
                number += 1;
                (self.csv && number == 1) || self.epoch_of(line).is_some_and(|epoch| epoch <= epochs)
            }),
        };
        result.map_err(|error| self.error(error))
    }

    pub fn append(&self, epoch: &Epoch, is_first: bool) -> Result<(), TrainerError> {
        let write = || {
            if !self.csv {
                return self.lines.append(&serde_json::to_string(epoch).map_err(io::Error::other)?);
            }
            let further = epoch.metrics.iter().map(|(name, _)| quoted(name));
            let header: Vec<String> = COLUMNS.iter().map(|name| name.to_string()).chain(further).collect();
            let header = header.join(",");
            let there = if self.lines.is_there() { self.lines.first()? } else { None };
            match there {
                Some(there) if there != header => {
                    let what = format!("has the columns {there}, this epoch has {header}");
                    return Err(io::Error::new(ErrorKind::InvalidData, what));
                }
                // New files, and files that are not regular (a pipe), have no first line.
                None if is_first => self.lines.append(&header)?,
                _ => {}
            }
            let Epoch { epoch, step, loss, score, lr, seconds, metrics } = epoch;
            let further: String = metrics.iter().map(|(_, value)| format!(",{value}")).collect();
            self.lines.append(&format!("{epoch},{step},{loss},{score},{lr},{seconds}{further}"))
        };
        write().map_err(|error| self.error(error))
    }

    /// The number of the epoch of a line.
    fn epoch_of(&self, line: &str) -> Option<usize> {
        if self.csv {
            return line.split(',').next()?.parse().ok();
        }
        usize::try_from(serde_json::from_str::<serde_json::Value>(line).ok()?.get("epoch")?.as_u64()?).ok()
    }

    fn error(&self, source: io::Error) -> TrainerError {
        TrainerError::Metrics { path: self.lines.path().into(), source }
    }
}

/// A name as an entry of CSV.
fn quoted(name: &str) -> String {
    if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.into() }
}
