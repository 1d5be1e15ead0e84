//! Several devices per crosspoint, whose weighted sum is the weight; and a device with a reference that is subtracted.
//!
//! The policy sends the pulses of each pair to all devices or to one of them. Source: aihwkit `rpu_vector_device.cpp`.
//! Unlike there, the number of pulses for one device follows from its own granularity; that for all devices follows
//! from the mean.

use ohmgrad_tensor::{Key, Tensor};

use super::arrays::{Arrays, Scratch, weighted_sum};
use super::{Slot, Update, UpdatePolicy, below};
use crate::Error;
use crate::device::{DeviceConfig, Pulses};
use crate::update::Side;

#[derive(Clone, Debug)]
pub(super) struct Vector {
    pub(super) arrays: Arrays,
    gamma: Vec<f32>,
    policy: UpdatePolicy,
    /// The device that was chosen last.
    index: u64,
    weights: Tensor,
}

impl Vector {
    pub(super) fn new(
        devices: &[DeviceConfig],
        gamma: Vec<f32>,
        policy: UpdatePolicy,
        index: usize,
        shape: [usize; 2],
        bias: bool,
        key: Key,
    ) -> Result<Self, Error> {
        let arrays = Arrays::draw(devices, shape, bias, key)?;
        let weights = Tensor::full(&shape, 0.0);
        let mut cell = Self { arrays, gamma, policy, index: index as u64, weights };
        cell.reduce();
        Ok(cell)
    }

    pub(super) fn weights(&self) -> &Tensor {
        &self.weights
    }

    /// The mean of the devices' granularities.
    pub(super) fn granularity(&self) -> f32 {
        self.arrays.mean_granularity(Pulses::Both)
    }

    pub(super) fn set_index(&mut self, index: usize) {
        self.index = index as u64;
    }

    /// Sets each device to the weights; under `SingleFixed` only the chosen one.
    pub(super) fn set_weights(&mut self, w: &Tensor, key: Key) {
        for (k, device) in self.arrays.devices.iter_mut().enumerate() {
            if self.policy != UpdatePolicy::SingleFixed || k as u64 == self.index {
                device.set(w, key.fold(k));
            }
        }
        self.reduce();
    }

    pub(super) fn update(&mut self, Update { pairs, rate, parameters, key, .. }: Update<'_>) {
        let n = self.arrays.devices.len();
        let mean = self.granularity();
        let Scratch { trains, rates, unit: chosen, .. } = &mut self.arrays.scratch;
        chosen.clear();
        for i in 0..pairs.len() {
            match self.policy {
                UpdatePolicy::All => break,
                UpdatePolicy::SingleFixed => {}
                UpdatePolicy::SingleSequential => self.index = (self.index + 1) % n as u64,
                UpdatePolicy::SingleRandom => {
                    self.index = below(n, key.fold("device").fold(pairs.first() + i)) as u64;
                }
            }
            chosen.push(self.index as f32);
        }
        for (k, device) in self.arrays.devices.iter_mut().enumerate() {
            rates.clear();
            if self.policy == UpdatePolicy::All {
                rates.resize(pairs.len(), rate);
            } else {
                // For this device, pairs that another one receives have the rate 0.
                rates.extend(chosen.iter().map(|&chosen| if chosen == k as f32 { rate } else { 0.0 }));
                if rates.iter().all(|&rate| rate == 0.0) {
                    continue;
                }
            }
            // Under `All` every device receives the same trains.
            if k == 0 || self.policy != UpdatePolicy::All {
                let all = self.policy == UpdatePolicy::All;
                let granularity = if all { mean } else { device.granularity(Pulses::Both) };
                trains.prepare(parameters, granularity, rates, pairs, None, key);
            }
            device.pulse(trains, Side::Both, key.fold("array").fold(k));
        }
        self.reduce();
    }

    /// Computes the weights from those of the devices.
    pub(super) fn reduce(&mut self) {
        weighted_sum(&mut self.weights, &self.arrays.devices, &self.gamma);
    }

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.arrays.state(path, f);
        f(&format!("{path}weights"), Slot::Array(&mut self.weights));
        f(&format!("{path}index"), Slot::Count(&mut self.index));
    }
}
