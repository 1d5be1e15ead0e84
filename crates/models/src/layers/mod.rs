//! The layers.

mod activation;
mod conv;
mod linear;
mod sequential;

pub use activation::{Activation, Dropout, Flatten};
pub use conv::{Conv, Conv1d, Conv2d, Conv3d};
pub use linear::Linear;
pub use sequential::{Sequential, SequentialBuilder};
