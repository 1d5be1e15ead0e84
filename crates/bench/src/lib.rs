//! Code that the examples of this crate share; most of them are measurements.
//!
//! | example | measurement |
//! |---|---|
//! | `throughput` | rates of training steps and single products, for `docs/performance.md` |
//! | `conformance` | agreement with cases that the reference simulator computed |
//! | `mnist_cnn` | gradients and losses of two kinds of backward in lockstep, for `docs/results.md` |
//! | `drift` | accuracy over ten years, for `docs/results.md` |
//! | `tiki_taka`, `weight_error_maps` | errors of weights that are trained on the chip, for `docs/results.md` |
//! | `few_states` | the same on devices of few states, for `docs/devices.md` |
//! | `config_schema`, `make_mnist_subset` | none: they make files of the repository |
#![forbid(unsafe_code)]

pub mod linear_map;
pub mod networks;
#[path = "../../../examples/options/mod.rs"]
pub mod options;
pub mod workloads;
