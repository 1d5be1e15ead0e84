//! The parts of a training around the products: weight modifiers, clipping, mapping and remapping, splitting, input
//! ranges.

use ohmgrad::analog::TileArray;
use ohmgrad::analog::config::{
    BackwardIoParameters, InferenceRpuConfig, InputRangeParameter, IoParameters, MappingParameter, WeightClipParameter,
};
use ohmgrad::autograd::Tape;
use ohmgrad::models::{Linear, Module, Network};
use ohmgrad::tensor::{Array, Key, Tensor};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::conformance::Case;
use crate::conformance::compare::{Check, Expected, Moments, exact, near};
use crate::conformance::numbers::Numbers;

#[derive(Deserialize)]
struct Weights {
    weights: Numbers,
}

pub fn rpu_config(sections: Value) -> Result<InferenceRpuConfig, String> {
    InferenceRpuConfig::from_json_str(&sections.to_string()).map_err(|error| error.to_string())
}

fn tiles(weights: &Tensor, config: &InferenceRpuConfig) -> Result<TileArray, String> {
    TileArray::new(weights.clone(), 1, None, config, "fc", Key::new(0)).map_err(|error| error.to_string())
}

pub fn modifier(case: &Case) -> Result<Check, String> {
    #[derive(Deserialize)]
    struct Modifier {
        params: Map<String, Value>,
        inputs: Weights,
        repeats: Option<usize>,
        expected: Option<Numbers>,
        #[serde(flatten)]
        moments: Option<Moments>,
    }
    let Modifier { params, inputs, repeats, expected, moments } = case.parse()?;
    let config = rpu_config(json!({ "modifier": params }))?;
    let (w, key) = (inputs.weights.tensor(), case.key());
    if let Some(expected) = expected {
        return exact(&config.modifier.apply(&w, key), &expected, |_| 0.0);
    }
    let (Some(repeats), Some(moments)) = (repeats, moments) else { return Err("nothing is expected".into()) };
    let draw = |i: usize| config.modifier.apply(&w, key.fold(i)).reshape(&[w.len()]);
    let draws: Vec<Tensor> = (0..repeats.max(20_000)).into_par_iter().map(draw).collect();
    let mut check = Check::default();
    Expected { what: "weight", moments: &moments, repeats, slack: 1e-5 }
        .moments(&mut check, &Array::stack(&draws, 0))?;
    Ok(check)
}

pub fn clip(case: &Case) -> Result<Check, String> {
    #[derive(Deserialize)]
    struct Clip {
        params: WeightClipParameter,
        inputs: Weights,
        expected: Numbers,
    }
    let Clip { params, inputs, expected } = case.parse()?;
    let mut tiles = tiles(&inputs.weights.tensor(), &InferenceRpuConfig { clip: params, ..Default::default() })?;
    tiles.after_step(None);
    exact(&tiles.weight.value, &expected, |_| 0.0)
}

#[derive(Deserialize)]
struct Mapped {
    tile_weights: Numbers,
    scales: Option<Numbers>,
}

impl Mapped {
    /// Compares the weights that tiles store, and their scales; missing scales count as 1.
    fn check(&self, tiles: &TileArray) -> Result<Check, String> {
        let ([tile], w) = (tiles.tiles(), &tiles.weight.value) else { return Err("more tiles than one".into()) };
        let ones = Tensor::full(&[1, 1], 1.0);
        let scales = tile.scales.as_ref().unwrap_or(&ones);
        let mut check = Check::default();
        near(&mut check, "tile weight", &(w / scales), &self.tile_weights)?;
        match &self.scales {
            // One scale for all outputs equals the same scale for each.
            Some(expected) if expected.shape != [scales.len()] => {
                let each = scales.broadcast_to(&[w.shape()[0], 1]);
                near(&mut check, "scale", &each.reshape(&[each.len()]), expected)?;
            }
            Some(expected) => near(&mut check, "scale", &scales.reshape(&[scales.len()]), expected)?,
            None if scales.iter().all(|&s| s == 1.0) => {}
            None => return Err(format!("scales {:?}, expected none", scales.to_vec())),
        }
        Ok(check)
    }
}

pub fn mapping(case: &Case) -> Result<Check, String> {
    #[derive(Deserialize)]
    struct Mapping {
        params: MappingParameter,
        inputs: Weights,
        expected: Mapped,
    }
    let Mapping { params, inputs, expected } = case.parse()?;
    let tiles = tiles(&inputs.weights.tensor(), &InferenceRpuConfig { mapping: params, ..Default::default() })?;
    expected.check(&tiles)
}

pub fn remap(case: &Case) -> Result<Check, String> {
    #[derive(Deserialize)]
    struct Remap {
        params: Map<String, Value>,
        inputs: Before,
        expected: Mapped,
    }
    #[derive(Deserialize)]
    struct Before {
        logical_weights: Numbers,
        #[serde(flatten)]
        mapped: Mapped,
    }
    let Remap { mut params, inputs, expected } = case.parse()?;
    let mut mapping = Map::new();
    for (ours, theirs) in
        [("weight_scaling_omega", "weight_scaling_omega"), ("weight_scaling_columnwise", "columnwise")]
    {
        mapping.extend(params.remove(theirs).map(|value| (ours.to_owned(), value)));
    }
    let config = rpu_config(json!({ "remap": params, "mapping": mapping }))?;
    let mut tiles = tiles(&inputs.logical_weights.tensor(), &config)?;
    if let Some(failure) = inputs.mapped.check(&tiles)?.failure() {
        return Err(format!("before remapping: {failure}"));
    }
    tiles.after_step(None);
    expected.check(&tiles)
}

pub fn split(case: &Case) -> Result<Check, String> {
    #[derive(Deserialize)]
    struct Split {
        params: MappingParameter,
        inputs: Features,
        expected: Sizes,
    }
    #[derive(Deserialize)]
    struct Features {
        in_features: usize,
        out_features: usize,
    }
    #[derive(Deserialize)]
    struct Sizes {
        in_sizes: Numbers,
        out_sizes: Numbers,
    }
    let Split { params, inputs, expected } = case.parse()?;
    let weights = Tensor::full(&[inputs.out_features, inputs.in_features], 0.0);
    let tiles = tiles(&weights, &InferenceRpuConfig { mapping: params, ..Default::default() })?;
    let first = &tiles.tiles()[0];
    let sizes = |of: &dyn Fn(&ohmgrad::analog::Tile) -> Option<usize>| {
        Tensor::from(tiles.tiles().iter().filter_map(of).map(|size| size as f32).collect::<Vec<f32>>())
    };
    let ins = sizes(&|tile| (tile.outs == first.outs).then_some(tile.ins.len()));
    let outs = sizes(&|tile| (tile.ins == first.ins).then_some(tile.outs.len()));
    let mut check = Check::default();
    near(&mut check, "inputs of a tile", &ins, &expected.in_sizes)?;
    near(&mut check, "outputs of a tile", &outs, &expected.out_sizes)?;
    Ok(check)
}

pub fn input_range(case: &Case) -> Result<Check, String> {
    match case.op() {
        "input_range.gradient" => range_gradient(case),
        "input_range.init_from_data" => range_from_data(case),
        op => Err(format!("unknown operation `{op}`")),
    }
}

/// A layer without a bias, perfect in both directions, with an input range.
fn ranged(weights: &Numbers, range: InputRangeParameter) -> Result<Linear, String> {
    let mut config = InferenceRpuConfig::default();
    config.forward = IoParameters { is_perfect: true, out_bound: 0.0, ..config.forward };
    config.backward = BackwardIoParameters::perfect();
    config.pre_post.input_range = InputRangeParameter { enable: true, ..range };
    let mut layer = Linear::from_weight(weights.tensor(), None);
    layer.to_analog(&config, Key::new(0)).map_err(|error| error.to_string())?;
    Ok(layer)
}

fn range_of(layer: &Linear) -> &ohmgrad::autograd::Param {
    let ranges = layer.affine.tiles().and_then(|tiles| tiles.input_ranges.as_ref());
    &ranges.expect("the configuration has an input range").values
}

fn range_gradient(case: &Case) -> Result<Check, String> {
    #[derive(Deserialize)]
    struct Gradient {
        params: InputRangeParameter,
        inputs: Arrays,
        expected: Results,
    }
    #[derive(Deserialize)]
    struct Arrays {
        weights: Numbers,
        inputs: Numbers,
        output_gradient: Numbers,
    }
    #[derive(Deserialize)]
    struct Results {
        outputs: Numbers,
        input_gradient: Numbers,
        range_gradient: Numbers,
    }
    let Gradient { params, inputs, expected } = case.parse()?;
    let layer = ranged(&inputs.weights, params)?;
    let tape = Tape::train(case.key());
    let x = tape.variable(inputs.inputs.tensor());
    let y = layer.forward(x);
    let mut check = Check::default();
    near(&mut check, "output", &y.value(), &expected.outputs)?;
    let gradients = y.backward_from(inputs.output_gradient.tensor());
    let of_inputs = gradients.wrt(x).ok_or("there is no input gradient")?;
    near(&mut check, "input gradient", of_inputs, &expected.input_gradient)?;
    let of_range = gradients.of(range_of(&layer)).ok_or("there is no gradient of the range")?;
    near(&mut check, "range gradient", &of_range.reshape(&expected.range_gradient.shape), &expected.range_gradient)?;
    Ok(check)
}

fn range_from_data(case: &Case) -> Result<Check, String> {
    #[derive(Deserialize)]
    struct FromData {
        params: InputRangeParameter,
        inputs: Batches,
        expected: Ranges,
    }
    #[derive(Deserialize)]
    struct Batches {
        weights: Numbers,
        batches: Vec<Numbers>,
    }
    #[derive(Deserialize)]
    struct Ranges {
        range_after_each_batch: Numbers,
    }
    let FromData { params, inputs, expected } = case.parse()?;
    let mut layer = ranged(&inputs.weights, params)?;
    let mut ranges = vec![];
    for batch in &inputs.batches {
        let tape = Tape::train(case.key());
        layer.forward(tape.constant(batch.tensor()));
        layer.apply(&tape.into_state());
        ranges.push(range_of(&layer).value.item());
    }
    let mut check = Check::default();
    near(&mut check, "range", &ranges.into(), &expected.range_after_each_batch)?;
    Ok(check)
}
