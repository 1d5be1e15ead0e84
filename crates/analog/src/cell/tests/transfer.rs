//! Versions of Tiki-Taka, and the periods of their transfers.

use super::*;

#[test]
fn without_choppers_version_3_is_version_2() {
    // With a granularity that is a power of two, buffers in weights and in pulses have the same bits.
    let device = DeviceConfig::from(ideal(1.0 / 256.0));
    let parameters = UpdateParameters { pulse_type: PulseType::DeterministicImplicit, ..Default::default() };
    let perfect = IoParameters { is_perfect: true, ..Default::default() };
    let buffered = BufferedTransferCompound {
        unit_cell_devices: vec![device.clone(), device.clone()],
        units_in_mbatch: false,
        transfer_forward: perfect,
        momentum: 0.1,
        ..Default::default()
    };
    let chopped = ChoppedTransferCompound {
        unit_cell_devices: vec![device.clone(), device],
        transfer_forward: perfect,
        momentum: 0.1,
        in_chop_prob: 0.0,
        scale_fast_lr: true,
        ..Default::default()
    };
    let run = |config: UnitCellConfig| {
        let mut cell = Cell::new(&config.into(), &parameters, SHAPE, false, Key::new(1)).unwrap();
        train(&mut cell, 0..20);
        cell.weights().to_vec()
    };
    let weights = run(buffered.into());
    assert_eq!(weights, run(chopped.into()));
    assert!(weights.iter().any(|&w| w != 0.0));
}

#[test]
fn an_offset_of_the_fast_array_moves_a_dynamic_cell_no_further() {
    // Without gradients, A stays where it was set; version 3 without changes of sign writes it again and again.
    let device = DeviceConfig::from(ideal(0.01));
    let config = DynamicTransferCompound {
        unit_cell_devices: vec![device.clone(), device],
        transfer_forward: IoParameters { is_perfect: true, ..Default::default() },
        in_chop_prob: 0.25,
        transfer_lr: 5.0,
        ..Default::default()
    };
    let mut cell = new(&UnitCellConfig::from(config).into(), Key::new(1));
    cell.state(&mut |name, slot| {
        if let ("device_0.weight", Slot::Array(array)) = (name, slot) {
            *array = Tensor::full(&SHAPE, 0.3);
        }
    });
    let (x, d) = (Tensor::full(&[17 * 40, SHAPE[1]], 0.0), Tensor::full(&[17 * 40, SHAPE[0]], 0.0));
    let (pairs, parameters) = (Pairs::new(&x, &d), &UpdateParameters::default());
    cell.update(Update { pairs, rate: 0.1, parameters, key: Key::new(2) });
    assert_eq!(cell.weights().abs().max(), 0.0);
}

#[test]
fn periods_in_batches_end_where_batches_end() {
    let period = Period::new(2.0, true);
    // Batches of 8, 8, 5, 8: events after the second and the fourth.
    let sizes = [8, 8, 5, 8];
    let due: Vec<(usize, usize)> = sizes
        .iter()
        .enumerate()
        .flat_map(|(b, &n)| (0..n).filter(move |&i| period.is_due(b as u64, 0, i, n)).map(move |i| (b, i)))
        .collect();
    assert_eq!(due, [(1, 7), (3, 7)]);
    let halves = Period::new(0.5, true);
    assert_eq!((0..8).filter(|&i| halves.is_due(3, 0, i, 8)).collect::<Vec<_>>(), [3, 7]);
    let thirds = Period::new(1.0 / 3.0, true);
    assert_eq!((0..6).filter(|&i| thirds.is_due(7, 0, i, 6)).count(), 3);
    assert_eq!((0..6).filter(|&i| Period::new(4.0, false).is_due(0, 2, i, 6)).collect::<Vec<_>>(), [1, 5]);
    assert_eq!(Period::new(0.0, true), Period::Never);
}
