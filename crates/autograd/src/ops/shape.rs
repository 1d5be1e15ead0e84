//! Views (reshaped, permuted, sliced, broadcast) and concatenation.

use std::ops::Range;

use ohmgrad_tensor::axis::{self, Signed};
use ohmgrad_tensor::{Array, Scalar};
use smallvec::SmallVec;

use crate::back::{Back, Op};
use crate::rows::reshaped;
use crate::tape::Tape;
use crate::var::Var;

/// The same elements under another shape. Gradient: `d` under the old shape.
struct Reshape;

impl<T: Scalar> Op<T> for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad.reshape(cx.input(0).shape()));
    }
}

/// The axes in another order. Gradient: `d` with the order undone.
struct Permute(SmallVec<[usize; 4]>);

impl<T: Scalar> Op<T> for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("axes", format!("{:?}", self.0.as_slice()))]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let mut inverse = self.0.clone();
        for (to, &from) in self.0.iter().enumerate() {
            inverse[from] = to;
        }
        cx.give(0, cx.grad.permute(&inverse));
    }
}

/// Every `step`-th index from `start` of an axis. Gradient: `d` at those indices, 0 at others.
struct Slice {
    axis: usize,
    start: usize,
    step: usize,
}

impl<T: Scalar> Op<T> for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("axis", self.axis.to_string()), ("start", self.start.to_string()), ("step", self.step.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        // A sequence is sliced once per time step: its gradient is one array, to which each slice adds.
        let d = cx.grad;
        cx.add_into(0, |sum| sum.add_slice(self.axis, self.start, self.step, d));
    }
}

/// The elements repeated along new or size-1 axes. Gradient: `d`, summed along them.
struct Broadcast;

impl<T: Scalar> Op<T> for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad.sum_to(cx.input(0).shape()));
    }
}

/// Arrays joined along an axis. Gradients: the parts of `d`.
struct Concat {
    axis: usize,
    parts: usize,
}

impl<T: Scalar> Op<T> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("axis", self.axis.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let mut start = 0;
        for part in 0..self.parts {
            let end = start + cx.input(part).shape()[self.axis];
            cx.give(part, cx.grad.slice(self.axis, start..end));
            start = end;
        }
    }
}

#[track_caller]
pub(crate) fn concat<'t, T: Scalar>(tape: &'t Tape<T>, parts: &[Var<'_, T>], axis: impl Signed) -> Var<'t, T> {
    let first = parts.first().expect("concat: needs at least one variable");
    let axis = axis::axis(axis, "concat", &first.shape());
    for part in parts {
        part.combines(axis == 0);
    }
    let values: Vec<Array<T>> = parts.iter().map(|p| p.value()).collect();
    tape.push(Array::concat(&values, axis), parts, Concat { axis, parts: parts.len() })
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The elements in the same order under another shape. One size may be −1; it is computed from the others.
    ///
    /// # Panics
    /// If the shapes hold different numbers of elements.
    #[track_caller]
    pub fn reshape(self, shape: &[impl Signed]) -> Self {
        let value = self.value().reshape(shape);
        let pieces = reshaped(&self.shape(), value.shape(), self.pieces());
        self.combines(pieces.is_none()).tape().push(value, &[self], Reshape).in_pieces(pieces.unwrap_or(self.pieces()))
    }

    /// The axes from `first` to the last as one: `x.flatten(1)` makes a row of each sample.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn flatten(self, first: impl Signed) -> Self {
        let value = self.value().flatten(first);
        self.tape().push(value, &[self], Reshape)
    }

    /// An axis of size 1 removed.
    ///
    /// # Panics
    /// If the axis does not exist or has another size.
    #[track_caller]
    pub fn squeeze(self, axis: impl Signed) -> Self {
        let axis = axis::axis(axis, "squeeze", &self.shape());
        self.combines(axis == 0).tape().push(self.value().squeeze(axis), &[self], Reshape)
    }

    /// A new axis of size 1 before `axis`; −1 is behind the last.
    ///
    /// # Panics
    /// If the place does not exist.
    #[track_caller]
    pub fn unsqueeze(self, axis: impl Signed) -> Self {
        let axis = axis::new_axis(axis, "unsqueeze", &self.shape());
        self.combines(axis == 0).tape().push(self.value().unsqueeze(axis), &[self], Reshape)
    }

    /// The axes in another order: axis `i` of the result is axis `axes[i]` of this value.
    ///
    /// # Panics
    /// If `axes` does not name every axis once.
    #[track_caller]
    pub fn permute(self, axes: &[impl Signed]) -> Self {
        let axes = axis::axes(axes, "permute", &self.shape());
        let value = self.value().permute(&axes);
        self.combines(axes.first() != Some(&0)).tape().push(value, &[self], Permute(axes))
    }

    /// Two axes exchanged.
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn transpose(self, a: impl Signed, b: impl Signed) -> Self {
        let shape = self.shape();
        let (a, b) = (axis::axis(a, "transpose", &shape), axis::axis(b, "transpose", &shape));
        let mut axes: SmallVec<[usize; 4]> = (0..shape.len()).collect();
        axes.swap(a, b);
        self.permute(&axes)
    }

    /// The last two axes exchanged.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn t(self) -> Self {
        let rank = self.shape().len();
        assert!(rank >= 2, "t: shape {:?} has fewer than two axes", self.shape());
        self.transpose(rank - 2, rank - 1)
    }

    /// The indices `range` of one axis.
    ///
    /// # Panics
    /// If the axis does not exist or the range reaches outside of it.
    #[track_caller]
    pub fn slice(self, axis: impl Signed, range: Range<usize>) -> Self {
        self.slice_step(axis, range, 1)
    }

    /// Every `step`-th index of `range` of one axis.
    ///
    /// # Panics
    /// If the axis does not exist, the range reaches outside of it, or the step is 0.
    #[track_caller]
    pub fn slice_step(self, axis: impl Signed, range: Range<usize>, step: usize) -> Self {
        let axis = axis::axis(axis, "slice", &self.shape());
        let op = Slice { axis, start: range.start, step };
        self.combines(axis == 0).tape().push(self.value().slice_step(axis, range, step), &[self], op)
    }

    /// The value repeated along new leading axes and along axes of size 1.
    ///
    /// # Panics
    /// If `shape` can't be reached by NumPy's broadcasting rules.
    #[track_caller]
    pub fn broadcast_to(self, shape: &[usize]) -> Self {
        self.combines(shape.len() > self.shape().len()).tape().push(
            self.value().broadcast_to(shape),
            &[self],
            Broadcast,
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{gradcheck, gradcheck_pairs};
    use ohmgrad_tensor::Array;

    fn matrix(x: &Array<f64>) -> Array<f64> {
        x.unsqueeze(x.rank()).unsqueeze(0)
    }

    gradcheck! {
        reshape: |x| x.reshape(&[-1]);
        flatten: |x| x.flatten(1).exp(), on matrix;
        squeeze: |x| x.squeeze(0) * 2.0, on matrix;
        unsqueeze: |x| x.unsqueeze(0) * 2.0;
        permute: |x| x.permute(&(0..x.shape().len()).rev().collect::<Vec<_>>()) * 2.0;
        transpose: |x| x.t().exp(), on matrix;
        slice: |x| x.slice(1, 0..1), on matrix;
        slice_step: |x| x.slice_step(0, 1..x.shape()[0], 2), on |x: &Array<f64>| Array::stack(&[x.clone(), x.clone(), x * 2.0, x * 3.0], 0);
        broadcast: |x| x.broadcast_to(&[&[2, 3][..], &x.shape()].concat());
        concat_with_itself: |x| x.tape().concat(&[x, x * 2.0], 0), on matrix;
    }

    gradcheck_pairs! {
        concat: |x, y| {
            let (x, y) = (x + y, y + x * x);
            let last = x.shape().len();
            x.tape().concat(&[x.unsqueeze(last), y.unsqueeze(last)], last)
        };
    }
}
