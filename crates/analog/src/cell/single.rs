//! One device per crosspoint.

use ohmgrad_tensor::product::linear_weight_gradient;
use ohmgrad_tensor::{Key, Tensor};

use super::arrays::{Arrays, Scratch};
use super::{Slot, Update};
use crate::Error;
use crate::device::{DeviceConfig, Pulses};
use crate::update::Side;

/// An array of devices that receives all pulses.
#[derive(Clone, Debug)]
pub(super) struct Single {
    pub(super) arrays: Arrays,
}

impl Single {
    pub(super) fn new(config: &DeviceConfig, shape: [usize; 2], bias: bool, key: Key) -> Result<Self, Error> {
        Ok(Self { arrays: Arrays::draw(std::slice::from_ref(config), shape, bias, key)? })
    }

    pub(super) fn weights(&self) -> &Tensor {
        self.arrays.devices[0].weights()
    }

    pub(super) fn granularity(&self) -> f32 {
        self.arrays.devices[0].granularity(Pulses::Both)
    }

    pub(super) fn set_weights(&mut self, w: &Tensor, key: Key) {
        self.arrays.devices[0].set(w, key);
    }

    pub(super) fn update(&mut self, Update { pairs, rate, parameters, key, .. }: Update<'_>) {
        if self.arrays.devices[0].is_ideal() {
            // One product for the whole batch.
            let n = pairs.len();
            let [x, d]: [Vec<&[f32]>; 2] = [(0..n).map(|i| pairs.x(i)).collect(), (0..n).map(|i| pairs.d(i)).collect()];
            let x = Tensor::from_vec(x.concat(), &[n, pairs.ins()]);
            let d = Tensor::from_vec(d.concat(), &[n, pairs.outs()]) * -rate;
            return self.arrays.devices[0].add(&linear_weight_gradient(&d, &x));
        }
        let granularity = self.granularity();
        let Scratch { trains, rates, .. } = &mut self.arrays.scratch;
        rates.clear();
        rates.resize(pairs.len(), rate);
        trains.prepare(parameters, granularity, rates, pairs, None, key);
        self.arrays.devices[0].pulse(trains, Side::Both, key.fold("array").fold(0));
    }

    pub(super) fn reduce(&mut self) {}

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.arrays.state(path, f);
    }
}
