//! Lists of sections with classes, which hold such lists themselves: cells of devices.

use std::fmt::Debug;

use super::class::classes;
use super::section::{Rules, Section, parameters};
use super::setting::{invalid, join};
use super::value::Value;
use super::{file, path, schema};
use crate::Error;

/// A trait that classes share.
pub trait Device: Debug + Send + Sync {}

parameters! {
    /// A device.
    pub struct ConstantStep {
        /// The change of a pulse.
        dw_min: f32 = 0.001, [> 0.0];
    }
}
impl Rules for ConstantStep {}
impl Device for ConstantStep {}

parameters! {
    /// A cell of several devices, each of any class, cells among them.
    pub struct VectorCell {
        /// The devices.
        unit_cell_devices: Vec<DeviceConfig> = vec![ConstantStep::default().into()];
        /// The weight of each.
        gamma: Vec<f32> = vec![];
    }
}
impl Rules for VectorCell {
    fn rules(&self, at: &str) -> Result<(), Error> {
        match self.unit_cell_devices.len() {
            0 => Err(invalid(&join(at, "unit_cell_devices"), &Value::List(vec![]), "at least one device")),
            _ => Ok(()),
        }
    }
}
impl Device for VectorCell {}

classes! {
    /// A device of any class.
    pub enum DeviceConfig of Device {
        /// Constant steps.
        ConstantStep(ConstantStep) = "ConstantStepDevice",
        /// A cell of devices.
        VectorCell(VectorCell) = "VectorUnitCell",
    }
}

impl Default for DeviceConfig {
    fn default() -> Self {
        ConstantStep::default().into()
    }
}

parameters! {
    /// A configuration of devices.
    pub struct Chip {
        /// The device of each weight.
        device: DeviceConfig = DeviceConfig::default();
    }
}
impl Rules for Chip {}

const FILE: &str = r#"
    [device]
    type = "VectorUnitCell"
    gamma = [1.0, 0.5]

    [[device.unit_cell_devices]]
    dw_min = 0.02

    [[device.unit_cell_devices]]
    type = "VectorUnitCell"
    unit_cell_devices = [{ type = "ConstantStepDevice" }, { dw_min = 0.5 }]
"#;

fn chip() -> Chip {
    let step = |dw_min| ConstantStep { dw_min }.into();
    let inner = VectorCell { unit_cell_devices: vec![step(0.001), step(0.5)], gamma: vec![] };
    let cell = VectorCell { unit_cell_devices: vec![step(0.02), inner.into()], gamma: vec![1.0, 0.5] };
    Chip { device: cell.into() }
}

#[test]
fn lists_hold_classes_of_all_kinds() {
    assert_eq!(file::from_toml::<Chip>(FILE).unwrap(), chip());
    for text in [file::to_toml(&chip()).unwrap(), toml::to_string(&chip()).unwrap()] {
        assert_eq!(file::from_toml::<Chip>(&text).unwrap(), chip(), "{text}");
    }
    assert_eq!(file::from_json::<Chip>(&file::to_json(&chip()).unwrap()).unwrap(), chip());
    chip().validate().unwrap();
    assert!(chip().device.object().is_some());
    assert!(ConstantStep { dw_min: 0.0 }.validate().is_err());
    assert!(VectorCell { unit_cell_devices: vec![], gamma: vec![] }.validate().is_err());
}

#[test]
fn a_schema_of_cells_in_cells_is_finite() {
    let schema: serde_json::Value = serde_json::from_str(&schema::document::<Chip>("Chip")).unwrap();
    let cell = &schema["properties"]["device"]["anyOf"][1]["properties"];
    assert_eq!(cell["unit_cell_devices"]["items"]["type"], "object");
    assert_eq!(cell["type"]["const"], "VectorUnitCell");
}

#[test]
fn errors_in_lists_have_their_place() {
    let error = |text: &str, wrong: &str| file::from_toml::<Chip>(&FILE.replace(text, wrong)).unwrap_err().to_string();
    assert_eq!(
        error("dw_min = 0.5", "dw_mi = 0.5"),
        "unknown field `dw_mi` in [device.unit_cell_devices[1].unit_cell_devices[1]]; did you mean `dw_min`?"
    );
    assert_eq!(error("0.02", "-1"), "device.unit_cell_devices[0].dw_min = -1: must be above 0");
    assert_eq!(
        error("{ dw_min = 0.5 }", "3"),
        "device.unit_cell_devices[1].unit_cell_devices[1] = 3: must be a section of fields with a `type`"
    );
    assert_eq!(
        error("unit_cell_devices = [{ type = \"ConstantStepDevice\" }, { dw_min = 0.5 }]", "unit_cell_devices = 3"),
        "device.unit_cell_devices[1].unit_cell_devices = 3: must be a list of sections"
    );
    assert_eq!(
        error("[{ type = \"ConstantStepDevice\" }, { dw_min = 0.5 }]", "[]"),
        "device.unit_cell_devices[1].unit_cell_devices = []: must be at least one device"
    );
    let mut chip = chip();
    path::set(&mut chip, "device.gamma", "[2, 3]").unwrap();
    assert_eq!(path::get(&chip, "device.gamma").unwrap(), "[2.0, 3.0]");
    path::set(&mut chip, "device.type", "ConstantStepDevice").unwrap();
    assert_eq!(chip, Chip::default());
    assert!(chip.to_string().ends_with("all defaults") && Chip::FIELDS.len() == 1);
}
