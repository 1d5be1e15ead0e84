//! Products of matrices behind one type, [`Right`]: the operand that stays while rows pass by.
//!
//! For f32 on x86 with AVX2 or AVX-512 it is packed for kernels of our own; elsewhere, and for f64, `matrixmultiply`
//! computes. (Measured with AVX-512, one core, 256 × 512 × 512: 1.6 times matrixmultiply's rate; a transposed weight,
//! which every layer's forward has, costs matrixmultiply another third.)
//!
//! Each element's sum is taken in the order of the inner dimension, in stretches whose length depends on the inner
//! dimension alone. So cutting rows or columns changes no bit.

#[cfg(target_arch = "x86_64")]
mod kernels;
#[cfg(target_arch = "x86_64")]
mod packed;

use std::mem::MaybeUninit;

#[cfg(target_arch = "x86_64")]
use packed::Packed;

/// A matrix in memory: element (i, j) is at `i·row + j·column`.
#[derive(Clone, Copy)]
pub struct Strided<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl<T> Strided<'_, T> {
    /// Checks that a matrix of this size lies in the slice.
    fn check(&self, rows: usize, columns: usize) {
        assert!(
            rows == 0 || columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len(),
            "product: a matrix reaches beyond its storage"
        );
    }
}

/// The right operand of products: a matrix [terms, columns] that rows are multiplied with.
pub struct Right<'a, T> {
    matrix: Strided<'a, T>,
    terms: usize,
    columns: usize,
    #[cfg(target_arch = "x86_64")]
    packed: Option<Packed>,
}

impl<'a, T: Gemm> Right<'a, T> {
    pub(crate) fn new(matrix: Strided<'a, T>, terms: usize, columns: usize) -> Self {
        matrix.check(terms, columns);
        Self {
            matrix,
            terms,
            columns,
            #[cfg(target_arch = "x86_64")]
            packed: T::as_f32(matrix).and_then(|b| Packed::new(b, terms, columns)),
        }
    }

    /// Writes the product of rows `a` [rows, terms] with this matrix to all of `out` [rows, columns], row-major.
    pub(crate) fn multiply_strided<'o>(
        &self,
        a: Strided<'_, T>,
        rows: usize,
        out: &'o mut [MaybeUninit<T>],
    ) -> &'o mut [T] {
        assert!(out.len() == rows * self.columns, "product: {} elements for {rows} rows", out.len());
        a.check(rows, self.terms);
        self.write(a, rows, out);
        // SAFETY: all was written.
        unsafe { out.assume_init_mut() }
    }

    fn write(&self, a: Strided<'_, T>, rows: usize, out: &mut [MaybeUninit<T>]) {
        if self.terms == 0 {
            out.fill(MaybeUninit::new(T::ZERO));
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if let (Some(packed), Some(a)) = (&self.packed, T::as_f32(a)) {
            return packed.multiply(a, rows, T::as_f32_mut(out).expect("out is what a is"));
        }
        if rows > 0 && self.columns > 0 {
            let (n, b) = (self.columns, self.matrix);
            let [ars, acs, brs, bcs] = [a.row, a.column, b.row, b.column].map(|stride| stride as isize);
            // SAFETY: both operands were checked to lie in their slices, and `out` has rows · columns elements.
            unsafe {
                let (a, b) = ((a.data.as_ptr(), ars, acs), (b.data.as_ptr(), brs, bcs));
                T::gemm([rows, self.terms, n], a, b, (out.as_mut_ptr().cast(), n as isize, 1));
            }
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

/// The element types of products.
pub trait Gemm: Copy + Sync + 'static {
    #[doc(hidden)]
    const ZERO: Self;

    /// `c ← a·b` for an m×k and a k×n matrix, each a pointer with the strides of rows and columns.
    ///
    /// # Safety
    /// All elements exist, and `c` is nobody else's.
    #[doc(hidden)]
    unsafe fn gemm(
        dims: [usize; 3],
        a: (*const Self, isize, isize),
        b: (*const Self, isize, isize),
        c: (*mut Self, isize, isize),
    );

    /// The matrix, if its elements are f32.
    #[doc(hidden)]
    fn as_f32(matrix: Strided<'_, Self>) -> Option<Strided<'_, f32>>;

    /// The slice, if its elements are f32.
    #[doc(hidden)]
    fn as_f32_mut(slice: &mut [MaybeUninit<Self>]) -> Option<&mut [MaybeUninit<f32>]>;
}

macro_rules! gemm {
    ($t:ty, $gemm:path, |$matrix:ident| $as_f32:expr) => {
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

            fn as_f32($matrix: Strided<'_, Self>) -> Option<Strided<'_, f32>> {
                $as_f32
            }

            fn as_f32_mut($matrix: &mut [MaybeUninit<Self>]) -> Option<&mut [MaybeUninit<f32>]> {
                $as_f32
            }
        }
    };
}

gemm!(f32, matrixmultiply::sgemm, |matrix| Some(matrix));
gemm!(f64, matrixmultiply::dgemm, |_matrix| None);
