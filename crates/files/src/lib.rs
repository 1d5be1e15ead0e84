//! How files are written: [`replace`] for those that are whole or not there, [`Lines`] for those that grow by lines.
//!
//! Checkpoints, arrays, exports, figures and reports are written with the first, metrics with the second.
#![forbid(unsafe_code)]

mod lines;
mod replace;

pub use lines::Lines;
pub use replace::{replace, replace_with};
