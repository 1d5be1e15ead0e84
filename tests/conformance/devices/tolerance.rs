//! The criteria by which arrays of a case of devices hold.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::conformance::compare::Check;

/// Arrays by name, each [draws, …].
pub type Arrays = BTreeMap<String, Draws>;

/// Draws of an array.
#[derive(Debug, Default)]
pub struct Draws {
    pub draws: usize,
    pub values: Vec<f32>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Tolerance {
    pub relative: Option<f64>,
    pub draws: Option<usize>,
    #[serde(default)]
    z_mean: f64,
    #[serde(default)]
    z_std: f64,
    #[serde(default)]
    z_quantile: f64,
    #[serde(default)]
    z_cov: f64,
    #[serde(default)]
    floor_checkpoint: f64,
    #[serde(default)]
    floor_array: f64,
}

#[derive(Debug, Deserialize)]
pub struct Expected {
    mean: Value,
    std: Value,
    probabilities: Option<Vec<f64>>,
    quantiles: Option<Value>,
    covariance: Option<Value>,
}

/// All numbers of nested lists; `None` for null.
fn flat(value: &Value) -> Vec<Option<f64>> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        value => vec![value.as_f64()],
    }
}

/// Entries of the first axis.
fn checkpoints(value: &Value) -> usize {
    value.as_array().map_or(1, Vec::len)
}

fn same_length(name: &str, ours: usize, expected: usize) -> Result<(), String> {
    if ours == expected { Ok(()) } else { Err(format!("{name}: {ours} numbers, expected {expected}")) }
}

/// Allows each entry an error of `relative` times the array's largest expected magnitude.
pub fn exact(check: &mut Check, name: &str, ours: &Draws, expected: &Value, relative: f64) -> Result<(), String> {
    let expected = flat(expected);
    same_length(name, ours.values.len(), expected.len())?;
    let largest = expected.iter().flatten().fold(0.0, |top: f64, v| top.max(v.abs()));
    for (i, (&ours, expected)) in ours.values.iter().zip(expected).enumerate() {
        if let Some(expected) = expected {
            check.value(|| format!("{name} [{i}]"), ours.into(), expected, relative * largest);
        }
    }
    Ok(())
}

/// Moments, quantiles and covariances of draws.
pub fn statistical(
    check: &mut Check,
    name: &str,
    ours: &Draws,
    expected: &Expected,
    t: &Tolerance,
    by_checkpoint: bool,
) -> Result<(), String> {
    let (means, stds) = (flat(&expected.mean), flat(&expected.std));
    let (n, r) = (means.len(), ours.draws as f64);
    same_length(name, ours.values.len(), n * ours.draws)?;
    let errors = (1.0 / t.draws.unwrap_or(1) as f64 + 1.0 / r).sqrt();
    let size = |i: usize| means[i].unwrap_or(0.0).abs() + stds[i].unwrap_or(0.0);
    let of_array = (0..n).map(size).fold(0.0, f64::max);
    let each = if by_checkpoint { n / checkpoints(&expected.mean) } else { n };
    let floor = |i: usize| {
        let first = i / each * each;
        let of_checkpoint = (first..first + each).map(size).fold(0.0, f64::max);
        t.floor_checkpoint * of_checkpoint + t.floor_array * of_array
    };
    let column = |i: usize| ours.values.iter().skip(i).step_by(n).map(|&v| f64::from(v));
    let our_means: Vec<f64> = (0..n).map(|i| column(i).sum::<f64>() / r).collect();
    let our_stds: Vec<f64> =
        (0..n).map(|i| (column(i).map(|v| (v - our_means[i]).powi(2)).sum::<f64>() / r).sqrt()).collect();
    for i in 0..n {
        let widest = our_stds[i].max(stds[i].unwrap_or(0.0));
        if let Some(mean) = means[i] {
            let allowed = t.z_mean * widest * errors + floor(i);
            check.value(|| format!("mean of {name} [{i}]"), our_means[i], mean, allowed);
        }
        if let Some(std) = stds[i] {
            let allowed = t.z_std * widest * errors / 2f64.sqrt() + floor(i);
            check.value(|| format!("std of {name} [{i}]"), our_stds[i], std, allowed);
        }
    }
    if let (Some(quantiles), Some(probabilities)) = (&expected.quantiles, &expected.probabilities) {
        let quantiles = flat(quantiles);
        same_length(name, n * probabilities.len(), quantiles.len())?;
        for (k, quantile) in quantiles.into_iter().enumerate() {
            let (i, p) = (k / probabilities.len(), probabilities[k % probabilities.len()]);
            let Some(quantile) = quantile else { continue };
            let allowed = t.z_quantile * (p * (1.0 - p)).sqrt() * errors + 1.0 / r;
            let below = column(i).filter(|v| *v < quantile - floor(i)).count() as f64 / r;
            let up_to = column(i).filter(|v| *v <= quantile + floor(i)).count() as f64 / r;
            let share = p.max(below).min(up_to);
            check.value(|| format!("share of {name} [{i}] up to quantile {p}"), share, p, allowed);
        }
    }
    if let Some(covariance) = &expected.covariance {
        let covariance = flat(covariance);
        same_length(name, n * n, covariance.len())?;
        let widest: Vec<f64> = (0..n).map(|i| our_stds[i].max(stds[i].unwrap_or(0.0))).collect();
        let largest = widest.iter().fold(0.0, |top: f64, s| top.max(s * s));
        for (k, expected) in covariance.into_iter().enumerate() {
            let (i, j) = (k / n, k % n);
            let Some(expected) = expected else { continue };
            let ours = column(i).zip(column(j)).map(|(a, b)| (a - our_means[i]) * (b - our_means[j])).sum::<f64>() / r;
            let allowed = t.z_cov * widest[i] * widest[j] * errors + t.floor_checkpoint * largest;
            check.value(|| format!("covariance of {name} [{i}, {j}]"), ours, expected, allowed);
        }
    }
    Ok(())
}
