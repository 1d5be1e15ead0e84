//! Evaluation of a network on data that it was not trained on.

use std::ops::Range;

use ohmgrad_autograd::{Param, Tape};
use ohmgrad_tensor::{Array, Key, Tensor};

use crate::data::Dataset;
use crate::module::Module;
use crate::visit::Slot;

/// Rows that are evaluated together. Results do not depend on it.
pub(crate) const BATCH: usize = 256;

/// The outputs of a network in evaluation, for all of `x`: bit for bit those of one forward on a tape [for
/// evaluation](Tape::eval) with this key. Analog reads are noisy in evaluation too; the noise of a row depends on `key`
/// and on the row's number alone.
///
/// The input is computed in blocks of rows of the first axis, to bound memory. A network is computed at once if it
/// combines rows, which [`Tape::combines_rows`] reports (a recurrent layer with time first, a batch norm without
/// running statistics), or if its state changes with the rows.
pub fn predict(net: &dyn Module, x: &Tensor, key: Key) -> Tensor {
    let mut outputs = vec![];
    in_blocks(net, x, || Tape::eval(key), BATCH, |_, y| outputs.push(y));
    joined(outputs)
}

/// The outputs of [`predict`] for some rows of `x` alone, for work that is shared by several processes; `None` if the
/// network has to be computed at once. A range of one row may not show this; the outputs are then those of this row
/// alone.
///
/// # Panics
/// If there are no such rows.
pub fn predict_rows(net: &dyn Module, x: &Tensor, rows: Range<usize>, key: Key) -> Option<Tensor> {
    assert!(!rows.is_empty(), "predict_rows: no rows");
    let mut outputs = vec![];
    blocks_of(net, x, rows, &|| Tape::eval(key), BATCH, &mut |_, y| outputs.push(y)).then(|| joined(outputs))
}

/// The outputs of all blocks.
fn joined(mut outputs: Vec<Tensor>) -> Tensor {
    if outputs.len() == 1 { outputs.remove(0) } else { Array::concat(&outputs, 0) }
}

/// Calls `each` with the tape and the output of each block of rows, or of all rows at once if they can't be separated.
pub(crate) fn in_blocks(
    net: &dyn Module,
    x: &Tensor,
    tape: impl Fn() -> Tape,
    size: usize,
    mut each: impl FnMut(&Tape, Tensor),
) {
    let rows = x.shape().first().copied().unwrap_or(0);
    if rows > size && blocks_of(net, x, 0..rows, &tape, size, &mut each) {
        return;
    }
    let tape = tape();
    let y = net.forward(tape.constant(x.clone())).value();
    each(&tape, y);
}

/// Calls `each` with the tape and the output of each block of some rows; returns `false` if the first block shows that
/// rows can't be separated.
fn blocks_of(
    net: &dyn Module,
    x: &Tensor,
    rows: Range<usize>,
    tape: &dyn Fn() -> Tape,
    size: usize,
    each: &mut dyn FnMut(&Tape, Tensor),
) -> bool {
    for start in rows.clone().step_by(size) {
        let (tape, end) = (tape().rows_from(start), rows.end.min(start + size));
        let y = net.forward(tape.constant(x.slice(0, start..end))).value();
        if tape.combines_rows() || !keeps_state(net, &tape) || y.shape().first() != Some(&(end - start)) {
            let is_first = start == rows.start;
            assert!(is_first, "a network that combines rows only for some inputs can't be evaluated in blocks");
            return false;
        }
        each(&tape, y);
    }
    true
}

/// Returns `true` if a forward left all state as it was. A running mean that changes in evaluation makes each row
/// depend on those before; the mean of AVERAGE_ABS_MAX changes in evaluation until training has found one.
fn keeps_state(net: &dyn Module, tape: &Tape) -> bool {
    let keeps = |param: &Param| tape.state(param.id(), &param.value) == param.value;
    net.slots().into_iter().all(|(_, slot)| match slot {
        Slot::Param(_) => true,
        Slot::Buffer(param) => keeps(param),
        Slot::Affine(affine) => affine.tile_buffers().all(keeps),
    })
}

/// The outputs for a data set: a row of scores for each sample.
fn scores(net: &dyn Module, data: &Dataset<Vec<usize>>, key: Key) -> Tensor {
    let axis = data.batch_axis();
    if let Some(network) = net.batch_axis() {
        assert!(
            network == axis,
            "the network takes its batch along axis {network} of an input, the data set has its samples along axis {axis}"
        );
    }
    let scores = predict(net, &data.x, key);
    let shape = scores.shape();
    assert!(
        shape.len() == 2 && shape[0] == data.len(),
        "an output of shape {shape:?} is not a row of scores for each of {} samples",
        data.len()
    );
    scores
}

/// The share of samples whose largest output is that of their label, 0…1.
///
/// # Panics
/// If the network's output is not a row of scores for each sample, or the network takes its batch along another axis
/// than the data set has its samples.
pub fn accuracy(net: &dyn Module, data: &Dataset<Vec<usize>>, key: Key) -> f64 {
    let right = scores(net, data, key).argmax(1).iter().zip(&data.y).filter(|(a, b)| a == b).count();
    right as f64 / data.len().max(1) as f64
}

/// The number of samples of class i that were taken for class j: `[i][j]`, for as many classes as the network has
/// outputs.
///
/// # Panics
/// As for [`accuracy`], or if a label is not below the number of outputs.
pub fn confusion_matrix(net: &dyn Module, data: &Dataset<Vec<usize>>, key: Key) -> Vec<Vec<usize>> {
    let scores = scores(net, data, key);
    let classes = scores.shape()[1];
    let mut counts = vec![vec![0; classes]; classes];
    for (&label, guess) in data.y.iter().zip(scores.argmax(1)) {
        counts[label][guess] += 1;
    }
    counts
}

#[cfg(test)]
mod tests;
