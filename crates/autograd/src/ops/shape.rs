//! Other shapes of the same elements: views, and their joins.

use std::ops::Range;

use ohmgrad_tensor::{Array, Scalar};
use smallvec::SmallVec;

use crate::back::{Back, Op};
use crate::rows::keeps_rows;
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
        // A sequence is sliced once a time step: its gradient is one array that all of them add to.
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

pub(crate) fn concat<'t, T: Scalar>(tape: &'t Tape<T>, parts: &[Var<'_, T>], axis: usize) -> Var<'t, T> {
    for part in parts {
        part.combines(axis == 0);
    }
    let values: Vec<Array<T>> = parts.iter().map(|p| p.value()).collect();
    tape.push(Array::concat(&values, axis), parts, Concat { axis, parts: parts.len() })
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The elements in the same order under another shape.
    ///
    /// # Panics
    /// If the shapes hold different numbers of elements.
    pub fn reshape(self, shape: &[usize]) -> Self {
        self.combines(!keeps_rows(&self.shape(), shape)).tape().push(self.value().reshape(shape), &[self], Reshape)
    }

    /// An axis of size 1 removed.
    ///
    /// # Panics
    /// If the axis does not exist or has another size.
    pub fn squeeze(self, axis: usize) -> Self {
        self.combines(axis == 0).tape().push(self.value().squeeze(axis), &[self], Reshape)
    }

    /// A new axis of size 1 before `axis`.
    ///
    /// # Panics
    /// If `axis` is larger than the number of axes.
    pub fn unsqueeze(self, axis: usize) -> Self {
        self.combines(axis == 0).tape().push(self.value().unsqueeze(axis), &[self], Reshape)
    }

    /// The axes in another order: axis `i` of the result is axis `axes[i]` of this value.
    ///
    /// # Panics
    /// If `axes` does not name every axis once.
    pub fn permute(self, axes: &[usize]) -> Self {
        self.combines(axes.first() != Some(&0)).tape().push(self.value().permute(axes), &[self], Permute(axes.into()))
    }

    /// Two axes exchanged.
    ///
    /// # Panics
    /// If an axis does not exist.
    pub fn transpose(self, a: usize, b: usize) -> Self {
        let mut axes: SmallVec<[usize; 4]> = (0..self.shape().len()).collect();
        assert!(a.max(b) < axes.len(), "transpose: axis {} is outside of shape {:?}", a.max(b), self.shape());
        axes.swap(a, b);
        self.permute(&axes)
    }

    /// The last two axes exchanged.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    pub fn t(self) -> Self {
        let rank = self.shape().len();
        assert!(rank >= 2, "t: shape {:?} has fewer than two axes", self.shape());
        self.transpose(rank - 2, rank - 1)
    }

    /// The indices `range` of one axis.
    ///
    /// # Panics
    /// If the axis does not exist or the range reaches outside of it.
    pub fn slice(self, axis: usize, range: Range<usize>) -> Self {
        self.slice_step(axis, range, 1)
    }

    /// Every `step`-th index of `range` of one axis.
    ///
    /// # Panics
    /// If the axis does not exist, the range reaches outside of it, or the step is 0.
    pub fn slice_step(self, axis: usize, range: Range<usize>, step: usize) -> Self {
        let op = Slice { axis, start: range.start, step };
        self.combines(axis == 0).tape().push(self.value().slice_step(axis, range, step), &[self], op)
    }

    /// The value repeated along new leading axes and along axes of size 1.
    ///
    /// # Panics
    /// If `shape` can't be reached by NumPy's broadcasting rules.
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
        reshape: |x| x.reshape(&[x.shape().iter().product()]);
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
