//! Updates by pulses: how the outer product of inputs and output gradients changes devices.
//!
//! [`UpdateParameters`] describes it, [`PulseType`] chooses the rule, and [`Statistics`] counts the pulses.
//! `docs/devices.md` has the formulas.
//!
//! | where is … | file |
//! |---|---|
//! | what a user writes | `parameters.rs` |
//! | the length of a sample's trains and the probabilities of its lines | `lines.rs` |
//! | the bits of lines, and masks of them | `bits.rs` |
//! | the trains of all lines in the form that rows need, and the counts of the dense pulse types | `trains.rs` |
//! | the numbers of pulses at crosspoints | `counts.rs` |
//! | the application of pulses to rows of devices | `apply.rs` |
//!
//! Samples follow one another, each on the weights that the one before it left. Within a sample all pulses of a
//! crosspoint go the same way, against the sign of `d·x`; crosspoints of a row or column share its bits, so the counts
//! of neighbours are correlated as on hardware. Source: aihwkit `rpu_weight_updater.cpp`, `sparse_bit_line_maker.cpp`.

mod apply;
mod bits;
mod counts;
mod lines;
mod parameters;
mod statistics;
mod trains;

use std::ops::Range;

use ohmgrad_tensor::Tensor;

pub(crate) use apply::{Job, Side, clip, pulse};
pub(crate) use counts::count_pulses;
pub use lines::{Lines, lines};
pub use parameters::{PulseType, UpdateParameters};
pub use statistics::Statistics;
pub(crate) use trains::Trains;

/// Pairs of inputs and output gradients of one tile, row by row, for one optimizer step.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'a> {
    x: &'a [f32],
    d: &'a [f32],
    ins: usize,
    outs: usize,
    /// Distances from each row of x, and of d, to the next.
    strides: [usize; 2],
    /// The number of pairs.
    number: usize,
    /// The number of the first pair within its step.
    first: usize,
}

impl<'a> Pairs<'a> {
    /// Pairs from inputs [n, in] and output gradients [n, out].
    ///
    /// # Panics
    /// If the numbers of rows differ, or one tensor is not contiguous.
    pub fn new(x: &'a Tensor, d: &'a Tensor) -> Self {
        assert!(
            x.rank() == 2 && d.rank() == 2 && x.shape()[0] == d.shape()[0],
            "update: pairs of {:?} and {:?}",
            x.shape(),
            d.shape()
        );
        Self::of_columns(x, 0..x.shape()[1], d, 0..d.shape()[1])
    }

    /// Pairs of some columns of inputs [n, …] and of output gradients [n, …], which are contiguous.
    pub(crate) fn of_columns(x: &'a Tensor, ins: Range<usize>, d: &'a Tensor, outs: Range<usize>) -> Self {
        let slice = |t: &'a Tensor, first: usize| match t.is_empty() {
            true => &[][..],
            false => &t.as_slice().expect("pairs are contiguous")[first..],
        };
        Self {
            x: slice(x, ins.start),
            d: slice(d, outs.start),
            ins: ins.len(),
            outs: outs.len(),
            strides: [x.shape()[1], d.shape()[1]],
            number: x.shape()[0],
            first: 0,
        }
    }

    /// Pairs in memory, one after the other.
    ///
    /// # Panics
    /// If the lengths are not `n·ins` and `n·outs` for one n.
    pub fn from_slices(x: &'a [f32], ins: usize, d: &'a [f32], outs: usize) -> Self {
        let n = x.len() / ins.max(1);
        assert!(
            x.len() == n * ins && d.len() == n * outs,
            "update: {} inputs and {} output gradients are not whole pairs",
            x.len(),
            d.len()
        );
        Self { x, d, ins, outs, strides: [ins, outs], number: n, first: 0 }
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.number
    }

    /// Returns `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of inputs of one pair.
    pub fn ins(&self) -> usize {
        self.ins
    }

    /// The number of output gradients of one pair.
    pub fn outs(&self) -> usize {
        self.outs
    }

    /// The inputs of the i-th pair.
    pub fn x(&self, i: usize) -> &'a [f32] {
        &self.x[i * self.strides[0]..][..self.ins]
    }

    /// The output gradients of the i-th pair.
    pub fn d(&self, i: usize) -> &'a [f32] {
        &self.d[i * self.strides[1]..][..self.outs]
    }

    /// The number of the first pair within its step; each pair's bits depend on its own number.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// Consecutive pairs, which keep their numbers.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let [x, d] = self.strides.map(|stride| range.start * stride);
        Self {
            // An empty range may start beyond the end of the memory.
            x: self.x.get(x..).unwrap_or_default(),
            d: self.d.get(d..).unwrap_or_default(),
            number: range.len(),
            first: self.first + range.start,
            ..*self
        }
    }
}
