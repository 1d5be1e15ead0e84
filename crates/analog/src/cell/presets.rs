//! The reference's presets of configurations for training on the chip (aihwkit `presets/configs.py`), by its names.
//!
//! All use [`presets::io`](crate::presets::io) for reads in both directions; `docs/devices.md` has them in a table.

use super::{
    CellConfig, ChoppedTransferCompound, DynamicTransferCompound, MixedPrecision, OneSidedUnitCell, TransferCompound,
    UnitCellConfig, UpdatePolicy, VectorUnitCell, WrittenCell,
};
use crate::config::{BoundManagement, IoParameters, NoiseManagement};
use crate::device::{DeviceConfig, SoftBoundsReference, presets};
use crate::presets::io;
use crate::update::UpdateParameters;

/// A preset for tiles that train by pulses: cell, update and reads.
#[derive(Clone, Debug, PartialEq)]
pub struct CellPreset {
    /// The reference's name of the configuration, without `Preset`.
    pub name: String,
    /// The device or cell.
    pub cell: CellConfig,
    /// The parameters by which gradients become pulses.
    pub update: UpdateParameters,
    /// The parameters of reads, in both directions.
    pub io: IoParameters,
}

/// Devices that all families of presets have.
const DEVICES: [&str; 6] = ["ReRamES", "ReRamSB", "Capacitor", "EcRam", "EcRamMO", "Idealized"];

/// A preset by the reference's name, with or without `Preset` at its end.
///
/// ```
/// use ohmgrad_analog::cell::presets;
///
/// let agad = presets::by_name("AGADEcRamPreset").unwrap();
/// assert_eq!(agad.update.desired_bl, 31);
/// assert_eq!(presets::all().len(), 52);
/// assert!(presets::by_name("AGADEcRom").is_none());
/// ```
pub fn by_name(name: &str) -> Option<CellPreset> {
    let name = name.strip_suffix("Preset").unwrap_or(name);
    all().into_iter().find(|preset| preset.name == name)
}

/// All presets, in the order of the table in `docs/devices.md`.
pub fn all() -> Vec<CellPreset> {
    let mut all = vec![];
    let mut add = |name: String, cell: CellConfig, desired_bl: u32| {
        let update = UpdateParameters { desired_bl, ..Default::default() };
        all.push(CellPreset { name, cell, update, io: io() });
    };
    for name in DEVICES.into_iter().chain(["GokmenVlasov"]) {
        add(name.to_owned(), device(name).into(), 31);
    }
    add("PCM".to_owned(), UnitCellConfig::from(pcm_pair()).into(), 31);
    for n in [2, 4] {
        for name in DEVICES {
            let cell = VectorUnitCell {
                unit_cell_devices: vec![device(name); n],
                update_policy: UpdatePolicy::SingleRandom,
                ..Default::default()
            };
            add(format!("{name}{n}"), UnitCellConfig::from(cell).into(), 31);
        }
    }
    for name in DEVICES {
        let cell =
            TransferCompound { unit_cell_devices: pair(name), transfer_forward: unmanaged(io()), ..Default::default() };
        add(format!("TikiTaka{name}"), UnitCellConfig::from(cell).into(), 31);
    }
    for (name, fast_lr, auto_granularity, bl) in [
        ("ReRamES", 0.5, 1000.0, 31),
        ("ReRamSB", 0.5, 1000.0, 31),
        ("Capacitor", 0.1, 1000.0, 31),
        ("EcRam", 0.1, 500.0, 100),
        ("EcRamMO", 0.1, 500.0, 100),
        ("Idealized", 0.1, 500.0, 100),
    ] {
        add(format!("TTv2{name}"), chopped(name, fast_lr, auto_granularity, 0.0), bl);
    }
    for (name, fast_lr, auto_granularity, bl, in_chop_prob) in [
        ("ReRamES", 0.5, 1000.0, 31, 0.01),
        ("ReRamSB", 0.5, 1000.0, 31, 0.01),
        ("Capacitor", 0.1, 1000.0, 31, 0.01),
        ("EcRam", 1.0, 500.0, 100, 0.01),
        ("EcRamMO", 0.1, 500.0, 100, 0.001),
        ("Idealized", 0.1, 500.0, 100, 0.001),
    ] {
        add(format!("ChoppedTTv2{name}"), chopped(name, fast_lr, auto_granularity, in_chop_prob), bl);
    }
    for (name, fast_lr, auto_granularity, bl, in_chop_prob, tail_weightening) in [
        ("ReRamES", 0.5, 1000.0, 31, 0.02, 5.0),
        ("ReRamSB", 0.5, 1000.0, 31, 0.02, 5.0),
        ("Capacitor", 0.1, 1000.0, 31, 0.01, 20.0),
        ("EcRam", 0.1, 750.0, 31, 0.005, 50.0),
        ("EcRamMO", 0.1, 500.0, 100, 0.005, 50.0),
        ("Idealized", 0.1, 500.0, 100, 0.005, 50.0),
    ] {
        let cell = DynamicTransferCompound {
            unit_cell_devices: pair(name),
            transfer_forward: unmanaged(io()),
            auto_scale: true,
            fast_lr,
            auto_granularity,
            in_chop_prob,
            tail_weightening,
            ..Default::default()
        };
        add(format!("AGAD{name}"), UnitCellConfig::from(cell).into(), bl);
    }
    for name in DEVICES.into_iter().chain(["GokmenVlasov", "PCM"]) {
        let device = match name {
            "PCM" => WrittenCell::Unit(pcm_pair().into()),
            name => device(name).into(),
        };
        add(format!("MixedPrecision{name}"), MixedPrecision { device, ..Default::default() }.into(), 31);
    }
    all
}

fn device(name: &str) -> DeviceConfig {
    match name {
        "ReRamES" => presets::reram_es().into(),
        "ReRamSB" => presets::reram_sb().into(),
        "Capacitor" => presets::capacitor().into(),
        "EcRam" => presets::ecram().into(),
        "EcRamMO" => presets::ecram_mo().into(),
        "Idealized" => presets::idealized().into(),
        "GokmenVlasov" => presets::gokmen_vlasov().into(),
        name => unreachable!("no device {name} in the lists above"),
    }
}

/// Both arrays of a transfer cell; from those of `ReRamSB` the symmetry points are subtracted.
fn pair(name: &str) -> Vec<DeviceConfig> {
    let device = match name {
        "ReRamSB" => SoftBoundsReference { subtract_symmetry_point: true, ..presets::reram_sb() }.into(),
        name => device(name),
    };
    vec![device; 2]
}

/// Phase-change memory in pairs, refreshed after each batch.
#[doc(alias = "PCMPresetUnitCell")]
pub fn pcm_pair() -> OneSidedUnitCell {
    OneSidedUnitCell {
        unit_cell_devices: vec![presets::pcm().into(); 2],
        refresh_every: 1,
        refresh_forward: io(),
        ..Default::default()
    }
}

fn chopped(name: &str, fast_lr: f32, auto_granularity: f32, in_chop_prob: f32) -> CellConfig {
    let cell = ChoppedTransferCompound {
        unit_cell_devices: pair(name),
        transfer_forward: unmanaged(io()),
        auto_scale: true,
        fast_lr,
        auto_granularity,
        in_chop_prob,
        ..Default::default()
    };
    UnitCellConfig::from(cell).into()
}

/// The parameters without noise management and bound management.
pub(crate) fn unmanaged(io: IoParameters) -> IoParameters {
    IoParameters { noise_management: NoiseManagement::None, bound_management: BoundManagement::None, ..io }
}
