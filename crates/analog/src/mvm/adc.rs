//! The ADC: output currents become numbers.
//!
//! An S-shaped nonlinearity `k·y/(1 + |nᵢy|)`, negative values times `1 − out_asymmetry`, noise, rounding, a cut to
//! ±out_bound, in this order. Source: aihwkit `finalizeOutput`.

use ohmgrad_tensor::rows::{self, Quantizer};
use ohmgrad_tensor::{Key, Tensor};

use super::Pattern;
use crate::config::{BoundManagement, IoParameters};

/// Converts the rows `y` [n, out] in place; returns `true` for each row that counts as inside the bound.
pub(super) fn convert(io: &IoParameters, pattern: &Pattern, y: &mut Tensor, numbers: &[usize], key: Key) -> Vec<bool> {
    let Quantizer { step, bound } = converter(io);
    let slope = (!pattern.out_nonlinearity.is_empty() || io.r_series > 0.0).then(|| slope_factor(io, pattern));
    let dither = (io.out_sto_round && step > 0.0).then(|| key.fold("ADC rounding"));
    let noise = key.fold("ADC noise");
    let last_decides = last_decides(io);
    let outs = y.shape()[1];
    let mut passed = vec![true; numbers.len()];
    rows::for_each_row_and(y.make_mut(), outs, &mut passed, |i, row, passed| {
        let number = numbers[i];
        if let Some(k) = slope {
            for (o, y) in row.iter_mut().enumerate() {
                let n = pattern.out_nonlinearity.get(o).copied().unwrap_or(0.0);
                *y = k * *y / (1.0 + (n * *y).abs());
            }
        }
        if io.out_asymmetry > 0.0 {
            row.iter_mut().filter(|y| **y < 0.0).for_each(|y| *y *= 1.0 - io.out_asymmetry);
        }
        if !pattern.out_noise.is_empty() {
            rows::add_normal_each(row, &pattern.out_noise, noise.fold(number));
        } else if io.out_noise > 0.0 {
            rows::add_normal(row, io.out_noise, noise.fold(number));
        }
        let mut converter = Quantizer { step, bound };
        if let Some(key) = dither {
            rows::round_stochastically(row, step, key.fold(number));
            converter.step = 0.0;
        }
        if last_decides {
            rows::convert(row, Quantizer { bound: f32::INFINITY, ..converter });
            *passed = row.iter().rev().find(|y| y.abs() > bound).is_none_or(|&y| y < 0.0);
            converter.step = 0.0;
            rows::convert(row, converter);
        } else {
            *passed = !rows::convert(row, converter);
        }
    });
    passed
}

/// The rounding and the cut.
fn converter(io: &IoParameters) -> Quantizer {
    let bound = if io.out_bound > 0.0 { io.out_bound } else { f32::INFINITY };
    Quantizer { step: io.out_step().unwrap_or(0.0), bound }
}

/// Returns `true` if a row is read again only when the last of its outputs beyond the bound is positive, as in the
/// reference without `bm_test_negative_bound`.
fn last_decides(io: &IoParameters) -> bool {
    io.bound_management != BoundManagement::None && !io.bm_test_negative_bound
}

/// Converts a row as [`convert`] does and multiplies it by `factor`; returns `true` if it stayed inside the bound.
pub(super) fn convert_scale(io: &IoParameters, row: &mut [f32], factor: f32, number: usize, key: Key) -> bool {
    let key = key.fold("ADC noise").fold(number);
    !rows::add_normal_convert_scale(row, io.out_noise, key, converter(io), factor)
}

/// The gain that undoes the nonlinearity's and the series resistance's loss at `slope_calibration` of the range.
fn slope_factor(io: &IoParameters, pattern: &Pattern) -> f32 {
    if io.slope_calibration <= 0.0 {
        return 1.0;
    }
    let bound = if io.out_bound > 0.0 { io.out_bound } else { 1.0 };
    let mean = pattern.out_nonlinearity.iter().sum::<f32>() / pattern.out_nonlinearity.len().max(1) as f32;
    let f = 1.0 + (mean + io.r_series) * io.slope_calibration * bound;
    f * f
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(io: IoParameters, row: &[f32]) -> (Vec<f32>, bool) {
        let mut y = Tensor::from_vec(row.to_vec(), &[1, row.len()]);
        let passed = convert(&io, &Pattern::default(), &mut y, &[0], Key::new(0));
        (y.to_vec(), passed[0])
    }

    fn quiet() -> IoParameters {
        IoParameters { out_noise: 0.0, out_bound: 1.0, out_res: 0.25, ..Default::default() }
    }

    #[test]
    fn rounding_comes_before_the_bound() {
        assert_eq!(converted(quiet(), &[0.3, -0.25, 1.2]), (vec![0.5, 0.0, 1.0], true));
        assert_eq!(converted(quiet(), &[0.3, -0.25, 1.3]), (vec![0.5, 0.0, 1.0], false));
    }

    #[test]
    fn the_last_hit_decides_where_negative_hits_do_not_count() {
        let io = IoParameters { bm_test_negative_bound: false, ..quiet() };
        assert!(!converted(io, &[-9.0, 9.0]).1);
        assert!(converted(io, &[9.0, -9.0, 0.0]).1);
        assert_eq!(converted(io, &[9.0, -9.0, 0.3]).0, [1.0, -1.0, 0.5]);
    }
}
