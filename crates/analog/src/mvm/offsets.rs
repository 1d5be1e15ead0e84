//! Voltage offsets of the output stages and the series resistance of the output lines.
//!
//! The read of a signed weight is the difference of two unsigned ones: of `y + y_ref` and of an implicit reference
//! `y_ref = −v_offset_w_min·Σⱼvⱼ`. Each is lowered by its series resistance, `y/(1 + r|y|)`, and changed by the
//! output's offset in opposite directions. Source: aihwkit `applyVoltageOffsets`.

use ohmgrad_tensor::{Tensor, rows};

use super::Pattern;
use crate::config::IoParameters;

/// Returns `true` if offsets or series resistance are on.
pub(super) fn present(io: &IoParameters, pattern: &Pattern) -> bool {
    !pattern.v_offset.is_empty() || io.r_series > 0.0
}

/// Changes the outputs `y` [n, out] of inputs `v` [n, in].
pub(super) fn apply(io: &IoParameters, pattern: &Pattern, y: &mut [f32], v: &Tensor) {
    let r = io.r_series;
    let series = |y: f32| if r > 0.0 { y / (1.0 + r * y.abs()) } else { y };
    let sums = v.sum_axes(&[1]);
    let outs = y.len() / v.shape()[0].max(1);
    rows::for_each_row(y, outs, |i, row| {
        let reference = -io.v_offset_w_min * sums[[i, 0]];
        for (o, y) in row.iter_mut().enumerate() {
            let offset = pattern.v_offset.get(o).copied().unwrap_or(0.0);
            *y = if io.v_offset_w_min == 0.0 {
                (1.0 - offset) * series(*y)
            } else if r <= 0.0 {
                *y * (1.0 - offset) - offset * (reference * 2.0)
            } else {
                (1.0 - offset) * series(*y + reference) - (1.0 + offset) * series(reference)
            };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(io: IoParameters, offset: f32) -> f32 {
        let pattern = Pattern { v_offset: vec![offset], ..Default::default() };
        let mut y = [2.0];
        apply(&io, &pattern, &mut y, &Tensor::from([[1.0, 3.0]]));
        y[0]
    }

    #[test]
    fn each_case_follows_its_formula() {
        let io = IoParameters { v_offset_std: 0.1, ..Default::default() };
        assert_eq!(read(io, 0.1), 2.0 * (1.0 - 0.1) - 0.1 * 8.0);
        let io = IoParameters { v_offset_w_min: 0.0, r_series: 0.25, ..io };
        assert_eq!(read(io, 0.1), (1.0 - 0.1) * (2.0 / 1.5));
        let io = IoParameters { v_offset_w_min: -1.0, ..io };
        assert_eq!(read(io, 0.0), 6.0 / 2.5 - 4.0 / 2.0);
    }
}
