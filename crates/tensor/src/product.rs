//! Matrix products, and the three products that every layer with a weight is made of.
//!
//! A product is cut into parts of rows or columns by the shapes and strides of its operands alone. A cut of rows or
//! columns changes no bit of the result, because each element's sum over the inner dimension is taken in the kernel's
//! own order.

use std::mem::MaybeUninit;

use crate::array::Array;
use crate::gemm::{self, Parts, Right, Strided};
use crate::parallel;
use crate::scalar::Scalar;
use crate::shape;

/// Multiply-adds below which a product is left to one thread.
const PARALLEL: usize = 1 << 20;

/// Products of this many columns or more are divided among threads by columns.
const SHARED: usize = 96;

/// Products of this many columns or more are divided into eight such parts, not four.
const WIDE: usize = 768;

/// Elements of a matrix that stay in the second-level cache.
const KEPT: usize = 1 << 18;

/// The smallest number of rows of a part of a weight's gradient: for fewer, packing the right operand does not pay off.
const BLOCK: usize = 32;

/// A matrix (rank 2) as its storage and strides.
pub(crate) fn strided<T>(x: &Array<T>) -> Strided<'_, T> {
    Strided { data: x.data.get(x.offset..).unwrap_or(&[]), row: x.strides[0], column: x.strides[1] }
}

/// Writes the product of two matrices (rank 2) to all of `out`, row-major.
fn product<'o, T: Scalar>(a: &Array<T>, b: &Array<T>, out: &'o mut [MaybeUninit<T>]) -> &'o mut [T] {
    let sizes @ [m, k, n] = [a.shape[0], a.shape[1], b.shape[1]];
    let parts = if m * k * n < PARALLEL {
        Some(Parts::One)
    } else if a.strides[0] == 1 && k > 1 && m >= 4 * BLOCK && m * n <= KEPT {
        // The gradient of a weight, cut by rows, as the update of the weight and the next step's forward are: each
        // thread keeps its rows of the weight and of the gradient in its cache.
        Some(Parts::Rows(4))
    } else if n < SHARED || m * k > KEPT {
        // The columns are few, or the rows so many that reading them once is faster.
        None
    } else {
        Some(Parts::Columns(if n < WIDE { 4 } else { 8 }))
    };
    if parts.is_some_and(|parts| gemm::product(strided(a), strided(b), sizes, parts, out)) {
        // SAFETY: all was written.
        return unsafe { out.assume_init_mut() };
    }
    Right::new(strided(b), k, n).write_of(a, out)
}

impl<T: Scalar> Right<'_, T> {
    /// The product of rows [n, terms] with this matrix.
    ///
    /// # Panics
    /// If `rows` is not a matrix with `terms` columns.
    pub fn of(&self, rows: &Array<T>) -> Array<T> {
        assert!(rows.rank() == 2, "product: shape {:?} is not a matrix", rows.shape);
        let len = shape::len(&[rows.shape[0], self.columns()]);
        let out = parallel::build(len, len, |_, out| self.write_of(rows, out));
        Array::from_vec(out, &[rows.shape[0], self.columns()])
    }

    /// As [`of`](Self::of), written to all of `out`, row-major.
    ///
    /// # Panics
    /// As [`of`](Self::of), or if `out` has another size than the product.
    pub fn write_of<'o>(&self, rows: &Array<T>, out: &'o mut [MaybeUninit<T>]) -> &'o mut [T] {
        assert!(
            rows.rank() == 2 && rows.shape[1] == self.terms(),
            "product: {:?} with a matrix of {} rows",
            rows.shape,
            self.terms()
        );
        let (left, m, k, n) = (strided(rows), rows.shape[0], rows.shape[1], self.columns());
        assert!(m.checked_mul(n) == Some(out.len()), "product: {} elements for {m} rows of {n}", out.len());
        let size = if m * k * n < PARALLEL { m } else { block_size(m) };
        parallel::for_each_part(out, size * n, |i, out| {
            let a = Strided { data: &left.data[(i * size * left.row).min(left.data.len())..], ..left };
            self.multiply(a.into(), out.len() / n, out, n);
        });
        // SAFETY: each part was written.
        unsafe { out.assume_init_mut() }
    }
}

/// Rows that one task computes: an eighth of all, within bounds.
fn block_size(rows: usize) -> usize {
    (rows / 8).clamp(16, 256).next_multiple_of(8)
}

/// A weight [out, in] as the right operand of many products `x·wᵀ`: prepared once, then used for any number of rows.
///
/// ```
/// use ohmgrad_tensor::{Tensor, product};
/// let w = Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
/// let y = product::right_of(&w).of(&Tensor::from([[1.0, 1.0]]));
/// assert_eq!(y.to_vec(), [3.0, 7.0, 11.0]);
/// ```
///
/// # Panics
/// If `w` is not a matrix.
#[track_caller]
pub fn right_of<T: Scalar>(w: &Array<T>) -> Right<'_, T> {
    transposed(w, Right::new)
}

/// The right operand that `make` makes from `wᵀ`, its rows and its columns.
#[track_caller]
fn transposed<'a, T: Scalar>(w: &'a Array<T>, make: fn(Strided<'a, T>, usize, usize) -> Right<'a, T>) -> Right<'a, T> {
    assert!(w.rank() == 2, "right_of: shape {:?} is not a matrix", w.shape);
    let Strided { data, row, column } = strided(w);
    make(Strided { data, row: column, column: row }, w.shape[1], w.shape[0])
}

/// As [`right_of`], but the operand shares the weight's storage, so that it can be kept.
///
/// # Panics
/// As [`right_of`].
#[track_caller]
pub fn prepared<T: Scalar>(w: &Array<T>) -> Right<'static, T> {
    right_of(w).owned(w.clone())
}

/// As [`prepared`], for one product of few rows, for which a packed copy of the weight does not pay off. The results
/// are the same, bit for bit.
///
/// # Panics
/// As [`right_of`].
#[track_caller]
pub fn prepared_for_once<T: Scalar>(w: &Array<T>) -> Right<'static, T> {
    transposed(w, Right::unpacked).owned(w.clone())
}

impl<T: Scalar> Array<T> {
    /// The matrix product over the last two axes; leading axes are batches and broadcast.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// let a = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(a.matmul(&a.t()).to_vec(), [5.0, 11.0, 11.0, 25.0]);
    /// ```
    ///
    /// # Panics
    /// If an operand has fewer than two axes, the inner dimensions differ, or the batches do not broadcast.
    #[track_caller]
    pub fn matmul(&self, other: &Self) -> Self {
        let (r, q) = (self.rank(), other.rank());
        assert!(r >= 2 && q >= 2, "matmul: {:?} × {:?}: both need two axes or more", self.shape, other.shape);
        let (m, k, n) = (self.shape[r - 2], self.shape[r - 1], other.shape[q - 1]);
        assert!(
            k == other.shape[q - 2],
            "matmul: {:?} × {:?}: inner dimensions {k} and {} differ",
            self.shape,
            other.shape,
            other.shape[q - 2]
        );
        let Some(mut shape) = shape::broadcast(&self.shape[..r - 2], &other.shape[..q - 2]) else {
            panic!("matmul: {:?} × {:?}: batches do not broadcast", self.shape, other.shape)
        };
        let batch = shape.clone();
        shape.extend([m, n]);
        let len = shape::len(&shape);
        let out = if batch.is_empty() {
            parallel::build(len, len, |_, out| product(self, other, out))
        } else {
            let wide = |x: &Self, rank: usize| {
                let mut full = batch.clone();
                full.extend_from_slice(&x.shape[rank - 2..]);
                x.broadcast_to(&full)
            };
            let (a, b) = (wide(self, r), wide(other, q));
            let mut offsets = vec![];
            let mut index = batch.clone();
            index.push(1);
            let strides = |x: &Self| x.strides[..batch.len() + 1].to_vec();
            shape::for_each_row(&index, [&strides(&a), &strides(&b)], |o| offsets.push(o));
            parallel::build(len, m * n, |first, out| {
                let [i, j] = offsets[first / (m * n)];
                let matrix = |x: &Self, offset: usize| Self {
                    data: x.data.clone(),
                    offset: x.offset + offset,
                    shape: x.shape[batch.len()..].into(),
                    strides: x.strides[batch.len()..].into(),
                };
                product(&matrix(&a, i), &matrix(&b, j), out)
            })
        };
        Self::from_vec(out, &shape)
    }
}

/// A layer's forward product: rows `x` [batch, in] times a weight `w` [out, in], giving `x·wᵀ` [batch, out].
///
/// Digital layers and perfect tiles both call this function, so they are equal bit for bit.
///
/// # Panics
/// If the inner dimensions differ.
#[track_caller]
pub fn linear<T: Scalar>(x: &Array<T>, w: &Array<T>) -> Array<T> {
    x.matmul(&w.t())
}

/// The gradient of [`linear`] with respect to its rows: `d·w` [batch, in] for the gradient `d` [batch, out].
///
/// # Panics
/// If the inner dimensions differ.
#[track_caller]
pub fn linear_input_gradient<T: Scalar>(d: &Array<T>, w: &Array<T>) -> Array<T> {
    d.matmul(w)
}

/// The gradient of [`linear`] with respect to its weight: `dᵀ·x` [out, in].
///
/// # Panics
/// If `d` and `x` have different numbers of rows.
#[track_caller]
pub fn linear_weight_gradient<T: Scalar>(d: &Array<T>, x: &Array<T>) -> Array<T> {
    d.t().matmul(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, Tensor};
    use proptest::prelude::*;

    fn naive(a: &Array<f64>, b: &Array<f64>) -> Array<f64> {
        Array::from_fn(&[a.shape()[0], b.shape()[1]], |i| (0..a.shape()[1]).map(|k| a[[i[0], k]] * b[[k, i[1]]]).sum())
    }

    proptest! {
        #[test]
        fn products_equal_naive_loops(m in 0usize..20, k in 0usize..20, n in 0usize..20, ta: bool, tb: bool, step in 1usize..3) {
            let key = Key::new(7).fold(m).fold(k).fold(n);
            let a = Array::<f64>::normal(&if ta { [k * step, m] } else { [m, k * step] }, key.fold("a"));
            let a = (if ta { a.t() } else { a }).slice_step(1, 0..k * step, step);
            let b = Array::<f64>::normal(&if tb { [n, k] } else { [k, n] }, key.fold("b"));
            let b = if tb { b.t() } else { b };
            let (fast, slow) = (a.matmul(&b), naive(&a, &b));
            prop_assert_eq!(fast.shape(), slow.shape());
            prop_assert!((&fast - &slow).abs().max() < 1e-12 || fast.is_empty());
        }

        /// The sizes are such that products are given to threads by rows, by columns, and by rows of one packed
        /// operand.
        #[test]
        fn gradients_of_weights_are_products(m in 100usize..200, k in 1usize..100, n in 150usize..400) {
            let (d, x) = (Tensor::normal(&[k, m], Key::new(1)), Tensor::normal(&[k, n], Key::new(2)));
            prop_assert_eq!(linear_weight_gradient(&d, &x), d.t().contiguous().matmul(&x));
        }

        #[test]
        fn cutting_rows_or_columns_changes_no_bit(m in 1usize..200, k in 1usize..600, n in 1usize..200, cut in 0.0..1.0f64) {
            let a = Tensor::normal(&[m, k], Key::new(1));
            let b = Tensor::normal(&[n, k], Key::new(2)).t();
            let whole = a.matmul(&b);
            let (i, j) = ((m as f64 * cut) as usize, (n as f64 * cut) as usize);
            prop_assert_eq!(a.slice(0, i..m).matmul(&b), whole.slice(0, i..m));
            prop_assert_eq!(a.matmul(&b.slice(1, j..n)), whole.slice(1, j..n));
        }
    }

    /// Terms a page apart are copied first; 300 are two stretches.
    #[test]
    fn a_large_transposed_left_operand_gives_the_same_bits() {
        let (a, b) = (Tensor::normal(&[300, 1101], Key::new(1)), Tensor::normal(&[300, 70], Key::new(2)));
        assert_eq!(a.t().matmul(&b), a.t().contiguous().matmul(&b));
    }

    /// A batch without rows, layers without inputs or outputs: also beyond one panel of columns.
    #[test]
    fn sizes_of_0_are_sizes() {
        for (m, k, n) in [(0, 5, 300), (300, 0, 300), (3, 5, 0), (0, 0, 0), (300, 0, 3)] {
            let (x, w) = (Tensor::full(&[m, k], 1.0), Tensor::full(&[n, k], 1.0));
            for y in [linear(&x, &w), right_of(&w).of(&x), linear_input_gradient(&x, &w.t().contiguous())] {
                assert_eq!(y, Tensor::full(&[m, n], 0.0));
            }
            assert_eq!(linear_weight_gradient(&Tensor::full(&[m, n], 1.0), &x), Tensor::full(&[n, k], m as f32));
        }
    }

    #[test]
    fn batches_broadcast() {
        let a = Array::<f64>::normal(&[2, 1, 3, 4], Key::new(1));
        let b = Array::<f64>::normal(&[5, 4, 2], Key::new(2));
        let c = a.matmul(&b);
        assert_eq!(c.shape(), [2, 5, 3, 2]);
        let one = naive(&a.select(0, 1).select(0, 0), &b.row(3));
        assert!((&c.select(0, 1).select(0, 3) - &one).abs().max() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "matmul: [64, 784] × [512, 256]: inner dimensions 784 and 512 differ")]
    fn wrong_shapes_name_both() {
        Tensor::full(&[64, 784], 0.0).matmul(&Tensor::full(&[512, 256], 0.0));
    }
}
