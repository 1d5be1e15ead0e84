//! A test for whether the rows of a batch, along the first axis, can be computed apart from each other.
//!
//! Evaluating a data set in blocks of rows gives the result of one forward over all of it only if no operation combines
//! rows. An operation may do so if it reduces, reorders, cuts or joins the first axis of a value that comes from data.

use ohmgrad_tensor::Scalar;

use crate::tape::Tape;
use crate::var::Var;

impl<T: Scalar> Tape<T> {
    /// Returns `true` if an operation on this tape may have combined rows (entries of the first axis) of a value that
    /// depends on more than parameters. The rows of a data set then can't be computed in blocks. Two transpositions
    /// that undo each other count, and so does a product whose right operand is a matrix that depends on more than
    /// parameters; a reshape that joins the pieces into which another one has split the rows does not.
    ///
    /// ```
    /// use ohmgrad_autograd::{Tape, Var};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let combined = |f: for<'t> fn(Var<'t>) -> Var<'t>| {
    ///     let tape = Tape::eval(Key::new(0));
    ///     f(tape.constant(Tensor::normal(&[4, 3], Key::new(1))));
    ///     tape.combines_rows()
    /// };
    /// assert!(!combined(|x| x.softmax(1).sum_axes(&[1])));
    /// assert!(combined(|x| x.softmax(0)));
    /// ```
    pub fn combines_rows(&self) -> bool {
        self.combined.get()
    }

    /// States that rows are combined, for operations outside of this crate.
    pub fn combine_rows(&self) {
        self.combined.set(true);
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// Notes that the next operation combines rows of this value, if `rows` is set and the value has any.
    pub(crate) fn combines(self, rows: bool) -> Self {
        if rows && self.has_rows() {
            self.tape().combine_rows();
        }
        self
    }

    /// As [`combines`](Self::combines), for an operation over these axes.
    pub(crate) fn combines_along(self, axes: &[usize]) -> Self {
        self.combines(axes.contains(&0))
    }

    /// Returns `true` if the value depends on more than parameters.
    pub(crate) fn has_rows(self) -> bool {
        self.pieces() > 0
    }

    /// The number of entries of the first axis that are pieces of one row of data; 0 without rows of data.
    pub(crate) fn pieces(self) -> usize {
        self.tape().nodes()[self.index()].pieces
    }

    /// States that rows of data are in so many pieces.
    pub(crate) fn in_pieces(self, pieces: usize) -> Self {
        self.tape().inner.borrow_mut().nodes[self.index()].pieces = pieces;
        self
    }
}

/// The pieces of rows after a reshape from one shape to another, which may split rows into more pieces, or join pieces;
/// `None` if it joins rows, or cuts them at other places.
pub(crate) fn reshaped(from: &[usize], to: &[usize], pieces: usize) -> Option<usize> {
    let Some(&from) = from.first() else { return Some(pieces) };
    match *to.first()? {
        to if from == to || from * to == 0 => Some(pieces),
        to if to.is_multiple_of(from) => Some(pieces * (to / from)),
        to if from.is_multiple_of(to) && pieces.is_multiple_of(from / to) => Some(pieces / (from / to)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Param, Tape, Var};
    use ohmgrad_tensor::pool::PoolWindow;
    use ohmgrad_tensor::{Key, Tensor};

    fn combined(f: impl for<'t> Fn(Var<'t>, Var<'t>) -> Var<'t>) -> bool {
        let tape = Tape::eval(Key::new(0));
        let w = Param::new(Tensor::normal(&[6, 4], Key::new(2)));
        f(tape.constant(Tensor::normal(&[6, 2, 4], Key::new(1))), tape.param(&w));
        tape.combines_rows()
    }

    #[test]
    fn operations_within_a_row_combine_none() {
        assert!(!combined(|x, w| {
            let y = x.reshape(&[24, 2]).reshape(&[12, 4]).matmul(w.t()).reshape(&[6, 2, 6]).tril(1).cumsum(2);
            y.transpose(1, 2).softmax(2).layer_norm(2, None, None, 1e-5).slice(1, 0..3).sum_axes(&[1, 2]);
            x.max_pool(&[PoolWindow::new(2)]).max_axes(&[1])
        }));
        assert!(!combined(|x, w| {
            // Parameters have no rows of data.
            let _ = x.reshape(&[12, 4]).linear(w.slice(0, 0..2)) * w.mean();
            x.tape().concat(&[w, w], 0).sum_axes(&[0])
        }));
    }

    #[test]
    fn operations_across_rows_are_noted() {
        let all: [for<'t> fn(Var<'t>, Var<'t>) -> Var<'t>; 20] = [
            |x, _| x.sum(),
            |x, _| x.mean_axes(&[0, 2]),
            |x, _| x.max_axes(&[0]),
            |x, _| x.cumsum(0),
            |x, _| x.reshape(&[6, 8]).tril(0),
            |x, _| x.softmax(0),
            |x, _| x.log_softmax(0),
            |x, _| x.layer_norm(3, None, None, 1e-5),
            |x, _| x.batch_norm(None, None, 1e-5).0,
            |x, _| x.slice(0, 1..3),
            |x, _| x.transpose(0, 1),
            |x, _| x.unsqueeze(0),
            |x, _| x.tape().concat(&[x, x], 0),
            |x, _| x.max_pool(&[PoolWindow::new(2); 3]),
            |x, w| w.t().matmul(x.reshape(&[6, 8])),
            |x, _| x.reshape(&[4, 12]),
            |x, _| x.reshape(&[3, 16]),
            |x, _| x.reshape(&[12, 4]).reshape(&[3, 16]),
            |x, _| x.reshape(&[6, 8]).linear(x.reshape(&[6, 8])),
            |x, w| x.reshape(&[12, 4]).matmul(w.t()).matmul(x.reshape(&[6, 8])),
        ];
        for (i, f) in all.into_iter().enumerate() {
            assert!(combined(f), "{i}");
        }
        assert!(combined(|_, w| w.embedding(&[0, 2, 1], None).slice(0, 0..1)));
    }
}
