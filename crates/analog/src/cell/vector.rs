//! Several devices per crosspoint, whose weighted sum is the weight; and a device with a reference that is subtracted.
//!
//! By the policy each pulse goes to all devices or, sample by sample, to one of them. Source: aihwkit
//! `rpu_vector_device.cpp`; other than there, pulses are counted by the granularity of the device that receives them.

use ohmgrad_tensor::{Key, Tensor};

use super::{Scratch, Slot, Update, UpdatePolicy, below, weighted_sum};
use crate::Error;
use crate::device::{DeviceArray, DeviceConfig, Pulses};
use crate::update::{Side, Statistics, Trains};

#[derive(Clone, Debug)]
pub(super) struct Vector {
    devices: Vec<DeviceArray>,
    gamma: Vec<f32>,
    policy: UpdatePolicy,
    /// The device that was chosen last.
    index: u64,
    weights: Tensor,
    scratch: Scratch,
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
        let devices = draw(devices, shape, bias, key)?;
        let weights = Tensor::full(&shape, 0.0);
        let mut cell = Self { devices, gamma, policy, index: index as u64, weights, scratch: Scratch::default() };
        cell.reduce();
        Ok(cell)
    }

    pub(super) fn weights(&self) -> &Tensor {
        &self.weights
    }

    /// The mean over devices.
    pub(super) fn granularity(&self) -> f32 {
        mean_granularity(&self.devices, Pulses::Both)
    }

    pub(super) fn set_index(&mut self, index: usize) {
        self.index = index as u64;
    }

    /// Each device is set to the weights, under a fixed choice the chosen one alone.
    pub(super) fn set_weights(&mut self, w: &Tensor, key: Key) {
        for (k, device) in self.devices.iter_mut().enumerate() {
            if self.policy != UpdatePolicy::SingleFixed || k as u64 == self.index {
                device.set(w, key.fold(k));
            }
        }
        self.reduce();
    }

    pub(super) fn update(&mut self, Update { pairs, rate, parameters, key, .. }: Update<'_>) {
        let n = self.devices.len();
        let mean = self.granularity();
        let Scratch { trains, rates, unit: chosen, .. } = &mut self.scratch;
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
        for (k, device) in self.devices.iter_mut().enumerate() {
            rates.clear();
            if self.policy == UpdatePolicy::All {
                rates.resize(pairs.len(), rate);
            } else {
                // A pair that another device receives is one at rate 0.
                rates.extend(chosen.iter().map(|&chosen| if chosen == k as f32 { rate } else { 0.0 }));
                if rates.iter().all(|&rate| rate == 0.0) {
                    continue;
                }
            }
            // All devices see the same pulses where all receive them.
            if k == 0 || self.policy != UpdatePolicy::All {
                let all = self.policy == UpdatePolicy::All;
                let granularity = if all { mean } else { device.granularity(Pulses::Both) };
                trains.prepare(parameters, granularity, rates, pairs, None, key);
            }
            device.pulse(trains, Side::Both, key.fold("array").fold(k));
        }
        self.reduce();
    }

    pub(super) fn sent(&self) -> Statistics {
        self.scratch.trains.sent()
    }

    pub(super) fn trains(&mut self) -> &mut Trains {
        &mut self.scratch.trains
    }

    pub(super) fn devices(&self) -> &[DeviceArray] {
        &self.devices
    }

    pub(super) fn visit_devices(&mut self, f: &mut dyn FnMut(usize, &mut DeviceArray)) {
        self.devices.iter_mut().enumerate().for_each(|(k, device)| f(k, device));
    }

    /// Computes the weights from those of the devices.
    pub(super) fn reduce(&mut self) {
        weighted_sum(&mut self.weights, &self.devices, &self.gamma);
    }

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        states(&mut self.devices, path, f);
        f(&format!("{path}weights"), Slot::Array(&mut self.weights));
        f(&format!("{path}index"), Slot::Count(&mut self.index));
    }
}

/// The arrays of a cell.
pub(super) fn draw(
    configs: &[DeviceConfig],
    shape: [usize; 2],
    bias: bool,
    key: Key,
) -> Result<Vec<DeviceArray>, Error> {
    configs.iter().enumerate().map(|(k, config)| DeviceArray::new(config, shape, bias, key.fold(k))).collect()
}

/// The mean of the devices' granularities.
pub(super) fn mean_granularity(devices: &[DeviceArray], pulses: Pulses) -> f32 {
    devices.iter().map(|device| device.granularity(pulses)).sum::<f32>() / devices.len() as f32
}

/// Visits the states of all arrays of a cell.
pub(super) fn states(devices: &mut [DeviceArray], path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
    devices.iter_mut().enumerate().for_each(|(k, device)| device.state(&format!("{path}device_{k}."), f));
}
