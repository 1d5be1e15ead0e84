//! Training on the chip: pulses on devices, and the cells that are made of them.

mod fit;
mod run;
mod tolerance;
mod training;

use ohmgrad::analog::cell::CellConfig;
use ohmgrad::analog::update::UpdateParameters;
use serde::Deserialize;
use serde_json::{Map, Value, from_value};

use crate::conformance::Case;
use crate::conformance::compare::Check;
use tolerance::{Arrays, Expected, Tolerance};

#[derive(Deserialize)]
struct Judged {
    operation: String,
    tolerance: Tolerance,
    expected: Map<String, Value>,
}

#[derive(Deserialize)]
struct OnChip {
    config: Config,
}

/// The configuration of a case, which calls the name of a class `class`; our files call it `type` ([`typed`]).
#[derive(Deserialize)]
struct Config {
    class: String,
    device: Value,
    update: UpdateParameters,
}

pub fn check(case: &Case) -> Result<Check, String> {
    if case.op() == "fit" {
        return fit::check(case);
    }
    let Judged { operation, tolerance, expected } = case.parse()?;
    let draws = tolerance.draws.unwrap_or(1);
    let names: Vec<&str> = expected.keys().map(String::as_str).collect();
    if operation == "on_chip_training" {
        let arrays = case.parse::<training::Training>()?.run(draws, case.key())?;
        return judge(arrays, &operation, &tolerance, expected);
    }
    let OnChip { config } = case.parse()?;
    let (device, update) = (config.device()?, config.update);
    let arrays: Arrays = match operation.as_str() {
        "pulse_response" => run::pulse_response(&case.parse()?, &device, &update, draws, case.key())?,
        "rank1_update" => run::rank1_update(&case.parse()?, &device, &update, draws, case.key())?,
        "device_after_step" => run::device_after_step(&case.parse()?, &device, &update, draws, case.key())?,
        _ => run::compound(&case.parse()?, &device, &update, &names, draws, case.key())?,
    };
    judge(arrays, &operation, &tolerance, expected)
}

/// Compares arrays with the expected ones.
fn judge(
    arrays: Arrays,
    operation: &str,
    tolerance: &Tolerance,
    expected: Map<String, Value>,
) -> Result<Check, String> {
    let mut check = Check::default();
    for (name, expected) in expected {
        let ours = arrays.get(name.as_str()).ok_or_else(|| format!("no array `{name}`"))?;
        // In all other operations each entry of the first axis is a different time.
        let by_checkpoint = !["rank1_update", "on_chip_training"].contains(&operation);
        match tolerance.relative {
            Some(relative) => tolerance::exact(&mut check, &name, ours, &expected, relative)?,
            None => {
                let expected: Expected = from_value(expected).map_err(|error| format!("{name}: {error}"))?;
                tolerance::statistical(&mut check, &name, ours, &expected, tolerance, by_checkpoint)?;
            }
        }
    }
    Ok(check)
}

impl Config {
    fn device(&self) -> Result<CellConfig, String> {
        let device = typed(&self.device);
        let read = match self.class.as_str() {
            "SingleRPUConfig" => from_value(device).map(CellConfig::Device),
            "UnitCellRPUConfig" => from_value(device).map(CellConfig::Unit),
            "DigitalRankUpdateRPUConfig" => {
                let mut device = device;
                device.as_object_mut().and_then(|device| device.remove("type"));
                from_value(device).map(CellConfig::Mixed)
            }
            class => return Err(format!("unknown configuration `{class}`")),
        };
        read.map_err(|error| error.to_string())
    }
}

/// The same with `type` for `class`, and without the name of a preset.
pub fn typed(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "preset");
            let name = |name: &String| if name == "class" { "type".to_owned() } else { name.clone() };
            fields.map(|(field, value)| (name(field), typed(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(typed).collect(),
        value => value.clone(),
    }
}
