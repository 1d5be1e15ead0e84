//! Arrays of NumPy, and normalisation.

use std::path::Path;

use ohmgrad::prelude::*;

use super::{Goal, Read};
use crate::failure::{Failure, Outcome, did_you_mean};
use crate::recipe::Columns;

/// Reads arrays of an `.npz` file; those with names `NAME_test`, if they are there, have the rows for testing.
pub fn read_npz(path: &Path, columns: &Columns) -> Outcome<Read> {
    let arrays = Tensor::read_npz(path).map_err(Failure::mistaken)?;
    let get = |name: &str| {
        arrays.get(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = arrays.keys().map(String::as_str).collect();
            let (near, there) = (did_you_mean(name, names.iter().copied()), names.join(", "));
            Failure::mistake(format!("{}: has no array `{name}`{near}; it has {there}", path.display()))
        })
    };
    let (inputs, goal) = names(columns);
    let rows = |x, y| pair(x, y, columns.label.is_some(), &path.display().to_string());
    let test_names = [&inputs, &goal].map(|name| format!("{name}_test"));
    let test = match test_names.iter().any(|name| arrays.contains_key(name)) {
        true => Some(rows(get(&test_names[0])?, get(&test_names[1])?)?),
        false => None,
    };
    Ok(Read { train: rows(get(&inputs)?, get(&goal)?)?, test })
}

/// Reads two `.npy` files.
pub fn read_npy(columns: &Columns) -> Outcome<Read> {
    let (inputs, goal) = names(columns);
    let get = |name: &str| Tensor::read_npy(name).map_err(Failure::mistaken);
    Ok(Read { train: pair(get(&inputs)?, get(&goal)?, columns.label.is_some(), &inputs)?, test: None })
}

fn names(columns: &Columns) -> (String, String) {
    let inputs = columns.inputs.first().cloned().unwrap_or_else(|| "x".into());
    let goal = columns.label.clone().or_else(|| columns.targets.first().cloned());
    (inputs, goal.expect("a recipe has one of them"))
}

fn pair(x: Tensor, y: Tensor, labels: bool, file: &str) -> Outcome<(Tensor, Goal)> {
    let wrong = |what: String| Err(Failure::mistake(format!("{file}: {what}")));
    let (rows, goals) = (x.shape().first().copied().unwrap_or(0), y.shape().first().copied().unwrap_or(0));
    if x.rank() < 2 || rows != goals {
        return wrong(format!(
            "inputs of shape {:?} and targets of shape {:?}: must have equally many rows, and inputs at least two axes",
            x.shape(),
            y.shape()
        ));
    }
    if let Some(value) = x.iter().chain(y.iter()).find(|value| !value.is_finite()) {
        return wrong(format!("has {value}: numbers must be finite"));
    }
    if !labels {
        let y = y.reshape(&[rows, y.len() / rows.max(1)]);
        return Ok((x, Goal::Numbers(y)));
    }
    match y.iter().find(|&&v| v < 0.0 || v.fract() != 0.0 || v > 1e5) {
        Some(value) => wrong(format!("has the class {value}: classes must be whole numbers from 0")),
        None if y.len() != rows => wrong(format!("classes of shape {:?}: must be one a row", y.shape())),
        None => Ok((x, Goal::Labels(y.iter().map(|&v| v as usize).collect()))),
    }
}

/// Means and standard deviations of columns.
pub struct Scale {
    mean: Tensor,
    std: Tensor,
}

impl Scale {
    /// The scale of all rows of `x`; for a column without spread the standard deviation is taken as 1.
    pub fn of(x: &Tensor) -> Self {
        let std = x.var_axes(&[0], 0).map(|v| if v > 0.0 { v.sqrt() } else { 1.0 });
        Self { mean: x.mean_axes(&[0]), std }
    }

    /// Numbers less the mean, over the standard deviation.
    pub fn apply(&self, x: &Tensor) -> Tensor {
        &(x - &self.mean) / &self.std
    }
}
