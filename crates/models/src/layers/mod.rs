//! The layers.

mod activation;
mod linear;
mod sequential;

pub use activation::{Activation, Dropout, Flatten};
pub use linear::Linear;
pub use sequential::{Sequential, SequentialBuilder};
