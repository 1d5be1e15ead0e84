//! Version 4 of the transfer, AGAD: reads are relative to their mean before the line's last change of sign.
//!
//! N is the number of passes between changes of sign, and `m = min(tail_weightening/N, 1)`. If the sign of a line
//! changed after its last read, its reference becomes its mean, `π ← μ`. The buffer gets `read − π` instead of the
//! read, and `μ ← (1 − m)μ + m·read`. The first N + 1 passes write nothing. Source: aihwkit
//! `rpu_dynamic_transfer_device.cpp`.

use ohmgrad_tensor::Tensor;

use super::transfer::places;
use super::{DynamicTransferCompound, Slice, Slot};

#[derive(Clone, Debug)]
pub(super) struct Dynamic {
    momentum: f32,
    turns: u64,
    correct: bool,
    mean: Tensor,
    reference: Tensor,
    /// 1 for lines whose sign changed after their last read.
    turned: Tensor,
}

impl Dynamic {
    pub(super) fn new(config: &DynamicTransferCompound, turns: u64, shape: [usize; 2], lines: usize) -> Self {
        Self {
            momentum: (config.tail_weightening / turns as f32).min(1.0),
            turns,
            correct: config.experimental_correct_accumulation,
            mean: Tensor::full(&shape, 0.0),
            reference: Tensor::full(&shape, 0.0),
            turned: Tensor::full(&[lines], 0.0),
        }
    }

    /// Subtracts the reference from the values of a read, and updates the mean; returns the factor λ of these values.
    pub(super) fn relative(
        &mut self,
        mut lambda: f32,
        values: &mut [f32],
        line: Slice,
        q: usize,
        passes: u64,
        granularity: f32,
    ) -> f32 {
        let shape = [self.mean.shape()[0], self.mean.shape()[1]];
        let turned = std::mem::take(&mut self.turned.make_mut()[q]) != 0.0;
        let (mean, reference) = (self.mean.make_mut(), self.reference.make_mut());
        for (at, v) in places(line, shape).zip(values) {
            if turned {
                reference[at] = mean[at];
            }
            mean[at] = (1.0 - self.momentum) * mean[at] + self.momentum * *v;
            *v -= reference[at];
        }
        if self.correct {
            lambda /= ((passes % self.turns + 1) as f32).min(1.0 / granularity);
        }
        lambda
    }

    /// Records whether the sign of a line changed after its read.
    pub(super) fn turned(&mut self, q: usize, turned: bool) {
        self.turned.make_mut()[q] = f32::from(u8::from(turned));
    }

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        f(&format!("{path}running_mean"), Slot::Array(&mut self.mean));
        f(&format!("{path}past_mean"), Slot::Array(&mut self.reference));
        f(&format!("{path}turned"), Slot::NeverNan(&mut self.turned));
    }
}
