//! The state of input ranges: the r of each tile, and its derivation from the first batches of a training.
//!
//! For the first `init_from_data` calls `r ← (k·r + α·std)/(k + 1)`, then k ← k + 1, with the unbiased standard deviation
//! of all inputs of the tile; a batch without spread does not count. Source: aihwkit `periphery.py` (`apply_input_range`).

use ohmgrad_autograd::{Param, Tape};
use ohmgrad_tensor::{Im2col, Key, Tensor};

use super::TileArray;
use crate::config::InferenceRpuConfig;
use crate::statistics::Spread;
use crate::tile::{Column, Grid};

/// The input ranges of the tiles of a weight.
#[derive(Clone, Debug)]
pub struct InputRanges {
    /// The r of each tile, trained if the configuration enables it.
    pub values: Param,
    /// The number of calls that each has been found from.
    pub calls: Param,
}

impl InputRanges {
    /// The initial ranges, if the configuration has any.
    pub(super) fn new(config: &InferenceRpuConfig, tiles: usize) -> Option<Self> {
        let how = &config.pre_post.input_range;
        let all = |value| Param::new(Tensor::full(&[tiles], value));
        how.enable.then(|| Self { values: all(how.init_value), calls: all(0.0) })
    }
}

impl TileArray {
    /// The parameter of learned input ranges.
    pub(crate) fn learned_range(&self) -> Option<&Param> {
        let ranges = self.input_ranges.as_ref()?;
        let how = &self.config().pre_post.input_range;
        (how.enable && how.learn_input_range).then_some(&ranges.values)
    }

    /// The range of each tile for a read of these inputs; updated by them first, while ranges are found from data.
    pub(crate) fn ranges(&self, tape: &Tape, im2col: &Im2col, x: &Tensor, keys: &[Key]) -> Option<Vec<f32>> {
        if self.is_calibrating() {
            self.calibrate_on(tape, im2col, x, keys);
        }
        let how = &self.config().pre_post.input_range;
        let ranges = self.input_ranges.as_ref().filter(|_| how.enable)?;
        let mut values = tape.state(ranges.values.id(), &ranges.values.value);
        let mut calls = tape.state(ranges.calls.id(), &ranges.calls.value);
        let finding = |calls: f32| calls < how.init_from_data as f32;
        if !tape.is_training() || !calls.iter().any(|&calls| finding(calls)) {
            return Some(values.to_vec());
        }
        let spreads = spreads(&self.hardware.grid, im2col, x);
        for ((r, calls), spread) in values.make_mut().iter_mut().zip(calls.make_mut()).zip(spreads) {
            if finding(*calls) {
                follow(r, calls, how.init_std_alpha * spread);
                *r = r.abs();
            }
        }
        tape.set_state(ranges.values.id(), values.clone());
        tape.set_state(ranges.calls.id(), calls);
        Some(values.to_vec())
    }
}

/// A running mean over calls; values that are not above 0 do not count.
pub(super) fn follow(mean: &mut f32, calls: &mut f32, value: f32) {
    if value > 0.0 {
        *mean = (*mean * *calls + value) / (*calls + 1.0);
        *calls += 1.0;
    }
}

/// Calls `see` with the rows of each column of tiles, block by block: the column with its number, the rows [n, in], and
/// the number of the first one.
pub(super) fn for_each_column(
    grid: &Grid,
    im2col: &Im2col,
    x: &Tensor,
    mut see: impl FnMut((usize, &Column), &Tensor, usize),
) {
    im2col.for_each_rows(x, |group, rows, first| {
        for (number, column) in grid.columns().iter().enumerate().filter(|(_, column)| column.group == group) {
            see((number, column), &rows.slice(1, grid.weight_ins(&column.ins)), first);
        }
    });
}

/// The unbiased standard deviation of the inputs of each tile; NaN for a single input.
fn spreads(grid: &Grid, im2col: &Im2col, x: &Tensor) -> Vec<f32> {
    let mut spreads = vec![Spread::default(); grid.columns().last().map_or(0, |column| column.tiles.end)];
    for_each_column(grid, im2col, x, |(_, column), rows, _| {
        let block = Spread::of(rows);
        spreads[column.tiles.clone()].iter_mut().for_each(|spread| spread.add(block));
    });
    spreads.into_iter().map(Spread::std).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_replaces_and_empty_calls_do_not_count() {
        let (mut r, mut calls) = (3.0, 0.0);
        for (value, expected) in [(2.0, 2.0), (0.0, 2.0), (f32::NAN, 2.0), (4.0, 3.0)] {
            follow(&mut r, &mut calls, value);
            assert_eq!(r, expected);
        }
        assert_eq!(calls, 2.0);
    }
}
