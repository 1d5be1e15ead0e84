//! Configurations: the parameters of an analog product, the mapping, and their files.
//!
//! [`InferenceRpuConfig`] is the configuration of inference, [`RpuConfig`] one of any kind, and [`IoParameters`] the
//! section of a read. All are plain data with public fields, `Default`, serde and `validate()`. `docs/mvm.md` has the
//! fields in tables. The meaning, unit, default and range of a field stand where it is listed:
//!
//! | where is … | file |
//! |---|---|
//! | what is allowed in `inp_res`, which fields exist backwards | `io.rs` |
//! | what must hold between fields | `io_rules.rs`, `ir_drop_t_rules.rs`; between sections `inference.rs` |
//! | time-dependent IR drop, and the reads that it makes of a product | `ir_drop_t.rs`, `ir_drop_t_rules.rs` |
//! | the absolute step of a converter | `steps.rs` |
//! | the noise models, conductance converters and drift compensations in files | `noise_model.rs`, `converter.rs`, `drift_compensation.rs` |
//! | the weight modifier, clipping, remapping | `modifier.rs`, `clip.rs`, `remap.rs` |
//! | input ranges | `pre_post.rs` |
//! | the names of `noise_management`, `w_noise_type`, … | `kinds.rs` |
//! | which fields have no effect | `warnings.rs`; for devices, cells and updates their own files and `warnings/on_chip.rs` |
//! | the line in a trace | `summary.rs` |
//! | files, a field by its path, the JSON Schema | `file.rs` |
//! | how any section is read, checked, printed and described | `form/`, which depends on no particular section |
//!
//! A further section is a file with a `parameters!` list and one line in [`InferenceRpuConfig`].

mod calibration;
mod clip;
mod converter;
mod drift_compensation;
mod file;
#[doc(hidden)]
pub mod form;
mod inference;
mod io;
mod io_rules;
mod ir_drop_t;
mod ir_drop_t_rules;
mod kinds;
mod mapping;
mod modifier;
mod noise_model;
mod pre_post;
mod remap;
mod rpu;
mod stages;
mod steps;
mod summary;
mod warnings;

pub(crate) use form::{choice, class, schema, section, setting, unused, value};

pub use calibration::{Calibration, CalibrationMode};
pub use clip::{WeightClip, WeightClipParameter};
pub use converter::ConverterConfig;
pub use drift_compensation::DriftCompensationConfig;
pub use form::unused::Note;
pub use inference::InferenceRpuConfig;
pub use io::{BackwardIoParameters, IoParameters};
pub use ir_drop_t::{IrDropT, PulseMode};
pub use kinds::{BoundManagement, MvType, NoiseManagement, WeightNoise};
pub use mapping::MappingParameter;
pub use modifier::{WeightModifier, WeightModifierParameter};
pub use noise_model::NoiseModelConfig;
pub use pre_post::{InputRangeParameter, PrePostProcessingParameter};
pub use remap::{WeightRemap, WeightRemapParameter};
pub use rpu::{
    DigitalRankUpdateRpuConfig, FloatingPointRpuConfig, RpuConfig, RpuKind, SingleRpuConfig, UnitCellRpuConfig,
};

#[cfg(test)]
mod tests;
