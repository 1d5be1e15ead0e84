//! Autodiff for networks whose matrix products run on simulated analog in-memory tiles.
//!
//! In analog in-memory computing a weight matrix is stored as conductances of a crossbar, and a matrix-vector product
//! is one physical read: through converters, with noise and saturation. Here such networks are built, trained with the
//! hardware in the loop, and evaluated. Every choice that changes a gradient is an explicit operation on a tape, and
//! every noise sample is a function of a key.
//!
//! ```
//! use ohmgrad::prelude::*;
//!
//! let key = Key::new(42);
//! let mut net = Sequential::new().linear(2, 16).softplus().linear(16, 1).init(key.fold("weights"));
//!
//! let forward = IoParameters {
//!     out_res: -1.0,
//!     w_noise: 0.02,
//!     w_noise_type: WeightNoise::AdditiveConstant,
//!     ..Default::default()
//! };
//! let config = InferenceRpuConfig { forward, ..Default::default() }; // backward: perfect
//! net.to_analog(&config, key.fold("hardware"))?;
//!
//! let x = Tensor::uniform(&[256, 2], key.fold("x"));
//! let y = &x.slice(1, 0..1) * &x.slice(1, 1..2);
//! let data = Dataset::new(x, y);
//! let mut adam = Adam::new(1e-2);
//! let mut last = f32::INFINITY;
//! for epoch in 0..20 {
//!     for (step, batch) in data.batches(32, key.fold("shuffle").fold(epoch)).enumerate() {
//!         let tape = Tape::train(key.fold("steps").fold(epoch).fold(step));
//!         let loss = net.forward(tape.constant(batch.x)).mse(tape.constant(batch.y));
//!         last = loss.item();
//!         adam.step(&mut net, loss.backward());
//!     }
//! }
//! assert!(last < 0.05);
//! # Ok::<(), ohmgrad::analog::Error>(())
//! ```
//!
//! The parts: [`tensor`] (arrays, keys), [`autograd`] (the tape), [`analog`] (tiles), [`models`] (layers, optimizers,
//! data), [`files`] (writing of files). This crate re-exports them; [`prelude`] has the items that most programs need.
//!
//! The book in `docs/` explains tiles (`docs/tiles.md`), a first network (`docs/first-network.md`) and everything after
//! it, in reading order (`docs/introduction.md`); `.ci/book` builds it as web pages.
#![forbid(unsafe_code)]

#[cfg(feature = "aihwkit")]
pub use ohmgrad_aihwkit as aihwkit;
pub use ohmgrad_analog as analog;
pub use ohmgrad_autograd as autograd;
pub use ohmgrad_files as files;
#[cfg(feature = "plots")]
pub use ohmgrad_plots as plots;
pub use ohmgrad_tensor as tensor;

/// Layers, conversion to analog tiles, optimizers, data and evaluation: the crate `ohmgrad_models`, with a
/// [`derive(Visit)`](macro@Visit) for programs that depend on this crate.
pub mod models {
    pub use ohmgrad_derive::FacadeVisit as Visit;
    pub use ohmgrad_models::*;
}

mod error;

pub use error::{Error, with_causes};
pub use models::Visit;

/// The items that most programs need: `use ohmgrad::prelude::*`.
pub mod prelude {
    pub use crate::Error;
    pub use crate::models::data::{Dataset, Mnist, Targets};
    pub use crate::models::{
        Activation, Adam, AdaptiveAvgPool1d, AdaptiveAvgPool2d, Affine, AvgPool1d, AvgPool2d, BatchNorm1d, BatchNorm2d,
        Checkpoint, Chip, Conv1d, Conv2d, Conv3d, Diagnostics, Dropout, Embedding, Flatten, Gates, Gru, LayerNorm,
        LearnedPositions, Linear, Lstm, MaxPool1d, MaxPool2d, Module, MultiHeadAttention, Network, Optimizer, Progress,
        RecurrentOptions, Rnn, Schedule, Sequential, Sgd, SinusoidalPositions, Tiles, Trainer, TrainingState,
        TransformerEncoderLayer, Visit, accuracy, accuracy_over_time, calibrate_input_ranges, diagnose,
        gradcheck_module, over_time, predict,
    };
    pub use ohmgrad_analog::cell::{Algorithm, build_cell};
    pub use ohmgrad_analog::config::{
        BoundManagement, DriftCompensationConfig, InputRangeParameter, MvType, NoiseManagement,
        PrePostProcessingParameter, RpuConfig, WeightClip, WeightClipParameter, WeightModifier,
        WeightModifierParameter, WeightNoise, WeightRemap, WeightRemapParameter,
    };
    pub use ohmgrad_analog::noise::{Converter, NoiseModel, Pcm};
    pub use ohmgrad_analog::update::UpdateParameters;
    pub use ohmgrad_analog::{
        AnalogMatrix, BackwardIoParameters, Calibration, CalibrationMode, InferenceRpuConfig, IoParameters,
        MappingParameter, TileArray, presets,
    };
    pub use ohmgrad_autograd::{Back, Gradients, Op, Param, Tape, Var, gradcheck, gradcheck_surrogate};
    pub use ohmgrad_tensor::parallel::use_threads;
    pub use ohmgrad_tensor::{Array, Key, Scalar, Tensor};
}
