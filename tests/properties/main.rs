//! The properties of the project, as one program: random networks and configurations, checkpoints, chips, training on
//! the chip, and the direction of imports.
//!
//! Tests that count allocations are separate programs, `memory` and `hostile`; cases of the reference are in
//! `conformance`.

mod accumulation;
mod aihwkit;
mod checkpoint;
mod chip;
mod common;
mod convolution;
mod extreme_sizes;
mod hardware;
mod killed;
mod layers;
mod not_a_number;
mod odd_shapes;
mod on_chip;
mod over_time;
mod panics;
mod pytorch;
mod semantics;
mod structure;
mod training;
