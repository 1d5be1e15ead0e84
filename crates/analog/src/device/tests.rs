//! Properties of every device.

use ohmgrad_tensor::{Key, Tensor};
use proptest::prelude::*;

use super::*;
use crate::cell::{Cell, Slot, Update};
use crate::config::value::Value;
use crate::update::{Pairs, PulseType, UpdateParameters};

/// Each device, with spread and noise.
fn devices() -> Vec<DeviceConfig> {
    vec![
        ConstantStep::default().into(),
        LinearStep { gamma_up: 0.4, gamma_down: 0.6, ..Default::default() }.into(),
        LinearStep { reverse_up: true, gamma_up: 0.5, ..Default::default() }.into(),
        SoftBounds { write_noise_std: 4.0, ..Default::default() }.into(),
        SoftBoundsPmax::default().into(),
        SoftBoundsReference { reference_std: 0.1, slope_up_dtod: 0.2, ..Default::default() }.into(),
        SoftBoundsReference { subtract_symmetry_point: true, up_down: 0.3, ..Default::default() }.into(),
        ExpStep::default().into(),
        presets::pcm().into(),
        PowStep { pow_gamma: 1.4, corrupt_devices_prob: 0.2, ..Default::default() }.into(),
        PowStepReference { pow_gamma: 1.3, reference_std: 0.1, ..Default::default() }.into(),
        PiecewiseStep { piecewise_up: vec![1.5, 1.0, 0.4], piecewise_down: vec![0.3, 1.0, 1.6], ..Default::default() }
            .into(),
    ]
}

const SHAPE: [usize; 2] = [6, 37];

fn pulse(cell: &mut Cell, d: &[f32], x: &[f32], rate: f32, p: &UpdateParameters, key: Key) {
    let pairs = Pairs::from_slices(x, SHAPE[1], d, SHAPE[0]);
    cell.update(Update { pairs, rate, parameters: p, key });
}

fn arrays(cell: &Cell, names: &[&str]) -> Vec<Vec<f32>> {
    let mut found = vec![vec![]; names.len()];
    cell.clone().state(&mut |name, slot| {
        if let Slot::Array(array) | Slot::NeverNan(array) = slot {
            let place = names.iter().position(|wanted| name == format!("device_0.{wanted}"));
            place.into_iter().for_each(|k| found[k] = array.to_vec());
        }
    });
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn weights_never_leave_their_bounds(seed in any::<u64>(), rate in 0.001f32..3.0, bl in 1u32..70) {
        let key = Key::new(seed);
        let p = UpdateParameters { desired_bl: bl, ..Default::default() };
        for device in devices() {
            let mut cell = Cell::new(&device.clone().into(), &p, SHAPE, false, key.fold("hardware")).unwrap();
            for step in 0..6 {
                let key = key.fold(step);
                let x = Tensor::normal(&[4, SHAPE[1]], key.fold("x")).to_vec();
                let d = Tensor::normal(&[4, SHAPE[0]], key.fold("d")).to_vec();
                pulse(&mut cell, &d, &x, rate, &p, key);
                let found = arrays(&cell, &["weight", "max", "min", "reference"]);
                for i in 0..found[0].len() {
                    let r = found[3].as_slice().get(i).copied().unwrap_or(0.0);
                    let (w, max, min) = (found[0][i], found[1][i] - r, found[2][i] - r);
                    // A weight without pulses is still 0, also if its reference is beyond the bounds.
                    prop_assert!(w >= min && w <= max || w == 0.0, "{device:?}: {min} {w} {max}");
                }
            }
        }
    }
}

/// Alternating pulses lead devices to their symmetry point, and to 0 if the symmetry point is subtracted.
#[test]
fn alternating_pulses_end_at_the_symmetry_point() {
    let quiet = [
        (
            DeviceConfig::from(SoftBounds {
                dw_min: 0.01,
                dw_min_dtod: 0.0,
                dw_min_std: 0.0,
                up_down: 0.4,
                up_down_dtod: 0.0,
                w_max_dtod: 0.0,
                w_min_dtod: 0.0,
                ..Default::default()
            }),
            None,
        ),
        (
            DeviceConfig::from(PowStep {
                dw_min: 0.01,
                dw_min_dtod: 0.0,
                dw_min_std: 0.0,
                up_down: -0.3,
                up_down_dtod: 0.0,
                w_max_dtod: 0.0,
                w_min_dtod: 0.0,
                pow_gamma: 1.5,
                pow_gamma_dtod: 0.0,
                ..Default::default()
            }),
            None,
        ),
        (
            DeviceConfig::from(SoftBoundsReference {
                dw_min: 0.01,
                dw_min_std: 0.0,
                up_down: 0.3,
                subtract_symmetry_point: true,
                ..Default::default()
            }),
            Some(0.0),
        ),
    ];
    let p = UpdateParameters::single_pulse();
    for (device, point) in quiet {
        let point = point.unwrap_or_else(|| symmetry_point(device.step()).unwrap());
        let mut cell = Cell::new(&device.into(), &p, SHAPE, false, Key::new(3)).unwrap();
        cell.set_weights(&Tensor::full(&SHAPE, 0.2), Key::new(4));
        let pulses = 4000;
        let d: Vec<f32> = (0..pulses).flat_map(|i| [if i % 2 == 0 { 1.0 } else { -1.0 }; SHAPE[0]]).collect();
        pulse(&mut cell, &d, &vec![-1.0; pulses * SHAPE[1]], 1.0, &p, Key::new(5));
        for w in cell.weights().iter() {
            // Within a step: the last pulse was down.
            assert!((w - point).abs() < 0.02, "{w} {point}");
        }
    }
}

#[test]
fn noise_of_writes_leaves_hidden_weights_alone() {
    let with = |write_noise_std| {
        let device = SoftBounds { write_noise_std, ..Default::default() };
        let p = UpdateParameters::default();
        let mut cell = Cell::new(&DeviceConfig::from(device).into(), &p, SHAPE, false, Key::new(1)).unwrap();
        let x = Tensor::normal(&[20, SHAPE[1]], Key::new(2)).to_vec();
        let d = Tensor::normal(&[20, SHAPE[0]], Key::new(3)).to_vec();
        pulse(&mut cell, &d, &x, 0.01, &p, Key::new(4));
        (cell.devices()[0].hidden_weights().clone(), cell.weights().clone())
    };
    let (quiet, noisy) = (with(0.0), with(10.0));
    assert_eq!(quiet.0, quiet.1);
    assert_eq!(quiet.0, noisy.0);
    let off = (&noisy.1 - &noisy.0).std(1);
    // 222 samples of σ = 0.01: 5 standard errors.
    assert!((off - 0.01).abs() < 5.0 * 0.01 / (2.0f32 * 222.0).sqrt(), "{off}");
}

/// Pulses without noise give the same weights for many samples at once as for one sample after the other.
#[test]
fn samples_follow_one_another() {
    let p = UpdateParameters::default();
    for device in devices() {
        let quiet = |device: &DeviceConfig| {
            let mut device = device.clone();
            device
                .overlay(
                    Value::Table(vec![("dw_min_std".into(), Value::Number(0.0))]),
                    "",
                    &mut crate::config::setting::strict,
                )
                .unwrap();
            device
        };
        let config = quiet(&device).into();
        let [mut all, mut single] = [0, 1].map(|_| Cell::new(&config, &p, SHAPE, false, Key::new(1)).unwrap());
        let x = Tensor::normal(&[12, SHAPE[1]], Key::new(2)).to_vec();
        let d = Tensor::normal(&[12, SHAPE[0]], Key::new(3)).to_vec();
        pulse(&mut all, &d, &x, 0.002, &p, Key::new(4));
        let pairs = Pairs::from_slices(&x, SHAPE[1], &d, SHAPE[0]);
        for i in 0..12 {
            let pairs = pairs.part(i..i + 1);
            single.update(Update { pairs, rate: 0.002, parameters: &p, key: Key::new(4) });
        }
        assert_eq!(all.devices()[0].hidden_weights(), single.devices()[0].hidden_weights(), "{device:?}");
    }
}

/// Pulse counts equal the distance that weights without bounds have moved, for samples in lists, samples that are
/// counted over rows, and rounded samples.
#[test]
fn wear_is_the_number_of_pulses() {
    let device = ConstantStep {
        dw_min: 0.001,
        dw_min_dtod: 0.0,
        dw_min_std: 0.0,
        up_down_dtod: 0.0,
        w_max: 9.0,
        w_min: -9.0,
        ..Default::default()
    };
    for (pulse_type, rate) in [
        (PulseType::StochasticCompressed, 0.001),
        (PulseType::StochasticCompressed, 0.1),
        (PulseType::DeterministicImplicit, 0.01),
    ] {
        let p = UpdateParameters { pulse_type, ..Default::default() };
        let mut cell = Cell::new(&DeviceConfig::from(device).into(), &p, SHAPE, false, Key::new(1)).unwrap();
        cell.count_pulses();
        // All pulses of a crosspoint go one way.
        let x = Tensor::uniform(&[9, SHAPE[1]], Key::new(2)).to_vec();
        let d = Tensor::uniform(&[9, SHAPE[0]], Key::new(3)).to_vec();
        pulse(&mut cell, &d, &x, rate, &p, Key::new(4));
        let wear = cell.devices()[0].pulses().unwrap();
        assert!(wear.sum() > 50.0);
        for (w, wear) in cell.weights().iter().zip(wear.iter()) {
            assert!((w + 0.001 * wear).abs() < 1e-5, "{pulse_type} {rate}: {w} {wear}");
        }
    }
}

#[test]
fn granularities() {
    let g = |device: DeviceConfig| device.granularity();
    let near = |a: f32, b: f32| assert!((a - b).abs() < 2e-3 * b, "{a} {b}");
    near(g(presets::pcm().into()), (0.01 * 28.235 + 0.01 * 3.235) / 2.0);
    near(DeviceConfig::from(presets::pcm()).step().granularity(Pulses::Up), 0.282);
    let reference = ExpStep { reference_granularity: true, ..presets::pcm() };
    near(g(reference.into()), 0.0324);
    near(g(ExpStep { reference_granularity: true, ..presets::reram_es() }.into()), 0.00199);
    near(g(PowStep { dw_min: 0.002, pow_gamma: 2.0, ..Default::default() }.into()), 0.0005);
    assert_eq!(DeviceConfig::from(presets::idealized()).states(), 10_000.0);
}
