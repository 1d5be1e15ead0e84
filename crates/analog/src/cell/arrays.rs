//! The arrays of devices that a cell is made of, and how they are written.

use ohmgrad_tensor::{Key, Tensor};

use super::{Slice, Slot};
use crate::Error;
use crate::device::{DeviceArray, DeviceConfig, Pulses};
use crate::update::{Pairs, Side, Statistics, Trains, UpdateParameters};

/// The arrays of a cell, in the order of the configuration, and the memory of their updates.
#[derive(Clone, Debug)]
pub(super) struct Arrays {
    pub(super) devices: Vec<DeviceArray>,
    pub(super) scratch: Scratch,
}

impl Arrays {
    /// Draws an array for each device.
    pub(super) fn draw(configs: &[DeviceConfig], shape: [usize; 2], bias: bool, key: Key) -> Result<Self, Error> {
        let array = |(k, config)| DeviceArray::new(config, shape, bias, key.fold(k));
        Ok(Self {
            devices: configs.iter().enumerate().map(array).collect::<Result<_, _>>()?,
            scratch: Scratch::default(),
        })
    }

    /// The mean of the devices' granularities.
    pub(super) fn mean_granularity(&self, pulses: Pulses) -> f32 {
        self.devices.iter().map(|device| device.granularity(pulses)).sum::<f32>() / self.devices.len() as f32
    }

    /// Visits the states of all arrays.
    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.devices.iter_mut().enumerate().for_each(|(k, device)| device.state(&format!("{path}device_{k}."), f));
    }
}

/// Memory that the updates of a tile reuse.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    pub(super) trains: Trains,
    pub(super) rates: Vec<f32>,
    pub(super) unit: Vec<f32>,
    pub(super) line: Vec<f32>,
}

impl Scratch {
    /// Updates one line of an array by a pair: the values in `self.line`, and the unit vector that selects the line.
    pub(super) fn write(
        &mut self,
        device: &mut DeviceArray,
        line: Slice,
        rate: f32,
        granularity: f32,
        p: &UpdateParameters,
        key: Key,
    ) {
        let [outs, ins] = device.size();
        let Self { trains, unit, line: values, .. } = self;
        let (at, units) = match line {
            Slice::Column(j) => (j, ins),
            Slice::Row(i) => (i, outs),
        };
        unit.clear();
        unit.resize(units, 0.0);
        unit[at] = 1.0;
        let pairs = match line {
            Slice::Column(_) => Pairs::from_slices(unit, ins, values, outs),
            Slice::Row(_) => Pairs::from_slices(values, ins, unit, outs),
        };
        let of_gradients = trains.take_statistics();
        trains.prepare(p, granularity, &[rate], pairs, None, key);
        let written = of_gradients.written + trains.sent().coincidences;
        trains.put_statistics(Statistics { written, ..of_gradients });
        if let Slice::Column(column) = line {
            trains.reaches(column);
        }
        device.pulse(trains, Side::Both, key);
    }
}

/// `Σ γₖ·wₖ`, written to `out`.
pub(super) fn weighted_sum(out: &mut Tensor, devices: &[DeviceArray], gamma: &[f32]) {
    let out = out.make_mut();
    out.fill(0.0);
    for (device, gamma) in devices.iter().zip(gamma) {
        let w = device.weights().as_slice().expect("arrays of a tile are contiguous");
        out.iter_mut().zip(w).for_each(|(sum, w)| *sum += gamma * w);
    }
}
