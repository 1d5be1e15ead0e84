//! Tables with named columns.

use std::collections::BTreeSet;
use std::path::Path;

use csv::{ReaderBuilder, Trim};
use ohmgrad::prelude::*;

use super::{Goal, Read};
use crate::failure::{Failure, Outcome, did_you_mean};
use crate::recipe::Columns;

/// Reads a table: a header with names, then rows; commas, semicolons or tabs between fields, which may be in quotes.
pub fn read(path: &Path, columns: &Columns) -> Outcome<Read> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let separator = [b',', b';', b'\t'].into_iter().max_by_key(|c| first.bytes().filter(|b| b == c).count());
    let mut table = ReaderBuilder::new()
        .delimiter(separator.unwrap_or(b','))
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let damaged = |error: csv::Error| Failure::mistake(format!("{}: {error}", path.display()));
    let names: Vec<String> = table.headers().map_err(damaged)?.iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Failure::mistake(format!("{}: is empty", path.display())));
    }
    let mut known = BTreeSet::new();
    if let Some(name) = names.iter().find(|name| !name.is_empty() && !known.insert(name.as_str())) {
        return Err(Failure::mistake(format!("{}: has two columns `{name}`", path.display())));
    }
    let place = |name: &String| {
        names.iter().position(|other| other == name).ok_or_else(|| {
            let near = did_you_mean(name, names.iter().map(String::as_str));
            let there = names.join(", ");
            Failure::mistake(format!("{}: has no column `{name}`{near}; it has {there}", path.display()))
        })
    };
    let targets = columns.targets.iter().map(place).collect::<Outcome<Vec<_>>>()?;
    let label = columns.label.as_ref().map(place).transpose()?;
    let inputs = match columns.inputs.is_empty() {
        true => (0..names.len()).filter(|i| !targets.contains(i) && label != Some(*i)).collect(),
        false => columns.inputs.iter().map(place).collect::<Outcome<Vec<_>>>()?,
    };
    let (mut x, mut y, mut labels) = (vec![], vec![], vec![]);
    for row in table.records() {
        let row = row.map_err(damaged)?;
        let line = row.position().map_or(0, csv::Position::line);
        if row.iter().eq([""]) {
            continue;
        }
        if row.len() != names.len() {
            let (found, expected) = (row.len(), names.len());
            let place = format!("{}:{line}", path.display());
            return Err(Failure::mistake(format!("{place}: has {found} fields, the header has {expected}")));
        }
        let value = |column: &usize| {
            let text = &row[*column];
            text.parse::<f32>().ok().filter(|v| v.is_finite()).ok_or_else(|| {
                let (file, name) = (path.display(), &names[*column]);
                Failure::mistake(format!("{file}:{line}: column `{name}` = {text:?}: must be a finite number"))
            })
        };
        x.extend(inputs.iter().map(value).collect::<Outcome<Vec<f32>>>()?);
        y.extend(targets.iter().map(value).collect::<Outcome<Vec<f32>>>()?);
        labels.extend(label.map(|column| row[column].to_owned()));
    }
    let rows = x.len() / inputs.len().max(1);
    if rows == 0 {
        return Err(Failure::mistake(format!("{}: has no rows of inputs", path.display())));
    }
    let goal = match label {
        Some(_) => Goal::Labels(classes(&labels)),
        None => Goal::Numbers(Tensor::from_vec(y, &[rows, targets.len()])),
    };
    Ok(Read { train: (Tensor::from_vec(x, &[rows, inputs.len()]), goal), test: None })
}

/// Classes by number: whole numbers as they are, else names in the order of the alphabet.
fn classes(labels: &[String]) -> Vec<usize> {
    let numbers: Option<Vec<usize>> =
        labels.iter().map(|label| label.parse().ok().filter(|&n: &usize| n < 100_000)).collect();
    numbers.unwrap_or_else(|| {
        let names: BTreeSet<&String> = labels.iter().collect();
        let names: Vec<_> = names.into_iter().collect();
        labels.iter().map(|label| names.binary_search(&label).expect("one of them")).collect()
    })
}
