//! The contents of the tiles of a chip: programmed and drifted weights, and the compensation of their drift.

use ohmgrad_tensor::{Key, Tensor};

use super::Tile;
use crate::noise::Programmed;

/// The tiles of one weight as they are on a chip.
#[derive(Clone, Debug)]
pub struct ProgrammedTiles {
    /// The key that read noise is drawn from.
    pub(crate) key: Key,
    pub(crate) t: Option<f32>,
    pub(crate) tiles: Vec<ProgrammedTile>,
}

/// One tile on a chip. All weights are tile weights w, [outs, ins], without mapping scales.
#[derive(Clone, Debug)]
pub struct ProgrammedTile {
    /// The weights after programming, with the data of their drift.
    pub programmed: Programmed,
    /// The weights that reads use at present.
    pub present: Tensor,
    /// The statistic of the baseline, as [`DriftCompensation`](crate::noise::DriftCompensation) defines it; `None`
    /// without a compensation.
    pub baseline: Option<Tensor>,
    /// The factor on outputs in evaluation, of one element or `[outs]`; `None` (a factor of 1) until the first drift
    /// and without a compensation.
    pub alpha: Option<Tensor>,
    /// The mean magnitude of a readout of weights of 0, which is noise alone.
    pub noise_floor: f32,
}

/// A tile whose readout is weak against its noise, so that its drift compensation means little: the noise hides the
/// decay of the weights, and α stays near 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeakReadout {
    /// The number of the tile in its tile array.
    pub tile: usize,
    /// The mean magnitude of the weights, which is that of a readout without noise.
    pub signal: f32,
    /// The mean magnitude of the noise.
    pub noise: f32,
}

/// A readout is weak below this multiple of its noise.
const WEAK: f32 = 3.0;

impl std::fmt::Display for WeakReadout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tile, signal, noise } = self;
        write!(
            f,
            "tile {tile}: the mean magnitude of the weights is {signal:.4}, and that of the noise in the readout for \
             drift compensation is {noise:.4}, so that α is too small; mapping with weight_scaling_omega = 1 makes the \
             readout stronger"
        )
    }
}

impl ProgrammedTiles {
    /// The tiles, in the order of [`TileArray::tiles`](crate::TileArray::tiles).
    pub fn tiles(&self) -> &[ProgrammedTile] {
        &self.tiles
    }

    /// The time drifted to, in seconds since programming; `None` until the first drift.
    pub fn time(&self) -> Option<f32> {
        self.t
    }

    /// The tiles whose readout is below three times its noise.
    pub fn warnings(&self) -> Vec<WeakReadout> {
        let weak = |(tile, on): (usize, &ProgrammedTile)| {
            let readout = WeakReadout { tile, signal: mean_magnitude(&on.present), noise: on.noise_floor };
            (on.baseline.is_some() && readout.signal < WEAK * readout.noise).then_some(readout)
        };
        self.tiles.iter().enumerate().filter_map(weak).collect()
    }
}

impl ProgrammedTile {
    /// α as a row [1, outs].
    pub(crate) fn alpha_row(&self, tile: &Tile) -> Option<Tensor> {
        Some(self.alpha.as_ref()?.unsqueeze(0).broadcast_to(&[1, tile.outs.len()]))
    }
}

pub(crate) fn mean_magnitude(w: &Tensor) -> f32 {
    if w.is_empty() { 0.0 } else { w.abs().mean() }
}
