//! Trainings of small networks whose weights live in devices.

use std::collections::BTreeMap;

use ohmgrad::analog::config::RpuConfig;
use ohmgrad::autograd::Tape;
use ohmgrad::models::{Module, Network, Sequential, Sgd};
use ohmgrad::tensor::{Key, Tensor};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, from_value};

use super::tolerance::{Arrays, Draws};
use super::typed;
use crate::conformance::numbers::Numbers;
use crate::conformance::training::{Layer, Loss, network};

/// Fields that exist forward alone.
const ONLY_FORWARD: [&str; 3] = ["bound_management", "max_bm_factor", "bm_test_negative_bound"];

#[derive(Deserialize)]
pub struct Training {
    net: Vec<Layer>,
    init: BTreeMap<String, Numbers>,
    config: Map<String, Value>,
    loss: Loss,
    learning_rate: f32,
    batch: usize,
    steps: usize,
    at_steps: Vec<usize>,
    inputs: Numbers,
    targets: Numbers,
}

impl Training {
    /// The losses and trained weights of `draws` runs.
    pub fn run(&self, draws: usize, key: Key) -> Result<Arrays, String> {
        let (net, config) = (network(&self.net, &self.init)?, self.config()?);
        let one = |draw: usize| self.one(net.clone(), &config, key.fold(draw));
        let runs = (0..draws).into_par_iter().map(one).collect::<Result<Vec<_>, _>>()?;
        let names = runs.first().into_iter().flat_map(|run| run.keys().cloned());
        let all = |name: String| {
            let values = runs.iter().flat_map(|run| run[&name].iter().copied().collect::<Vec<f32>>()).collect();
            (name, Draws { draws, values })
        };
        Ok(names.map(all).collect())
    }

    fn config(&self) -> Result<RpuConfig, String> {
        let mut config = self.config.clone();
        if let Some(Value::Object(backward)) = config.get_mut("backward") {
            backward.retain(|field, _| !ONLY_FORWARD.contains(&field.as_str()));
            // As every tile of the reference does.
            backward.insert("mask_saturated".into(), true.into());
        }
        let mut config = typed(&config.into());
        // Here this compound is a struct, which has no `type`.
        if let Some(Value::Object(device)) = config.get_mut("device")
            && device.get("type").is_some_and(|name| name == "MixedPrecisionCompound")
        {
            device.remove("type");
        }
        from_value(config).map_err(|error| error.to_string())
    }

    fn one(&self, mut net: Sequential, config: &RpuConfig, key: Key) -> Result<BTreeMap<String, Tensor>, String> {
        net.to_analog(config, key.fold("hardware")).map_err(|error| error.to_string())?;
        let (inputs, mut sgd) = (self.inputs.tensor(), Sgd::new(self.learning_rate));
        let samples = inputs.shape()[0];
        let mut losses = vec![];
        for step in 0..self.steps {
            let rows: Vec<usize> = (0..self.batch).map(|i| (step * self.batch + i) % samples).collect();
            let tape = Tape::train(key.fold("steps").fold(step));
            let y = net.forward(tape.constant(inputs.take_rows(&rows)));
            let loss = match self.loss {
                Loss::Mse => y.mse(tape.constant(self.targets.tensor().take_rows(&rows))),
                Loss::CrossEntropy => {
                    y.cross_entropy(&rows.iter().map(|&row| self.targets.values[row] as usize).collect::<Vec<_>>())
                }
            };
            if self.at_steps.contains(&(step + 1)) {
                losses.push(loss.item());
            }
            sgd.step(&mut net, loss.backward());
        }
        let mut arrays: BTreeMap<_, _> = net.effective_weights().into_iter().collect();
        arrays.insert("loss".into(), losses.into());
        Ok(arrays)
    }
}
