//! Reads configurations of aihwkit: the text that `print(rpu_config)` gives, and the JSON that
//! `tools/export_rpu_config.py` writes.
//!
//! Both are parsed into a tree of Python objects, which is converted into the tree of values of an ohmgrad
//! configuration file. [`FromAihwkit`] is implemented for [`InferenceRpuConfig`] and [`RpuConfig`]; [`Imported`] has
//! the configuration and a note for each field that was not understood.
//!
//! ```
//! use ohmgrad_aihwkit::FromAihwkit;
//! use ohmgrad_analog::InferenceRpuConfig;
//!
//! let printed = "InferenceRPUConfig(forward=IOParameters(out_noise=0.04), mapping=MappingParameter(colour='red'))";
//! let imported = InferenceRpuConfig::from_aihwkit(printed)?;
//! assert_eq!(imported.config.forward.out_noise, 0.04);
//! assert_eq!(imported.notes[0].field, "mapping.colour");
//! # Ok::<(), ohmgrad_analog::Error>(())
//! ```
//!
//! In the book: `docs/porting.md`.
//!
//! | where is … | file |
//! |---|---|
//! | the grammar of the printed text | `printed.rs`; of the exported JSON `exported.rs`; the tree of both `node.rs` |
//! | the classes that are known, and their defaults | `classes.rs`; of devices and cells `devices.rs` |
//! | fields that become parameters, fields that become notes | `reader.rs` |
//! | noise models, whose printed form has computed numbers | `noise.rs` |
#![forbid(unsafe_code)]

mod classes;
mod devices;
mod exported;
mod node;
mod noise;
mod printed;
mod reader;

use std::path::Path;

use ohmgrad_analog::Error;
use ohmgrad_analog::config::form::file;
use ohmgrad_analog::config::{InferenceRpuConfig, Note, RpuConfig};

use node::{Node, Object};
use reader::Reader;

/// A configuration that was read from aihwkit, and notes on what was not understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported<C = InferenceRpuConfig> {
    /// The configuration, with defaults for all fields that were not understood.
    pub config: C,
    /// A note for each field that was not understood and has its default, with its value as Python prints it; in no
    /// particular order. Empty if the configuration has the same meaning here.
    pub notes: Vec<Note>,
}

/// A configuration that can be read from aihwkit.
pub trait FromAihwkit: Sized {
    /// Reads the text that `print(rpu_config)` prints in aihwkit, or the JSON that `tools/export_rpu_config.py` writes.
    ///
    /// aihwkit prints only the fields that were changed; the others have the defaults of their class, which are known
    /// here for the classes of aihwkit 1.1. Fields that are not understood keep their defaults and are listed in
    /// [`Imported::notes`], as are unknown classes and fields that a class does not have in aihwkit 1.1.
    ///
    /// [`RpuConfig`] reads all kinds: those that train on the chip, presets included, with their devices, cells and
    /// updates; all others as configurations of inference. [`InferenceRpuConfig`] reads all kinds too, but leaves out
    /// devices and updates.
    ///
    /// ```
    /// use ohmgrad_aihwkit::FromAihwkit;
    /// use ohmgrad_analog::cell::presets;
    /// use ohmgrad_analog::config::{InferenceRpuConfig, RpuConfig};
    ///
    /// let imported = InferenceRpuConfig::from_aihwkit("
    ///     InferenceRPUConfig(
    ///         mapping=MappingParameter(weight_scaling_omega=1.0),
    ///         forward=IOParameters(out_bound=10.0, bound_management=BoundManagementType.SHIFT),
    ///         backward=IOParameters(is_perfect=True),
    ///     )
    /// ")?;
    /// assert_eq!(imported.config.mapping.weight_scaling_omega, 1.0);
    /// assert_eq!(imported.config.forward.out_bound, 10.0);
    /// assert_eq!(
    ///     imported.notes[0].to_string(),
    ///     "forward.bound_management = SHIFT: exists only on GPUs in the reference simulator; \
    ///      must be one of NONE, ITERATIVE, ITERATIVE_WORST_CASE"
    /// );
    ///
    /// let imported = RpuConfig::from_aihwkit("
    ///     ReRamSBPreset(
    ///         forward=PresetIOParameters(),
    ///         backward=PresetIOParameters(),
    ///         update=PresetUpdateParameters(),
    ///         device=ReRamSBPresetDevice(dw_min=0.001)
    ///     )
    /// ")?;
    /// assert_eq!(imported.notes, []);
    /// let mut expected = RpuConfig::from(presets::by_name("ReRamSBPreset").expect("a preset"));
    /// expected.set("device.dw_min", 0.001)?;
    /// assert_eq!(imported.config, expected);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the text has neither form or holds no configuration; for [`RpuConfig`] also if no device of a cell can be
    /// read.
    fn from_aihwkit(text: &str) -> Result<Imported<Self>, Error>;

    /// Reads a file with a text that [`from_aihwkit`](Self::from_aihwkit) takes.
    ///
    /// # Errors
    /// As for [`from_aihwkit`](Self::from_aihwkit), with the file named; also if the file can't be read.
    fn from_aihwkit_file(path: impl AsRef<Path>) -> Result<Imported<Self>, Error> {
        let path = path.as_ref();
        Self::from_aihwkit(&file::text(path)?).map_err(|error| error.in_file(path))
    }
}

impl FromAihwkit for InferenceRpuConfig {
    fn from_aihwkit(text: &str) -> Result<Imported, Error> {
        let (object, printed) = parse(text)?;
        import(object, printed)
    }
}

impl FromAihwkit for RpuConfig {
    fn from_aihwkit(text: &str) -> Result<Imported<Self>, Error> {
        let (object, printed) = parse(text)?;
        let Some((default, preset)) = devices::kind(&object) else {
            let Imported { config, notes } = import(object, printed)?;
            return Ok(Imported { config: config.into(), notes });
        };
        let whole = Node::Object(object.clone());
        let mut reader = Reader { notes: vec![], printed, on_chip: true };
        let table = reader.on_chip(object, preset);
        reader.read(table, &default, RpuConfig::validate, &whole)
    }
}

/// The configuration in a text, and `true` if it was printed.
fn parse(text: &str) -> Result<(Object, bool), Error> {
    let printed = !text.trim_start().starts_with('{');
    match if printed { printed::parse(text) } else { exported::parse(text) }? {
        Node::Object(object) if is_configuration(&object) => Ok((object, printed)),
        other => {
            let shown: String = other.to_string().chars().take_while(|c| *c != '(').take(40).collect();
            Err(Error::Parse {
                format: "aihwkit configuration",
                line: Some(1),
                message: format!("`{shown}` is not a configuration such as InferenceRPUConfig(…)"),
            })
        }
    }
}

fn is_configuration(object: &Object) -> bool {
    let section = |(field, _): &(String, Node)| classes::section(field).is_some();
    classes::is_known(object) || object.class.ends_with("RPUConfig") || object.fields.iter().any(section)
}

fn import(object: Object, printed: bool) -> Result<Imported, Error> {
    let whole = Node::Object(object.clone());
    let mut reader = Reader { notes: vec![], printed, on_chip: false };
    let table = reader.configuration(object);
    reader.read(table, &InferenceRpuConfig::default(), InferenceRpuConfig::validate, &whole)
}

#[cfg(test)]
mod tests;
