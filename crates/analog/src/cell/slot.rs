//! What a cell remembers, piece by piece.

use ohmgrad_tensor::Tensor;

/// A piece of the state of a cell, to be written to a checkpoint or replaced from one.
#[derive(Debug)]
pub enum Slot<'a> {
    /// An array.
    Array(&'a mut Tensor),
    /// A number.
    Number(&'a mut f32),
    /// A counter.
    Count(&'a mut u64),
}
