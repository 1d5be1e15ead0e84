//! All kinds of configuration: inference, and training on the chip.
//!
//! Training on the chip has the reads, the mapping and the input ranges of inference, with both directions analog. It
//! has no noise models, modifiers, clipping and remapping, but devices that hold the weights and pulses that change
//! them. Source: aihwkit `simulator/configs/configs.py`.

use std::collections::HashSet;
use std::fmt::{self, Debug};
use std::panic::RefUnwindSafe;
use std::path::Path;

use super::form::class::classes;
use super::form::section::{Rules, parameters};
use super::form::setting::{Range, Setting, invalid, join};
use super::form::unused::Unused;
use super::form::value::Value;
use super::form::{file, path, schema};
use super::inference::InferenceRpuConfig;
use super::io::{BackwardIoParameters, IoParameters};
use super::mapping::MappingParameter;
use super::noise_model::NoiseModelConfig;
use super::pre_post::PrePostProcessingParameter;
use super::{DriftCompensationConfig, Note};
use crate::Error;
use crate::cell::presets::CellPreset;
use crate::cell::{CellConfig, MixedPrecision, UnitCellConfig};
use crate::device::{DeviceConfig, Ideal};
use crate::update::{PulseType, UpdateParameters};

/// The part of a configuration that tiles use, for any kind.
pub trait RpuKind: Debug + Send + Sync + RefUnwindSafe {
    /// The parameters of the mapping onto tiles and of their reads.
    fn reads(&self) -> InferenceRpuConfig;

    /// The unit cells and the parameters of their update, if updates change the devices of the tiles, by pulses or
    /// exactly.
    fn cell(&self) -> Option<(CellConfig, UpdateParameters)>;
}

macro_rules! on_chip {
    (
        $(#[$meta:meta])* $name:ident has $(#[doc = $doc:literal])* $device:ty = $default:expr,
        |$config:ident| $cell:expr
    ) => {
        parameters! {
            $(#[$meta])*
            pub struct $name {
                $(#[doc = $doc])*
                device: $device = $default;

                /// The product of a forward pass.
                forward: IoParameters = IoParameters::default();

                /// The product that makes the input gradient.
                backward: BackwardIoParameters = BackwardIoParameters::default();

                /// Parameters by which gradients become pulses.
                update: UpdateParameters = UpdateParameters::default();

                /// Mapping of weights onto tiles.
                mapping: MappingParameter = MappingParameter::default();

                /// Digital processing before and after a read.
                pre_post: PrePostProcessingParameter = PrePostProcessingParameter::default();
            }
        }

        impl Rules for $name {
            fn rules(&self, at: &str) -> Result<(), Error> {
                if self.backward.straight_through {
                    let allowed = "false: on the chip the backward pass reads the array";
                    return Err(invalid(&join(at, "backward.straight_through"), &true.get(), allowed));
                }
                self.reads().check(Range::Any, at)
            }

            fn without_effect(&self, unused: &mut Unused<'_>) {
                let $config = self;
                unused.exact_updates(&$cell, &self.update);
            }
        }

        impl RpuKind for $name {
            fn reads(&self) -> InferenceRpuConfig {
                InferenceRpuConfig {
                    forward: self.forward,
                    backward: self.backward,
                    mapping: self.mapping,
                    pre_post: self.pre_post,
                    noise_model: NoiseModelConfig::None,
                    drift_compensation: DriftCompensationConfig::None,
                    ..Default::default()
                }
            }

            fn cell(&self) -> Option<(CellConfig, UpdateParameters)> {
                let $config = self;
                Some(($cell, self.update))
            }
        }
    };
}

on_chip! {
    /// Training on the chip with one device at each crosspoint.
    ///
    /// ```
    /// use ohmgrad_analog::config::SingleRpuConfig;
    /// use ohmgrad_analog::device::SoftBounds;
    ///
    /// let config = SingleRpuConfig { device: SoftBounds::default().into(), ..Default::default() };
    /// assert!(!config.backward.is_perfect);
    /// ```
    #[doc(alias = "SingleRPUConfig")]
    SingleRpuConfig has
    /// The devices.
    DeviceConfig = DeviceConfig::default(),
    |config| CellConfig::Device(config.device.clone())
}

on_chip! {
    /// Training on the chip with several devices or arrays at each crosspoint.
    #[doc(alias = "UnitCellRPUConfig")]
    UnitCellRpuConfig has
    /// The cells.
    UnitCellConfig = UnitCellConfig::default(),
    |config| CellConfig::Unit(config.device.clone())
}

on_chip! {
    /// Training on the chip with gradients that are summed digitally and written to devices.
    #[doc(alias = "DigitalRankUpdateRPUConfig")]
    DigitalRankUpdateRpuConfig has
    /// The digital sum of the gradients, and the devices.
    MixedPrecision = MixedPrecision::default(),
    |config| CellConfig::Mixed(config.device.clone())
}

parameters! {
    /// Tiles without hardware: exact products and exact updates, as in the reference's `FloatingPointRPUConfig`.
    #[doc(alias = "FloatingPointRPUConfig")]
    pub struct FloatingPointRpuConfig {
        /// The properties of devices that remain: a random walk, decay, drift.
        device: Ideal = Ideal::default();

        /// Mapping of weights onto tiles.
        mapping: MappingParameter = MappingParameter::default();

        /// Digital processing before and after a product.
        pre_post: PrePostProcessingParameter = PrePostProcessingParameter::default();
    }
}

impl Rules for FloatingPointRpuConfig {
    fn rules(&self, at: &str) -> Result<(), Error> {
        self.reads().check(Range::Any, at)
    }
}

impl RpuKind for FloatingPointRpuConfig {
    fn reads(&self) -> InferenceRpuConfig {
        let (mapping, pre_post) = (self.mapping, self.pre_post);
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let (noise_model, drift_compensation) = (NoiseModelConfig::None, DriftCompensationConfig::None);
        InferenceRpuConfig { forward, mapping, pre_post, noise_model, drift_compensation, ..Default::default() }
    }

    fn cell(&self) -> Option<(CellConfig, UpdateParameters)> {
        let exact = UpdateParameters { pulse_type: PulseType::None, ..Default::default() };
        Some((CellConfig::Device(self.device.into()), exact))
    }
}

impl RpuKind for InferenceRpuConfig {
    fn reads(&self) -> InferenceRpuConfig {
        self.clone()
    }

    fn cell(&self) -> Option<(CellConfig, UpdateParameters)> {
        None
    }
}

classes! {
    /// A configuration of any kind, with which weights are put on tiles.
    ///
    /// Files of other kinds than inference have a `type`, the reference's name:
    ///
    /// ```
    /// use ohmgrad_analog::config::RpuConfig;
    ///
    /// let config = RpuConfig::from_toml_str(r#"
    ///     type = "SingleRPUConfig"
    ///     device = { type = "SoftBoundsDevice", dw_min = 0.002 }
    ///     [update]
    ///     desired_bl = 10
    /// "#)?;
    /// assert!(config.trains_on_chip());
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    #[doc(alias = "RPUConfig")]
    pub enum RpuConfig of RpuKind {
        /// Digital training through analog forwards, and inference.
        Inference(InferenceRpuConfig) = "InferenceRPUConfig",
        /// Training on the chip, one device at each crosspoint.
        Single(SingleRpuConfig) = "SingleRPUConfig",
        /// Training on the chip, several devices or arrays at each crosspoint.
        UnitCell(UnitCellRpuConfig) = "UnitCellRPUConfig",
        /// Training on the chip, gradients summed digitally.
        DigitalRankUpdate(DigitalRankUpdateRpuConfig) = "DigitalRankUpdateRPUConfig",
        /// No hardware.
        FloatingPoint(FloatingPointRpuConfig) = "FloatingPointRPUConfig",
    }
}

impl Default for RpuConfig {
    fn default() -> Self {
        InferenceRpuConfig::default().into()
    }
}

/// Prints the fields that differ from the defaults of the kind.
impl fmt::Display for RpuConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inference(config) => write!(f, "{config}"),
            Self::Single(config) => write!(f, "{config}"),
            Self::UnitCell(config) => write!(f, "{config}"),
            Self::DigitalRankUpdate(config) => write!(f, "{config}"),
            Self::FloatingPoint(config) => write!(f, "{config}"),
            Self::Custom(config) => write!(f, "{config:?}"),
        }
    }
}

/// Makes a configuration from a preset of the reference, as `presets::by_name("AGADEcRamPreset")`.
impl From<CellPreset> for RpuConfig {
    fn from(preset: CellPreset) -> Self {
        Self::on_chip(preset.cell, preset.update, preset.io)
    }
}

impl From<&InferenceRpuConfig> for RpuConfig {
    fn from(config: &InferenceRpuConfig) -> Self {
        config.clone().into()
    }
}

impl From<&RpuConfig> for RpuConfig {
    fn from(config: &RpuConfig) -> Self {
        config.clone()
    }
}

impl RpuConfig {
    /// Training on the chip with a device or cell, read in both directions under `io`; the mapping has its defaults.
    pub fn on_chip(cell: impl Into<CellConfig>, update: UpdateParameters, io: IoParameters) -> Self {
        let (forward, backward) = (io, BackwardIoParameters::from(io));
        match cell.into() {
            CellConfig::Device(device) => {
                SingleRpuConfig { device, forward, backward, update, ..Default::default() }.into()
            }
            CellConfig::Unit(device) => {
                UnitCellRpuConfig { device, forward, backward, update, ..Default::default() }.into()
            }
            CellConfig::Mixed(device) => {
                DigitalRankUpdateRpuConfig { device, forward, backward, update, ..Default::default() }.into()
            }
        }
    }

    /// The parameters of the mapping onto tiles and of their reads.
    pub fn reads(&self) -> InferenceRpuConfig {
        self.kind().reads()
    }

    /// The unit cells and the parameters of their update, if [`trains_on_chip`](Self::trains_on_chip) is `true`.
    pub fn cell(&self) -> Option<(CellConfig, UpdateParameters)> {
        self.kind().cell()
    }

    /// Returns `true` if updates change the devices of the tiles: by pulses, or exactly, as in
    /// [`FloatingPointRpuConfig`].
    pub fn trains_on_chip(&self) -> bool {
        self.cell().is_some()
    }

    fn kind(&self) -> &dyn RpuKind {
        self.object().expect("every configuration is of a kind")
    }

    /// Checks every field and the rules between them.
    ///
    /// # Errors
    /// The first field with an invalid value, and the allowed values.
    pub fn validate(&self) -> Result<(), Error> {
        self.check(Range::Any, "")
    }

    /// The fields that differ from their default and have no effect under the other fields; see
    /// [`InferenceRpuConfig::warnings`].
    ///
    /// ```
    /// use ohmgrad_analog::config::RpuConfig;
    ///
    /// let config = RpuConfig::from_toml_str(r#"
    ///     type = "SingleRPUConfig"
    ///     device = { type = "SoftBoundsDevice", lifetime_dtod = 0.1 }
    ///     update = { update_management = false }
    /// "#)?;
    /// let warnings: Vec<_> = config.warnings().iter().map(ToString::to_string).collect();
    /// assert_eq!(
    ///     warnings,
    ///     [
    ///         "device.lifetime_dtod = 0.1: has no effect while lifetime is 0",
    ///         "update.update_management = false: has no effect while update_bl_management is on",
    ///     ]
    /// );
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    pub fn warnings(&self) -> Vec<Note> {
        let mut notes = self.reads().warnings();
        if self.trains_on_chip() {
            self.unused(&Value::Null, "", &mut notes);
        }
        // A field is noted once, with the first of its reasons.
        let mut noted = HashSet::new();
        notes.retain(|note| noted.insert(note.field.clone()));
        notes
    }

    /// Reads TOML; `type` selects the kind, and without it the kind is inference. Fields that are left out have their
    /// defaults.
    ///
    /// # Errors
    /// As [`InferenceRpuConfig::from_toml_str`].
    pub fn from_toml_str(text: &str) -> Result<Self, Error> {
        file::from_toml(text)
    }

    /// As [`from_toml_str`](Self::from_toml_str), for JSON.
    ///
    /// # Errors
    /// As [`InferenceRpuConfig::from_json_str`].
    pub fn from_json_str(text: &str) -> Result<Self, Error> {
        file::from_json(text)
    }

    /// Reads a file, TOML or JSON by its extension.
    ///
    /// # Errors
    /// As [`InferenceRpuConfig::from_file`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        file::from_file(path.as_ref())
    }

    /// All fields as TOML; reading it gives back the same configuration.
    ///
    /// # Errors
    /// As [`InferenceRpuConfig::to_toml_string`].
    pub fn to_toml_string(&self) -> Result<String, Error> {
        file::to_toml(self)
    }

    /// Sets a field by its path; see [`InferenceRpuConfig::set`].
    ///
    /// # Errors
    /// As [`InferenceRpuConfig::set`].
    pub fn set(&mut self, path: &str, value: impl std::fmt::Display) -> Result<(), Error> {
        path::set(self, path, &value.to_string())
    }

    /// The JSON Schema of files of all kinds.
    pub fn json_schema() -> String {
        schema::document::<Self>("RpuConfig")
    }
}

impl serde::Serialize for RpuConfig {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Setting::get(self).serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for RpuConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde::Deserialize::deserialize(deserializer)?;
        super::form::section::from_value(value).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
