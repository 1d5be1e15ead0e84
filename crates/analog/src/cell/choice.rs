//! The choice of a cell: one device, several, or devices with a digital sum of gradients.

use std::fmt;

use super::config::UnitCellConfig;
use crate::Error;
use crate::config::section::{Rules, parameters};
use crate::config::setting::{OnError, Range, Setting, invalid, join, strict};
use crate::config::unused::{Note, Unused};
use crate::config::value::Value;
use crate::config::{class, schema};
use crate::device::DeviceConfig;

/// The device or cell to which [`MixedPrecision`] writes; transfer cells are not allowed.
#[derive(Clone, Debug, PartialEq)]
pub enum WrittenCell {
    /// One device per crosspoint.
    Device(DeviceConfig),
    /// Several devices.
    Unit(UnitCellConfig),
}

impl Default for WrittenCell {
    fn default() -> Self {
        Self::Device(DeviceConfig::default())
    }
}

impl From<DeviceConfig> for WrittenCell {
    fn from(device: DeviceConfig) -> Self {
        Self::Device(device)
    }
}

impl From<UnitCellConfig> for WrittenCell {
    fn from(cell: UnitCellConfig) -> Self {
        Self::Unit(cell)
    }
}

impl Setting for WrittenCell {
    fn overlay(&mut self, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), Error> {
        let unit = |name: &Value| matches!(name, Value::Text(name) if <UnitCellConfig as class::Classes>::NAMES.contains(&name.as_str()));
        let named = match &value {
            Value::Table(fields) => fields.iter().find(|(field, _)| field == class::TYPE).map(|(_, name)| name),
            _ => None,
        };
        match (named.map(unit), &*self) {
            (Some(true), Self::Device(_)) => *self = Self::Unit(UnitCellConfig::default()),
            (Some(false), Self::Unit(_)) => *self = Self::Device(DeviceConfig::default()),
            _ => {}
        }
        match self {
            Self::Device(device) => device.overlay(value, at, on_error),
            Self::Unit(cell) => cell.overlay(value, at, on_error),
        }
    }

    fn get(&self) -> Value {
        match self {
            Self::Device(device) => device.get(),
            Self::Unit(cell) => cell.get(),
        }
    }

    fn check(&self, range: Range, at: &str) -> Result<(), Error> {
        match self {
            Self::Device(device) => device.check(range, at),
            Self::Unit(cell) => cell.check(range, at),
        }
    }

    fn unused(&self, by_default: &Value, at: &str, notes: &mut Vec<Note>) {
        match self {
            Self::Device(device) => device.unused(by_default, at, notes),
            Self::Unit(cell) => cell.unused(by_default, at, notes),
        }
    }

    fn schema(&self, range: Range) -> Value {
        schema::any_of(vec![DeviceConfig::default().schema(range), UnitCellConfig::default().schema(range)])
    }
}

parameters! {
    /// Gradients are summed digitally; multiples of the granularity are written to the devices, row by row (Nandakumar
    /// et al., Front. Neurosci. 14, 406 (2020)).
    #[doc(alias = "MixedPrecisionCompound")]
    pub struct MixedPrecision {
        /// The device or cell that is written to.
        device: WrittenCell = WrittenCell::default();

        /// Period of writes, in batches; 0: none.
        transfer_every: u32 = 1;

        /// Rows that are written each time; below 0: all.
        n_rows_per_transfer: i64 = -1;

        /// Begins each write with a random row.
        random_row: bool = false;

        /// Unit of the values that are written; 0: the granularity of the devices.
        granularity: f32 = 0.0, [>= 0.0];

        /// Rate of writes.
        transfer_lr: f32 = 1.0, [>= 0.0];

        /// Levels of the inputs in the digital sum; 0: exact.
        n_x_bins: u32 = 0;

        /// Levels of the gradients in the digital sum; 0: exact.
        n_d_bins: u32 = 0;

        /// Rounds inputs stochastically.
        stoc_round_x: bool = true;

        /// Rounds gradients stochastically.
        stoc_round_d: bool = true;
    }
}

impl Rules for MixedPrecision {
    fn rules(&self, at: &str) -> Result<(), Error> {
        for (field, bins) in [("n_x_bins", self.n_x_bins), ("n_d_bins", self.n_d_bins)] {
            if bins == 1 {
                return Err(invalid(&join(at, field), &bins.get(), "0 or at least 2"));
            }
        }
        let pulsed = match &self.device {
            WrittenCell::Device(device) => !device.step().is_ideal(),
            WrittenCell::Unit(
                UnitCellConfig::Vector(_)
                | UnitCellConfig::Reference(_)
                | UnitCellConfig::OneSided(_)
                | UnitCellConfig::Custom(_),
            ) => true,
            WrittenCell::Unit(_) => false,
        };
        match pulsed {
            true => Ok(()),
            false => {
                let allowed = "a pulsed device or a vector, reference or one-sided cell";
                Err(invalid(&join(at, "device"), &self.device.get(), allowed))
            }
        }
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        let of_writes = ["n_rows_per_transfer", "random_row", "granularity", "transfer_lr"];
        unused.note("", &of_writes, self.transfer_every == 0, "transfer_every is 0");
        let all = self.transfer_every > 0 && self.n_rows_per_transfer < 0;
        unused.note("", &["random_row"], all, "n_rows_per_transfer is below 0, which writes all");
        unused.note("", &["stoc_round_x"], self.n_x_bins == 0, "n_x_bins is 0");
        unused.note("", &["stoc_round_d"], self.n_d_bins == 0, "n_d_bins is 0");
    }
}

/// Devices or cells at the crosspoints of a tile that trains by pulses.
#[derive(Clone, Debug, PartialEq)]
pub enum CellConfig {
    /// One device.
    Device(DeviceConfig),
    /// Several devices or arrays.
    Unit(UnitCellConfig),
    /// Devices with a digital sum of gradients.
    Mixed(MixedPrecision),
}

impl CellConfig {
    /// Checks every field and the rules between them.
    ///
    /// # Errors
    /// If a field has a value that it may not have; the error names the first such field and what is allowed.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Device(device) => device.validate(),
            Self::Unit(cell) => cell.validate(),
            Self::Mixed(mixed) => mixed.validate(),
        }
    }

    /// The device of the first array.
    pub(crate) fn first_device(&self) -> &DeviceConfig {
        match self {
            Self::Device(device) | Self::Mixed(MixedPrecision { device: WrittenCell::Device(device), .. }) => device,
            Self::Unit(cell) | Self::Mixed(MixedPrecision { device: WrittenCell::Unit(cell), .. }) => {
                &cell.compound().devices()[0]
            }
        }
    }
}

/// The reference's names of the classes, from the cell to its first device.
impl fmt::Display for CellConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Mixed(_) = self {
            f.write_str("MixedPrecisionCompound, ")?;
        }
        match self {
            Self::Device(device) | Self::Mixed(MixedPrecision { device: WrittenCell::Device(device), .. }) => {
                f.write_str(class::name(device))
            }
            Self::Unit(cell) | Self::Mixed(MixedPrecision { device: WrittenCell::Unit(cell), .. }) => {
                let devices = cell.compound().devices();
                write!(f, "{}, {} × {}", class::name(cell), devices.len(), devices.first().map_or("–", class::name))
            }
        }
    }
}

impl From<DeviceConfig> for CellConfig {
    fn from(device: DeviceConfig) -> Self {
        Self::Device(device)
    }
}

impl From<UnitCellConfig> for CellConfig {
    fn from(cell: UnitCellConfig) -> Self {
        Self::Unit(cell)
    }
}

impl From<MixedPrecision> for CellConfig {
    fn from(mixed: MixedPrecision) -> Self {
        Self::Mixed(mixed)
    }
}

impl From<WrittenCell> for CellConfig {
    fn from(cell: WrittenCell) -> Self {
        match cell {
            WrittenCell::Device(device) => Self::Device(device),
            WrittenCell::Unit(cell) => Self::Unit(cell),
        }
    }
}

/// Reads a class, with defaults for the fields that it leaves out, and validates it.
macro_rules! deserializes {
    ($($config:ty),*) => { $(
        impl<'de> serde::Deserialize<'de> for $config {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut config = Self::default();
                let value = serde::Deserialize::deserialize(deserializer)?;
                let read = config.overlay(value, "device", &mut strict).and_then(|()| config.check(Range::Any, "device"));
                read.map_err(serde::de::Error::custom).map(|()| config)
            }
        }
    )* };
}

deserializes!(DeviceConfig, UnitCellConfig, WrittenCell);
