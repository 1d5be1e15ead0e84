//! Autodiff for networks whose matrix products run on simulated analog in-memory tiles.
//!
//! This crate re-exports the four crates of the workspace; `use ohmgrad::prelude::*` brings what most programs need.
#![forbid(unsafe_code)]

pub use ohmgrad_analog as analog;
pub use ohmgrad_autograd as autograd;
pub use ohmgrad_models as models;
pub use ohmgrad_tensor as tensor;
