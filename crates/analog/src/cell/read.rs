//! Reads of single columns and rows, by which weights are moved between arrays.
//!
//! The input is a unit vector, so the exact product is the line itself. A read differs from it by the DAC's rounding of
//! the input 1, by noise and by the ADC.

use ohmgrad_tensor::{Key, Tensor};

use crate::config::IoParameters;
use crate::mvm::{Direction, Mvm, Pattern};

/// A line of an array that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slice {
    /// A column, driven from the inputs.
    Column(usize),
    /// A row, driven from the outputs.
    Row(usize),
}

/// Reads a line of weights `w` [out, in] into `out`, with the converters and noise of [`Mvm`]. Variations between
/// outputs are drawn anew for each read.
pub(super) fn read(w: &Tensor, line: Slice, io: &IoParameters, key: Key, out: &mut [f32]) {
    copy(w, line, out);
    if io.is_ideal() {
        out.iter_mut().for_each(|y| *y *= io.out_scale);
        return;
    }
    let column = Tensor::from_vec(out.to_vec(), &[out.len(), 1]);
    let direction = match line {
        Slice::Column(_) => Direction::Forward,
        Slice::Row(_) => Direction::Backward,
    };
    let pattern = Pattern::draw(io, out.len(), 1, key.fold("pattern"));
    let mvm = Mvm { io, pattern: &pattern, direction, key, first_row: 0, timed: None };
    let y = mvm.read(&Tensor::full(&[1, 1], 1.0), &column);
    out.copy_from_slice(y.as_slice().expect("products are contiguous"));
}

/// Copies a line of an array.
fn copy(w: &Tensor, line: Slice, out: &mut [f32]) {
    let (columns, w) = (w.shape()[1], w.as_slice().expect("arrays of a tile are contiguous"));
    match line {
        Slice::Column(j) => out.iter_mut().zip(w[j..].iter().step_by(columns)).for_each(|(y, w)| *y = *w),
        Slice::Row(i) => out.copy_from_slice(&w[i * columns..(i + 1) * columns]),
    }
}
