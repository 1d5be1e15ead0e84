//! Configurations that are refused, and those of the presets, which are not.

use super::*;

#[test]
fn settings_without_a_meaning_are_refused() {
    let message = |config: CellConfig| {
        Cell::new(&config, &UpdateParameters::default(), SHAPE, false, Key::new(1)).unwrap_err().to_string()
    };
    let bias = ConstantStep { perfect_bias: true, ..Default::default() };
    assert_eq!(
        message(DeviceConfig::from(bias).into()),
        "device.perfect_bias = true: must be false unless the bias is analog (mapping.digital_bias = false)"
    );
    let bounds = ConstantStep { w_min: 0.1, ..Default::default() };
    assert_eq!(message(DeviceConfig::from(bounds).into()), "w_min = 0.1: must be at most 0");
    let pair = vec![soft(), soft()];
    let lines = TransferCompound { unit_cell_devices: pair.clone(), n_reads_per_transfer: 0, ..Default::default() };
    assert_eq!(message(UnitCellConfig::from(lines).into()), "n_reads_per_transfer = 0: must be at least 1");
    let alone = ChoppedTransferCompound { unit_cell_devices: vec![soft()], ..Default::default() };
    assert!(message(UnitCellConfig::from(alone).into()).starts_with("unit_cell_devices = 1: must be a list of two"));
    let regular = DynamicTransferCompound { unit_cell_devices: pair.clone(), in_chop_prob: 0.0, ..Default::default() };
    assert!(message(UnitCellConfig::from(regular).into()).starts_with("in_chop_prob = 0: must be above 0"));
    let one = ResidualTransferCompound { unit_cell_devices: vec![soft()], ..Default::default() };
    let allowed = "unit_cell_devices = 1: must be a list of two devices or more";
    assert_eq!(message(UnitCellConfig::from(one).into()), allowed);
    let heavy = ResidualTransferCompound { unit_cell_devices: pair.clone(), gamma: 1.5, ..Default::default() };
    assert_eq!(message(UnitCellConfig::from(heavy).into()), "gamma = 1.5: must be from 0 to 1");
    let three = RiderTransferCompound { unit_cell_devices: vec![soft(); 3], ..Default::default() };
    assert_eq!(message(UnitCellConfig::from(three).into()), "unit_cell_devices = 3: must be a list of two devices");
    let ideal =
        VectorUnitCell { unit_cell_devices: vec![crate::device::Ideal::default().into()], ..Default::default() };
    assert!(message(UnitCellConfig::from(ideal).into()).ends_with("must be a pulsed device"));
    let hidden = OneSidedUnitCell { unit_cell_devices: vec![noisy()], refresh_every: 1, ..Default::default() };
    assert!(message(UnitCellConfig::from(hidden).into()).starts_with("refresh_every = 1: must be 0 while"));
    let inner = WrittenCell::Unit(TransferCompound { unit_cell_devices: pair, ..Default::default() }.into());
    let mixed = MixedPrecision { device: inner, ..Default::default() };
    assert!(message(mixed.into()).ends_with("a pulsed device or a vector, reference or one-sided cell"));
    let parameters = UpdateParameters { desired_bl: 0, ..Default::default() };
    assert!(parameters.validate().unwrap_err().to_string().starts_with("desired_bl = 0: must be from 1 to"));
}

#[test]
fn not_a_number_stays_so() {
    let weights = Tensor::from_fn(&SHAPE, |at| if at == [1, 0] { f32::NAN } else { 0.01 });
    for (name, config) in cells() {
        let mut cell = new(&config, Key::new(1));
        cell.set_weights(&weights, Key::new(2));
        cell.after_step(Key::new(3));
        cell.drift(10.0, Key::new(4));
        let nans = cell.weights().iter().filter(|w| w.is_nan()).count();
        assert_eq!((cell.weights()[[1, 0]].is_nan(), nans), (true, 1), "{name}");
    }
}

#[test]
fn a_gradient_that_is_not_a_number_is_seen_in_the_weights() {
    let x = Tensor::full(&[2, SHAPE[1]], 0.5);
    let d = Tensor::full(&[2, SHAPE[0]], 0.1);
    let quantised =
        MixedPrecision { device: WrittenCell::Device(soft()), n_d_bins: 5, n_x_bins: 4, ..Default::default() };
    for (name, config) in cells().into_iter().chain([("quantised", quantised.into())]) {
        for bad in [f32::NAN, f32::INFINITY] {
            for in_x in [true, false] {
                let mut cell = new(&config, Key::new(1));
                // Transfers pass through a buffer, and in version 4 begin after the first changes of sign.
                for step in 0..200 {
                    let (mut x, mut d) = (x.clone(), d.clone());
                    if step == 0 {
                        (if in_x { &mut x } else { &mut d }).make_mut()[1] = bad;
                    }
                    let parameters = &UpdateParameters::default();
                    cell.update(Update { pairs: Pairs::new(&x, &d), rate: 0.1, parameters, key: Key::new(step) });
                }
                let lost = cell.weights().iter().any(|w| w.is_nan());
                assert!(lost, "{name}: {bad} in {}", if in_x { "x" } else { "d" });
            }
        }
    }
}

#[test]
fn presets_are_sound() {
    for preset in presets::all() {
        preset.cell.validate().unwrap();
        let cell = Cell::new(&preset.cell, &preset.update, [2, 3], false, Key::new(1)).unwrap();
        assert!(cell.granularity() > 0.0, "{}", preset.name);
    }
}
