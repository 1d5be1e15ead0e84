//! Counters of analog products, on tapes that are observed.

use std::sync::{Mutex, PoisonError};

use crate::mvm::{Counters, Direction};

/// Counters of one call of a layer on tiles, tile by tile.
///
/// On an [`observed`](ohmgrad_autograd::Tape::observed) tape, a forward adds them to the tape's
/// [`observations`](ohmgrad_autograd::Tape::observations), and a backward to the values
/// [`deposited`](ohmgrad_autograd::Gradients::deposited) with the gradients; both under the weight's parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The direction: forward reads or transposed reads.
    pub direction: Direction,
    /// The counts of each tile, in the order of [`TileArray::tiles`](crate::TileArray::tiles).
    pub tiles: Vec<Counters>,
}

/// Counters that blocks of rows add to, in any order.
pub(crate) struct Counting(Vec<Mutex<Counters>>);

impl Counting {
    /// Counters for this number of tiles.
    pub fn new(tiles: usize) -> Self {
        Self((0..tiles).map(|_| Mutex::default()).collect())
    }

    /// The counters of a tile, if there are any.
    pub fn of(this: Option<&Self>, tile: usize) -> Option<&Mutex<Counters>> {
        this.map(|Self(tiles)| &tiles[tile])
    }

    /// Returns the counts.
    pub fn finish(self, direction: Direction) -> Observed {
        let count = |tile: Mutex<Counters>| tile.into_inner().unwrap_or_else(PoisonError::into_inner);
        Observed { direction, tiles: self.0.into_iter().map(count).collect() }
    }
}
