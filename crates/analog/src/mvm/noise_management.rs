//! Noise management: each row is scaled to the DAC's range, so that small inputs are not lost in quantisation and noise.
//!
//! The scale is divided out again after the ADC. Source: aihwkit `computeNoiseManagement`; Gokmen et al. 2017 for the
//! idea.

use ohmgrad_tensor::rows;

use super::Direction;
use crate::config::{IoParameters, NoiseManagement};

/// The running mean of AVERAGE_ABS_MAX; `None` before the first row.
pub type Average = Option<f32>;

/// The scale of a row, 1 where noise management is off.
pub(super) fn scale(io: &IoParameters, row: &[f32], average: &mut Average) -> f32 {
    let cap = |v: f32| if io.nm_thres > 0.0 && v > io.nm_thres { io.nm_thres } else { v };
    match io.noise_management {
        NoiseManagement::None => 1.0,
        NoiseManagement::AbsMax => cap(rows::abs_max(row)),
        NoiseManagement::Max => cap(row.iter().copied().fold(f32::NEG_INFINITY, larger)),
        NoiseManagement::Constant => {
            if io.nm_thres > 0.0 {
                io.nm_thres
            } else {
                1.0
            }
        }
        NoiseManagement::AverageAbsMax => {
            let top = rows::abs_max(row);
            let mean = average.map_or(top, |m| m * (1.0 - io.nm_decay) + io.nm_decay * top);
            // A row with NaN or infinity is lost, but the mean stays finite.
            if mean.is_finite() {
                *average = Some(mean);
            }
            mean
        }
        NoiseManagement::AbsMaxNpSum => np_sum(io, row),
    }
}

/// The scale that keeps outputs inside the bound even if all inputs of one sign meet weights of `nm_assumed_wmax`, as
/// far as `max_bm_res` allows.
pub(super) fn np_sum(io: &IoParameters, row: &[f32]) -> f32 {
    let top = rows::abs_max(row);
    let top = if io.nm_thres > 0.0 && top > io.nm_thres { io.nm_thres } else { top };
    let (mut positive, mut negative) = (0.0, 0.0);
    for &x in row {
        if x > 0.0 {
            positive += x;
        } else {
            negative -= x;
        }
    }
    let bound = if io.out_bound > 0.0 { io.out_bound } else { 1.0 };
    let mut sum = larger(positive, negative) * io.nm_assumed_wmax / bound;
    if let Some(step) = io.inp_step() {
        sum = sum.min(top / step * io.max_bm_res);
    }
    larger(top, sum)
}

/// Returns `true` if a row with this scale is not read and gives zeros. With noise management on, this holds for scales
/// ≤ 0 (of rows of zeros, whose reads would be noise alone; under MAX of rows without positive inputs), and for scales
/// whose reciprocal is infinite (below 3e-39), which the reference turns into NaN.
///
/// Where the DAC adds noise, rows with scales ≤ 0 are read forward but not backward, as in the reference.
pub(super) fn is_silent(io: &IoParameters, scale: f32, direction: Direction) -> bool {
    let noisy = io.inp_noise > 0.0 && direction == Direction::Forward;
    let vanishes = scale <= 0.0 && !noisy || scale > 0.0 && scale.recip().is_infinite();
    io.noise_management != NoiseManagement::None && vanishes
}

/// The larger number, NaN if either is.
fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_follows_its_formula() {
        let row = [0.5, -2.0, 1.0];
        let with = |noise_management, nm_thres| IoParameters { noise_management, nm_thres, ..Default::default() };
        let once = |io: IoParameters| scale(&io, &row, &mut None);
        assert_eq!(once(with(NoiseManagement::None, 0.5)), 1.0);
        assert_eq!(once(with(NoiseManagement::AbsMax, 0.0)), 2.0);
        assert_eq!(once(with(NoiseManagement::AbsMax, 0.7)), 0.7);
        assert_eq!(once(with(NoiseManagement::Max, 0.0)), 1.0);
        assert_eq!(once(with(NoiseManagement::Constant, 0.0)), 1.0);
        assert_eq!(once(with(NoiseManagement::Constant, 3.0)), 3.0);
        let io = IoParameters { out_bound: 0.25, inp_res: -1.0, ..with(NoiseManagement::AbsMaxNpSum, 0.0) };
        assert_eq!(once(io), 2.0 * 0.6 / 0.25);
    }

    #[test]
    fn the_average_starts_with_the_first_row() {
        let io =
            IoParameters { noise_management: NoiseManagement::AverageAbsMax, nm_decay: 0.25, ..Default::default() };
        let mut average = None;
        assert_eq!(scale(&io, &[4.0], &mut average), 4.0);
        assert_eq!(scale(&io, &[0.0], &mut average), 3.0);
        assert_eq!(average, Some(3.0));
    }

    #[test]
    fn unread_rows_depend_on_the_direction() {
        let io = IoParameters { inp_noise: 0.1, ..Default::default() };
        assert!(!is_silent(&io, 0.0, Direction::Forward));
        assert!(is_silent(&io, 0.0, Direction::Backward));
        assert!(is_silent(&IoParameters::default(), 0.0, Direction::Forward));
        assert!(is_silent(&io, 1e-39, Direction::Forward) && !is_silent(&io, 1e-38, Direction::Forward));
        assert!(!is_silent(&io, f32::NAN, Direction::Backward));
    }
}
