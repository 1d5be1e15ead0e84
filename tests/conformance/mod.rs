//! Runs conformance cases: JSON files that say what the reference simulator (or PyTorch) computed.
//!
//! A family of operations is one file with a function `check`, and one line in [`Case::check`]. What "equal" means for
//! exact and for statistical cases is in `compare`. Every case draws from a separate key, made of its name: results
//! are the same in every run.

mod compare;
mod devices;
mod drift;
mod ir_drop_t;
mod layers;
mod mvm;
mod noise;
mod numbers;
mod straight_through;
mod training;
mod training_steps;

use std::any::Any;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io, panic};

use ohmgrad::tensor::Key;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;

use compare::Check;

/// One file.
struct Case {
    name: String,
    /// The folder of the file, and of other files that it names.
    folder: PathBuf,
    content: Value,
}

impl Case {
    /// Compares what the case's operation gives here with what is expected; an error says why that is not possible.
    fn check(&self) -> Result<Check, String> {
        let family = self.op().split('.').next().unwrap_or_default();
        match family {
            "mvm" => mvm::check(self),
            "ir_drop_t" => ir_drop_t::check(self),
            "training" => training::check(self),
            "straight_through" => straight_through::check(self),
            "modifier" => training_steps::modifier(self),
            "clip" => training_steps::clip(self),
            "mapping" => training_steps::mapping(self),
            "remap" => training_steps::remap(self),
            "tile_split" => training_steps::split(self),
            "input_range" => training_steps::input_range(self),
            "accuracy_over_time" => drift::check(self),
            "layer" | "loss" => layers::check(self),
            "noise_model" | "converter" => noise::check(self),
            "pulse_response"
            | "rank1_update"
            | "device_after_step"
            | "compound_trajectory"
            | "compound_statistics"
            | "on_chip_training"
            | "fit" => devices::check(self),
            _ => Err(format!("unknown operation `{}`", self.op())),
        }
    }

    /// The operation: the field `op`, in cases of devices `operation`; a case with neither and a `direction` is a
    /// product. A family of many operations is named before the point.
    fn op(&self) -> &str {
        let product = if self.content.get("direction").is_some() { "mvm" } else { "" };
        let op = self.content.get("op").or_else(|| self.content.get("operation"));
        op.and_then(Value::as_str).unwrap_or(product)
    }

    /// The key of all random numbers of the case.
    fn key(&self) -> Key {
        Key::new(0).fold("conformance").fold(self.name.as_str())
    }

    /// The content in a family's own form.
    fn parse<T: DeserializeOwned>(&self) -> Result<T, String> {
        T::deserialize(&self.content).map_err(|error| error.to_string())
    }
}

/// The outcome of one case.
struct Outcome {
    name: String,
    failure: Option<String>,
}

impl Outcome {
    fn of(file: &Path) -> Self {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let content = fs::read_to_string(file).map_err(|error| error.to_string());
        let content = content.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
        let content: Value = match content {
            Ok(content) => content,
            Err(error) => return Self { name, failure: Some(error) },
        };
        let name = content.get("name").and_then(Value::as_str).map_or(name, str::to_owned);
        let case = Case { name, folder: file.parent().unwrap_or(Path::new("")).into(), content };
        // Shapes that don't fit panic, and one bad case should not hide what came of the others.
        let checked = panic::catch_unwind(|| case.check()).unwrap_or_else(|payload| Err(panic_message(payload)));
        let failure = checked.map_or_else(Some, |check| check.failure());
        Self { name: case.name, failure: failure.map(|failure| failure.replace('\n', " ")) }
    }
}

fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("(no message)"))
}

/// The outcomes of all cases. Prints a line for each failure, and the count as the last one.
#[derive(Default)]
pub struct Report {
    outcomes: Vec<Outcome>,
    /// Folders that are missing or without cases.
    complaints: Vec<String>,
}

impl Report {
    /// Returns `true` if every folder had cases and all of them passed.
    pub fn is_ok(&self) -> bool {
        self.complaints.is_empty() && self.failed() == 0 && !self.outcomes.is_empty()
    }

    fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.failure.is_some()).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Outcome { name, failure } in &self.outcomes {
            if let Some(failure) = failure {
                writeln!(f, "{name}: {failure}")?;
            }
        }
        self.complaints.iter().try_for_each(|complaint| writeln!(f, "{complaint}"))?;
        let failed = self.failed();
        write!(f, "{} passed, {failed} failed", self.outcomes.len() - failed)
    }
}

/// Runs the cases in the given folders and in the folders inside them, or in given files.
pub fn run(places: &[PathBuf]) -> Report {
    let mut report = Report::default();
    let mut files = vec![];
    for place in places {
        match find(place) {
            Ok(found) if found.is_empty() => report.complaints.push(format!("{}: no cases", place.display())),
            Ok(found) => files.extend(found),
            Err(error) => report.complaints.push(format!("{}: {error}", place.display())),
        }
    }
    report.outcomes = files.par_iter().map(|file| Outcome::of(file)).collect();
    report
}

fn find(place: &Path) -> io::Result<Vec<PathBuf>> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let mut found = vec![];
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(find(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
