//! Version 3 of the transfer: choppers change the signs of the fast array's lines from time to time.
//!
//! Gradients reach the fast array A with the sign of their lines, and reads are multiplied by the same sign. So
//! gradients add up in the buffer H, and offsets of A average out. With η and ρ of `buffered.rs` and the unit β (in
//! weight) of the buffer, `λ = |η·ρ|/β`: `ω = H ± λ·read`, `n = trunc ω`. The sign of a line changes after its read:
//! with probability `in_chop_prob`, or regularly in the last of every `N = max(⌈1/in_chop_prob⌉, 2)` passes over all
//! lines. The signs of the lines that cross them change after a pass, with `out_chop_prob`. With `auto_scale` the fast
//! rate is `fast_lr·desired_bl·g/(m_x·m_d)`, where m_x and m_d are running means of the largest inputs and gradients.
//! With γ ≠ 0 the tile's weight is `γ₁C + γ₀·(c_d ⊗ c_x)·A`. Source: aihwkit `rpu_chopped_transfer_device.cpp`; in the
//! last formula the reference takes the choppers of the wrong lines.

use ohmgrad_tensor::{Key, Tensor, random, rows};

use super::dynamic::Dynamic;
use super::rider::Rider;
use super::transfer::{Event, Rule, places, ratio};
use super::transfer_parameters::Shared;
use super::{ChoppedTransferCompound, DynamicTransferCompound, Slot, chance};
use crate::device::{DeviceArray, slice};
use crate::update::Pairs;

/// Configuration that all chopped cells share.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) in_chop_prob: f32,
    pub(super) in_chop_random: bool,
    pub(super) out_chop_prob: f32,
    pub(super) buffer_granularity: f32,
    pub(super) auto_granularity: f32,
    pub(super) transfer_every: f32,
    pub(super) step: f32,
    pub(super) momentum: f32,
    pub(super) forget: bool,
    pub(super) no_buffer: bool,
    /// Largest magnitude of the buffer after a write, in units of the longest train; 0: no limit.
    pub(super) cap: f32,
    pub(super) auto_scale: bool,
    pub(super) auto_momentum: f32,
    pub(super) correct: bool,
}

/// References that are subtracted from reads.
#[derive(Clone, Debug)]
pub(super) enum Reference {
    /// Version 3: none.
    Zero,
    /// Version 4: the mean before the line's last change of sign.
    Dynamic(Dynamic),
    /// RIDER: an earlier value of a moving average, which is also subtracted in the tile's weight.
    Tracked(Rider),
}

#[derive(Clone, Debug)]
pub(super) struct Chopped {
    options: Options,
    /// Passes between two regular changes of sign.
    turns: u64,
    buffer: Tensor,
    /// 1 for each line that is read and has the sign −1, else 0.
    in_chopper: Tensor,
    /// The same for the lines that cross them.
    out_chopper: Tensor,
    /// Passes over all lines.
    passes: u64,
    /// Running means of the largest inputs and gradients, and the fast rate of the last pair.
    means: [f32; 2],
    fast_rate: f32,
    reference: Reference,
}

/// Options from the fields that all chopped configurations have; the other options are off.
macro_rules! options {
    ($config:expr) => {
        $crate::cell::chopped::Options {
            in_chop_prob: $config.in_chop_prob,
            in_chop_random: $config.in_chop_random,
            buffer_granularity: $config.buffer_granularity,
            auto_granularity: $config.auto_granularity,
            transfer_every: $config.transfer_every,
            step: $config.step,
            momentum: $config.momentum,
            forget: $config.forget_buffer,
            ..Default::default()
        }
    };
}
pub(super) use options;

impl ChoppedTransferCompound {
    pub(super) fn rule(&self, shape: [usize; 2]) -> Rule {
        let options = Options {
            out_chop_prob: self.out_chop_prob,
            no_buffer: self.no_buffer,
            auto_scale: self.auto_scale,
            auto_momentum: self.auto_momentum,
            correct: self.correct_gradient_magnitudes,
            ..options!(self)
        };
        Rule::Chopped(Box::new(Chopped::new(options, self.transfer_columns, shape, |_, _| Reference::Zero)))
    }
}

impl DynamicTransferCompound {
    pub(super) fn rule(&self, shape: [usize; 2]) -> Rule {
        let options = Options {
            cap: self.buffer_cap,
            auto_scale: self.auto_scale,
            auto_momentum: self.auto_momentum,
            correct: self.correct_gradient_magnitudes,
            ..options!(self)
        };
        let reference = |turns, lines| Reference::Dynamic(Dynamic::new(self, turns, shape, lines));
        Rule::Chopped(Box::new(Chopped::new(options, self.transfer_columns, shape, reference)))
    }
}

impl Chopped {
    /// Makes the rule; `reference` takes the number of passes between two regular changes of sign, and the number of
    /// lines that are read.
    pub(super) fn new(
        options: Options,
        columns: bool,
        [outs, ins]: [usize; 2],
        reference: impl FnOnce(u64, usize) -> Reference,
    ) -> Self {
        let (lines, length) = if columns { (ins, outs) } else { (outs, ins) };
        let turns = if options.in_chop_prob > 0.0 { ((1.0 / options.in_chop_prob).ceil() as u64).max(2) } else { 0 };
        Self {
            turns,
            buffer: Tensor::full(&[outs, ins], 0.0),
            in_chopper: Tensor::full(&[lines], 0.0),
            out_chopper: Tensor::full(&[length], 0.0),
            passes: 0,
            means: [0.0; 2],
            fast_rate: 0.0,
            options,
            reference: reference(turns, lines),
        }
    }

    /// The choppers of the x lines and of the d lines: 1 for the sign −1, else 0.
    pub(super) fn signs(&self, columns: bool) -> (&[f32], &[f32]) {
        let (inward, outward) = (slice(&self.in_chopper), slice(&self.out_chopper));
        if columns { (inward, outward) } else { (outward, inward) }
    }

    /// Appends the fast array's rate for each pair: `plain`, or with `auto_scale` the rate from the running means,
    /// which each pair updates. `n` is the size of the batch, `scale` the longest train times the granularity.
    pub(super) fn fast_rates(
        &mut self,
        pairs: Pairs<'_>,
        n: usize,
        plain: f32,
        (scale, rate, shared): (f32, f32, &Shared),
        rates: &mut Vec<f32>,
    ) {
        for i in 0..pairs.len() {
            if self.options.auto_scale {
                let tau = (1.0 - self.options.auto_momentum) / n as f32;
                let largest = [rows::abs_max(pairs.x(i)), rows::abs_max(pairs.d(i))];
                for (mean, new) in self.means.iter_mut().zip(largest) {
                    if *mean <= 0.0 {
                        *mean = new;
                    } else if new > 0.0 {
                        *mean = (1.0 - tau) * *mean + tau * new;
                    }
                }
            }
            self.fast_rate = plain;
            if self.options.auto_scale && shared.fast_lr > 0.0 {
                let product = self.means[0] * self.means[1];
                let numerator = shared.fast_lr * scale * if shared.scale_fast_lr { rate } else { 1.0 };
                self.fast_rate = if product > 0.0 { numerator / product } else { numerator };
            }
            rates.push(self.fast_rate);
        }
    }

    /// Adds the values of a read to the buffer and replaces them by those to write; returns the rate of the write, if
    /// any.
    pub(super) fn event(&mut self, event: Event<'_>, gamma: &[f32]) -> Option<f32> {
        let Event { from, q, line, values, rate, granularities: [fast, slow], longest, key } = event;
        let o = &self.options;
        let lines = self.in_chopper.len();
        let unit = if o.buffer_granularity > 0.0 { o.buffer_granularity } else { 1.0 };
        let granularity = match o.auto_granularity > 0.0 {
            true => fast * o.auto_granularity / (lines as f32 * o.transfer_every.abs()),
            false => fast,
        };
        let rate = match self.reference {
            Reference::Tracked(_) => rate,
            _ => (rate * ratio(gamma, from)).abs(),
        };
        let mut lambda = match o.correct {
            true => rate / (self.fast_rate * unit * granularity * slow / fast),
            false => rate / (unit * granularity),
        };
        let shape = [self.buffer.shape()[0], self.buffer.shape()[1]];
        match &mut self.reference {
            Reference::Zero => {}
            Reference::Dynamic(dynamic) => {
                lambda = dynamic.relative(lambda, values, line, q, self.passes, fast);
            }
            Reference::Tracked(rider) => rider.relative(values, line, shape),
        }
        let at_once = o.no_buffer && matches!(self.reference, Reference::Tracked(_));
        let turned = slice(&self.in_chopper)[q];
        let outward = slice(&self.out_chopper);
        let buffer = self.buffer.make_mut();
        let mut written = false;
        for ((at, v), &out) in places(line, shape).zip(values.iter_mut()).zip(outward) {
            let sign = if turned != out { -1.0 } else { 1.0 };
            if at_once {
                *v *= -sign;
                continue;
            }
            let sum = if o.no_buffer { 0.0 } else { buffer[at] } + sign * lambda * *v;
            let n = sum.trunc().clamp(-longest, longest);
            buffer[at] = match n {
                0.0 => sum,
                _ if o.forget => o.momentum * sum,
                n => {
                    let left = sum - (1.0 - o.momentum) * n;
                    if o.cap > 0.0 { left.clamp(-o.cap * longest, o.cap * longest) } else { left }
                }
            };
            *v = -n;
            written |= n != 0.0;
        }
        if let Reference::Dynamic(_) = self.reference {
            // The reference of the first period is not yet known.
            written &= self.passes > self.turns;
        }
        let turned = self.turn(q, key);
        match &mut self.reference {
            Reference::Zero => {}
            Reference::Dynamic(dynamic) => dynamic.turned(q, turned),
            Reference::Tracked(rider) => rider.was_read(line, turned, shape),
        }
        if at_once { Some(rate) } else { written.then_some(self.options.step * slow) }
    }

    /// Changes the signs that are due after the read of line q; returns `true` if that of q changed.
    fn turn(&mut self, q: usize, key: Key) -> bool {
        let o = &self.options;
        let mut turns = false;
        if o.in_chop_prob > 0.0 {
            let regular = self.passes % self.turns + 1 == self.turns;
            let random = o.in_chop_random && chance(o.in_chop_prob, key.fold("chopper"));
            let dynamic = matches!(self.reference, Reference::Dynamic(_));
            turns = if o.in_chop_random && !dynamic { random } else { regular || random };
        }
        let chopper = &mut self.in_chopper.make_mut()[q];
        if turns {
            *chopper = 1.0 - *chopper;
        }
        if q + 1 == self.in_chopper.len() {
            if o.out_chop_prob > 0.0 {
                let mut u = vec![0.0; self.out_chopper.len()];
                random::fill_uniform(&mut u, key.fold("output choppers"));
                for (chopper, u) in self.out_chopper.make_mut().iter_mut().zip(u) {
                    *chopper = if u < o.out_chop_prob { 1.0 - *chopper } else { *chopper };
                }
            }
            self.passes += 1;
        }
        turns
    }

    /// Computes the tile's weights from both arrays, with the present signs of the lines.
    pub(super) fn reduce(&self, weights: &mut Tensor, devices: &[DeviceArray], shared: &Shared) {
        let (x, d) = self.signs(shared.columns);
        if let Reference::Tracked(rider) = &self.reference {
            return rider.reduce(weights, devices, &shared.gamma, (x, d));
        }
        let [fast, slow] = [0, 1].map(|k| slice(devices[k].weights()));
        let columns = x.len();
        for (i, w) in weights.make_mut().iter_mut().enumerate() {
            let sign = if d[i / columns] != x[i % columns] { -1.0 } else { 1.0 };
            *w = shared.gamma[1] * slow[i] + shared.gamma[0] * sign * fast[i];
        }
    }

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        f(&format!("{path}buffer_0"), Slot::Array(&mut self.buffer));
        f(&format!("{path}in_chopper"), Slot::NeverNan(&mut self.in_chopper));
        f(&format!("{path}out_chopper"), Slot::NeverNan(&mut self.out_chopper));
        f(&format!("{path}passes"), Slot::Count(&mut self.passes));
        let [x, d] = &mut self.means;
        f(&format!("{path}mean_x"), Slot::Number(x));
        f(&format!("{path}mean_d"), Slot::Number(d));
        f(&format!("{path}fast_rate"), Slot::Number(&mut self.fast_rate));
        match &mut self.reference {
            Reference::Zero => {}
            Reference::Dynamic(dynamic) => dynamic.state(path, f),
            Reference::Tracked(rider) => rider.state(path, f),
        }
    }
}
