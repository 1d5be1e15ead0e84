//! What an analog product observes while it computes, on a tape that asks for it.

use std::sync::{Mutex, PoisonError};

use crate::mvm::{Counters, Direction};

/// What one call of a layer on tiles did to its signals, tile by tile.
///
/// Forward it is among the [`observations`](ohmgrad_autograd::Tape::observations) of a tape that is
/// [`observed`](ohmgrad_autograd::Tape::observed), backward among what its gradients have
/// [`deposited`](ohmgrad_autograd::Gradients::deposited); each time with the weight's parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Which reads: of the tiles, or of the transposed ones.
    pub direction: Direction,
    /// The counts of each tile, in the order of [`TileArray::tiles`](crate::TileArray::tiles).
    pub tiles: Vec<Counters>,
}

/// Counters that blocks of rows add to, in any order.
pub(crate) struct Counting(Vec<Mutex<Counters>>);

impl Counting {
    /// For so many tiles.
    pub fn new(tiles: usize) -> Self {
        Self((0..tiles).map(|_| Mutex::default()).collect())
    }

    /// Those of a tile, if anybody wants to know.
    pub fn of(this: Option<&Self>, tile: usize) -> Option<&Mutex<Counters>> {
        this.map(|Self(tiles)| &tiles[tile])
    }

    /// What was counted.
    pub fn finish(self, direction: Direction) -> Observed {
        let count = |tile: Mutex<Counters>| tile.into_inner().unwrap_or_else(PoisonError::into_inner);
        Observed { direction, tiles: self.0.into_iter().map(count).collect() }
    }
}
