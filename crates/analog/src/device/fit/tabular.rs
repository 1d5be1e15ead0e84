//! The measured response itself as a device: a table of steps over the range.

use super::least_squares::solve;
use super::{Experiment, PiecewiseStep, without_spread};
use crate::Error;
use crate::config::setting::{Setting, invalid};
use crate::device::DeviceConfig;

/// The table of steps that is nearest to measured steps, with `nodes` nodes over the range of responses: a
/// least-squares fit of the linear interpolation. Nodes without measurements lie on a line between their neighbours.
/// Spreads are 0, and the noise of pulses is estimated.
///
/// ```
/// use ohmgrad_analog::device::fit::{Experiment, tabular};
/// use ohmgrad_analog::device::{DeviceConfig, SoftBounds};
///
/// let truth = DeviceConfig::from(SoftBounds { dw_min: 0.01, ..Default::default() });
/// let pulses: Vec<i32> = (0..800).map(|i| if i < 400 { 1 } else { -1 }).collect();
/// let experiment = Experiment::simulated(&truth, &pulses, -0.5);
/// let table = tabular(&[experiment], 5)?;
/// assert!((table.dw_min - 0.01).abs() < 1e-3 && table.piecewise_up[4] < 0.1);
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
///
/// # Errors
/// If there are less than two nodes, or no single pulses in one of both directions.
pub fn tabular(experiments: &[Experiment], nodes: usize) -> Result<PiecewiseStep, Error> {
    if nodes < 2 {
        return Err(invalid("nodes", &nodes.get(), "at least 2"));
    }
    for (i, experiment) in experiments.iter().enumerate() {
        experiment.check(&format!("experiments[{i}]"))?;
    }
    let responses = || experiments.iter().flat_map(|e| e.responses.iter().copied());
    // Bounds lie on either side of 0.
    let (low, high) = (responses().fold(0.0, f32::min), responses().fold(0.0, f32::max));
    let steps = |direction: i32| -> Result<Vec<f32>, Error> {
        let pairs = experiments.iter().flat_map(|e| e.responses.windows(2).zip(&e.pulses));
        let steps: Vec<[f32; 2]> = pairs
            .filter(|(_, n)| **n == direction)
            .map(|(pair, _)| [(pair[0] - low) / (high - low), (pair[1] - pair[0]) * direction as f32])
            .collect();
        match steps.is_empty() {
            true => Err(invalid("pulses", &(i64::from(direction)).get(), "among the pulses of the experiments")),
            false => Ok(table(&steps, nodes)),
        }
    };
    let (up, down) = (steps(1)?, steps(-1)?);
    let middle = (up[nodes / 2] + down[nodes / 2]) / 2.0;
    let unit = |steps: Vec<f32>| steps.into_iter().map(|step| (step / middle).max(0.0)).collect();
    let plain = PiecewiseStep {
        dw_min: middle,
        w_max: high,
        w_min: low,
        piecewise_up: unit(up),
        piecewise_down: unit(down),
        ..Default::default()
    };
    let quiet = without_spread(&plain.into())?;
    let (dw_min_std, _) = super::measured::noise(&quiet, experiments);
    match quiet {
        DeviceConfig::PiecewiseStep(table) => Ok(PiecewiseStep { dw_min_std, ..table }),
        _ => unreachable!("the device that was given"),
    }
}

/// Values at evenly spaced nodes of [0, 1] whose interpolation is nearest to measured (place, step).
fn table(steps: &[[f32; 2]], nodes: usize) -> Vec<f32> {
    let mut rows = vec![vec![0.0; nodes + 1]; nodes];
    for &[place, step] in steps {
        let q = f64::from(place) * (nodes - 1) as f64;
        let i = (q.max(0.0) as usize).min(nodes - 2);
        let parts = [1.0 - (q - i as f64), q - i as f64];
        for (a, part) in parts.into_iter().enumerate() {
            for (b, other) in parts.into_iter().enumerate() {
                rows[i + a][i + b] += part * other;
            }
            rows[i + a][nodes] += part * f64::from(step);
        }
    }
    // Neighbours attract each other, so weakly that it matters only at nodes without measurements.
    let pull = 1e-6 * steps.len() as f64 / nodes as f64;
    for i in 0..nodes - 1 {
        for (a, b, sign) in [(i, i, 1.0), (i + 1, i + 1, 1.0), (i, i + 1, -1.0), (i + 1, i, -1.0)] {
            rows[a][b] += sign * pull;
        }
    }
    solve(rows).into_iter().map(|v| v as f32).collect()
}
