//! The two element types of numeric arrays.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

use crate::gemm::Gemm;
use crate::math;

/// An element of a numeric array: `f32` or `f64`.
///
/// Networks compute in `f32`; `f64` exists so that gradients can be checked by finite differences.
pub trait Scalar:
    num_traits::Float
    + Gemm
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
    + 'static
{
    /// The value nearest to `v`.
    fn of(v: f64) -> Self;

    /// The value as `f64`, exactly.
    fn as_f64(self) -> f64;

    /// The value of a 32-bit random sample, exactly.
    fn from_f32(v: f32) -> Self;

    /// `eˣ`. (This function and the next two replace those of `Float`, which call the system's library for f32: one
    /// element at a time, and with other bits on other machines.)
    fn exponential(self) -> Self;

    /// The natural logarithm.
    fn logarithm(self) -> Self;

    /// The hyperbolic tangent.
    fn hyperbolic_tangent(self) -> Self;

    /// The logistic function, `1/(1 + e⁻ˣ)`.
    fn logistic(self) -> Self;

    /// `ln(1 + eˣ)`, without overflow for large `x`.
    fn soft_plus(self) -> Self;

    /// The error function, `2/√π ∫₀ˣ e^(−t²) dt`.
    fn erf(self) -> Self;
}

macro_rules! scalar {
    ($t:ty, $erf:path, $exp:path, $ln:path, $tanh:path, $sigmoid:path, $softplus:path) => {
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
            #[inline(always)]
            fn exponential(self) -> Self {
                $exp(self)
            }
            #[inline(always)]
            fn logarithm(self) -> Self {
                $ln(self)
            }
            #[inline(always)]
            fn hyperbolic_tangent(self) -> Self {
                $tanh(self)
            }
            #[inline(always)]
            fn logistic(self) -> Self {
                $sigmoid(self)
            }
            #[inline(always)]
            fn soft_plus(self) -> Self {
                $softplus(self)
            }
            fn erf(self) -> Self {
                $erf(self)
            }
        }
    };
}

scalar!(f32, libm::erff, math::exp, math::ln, math::tanh, math::sigmoid, math::softplus);
scalar!(f64, libm::erf, f64::exp, f64::ln, f64::tanh, sigmoid, softplus);

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    (-x.abs()).exp().ln_1p() + if x < 0.0 { 0.0 } else { x }
}
