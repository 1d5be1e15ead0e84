//! The state of a cell, piece by piece.

use ohmgrad_tensor::Tensor;

/// A piece of the state of a cell, to be written to a checkpoint or replaced from one.
#[derive(Debug)]
pub enum Slot<'a> {
    /// An array that updates change.
    Array(&'a mut Tensor),
    /// An array that training never makes NaN: values that are drawn with the cell, and signs.
    NeverNan(&'a mut Tensor),
    /// A number.
    Number(&'a mut f32),
    /// A counter.
    Count(&'a mut u64),
}
