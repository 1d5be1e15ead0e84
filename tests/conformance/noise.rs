//! Chips: programming, drift, and how weights become conductances.

use ohmgrad::analog::InferenceRpuConfig;
use ohmgrad::analog::config::{ConverterConfig, NoiseModelConfig};
use ohmgrad::analog::noise::{Hermes, NoiseModel, Pcm, Programmed, ReRamCmo, ReRamWan2022};
use ohmgrad::tensor::{Array, Key, Tensor};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::conformance::Case;
use crate::conformance::compare::{Check, Expected, Moments, near};
use crate::conformance::numbers::Numbers;

/// Draws of independent devices, at least.
const DRAWS: usize = 20_000;

/// Draws of whole matrices, at least.
const MATRICES: usize = 4000;

pub fn check(case: &Case) -> Result<Check, String> {
    match case.op() {
        "converter" => converter(&case.parse()?),
        op => noise_model(op, &case.parse()?, case.key()),
    }
}

#[derive(Deserialize)]
struct Chips {
    params: Params,
    inputs: Inputs,
    repeats: usize,
    #[serde(flatten)]
    moments: Moments,
    q01: Numbers,
    q50: Numbers,
    q99: Numbers,
}

#[derive(Deserialize)]
struct Params {
    model: String,
    t_inference: Option<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Inputs {
    Weights(Numbers),
    GTargetUs(Numbers),
}

fn noise_model(op: &str, case: &Chips, key: Key) -> Result<Check, String> {
    let config = named(&case.params.model)?;
    let model = config.model().ok_or("no noise model")?;
    let draws = match (op, &case.inputs, case.params.t_inference) {
        ("noise_model.program", Inputs::Weights(w), _) => {
            Programmed::new(model, &repeated(w, case.repeats.max(DRAWS)), key).weights
        }
        ("noise_model.program_then_drift", Inputs::Weights(w), Some(t)) => {
            programmed_then_drifted(model, &w.tensor(), t, case.repeats.max(MATRICES), key)?
        }
        ("noise_model.drift_coefficients", Inputs::GTargetUs(g), _) => {
            let targets = repeated(g, case.repeats.max(DRAWS));
            model.drift_coefficients(&targets, key).ok_or("the model has no drift coefficients")?
        }
        _ => return Err(format!("unknown operation `{op}` on these inputs")),
    };
    let expected = Expected { what: "output", moments: &case.moments, repeats: case.repeats, slack: 1e-5 };
    let mut check = Check::default();
    expected.moments(&mut check, &draws)?;
    expected.quantiles(&mut check, &draws, &[0.01, 0.5, 0.99], &case.quantiles()?)?;
    Ok(check)
}

impl Chips {
    /// The quantiles of each entry in a row.
    fn quantiles(&self) -> Result<Numbers, String> {
        let n = self.q50.values.len();
        let lists = [&self.q01, &self.q50, &self.q99];
        let lists: Vec<&[f64]> = lists.iter().map(|list| list.of_shape("quantiles", &[n])).collect::<Result<_, _>>()?;
        let values = (0..n).flat_map(|i| lists.iter().map(move |list| list[i])).collect();
        Ok(Numbers { shape: vec![n, 3], values })
    }
}

/// Each draw is a matrix of one row with separate scales: programmed weights are converted to conductances anew, and
/// the largest of them sets the scale.
fn programmed_then_drifted(
    model: &dyn NoiseModel,
    w: &Tensor,
    t: f32,
    draws: usize,
    key: Key,
) -> Result<Tensor, String> {
    let draw = |i: usize| {
        let key = key.fold(i);
        Programmed::new(model, w, key.fold("programming")).at(model, t, key.fold("drift"))
    };
    let draws = (0..draws).map(draw).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    Ok(Array::stack(&draws, 0))
}

fn repeated(row: &Numbers, draws: usize) -> Tensor {
    let row = row.tensor();
    row.broadcast_to(&[&[draws], row.shape()].concat())
}

/// The reference's noise models by the names that cases give them.
fn named(model: &str) -> Result<NoiseModelConfig, String> {
    Ok(match model {
        "pcm" => Pcm::default().into(),
        "pcm_g_max_20" => Pcm { g_max: 20.0, ..Default::default() }.into(),
        "pcm_scaled" => {
            Pcm { prog_noise_scale: 0.5, read_noise_scale: 2.0, drift_scale: 0.7, ..Default::default() }.into()
        }
        "hermes" => Hermes::default().into(),
        "reram_wan2022" => ReRamWan2022::default().into(),
        "reram_cmo" => ReRamCmo::default().into(),
        model => return Err(format!("unknown noise model `{model}`")),
    })
}

#[derive(Deserialize)]
struct Conversion {
    params: Map<String, Value>,
    inputs: Weights,
    expected: Numbers,
    params_out: ParamsOut,
    back: Numbers,
}

#[derive(Deserialize)]
struct Weights {
    weights: Numbers,
}

#[derive(Deserialize)]
struct ParamsOut {
    scale_ratio: f64,
}

fn converter(case: &Conversion) -> Result<Check, String> {
    let config = case.config()?;
    let converter = config.converter();
    let (g, scales) = converter.to_conductances(&case.inputs.weights.tensor());
    let ratio = scales.ratio().ok_or("the converter has no scale_ratio")?;
    let expected_ratio = Numbers { shape: vec![1], values: vec![case.params_out.scale_ratio] };
    let mut check = Check::default();
    near(&mut check, "conductance", &Array::stack(&g, 0), &case.expected)?;
    near(&mut check, "scale_ratio", &Tensor::from([ratio]), &expected_ratio)?;
    near(&mut check, "weight", &converter.to_weights(&g, &scales), &case.back)?;
    Ok(check)
}

impl Conversion {
    /// The converter, read as files have it: under its class's name.
    fn config(&self) -> Result<ConverterConfig, String> {
        let mut fields = self.params.clone();
        let name = fields.remove("converter").unwrap_or_default();
        let class = match name.as_str() {
            Some("single_pair" | "single_pair_g_min") => "SinglePairConductanceConverter",
            Some("dual_pair") => "DualPairConductanceConverter",
            Some("n_pair") => "NPairConductanceConverter",
            _ => return Err(format!("unknown converter {name}")),
        };
        fields.insert("type".into(), class.into());
        let config = json!({ "noise_model": { "type": "PCMLikeNoiseModel", "g_converter": fields } });
        match InferenceRpuConfig::from_json_str(&config.to_string()).map_err(|error| error.to_string())?.noise_model {
            NoiseModelConfig::Pcm(Pcm { g_converter: Some(converter), .. }) => Ok(converter),
            _ => Err("no converter".into()),
        }
    }
}
