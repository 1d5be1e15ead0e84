//! Gradients through the forward read: cases that `make_straight_through.py` computed with TorchInferenceRPUConfig.

use ohmgrad::analog::BackwardIoParameters;
use ohmgrad::autograd::Tape;
use ohmgrad::models::{Linear, Module, Network};
use ohmgrad::tensor::{Array, Key, Tensor};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conformance::Case;
use crate::conformance::compare::{Check, near};
use crate::conformance::numbers::Numbers;
use crate::conformance::training_steps::rpu_config;

#[derive(Deserialize)]
struct Gradients {
    params: Params,
    /// The number of batches that the inputs are cut into.
    calls: usize,
    inputs: Inputs,
    expected: Expected,
}

#[derive(Deserialize)]
struct Params {
    forward: Value,
    mapping: Value,
    input_range: Option<Value>,
}

#[derive(Deserialize)]
struct Inputs {
    weights: Numbers,
    inputs: Numbers,
    output_gradient: Numbers,
}

#[derive(Deserialize)]
struct Expected {
    outputs: Numbers,
    input_gradient: Numbers,
    weight_gradient: Numbers,
    range_gradient: Option<Numbers>,
}

pub fn check(case: &Case) -> Result<Check, String> {
    let Gradients { params: Params { forward, mapping, input_range }, calls, inputs, expected } = case.parse()?;
    let mut config = rpu_config(json!({ "forward": forward, "mapping": mapping }))?;
    config.backward = BackwardIoParameters::straight_through();
    if let Some(range) = input_range {
        config.pre_post.input_range = serde_json::from_value(range).map_err(|error| error.to_string())?;
        config.pre_post.input_range.enable = true;
    }
    let mut layer = Linear::from_weight(inputs.weights.tensor(), None);
    layer.to_analog(&config, Key::new(0)).map_err(|error| error.to_string())?;
    let (x, d) = (inputs.inputs.tensor(), inputs.output_gradient.tensor());
    let rows = x.shape()[0] / calls;
    let tape = Tape::train(case.key());
    let batch = |i: usize| {
        let part = |all: &Tensor| all.slice(0, i * rows..(i + 1) * rows);
        let x = tape.variable(part(&x));
        let y = layer.forward(x);
        (x, y, (y * tape.constant(part(&d))).sum())
    };
    let batches: Vec<_> = (0..calls).map(batch).collect();
    let outputs: Vec<Tensor> = batches.iter().map(|(_, y, _)| y.value()).collect();
    let loss = batches.iter().map(|(_, _, loss)| *loss).reduce(|sum, loss| sum + loss).ok_or("no calls")?;
    let gradients = loss.backward();
    let mut check = Check::default();
    near(&mut check, "output", &Array::concat(&outputs, 0), &expected.outputs)?;
    let of_inputs: Vec<Tensor> = batches.iter().filter_map(|(x, _, _)| gradients.wrt(*x).cloned()).collect();
    near(&mut check, "input gradient", &Array::concat(&of_inputs, 0), &expected.input_gradient)?;
    let of_weight = gradients.of(layer.affine.weight()).ok_or("there is no weight gradient")?;
    near(&mut check, "weight gradient", of_weight, &expected.weight_gradient)?;
    let range = layer.affine.tiles().and_then(|tiles| tiles.input_ranges.as_ref());
    match (range.and_then(|range| gradients.of(&range.values)), &expected.range_gradient) {
        (None, None) => {}
        (Some(of_range), Some(expected)) => near(&mut check, "range gradient", of_range, expected)?,
        (found, _) => return Err(format!("the gradient of the range is {found:?}")),
    }
    Ok(check)
}
