//! The state of input ranges: what r each tile has, and how it is found from the first batches of a training.
//!
//! For the first `init_from_data` calls `r ← (k·r + α·std)/(k + 1)`, then k ← k + 1, with the unbiased standard deviation
//! of all inputs of the tile; a batch without spread does not count. Source: aihwkit `periphery.py` (`apply_input_range`).

use ohmgrad_autograd::{Param, Tape};
use ohmgrad_tensor::{Key, Lowering, Tensor};

use super::{Tile, TileArray};
use crate::config::InferenceRpuConfig;

/// The input ranges of the tiles of a weight.
#[derive(Clone, Debug)]
pub struct InputRanges {
    /// The r of each tile. Trained if the configuration says so.
    pub values: Param,
    /// How many calls each has been found from.
    pub calls: Param,
}

impl InputRanges {
    /// Ranges as they are at first, if the configuration has any.
    pub(super) fn new(config: &InferenceRpuConfig, tiles: usize) -> Option<Self> {
        let how = &config.pre_post.input_range;
        let all = |value| Param::new(Tensor::full(&[tiles], value));
        how.enable.then(|| Self { values: all(how.init_value), calls: all(0.0) })
    }
}

impl TileArray {
    /// The parameter that learned input ranges are.
    pub(crate) fn learned_range(&self) -> Option<&Param> {
        let ranges = self.input_ranges.as_ref()?;
        let how = &self.config.pre_post.input_range;
        (how.enable && how.learn_input_range).then_some(&ranges.values)
    }

    /// The range of each tile for a read of these inputs, after they have had their part in finding it.
    pub(crate) fn ranges(&self, tape: &Tape, lowering: &Lowering, x: &Tensor, keys: &[Key]) -> Option<Vec<f32>> {
        if self.is_calibrating() {
            self.calibrate_on(tape, lowering, x, keys);
        }
        let how = &self.config.pre_post.input_range;
        let ranges = self.input_ranges.as_ref().filter(|_| how.enable)?;
        let mut values = tape.state(ranges.values.id(), &ranges.values.value);
        let mut calls = tape.state(ranges.calls.id(), &ranges.calls.value);
        let finding = |calls: f32| calls < how.init_from_data as f32;
        if !tape.is_training() || !calls.iter().any(|&calls| finding(calls)) {
            return Some(values.to_vec());
        }
        let spreads = spreads(&self.tiles, lowering, x);
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

/// A running mean over calls; what is not above 0 does not count.
pub(super) fn follow(mean: &mut f32, calls: &mut f32, value: f32) {
    if value > 0.0 {
        *mean = (*mean * *calls + value) / (*calls + 1.0);
        *calls += 1.0;
    }
}

/// Calls `see` with the rows of each part of the inputs, block by block: the numbers of the tiles that take them, and the
/// rows [n, in].
pub(super) fn for_each_part(
    tiles: &[Tile],
    lowering: &Lowering,
    x: &Tensor,
    mut see: impl FnMut(std::ops::Range<usize>, &Tensor, usize),
) {
    lowering.for_each_rows(x, |group, rows, first| {
        let mut number = 0;
        for part in tiles.chunk_by(Tile::same_inputs) {
            if part[0].group == group {
                see(number..number + part.len(), &rows.slice(1, part[0].ins.clone()), first);
            }
            number += part.len();
        }
    });
}

/// The unbiased standard deviation of the inputs of each tile; NaN for a single one.
fn spreads(tiles: &[Tile], lowering: &Lowering, x: &Tensor) -> Vec<f32> {
    let mut spreads = vec![Spread::default(); tiles.len()];
    for_each_part(tiles, lowering, x, |numbers, rows, _| {
        let block = Spread::of(rows);
        spreads[numbers].iter_mut().for_each(|spread| spread.add(block));
    });
    spreads.into_iter().map(Spread::std).collect()
}

/// Moments of numbers that come in blocks (Chan, Golub, LeVeque 1983).
#[derive(Clone, Copy, Default)]
pub(super) struct Spread {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    pub fn of(values: &Tensor) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n.max(1.0);
        Self { n, mean, squares: values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum() }
    }

    pub fn add(&mut self, other: Self) {
        let n = self.n + other.n;
        if n > 0.0 {
            let apart = other.mean - self.mean;
            self.mean += apart * other.n / n;
            self.squares += other.squares + apart * apart * self.n * other.n / n;
            self.n = n;
        }
    }

    pub fn std(self) -> f32 {
        (self.squares / (self.n - 1.0)).sqrt() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_blocks_are_those_of_the_whole() {
        let x = Tensor::normal(&[7, 30], Key::new(1)).map(|x| 3.0 * x + 100.0);
        let mut spread = Spread::default();
        for rows in [0..2, 2..2, 2..7] {
            spread.add(Spread::of(&x.slice(0, rows)));
        }
        assert!((spread.std() - Spread::of(&x).std()).abs() < 1e-5);
        assert!((spread.std() - x.std(1)).abs() < 1e-3);
    }

    #[test]
    fn the_first_value_forgets_and_nothing_does_not_count() {
        let (mut r, mut calls) = (3.0, 0.0);
        for (value, expected) in [(2.0, 2.0), (0.0, 2.0), (f32::NAN, 2.0), (4.0, 3.0)] {
            follow(&mut r, &mut calls, value);
            assert_eq!(r, expected);
        }
        assert_eq!(calls, 2.0);
    }
}
