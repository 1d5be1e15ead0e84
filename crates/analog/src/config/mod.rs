//! What a user writes: the parameters of an analog product, the mapping, and their files.
//!
//! Plain data with public fields, `Default`, serde and `validate()`. Everything about a field
//! (meaning, unit, default, range) stands where it is listed:
//!
//! | where is … | file |
//! |---|---|
//! | what is allowed in `inp_res`, which fields exist backwards | `io.rs` |
//! | what must hold between fields | `io_rules.rs` |
//! | time-dependent IR drop, and what it goes together with | `ir_drop_t.rs` |
//! | the absolute step of a converter | `steps.rs` |
//! | which noise model, converter and drift compensation there are in files | `noise_model.rs`, `converter.rs`, `drift_compensation.rs` |
//! | how a section chooses among classes | `class.rs` |
//! | what is done to weights: read as in training, cut, mapped anew after a step | `modifier.rs`, `clip.rs`, `remap.rs` |
//! | input ranges | `pre_post.rs` |
//! | the names of `noise_management`, `w_noise_type`, … | `kinds.rs` |
//! | what `to_string()` and files say, and how a section is made from its list of fields | `section.rs` |
//! | what a number, a flag, a range is, and which name is near another | `setting.rs` |
//! | TOML and JSON | `file.rs` |
//! | the JSON Schema | `schema.rs` |
//! | what aihwkit printed or exported, and what of it is not understood | `import/` |
//! | the line in a trace | `summary.rs` |
//!
//! A further section is a `parameters!` list of its own and one line in [`InferenceRpuConfig`].

pub(crate) mod choice;
pub(crate) mod class;
mod clip;
mod compound;
mod converter;
mod drift_compensation;
mod file;
mod import;
mod inference;
mod io;
mod io_rules;
mod ir_drop_t;
mod kinds;
mod mapping;
mod modifier;
mod noise_model;
mod pre_post;
mod remap;
pub(crate) mod schema;
pub(crate) mod section;
pub(crate) mod setting;
mod steps;
mod summary;
pub(crate) mod value;

pub use clip::{WeightClip, WeightClipParameter};
pub use converter::ConverterConfig;
pub use drift_compensation::DriftCompensationConfig;
pub use import::{Imported, Note};
pub use inference::InferenceRpuConfig;
pub use io::{BackwardIoParameters, IoParameters};
pub use ir_drop_t::{IrDropT, PulseMode};
pub use kinds::{BoundManagement, MvType, NoiseManagement, WeightNoise};
pub use mapping::MappingParameter;
pub use modifier::{WeightModifier, WeightModifierParameter};
pub use noise_model::NoiseModelConfig;
pub use pre_post::{InputRangeParameter, PrePostProcessingParameter};
pub use remap::{WeightRemap, WeightRemapParameter};
