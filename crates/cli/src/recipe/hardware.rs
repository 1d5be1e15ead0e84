//! The hardware of a recipe: the library's configuration, from a preset, a file, and fields.

use std::path::Path;

use ohmgrad::analog::cell::presets::by_name;
use ohmgrad::analog::config::RpuConfig;
use ohmgrad::analog::{Error, presets};
use ohmgrad::prelude::*;
use toml::{Table, Value};

use super::document::Section;
use super::resolve;
use crate::failure::{Failure, Outcome};

/// A preset for inference: its name, and the function that makes it.
type Preset = (&'static str, fn() -> InferenceRpuConfig);

/// The presets for inference.
const PRESETS: [Preset; 4] = [
    ("standard_hwa_training", presets::standard_hwa_training),
    ("web_composer", presets::web_composer),
    ("old_web_composer", presets::old_web_composer),
    ("floating_point", presets::floating_point),
];

/// The hardware.
#[derive(Clone, Debug)]
pub struct HardwareRecipe {
    /// The configuration of all tiles, of any kind.
    pub rpu: RpuConfig,
    /// Paths of layers that stay digital.
    pub digital_layers: Vec<String>,
}

impl HardwareRecipe {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Outcome<Self> {
        let digital_layers = section.texts("digital_layers")?;
        let (preset, file) = (section.text("preset")?, section.text("file")?);
        let base = match (&preset, &file) {
            (Some(_), Some(_)) => {
                return Err(section.error("preset", "hardware.preset and hardware.file: must be one or the other"));
            }
            (Some(name), None) => preset_by_name(name).ok_or_else(|| {
                let names = PRESETS.map(|(name, _)| name);
                let (near, allowed) = (crate::failure::did_you_mean(name, names), names.join(", "));
                let message = format!(
                    "hardware.preset = {name:?}: must be one of {allowed}, or a preset for training on the chip{near}"
                );
                section.error("preset", message)
            })?,
            (None, Some(file)) => RpuConfig::from_file(resolve(folder, file)).map_err(Failure::mistaken)?,
            (None, None) => RpuConfig::default(),
        };
        let fields = section.rest();
        let rpu = overlaid(&base, fields).map_err(|error| section.document.at(&place(&error), about(&error)))?;
        // The whole configuration is recorded, so that the recipe in a run's folder needs neither the preset nor the
        // file.
        let mut kept = section.used_without(&["preset", "file"]);
        let table: Table =
            toml::from_str(&rpu.to_toml_string().map_err(Failure::mistaken)?).map_err(Failure::failed)?;
        kept.extend(table);
        section.replace_used(kept);
        Ok(Self { rpu, digital_layers })
    }

    /// The configuration of a layer, or none if it stays digital.
    pub fn of_layer<'c, C>(&self, config: &'c C, path: &str) -> Option<&'c C> {
        (!self.digital_layers.iter().any(|layer| layer == path)).then_some(config)
    }
}

/// A configuration from a file: one of hardware alone, or the hardware of a recipe.
pub fn config_from(path: &Path) -> Outcome<RpuConfig> {
    let is_recipe = path.extension().is_some_and(|extension| extension == "toml")
        && std::fs::read_to_string(path).is_ok_and(|text| {
            let sections = toml::from_str::<Table>(&text).unwrap_or_default();
            super::document::SECTIONS.iter().any(|name| sections.contains_key(*name))
        });
    match is_recipe {
        true => Ok(super::Recipe::read(path, &[])?.hardware.rpu),
        false => RpuConfig::from_file(path).map_err(Failure::mistaken),
    }
}

fn preset_by_name(name: &str) -> Option<RpuConfig> {
    let own = PRESETS.iter().find(|(known, _)| *known == name).map(|(_, preset)| preset().into());
    own.or_else(|| by_name(name).map(RpuConfig::from))
}

/// A configuration with some fields replaced. If `type` is another kind, it starts from the defaults of that kind.
fn overlaid(base: &RpuConfig, fields: Table) -> Result<RpuConfig, Error> {
    let mut table: Table = toml::from_str(&base.to_toml_string()?).expect("what was written can be read");
    if fields.get("type").is_some_and(|kind| table.get("type") != Some(kind)) {
        table.clear();
    }
    merge(&mut table, fields);
    RpuConfig::from_toml_str(&toml::to_string(&table).expect("tables of plain values are TOML"))
}

/// Puts fields over those of a table; a section of another type replaces the whole section.
fn merge(table: &mut Table, fields: Table) {
    for (name, value) in fields {
        match (table.get_mut(&name), value) {
            (Some(Value::Table(old)), Value::Table(new)) => {
                let other_type = old.get("type").zip(new.get("type")).is_some_and(|(a, b)| a != b);
                // In these sections `type` is a field like others; in all others it determines the fields.
                let fields_stay = ["modifier", "clip", "remap"].contains(&name.as_str());
                if other_type && !fields_stay {
                    *old = new;
                } else {
                    merge(old, new);
                }
            }
            (_, value) => {
                table.insert(name, value);
            }
        }
    }
}

/// The path of the field that an error is about.
fn place(error: &Error) -> String {
    error.field().map_or_else(|| "hardware".into(), |field| format!("hardware.{field}"))
}

/// The message of an error, with the field's path in a recipe.
fn about(error: &Error) -> String {
    match error {
        Error::InvalidField { .. } | Error::UnknownValue { .. } | Error::Unsupported { .. } => {
            format!("hardware.{error}")
        }
        Error::UnknownField { section, .. } if section.is_empty() => {
            error.to_string().replace("at the top level", "in [hardware]")
        }
        _ => error.to_string().replace(" in [", " in [hardware."),
    }
}
