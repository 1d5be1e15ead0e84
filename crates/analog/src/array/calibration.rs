//! Finding the input ranges of a trained network from data.
//!
//! | mode | r |
//! |---|---|
//! | MAX | the largest \|x\| |
//! | CACHE_QUANTILE | a quantile of \|x\| over the entries of `max_samples` rows, drawn from all with equal chances |
//! | MOVING_QUANTILE | the mean over batches of that quantile of each batch |
//! | MOVING_STD | the mean over the first `max_samples` batches of α standard deviations |
//!
//! Rows of zeros do not count. The first two modes read perfectly and without ranges, so that no layer is calibrated on
//! inputs that earlier layers have cut; the others read as the hardware does, with the ranges found so far. Source:
//! aihwkit `inference/calibration/calibration.py`; `docs/inference.md` lists the differences.

use std::sync::Arc;

use ohmgrad_autograd::{Param, Tape};
use ohmgrad_tensor::{Array, Im2col, Key, Tensor, random};

use super::input_range::{InputRanges, follow, for_each_column};
use super::{TileArray, refuse_analog_bias};
use crate::config::{Calibration, CalibrationMode, InferenceRpuConfig, NoiseManagement};
use crate::error::Error;
use crate::statistics::{Spread, quantile};
use crate::tile::running_mean;

/// Ranges that a calibration has found for the tiles of a weight.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibratedRanges {
    /// The range of each tile.
    pub ranges: Vec<f32>,
    /// The number of tiles that keep their earlier range because none was found, such as those with inputs of 0 alone.
    pub unseen: usize,
    /// `true` if there was no range before; it is not learned then.
    pub is_new: bool,
    /// The noise management that was switched off, if one was.
    pub noise_management: Option<NoiseManagement>,
}

/// A calibration under way.
#[derive(Clone, Debug)]
pub(crate) struct Calibrating {
    how: Calibration,
    before: Arc<InferenceRpuConfig>,
    ranges_before: Option<InputRanges>,
    /// Rows kept for CACHE_QUANTILE, for each part of the inputs: [n, 1 + in], each with its random number in front.
    caches: Vec<Param>,
}

impl TileArray {
    /// Returns `true` if a calibration would find ranges for these tiles.
    ///
    /// # Errors
    /// If they can't have any, or a setting is wrong.
    pub fn can_calibrate(&self, how: &Calibration, path: &str) -> Result<bool, Error> {
        if !(0.0..=1.0).contains(&how.quantile) {
            let (field, value) = ("quantile".into(), how.quantile.to_string());
            return Err(Error::InvalidField { field, value, allowed: "from 0 to 1".into() });
        }
        let refused = |reason: &str| Error::Convert { layer: path.into(), reason: reason.into() };
        if !how.force_all_layers && !self.config().pre_post.input_range.enable {
            return Ok(false);
        }
        if !how.force_all_layers && self.config().forward.noise_management != NoiseManagement::None {
            return Err(refused("an input range is calibrated with forward.noise_management = \"NONE\""));
        }
        if self.has_analog_bias() {
            refuse_analog_bias(&with_ranges(self.config())).map_err(refused)?;
        }
        Ok(true)
    }

    /// Begins a calibration: from now on forwards on evaluation tapes find input ranges;
    /// [`commit_calibration`](Self::commit_calibration) takes them over from each tape.
    pub fn begin_calibration(&mut self, how: &Calibration) {
        let before = Arc::clone(&self.hardware.config);
        let mut during = with_ranges(&before);
        if how.reads_perfectly() {
            during.forward.is_perfect = true;
            during.pre_post.input_range.enable = false;
        }
        let tiles = self.tiles().len();
        let ranges_before = self.input_ranges.clone();
        let ranges = self.input_ranges.take().or_else(|| InputRanges::new(&with_ranges(&before), tiles));
        let mut ranges = ranges.expect("the configuration has ranges now");
        ranges.calls.value = Tensor::full(&[tiles], 0.0);
        self.input_ranges = Some(ranges);
        let columns = self.hardware.grid.columns().iter();
        let caches = columns.map(|column| Param::new(Tensor::full(&[0, 1 + column.ins.len()], 0.0))).collect();
        self.hardware.config = Arc::new(during);
        self.calibrating = Some(Box::new(Calibrating { how: *how, before, ranges_before, caches }));
    }

    /// Takes over the results of the forwards on a tape.
    pub fn commit_calibration(&mut self, tape: &Tape) {
        let caches = self.calibrating.iter_mut().flat_map(|calibrating| &mut calibrating.caches);
        let ranges = self.input_ranges.iter_mut().flat_map(|ranges| [&mut ranges.values, &mut ranges.calls]);
        for param in caches.chain(ranges) {
            param.value = tape.state(param.id(), &param.value);
        }
    }

    /// Ends a calibration without a result: everything is as before.
    pub fn abort_calibration(&mut self) {
        if let Some(calibrating) = self.calibrating.take() {
            self.hardware.config = calibrating.before;
            self.input_ranges = calibrating.ranges_before;
        }
    }

    /// Ends a calibration: takes the ranges that were found and switches noise management off; all else is as before.
    pub fn finish_calibration(&mut self) -> Option<CalibratedRanges> {
        let Calibrating { how, before, caches, .. } = *self.calibrating.take()?;
        let after = with_ranges(&before);
        let ranges = self.input_ranges.as_mut()?;
        if how.mode == CalibrationMode::CacheQuantile {
            let values = ranges.values.value.make_mut();
            for (column, cache) in self.hardware.grid.columns().iter().zip(caches) {
                let rows = cache.value.slice(1, 1..cache.value.shape()[1]);
                if !rows.is_empty() && !ranges.calls.value[[column.tiles.start]].is_nan() {
                    values[column.tiles.clone()].fill(quantile(&rows, how.quantile));
                    ranges.calls.value.make_mut()[column.tiles.clone()].fill(1.0);
                }
            }
        }
        let unseen = ranges.calls.value.iter().filter(|&&calls| calls == 0.0).count();
        // A later training does not find ranges from data again.
        ranges.calls.value =
            Tensor::full(&[self.hardware.tiles.len()], after.pre_post.input_range.init_from_data as f32);
        let found = CalibratedRanges {
            ranges: ranges.values.value.to_vec(),
            unseen,
            is_new: !before.pre_post.input_range.enable,
            noise_management: Some(before.forward.noise_management).filter(|nm| *nm != NoiseManagement::None),
        };
        let shape = running_mean::shape(&after, self.tiles().len());
        if self.averages.value.shape() != shape {
            self.averages.value = Tensor::full(&shape, -1.0);
        }
        self.hardware.config = Arc::new(after);
        Some(found)
    }

    pub(super) fn is_calibrating(&self) -> bool {
        self.calibrating.is_some()
    }

    /// Updates the ranges, or the rows kept for them, by the inputs of a call, as state of the tape.
    pub(super) fn calibrate_on(&self, tape: &Tape, im2col: &Im2col, x: &Tensor, keys: &[Key]) {
        let (Some(calibrating), Some(ranges)) = (&self.calibrating, &self.input_ranges) else { return };
        let how = &calibrating.how;
        let mut statistics = vec![InputStatistics::default(); self.tiles().len()];
        let mut lost = vec![false; self.tiles().len()];
        for_each_column(&self.hardware.grid, im2col, x, |(number, column), rows, first| {
            let kept: Vec<usize> =
                (0..rows.shape()[0]).filter(|&i| rows.slice(0, i..i + 1).iter().any(|&x| x != 0.0)).collect();
            let rows = rows.take_rows(&kept);
            if rows.is_empty() {
                return;
            }
            if rows.iter().any(|x| !x.is_finite()) {
                lost[column.tiles.clone()].fill(true);
                return;
            }
            if how.mode == CalibrationMode::CacheQuantile {
                let cache = &calibrating.caches[number];
                let key = keys[column.tiles.start].fold("calibration").fold(first);
                tape.set_state(cache.id(), keep(tape.state(cache.id(), &cache.value), &rows, how.max_samples, key));
                return;
            }
            statistics[column.tiles.clone()].iter_mut().for_each(|statistics| statistics.add(&rows, how));
        });
        let mut values = tape.state(ranges.values.id(), &ranges.values.value);
        let mut calls = tape.state(ranges.calls.id(), &ranges.calls.value);
        let alpha = how.std_alpha.unwrap_or(self.config().pre_post.input_range.init_std_alpha);
        for ((r, calls), statistics) in values.make_mut().iter_mut().zip(calls.make_mut()).zip(statistics) {
            match how.mode {
                // NaN stays NaN.
                _ if calls.is_nan() => {}
                CalibrationMode::CacheQuantile => {}
                CalibrationMode::Max if statistics.max > 0.0 => {
                    *r = if *calls == 0.0 { statistics.max } else { r.max(statistics.max) };
                    *calls += 1.0;
                }
                CalibrationMode::Max => {}
                CalibrationMode::MovingQuantile if statistics.values.is_empty() => {}
                CalibrationMode::MovingQuantile => follow(r, calls, quantile(&statistics.values.into(), how.quantile)),
                CalibrationMode::MovingStd if *calls >= how.max_samples as f32 => {}
                CalibrationMode::MovingStd => follow(r, calls, alpha * statistics.spread.std()),
            }
        }
        for (i, _) in lost.into_iter().enumerate().filter(|(_, lost)| *lost) {
            (values.make_mut()[i], calls.make_mut()[i]) = (f32::NAN, f32::NAN);
        }
        tape.set_state(ranges.values.id(), values);
        tape.set_state(ranges.calls.id(), calls);
    }
}

/// Statistics of a tile's inputs in one call.
#[derive(Clone, Default)]
struct InputStatistics {
    max: f32,
    spread: Spread,
    values: Vec<f32>,
}

impl InputStatistics {
    fn add(&mut self, rows: &Tensor, how: &Calibration) {
        match how.mode {
            CalibrationMode::Max => self.max = self.max.max(rows.abs().max()),
            CalibrationMode::MovingStd => self.spread.add(Spread::of(rows)),
            CalibrationMode::MovingQuantile => self.values.extend(rows.iter()),
            CalibrationMode::CacheQuantile => {}
        }
    }
}

/// The configuration with input ranges, new ones not learned, and without noise management.
fn with_ranges(config: &InferenceRpuConfig) -> InferenceRpuConfig {
    let mut config = config.clone();
    config.forward.noise_management = NoiseManagement::None;
    let range = &mut config.pre_post.input_range;
    range.learn_input_range &= range.enable;
    range.enable = true;
    config
}

/// Keeps the `wanted` rows with the smallest random numbers; each new row gets one.
fn keep(cache: Tensor, rows: &Tensor, wanted: usize, key: Key) -> Tensor {
    let n = rows.shape()[0];
    let mut chances = vec![0.0; n];
    random::fill_uniform(&mut chances, key);
    let new = Array::concat(&[Tensor::from_vec(chances, &[n, 1]), rows.clone()], 1);
    let all = Array::concat(&[cache, new], 0);
    let mut order: Vec<usize> = (0..all.shape()[0]).collect();
    order.sort_by(|&a, &b| all[[a, 0]].total_cmp(&all[[b, 0]]));
    order.truncate(wanted);
    all.take_rows(&order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_with_equal_chances() {
        let mut counts = [0; 4];
        for seed in 0..2000 {
            let mut cache = Tensor::full(&[0, 2], 0.0);
            for batch in 0..2 {
                let rows = Tensor::from([[2.0 * batch as f32], [2.0 * batch as f32 + 1.0]]);
                cache = keep(cache, &rows, 2, Key::new(seed).fold(batch as u64));
            }
            cache.slice(1, 1..2).iter().for_each(|&row| counts[row as usize] += 1);
        }
        // 1000 each with a standard error of 22; one key in 29,000 would fail.
        assert!(counts.iter().all(|&count| (count as f32 - 1000.0).abs() < 100.0), "{counts:?}");
    }
}
