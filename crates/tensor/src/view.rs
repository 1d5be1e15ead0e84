//! Views: other shapes and strides over the same storage.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::array::Array;
use crate::axis::{self, Signed};
use crate::shape::{self, Dims};

impl<T: Clone + Send + Sync> Array<T> {
    fn view(&self, shape: Dims, strides: Dims, offset: usize) -> Self {
        Self { data: Arc::clone(&self.data), offset, shape, strides }
    }

    /// The axes in another order: axis `i` of the result is axis `axes[i]` of this array.
    ///
    /// # Panics
    /// If `axes` does not name every axis once.
    #[track_caller]
    pub fn permute(&self, axes: &[impl Signed]) -> Self {
        let axes = axis::axes(axes, "permute", &self.shape);
        let mut seen: SmallVec<[bool; 4]> = SmallVec::from_elem(false, self.rank());
        let valid = axes.len() == self.rank() && axes.iter().all(|&a| !std::mem::replace(&mut seen[a], true));
        assert!(valid, "permute: {axes:?} is not an order of the axes of shape {:?}", self.shape);
        self.view(
            axes.iter().map(|&a| self.shape[a]).collect(),
            axes.iter().map(|&a| self.strides[a]).collect(),
            self.offset,
        )
    }

    /// Two axes exchanged.
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn transpose(&self, a: impl Signed, b: impl Signed) -> Self {
        let (a, b) = (axis::axis(a, "transpose", &self.shape), axis::axis(b, "transpose", &self.shape));
        let mut view = self.clone();
        view.shape.swap(a, b);
        view.strides.swap(a, b);
        view
    }

    /// The last two axes exchanged: the transpose of a matrix, or of each matrix of a batch.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn t(&self) -> Self {
        assert!(self.rank() >= 2, "t: shape {:?} has fewer than two axes", self.shape);
        self.transpose(self.rank() - 2, self.rank() - 1)
    }

    /// The indices `range` of one axis.
    ///
    /// # Panics
    /// If the axis does not exist or the range reaches outside of it.
    #[track_caller]
    pub fn slice(&self, axis: impl Signed, range: Range<usize>) -> Self {
        self.slice_step(axis, range, 1)
    }

    /// Every `step`-th index of `range` of one axis.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// let a = Tensor::from([0.0, 1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(a.slice_step(0, 1..5, 2).to_vec(), [1.0, 3.0]);
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist, the range reaches outside of it, or the step is 0.
    #[track_caller]
    pub fn slice_step(&self, axis: impl Signed, range: Range<usize>, step: usize) -> Self {
        let axis = axis::axis(axis, "slice", &self.shape);
        assert!(
            range.start <= range.end && range.end <= self.shape[axis] && step > 0,
            "slice: {range:?} in steps of {step} does not fit axis {axis} of shape {:?}",
            self.shape
        );
        let mut view = self.clone();
        view.shape[axis] = range.len().div_ceil(step);
        if view.shape[axis] > 1 {
            view.strides[axis] *= step; // the stride of a single index is not used
        }
        // An array without elements stays inside of its storage.
        if !view.shape.contains(&0) {
            view.offset += range.start * self.strides[axis];
        }
        view
    }

    /// The elements at one index of an axis; the axis is removed.
    ///
    /// # Panics
    /// If the axis or the index does not exist.
    #[track_caller]
    pub fn select(&self, axis: impl Signed, index: usize) -> Self {
        let axis = axis::axis(axis, "select", &self.shape);
        assert!(index < self.shape[axis], "select: index {index} is outside of axis {axis} of shape {:?}", self.shape);
        self.slice(axis, index..index + 1).squeeze(axis)
    }

    /// The elements at one index of the first axis, which is removed: a row of a matrix.
    ///
    /// # Panics
    /// If there is no axis or no such row.
    #[track_caller]
    pub fn row(&self, index: usize) -> Self {
        self.select(0, index)
    }

    /// The array repeated along new leading axes and along axes of size 1, without copying.
    ///
    /// # Panics
    /// If `shape` can't be reached by NumPy's broadcasting rules.
    #[track_caller]
    pub fn broadcast_to(&self, shape: &[usize]) -> Self {
        self.broadcast_named("broadcast_to", shape)
    }

    #[track_caller]
    pub(crate) fn broadcast_named(&self, operation: &str, shape: &[usize]) -> Self {
        let Some(strides) = shape::broadcast_strides(&self.shape, &self.strides, shape) else {
            panic!("{operation}: shape {:?} does not broadcast to {shape:?}", self.shape)
        };
        shape::len(shape); // refuses shapes with more elements than memory can hold
        self.view(shape.into(), strides, self.offset)
    }

    /// The elements in the same row-major order under another shape; copies only if strides can't express it. One size
    /// may be −1; it is computed from the others.
    ///
    /// # Panics
    /// If the shapes hold different numbers of elements.
    #[track_caller]
    pub fn reshape(&self, shape: &[impl Signed]) -> Self {
        let shape = &axis::sizes(shape, &self.shape)[..];
        assert!(
            shape::len(shape) == self.len(),
            "reshape: {:?} holds {} elements, {shape:?} does not",
            self.shape,
            self.len()
        );
        match shape::reshape_strides(&self.shape, &self.strides, shape) {
            Some(strides) => self.view(shape.into(), strides, self.offset),
            None => Self::from_vec(self.to_vec(), shape),
        }
    }

    /// The axes from `first` to the last as one.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// assert_eq!(Tensor::full(&[8, 1, 28, 28], 0.0).flatten(1).shape(), [8, 784]);
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn flatten(&self, first: impl Signed) -> Self {
        let first = axis::axis(first, "flatten", &self.shape);
        let mut shape = self.shape.clone();
        shape[first] = shape.drain(first + 1..).product::<usize>() * self.shape[first];
        self.reshape(&shape)
    }

    /// The indices of an axis in the opposite order, copied.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// assert_eq!(Tensor::from([1.0, 2.0, 3.0]).flip(0).to_vec(), [3.0, 2.0, 1.0]);
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn flip(&self, axis: impl Signed) -> Self {
        let axis = axis::axis(axis, "flip", &self.shape);
        let backwards: Vec<usize> = (0..self.shape[axis]).rev().collect();
        self.transpose(0, axis).take_rows(&backwards).transpose(0, axis)
    }

    /// An axis of size 1 removed.
    ///
    /// # Panics
    /// If the axis does not exist or has another size.
    #[track_caller]
    pub fn squeeze(&self, axis: impl Signed) -> Self {
        let axis = axis::axis(axis, "squeeze", &self.shape);
        assert!(self.shape[axis] == 1, "squeeze: axis {axis} of shape {:?} is not 1", self.shape);
        let mut view = self.clone();
        view.shape.remove(axis);
        view.strides.remove(axis);
        view
    }

    /// A new axis of size 1 before `axis`; −1 is behind the last.
    ///
    /// # Panics
    /// If the place does not exist.
    #[track_caller]
    pub fn unsqueeze(&self, axis: impl Signed) -> Self {
        let axis = axis::new_axis(axis, "unsqueeze", &self.shape);
        let mut view = self.clone();
        view.shape.insert(axis, 1);
        view.strides.insert(axis, 1);
        view
    }

    /// Arrays joined along an existing axis.
    ///
    /// # Panics
    /// If there are none, the axis does not exist, or their shapes differ in another axis.
    #[track_caller]
    pub fn concat(parts: &[Self], axis: impl Signed) -> Self {
        let first = parts.first().expect("concat: needs at least one array");
        let axis = axis::axis(axis, "concat", &first.shape);
        for part in parts {
            let fits =
                part.rank() == first.rank() && (0..first.rank()).all(|a| a == axis || part.shape[a] == first.shape[a]);
            assert!(fits, "concat: {:?} and {:?} differ in another axis than {axis}", first.shape, part.shape);
        }
        let mut shape = first.shape.clone();
        shape[axis] = parts.iter().map(|p| p.shape[axis]).sum();
        let parts: Vec<_> = parts.iter().map(|p| (p.contiguous(), p.shape[axis..].iter().product::<usize>())).collect();
        let mut data = Vec::with_capacity(shape::len(&shape));
        for block in 0..shape[..axis].iter().product() {
            for (part, run) in &parts {
                let slice = part.as_slice().expect("made contiguous above");
                data.extend_from_slice(&slice[block * run..(block + 1) * run]);
            }
        }
        Self::from_vec(data, &shape)
    }

    /// Arrays of one shape joined along a new axis.
    ///
    /// # Panics
    /// If there are none, their shapes differ, or the place of the axis does not exist.
    #[track_caller]
    pub fn stack(parts: &[Self], axis: impl Signed) -> Self {
        let first = parts.first().expect("stack: needs at least one array");
        let axis = axis::new_axis(axis, "stack", &first.shape);
        for part in parts {
            assert!(part.shape == first.shape, "stack: shapes {:?} and {:?} differ", first.shape, part.shape);
        }
        Self::concat(&parts.iter().map(|part| part.unsqueeze(axis)).collect::<Vec<_>>(), axis)
    }

    /// The rows (first-axis entries) of the given indices, in that order, copied.
    ///
    /// # Panics
    /// If there is no axis or an index lies outside of it.
    #[track_caller]
    pub fn take_rows(&self, rows: &[usize]) -> Self {
        axis::axis(0, "take_rows", &self.shape);
        let source = self.contiguous();
        let slice = source.as_slice().expect("made contiguous above");
        let run: usize = self.shape[1..].iter().product();
        let mut data = Vec::with_capacity(rows.len() * run);
        for &row in rows {
            assert!(row < self.shape[0], "take_rows: row {row} is outside of shape {:?}", self.shape);
            data.extend_from_slice(&slice[row * run..(row + 1) * run]);
        }
        let mut shape = self.shape.clone();
        shape[0] = rows.len();
        Self::from_vec(data, &shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn empty_slices_work_like_others() {
        let x = Tensor::full(&[0, 5, 3], 0.0);
        for t in 0..5 {
            let step = x.slice(1, t..t + 1).squeeze(1);
            assert_eq!((step.to_vec(), step.contiguous().shape()), (vec![], &[0, 3][..]));
            assert_eq!((&step + 1.0).shape(), [0, 3]);
        }
        let mut sum = Tensor::full(&[0, 5], 0.0).slice(1, 4..5);
        sum.map_mut(|v| *v += 1.0);
        assert!(sum.is_empty());
    }

    fn counting(shape: &[usize]) -> Tensor {
        let n = shape.iter().product();
        Tensor::from_vec((0..n).map(|i| i as f32).collect(), shape)
    }

    #[test]
    fn views_share_storage() {
        let a = counting(&[2, 3, 4]);
        for view in [
            a.permute(&[2, 0, 1]),
            a.slice_step(2, 0..4, 3),
            a.reshape(&[6, 4]),
            a.broadcast_to(&[5, 2, 3, 4]),
            a.unsqueeze(1),
            a.row(1),
        ] {
            assert!(view.shares_storage(&a));
        }
    }

    #[test]
    fn reshape_of_a_transpose_copies_in_order() {
        let a = counting(&[2, 3]).t().reshape(&[6]);
        assert_eq!(a.to_vec(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }

    #[test]
    fn a_flip_undoes_itself() {
        let a = counting(&[2, 3, 4]);
        for axis in 0..3 {
            assert_eq!(a.flip(axis).flip(axis), a);
            assert_eq!(a.flip(axis).select(axis, 0), a.select(axis, a.shape()[axis] - 1));
        }
    }

    #[test]
    fn concat_and_stack_join_views() {
        let a = counting(&[2, 2]);
        assert_eq!(Tensor::concat(&[a.t(), a.clone()], 1).to_vec(), [0.0, 2.0, 0.0, 1.0, 1.0, 3.0, 2.0, 3.0]);
        let s = Tensor::stack(&[a.clone(), a.t()], 1);
        assert_eq!((s.shape(), s.to_vec()), (&[2, 2, 2][..], vec![0.0, 1.0, 0.0, 2.0, 2.0, 3.0, 1.0, 3.0]));
    }

    #[test]
    fn empty_slices_are_arrays_too() {
        let a = counting(&[2, 3]).slice(1, 1..1);
        assert_eq!((a.shape(), a.to_vec().len(), a.reshape(&[0, 7]).len()), (&[2, 0][..], 0, 0));
        // The gates of a recurrent layer, for a batch without rows.
        let gates = Tensor::full(&[3, 0, 8], 0.0);
        for part in
            [gates.slice(2, 4..8), gates.row(2).slice_step(1, 1..8, 3), gates.select(2, 7), gates.slice(0, 2..3)]
        {
            assert!(part.is_empty() && part.as_slice() == Some(&[]) && part.contiguous().make_mut().is_empty());
            assert_eq!(part.sigmoid().shape(), part.shape());
        }
        assert_eq!(gates.slice(2, 4..8).row(1).matmul(&counting(&[4, 3])).shape(), [0, 3]);
    }

    #[test]
    #[should_panic(expected = "has more elements than memory can hold")]
    fn a_shape_that_wraps_around_is_refused() {
        Tensor::full(&[1, 1], 0.0).broadcast_to(&[1 << 63, 2]);
    }

    #[test]
    #[should_panic(expected = "reshape: [2, 3] holds 6 elements, [4] does not")]
    fn a_wrong_reshape_names_both_shapes() {
        counting(&[2, 3]).reshape(&[4]);
    }
}
