//! Tiles: the cut of a logical matrix into rectangles that fit a crossbar, the contents of tiles during a call, and
//! their reads. Changes between calls are in `array/`.

mod contents;
pub(crate) mod grid;
pub(crate) mod out_scaling;
mod programmed;
mod read;
pub(crate) mod running_mean;
mod transposed;

use std::ops::Range;

use ohmgrad_tensor::{Key, Tensor};

use crate::config::{InferenceRpuConfig, MappingParameter};
use crate::mvm::{Direction, Pattern};

pub(crate) use contents::{Contents, Effective, Hardware, column_length, modifier_key};
pub(crate) use grid::{Column, Grid, Rectangle, side_by_side, stacked, sum};
pub(crate) use programmed::mean_magnitude;
pub use programmed::{ProgrammedTile, ProgrammedTiles, WeakReadout};
pub(crate) use read::{Call, Reader, times, within};
pub(crate) use running_mean::RowScales;
pub(crate) use transposed::{OfTile, Transposed};

/// One crossbar of a [`TileArray`](crate::TileArray): a rectangle of the logical weight.
#[derive(Clone, Debug)]
pub struct Tile {
    /// The group of channels that it belongs to; 0 except in grouped convolutions.
    pub group: usize,
    /// The outputs that this tile computes.
    pub outs: Range<usize>,
    /// The inputs that it takes.
    pub ins: Range<usize>,
    /// The mapping scales s between logical and tile weight, `w = W/s`: [1, 1] or [outs, 1]; `None` for 1.
    pub scales: Option<Tensor>,
    /// Fixed variations of forward reads.
    pub forward: Pattern,
    /// Fixed variations of backward reads.
    pub backward: Pattern,
    /// The site, by which this tile's noise differs from that of all others: a function of the hardware's key and of
    /// the tile's place in the network.
    pub(crate) site: u64,
    /// The key that fixed variations are drawn from.
    pub(crate) key: Key,
}

impl Tile {
    /// The tile of a rectangle, with its fixed variations: `place` is the tile's place in the network, `hardware` the
    /// key of the conversion.
    pub(crate) fn new(rectangle: Rectangle, config: &InferenceRpuConfig, place: Key, hardware: Key) -> Self {
        let Rectangle { group, outs, ins } = rectangle;
        // From `hardware` too, so that two chips on one tape have different noise.
        let [site, _] = hardware.fold(place.to_words()[0]).to_words();
        let key = hardware.fold("variations").fold(site);
        let none = Pattern::default;
        let mut tile = Self { group, outs, ins, scales: None, forward: none(), backward: none(), site, key };
        tile.forward = tile.draw(&config.forward, Direction::Forward);
        tile.backward = tile.draw(&config.backward.read(), Direction::Backward);
        tile
    }

    /// The tile's part of a matrix [out, in].
    pub(crate) fn rectangle(&self, matrix: &Tensor) -> Tensor {
        matrix.slice(0, self.outs.clone()).slice(1, self.ins.clone())
    }

    /// The tile weights of a logical matrix: its rectangle over the scales.
    pub(crate) fn stored(&self, matrix: &Tensor) -> Tensor {
        let part = self.rectangle(matrix);
        self.scales.as_ref().map_or(part.clone(), |s| &part / s)
    }

    /// The logical weights of tile weights: these times the scales.
    pub(crate) fn logical(&self, w: &Tensor) -> Tensor {
        self.scales.as_ref().map_or(w.clone(), |s| w * s)
    }

    /// The mean mapping scale under `weight_scaling_lr_compensation`, else 1: the factor of this compensation on the
    /// gradient of the logical weight.
    pub(crate) fn lr_compensation(&self, mapping: &MappingParameter) -> f32 {
        let compensated = mapping.weight_scaling_lr_compensation;
        self.scales.as_ref().filter(|_| compensated).map_or(1.0, |scales| scales.mean())
    }

    /// Draws this tile's fixed variations under given parameters.
    pub(crate) fn draw(&self, io: &crate::IoParameters, direction: Direction) -> Pattern {
        match direction {
            Direction::Forward => Pattern::draw(io, self.outs.len(), self.ins.len(), self.key.fold("forward")),
            Direction::Backward => Pattern::draw(io, self.ins.len(), self.outs.len(), self.key.fold("backward")),
        }
    }
}
