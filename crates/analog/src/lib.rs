//! Simulated analog in-memory tiles.
//!
//! A weight matrix is stored as conductances of a crossbar, and a product with it is one physical read through
//! converters, noise and saturation. [`config`] holds the configurations; [`mvm`] computes the read; [`TileArray`]
//! holds a logical weight cut into tiles; [`AnalogMvm`] is the read as an operation on a tape, whose backward follows
//! its [`BackwardIoParameters`]. [`noise`] contains the devices that weights are programmed on.
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
