//! The operations of the cases, on cells of our own.

use ohmgrad::analog::cell::{Cell, CellConfig, Slot, Update};
use ohmgrad::analog::update::{Pairs, UpdateParameters};
use ohmgrad::tensor::{Key, Tensor};
use serde::Deserialize;

use super::tolerance::{Arrays, Draws};
use crate::conformance::numbers::Numbers;

/// Crosspoints of a row, where all are independent devices.
const COLUMNS: usize = 40;

fn cell(config: &CellConfig, p: &UpdateParameters, shape: [usize; 2], bias: bool, key: Key) -> Result<Cell, String> {
    Cell::new(config, p, shape, bias, key).map_err(|error| error.to_string())
}

fn update(cell: &mut Cell, (x, d): (&Tensor, &Tensor), rate: f32, p: &UpdateParameters, key: Key) {
    cell.update(Update { pairs: Pairs::new(x, d), rate, parameters: p, key });
}

/// `count` pulses on all crosspoints, each with probability 1.
fn pulses(cell: &mut Cell, up: bool, count: usize, p: &UpdateParameters, key: Key) {
    let [outs, ins] = [cell.weights().shape()[0], cell.weights().shape()[1]];
    let (x, d) = (Tensor::full(&[count, ins], -1.0), Tensor::full(&[count, outs], if up { 1.0 } else { -1.0 }));
    update(cell, (&x, &d), 1.0, p, key);
}

#[derive(Deserialize)]
pub struct PulseResponse {
    start: f32,
    pulses_each_way: usize,
    at: Vec<(String, usize)>,
}

pub fn pulse_response(
    case: &PulseResponse,
    config: &CellConfig,
    p: &UpdateParameters,
    draws: usize,
    key: Key,
) -> Result<Arrays, String> {
    let shape = if draws == 1 { [1, 1] } else { [draws / COLUMNS, COLUMNS] };
    let mut cell = cell(config, p, shape, false, key.fold("hardware"))?;
    cell.set_weights(&Tensor::full(&shape, case.start), key.fold("set"));
    let mut seen = vec![];
    for direction in ["up", "down"] {
        let mut done = 0;
        let key = key.fold(direction);
        let marks = case.at.iter().filter(|(of, _)| of == direction).map(|(_, count)| *count);
        for count in marks.map(Some).chain([None]) {
            let until = count.unwrap_or(case.pulses_each_way);
            if until > done {
                pulses(&mut cell, direction == "up", until - done, p, key.fold(done));
                done = until;
            }
            seen.extend(count.map(|_| cell.weights().to_vec()));
        }
    }
    let draws = shape[0] * shape[1];
    let values = (0..draws).flat_map(|i| seen.iter().map(move |weights| weights[i])).collect();
    Ok([("weight".to_owned(), Draws { draws, values })].into())
}

#[derive(Deserialize)]
pub struct Rank1 {
    x: Numbers,
    d: Numbers,
    start_weights: Numbers,
    learning_rate: f32,
}

pub fn rank1_update(
    case: &Rank1,
    config: &CellConfig,
    p: &UpdateParameters,
    draws: usize,
    key: Key,
) -> Result<Arrays, String> {
    let (x, d) = (case.x.tensor(), case.d.tensor());
    let shape = [d.shape()[1], x.shape()[1]];
    let start = case.start_weights.tensor().broadcast_to(&shape).contiguous();
    let mut values = vec![];
    for draw in 0..draws {
        let key = key.fold(draw);
        let mut cell = cell(config, p, shape, false, key.fold("hardware"))?;
        cell.set_weights(&start, key.fold("set"));
        update(&mut cell, (&x, &d), case.learning_rate, p, key.fold("step"));
        values.extend(cell.weights().iter());
    }
    Ok([("weight".to_owned(), Draws { draws, values })].into())
}

#[derive(Deserialize)]
pub struct AfterStep {
    columns: usize,
    #[serde(default)]
    analog_bias: bool,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(flatten)]
    what: What,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum What {
    Set { weight: f32 },
    Pulses { direction: String, count: usize },
    Alternate { pairs: usize },
    Decay { alpha: f32 },
    Diffuse,
    AfterStep,
    Reset { start_column: usize, n_columns: i64, probability: f32 },
    Drift { delta_t: f32 },
}

pub fn device_after_step(
    case: &AfterStep,
    config: &CellConfig,
    p: &UpdateParameters,
    draws: usize,
    key: Key,
) -> Result<Arrays, String> {
    let shape = [draws, case.columns];
    let mut cell = cell(config, p, shape, case.analog_bias, key.fold("hardware"))?;
    let (mut visible, mut hidden) = (vec![], vec![]);
    for (i, step) in case.steps.iter().enumerate() {
        for time in 0..step.times {
            let key = key.fold(i).fold(time);
            match step.what {
                What::Set { weight } => cell.set_weights(&Tensor::full(&shape, weight), key),
                What::Pulses { ref direction, count } => pulses(&mut cell, direction == "up", count, p, key),
                What::Alternate { pairs } => {
                    let d = Tensor::from_fn(&[2 * pairs, draws], |at| if at[0] % 2 == 0 { 1.0 } else { -1.0 });
                    update(&mut cell, (&Tensor::full(&[2 * pairs, case.columns], -1.0), &d), 1.0, p, key);
                }
                What::Decay { alpha } => cell.decay(alpha, key),
                What::Diffuse => cell.diffuse(key),
                What::AfterStep => cell.after_step(key),
                What::Reset { start_column, n_columns, probability } => {
                    cell.reset_columns(start_column, usize::try_from(n_columns).ok(), probability, key);
                }
                What::Drift { delta_t } => cell.drift(delta_t, key),
            }
        }
        visible.push(cell.weights().to_vec());
        hidden.push(cell.devices()[0].hidden_weights().to_vec());
    }
    let by_draw = |seen: &[Vec<f32>]| {
        let row = |draw: usize, weights: &Vec<f32>| weights[draw * case.columns..(draw + 1) * case.columns].to_vec();
        (0..draws).flat_map(|draw| seen.iter().flat_map(move |weights| row(draw, weights))).collect()
    };
    let arrays = [("weight", by_draw(&visible)), ("hidden_weight", by_draw(&hidden))];
    Ok(arrays.into_iter().map(|(name, values)| (name.to_owned(), Draws { draws, values })).collect())
}

#[derive(Deserialize)]
pub struct Compound {
    x: Numbers,
    d: Numbers,
    start_weights: Numbers,
    reference_weights: Option<Numbers>,
    #[serde(default)]
    learning_rate: f32,
    learning_rates: Option<Vec<f32>>,
    batch: usize,
    after_batches: Vec<usize>,
    after_step: bool,
}

pub fn compound(
    case: &Compound,
    config: &CellConfig,
    p: &UpdateParameters,
    names: &[&str],
    draws: usize,
    key: Key,
) -> Result<Arrays, String> {
    let (x, d, start) = (case.x.tensor(), case.d.tensor(), case.start_weights.tensor());
    let shape = [d.shape()[1], x.shape()[1]];
    let mut arrays: Arrays = names.iter().map(|name| ((*name).to_owned(), Draws { draws, values: vec![] })).collect();
    for draw in 0..draws {
        let key = key.fold(draw);
        let mut cell = cell(config, p, shape, false, key.fold("hardware"))?;
        if let Some(reference) = &case.reference_weights {
            cell.set_update_index(1).map_err(|error| error.to_string())?;
            cell.set_weights(&reference.tensor(), key.fold("set reference"));
            cell.set_update_index(0).map_err(|error| error.to_string())?;
        }
        cell.set_weights(&start, key.fold("set"));
        for batch in 0..x.shape()[0] / case.batch {
            let rows = batch * case.batch..(batch + 1) * case.batch;
            let [x, d] = [&x, &d].map(|all| all.slice(0, rows.clone()).contiguous());
            let rate = case.learning_rates.as_ref().map_or(case.learning_rate, |rates| rates[batch]);
            update(&mut cell, (&x, &d), rate, p, key.fold("step").fold(batch));
            if case.after_step {
                cell.after_step(key.fold("after step").fold(batch));
            }
            if case.after_batches.contains(&(batch + 1)) {
                for (name, array) in &mut arrays {
                    let seen = array_of(&mut cell, name).ok_or_else(|| format!("the cell has no `{name}`"))?;
                    array.values.extend(seen.iter());
                }
            }
        }
    }
    Ok(arrays)
}

/// An array of a cell by its name in cases.
fn array_of(cell: &mut Cell, name: &str) -> Option<Tensor> {
    match name {
        "weight" => return Some(cell.weights().clone()),
        "hidden_weight" => return Some(cell.devices()[0].hidden_weights().clone()),
        _ => {}
    }
    if let Some(k) = name.strip_prefix("device_").and_then(|k| k.parse::<usize>().ok()) {
        return cell.devices().get(k).map(|device| device.weights().clone());
    }
    let mut found = None;
    cell.state(&mut |path, slot| {
        if let (true, Slot::Array(array) | Slot::NeverNan(array)) = (path == name, slot) {
            found = Some(array.clone());
        }
    });
    found
}
