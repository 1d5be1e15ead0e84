//! Version 2 of the transfer: a digital buffer H between the arrays.
//!
//! With the rate η of the transfer, the granularity g of the next array, the threshold `θ = thres_scale·g`, and
//! `ρ = γₖ/γₖ₊₁`, or 1 unless both are above 0: `ω = H + read·|η·ρ|`, and `n = trunc(ω/θ)`, cut to ± the longest train.
//! If n ≠ 0 the buffer keeps `momentum·ω`, or with `forget_buffer` off `ω − (1 − momentum)·n·θ`. The next array gets n
//! steps of `step·g`. Source: aihwkit `rpu_buffered_transfer_device.cpp`.

use ohmgrad_tensor::Tensor;

use super::transfer::{Event, Rule, places, ratio};
use super::{BufferedTransferCompound, Slot};

#[derive(Clone, Debug)]
pub(super) struct Buffered {
    thres_scale: f32,
    step: f32,
    momentum: f32,
    forget: bool,
    /// A buffer for each transfer.
    buffers: Vec<Tensor>,
}

impl BufferedTransferCompound {
    pub(super) fn rule(&self, shape: [usize; 2]) -> Rule {
        Rule::Buffered(Buffered {
            thres_scale: self.thres_scale,
            step: self.step,
            momentum: self.momentum,
            forget: self.forget_buffer,
            buffers: vec![Tensor::full(&shape, 0.0); self.unit_cell_devices.len()],
        })
    }
}

impl Buffered {
    /// Adds the values of a read to the buffer and replaces them by those to write; returns the rate of the write, if
    /// any.
    pub(super) fn event(&mut self, event: Event<'_>, gamma: &[f32]) -> Option<f32> {
        let Event { from, line, values, rate, granularities: [_, g], longest, .. } = event;
        let threshold = self.thres_scale * g;
        let rate = (rate * ratio(gamma, from)).abs();
        let buffer = &mut self.buffers[from];
        let shape = [buffer.shape()[0], buffer.shape()[1]];
        let buffer = buffer.make_mut();
        let mut written = false;
        for (at, v) in places(line, shape).zip(values) {
            let sum = buffer[at] + *v * rate;
            let n = (sum / threshold).trunc().clamp(-longest, longest);
            buffer[at] = match n {
                0.0 => sum,
                _ if self.forget => self.momentum * sum,
                n => sum - (1.0 - self.momentum) * n * threshold,
            };
            *v = -n;
            written |= n != 0.0;
        }
        written.then_some(self.step * g)
    }

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        for (k, buffer) in self.buffers.iter_mut().enumerate() {
            f(&format!("{path}buffer_{k}"), Slot::Array(buffer));
        }
    }
}
