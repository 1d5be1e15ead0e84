//! The array: currents add up along the outputs, with the non-idealities of wires and devices.
//!
//! `y = W·v`, then IR drop, voltage offsets and series resistance, weight noise, in this order. Source: aihwkit
//! `computeAnalogMVSinglePass`.

use std::mem::MaybeUninit;

use ohmgrad_tensor::{Key, Tensor, parallel};

use super::prepared::Operands;
use super::{Pattern, ir_drop, offsets, weight_noise};
use crate::config::IoParameters;

/// The array's outputs [n, out] for driven rows `v` [n, in].
pub(super) fn multiply(
    io: &IoParameters,
    pattern: &Pattern,
    v: &Tensor,
    devices: &Operands,
    numbers: &[usize],
    key: Key,
) -> Tensor {
    let (n, outs) = (v.shape()[0], devices.w.columns());
    let y = parallel::build(n * outs, n * outs, |_, out| write(io, pattern, v, devices, numbers, key, out));
    Tensor::from_vec(y, &[n, outs])
}

/// As [`multiply`], written to `out`.
pub(super) fn write<'o>(
    io: &IoParameters,
    pattern: &Pattern,
    v: &Tensor,
    devices: &Operands,
    numbers: &[usize],
    key: Key,
    out: &'o mut [MaybeUninit<f32>],
) -> &'o mut [f32] {
    let y = devices.w.write_of(v, out);
    if let (Some(far), Some(magnitude)) = (&devices.far, &devices.magnitude) {
        ir_drop::apply(io, y, v, far, magnitude);
    }
    if offsets::present(io, pattern) {
        offsets::apply(io, pattern, y, v);
    }
    weight_noise::apply(io, y, v, devices.magnitude.as_ref(), numbers, key.fold("weight noise"));
    y
}
