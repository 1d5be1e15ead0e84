//! Chips of a network over time. Each finished chip is a line in a file, and is not computed again.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Mutex;

use ohmgrad::files::Lines;
use ohmgrad::prelude::*;
use ohmgrad::tensor::parallel;
use serde_json::{Value, json};

use crate::data::Goal;
use crate::failure::{Failure, Outcome};
use crate::ranks::{Give, Ranks, pack, unpack};
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

/// A file with a line for each finished piece of work, by its name. All ranks know what it has, rank 0 writes it.
pub struct Finished {
    lines: Option<Lines>,
    known: BTreeMap<String, Vec<f64>>,
    write: Mutex<()>,
}

impl Finished {
    /// No finished work, and no file to keep more.
    pub fn none() -> Self {
        Self { lines: None, known: BTreeMap::new(), write: Mutex::new(()) }
    }

    /// Reads the finished work of a file; if `times` is given, each piece must have that number of scores. A last line
    /// that was not written to its end is removed.
    pub fn read(path: &Path, times: Option<usize>, ranks: Ranks) -> Outcome<Self> {
        let lines = Lines::at(path);
        let text = ranks.share(|| {
            let whole = lines.keep(|line| entry(line).is_some());
            let text = whole.and_then(|()| if lines.is_there() { std::fs::read(path) } else { Ok(vec![]) });
            text.map_err(|error| Failure::file(path, &error))
        })?;
        let mut known = BTreeMap::new();
        for (name, scores) in String::from_utf8_lossy(&text).lines().filter_map(entry) {
            known.entry(name).or_insert(scores);
        }
        let wrong = |scores: &Vec<f64>| times.is_some_and(|times| scores.len() != times);
        if let (Some((name, scores)), Some(times)) = (known.iter().find(|(_, scores)| wrong(scores)), times) {
            let (path, found) = (path.display(), scores.len());
            return Err(Failure::mistake(format!("{path}: `{name}` has {found} scores: must be {times}, one a time")));
        }
        Ok(Self { lines: Some(lines), known, write: Mutex::new(()) })
    }

    /// The indices of the pieces of work that are not finished.
    pub fn open<T>(&self, work: &[(String, T)]) -> Vec<usize> {
        (0..work.len()).filter(|&i| self.get(&work[i].0).is_none()).collect()
    }

    /// The scores of a piece of work, if it was finished when the file was read.
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

/// The name and the scores of a line. Numbers are read by the standard library, which gives back the bits that were
/// written.
fn entry(line: &str) -> Option<(String, Vec<f64>)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let (_, scores) = line.split_once("\"scores\":[")?;
    let number = |text: &str| if text == "null" { Some(f64::NAN) } else { text.parse().ok() };
    let scores = scores.strip_suffix("]}")?.split(',').map(number).collect::<Option<_>>()?;
    Some((value["name"].as_str()?.to_owned(), scores))
}

/// Computes those named pieces of work that a file does not have: dealt out over the ranks, in parallel on each, and
/// kept as they come. All ranks get all scores.
pub fn each_once<T: Sync>(
    what: &str,
    work: &[(String, T)],
    finished: &Finished,
    ranks: Ranks,
    compute: impl Fn(&T) -> Outcome<Vec<f64>> + Sync,
) -> Outcome<Scores> {
    let open = finished.open(work).into_iter().enumerate();
    let own: Vec<usize> = open.filter(|(n, _)| ranks.has(*n)).map(|(_, i)| i).collect();
    let computed = collect(what, work, finished, ranks, |give| {
        parallel::map(&own, |&i| give(i, compute(&work[i].1)?)).into_iter().collect()
    })?;
    let computed = ranks.share(|| Ok(pack(computed.iter().map(|(&i, scores)| (i, scores.as_slice())))))?;
    let mut computed: HashMap<usize, Vec<f64>> = unpack(&computed).into_iter().collect();
    let scores = |(i, (name, _)): (usize, &(String, T))| {
        let known = finished.get(name).cloned();
        known.unwrap_or_else(|| computed.remove(&i).expect("a result for each open piece"))
    };
    Ok(work.iter().enumerate().map(scores).collect())
}

/// Runs `compute` and keeps each of its results at once; at rank 0 also returns the results, by the indices of their
/// pieces.
pub fn collect<T: Sync>(
    what: &str,
    work: &[(String, T)],
    finished: &Finished,
    ranks: Ranks,
    compute: impl FnOnce(Give<'_>) -> Outcome<()>,
) -> Outcome<HashMap<usize, Vec<f64>>> {
    let progress = Mutex::new((Progress::new(what, finished.open(work).len()), HashMap::new()));
    ranks.collect(compute, |i, scores| {
        finished.add(&work[i].0, &scores)?;
        let mut progress = progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        progress.0.step(|| work[i].0.clone());
        progress.1.insert(i, scores);
        Ok(())
    })?;
    Ok(progress.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).1)
}
