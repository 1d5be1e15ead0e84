//! Chips of a network over time. Each finished chip is a line in a file, and is not computed again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use ohmgrad::files::Lines;
use ohmgrad::prelude::*;
use ohmgrad::tensor::parallel;
use serde_json::{Value, json};

use crate::data::Goal;
use crate::failure::{Failure, Outcome};
use crate::score::score;

/// The scores of chips, by chip and time.
pub type Scores = Vec<Vec<f64>>;

/// The score of chip `i` of a network on tiles at each time: the numbers of the library's `accuracy_over_time`.
pub fn chip(net: &Sequential, set: &Dataset<Goal>, times: &[f64], key: Key, i: usize) -> Outcome<Vec<f64>> {
    let mut chip = net.program(key.fold("chip").fold(i))?;
    let reads = key.fold("reads").fold(i);
    let at = |&t: &f64| {
        let t = t as f32;
        chip.drift_to(t)?;
        Ok(score(&chip, set, reads.fold(t.to_bits())).value)
    };
    times.iter().map(at).collect()
}

/// A file with a line for each finished piece of work, by its name.
pub struct Finished {
    lines: Option<Lines>,
    known: BTreeMap<String, Vec<f64>>,
    write: Mutex<()>,
}

impl Finished {
    /// Nothing, and nothing is kept.
    pub fn none() -> Self {
        Self { lines: None, known: BTreeMap::new(), write: Mutex::new(()) }
    }

    /// What a file has of work at so many times; a last line that was not written to its end is removed.
    pub fn read(path: &Path, times: usize) -> Outcome<Self> {
        let lines = Lines::at(path);
        let mut known = BTreeMap::new();
        let mut keep = |line: &str| {
            let found = entry(line);
            found.map(|(name, scores)| known.entry(name).or_insert(scores)).is_some()
        };
        if lines.is_there() {
            lines.keep(&mut keep).map_err(|error| Failure::file(path, &error))?;
        }
        if let Some((name, scores)) = known.iter().find(|(_, scores)| scores.len() != times) {
            let (path, found) = (path.display(), scores.len());
            return Err(Failure::mistake(format!("{path}: `{name}` has {found} scores: must be {times}, one a time")));
        }
        Ok(Self { lines: Some(lines), known, write: Mutex::new(()) })
    }

    /// The scores of a piece of work, if it is finished.
    pub fn get(&self, name: &str) -> Option<&Vec<f64>> {
        self.known.get(name)
    }

    /// Writes a line for a piece of work.
    pub fn add(&self, name: &str, scores: &[f64]) -> Outcome<()> {
        let _one_at_a_time = self.write.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(lines) = &self.lines else { return Ok(()) };
        let line = json!({ "name": name, "scores": scores }).to_string();
        lines.append(&line).map_err(|error| Failure::file(lines.path(), &error))
    }
}

/// The name and the scores of a line. Numbers are read by the standard library, which gives back the bits that were written.
fn entry(line: &str) -> Option<(String, Vec<f64>)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let (_, scores) = line.split_once("\"scores\":[")?;
    let number = |text: &str| if text == "null" { Some(f64::NAN) } else { text.parse().ok() };
    let scores = scores.strip_suffix("]}")?.split(',').map(number).collect::<Option<_>>()?;
    Some((value["name"].as_str()?.to_owned(), scores))
}

/// Computes named pieces of work in parallel, those that a file does not have, and keeps each at once.
pub fn each_once<T: Sync>(
    what: &str,
    work: &[(String, T)],
    finished: &Finished,
    compute: impl Fn(&T) -> Outcome<Vec<f64>> + Sync,
) -> Outcome<Scores> {
    let open: Vec<&(String, T)> = work.iter().filter(|(name, _)| finished.get(name).is_none()).collect();
    let progress = Mutex::new(Progress::new(what, open.len()));
    let computed = parallel::map(&open, |(name, item)| {
        let scores = compute(item)?;
        finished.add(name, &scores)?;
        progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner).step(|| name.clone());
        Ok(scores)
    });
    let computed = computed.into_iter().collect::<Outcome<Vec<_>>>()?;
    let mut computed = computed.into_iter();
    let scores = |(name, _): &(String, T)| {
        finished.get(name).cloned().unwrap_or_else(|| computed.next().expect("a result for each open piece"))
    };
    Ok(work.iter().map(scores).collect())
}
