//! The two element types of numeric arrays.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

/// An element of a numeric array: `f32` or `f64`.
///
/// Everything in this workspace computes in `f32`; `f64` exists so that gradients can be checked by finite differences.
pub trait Scalar:
    num_traits::Float
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + Debug
    + Display
    + Default
    + Send
    + Sync
    + npyz::Serialize
    + npyz::AutoSerialize
    + npyz::Deserialize
    + 'static
{
    /// The value nearest to `v`.
    fn of(v: f64) -> Self;

    /// The value as `f64`, exactly.
    fn as_f64(self) -> f64;

    /// The value of a 32-bit random sample, exactly.
    fn from_f32(v: f32) -> Self;

    /// The error function, `2/√π ∫₀ˣ e^(−t²) dt`.
    fn erf(self) -> Self;

    /// `c ← a·b + beta·c` for an `m×k` and a `k×n` matrix.
    ///
    /// # Safety
    /// For every index inside the matrix dimensions, the pointers plus `row · rs + column · cs` must be valid: `a` and
    /// `b` for reading, `c` for writing (and for reading if `beta` is not zero), with `c` aliasing neither.
    unsafe fn gemm(dims: [usize; 3], a: Matrix<*const Self>, b: Matrix<*const Self>, beta: Self, c: Matrix<*mut Self>);
}

/// A matrix in memory: the first element, and the distances of neighbouring rows and columns.
#[derive(Clone, Copy)]
pub struct Matrix<P> {
    /// Pointer to element (0, 0).
    pub start: P,
    /// Distance in elements from one row to the next.
    pub rs: usize,
    /// Distance in elements from one column to the next.
    pub cs: usize,
}

macro_rules! scalar {
    ($t:ty, $gemm:path, $erf:path) => {
        impl Scalar for $t {
            #[inline(always)]
            fn of(v: f64) -> Self {
                v as $t
            }
            #[inline(always)]
            fn as_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn from_f32(v: f32) -> Self {
                <$t>::from(v)
            }
            fn erf(self) -> Self {
                $erf(self)
            }
            unsafe fn gemm(
                [m, k, n]: [usize; 3],
                a: Matrix<*const Self>,
                b: Matrix<*const Self>,
                beta: Self,
                c: Matrix<*mut Self>,
            ) {
                let (ars, acs) = (a.rs as isize, a.cs as isize);
                let (brs, bcs) = (b.rs as isize, b.cs as isize);
                let (crs, ccs) = (c.rs as isize, c.cs as isize);
                // SAFETY: the caller's promise is the one that the kernel asks for.
                unsafe { $gemm(m, k, n, 1.0, a.start, ars, acs, b.start, brs, bcs, beta, c.start, crs, ccs) }
            }
        }
    };
}

scalar!(f32, matrixmultiply::sgemm, libm::erff);
scalar!(f64, matrixmultiply::dgemm, libm::erf);
