//! Properties of every cell.

mod residual;
mod rules;
mod transfer;

use ohmgrad_tensor::{Key, Tensor};
use rayon::ThreadPoolBuilder;

use super::*;
use crate::config::IoParameters;
use crate::device::{ConstantStep, DeviceConfig, SoftBounds, SoftBoundsReference};
use crate::update::PulseType;

/// Devices that vary and make noise, with hidden weights where a cell allows it.
fn noisy() -> DeviceConfig {
    SoftBoundsReference { write_noise_std: 3.0, lifetime: 300.0, diffusion: 0.0005, ..Default::default() }.into()
}

fn soft() -> DeviceConfig {
    SoftBounds { dw_min: 0.01, w_min: -0.3, reset: 0.02, ..Default::default() }.into()
}

/// One of each kind, with transfers and refreshes in the middle of batches.
fn cells() -> Vec<(&'static str, CellConfig)> {
    let pair = |device: DeviceConfig| vec![device.clone(), device];
    let unit = |cell: UnitCellConfig| CellConfig::Unit(cell);
    let vector = |update_policy| {
        unit(VectorUnitCell { unit_cell_devices: pair(noisy()), update_policy, ..Default::default() }.into())
    };
    vec![
        ("single", noisy().into()),
        ("vector", vector(UpdatePolicy::All)),
        ("random", vector(UpdatePolicy::SingleRandom)),
        ("sequential", vector(UpdatePolicy::SingleSequential)),
        ("reference", unit(ReferenceUnitCell { unit_cell_devices: pair(noisy()) }.into())),
        (
            "one-sided",
            unit(
                OneSidedUnitCell {
                    unit_cell_devices: vec![soft()],
                    refresh_every: 5,
                    units_in_mbatch: false,
                    refresh_upper_thres: 0.1,
                    refresh_lower_thres: 0.01,
                    ..Default::default()
                }
                .into(),
            ),
        ),
        (
            "transfer",
            unit(
                TransferCompound {
                    unit_cell_devices: vec![noisy(), soft(), soft()],
                    gamma: 0.3,
                    units_in_mbatch: false,
                    n_reads_per_transfer: 2,
                    with_reset_prob: 0.4,
                    random_selection: true,
                    ..Default::default()
                }
                .into(),
            ),
        ),
        (
            "buffered",
            unit(
                BufferedTransferCompound {
                    unit_cell_devices: pair(noisy()),
                    transfer_every: 0.4,
                    transfer_columns: false,
                    transfer_lr: 30.0,
                    ..Default::default()
                }
                .into(),
            ),
        ),
        (
            "chopped",
            unit(
                ChoppedTransferCompound {
                    unit_cell_devices: pair(noisy()),
                    gamma: 0.2,
                    in_chop_prob: 0.3,
                    out_chop_prob: 0.2,
                    auto_scale: true,
                    transfer_lr: 30.0,
                    ..Default::default()
                }
                .into(),
            ),
        ),
        (
            "dynamic",
            unit(
                DynamicTransferCompound {
                    unit_cell_devices: pair(noisy()),
                    in_chop_prob: 0.4,
                    in_chop_random: true,
                    auto_scale: true,
                    transfer_lr: 30.0,
                    ..Default::default()
                }
                .into(),
            ),
        ),
        (
            "residual",
            unit(
                ResidualTransferCompound {
                    unit_cell_devices: vec![noisy(), soft(), soft(), soft()],
                    transfer_every: 3.0,
                    transfer_every_growth: 2.0,
                    units_in_mbatch: false,
                    warm_start: 9.0,
                    ..Default::default()
                }
                .into(),
            ),
        ),
        (
            "rider",
            unit(
                RiderTransferCompound {
                    unit_cell_devices: pair(noisy()),
                    transfer_every: 0.2,
                    transfer_columns: false,
                    transfer_lr: 30.0,
                    in_chop_prob: 0.4,
                    in_chop_random: true,
                    ..Default::default()
                }
                .into(),
            ),
        ),
        (
            "mixed",
            MixedPrecision { device: noisy().into(), transfer_every: 2, n_x_bins: 7, ..Default::default() }.into(),
        ),
    ]
}

const SHAPE: [usize; 2] = [9, 17];

fn new(config: &CellConfig, key: Key) -> Cell {
    Cell::new(config, &UpdateParameters::default(), SHAPE, false, key).unwrap()
}

/// Steps of training with pairs that are functions of the step's number.
fn train(cell: &mut Cell, steps: std::ops::Range<usize>) {
    for step in steps {
        let key = Key::new(5).fold(step);
        // Batches of changing sizes.
        let n = 3 + step % 4;
        let x = Tensor::normal(&[n, SHAPE[1]], key.fold("x"));
        let d = &Tensor::normal(&[n, SHAPE[0]], key.fold("d")) * 0.2;
        let (pairs, parameters) = (Pairs::new(&x, &d), &UpdateParameters::default());
        cell.update(Update { pairs, rate: 0.05, parameters, key: key.fold("update") });
        cell.after_step(key.fold("after"));
    }
}

/// The whole state of a cell, by name.
fn state(cell: &Cell) -> Vec<(String, Vec<u64>)> {
    let mut pieces = vec![];
    cell.clone().state(&mut |name, slot| {
        let bits = match slot {
            Slot::Array(array) | Slot::NeverNan(array) => array.iter().map(|v| v.to_bits().into()).collect(),
            Slot::Number(number) => vec![number.to_bits().into()],
            Slot::Count(count) => vec![*count],
        };
        pieces.push((name.to_owned(), bits));
    });
    pieces
}

#[test]
fn a_restored_state_continues_bit_for_bit() {
    for (name, config) in cells() {
        let mut trained = new(&config, Key::new(1));
        trained.set_weights(&(&Tensor::normal(&SHAPE, Key::new(2)) * 0.1), Key::new(3));
        train(&mut trained, 0..5);
        // Other hardware, after other updates.
        let mut restored = new(&config, Key::new(4));
        train(&mut restored, 0..2);
        let saved = state(&trained);
        let mut pieces = saved.iter();
        restored.state(&mut |name, slot| {
            let (saved_name, bits) = pieces.next().unwrap();
            assert_eq!(saved_name, name);
            match slot {
                Slot::Array(array) | Slot::NeverNan(array) => {
                    let values = bits.iter().map(|&bits| f32::from_bits(bits as u32)).collect();
                    *array = Tensor::from_vec(values, array.shape());
                }
                Slot::Number(number) => *number = f32::from_bits(bits[0] as u32),
                Slot::Count(count) => *count = bits[0],
            }
        });
        train(&mut trained, 5..9);
        train(&mut restored, 5..9);
        assert_eq!(state(&trained), state(&restored), "{name}");
        assert_ne!(state(&trained), saved, "{name}");
        let names: std::collections::BTreeSet<_> = saved.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), saved.len(), "{name}: a name is used twice");
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    for (name, config) in cells() {
        let run = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut cell = new(&config, Key::new(1));
                train(&mut cell, 0..4);
                state(&cell)
            })
        };
        let alone = run(1);
        assert_eq!(alone, run(2), "{name}");
        assert_eq!(alone, run(7), "{name}");
    }
}

/// Devices without variations and noise, within bounds that they do not reach.
fn ideal(dw_min: f32) -> ConstantStep {
    ConstantStep {
        dw_min,
        dw_min_dtod: 0.0,
        dw_min_std: 0.0,
        up_down_dtod: 0.0,
        w_max: 10.0,
        w_min: -10.0,
        w_max_dtod: 0.0,
        w_min_dtod: 0.0,
        ..Default::default()
    }
}

#[test]
fn the_mean_update_is_that_of_gradient_descent() {
    let (outs, ins, repeats) = (3, 4, 4000);
    let x = Tensor::from_vec(vec![0.9, -0.4, 0.25, 0.6], &[1, ins]);
    let d = Tensor::from_vec(vec![0.5, -0.8, 0.3], &[1, outs]);
    let wanted = Tensor::from_fn(&[outs, ins], |at| -0.02 * d.row(0).to_vec()[at[0]] * x.row(0).to_vec()[at[1]]);
    let types = [PulseType::Stochastic, PulseType::StochasticCompressed, PulseType::NoneWithDevice, PulseType::None];
    let managements = [(true, true), (false, true), (false, false)];
    for pulse_type in types {
        for (update_bl_management, update_management) in managements {
            let parameters =
                UpdateParameters { pulse_type, update_bl_management, update_management, ..Default::default() };
            let config = CellConfig::Device(ideal(0.001).into());
            let mut sum = Tensor::full(&[outs, ins], 0.0);
            for i in 0..repeats {
                let mut cell = Cell::new(&config, &parameters, [outs, ins], false, Key::new(1)).unwrap();
                let key = Key::new(2).fold(i);
                let pairs = Pairs::new(&x, &d);
                cell.update(Update { pairs, rate: 0.02, parameters: &parameters, key });
                sum += cell.weights();
            }
            // Standard deviations of counts of k ≤ 8 pulses are below 3. One of 144 means is beyond 5.5σ once in
            // 200,000 keys.
            let allowed = 5.5 * 0.003 / (repeats as f32).sqrt();
            for (mean, wanted) in sum.map(|s| s / repeats as f32).iter().zip(wanted.iter()) {
                assert!((mean - wanted).abs() < allowed, "{parameters}: {mean} {wanted}");
            }
        }
    }
}

/// Of the types without random bits, `DETERMINISTIC_IMPLICIT` is off by half a pulse at most.
#[test]
fn deterministic_updates_are_rounded_gradient_descent() {
    let x = Tensor::from([[0.9, -0.4, 0.25, 0.6]]);
    let d = Tensor::from([[0.5, -0.8, 0.3]]);
    for pulse_type in [PulseType::DeterministicImplicit, PulseType::MeanCount] {
        let parameters = UpdateParameters { pulse_type, ..Default::default() };
        let config = CellConfig::Device(ideal(0.0001).into());
        let mut cell = Cell::new(&config, &parameters, [3, 4], false, Key::new(1)).unwrap();
        let (pairs, key) = (Pairs::new(&x, &d), Key::new(2));
        cell.update(Update { pairs, rate: 0.003, parameters: &parameters, key });
        for (at, w) in cell.weights().iter().enumerate() {
            let wanted = -0.003 * d.to_vec()[at / 4] * x.to_vec()[at % 4];
            // `MeanCount` also rounds the counts of both lines.
            let pulses = if pulse_type == PulseType::MeanCount { 1.6 } else { 0.51 };
            assert!((w - wanted).abs() < pulses * 0.0001, "{pulse_type} {at}: {w} {wanted}");
        }
    }
}

#[test]
fn neighbours_share_their_bits() {
    let (bl, p, q) = (10u32, 0.6f64, [0.5f64, 0.8]);
    let parameters = UpdateParameters {
        desired_bl: bl,
        update_management: false,
        update_bl_management: false,
        ..Default::default()
    };
    // A = B = √(η/(g·BL)) = 1.
    let config = CellConfig::Device(ideal(0.001).into());
    let repeats = 40_000;
    let x = Tensor::from_vec(vec![q[0] as f32, q[1] as f32], &[1, 2]);
    let d = Tensor::from_vec(vec![p as f32], &[1, 1]);
    let mut counts = [vec![], vec![]];
    for i in 0..repeats {
        let mut cell = Cell::new(&config, &parameters, [1, 2], false, Key::new(1)).unwrap();
        let (pairs, key) = (Pairs::new(&x, &d), Key::new(3).fold(i));
        cell.update(Update { pairs, rate: 0.01, parameters: &parameters, key });
        let w = cell.weights().to_vec();
        counts.iter_mut().zip(w).for_each(|(counts, w)| counts.push(f64::from(-w / 0.001)));
    }
    let n = f64::from(repeats);
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let means = [mean(&counts[0]), mean(&counts[1])];
    let covariance = |i: usize, j: usize| {
        counts[i].iter().zip(&counts[j]).map(|(a, b)| (a - means[i]) * (b - means[j])).sum::<f64>() / n
    };
    let bl = f64::from(bl);
    // 5σ and more: standard errors are 0.008 for means and 0.013 for (co)variances.
    for (i, q) in q.into_iter().enumerate() {
        assert!((means[i] - bl * p * q).abs() < 0.045, "{}", means[i]);
        assert!((covariance(i, i) - bl * p * q * (1.0 - p * q)).abs() < 0.09);
    }
    let shared = bl * p * (1.0 - p) * q[0] * q[1];
    assert!((covariance(0, 1) - shared).abs() < 0.07, "{} {shared}", covariance(0, 1));
}

#[test]
fn without_gamma_reads_see_the_slow_array() {
    let device = noisy();
    let config = TransferCompound { unit_cell_devices: vec![device.clone(), device], ..Default::default() };
    let mut cell = new(&UnitCellConfig::from(config).into(), Key::new(1));
    train(&mut cell, 0..3);
    assert!(cell.weights().shares_storage(cell.devices()[1].weights()));
}

/// The digital sum plus the weights hold all gradients, if pulses are deterministic and have no noise.
#[test]
fn mixed_precision_loses_no_gradient() {
    let parameters = UpdateParameters { pulse_type: PulseType::DeterministicImplicit, ..Default::default() };
    let device = DeviceConfig::from(ideal(0.001));
    let config = MixedPrecision { device: device.into(), ..Default::default() };
    let mut cell = Cell::new(&config.into(), &parameters, [2, 3], false, Key::new(1)).unwrap();
    let mut sum = Tensor::full(&[2, 3], 0.0);
    for step in 0..40 {
        let key = Key::new(6).fold(step);
        let x = Tensor::normal(&[4, 3], key.fold("x"));
        let d = &Tensor::normal(&[4, 2], key.fold("d")) * 0.05;
        let pairs = Pairs::new(&x, &d);
        cell.update(Update { pairs, rate: 0.02, parameters: &parameters, key });
        sum += ohmgrad_tensor::product::linear_weight_gradient(&d, &x);
    }
    let mut chi = None;
    cell.clone().state(&mut |name, slot| {
        if let ("chi", Slot::Array(array)) = (name, slot) {
            chi = Some(array.clone());
        }
    });
    for ((w, chi), sum) in cell.weights().iter().zip(chi.unwrap().iter()).zip(sum.iter()) {
        assert!((chi - w - 0.02 * sum).abs() < 2e-5, "{w} {chi} {}", 0.02 * sum);
    }
    assert!(cell.weights().abs().max() > 0.004);
}
