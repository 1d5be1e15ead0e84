//! Data sets: rows with targets, batches of them, and the files or formulas they come from.

mod arm;
mod dataset;
mod digits;
#[cfg(feature = "download")]
mod download;
mod error;
mod idx;
mod mnist;

pub use arm::robot_arm;
pub use dataset::{Batch, Batches, Dataset, Targets, TimeFirst};
pub use digits::Mnist;
pub use error::DataError;
pub use idx::Idx;
pub use mnist::{Digits, RawMnist};
