//! Products of matrices. [`Right`] is a right operand that is prepared once and multiplied with many rows.
//!
//! f32 on x86-64 with AVX2 or AVX-512 uses the kernels of this module, for which the right operand is packed. Other
//! processors, and f64, use `matrixmultiply`.
//!
//! Each element's sum is taken in the order of the inner dimension, in stretches whose length depends on the inner
//! dimension alone. So cutting rows or columns changes no bit.

#[cfg(target_arch = "x86_64")]
mod kernels;
#[cfg(target_arch = "x86_64")]
mod packed;

use std::borrow::Cow;
use std::fmt;
use std::mem::MaybeUninit;

use crate::array::Array;

#[cfg(target_arch = "x86_64")]
use packed::Packed;

/// A matrix in memory: element (i, j) is at `i·row + j·column`.
#[derive(Clone, Copy)]
pub struct Strided<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl<'a, T: Gemm> Strided<'a, T> {
    /// Checks that a matrix of this size lies in the slice.
    fn check(self, rows: usize, columns: usize) {
        Left::from(self).check(rows, columns);
    }

    /// The matrix, if its elements are f32.
    #[cfg(target_arch = "x86_64")]
    fn as_f32(self) -> Option<Strided<'a, f32>> {
        T::as_f32(self.data).map(|data| Strided { data, row: self.row, column: self.column })
    }
}

/// A left operand in memory: element (i, j) is at the sum of the offsets of row i and term j. This describes the
/// patches of a convolution, which strides do not.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a, T> {
    pub data: &'a [T],
    pub rows: Offsets<'a>,
    pub terms: Offsets<'a>,
}

/// The offsets in memory of the rows, or of the terms, of a matrix.
#[derive(Clone, Copy)]
pub(crate) enum Offsets<'a> {
    /// Multiples of a stride.
    Stride(usize),
    /// One offset for each.
    Table(&'a [usize]),
}

impl<'a> Offsets<'a> {
    /// The first `n`.
    fn list(self, n: usize) -> Cow<'a, [usize]> {
        match self {
            Self::Stride(step) => (0..n).map(|i| i * step).collect(),
            Self::Table(offsets) => Cow::Borrowed(&offsets[..n]),
        }
    }

    /// The offsets of `N` rows from `first` on, with unspecified offsets beyond the end of the list.
    fn chunk<const N: usize>(self, first: usize) -> [usize; N] {
        match self {
            Self::Stride(step) => std::array::from_fn(|i| (first + i) * step),
            Self::Table(offsets) => match offsets[first..].first_chunk() {
                Some(&offsets) => offsets,
                None => std::array::from_fn(|i| offsets.get(first + i).copied().unwrap_or(0)),
            },
        }
    }

    /// The largest of the first `n`; `None` if there are none or it overflows.
    fn largest(self, n: usize) -> Option<usize> {
        match self {
            Self::Stride(step) => n.checked_sub(1)?.checked_mul(step),
            Self::Table(offsets) => offsets[..n].iter().copied().max(),
        }
    }
}

impl<T> Left<'_, T> {
    /// Checks that a matrix of this size lies in the slice.
    fn check(&self, rows: usize, terms: usize) {
        let last = || self.rows.largest(rows)?.checked_add(self.terms.largest(terms)?);
        assert!(
            rows == 0 || terms == 0 || last().is_some_and(|last| last < self.data.len()),
            "product: a matrix reaches beyond its storage"
        );
    }
}

impl<T: Copy> Left<'_, T> {
    /// The elements in row-major order.
    fn to_vec(self, rows: usize, terms: usize) -> Vec<T> {
        let (starts, places) = (self.rows.list(rows), self.terms.list(terms));
        starts.iter().flat_map(|start| places.iter().map(move |place| self.data[start + place])).collect()
    }
}

impl<'a, T> From<Strided<'a, T>> for Left<'a, T> {
    fn from(Strided { data, row, column }: Strided<'a, T>) -> Self {
        Self { data, rows: Offsets::Stride(row), terms: Offsets::Stride(column) }
    }
}

/// The matrix of a right operand, which is used where the operand is not packed.
enum Matrix<'a, T> {
    Borrowed(Strided<'a, T>),
    /// Shared, with the distances of rows and of columns.
    Owned(Array<T>, [usize; 2]),
}

impl<T> Matrix<'_, T> {
    fn get(&self) -> Strided<'_, T> {
        match self {
            Self::Borrowed(Strided { data, row, column }) => Strided { data, row: *row, column: *column },
            Self::Owned(matrix, [row, column]) => {
                Strided { data: matrix.data.get(matrix.offset..).unwrap_or(&[]), row: *row, column: *column }
            }
        }
    }
}

/// The right operand of products: a matrix [terms, columns] that rows are multiplied with.
pub struct Right<'a, T> {
    matrix: Matrix<'a, T>,
    terms: usize,
    columns: usize,
    #[cfg(target_arch = "x86_64")]
    packed: Option<Packed>,
}

/// The sizes.
impl<T> fmt::Debug for Right<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (terms, columns) = (self.terms, self.columns);
        f.debug_struct("Right").field("terms", &terms).field("columns", &columns).finish_non_exhaustive()
    }
}

impl<'a, T: Gemm> Right<'a, T> {
    /// The operand of any number of products.
    pub(crate) fn new(matrix: Strided<'a, T>, terms: usize, columns: usize) -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            packed: matrix.as_f32().and_then(|matrix| Packed::new(matrix, terms, columns)),
            ..Self::unpacked(matrix, terms, columns)
        }
    }

    /// The operand of a single product of few rows, packed panel by panel during the product.
    pub(crate) fn unpacked(matrix: Strided<'a, T>, terms: usize, columns: usize) -> Self {
        matrix.check(terms, columns);
        Self {
            matrix: Matrix::Borrowed(matrix),
            terms,
            columns,
            #[cfg(target_arch = "x86_64")]
            packed: None,
        }
    }

    /// The same, which shares the matrix instead of borrowing it.
    pub(crate) fn owned(self, matrix: Array<T>) -> Right<'static, T> {
        let Strided { row, column, .. } = self.matrix.get();
        Right {
            matrix: Matrix::Owned(matrix, [row, column]),
            terms: self.terms,
            columns: self.columns,
            #[cfg(target_arch = "x86_64")]
            packed: self.packed,
        }
    }

    /// Writes the product of rows `a` [rows, terms] with this matrix, all its columns, to rows of `out` that are
    /// `stride` apart.
    pub(crate) fn multiply(&self, a: Left<'_, T>, rows: usize, out: &mut [MaybeUninit<T>], stride: usize) {
        let n = self.columns;
        if rows == 0 || n == 0 {
            return;
        }
        let end = (rows - 1).checked_mul(stride).and_then(|last| last.checked_add(n));
        assert!(
            n <= stride && end.is_some_and(|end| end <= out.len()),
            "product: {} elements for {rows} rows of {n}, {stride} apart",
            out.len()
        );
        a.check(rows, self.terms);
        if self.terms == 0 {
            out.chunks_mut(stride).take(rows).for_each(|row| row[..n].fill(MaybeUninit::new(T::ZERO)));
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if let (Some(packed), Some(data)) = (&self.packed, T::as_f32(a.data)) {
            let a = Left { data, rows: a.rows, terms: a.terms };
            let out = T::as_f32_mut(out).expect("out has the element type of a");
            // SAFETY: the sizes were just checked.
            return unsafe { packed.multiply(a, rows, out, stride) };
        }
        let copy;
        let (a, row, term) = match (a.rows, a.terms) {
            (Offsets::Stride(row), Offsets::Stride(term)) => (a.data, row, term),
            _ => {
                copy = a.to_vec(rows, self.terms);
                (copy.as_slice(), self.terms, 1)
            }
        };
        let b = self.matrix.get();
        if rows == 1 || stride == n {
            let parts = if self.terms * n < PARALLEL { Parts::One } else { Parts::Columns(8) };
            let a = Strided { data: a, row, column: term };
            if product(a, b, [rows, self.terms, n], parts, &mut out[..rows * n]) {
                return;
            }
        }
        let [row, term, brs, bcs, stride] = [row, term, b.row, b.column, stride].map(|stride| stride as isize);
        // SAFETY: both operands were checked to lie in their slices, and so was the result.
        unsafe {
            let (a, b) = ((a.as_ptr(), row, term), (b.data.as_ptr(), brs, bcs));
            T::gemm([rows, self.terms, n], a, b, (out.as_mut_ptr().cast(), stride, 1));
        }
    }

    /// Terms of each sum: rows of this matrix.
    pub fn terms(&self) -> usize {
        self.terms
    }

    /// Columns of this matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// Right operands of this many elements or more are packed by all threads.
const PARALLEL: usize = 1 << 16;

/// Division of a product among threads.
#[derive(Clone, Copy)]
pub(crate) enum Parts {
    /// One part: the calling thread alone.
    One,
    /// A number of parts of rows, each of which packs the right operand separately.
    Rows(usize),
    /// A number of parts of columns.
    Columns(usize),
}

/// The product of two matrices, written to all of `out`, row-major. `false` if there are no kernels, rows or terms;
/// [`Right`] computes it then.
#[cfg(target_arch = "x86_64")]
pub(crate) fn product<T: Gemm>(
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    sizes: [usize; 3],
    parts: Parts,
    out: &mut [MaybeUninit<T>],
) -> bool {
    let (Some(a), Some(b), Some(out)) = (a.as_f32(), b.as_f32(), T::as_f32_mut(out)) else { return false };
    sizes[0] > 0 && sizes[1] > 0 && packed::product(a, b, sizes, parts, out)
}

/// There are kernels for x86-64 only.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn product<T: Gemm>(
    _: Strided<'_, T>,
    _: Strided<'_, T>,
    _: [usize; 3],
    _: Parts,
    _: &mut [MaybeUninit<T>],
) -> bool {
    false
}

/// The element types of products.
pub trait Gemm: Copy + Sync + 'static {
    #[doc(hidden)]
    const ZERO: Self;

    /// `c ← a·b` for an m×k and a k×n matrix, each a pointer with the strides of rows and columns.
    ///
    /// # Safety
    /// All elements exist, and those of `c` are accessed by this call alone.
    #[doc(hidden)]
    unsafe fn gemm(
        dims: [usize; 3],
        a: (*const Self, isize, isize),
        b: (*const Self, isize, isize),
        c: (*mut Self, isize, isize),
    );

    /// The slice, if its elements are f32.
    #[doc(hidden)]
    fn as_f32(slice: &[Self]) -> Option<&[f32]>;

    /// The slice, if its elements are f32.
    #[doc(hidden)]
    fn as_f32_mut(slice: &mut [MaybeUninit<Self>]) -> Option<&mut [MaybeUninit<f32>]>;
}

macro_rules! gemm {
    ($t:ty, $gemm:path, |$slice:ident| $as_f32:expr) => {
        impl Gemm for $t {
            const ZERO: Self = 0.0;

            unsafe fn gemm(
                [m, k, n]: [usize; 3],
                (a, ars, acs): (*const Self, isize, isize),
                (b, brs, bcs): (*const Self, isize, isize),
                (c, crs, ccs): (*mut Self, isize, isize),
            ) {
                // SAFETY: the caller's promise is the one that the kernel asks for.
                unsafe { $gemm(m, k, n, 1.0, a, ars, acs, b, brs, bcs, 0.0, c, crs, ccs) }
            }

            fn as_f32($slice: &[Self]) -> Option<&[f32]> {
                $as_f32
            }

            fn as_f32_mut($slice: &mut [MaybeUninit<Self>]) -> Option<&mut [MaybeUninit<f32>]> {
                $as_f32
            }
        }
    };
}

gemm!(f32, matrixmultiply::sgemm, |slice| Some(slice));
gemm!(f64, matrixmultiply::dgemm, |_slice| None);

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernels rely on this check and make no other.
    #[test]
    fn matrices_beyond_their_storage_are_refused_also_where_a_size_wraps_around() {
        let refused = |rows: Offsets<'_>, terms: Offsets<'_>, sizes: [usize; 2]| {
            let left = Left { data: &[0.0f32; 8], rows, terms };
            std::panic::catch_unwind(|| left.check(sizes[0], sizes[1])).is_err()
        };
        let even = Offsets::Stride;
        assert!(!refused(even(4), even(1), [2, 4]) && !refused(even(usize::MAX), even(usize::MAX), [1, 1]));
        assert!(!refused(even(usize::MAX), even(1), [3, 0]) && !refused(Offsets::Table(&[7, 0]), even(0), [2, 9]));
        assert!(refused(even(4), even(1), [2, 5]) && refused(Offsets::Table(&[8]), even(1), [1, 1]));
        assert!(refused(even(usize::MAX), even(1), [2, 2]) && refused(even(1 << 63), even(0), [3, 1]));
        assert!(refused(Offsets::Table(&[usize::MAX]), Offsets::Table(&[0, 1]), [1, 2]));

        let beyond = |rows: usize, stride: usize| {
            let right = Right::new(Strided { data: &[1.0f32; 6], row: 3, column: 1 }, 2, 3);
            let left = Left { data: &[1.0f32; 2], rows: Offsets::Stride(0), terms: Offsets::Stride(1) };
            let multiply = || right.multiply(left, rows, &mut [MaybeUninit::uninit(); 6], stride);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(multiply)).is_err()
        };
        assert!(!beyond(2, 3) && beyond(3, 3) && beyond(2, 4) && beyond(3, 1 << 63) && beyond(usize::MAX, usize::MAX));
    }
}
