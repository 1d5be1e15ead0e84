//! Simulated analog in-memory tiles.
//!
//! A weight matrix is stored as conductances of a crossbar, and a product with it is one physical read through
//! converters, noise and saturation. The central types are [`InferenceRpuConfig`], the description of the hardware;
//! [`TileArray`], a logical weight that is cut into tiles; and [`AnalogMvm`], the read as an operation on a tape, with
//! a backward under [`BackwardIoParameters`].
//!
//! ```
//! use ohmgrad_analog::{AnalogMatrix, InferenceRpuConfig};
//! use ohmgrad_tensor::{Key, Tensor};
//!
//! let w = Tensor::from([[0.5, -0.25], [0.0, 1.0]]);
//! let matrix = AnalogMatrix::new(w, &InferenceRpuConfig::default(), Key::new(1))?;
//! let y = matrix.matvec(&Tensor::from([1.0, 1.0]), Key::new(2));
//! assert!((&y - &Tensor::from([0.25, 1.0])).abs().max() < 0.5);
//! # Ok::<(), ohmgrad_analog::Error>(())
//! ```
//!
//! | module | content |
//! |---|---|
//! | [`config`], [`presets`] | configurations, their files, and the reference's presets |
//! | [`mvm`] | one read, stage by stage |
//! | [`noise`] | programming, drift and read noise of chips |
//! | [`device`], [`cell`], [`update`] | training on the chip: devices, cells of devices, pulses |
//!
//! In the book: `docs/tiles.md` for an introduction, `docs/mvm.md`, `docs/inference.md` and `docs/devices.md` for the
//! definitions.
#![forbid(unsafe_code)]

mod array;
pub mod cell;
pub mod config;
pub mod device;
mod error;
mod matrix;
pub mod mvm;
pub mod noise;
mod observed;
mod op;
pub mod presets;
mod state;
mod statistics;
mod tile;
pub mod update;

pub use array::{CalibratedRanges, CallPairs, DeviceSummary, InputRanges, TileArray, UpdateStatistics};
pub use config::{
    BackwardIoParameters, Calibration, CalibrationMode, InferenceRpuConfig, IoParameters, MappingParameter,
};
pub use error::Error;
pub use matrix::AnalogMatrix;
pub use observed::Observed;
pub use op::{AnalogMvm, Saturation};
pub use state::{ProgrammedLayout, PulsedLayout, TileArrayState, TileLayout, TilePlace};
pub use tile::{ProgrammedTile, ProgrammedTiles, Tile, WeakReadout};
