//! Residual learning: over several arrays, and with a tracked symmetry point.

use super::*;

fn perfect() -> IoParameters {
    IoParameters { is_perfect: true, ..Default::default() }
}

/// Deterministic pulses, in trains that are long enough to resolve the values that are written.
fn sure() -> UpdateParameters {
    UpdateParameters { pulse_type: PulseType::DeterministicImplicit, desired_bl: 1000, ..Default::default() }
}

fn of(arrays: usize, device: impl Into<DeviceConfig>) -> Vec<DeviceConfig> {
    vec![device.into(); arrays]
}

fn cell(config: impl Into<UnitCellConfig>, parameters: &UpdateParameters) -> Cell {
    Cell::new(&CellConfig::Unit(config.into()), parameters, SHAPE, false, Key::new(1)).unwrap()
}

/// One batch of pairs that are functions of the step's number.
fn step(cell: &mut Cell, parameters: &UpdateParameters, step: usize) {
    let key = Key::new(8).fold(step);
    let x = Tensor::normal(&[2, SHAPE[1]], key.fold("x"));
    let d = &Tensor::normal(&[2, SHAPE[0]], key.fold("d")) * 0.2;
    cell.update(Update { pairs: Pairs::new(&x, &d), rate: 0.05, parameters, key: key.fold("update") });
}

fn arrays(cell: &Cell) -> Vec<Vec<f32>> {
    cell.devices().iter().map(|device| device.weights().to_vec()).collect()
}

#[test]
fn the_weight_is_the_geometric_sum_of_the_arrays() {
    for gamma in [0.1, 0.5, 1.0] {
        let config = ResidualTransferCompound { unit_cell_devices: of(3, soft()), gamma, ..Default::default() };
        let mut cell = cell(config, &UpdateParameters::default());
        (0..30).for_each(|i| step(&mut cell, &UpdateParameters::default(), i));
        let [fast, middle, slow] = arrays(&cell).try_into().unwrap();
        for (i, w) in cell.weights().iter().enumerate() {
            assert!((w - (gamma * gamma * fast[i] + gamma * middle[i] + slow[i])).abs() < 1e-6);
        }
        assert!(slow.iter().any(|&w| w != 0.0));
        for device in cell.devices() {
            let [low, high] = [f32::min, f32::max].map(|f| device.weights().iter().copied().reduce(f).unwrap());
            // The bounds −0.3 and 0.6 have relative spreads of 0.3: 153 × 3 crosspoints are within four standard
            // deviations.
            assert!(low > -0.3 * 2.2 && high < 0.6 * 2.2, "{low} {high}");
        }
    }
}

#[test]
fn without_gamma_the_last_array_alone_is_read() {
    let config = ResidualTransferCompound { unit_cell_devices: of(3, soft()), gamma: 0.0, ..Default::default() };
    let mut cell = cell(config, &UpdateParameters::default());
    (0..5).for_each(|i| step(&mut cell, &UpdateParameters::default(), i));
    assert!(cell.weights().shares_storage(cell.devices()[2].weights()));
    assert_ne!(cell.devices()[0].weights().abs().max(), 0.0);
}

/// Without transfers, ideal devices follow gradient descent at γᴺ times the rate.
#[test]
fn without_transfers_ideal_devices_descend() {
    let parameters = sure();
    let config = ResidualTransferCompound {
        unit_cell_devices: of(3, ideal(0.001)),
        gamma: 1.0,
        transfer_lr: 0.0,
        ..Default::default()
    };
    let mut residual = cell(config, &parameters);
    let single = CellConfig::Device(ideal(0.001).into());
    let mut single = Cell::new(&single, &parameters, SHAPE, false, Key::new(1)).unwrap();
    for i in 0..20 {
        step(&mut residual, &parameters, i);
        step(&mut single, &parameters, i);
    }
    assert_eq!(residual.weights().to_vec(), single.weights().to_vec());
    assert!(single.weights().abs().max() > 0.05);
}

#[test]
fn without_a_warm_start_it_is_tiki_taka_over_several_arrays() {
    let residual = ResidualTransferCompound { unit_cell_devices: of(3, noisy()), ..Default::default() };
    let transfer = TransferCompound {
        unit_cell_devices: of(3, noisy()),
        gamma_vec: vec![0.25, 0.5, 1.0],
        transfer_every_vec: vec![2.0, 10.0, 50.0],
        transfer_lr_vec: vec![0.1 * 1.2f32.powi(2), 0.1 * 1.2, 0.1],
        scale_transfer_lr: false,
        fast_lr: 0.0,
        ..Default::default()
    };
    let parameters = UpdateParameters::default();
    let run = |config: UnitCellConfig| {
        let mut cell = cell(config, &parameters);
        (0..60).for_each(|i| step(&mut cell, &parameters, i));
        state(&cell)
    };
    assert_eq!(run(residual.into()), run(transfer.into()));
}

#[test]
fn a_warm_start_writes_to_one_array_after_the_other() {
    let parameters = UpdateParameters::default();
    let config = ResidualTransferCompound {
        unit_cell_devices: of(4, soft()),
        transfer_every: 1.0,
        transfer_every_growth: 1.0,
        transfer_lr: 5.0,
        warm_start: 20.0,
        ..Default::default()
    };
    let mut cell = cell(config, &parameters);
    let mut before = arrays(&cell);
    let mut changed = |cell: &mut Cell, steps: std::ops::Range<usize>| {
        steps.for_each(|i| step(cell, &parameters, i));
        let after = arrays(cell);
        let changed: Vec<usize> = (0..4).filter(|&k| after[k] != before[k]).collect();
        before = after;
        changed
    };
    assert_eq!(changed(&mut cell, 0..20), [0, 3]);
    assert_eq!(changed(&mut cell, 20..40), [0, 2]);
    assert_eq!(changed(&mut cell, 40..50), [0, 1]);
    assert!(cell.advance_warm_start());
    assert_eq!(changed(&mut cell, 50..70), [0, 1, 2, 3]);
    assert!(!cell.advance_warm_start());
    let weights = cell.weights().clone();
    cell.set_weights(&weights, Key::new(4));
    changed(&mut cell, 70..70);
    assert_eq!(changed(&mut cell, 70..80), [0, 3]);
}

#[test]
fn later_turns_end_at_two_increases_of_five() {
    let mut plateau = LossPlateau::default();
    for _ in 0..4 {
        assert!(!plateau.is_reached(0.5));
        assert!(plateau.is_reached(0.6));
    }
    let losses = [1.0, 1.1, 0.9, 0.8, 0.7, 0.6, 0.65, 0.5, 0.55];
    let ends: Vec<usize> = (0..losses.len()).filter(|&i| plateau.is_reached(losses[i])).collect();
    assert_eq!(ends, [8]);
}

/// On varying devices of ten states, more arrays learn a linear map from noisy examples more exactly; plain descent on
/// one array is worst.
#[test]
fn more_arrays_resolve_more_than_the_states_of_a_device() {
    let device = SoftBounds { dw_min: 0.2, w_max: 1.0, w_min: -1.0, ..Default::default() };
    let (size, steps) = (20, 20_000);
    let map = Tensor::normal(&[size, size], Key::new(2)).map(|w| 0.3 * w.clamp(-2.0, 2.0));
    let error = |config: CellConfig| {
        let parameters = UpdateParameters::default();
        let mut cell = Cell::new(&config, &parameters, [size, size], false, Key::new(1)).unwrap();
        let mut sum = 0.0;
        for i in 0..steps {
            let key = Key::new(3).fold(i);
            let x = Tensor::normal(&[1, size], key.fold("x"));
            let noise = &Tensor::normal(&[1, size], key.fold("noise")) * 0.3;
            let d = &(&x.matmul(&(cell.weights() - &map).t()) - &noise) * 0.1;
            cell.update(Update { pairs: Pairs::new(&x, &d), rate: 0.5, parameters: &parameters, key });
            if i >= steps - 2000 {
                let off = cell.weights() - &map;
                sum += f64::from((&off * &off).sum() / (&map * &map).sum()).sqrt();
            }
        }
        sum / 2000.0
    };
    let residual = |n: usize| {
        let config = ResidualTransferCompound {
            unit_cell_devices: of(n, device),
            transfer_every: 10.0,
            transfer_forward: perfect(),
            ..Default::default()
        };
        error(CellConfig::Unit(config.into()))
    };
    let (one, two, four) = (error(CellConfig::Device(device.into())), residual(2), residual(4));
    assert!(four < 0.4 && four < 0.7 * two && two < 0.8 * one, "{one} {two} {four}");
}

fn rider(in_chop_prob: f32) -> RiderTransferCompound {
    RiderTransferCompound {
        unit_cell_devices: of(2, ideal(0.001)),
        transfer_forward: perfect(),
        transfer_update: sure(),
        in_chop_prob,
        ..Default::default()
    }
}

/// Sets an array of a cell's state.
fn set(cell: &mut Cell, piece: &str, value: &Tensor) {
    cell.state(&mut |name, slot| match slot {
        Slot::Array(array) | Slot::NeverNan(array) if name == piece => *array = value.clone(),
        _ => {}
    });
}

fn get(cell: &Cell, piece: &str) -> Vec<f32> {
    let mut found = vec![];
    cell.clone().state(&mut |name, slot| match slot {
        Slot::Array(array) | Slot::NeverNan(array) if name == piece => found = array.to_vec(),
        _ => {}
    });
    found
}

/// A gradient moves the tile's weight downhill at γ times the fast rate, for any signs of the lines.
#[test]
fn turned_lines_of_a_rider_cell_descend_too() {
    let parameters = sure();
    let config = RiderTransferCompound { transfer_every: 1e6, gamma: 0.2, ..rider(0.3) };
    let mut cell = cell(config, &parameters);
    let chopper = Tensor::from_fn(&[SHAPE[1]], |at| (at[0] % 3 == 1) as u8 as f32);
    set(&mut cell, "in_chopper", &chopper);
    let offset = Tensor::normal(&SHAPE, Key::new(5)).map(|w| 0.1 * w);
    set(&mut cell, "device_0.weight", &offset);
    set(&mut cell, "reference", &offset);
    cell.reduce();
    assert_eq!(cell.weights().abs().max(), 0.0);
    let x = Tensor::normal(&[1, SHAPE[1]], Key::new(6));
    let d = &Tensor::normal(&[1, SHAPE[0]], Key::new(7)) * 0.2;
    cell.update(Update { pairs: Pairs::new(&x, &d), rate: 0.05, parameters: &parameters, key: Key::new(8) });
    for (i, w) in cell.weights().iter().enumerate() {
        let wanted = -0.2 * 0.5 * d.to_vec()[i / SHAPE[1]] * x.to_vec()[i % SHAPE[1]];
        // Half a pulse of the fast array.
        assert!((w - wanted).abs() < 0.2 * 0.00051, "{w} {wanted}");
    }
}

/// One read of each line, with the values of the source's formulas.
#[test]
fn a_read_of_a_rider_cell_writes_what_the_fast_array_has_beyond_its_reference() {
    let parameters = sure();
    let config =
        RiderTransferCompound { units_in_mbatch: false, no_buffer: true, transfer_lr: 0.5, gamma: 0.2, ..rider(1.0) };
    let mut cell = cell(config, &parameters);
    let chopper = Tensor::from_fn(&[SHAPE[1]], |at| (at[0] % 2) as f32);
    set(&mut cell, "in_chopper", &chopper);
    let [p, q, mean] = [1, 2, 3].map(|k| Tensor::normal(&SHAPE, Key::new(k)).map(|w| 0.1 * w));
    set(&mut cell, "device_0.weight", &p);
    set(&mut cell, "reference", &q);
    set(&mut cell, "running_mean", &mean);
    let (x, d) = (Tensor::full(&[SHAPE[1], SHAPE[1]], 0.0), Tensor::full(&[SHAPE[1], SHAPE[0]], 0.0));
    cell.update(Update { pairs: Pairs::new(&x, &d), rate: 0.05, parameters: &parameters, key: Key::new(8) });
    let (slow, means, references) =
        (cell.devices()[1].weights().to_vec(), get(&cell, "running_mean"), get(&cell, "reference"));
    for (i, ((p, q), mean)) in p.iter().zip(q.iter()).zip(mean.iter()).enumerate() {
        let c = if i % SHAPE[1] % 2 == 1 { -1.0 } else { 1.0 };
        assert!((slow[i] - 0.5 * c * (p - q)).abs() < 0.00051);
        assert!((means[i] - (0.75 * mean + 0.25 * p)).abs() < 1e-6);
        // Signs change in the last of N = 2 passes, so the first pass keeps the references.
        assert_eq!(references[i], *q);
    }
    cell.update(Update { pairs: Pairs::new(&x, &d), rate: 0.05, parameters: &parameters, key: Key::new(9) });
    assert_eq!(get(&cell, "reference"), get(&cell, "running_mean"));
}

/// Without gradients an offset of the fast array is forgotten: by RIDER after some reads, by E-RIDER when signs change.
#[test]
fn an_offset_of_the_fast_array_becomes_the_reference() {
    for in_chop_prob in [0.0, 0.25] {
        let config = RiderTransferCompound { units_in_mbatch: false, ..rider(in_chop_prob) };
        let mut cell = cell(config, &sure());
        set(&mut cell, "device_0.weight", &Tensor::full(&SHAPE, 0.3));
        let (x, d) = (Tensor::full(&[17 * 80, SHAPE[1]], 0.0), Tensor::full(&[17 * 80, SHAPE[0]], 0.0));
        let parameters = &sure();
        cell.update(Update { pairs: Pairs::new(&x, &d), rate: 0.1, parameters, key: Key::new(2) });
        for (w, slow) in cell.weights().iter().zip(cell.devices()[1].weights().iter()) {
            assert!((w - slow).abs() < 1e-4, "{in_chop_prob}: {w} {slow}");
        }
    }
}
