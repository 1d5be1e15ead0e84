//! The array: currents add up along the outputs, and what the wires and devices do to them.
//!
//! `y = W·v`, then IR drop, voltage offsets and series resistance, weight noise, in this order. Source: aihwkit
//! `computeAnalogMVSinglePass`.

use ohmgrad_tensor::{Key, Tensor, product};

use super::{Devices, Pattern, ir_drop, offsets, weight_noise};
use crate::config::IoParameters;

/// The array's outputs [n, out] for driven rows `v` [n, in].
pub(super) fn multiply(
    io: &IoParameters,
    pattern: &Pattern,
    v: &Tensor,
    devices: &Devices,
    numbers: &[usize],
    key: Key,
) -> Tensor {
    let mut y = product::linear(v, &devices.w);
    if let (true, Some(magnitude)) = (io.ir_drop > 0.0, &devices.magnitude) {
        ir_drop::apply(io, &mut y, v, &devices.w, magnitude);
    }
    if offsets::present(io, pattern) {
        offsets::apply(io, pattern, &mut y, v);
    }
    weight_noise::apply(io, &mut y, v, devices.magnitude.as_ref(), numbers, key.fold("weight noise"));
    y
}
