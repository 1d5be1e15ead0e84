//! Fits of devices: the parameters for which the mean response of a device to pulses is nearest to measured responses.
//!
//! The mean response is simulated pulse by pulse without noise and spread; the sum of squared differences is minimised
//! within the ranges of the parameters (`least_squares.rs`). Source: aihwkit `utils/fitting.py`; unlike there, an entry
//! of n pulses counts as n pulses.

mod least_squares;
mod measured;
mod tabular;

use super::draw::mean_crosspoint;
use super::{DeviceConfig, PiecewiseStep};
use crate::Error;
use crate::config::setting::{Setting, invalid, strict};
use crate::config::value::Value;

pub use measured::Experiment;
pub use tabular::tabular;

/// A parameter of a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parameter {
    /// A value that stays.
    Fixed(f32),
    /// A value that is sought.
    Varied {
        /// The start of the search.
        start: f32,
        /// The least value.
        low: f32,
        /// The greatest value.
        high: f32,
    },
}

/// The result of a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The device with the best parameters and the estimated `dw_min_std`; spreads and other noises are 0 unless they
    /// are parameters.
    pub device: DeviceConfig,
    /// The parameters that were sought, with their best values.
    pub parameters: Vec<(String, f32)>,
    /// The sum of the squared, weighted differences.
    pub sum_of_squares: f32,
    /// The mean response of the device to the pulses of each experiment.
    pub responses: Vec<Vec<f32>>,
    /// Noise of a pulse relative to its mean step, estimated from the residuals of single pulses.
    pub dw_min_std: f32,
    /// Standard deviation of a measurement, estimated from the same residuals.
    pub read_noise: f32,
}

/// Fits a device to experiments. `parameters` are named as the device's fields. All spreads and noises of the device
/// (fields that end in `dtod` or `std`) are set to 0.
///
/// ```
/// use ohmgrad_analog::device::fit::{Experiment, Parameter, fit};
/// use ohmgrad_analog::device::{DeviceConfig, SoftBounds};
///
/// let truth = DeviceConfig::from(SoftBounds { dw_min: 0.01, w_max: 0.8, ..Default::default() });
/// let pulses: Vec<i32> = (0..200).map(|i| if i < 100 { 1 } else { -1 }).collect();
/// let experiment = Experiment::simulated(&truth, &pulses, -0.2);
///
/// let sought = |start, low, high| Parameter::Varied { start, low, high };
/// let parameters = [("dw_min", sought(0.005, 0.001, 0.1)), ("w_max", sought(0.5, 0.2, 2.0))];
/// let found = fit(&SoftBounds::default().into(), &parameters, &[experiment])?;
/// assert!((found.parameters[0].1 - 0.01).abs() < 1e-4 && (found.parameters[1].1 - 0.8).abs() < 1e-3);
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
///
/// # Errors
/// If a parameter is not a field of the device, a range is empty, there is no experiment, or one has less than two
/// responses.
pub fn fit(device: &DeviceConfig, parameters: &[(&str, Parameter)], experiments: &[Experiment]) -> Result<Fit, Error> {
    let mut device = without_spread(device)?;
    let mut varied: Vec<(&str, [f32; 3])> = vec![];
    for &(name, parameter) in parameters {
        match parameter {
            Parameter::Fixed(value) => set(&mut device, name, value)?,
            Parameter::Varied { start, low, high } => {
                let ordered = low < high && (low..=high).contains(&start);
                if !ordered {
                    let range = Value::List([start, low, high].map(Value::from).into());
                    return Err(invalid(name, &range, "start, least and greatest value with least ≤ start ≤ greatest"));
                }
                set(&mut device, name, start)?;
                varied.push((name, [start, low, high]));
            }
        }
    }
    if experiments.is_empty() {
        return Err(invalid("experiments", &Value::List(vec![]), "a list of at least one"));
    }
    for (i, experiment) in experiments.iter().enumerate() {
        experiment.check(&format!("experiments[{i}]"))?;
    }
    let with = |values: &[f64]| -> Result<DeviceConfig, Error> {
        let mut device = device.clone();
        for ((name, [_, low, high]), unit) in varied.iter().zip(values) {
            set(&mut device, name, (f64::from(*low) + unit * (f64::from(*high) - f64::from(*low))) as f32)?;
        }
        Ok(device)
    };
    let residuals = |values: &[f64], out: &mut Vec<f64>| {
        out.clear();
        let device = with(values).expect("the names were set before");
        for experiment in experiments {
            let weight = f64::from(experiment.weight);
            let mut measured = experiment.responses.iter();
            respond(&device, &experiment.pulses, experiment.responses[0], |w| {
                let measured = measured.next().expect("as many as pulses");
                out.push(weight * (f64::from(w) - f64::from(*measured)));
            });
        }
    };
    let start: Vec<f64> =
        varied.iter().map(|(_, [start, low, high])| f64::from((start - low) / (high - low))).collect();
    let best = least_squares::minimise(&start, residuals);
    let mut device = with(&best.x)?;
    let responses = experiments.iter().map(|e| e.response_of(&device)).collect();
    let field = |name: &str| match device.get() {
        Value::Table(fields) => fields.iter().find(|(field, _)| field == name).and_then(|(_, value)| value.as_f32()),
        _ => None,
    };
    let parameters = varied.iter().map(|(name, _)| ((*name).to_owned(), field(name).unwrap_or(f32::NAN))).collect();
    let (dw_min_std, read_noise) = measured::noise(&device, experiments);
    set(&mut device, "dw_min_std", dw_min_std)?;
    Ok(Fit { device, parameters, sum_of_squares: best.sum_of_squares as f32, responses, dw_min_std, read_noise })
}

/// Sets a field of a device by its name.
fn set(device: &mut DeviceConfig, name: &str, value: f32) -> Result<(), Error> {
    device.overlay(Value::Table(vec![(name.to_owned(), Value::from(value))]), "device", &mut strict)
}

/// The device with all spreads and noises 0.
fn without_spread(device: &DeviceConfig) -> Result<DeviceConfig, Error> {
    let mut device = device.clone();
    if let Value::Table(fields) = device.get() {
        let noisy = |name: &str| name.ends_with("dtod") || name.ends_with("std");
        for (name, _) in fields.iter().filter(|(name, value)| noisy(name) && value.as_f32().is_some()) {
            set(&mut device, name, 0.0)?;
        }
    }
    Ok(device)
}

/// Simulates the mean response of a device from a start weight; `see` gets the weight before each entry of `pulses`.
fn respond(device: &DeviceConfig, pulses: &[i32], start: f32, mut see: impl FnMut(f32)) {
    let step = device.step();
    let at = mean_crosspoint(step);
    let (low, high) = step.bounds(&at);
    let mut w = start.min(at.max).max(at.min);
    for &n in pulses {
        see(w);
        for _ in 0..n.unsigned_abs() {
            let next = if n > 0 { step.up(w, &at, 0.0) } else { step.down(w, &at, 0.0) };
            w = next.min(high).max(low);
        }
    }
}
