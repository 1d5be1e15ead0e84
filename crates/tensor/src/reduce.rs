//! Reductions over any axes: sum, mean, variance, extremes.
//!
//! Sums are taken in an order that depends on shape and strides alone, never on the number of threads.

use crate::array::Array;
use crate::axis::{self, Signed};
use crate::elementwise::larger;
use crate::parallel;
use crate::scalar::Scalar;
use crate::shape;
use crate::simd::vectorized;

/// Independent partial sums of a run; enough to fill two vector registers.
const LANES: usize = 16;

/// Arrays of this many elements or more are reduced on all threads, by columns, if only the last axis stays.
const PARALLEL: usize = 1 << 17;

/// Runs longer than this are cut, so that rounding errors grow slowly with the length.
const BLOCK: usize = 512;

/// Sum of a run in a fixed order: lanes within blocks, blocks in a tree.
fn sum_run<T: Scalar>(x: &[T]) -> T {
    if x.len() > BLOCK {
        let (a, b) = x.split_at((x.len() / 2).next_multiple_of(BLOCK));
        return sum_run(a) + sum_run(b);
    }
    let mut lanes = [T::zero(); LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += v;
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(rest) {
        *lane += v;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

impl<T: Scalar> Array<T> {
    /// The sum of all elements.
    pub fn sum(&self) -> T {
        if self.is_dense() { sum_run(self.storage()) } else { sum_run(&self.to_vec()) }
    }

    /// The mean of all elements; NaN if there are none.
    pub fn mean(&self) -> T {
        self.sum() / T::of(self.len() as f64)
    }

    /// The variance of all elements around their mean: the sum of squares over `len − ddof`.
    pub fn var(&self, ddof: usize) -> T {
        let mean = self.mean();
        self.map(|x| (x - mean) * (x - mean)).sum() / T::of(self.len() as f64 - ddof as f64)
    }

    /// The standard deviation of all elements, the root of [`var`](Self::var).
    pub fn std(&self, ddof: usize) -> T {
        self.var(ddof).sqrt()
    }

    /// The largest element, NaN if one is NaN, −∞ if there are none.
    pub fn max(&self) -> T {
        self.iter().copied().fold(T::neg_infinity(), larger)
    }

    /// The smallest element, NaN if one is NaN, ∞ if there are none.
    pub fn min(&self) -> T {
        -self.iter().copied().fold(T::neg_infinity(), |m, x| larger(m, -x))
    }

    /// The sum over the given axes, which stay with size 1.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// let a = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(a.sum_axes(&[0]).to_vec(), [4.0, 6.0]);
    /// assert_eq!(a.sum_axes(&[1]).shape(), [2, 1]);
    /// ```
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn sum_axes(&self, axes: &[impl Signed]) -> Self {
        let axes = &axis::axes(axes, "sum_axes", &self.shape);
        self.reduce(axes, T::zero(), |a, b| a + b, sum_run)
    }

    /// The mean over the given axes, which stay with size 1.
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn mean_axes(&self, axes: &[impl Signed]) -> Self {
        let axes = axis::axes(axes, "mean_axes", &self.shape);
        let n: usize = axes.iter().map(|&a| self.shape[a]).product();
        let n = T::of(n as f64);
        self.sum_axes(&axes).map(|s| s / n)
    }

    /// The variance over the given axes, which stay with size 1: the sum of squares over `n − ddof`.
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn var_axes(&self, axes: &[impl Signed], ddof: usize) -> Self {
        let axes = axis::axes(axes, "var_axes", &self.shape);
        let n: usize = axes.iter().map(|&a| self.shape[a]).product();
        let n = T::of(n as f64 - ddof as f64);
        self.zip(&self.mean_axes(&axes), |x, m| (x - m) * (x - m)).sum_axes(&axes).map(|s| s / n)
    }

    /// The largest element over the given axes, which stay with size 1; NaN if one is NaN.
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn max_axes(&self, axes: &[impl Signed]) -> Self {
        let axes = &axis::axes(axes, "max_axes", &self.shape);
        self.reduce(axes, T::neg_infinity(), larger, |run| run.iter().copied().fold(run[0], larger))
    }

    /// The smallest element over the given axes, which stay with size 1; NaN if one is NaN.
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn min_axes(&self, axes: &[impl Signed]) -> Self {
        let axes = &axis::axes(axes, "min_axes", &self.shape);
        let f = |a: T, b: T| -larger(-a, -b);
        self.reduce(axes, T::infinity(), f, |run| run.iter().copied().fold(run[0], f))
    }

    /// The index of the first largest element of each row along `axis`, in row-major order of the other axes.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// let scores = Tensor::from([[0.1, 0.7, 0.2], [0.9, 0.0, 0.1]]);
    /// assert_eq!(scores.argmax(1), [1, 0]);
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist or has size 0.
    #[track_caller]
    pub fn argmax(&self, axis: impl Signed) -> Vec<usize> {
        let axis = axis::axis(axis, "argmax", &self.shape);
        let n = self.shape[axis];
        assert!(n > 0, "argmax: axis {axis} of shape {:?} is empty", self.shape);
        let mut order: Vec<_> = (0..self.rank()).filter(|&a| a != axis).collect();
        order.push(axis);
        let best = |row: &[T]| (1..n).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        self.permute(&order).to_vec().chunks_exact(n).map(best).collect()
    }

    /// The sum over the axes along which `shape` is broadcast to this array's shape; the result has the shape `shape`.
    /// This is the gradient of broadcasting.
    ///
    /// # Panics
    /// If `shape` does not broadcast to this array's shape.
    #[track_caller]
    pub fn sum_to(&self, shape: &[usize]) -> Self {
        if self.shape() == shape {
            return self.clone();
        }
        let broadcasts = shape::broadcast(&self.shape, shape).is_some_and(|common| common == self.shape);
        assert!(broadcasts, "sum_to: {shape:?} does not broadcast to {:?}", self.shape);
        let new = self.rank() - shape.len();
        let axes: Vec<_> =
            (0..self.rank()).filter(|&a| a < new || (shape[a - new] == 1 && self.shape[a] != 1)).collect();
        self.sum_axes(&axes).reshape(shape)
    }

    fn reduce(
        &self,
        axes: &[usize],
        start: T,
        pair: impl Fn(T, T) -> T + Sync,
        run: impl Fn(&[T]) -> T + Sync,
    ) -> Self {
        let mut shape = self.shape.clone();
        for &axis in axes {
            shape[axis] = 1;
        }
        if self.is_dense() && !self.is_contiguous() {
            let order = self.memory_order();
            let inverse = shape::inverse(&order);
            let axes: crate::Dims = axes.iter().map(|&axis| inverse[axis]).collect();
            return self.permute(&order).reduce(&axes, start, pair, run).permute(&inverse);
        }
        let mut out = Self::full(&shape, start);
        if self.is_empty() || out.is_empty() {
            return out;
        }
        let last_stays = axes.iter().all(|&axis| axis + 1 != self.rank()) && self.shape.last() == Some(&out.len());
        if last_stays && out.len() >= 2 * LANES && self.len() >= PARALLEL {
            // Only the last axis stays. Threads take columns, whose sums do not depend on each other.
            let size = out.len().div_ceil(4).next_multiple_of(LANES);
            let (last, columns) = (self.rank() - 1, out.len());
            parallel::for_each_part(out.make_mut(), size, |i, out| {
                let columns = i * size..columns.min((i + 1) * size);
                self.slice(last, columns).combine(axes, out, &pair, &run);
            });
            return out;
        }
        self.combine(axes, out.make_mut(), &pair, &run);
        out
    }

    /// Combines the elements along some axes into `target`, which has the other axes in row-major order.
    fn combine(&self, axes: &[usize], target: &mut [T], pair: impl Fn(T, T) -> T, run: impl Fn(&[T]) -> T) {
        let shape: crate::Dims = (0..self.rank()).map(|a| if axes.contains(&a) { 1 } else { self.shape[a] }).collect();
        let strides = shape::row_major(&shape);
        let strides: crate::Dims = (0..self.rank()).map(|a| if axes.contains(&a) { 0 } else { strides[a] }).collect();
        let inner = self.shape.last().copied().unwrap_or(1);
        let step = self.strides.last().copied().unwrap_or(1);
        let mut gathered = Vec::new();
        // If the last axis goes away, its rows are reduced one by one; if it stays, rows are combined element by
        // element.
        let keep = axes.iter().all(|&a| a + 1 != self.rank());
        // Around the loop over rows, because a row may be short.
        vectorized(
            #[inline(always)]
            || {
                shape::for_each_row(
                    &self.shape,
                    [&self.strides, &strides],
                    #[inline(always)]
                    |[from, to]| {
                        let from = self.offset + from;
                        let row = match step {
                            1 => &self.data[from..from + inner],
                            _ => {
                                gathered.clear();
                                gathered.extend((0..inner).map(|i| self.data[from + i * step]));
                                &gathered
                            }
                        };
                        if keep {
                            target[to..to + inner].iter_mut().zip(row).for_each(|(t, &x)| *t = pair(*t, x));
                        } else {
                            target[to] = pair(target[to], run(row));
                        }
                    },
                );
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::{Array, Key, Tensor};
    use proptest::prelude::*;

    /// As many rows as columns: the result is as long as the axis that goes away.
    #[test]
    fn large_squares_are_reduced_along_either_axis() {
        let x = Tensor::normal(&[600, 600], Key::new(1)).map(|v| (8.0 * v).round());
        let naive = |axis: usize| -> Vec<f32> {
            let at = |i: usize, j: usize| if axis == 1 { x[[i, j]] } else { x[[j, i]] };
            (0..600).map(|i| (0..600).map(|j| at(i, j)).sum()).collect()
        };
        for axis in [0, 1] {
            assert_eq!(x.sum_axes(&[axis]).to_vec(), naive(axis));
            assert_eq!(x.t().sum_axes(&[1 - axis]).to_vec(), naive(axis));
        }
    }

    #[test]
    fn a_long_sum_keeps_its_accuracy() {
        let n = 1 << 22;
        let error = (Tensor::full(&[n], 0.1).sum() as f64 / (n as f64 * 0.1f32 as f64) - 1.0).abs();
        assert!(error < 1e-6, "{error}");
    }

    #[test]
    fn extremes_see_every_element_and_not_a_number() {
        let a = Tensor::from([[1.0, f32::NAN], [3.0, -2.0]]);
        assert!(a.max().is_nan() && a.min().is_nan());
        assert_eq!(a.max_axes(&[1]).to_vec()[1], 3.0);
        assert!(a.min_axes(&[0]).to_vec()[1].is_nan());
        assert_eq!(a.slice(0, 1..2).min_axes(&[0, 1]).item(), -2.0);
    }

    #[test]
    fn sums_of_columns_have_the_same_bits_on_all_threads() {
        let x = Tensor::normal(&[3000, 70], Key::new(1));
        let whole = x.sum_axes(&[0]);
        for (i, part) in [0..7, 7..41, 41..70].into_iter().enumerate() {
            assert_eq!(x.slice(1, part.clone()).sum_axes(&[0]), whole.slice(1, part), "{i}");
        }
        let image = x.reshape(&[30, 10, 10, 70]).permute(&[0, 3, 1, 2]);
        assert_eq!(image.sum_axes(&[0, 2, 3]).reshape(&[1, 70]), whole);
    }

    #[test]
    fn empty_sums_are_zero() {
        assert_eq!(Tensor::full(&[3, 0], 1.0).sum_axes(&[1]).to_vec(), [0.0; 3]);
        assert_eq!(Tensor::full(&[0, 3], 1.0).sum(), 0.0);
    }

    proptest! {
        #[test]
        fn reductions_equal_their_definition(n in prop::collection::vec(1usize..6, 3), axis in 0usize..3, swap: bool) {
            let a = Array::<f64>::from_fn(&n, |i| ((i[0] * 37 + i[1] * 11 + i[2] * 5) % 17) as f64 - 8.0);
            let a = if swap { a.transpose(0, 2).contiguous().transpose(0, 2) } else { a };
            let parts: Vec<_> = (0..n[axis]).map(|i| a.slice(axis, i..i + 1)).collect();
            let by_hand = parts.iter().skip(1).fold(parts[0].clone(), |s, p| &s + p);
            prop_assert_eq!(a.sum_axes(&[axis]), by_hand.clone());
            prop_assert_eq!(a.sum_axes(&[0, 1, 2]).item(), a.sum());
            prop_assert_eq!(a.sum_to(by_hand.shape()), by_hand);
            let top = parts.iter().skip(1).fold(parts[0].clone(), |s, p| s.maximum(p));
            prop_assert_eq!(a.max_axes(&[axis]), top);
            let var = a.var_axes(&[axis], 0).sum();
            let by_hand = parts.iter().map(|p| (p - &a.mean_axes(&[axis])).square().sum()).sum::<f64>() / n[axis] as f64;
            prop_assert!((var - by_hand).abs() < 1e-9);
        }
    }
}
