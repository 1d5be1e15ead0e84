//! Data sets: rows with targets, batches of them, and the files they come from.

mod dataset;
mod digits;
#[cfg(feature = "download")]
mod download;
mod error;
mod idx;
mod mnist;

pub use dataset::{Batch, Batches, Dataset, Targets, TimeFirst};
pub use digits::Mnist;
pub use error::DataError;
pub use idx::Idx;
pub use mnist::{Digits, RawMnist};
