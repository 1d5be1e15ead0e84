//! Elementwise functions with broadcasting; operators are in `operators.rs`.

use std::mem::MaybeUninit;

use crate::array::Array;
use crate::parallel;
use crate::scalar::Scalar;
use crate::shape::{self, Dims};
use crate::simd::vectorized;

/// The most elements of one task. A smaller array is one task: another thread would cost more than it saves.
const PARALLEL: usize = 1 << 13;

/// Elements of a cache line of `f32`.
const LINE: usize = 16;

/// Elements per task of a pass over `len` elements. Tasks are even, so that each of two or four threads has the same
/// share of an array in all passes, and in products that are cut by rows.
fn task(len: usize) -> usize {
    match len.div_ceil(PARALLEL) {
        0 | 1 => len.max(1),
        tasks => len.div_ceil(tasks.next_multiple_of(4)).next_multiple_of(LINE),
    }
}

impl<T: Copy + Send + Sync> Array<T> {
    /// `f` of every element.
    pub fn map<U: Copy + Send + Sync>(&self, f: impl Fn(T) -> U + Sync) -> Array<U> {
        if !self.is_dense() {
            return self.compact().map(f);
        }
        let source = self.storage();
        let data = parallel::build(source.len(), task(source.len()), |first, out| {
            let source = &source[first..first + out.len()];
            vectorized(
                #[inline(always)]
                || out.iter_mut().zip(source).for_each(|(o, &x)| _ = o.write(f(x))),
            );
            // SAFETY: all were written.
            unsafe { out.assume_init_mut() }
        });
        self.with_storage(data)
    }

    /// `f` of the pairs of elements of two arrays, under NumPy's broadcasting rules.
    ///
    /// # Panics
    /// If the shapes do not broadcast to a common one.
    #[track_caller]
    pub fn zip<U: Copy + Send + Sync, V: Copy + Send + Sync>(
        &self,
        other: &Array<U>,
        f: impl Fn(T, U) -> V + Sync,
    ) -> Array<V> {
        self.zip_named("zip", other, f)
    }

    #[track_caller]
    pub(crate) fn zip_named<U: Copy + Send + Sync, V: Copy + Send + Sync>(
        &self,
        operation: &str,
        other: &Array<U>,
        f: impl Fn(T, U) -> V + Sync,
    ) -> Array<V> {
        if self.is_paired_with(other) {
            return self.zip_dense(other, &f);
        }
        let (a, b, order) = self.operands(other, operation);
        let result = if a.is_paired_with(&b) { a.zip_dense(&b, &f) } else { zip_by_rows(&a, &b, &f) };
        match order {
            Some(order) => result.permute(&shape::inverse(&order)),
            None => result,
        }
    }

    /// Two arrays as views of their common shape. If the axes of the first have another order in memory, those of both
    /// views have this order, which is also returned.
    #[track_caller]
    fn operands<U: Copy + Send + Sync>(&self, other: &Array<U>, operation: &str) -> (Self, Array<U>, Option<Dims>) {
        let Some(shape) = shape::broadcast(&self.shape, &other.shape) else {
            panic!("{operation}: shapes {:?} and {:?} do not broadcast", self.shape, other.shape)
        };
        let is_permuted = self.shape == shape && self.is_dense() && !self.is_contiguous();
        let order = is_permuted.then(|| self.memory_order());
        let (mut a, mut b) = (self.broadcast_to(&shape), other.broadcast_to(&shape));
        if let Some(order) = &order {
            (a, b) = (a.permute(order), b.permute(order));
        }
        if a.is_contiguous() && b.is_dense() && !b.is_contiguous() {
            b = b.contiguous();
        }
        (a, b, order)
    }

    /// Returns `true` if elements with the same index are at the same place of both storages, without gaps.
    fn is_paired_with<U>(&self, other: &Array<U>) -> bool {
        self.shape == other.shape && self.strides == other.strides && self.is_dense()
    }

    /// `f` of the pairs of elements of two arrays that are paired.
    fn zip_dense<U: Copy + Send + Sync, V: Copy + Send + Sync>(
        &self,
        other: &Array<U>,
        f: &(impl Fn(T, U) -> V + Sync),
    ) -> Array<V> {
        let (a, b) = (self.storage(), other.storage());
        let data = parallel::build(a.len(), task(a.len()), |first, out| {
            let (a, b) = (&a[first..first + out.len()], &b[first..first + out.len()]);
            vectorized(
                #[inline(always)]
                || out.iter_mut().zip(a).zip(b).for_each(|((o, &x), &y)| _ = o.write(f(x, y))),
            );
            // SAFETY: all were written.
            unsafe { out.assume_init_mut() }
        });
        self.with_storage(data)
    }
    /// Changes every element in place; copies first if the storage is shared.
    pub fn map_mut(&mut self, f: impl Fn(&mut T) + Sync + Send) {
        let data = self.storage_mut();
        parallel::for_each_part(data, task(data.len()), |_, part| {
            vectorized(
                #[inline(always)]
                || part.iter_mut().for_each(&f),
            );
        });
    }

    /// Changes every element in place with the help of another array, which is broadcast to this one's shape.
    ///
    /// # Panics
    /// If the other array does not broadcast to this shape.
    #[track_caller]
    pub fn zip_mut<U: Copy + Send + Sync>(&mut self, other: &Array<U>, f: impl Fn(&mut T, U) + Sync + Send) {
        self.zip_mut_named("zip_mut", other, f);
    }

    #[track_caller]
    pub(crate) fn zip_mut_named<U: Copy + Send + Sync>(
        &mut self,
        operation: &str,
        other: &Array<U>,
        f: impl Fn(&mut T, U) + Sync + Send,
    ) {
        let other =
            if other.shape == self.shape { other.clone() } else { other.broadcast_named(operation, &self.shape) };
        if self.strides != other.strides && self.shape == other.shape && self.is_dense() && other.is_dense() {
            let order = self.memory_order();
            let other = other.permute(&order).contiguous().permute(&shape::inverse(&order));
            if self.strides == other.strides {
                return self.zip_mut_named(operation, &other, f);
            }
        }
        if !self.is_dense() {
            *self = self.compact();
        }
        if self.strides == other.strides {
            let b = other.storage();
            let task = task(b.len());
            parallel::for_each_part(self.storage_mut(), task, |i, part| {
                let b = &b[i * task..];
                vectorized(
                    #[inline(always)]
                    || part.iter_mut().zip(b).for_each(|(x, &y)| f(x, y)),
                );
            });
            return;
        }
        let inner = self.shape.last().copied().unwrap_or(1);
        let (sa, sb) = (self.strides.last().copied().unwrap_or(1), other.strides.last().copied().unwrap_or(1));
        let (shape, strides) = (self.shape.clone(), self.strides.clone());
        let a = self.storage_mut();
        shape::for_each_row(&shape, [&strides, &other.strides], |[x, y]| {
            let y = other.offset + y;
            (0..inner).for_each(|i| f(&mut a[x + i * sa], other.data[y + i * sb]));
        });
    }

    /// The storage of a dense array for writing, in storage order; other arrays are made contiguous first.
    fn storage_mut(&mut self) -> &mut [T] {
        if !self.is_dense() {
            *self = self.compact();
        }
        self.unshared_storage()
    }

    /// The same elements without gaps or repetition in storage.
    fn compact(&self) -> Self {
        Self::from_vec(self.to_vec(), &self.shape)
    }
}

/// `f` of the pairs of elements of two views of one shape, row by row.
fn zip_by_rows<T: Copy + Send + Sync, U: Copy + Send + Sync, V: Copy + Send + Sync>(
    a: &Array<T>,
    b: &Array<U>,
    f: &(impl Fn(T, U) -> V + Sync),
) -> Array<V> {
    let shape = &a.shape;
    let rows = shape.first().copied().unwrap_or(1);
    let run = shape.iter().skip(1).product::<usize>();
    let block = task(rows * run).div_ceil(run.max(1));
    let data = parallel::build(rows * run, block * run, |first, out| {
        if rows <= block {
            zip_rows(a, b, out, f);
        } else {
            let range = first / run..(first + out.len()) / run;
            zip_rows(&a.slice(0, range.clone()), &b.slice(0, range), out, f);
        }
        // SAFETY: all rows were written.
        unsafe { out.assume_init_mut() }
    });
    Array::from_vec(data, shape)
}

/// Writes `f` of the pairs of elements of two views of one shape to all of `out`.
fn zip_rows<T: Copy, U: Copy, V>(a: &Array<T>, b: &Array<U>, out: &mut [MaybeUninit<V>], f: &impl Fn(T, U) -> V) {
    let inner = a.shape.last().copied().unwrap_or(1);
    let (sa, sb) = (a.strides.last().copied().unwrap_or(1), b.strides.last().copied().unwrap_or(1));
    let mut rows = out.chunks_exact_mut(inner.max(1));
    // Around the loop over rows, because a row may be short.
    vectorized(
        #[inline(always)]
        || {
            shape::for_each_row(
                &a.shape,
                [&a.strides, &b.strides],
                #[inline(always)]
                |[x, y]| {
                    let (x, y) = (a.offset + x, b.offset + y);
                    let Some(row) = rows.next() else { return };
                    match (sa, sb) {
                        (1, 1) => {
                            let (x, y) = (&a.data[x..x + inner], &b.data[y..y + inner]);
                            row.iter_mut().zip(x).zip(y).for_each(|((o, &x), &y)| _ = o.write(f(x, y)));
                        }
                        (1, 0) => {
                            let (x, y) = (&a.data[x..x + inner], b.data[y]);
                            row.iter_mut().zip(x).for_each(|(o, &x)| _ = o.write(f(x, y)));
                        }
                        _ => {
                            let pairs = (0..inner).map(|i| (a.data[x + i * sa], b.data[y + i * sb]));
                            row.iter_mut().zip(pairs).for_each(|(o, (x, y))| _ = o.write(f(x, y)));
                        }
                    }
                },
            );
        },
    );
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident => $f:expr;)*) => {
        impl<T: Scalar> Array<T> {
            $($(#[$doc])* pub fn $name(&self) -> Self { self.map($f) })*
        }
    };
}

functions! {
    /// The absolute value.
    abs => T::abs;
    /// `eˣ`.
    exp => T::exponential;
    /// The natural logarithm.
    ln => T::logarithm;
    /// The square root.
    sqrt => T::sqrt;
    /// `x²`.
    square => |x: T| x * x;
    /// `1/x`.
    recip => T::recip;
    /// The sine of an angle in radians.
    sin => T::sin;
    /// The cosine of an angle in radians.
    cos => T::cos;
    /// The hyperbolic tangent.
    tanh => T::hyperbolic_tangent;
    /// The logistic function, `1/(1 + e⁻ˣ)`.
    sigmoid => T::logistic;
    /// `ln(1 + eˣ)`, without overflow for large `x`.
    softplus => T::soft_plus;
    /// `max(x, 0)`; NaN stays NaN.
    relu => |x: T| if x < T::zero() { T::zero() } else { x };
    /// −1, 0 or 1 by the sign of the element; NaN stays NaN.
    sign => |x: T| if x > T::zero() { T::one() } else if x < T::zero() { -T::one() } else { x };
}

impl<T: Scalar> Array<T> {
    /// Each element to a constant power.
    pub fn powf(&self, exponent: T) -> Self {
        self.map(|x| x.powf(exponent))
    }

    /// Each element cut to the range from `low` to `high`; NaN stays NaN.
    pub fn clamp(&self, low: T, high: T) -> Self {
        self.map(|x| clamp(x, low, high))
    }

    /// The larger of each pair of elements, broadcast; NaN if either is.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn maximum(&self, other: &Self) -> Self {
        self.zip_named("maximum", other, larger)
    }

    /// The smaller of each pair of elements, broadcast; NaN if either is.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn minimum(&self, other: &Self) -> Self {
        self.zip_named("minimum", other, |x, y| -larger(-x, -y))
    }
}

pub(crate) fn clamp<T: Scalar>(x: T, low: T, high: T) -> T {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}

/// The larger number, NaN if either is: `f32::max` would drop the NaN.
pub(crate) fn larger<T: Scalar>(x: T, y: T) -> T {
    if x > y || x.is_nan() { x } else { y }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;
    use proptest::prelude::*;

    #[test]
    fn large_arguments_do_not_overflow() {
        let x = Tensor::from([-1000.0, 0.0, 1000.0]);
        assert_eq!(x.softplus().to_vec(), [0.0, 2f32.ln(), 1000.0]);
        assert_eq!(x.sigmoid().to_vec(), [0.0, 0.5, 1.0]);
    }

    #[test]
    fn not_a_number_survives() {
        let x = Tensor::from([f32::NAN]);
        for y in [x.relu(), x.clamp(0.0, 1.0), x.maximum(&Tensor::from([1.0])), x.minimum(&Tensor::from([1.0]))] {
            assert!(y.item().is_nan());
        }
        assert!(Tensor::from([1.0]).maximum(&x).item().is_nan());
    }

    proptest! {
        #[test]
        fn strides_and_threads_do_not_matter(rows in 1usize..300, cols in 1usize..300, transposed: bool, bias in 0usize..3) {
            let a = Tensor::from_fn(&[rows, cols], |i| (i[0] * 7 + i[1]) as f32);
            let b = match bias {
                0 => Tensor::from_fn(&[cols], |i| i[0] as f32),
                1 => Tensor::from_fn(&[rows, 1], |i| i[0] as f32),
                _ => Tensor::from_fn(&[rows, cols], |i| (i[0] + 3 * i[1]) as f32),
            };
            let a = if transposed { a.t().contiguous().t() } else { a };
            let sum = &a - &b;
            let wide = b.broadcast_to(&[rows, cols]);
            for (i, j) in [(0, 0), (rows - 1, cols - 1), (rows / 2, cols / 3)] {
                prop_assert_eq!(sum[[i, j]], a[[i, j]] - wide[[i, j]]);
            }
            let mut c = a.clone();
            c.zip_mut(&b, |x, y| *x -= y);
            prop_assert_eq!(c, sum);
        }
    }
}
