//! Strided arrays on the CPU, with random numbers that are functions of keys.
//!
//! The lowest layer of ohmgrad; it contains no tapes and no tiles. Its central types are [`Array`], which holds `f32`,
//! `f64` or any other type on shared storage, [`Tensor`], the `f32` array, and [`Key`], from which random numbers are
//! drawn. Errors in shapes panic with both shapes and the name of the operation.
//!
//! ```
//! use ohmgrad_tensor::{Key, Tensor};
//!
//! let key = Key::new(42);
//! let x = Tensor::normal(&[100, 3], key.fold("x"));
//! let centred = &x - &x.mean_axes(&[0]);
//! assert!(centred.mean().abs() < 1e-6);
//! assert_eq!(x, Tensor::normal(&[100, 3], key.fold("x")));
//! ```
//!
//! Functions over whole arrays are in [`product`] (matrix products), [`random`] and [`parallel`]; those that only the
//! other crates of ohmgrad need (converters, pooling, unfolded patches) are hidden from this documentation. `unsafe`
//! occurs in the matrix product, in the worker threads, where memory is used again, and where loops are compiled for
//! several processors or fill new storage. In the book: `docs/reproducibility.md` for keys and bits,
//! `docs/performance.md` for rates.

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
#[doc(hidden)]
pub mod pool;
pub mod product;
pub mod random;
mod reduce;
#[doc(hidden)]
pub mod rows;
mod scalar;
mod scan;
mod scatter;
mod shape;
#[doc(hidden)]
pub mod simd;
mod softmax;
mod storage;
mod view;

pub use array::{Array, Tensor};
pub use axis::Signed;
#[doc(hidden)]
pub use gemm::Right;
pub use im2col::ConvWindow;
#[doc(hidden)]
pub use im2col::{Im2col, Patches};
pub use key::{Fold, Key, ParseKeyError};
pub use npy::{NpyElement, NpyError};
pub use scalar::Scalar;
pub use shape::{Dims, fits};
#[doc(hidden)]
pub use simd::vectorized;
