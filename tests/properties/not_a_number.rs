//! A NaN at any place in the state of tiles makes their reads NaN, or is an error; it never becomes a number.

use crate::common::full_config;
use ohmgrad::analog::TileArray;
use ohmgrad::analog::cell::{
    ChoppedTransferCompound, DynamicTransferCompound, MixedPrecision, OneSidedUnitCell, ResidualTransferCompound,
    RiderTransferCompound, TransferCompound,
};
use ohmgrad::analog::config::{DigitalRankUpdateRpuConfig, RpuConfig, SingleRpuConfig, UnitCellRpuConfig};
use ohmgrad::analog::device::{ConstantStep, DeviceConfig, SoftBounds};
use ohmgrad::analog::noise::ReRamWan2022;
use ohmgrad::prelude::*;
use proptest::prelude::*;
use proptest::sample::Index;

const KEY: Key = Key::new(3);

fn x(name: &str) -> Tensor {
    Tensor::normal(&[6, 7], KEY.fold(name))
}

/// Tiles after a call in training, which has found ranges and means.
fn trained(config: impl Into<RpuConfig>) -> TileArray {
    let mut array = TileArray::new(Tensor::normal(&[5, 7], KEY.fold("weight")), 1, None, config, "fc", KEY).unwrap();
    let tape = Tape::train(KEY.fold("call"));
    let y = array.forward(tape.variable(x("first")), None);
    let gradients = y.sum().backward();
    let found = gradients.state();
    let ranges = array.input_ranges.iter_mut().flat_map(|ranges| [&mut ranges.values, &mut ranges.calls]);
    for param in ranges.chain([&mut array.averages]) {
        found.get(param.id()).into_iter().for_each(|value| param.value = value.clone());
    }
    array
}

fn has_nan(x: &Tensor) -> bool {
    x.iter().any(|v| v.is_nan())
}

/// Returns `true` if one of the reads that tiles are made for shows a NaN: in training and evaluation, forwards and
/// backwards, and after drift.
fn shows(array: &mut TileArray) -> bool {
    let tape = Tape::train(KEY.fold("training"));
    let input = tape.variable(x("training"));
    let y = array.forward(input, None);
    let mut shown = has_nan(&y.value());
    let gradients = y.sum().backward();
    shown |= has_nan(gradients.wrt(input).expect("a variable"));
    shown |= array.params().filter_map(|(_, param)| gradients.of(param)).any(has_nan);
    let reads = |array: &TileArray| {
        let d = Tensor::normal(&[6, 5], KEY.fold("d"));
        has_nan(&array.read(&x("evaluation"), None, KEY)) || has_nan(&array.read_transposed(&d, None, KEY))
    };
    shown |= reads(array);
    if array.programmed().is_some() {
        array.drift_to(1e6).unwrap();
        shown |= reads(array);
    }
    shown
}

/// Restores tiles from their state with a NaN at one place.
fn with_nan(array: &TileArray, entry: &str, place: usize) -> Result<TileArray, ohmgrad::analog::Error> {
    let mut state = array.state();
    let tensor = state.tensors.get_mut(entry).expect("an entry of the state");
    tensor.make_mut()[place] = f32::NAN;
    TileArray::from_state(state)
}

/// An entry of the state, and a place in it.
fn pick(array: &TileArray, entry: Index, place: Index) -> (String, usize) {
    let entries: Vec<_> = array.state().tensors.into_iter().collect();
    let (name, tensor) = entry.get(&entries);
    (name.clone(), place.index(tensor.len()))
}

/// Returns `true` for state that no read uses under the configuration: it is kept for another one, or is for warnings.
fn is_unused(entry: &str, place: usize, array: &TileArray) -> bool {
    let config = array.config();
    match entry.rsplit('.').next().expect("not empty") {
        "input_range" => !config.pre_post.input_range.enable,
        "noise_floor" => true,
        // Reads of a chip use its conductances; those of devices use the devices, of which the weight is a copy.
        "weight" | "programmed" => array.programmed().is_some() || array.trains_on_chip(),
        // Means alternate: a forward and a backward one for each tile.
        "averages" => {
            let io = if place.is_multiple_of(2) { config.forward } else { config.backward.read() };
            io.noise_management != NoiseManagement::AverageAbsMax || io.is_perfect
        }
        // Measured anew at each drift.
        "alpha" => true,
        // Only `ReRamWan2022` uses targets after programming.
        _ if entry.contains(".target.") => true,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nan_in_the_state_of_tiles_is_seen_or_refused(
        config in full_config(), on_chip: bool, entry: Index, place: Index,
    ) {
        let mut array = trained(config);
        if on_chip {
            array.program(None, KEY.fold("program"));
            array.drift_to(100.0).unwrap();
        }
        let (entry, place) = pick(&array, entry, place);
        prop_assume!(!is_unused(&entry, place, &array));
        if let Ok(mut array) = with_nan(&array, &entry, place) {
            prop_assert!(shows(&mut array), "a NaN of `{entry}` is not seen");
        }
    }

    #[test]
    fn nan_in_devices_is_seen_or_refused(kind: Index, entry: Index, place: Index) {
        let kinds = on_chip();
        let array = trained(kind.get(&kinds).clone());
        let (entry, place) = pick(&array, entry, place);
        prop_assume!(!is_unused(&entry, place, &array));
        if let Ok(mut array) = with_nan(&array, &entry, place) {
            // Values in a buffer or a hidden array reach the weights with transfers.
            let mut shown = shows(&mut array);
            for step in 0..300 {
                let tape = Tape::train(KEY.fold("step").fold(step));
                let y = array.forward(tape.variable(x("step")), None);
                let gradients = (y * y).mean().backward();
                let calls: Vec<_> = gradients.deposited().map(|(_, call)| call).collect();
                array.update(calls, 0.1, KEY.fold(step), None);
            }
            shown |= shows(&mut array);
            prop_assert!(shown, "a NaN of `{entry}` is not seen");
        }
    }
}

#[test]
fn nan_in_a_target_that_is_read_again_is_seen() {
    let config = InferenceRpuConfig { noise_model: ReRamWan2022::default().into(), ..Default::default() };
    let mut array = trained(config);
    array.program(None, KEY.fold("program"));
    let mut state = array.state();
    state.tensors.get_mut("0.target.0").unwrap().make_mut()[3] = f32::NAN;
    let mut array = TileArray::from_state(state).unwrap();
    array.drift_to(86_400.0).unwrap();
    assert!(has_nan(&array.read(&x("evaluation"), None, KEY)));
}

/// Configurations of each kind that trains by pulses.
fn on_chip() -> Vec<RpuConfig> {
    let pair: Vec<DeviceConfig> =
        vec![ConstantStep::default().into(), SoftBounds { write_noise_std: 1.0, ..Default::default() }.into()];
    let cell = |cell: ohmgrad::analog::cell::UnitCellConfig| -> RpuConfig {
        UnitCellRpuConfig { device: cell, ..Default::default() }.into()
    };
    let devices = || pair.clone();
    let drifting = ConstantStep { diffusion: 1e-3, lifetime: 50.0, reset_dtod: 0.01, ..Default::default() };
    let chopped = ChoppedTransferCompound { unit_cell_devices: devices(), in_chop_prob: 0.3, ..Default::default() };
    let dynamic = DynamicTransferCompound { unit_cell_devices: devices(), in_chop_prob: 0.3, ..Default::default() };
    vec![
        SingleRpuConfig { device: drifting.into(), ..Default::default() }.into(),
        SingleRpuConfig { device: pair[1].clone(), ..Default::default() }.into(),
        cell(OneSidedUnitCell { unit_cell_devices: vec![pair[0].clone(); 2], ..Default::default() }.into()),
        cell(TransferCompound { unit_cell_devices: devices(), transfer_every: 1.0, ..Default::default() }.into()),
        cell(chopped.into()),
        cell(dynamic.into()),
        cell(
            ResidualTransferCompound {
                unit_cell_devices: [devices(), devices()].concat(),
                warm_start: 2.0,
                ..Default::default()
            }
            .into(),
        ),
        cell(RiderTransferCompound { unit_cell_devices: devices(), in_chop_prob: 0.3, ..Default::default() }.into()),
        DigitalRankUpdateRpuConfig { device: MixedPrecision::default(), ..Default::default() }.into(),
    ]
}
