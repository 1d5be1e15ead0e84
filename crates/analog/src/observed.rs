//! Observations that an analog product makes, on a tape that asks for them.

use std::sync::{Mutex, PoisonError};

use crate::mvm::{Counters, Direction};

/// Counters of one call of a layer on tiles, tile by tile.
///
/// A forward leaves it among the [`observations`](ohmgrad_autograd::Tape::observations) of a tape that is
/// [`observed`](ohmgrad_autograd::Tape::observed), a backward among the values that its gradients have
/// [`deposited`](ohmgrad_autograd::Gradients::deposited); each time with the weight's parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The direction of the reads: of the tiles, or of the transposed ones.
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
