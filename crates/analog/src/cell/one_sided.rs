//! A pair of devices that are only pulsed up, one for each sign: the weight is g⁺ − g⁻.
//!
//! Pulses up of the weight raise g⁺, pulses down raise g⁻, so both grow. A refresh reads both, column by column. Where
//! the larger of a pair exceeds `refresh_upper_thres` and the smaller `refresh_lower_thres` (in units of `|w_max|`),
//! both are reset, and the difference is written once, without a check, to the device that was larger. Source: aihwkit
//! `rpu_onesided_device.cpp`. Unlike there, the granularity is that of the up step alone, and a refresh keeps the sign
//! under every pulse type.

use ohmgrad_tensor::{Key, Tensor};

use super::arrays::{Arrays, Scratch, weighted_sum};
use super::read::read;
use super::{OneSidedUnitCell, Period, Slice, Slot, Update};
use crate::Error;
use crate::config::IoParameters;
use crate::device::Pulses;
use crate::noise::at_least;
use crate::update::{Side, UpdateParameters};

#[derive(Clone, Debug)]
pub(super) struct OneSided {
    /// g⁻ and g⁺.
    pub(super) arrays: Arrays,
    weights: Tensor,
    period: Period,
    thresholds: [f32; 2],
    forward: IoParameters,
    refresh: UpdateParameters,
    /// Pairs and batches since weights were set.
    pairs: u64,
    batches: u64,
}

impl OneSided {
    pub(super) fn new(config: &OneSidedUnitCell, shape: [usize; 2], bias: bool, key: Key) -> Result<Self, Error> {
        let first = &config.unit_cell_devices[0];
        Ok(Self {
            arrays: Arrays::draw(&[first.clone(), first.clone()], shape, bias, key)?,
            weights: Tensor::full(&shape, 0.0),
            period: Period::new(config.refresh_every as f32, config.units_in_mbatch),
            thresholds: [config.refresh_upper_thres, config.refresh_lower_thres],
            forward: config.refresh_forward,
            refresh: config.refresh_update,
            pairs: 0,
            batches: 0,
        })
    }

    pub(super) fn weights(&self) -> &Tensor {
        &self.weights
    }

    pub(super) fn granularity(&self) -> f32 {
        self.arrays.mean_granularity(Pulses::Up)
    }

    pub(super) fn set_weights(&mut self, w: &Tensor, key: Key) {
        self.arrays.devices[1].set(&w.map(|w| at_least(w, 0.0)), key.fold(1));
        self.arrays.devices[0].set(&w.map(|w| at_least(-w, 0.0)), key.fold(0));
        (self.pairs, self.batches) = (0, 0);
        self.reduce();
    }

    pub(super) fn update(&mut self, Update { pairs, rate, parameters, key }: Update<'_>) {
        let (n, granularity) = (pairs.len(), self.granularity());
        let mut start = 0;
        while start < n {
            let due = |i: &usize| self.period.is_due(self.batches, self.pairs, *i, n);
            let refreshed = (start..n).find(due);
            let end = refreshed.map_or(n, |i| i + 1);
            let Scratch { trains, rates, .. } = &mut self.arrays.scratch;
            rates.clear();
            rates.resize(end - start, rate);
            trains.prepare(parameters, granularity, rates, pairs.part(start..end), None, key);
            for (k, side) in [(1, Side::Up), (0, Side::DownAsUp)] {
                self.arrays.devices[k].pulse(trains, side, key.fold("array").fold(k).fold(pairs.first() + start));
            }
            if refreshed.is_some() {
                self.refresh(key.fold("refresh").fold(pairs.first() + end));
            }
            start = end;
        }
        self.pairs += n as u64;
        self.batches += 1;
        self.reduce();
    }

    fn refresh(&mut self, key: Key) {
        let [outs, ins] = self.arrays.devices[0].size();
        let scale = 1.0 / self.arrays.devices[1].common().w_max.abs();
        let [upper, lower] = self.thresholds;
        let (mut plus, mut minus, mut needed) = (vec![0.0; outs], vec![0.0; outs], vec![false; outs]);
        for j in 0..ins {
            let (line, key) = (Slice::Column(j), key.fold(j));
            read(self.arrays.devices[1].weights(), line, &self.forward, key.fold("read").fold(1), &mut plus);
            read(self.arrays.devices[0].weights(), line, &self.forward, key.fold("read").fold(0), &mut minus);
            for (needed, (p, m)) in needed.iter_mut().zip(plus.iter().zip(&minus)) {
                *needed = p.max(*m) * scale > upper && p.min(*m) * scale > lower;
            }
            if !needed.contains(&true) {
                continue;
            }
            for (k, device) in self.arrays.devices.iter_mut().enumerate() {
                device.reset_where(key.fold("reset").fold(k), |row, mask| {
                    mask.fill(false);
                    mask[j] = needed[row];
                });
            }
            for (k, sign) in [(1, 1.0), (0, -1.0)] {
                let differences = plus.iter().zip(&minus).zip(&needed);
                self.arrays.scratch.line.clear();
                let written =
                    |((p, m), needed): ((&f32, &f32), &bool)| if *needed { (sign * (p - m)).max(0.0) } else { 0.0 };
                self.arrays.scratch.line.extend(differences.map(written));
                let device = &mut self.arrays.devices[k];
                let granularity = device.granularity(Pulses::Up);
                self.arrays.scratch.write(device, line, -1.0, granularity, &self.refresh, key.fold("write").fold(k));
            }
        }
    }

    pub(super) fn reduce(&mut self) {
        weighted_sum(&mut self.weights, &self.arrays.devices, &[-1.0, 1.0]);
    }

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.arrays.state(path, f);
        f(&format!("{path}weights"), Slot::Array(&mut self.weights));
        f(&format!("{path}pairs"), Slot::Count(&mut self.pairs));
        f(&format!("{path}batches"), Slot::Count(&mut self.batches));
    }
}
