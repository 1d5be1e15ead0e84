//! Devices and cells of the reference. The class of a preset becomes the class that it is derived from, with the
//! preset's values for fields that are not shown.

use std::collections::HashMap;

use crate::classes;
use crate::node::{Node, Object};
use ohmgrad_analog::cell::{UnitCellConfig, presets as cells};
use ohmgrad_analog::config::form::class::{Classes, TYPE};
use ohmgrad_analog::config::form::setting::{Setting, join};
use ohmgrad_analog::config::form::value::Value;
use ohmgrad_analog::config::{DigitalRankUpdateRpuConfig, FloatingPointRpuConfig, SingleRpuConfig, UnitCellRpuConfig};
use ohmgrad_analog::config::{IoParameters, Note, RpuConfig};
use ohmgrad_analog::device::{DeviceConfig, presets};
use ohmgrad_analog::update::UpdateParameters;

/// Classes that have no alternative at their place, and so are structs here.
const STRUCTS: &[&str] = &["MixedPrecisionCompound", "FloatingPointDevice"];

/// Fields that mean nothing here as long as they have this value.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    // Each device is drawn from the hardware's key.
    ("construction_seed", "0"),
    ("enforce_consistency", "True"),
    ("count_pulses", "False"),
    ("d_sparsity", "False"),
];

/// For a configuration that trains on the chip, the default of its kind, and the preset of its class, if there is one.
pub(crate) fn kind(configuration: &Object) -> Option<(RpuConfig, Option<RpuConfig>)> {
    let preset = configuration.class.strip_suffix("Preset").and_then(cells::by_name).map(RpuConfig::from);
    let is = |class: &str| configuration.is(class);
    let by_preset = |is_kind: fn(&RpuConfig) -> bool| preset.as_ref().is_some_and(is_kind);
    let kind: RpuConfig = if is("SingleRPUConfig") || by_preset(|p| matches!(p, RpuConfig::Single(_))) {
        SingleRpuConfig::default().into()
    } else if is("UnitCellRPUConfig") || by_preset(|p| matches!(p, RpuConfig::UnitCell(_))) {
        UnitCellRpuConfig::default().into()
    } else if is("DigitalRankUpdateRPUConfig") || by_preset(|p| matches!(p, RpuConfig::DigitalRankUpdate(_))) {
        DigitalRankUpdateRpuConfig::default().into()
    } else if is("FloatingPointRPUConfig") {
        FloatingPointRpuConfig::default().into()
    } else {
        return None;
    };
    Some((kind, preset))
}

/// The values of a device or cell that is a preset class of the reference.
fn preset(class: &str) -> Option<Value> {
    let device: DeviceConfig = match class {
        "IdealizedPresetDevice" => presets::idealized().into(),
        "GokmenVlasovPresetDevice" => presets::gokmen_vlasov().into(),
        "CapacitorPresetDevice" => presets::capacitor().into(),
        "EcRamPresetDevice" => presets::ecram().into(),
        "EcRamMOPresetDevice" => presets::ecram_mo().into(),
        "ReRamESPresetDevice" => presets::reram_es().into(),
        "ReRamSBPresetDevice" => presets::reram_sb().into(),
        "ReRamArrayOMPresetDevice" => presets::reram_array_om().into(),
        "ReRamArrayHfO2PresetDevice" => presets::reram_array_hfo2().into(),
        "PCMPresetDevice" => presets::pcm().into(),
        "PCMPresetUnitCell" => return Some(UnitCellConfig::from(cells::pcm_pair()).get()),
        _ => return None,
    };
    Some(device.get())
}

/// The value of a device, a cell, or a part of one, at a path; unknown classes are added to the notes. `complete`:
/// objects show all of their fields.
pub(crate) fn value(node: Node, at: &str, complete: bool, notes: &mut Vec<Note>) -> Value {
    let object = match node {
        Node::Object(object) => object,
        Node::List(items) => {
            let each = |(i, item)| value(item, &format!("{at}[{i}]"), complete, notes);
            return Value::List(items.into_iter().enumerate().map(each).collect());
        }
        other => return other.into_value(true),
    };
    let mut table = start(&object, at, complete, notes);
    let mut places: HashMap<String, usize> =
        table.iter().enumerate().map(|(i, (field, _))| (field.clone(), i)).collect();
    for (field, node) in object.fields {
        let shown = node.to_string();
        if WITHOUT_EFFECT.iter().any(|(name, harmless)| *name == field && *harmless == shown) {
            continue;
        }
        let value = value(node, &join(at, &field), complete, notes);
        match places.get(&field) {
            Some(&place) => table[place].1 = value,
            None => {
                places.insert(field.clone(), table.len());
                table.push((field, value));
            }
        }
    }
    Value::Table(table)
}

fn set(table: &mut Vec<(String, Value)>, field: String, value: Value) {
    match table.iter_mut().find(|(name, _)| *name == field) {
        Some((_, old)) => *old = value,
        None => table.push((field, value)),
    }
}

/// The entries of an object before its fields are set: the class in `type` where it is a choice, and defaults.
fn start(object: &Object, at: &str, complete: bool, notes: &mut Vec<Note>) -> Vec<(String, Value)> {
    let table = |value| match value {
        Value::Table(fields) => fields,
        _ => unreachable!("devices and cells are sections"),
    };
    if let Some(preset) = preset(&object.class) {
        return table(preset);
    }
    let names = || std::iter::once(&object.class).chain(&object.bases).map(String::as_str);
    if let Some(defaults) = classes::defaults(object) {
        if defaults.class != object.class && !complete {
            unknown(object, at, &defaults.class, notes);
        }
        // All fields, because a cell may have other defaults for this section.
        let all = match defaults.class.as_str() {
            "UpdateParameters" | "PresetUpdateParameters" => table(UpdateParameters::default().get()),
            class if class.contains("IOParameters") => table(IoParameters::default().get()),
            _ => vec![],
        };
        let of_class = defaults.fields.into_iter().map(|(field, node)| (field, node.into_value(false)));
        return of_class.fold(all, |mut all, (field, value)| {
            set(&mut all, field, value);
            all
        });
    }
    if names().any(|name| STRUCTS.contains(&name)) {
        return vec![];
    }
    let known = |name: &&str| DeviceConfig::NAMES.contains(name) || UnitCellConfig::NAMES.contains(name);
    let class = names().find(known).unwrap_or(&object.class);
    if class != object.class && !complete {
        unknown(object, at, class, notes);
    }
    vec![(TYPE.to_owned(), Value::Text(class.to_owned()))]
}

fn unknown(object: &Object, at: &str, class: &str, notes: &mut Vec<Note>) {
    let reason = format!("an unknown class, read as {class}; its own defaults are not known");
    notes.push(Note { field: at.to_owned(), value: object.class.clone(), reason });
}
