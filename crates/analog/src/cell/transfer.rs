//! Transfers: gradients reach the fast array A. Its lines are read one after the other and written to the next array,
//! whose lines are transferred in the same way, and so on to the last array, C.
//!
//! The tile's weight is `Σ γₖ·wₖ`. After each period of array k a line q of it is read and array k + 1 updated; the
//! [`Rule`] computes the values to write from those of the read. Version 1 writes the values themselves, at the
//! transfer rate. Source: aihwkit `rpu_transfer_device.cpp`. Unlike there, numbers of pulses follow from the
//! granularity of the array that receives them, periods in batches end where batches end, and each of several columns
//! is reset after its own read.

use ohmgrad_tensor::{Key, Tensor};

use super::arrays::{Arrays, Scratch, weighted_sum};
use super::buffered::Buffered;
use super::chopped::Chopped;
use super::read::read;
use super::residual::WarmStart;
use super::transfer_parameters::{Shared, TransferCompound};
use super::{Period, Slice, Slot, Update, below, chance};
use crate::Error;
use crate::device::{Changed, Pulses};
use crate::update::Side;

/// Rules for the values between the read of a line and the write of the next array.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// Version 1: the values of the read are written.
    Direct,
    /// Version 2: a digital sum is written where it passes a threshold.
    Buffered(Buffered),
    /// Versions 3 and 4, and RIDER: the same with choppers, which change the signs of lines.
    Chopped(Box<Chopped>),
}

impl TransferCompound {
    pub(super) fn rule(&self, _: [usize; 2]) -> Rule {
        Rule::Direct
    }
}

#[derive(Clone, Debug)]
pub(super) struct Transfer {
    shared: Shared,
    pub(super) arrays: Arrays,
    rule: Rule,
    periods: Vec<Period>,
    /// The tile's weights, unless they are those of the slow array.
    weights: Option<Tensor>,
    /// The line that is read next from each array.
    lines: Vec<u64>,
    /// Pairs and batches since weights were set.
    pairs: u64,
    batches: u64,
    warm_start: Option<WarmStart>,
}

/// An event for a rule: a line that was read, with its values.
pub(super) struct Event<'a> {
    /// The array that was read.
    pub(super) from: usize,
    /// The number of the line.
    pub(super) q: usize,
    pub(super) line: Slice,
    /// The values that were read; the rule turns them into those that are written.
    pub(super) values: &'a mut [f32],
    /// The transfer's rate.
    pub(super) rate: f32,
    /// Granularities of the array read and the array written.
    pub(super) granularities: [f32; 2],
    /// The longest train of a write.
    pub(super) longest: f32,
    pub(super) key: Key,
}

impl Transfer {
    pub(super) fn new(
        shared: Shared,
        rule: Rule,
        [outs, ins]: [usize; 2],
        bias: bool,
        key: Key,
    ) -> Result<Self, Error> {
        let arrays = Arrays::draw(&shared.devices, [outs, ins], bias, key)?;
        let n = arrays.devices.len();
        // The number of lines that are read, and their length.
        let (lines, length) = if shared.columns { (ins, outs) } else { (outs, ins) };
        let mut every = shared.transfer_every_vec.clone();
        if every.is_empty() {
            let first = match shared.transfer_every {
                // Below 0: a fraction of the number of states, divided by the number of lines.
                auto if auto < 0.0 => {
                    (-auto * arrays.devices[0].config().states() / lines as f32).round_ties_even().max(1.0)
                }
                every => every,
            };
            let factor = length as f32 / shared.reads as f32;
            every = (0..n).map(|k| first * factor.powi(k as i32)).collect();
        }
        if shared.no_self_transfer || shared.transfer_every < 0.0 {
            every[n - 1] = 0.0;
        }
        let is_hidden = shared.gamma[..n - 1].iter().all(|&gamma| gamma == 0.0) && shared.gamma[n - 1] == 1.0;
        let mut cell = Self {
            periods: every.into_iter().map(|every| Period::new(every, shared.units_in_mbatch)).collect(),
            weights: (!is_hidden).then(|| Tensor::full(&[outs, ins], 0.0)),
            lines: vec![0; n],
            pairs: 0,
            batches: 0,
            warm_start: WarmStart::new(shared.warm_start, n),
            arrays,
            rule,
            shared,
        };
        cell.reduce();
        Ok(cell)
    }

    pub(super) fn weights(&self) -> &Tensor {
        self.weights.as_ref().unwrap_or_else(|| self.arrays.devices[self.arrays.devices.len() - 1].weights())
    }

    /// Takes the record of the slow array if the tile's weights are its weights, else a record of all weights.
    pub(super) fn take_changed(&mut self) -> Changed {
        let slow = self.arrays.devices.last_mut().expect("two arrays or more");
        if self.weights.is_some() { Changed::all(slow.size()) } else { slow.take_changed() }
    }

    /// The granularity of the fast array.
    pub(super) fn granularity(&self) -> f32 {
        self.arrays.devices[0].granularity(Pulses::Both)
    }

    pub(super) fn set_weights(&mut self, w: &Tensor, key: Key) {
        let last = self.arrays.devices.len() - 1;
        for (k, device) in self.arrays.devices[..last].iter_mut().enumerate() {
            device.set_zero(key.fold(k));
        }
        let gamma = self.shared.gamma[last];
        self.arrays.devices[last].set(&w.map(|w| w / gamma), key.fold(last));
        (self.pairs, self.batches) = (0, 0);
        self.warm_start.iter_mut().for_each(WarmStart::restart);
        self.reduce();
    }

    pub(super) fn update(&mut self, update: Update<'_>) {
        let Update { pairs, rate, parameters, key, .. } = update;
        let n = pairs.len();
        let plain = match self.shared.fast_lr {
            0.0 => rate,
            fast if self.shared.scale_fast_lr => fast * rate,
            fast => fast,
        };
        let granularity = self.granularity();
        // In a warm start the first array alone is transferred.
        let target = self.warm_start.as_ref().and_then(WarmStart::target);
        let sources = if target.is_some() { 1 } else { self.arrays.devices.len() };
        let mut start = 0;
        while start < n {
            let is_due = |k: usize, i: usize| self.periods[k].is_due(self.batches, self.pairs, i, n);
            let event = (start..n).find(|&i| (0..sources).any(|k| is_due(k, i)));
            let end = event.map_or(n, |i| i + 1);
            let part = pairs.part(start..end);
            let Scratch { trains, rates, .. } = &mut self.arrays.scratch;
            rates.clear();
            let mut signs = None;
            match &mut self.rule {
                Rule::Chopped(rule) => {
                    let longest = parameters.desired_bl as f32;
                    rule.fast_rates(part, n, plain, (longest * granularity, rate, &self.shared), rates);
                    signs = Some(rule.signs(self.shared.columns));
                }
                Rule::Direct | Rule::Buffered(_) => rates.resize(part.len(), plain),
            }
            trains.prepare(parameters, granularity, rates, part, signs, key);
            self.arrays.devices[0].pulse(trains, Side::Both, key.fold("array").fold(0).fold(part.first()));
            for k in 0..sources {
                if self.periods[k].is_due(self.batches, self.pairs, end - 1, n) {
                    // The last array, if it is transferred, is written to itself.
                    let to = target.unwrap_or((k + 1).min(self.arrays.devices.len() - 1));
                    self.event([k, to], &update, key.fold("transfer").fold(k).fold(pairs.first() + end));
                }
            }
            start = end;
        }
        self.pairs += n as u64;
        self.batches += 1;
        let now = self.now();
        self.warm_start.iter_mut().for_each(|warm_start| warm_start.pass(now));
        self.reduce();
    }

    /// The number of batches, or of pairs if periods are counted in pairs.
    fn now(&self) -> u64 {
        if self.shared.units_in_mbatch { self.batches } else { self.pairs }
    }

    /// Ends the turn of the array that a warm start writes to; returns `false` if there is no warm start or it is over.
    pub(super) fn advance_warm_start(&mut self) -> bool {
        let now = self.now();
        self.warm_start.as_mut().is_some_and(|warm_start| warm_start.advance(now))
    }

    /// Reads lines of array k and writes them to another one.
    fn event(&mut self, [k, to]: [usize; 2], update: &Update<'_>, key: Key) {
        let [outs, ins] = self.arrays.devices[k].size();
        let (count, length) = if self.shared.columns { (ins, outs) } else { (outs, ins) };
        let rate = self.shared.transfer_lr[k] * if self.shared.scale_transfer_lr { update.rate } else { 1.0 };
        let reads = self.shared.reads.min(count);
        let first = match self.shared.random_selection {
            true => below(count, key.fold("line")),
            false => self.lines[k] as usize,
        };
        for r in 0..reads {
            let q = (first + r) % count;
            let line = if self.shared.columns { Slice::Column(q) } else { Slice::Row(q) };
            let key = key.fold(r);
            self.arrays.scratch.line.resize(length, 0.0);
            let values = &mut self.arrays.scratch.line[..];
            read(self.arrays.devices[k].weights(), line, &self.shared.forward, key.fold("read"), values);
            let granularities = [k, to].map(|k| self.arrays.devices[k].granularity(Pulses::Both));
            let longest = self.shared.update.desired_bl as f32;
            let event = Event { from: k, q, line, values, rate, granularities, longest, key };
            let write = match &mut self.rule {
                Rule::Direct => {
                    event.values.iter_mut().for_each(|v| *v = -*v);
                    Some(rate)
                }
                Rule::Buffered(rule) => rule.event(event, &self.shared.gamma),
                Rule::Chopped(rule) => rule.event(event, &self.shared.gamma),
            };
            if let Some(rate) = write {
                let (device, p) = (&mut self.arrays.devices[to], &self.shared.update);
                self.arrays.scratch.write(device, line, rate, granularities[1], p, key.fold("write"));
            }
            if self.shared.reset_prob > 0.0 && chance(self.shared.reset_prob, key.fold("chance")) {
                self.arrays.devices[k].reset_columns(q, Some(1), 1.0, key.fold("reset"));
            }
        }
        self.lines[k] = ((first + self.shared.reads) % count) as u64;
    }

    pub(super) fn reset_columns(&mut self, start: usize, count: Option<usize>, probability: f32, key: Key) {
        self.arrays.devices[0].reset_columns(start, count, probability, key);
        self.reduce();
    }

    /// Computes the tile's weights from those of the arrays.
    pub(super) fn reduce(&mut self) {
        let Some(weights) = &mut self.weights else { return };
        match &self.rule {
            Rule::Chopped(rule) => rule.reduce(weights, &self.arrays.devices, &self.shared),
            Rule::Direct | Rule::Buffered(_) => weighted_sum(weights, &self.arrays.devices, &self.shared.gamma),
        }
    }

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.arrays.state(path, f);
        self.weights.iter_mut().for_each(|weights| f(&format!("{path}weights"), Slot::Array(weights)));
        for (k, line) in self.lines.iter_mut().enumerate() {
            f(&format!("{path}line_{k}"), Slot::Count(line));
        }
        f(&format!("{path}pairs"), Slot::Count(&mut self.pairs));
        f(&format!("{path}batches"), Slot::Count(&mut self.batches));
        self.warm_start.iter_mut().for_each(|warm_start| warm_start.state(path, f));
        match &mut self.rule {
            Rule::Direct => {}
            Rule::Buffered(rule) => rule.state(path, f),
            Rule::Chopped(rule) => rule.state(path, f),
        }
    }
}

/// The places of a line in an array [outs, ins], in order.
pub(super) fn places(line: Slice, [outs, ins]: [usize; 2]) -> impl Iterator<Item = usize> {
    let (first, step, n) = match line {
        Slice::Column(j) => (j, ins, outs),
        Slice::Row(i) => (i * ins, 1, ins),
    };
    (0..n).map(move |i| first + i * step)
}

/// `γₖ/γₖ₊₁` if both are above 0, else 1.
pub(super) fn ratio(gamma: &[f32], k: usize) -> f32 {
    match gamma.get(k..k + 2) {
        Some(&[a, b]) if a > 0.0 && b > 0.0 => a / b,
        _ => 1.0,
    }
}
