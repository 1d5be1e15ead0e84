//! Layers, conversion to analog tiles, optimizers, data and evaluation.
//!
//! A network is a type that implements [`Module`]: a [`Sequential`], or a struct of layers with
//! [`derive(Visit)`](Visit). Layers with weights hold them in an [`Affine`], digital or on tiles;
//! [`Network::to_analog`] moves all weights onto tiles in place, and [`Network::program`] makes a [`Chip`].
//!
//! ```
//! use ohmgrad_analog::InferenceRpuConfig;
//! use ohmgrad_autograd::Tape;
//! use ohmgrad_models::{Adam, Module, Network, Optimizer, Sequential};
//! use ohmgrad_tensor::{Key, Tensor};
//!
//! let mut net = Sequential::new().linear(4, 16).relu().linear(16, 2).init(Key::new(1));
//! net.to_analog(InferenceRpuConfig::default(), Key::new(2))?;
//! let mut adam = Adam::new(1e-3);
//! let tape = Tape::train(Key::new(3));
//! let loss = net.forward(tape.constant(Tensor::normal(&[8, 4], Key::new(4)))).cross_entropy(&[0; 8]);
//! adam.step(&mut net, loss.backward());
//! let chip = net.program(Key::new(5))?;
//! # Ok::<(), ohmgrad_analog::Error>(())
//! ```
//!
//! In the book: `docs/first-network.md`, `docs/hardware-aware.md` and `docs/ten-years.md`.
#![forbid(unsafe_code)]

// `#[derive(Visit)]` names this crate, in its own modules too.
extern crate self as ohmgrad_models;

mod affine;
mod alike;
mod calibrate;
pub mod checkpoint;
mod chip;
mod convert;
pub mod data;
mod diagnostics;
mod evaluate;
#[cfg(feature = "fusion")]
mod fusion;
mod gradcheck;
pub mod init;
mod layers;
mod module;
mod monte_carlo;
pub mod optim;
mod progress;
mod summary;
mod trainer;
mod visit;

pub use affine::{Affine, Weight};
pub use calibrate::{CalibratedLayer, calibrate_input_ranges};
pub use checkpoint::{Checkpoint, CheckpointError, EpochState, Restored, Tiles, TrainingState};
pub use chip::{Chip, Weak};
pub use convert::Network;
pub use diagnostics::{Diagnostics, TileDiagnostics, diagnose};
pub use evaluate::{accuracy, confusion_matrix, predict, predict_rows};
#[cfg(feature = "fusion")]
pub use fusion::{FusionError, FusionExport, fusion_export, fusion_import};
pub use gradcheck::{ModuleMismatch, gradcheck_module};
pub use layers::{
    Activation, AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AvgPool, AvgPool1d,
    AvgPool2d, AvgPool3d, BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, Cell, Conv, Conv1d, Conv2d, Conv3d,
    Dropout, Embedding, Flatten, Gates, Gru, GruCell, LayerNorm, LearnedPositions, Linear, Lstm, LstmCell, MaxPool,
    MaxPool1d, MaxPool2d, MaxPool3d, MultiHeadAttention, Recurrent, RecurrentOptions, Rnn, RnnCell, Running,
    Sequential, SequentialBuilder, SinusoidalPositions, Sizes, TransformerEncoderLayer,
};
pub use module::{CloneBox, Module};
pub use monte_carlo::{AtTime, accuracy_over_time, over_time};
pub use optim::{Adam, Optimizer, OptimizerState, Remembered, Schedule, Sgd, StateError};
pub use progress::Progress;
pub use summary::{LayerSummary, Summary};
pub use trainer::{Epoch, Evaluation, Trainer, TrainerError};
pub use visit::{Slot, SlotMut, Visit, join};
