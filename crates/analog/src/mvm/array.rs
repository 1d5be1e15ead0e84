//! The array: currents add up along the outputs, and what the wires and devices do to them.
//!
//! `y = W·v`, then IR drop, voltage offsets and series resistance, weight noise, in this order. Source: aihwkit
//! `computeAnalogMVSinglePass`.

use ohmgrad_tensor::{Key, Tensor};

use super::{Pattern, Rights, ir_drop, offsets, weight_noise};
use crate::config::IoParameters;

/// The array's outputs [n, out] for driven rows `v` [n, in].
pub(super) fn multiply(
    io: &IoParameters,
    pattern: &Pattern,
    v: &Tensor,
    devices: &Rights<'_>,
    numbers: &[usize],
    key: Key,
) -> Tensor {
    let mut y = devices.w.of(v);
    if let (Some(far), Some(magnitude)) = (&devices.far, &devices.magnitude) {
        ir_drop::apply(io, &mut y, v, far, magnitude);
    }
    if offsets::present(io, pattern) {
        offsets::apply(io, pattern, &mut y, v);
    }
    weight_noise::apply(io, &mut y, v, devices.magnitude.as_ref(), numbers, key.fold("weight noise"));
    y
}
