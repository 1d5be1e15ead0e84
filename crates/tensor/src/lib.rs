//! Strided arrays on the CPU, with random numbers that are functions of keys.
//!
//! The lowest layer of ohmgrad; it contains no tapes and no tiles. [`Array`] holds `f32` or `f64` (or any other type,
//! where no arithmetic is needed) on shared storage; [`Tensor`] is the 32-bit one. Errors in shapes panic with both
//! shapes and the name of the operation.
//!
//! `unsafe` occurs in the matrix product, and where loops are compiled for several processors or fill new storage.

mod array;
pub mod axis;
mod display;
mod elementwise;
mod fill;
mod gemm;
mod im2col;
mod key;
mod mask;
mod math;
mod npy;
mod operators;
pub mod parallel;
pub mod pool;
pub mod product;
pub mod random;
mod reduce;
pub mod rows;
mod scalar;
mod scan;
mod scatter;
mod shape;
pub mod simd;
mod softmax;
mod storage;
mod view;

pub use array::{Array, Tensor};
pub use axis::Signed;
pub use gemm::Right;
pub use im2col::{ConvWindow, Im2col, Patches};
pub use key::{Fold, Key, ParseKeyError};
pub use npy::{NpyElement, NpyError};
pub use scalar::Scalar;
pub use shape::{Dims, fits};
pub use simd::vectorized;
