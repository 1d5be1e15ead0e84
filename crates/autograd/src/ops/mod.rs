//! The operations, a file per family. Each is a struct with its forward, its backward and its check in one place.

mod activation;
mod arithmetic;
mod conv;
mod dropout;
mod elementwise;
mod embedding;
mod loss;
mod mask;
mod matmul;
mod norm;
mod pool;
mod reduce;
pub(crate) mod shape;
mod softmax;
