//! A layer in asymmetric devices that learns a linear map from noisy examples: Tiki-Taka solves this task, and plain
//! descent fails.
//!
//! Steps up and down have equal sizes only at the symmetry point of a device. Elsewhere random pulses pull the weight
//! towards this point, so descent ends between the map and the symmetry points. Tiki-Taka collects gradients on a fast
//! array and transfers the collected values to the weights.

use ohmgrad::analog::cell::{Algorithm, CellConfig, build_cell};
use ohmgrad::analog::config::RpuConfig;
use ohmgrad::analog::device::{DeviceConfig, SoftBoundsReference};
use ohmgrad::analog::update::UpdateParameters;
use ohmgrad::prelude::*;

/// The algorithms that are compared, with their names.
pub const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("SGD", Algorithm::Sgd),
    ("TTv2", Algorithm::TikiTaka2),
    ("c-TTv2", Algorithm::ChoppedTikiTaka2),
    ("AGAD", Algorithm::Agad),
];

/// Inputs and outputs of the layer.
const SIZE: usize = 20;

/// Parameters of the devices and of a training in them.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// States of a device: the range of its weights over its step.
    pub states: f32,
    /// Standard deviation of the symmetry points after their inexact subtraction, in units of the largest weight.
    pub offset: f32,
    /// Learning rate.
    pub lr: f32,
    /// Examples, one a step.
    pub steps: usize,
}

impl Task {
    /// Trains the layer; returns the error of its weights before each sampled step: the root mean square of the
    /// difference from the map, relative to that of the map.
    ///
    /// # Errors
    /// If the devices cannot have these parameters.
    pub fn errors(
        &self,
        algorithm: Algorithm,
        key: Key,
        is_sampled: impl Fn(usize) -> bool,
    ) -> Result<Vec<(usize, f64)>, ohmgrad::Error> {
        self.errors_of(self.cell(algorithm, 1), key, is_sampled)
    }

    /// The cell and update parameters of an algorithm; only residual learning and plain descent use `arrays`.
    pub fn cell(&self, algorithm: Algorithm, arrays: usize) -> (CellConfig, UpdateParameters) {
        let device = DeviceConfig::from(SoftBoundsReference {
            dw_min: 2.0 / self.states,
            w_max: 1.0,
            w_min: -1.0,
            reference_std: self.offset,
            subtract_symmetry_point: true,
            ..Default::default()
        });
        build_cell(algorithm, &device, &IoParameters::default(), UpdateParameters::default(), arrays)
    }

    /// As [`errors`](Self::errors), in these cells.
    ///
    /// # Errors
    /// If the cells cannot have these parameters.
    pub fn errors_of(
        &self,
        (cell, update): (CellConfig, UpdateParameters),
        key: Key,
        is_sampled: impl Fn(usize) -> bool,
    ) -> Result<Vec<(usize, f64)>, ohmgrad::Error> {
        let map = Tensor::normal(&[SIZE, SIZE], key.fold("map")).map(|w| 0.3 * w.clamp(-2.0, 2.0));
        let mut net = Linear::new(SIZE, SIZE, key.fold("weights")).without_bias();
        net.to_analog(RpuConfig::on_chip(cell, update, IoParameters::default()), key.fold("hardware"))?;
        let (mut sgd, mut errors) = (Sgd::new(self.lr), vec![]);
        for step in 0..self.steps {
            if is_sampled(step) {
                let (_, w) = net.effective_weights().swap_remove(0);
                let size = |t: &Tensor| f64::from((t * t).sum()).sqrt();
                errors.push((step, size(&(&w - &map)) / size(&map)));
            }
            let key = key.fold("step").fold(step);
            let x = Tensor::normal(&[1, SIZE], key.fold("x"));
            let noise = &Tensor::normal(&[1, SIZE], key.fold("noise")) * 0.3;
            let target = &x.matmul(&map.t()) + &noise;
            let tape = Tape::train(key);
            let loss = net.forward(tape.constant(x)).mse(tape.constant(target));
            sgd.step(&mut net, loss.backward());
        }
        Ok(errors)
    }
}

/// The mean of sampled errors.
pub fn mean(errors: &[(usize, f64)]) -> f64 {
    errors.iter().map(|(_, error)| error).sum::<f64>() / errors.len() as f64
}
