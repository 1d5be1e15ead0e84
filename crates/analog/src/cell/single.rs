//! One device per crosspoint.

use ohmgrad_tensor::product::linear_weight_gradient;
use ohmgrad_tensor::{Key, Tensor};

use super::{Scratch, Slot, Update};
use crate::Error;
use crate::device::{DeviceArray, DeviceConfig, Pulses};
use crate::update::{Side, Statistics, Trains};

/// An array of devices that receives all pulses.
#[derive(Clone, Debug)]
pub(super) struct Single {
    device: DeviceArray,
    scratch: Scratch,
}

impl Single {
    pub(super) fn new(config: &DeviceConfig, shape: [usize; 2], bias: bool, key: Key) -> Result<Self, Error> {
        Ok(Self { device: DeviceArray::new(config, shape, bias, key.fold(0))?, scratch: Scratch::default() })
    }

    pub(super) fn weights(&self) -> &Tensor {
        self.device.weights()
    }

    pub(super) fn granularity(&self) -> f32 {
        self.device.granularity(Pulses::Both)
    }

    pub(super) fn set_weights(&mut self, w: &Tensor, key: Key) {
        self.device.set(w, key);
    }

    pub(super) fn update(&mut self, Update { pairs, rate, parameters, key, .. }: Update<'_>) {
        if self.device.is_ideal() {
            // One product for the whole batch.
            let all = |f: &dyn Fn(usize) -> Vec<f32>, width| {
                Tensor::from_vec((0..pairs.len()).flat_map(f).collect(), &[pairs.len(), width])
            };
            let x = all(&|i| pairs.x(i).to_vec(), pairs.ins());
            let d = all(&|i| pairs.d(i).iter().map(|d| -rate * d).collect(), pairs.outs());
            return self.device.add(&linear_weight_gradient(&d, &x));
        }
        let granularity = self.granularity();
        let Scratch { trains, rates, .. } = &mut self.scratch;
        rates.clear();
        rates.resize(pairs.len(), rate);
        trains.prepare(parameters, granularity, rates, pairs, None, key);
        self.device.pulse(trains, Side::Both, key.fold("array").fold(0));
    }

    pub(super) fn sent(&self) -> Statistics {
        self.scratch.trains.sent()
    }

    pub(super) fn trains(&mut self) -> &mut Trains {
        &mut self.scratch.trains
    }

    pub(super) fn devices(&self) -> &[DeviceArray] {
        std::slice::from_ref(&self.device)
    }

    pub(super) fn visit_devices(&mut self, f: &mut dyn FnMut(usize, &mut DeviceArray)) {
        f(0, &mut self.device);
    }

    pub(super) fn reduce(&mut self) {}

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.device.state(&format!("{path}device_0."), f);
    }
}
