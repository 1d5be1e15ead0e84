//! Fits of devices to measured responses.

use std::collections::BTreeMap;

use ohmgrad::analog::device::DeviceConfig;
use ohmgrad::analog::device::fit::{Experiment, Parameter, fit};
use serde::Deserialize;
use serde_json::{Value, from_value};

use super::typed;
use crate::conformance::Case;
use crate::conformance::compare::Check;

#[derive(Deserialize)]
struct Measured {
    config: Config,
    suppress_device_noise: bool,
    max_pulses: i32,
    parameters: BTreeMap<String, Sought>,
    pulses: Vec<Vec<i32>>,
    responses: Vec<Vec<f32>>,
    fit_weights: Option<Vec<f32>>,
    expected: Expected,
    tolerance: Tolerance,
}

#[derive(Deserialize)]
struct Config {
    device: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Sought {
    Fixed(f32),
    Varied([f32; 3]),
}

#[derive(Deserialize)]
struct Expected {
    parameters: BTreeMap<String, f64>,
    sum_of_squares: f64,
}

#[derive(Deserialize)]
struct Tolerance {
    parameters: BTreeMap<String, f64>,
    sum_of_squares_factor: f64,
}

pub fn check(case: &Case) -> Result<Check, String> {
    let case: Measured = case.parse()?;
    if !case.suppress_device_noise {
        return Err("fits are without noise".into());
    }
    let device: DeviceConfig = from_value(typed(&case.config.device)).map_err(|error| error.to_string())?;
    let parameters = case.parameters.iter().map(|(name, sought)| {
        let parameter = match *sought {
            Sought::Fixed(value) => Parameter::Fixed(value),
            Sought::Varied([start, low, high]) => Parameter::Varied { start, low, high },
        };
        (name.as_str(), parameter)
    });
    let parameters: Vec<_> = parameters.collect();
    let weight = |i: usize| case.fit_weights.as_ref().map_or(1.0, |weights| weights[i]);
    let experiments: Vec<Experiment> = (case.pulses.iter().zip(&case.responses).enumerate())
        .map(|(i, (pulses, responses))| Experiment {
            pulses: pulses.iter().map(|n| n * case.max_pulses).collect(),
            responses: responses.clone(),
            weight: weight(i),
        })
        .collect();
    let found = fit(&device, &parameters, &experiments).map_err(|error| error.to_string())?;
    let mut check = Check::default();
    for (name, value) in &found.parameters {
        let (expected, allowed) = (case.expected.parameters.get(name), case.tolerance.parameters.get(name));
        let (Some(&expected), Some(&allowed)) = (expected, allowed) else {
            return Err(format!("nothing is expected of {name}"));
        };
        check.value(|| name.clone(), f64::from(*value), expected, allowed);
    }
    let most = case.expected.sum_of_squares * case.tolerance.sum_of_squares_factor;
    let beyond = (f64::from(found.sum_of_squares) - most).max(0.0);
    check.value(|| "sum of squares beyond what is allowed".to_owned(), beyond, 0.0, 0.0);
    Ok(check)
}
