//! Layers, conversion to analog tiles, optimizers, data and evaluation.
//!
//! A network is anything that implements [`Module`]: a [`Sequential`], or a struct of layers with [`derive(Visit)`](Visit).
//! Layers with weights hold them in an [`Affine`], which does not tell them whether the weight is digital or on tiles;
//! [`Network::to_analog`] moves all of them in place.
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
mod error;
mod evaluate;
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
pub use error::Error;
pub use evaluate::{accuracy, confusion_matrix, predict};
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
