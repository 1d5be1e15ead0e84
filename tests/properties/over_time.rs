//! Monte Carlo over chips and times, for any metric, compared with loops that are written out here.

use ohmgrad::analog::config::DriftCompensationConfig;
use ohmgrad::analog::noise::StateIndependent;
use ohmgrad::prelude::*;

const TIMES: [f32; 3] = [86_400.0, 1.0, 3600.0];
const CHIPS: usize = 3;

/// Chip `i` at the time `t`, and the key of its reads, as `over_time` documents them.
fn chip_at(net: &Sequential, i: usize, t: f32, key: Key) -> (Chip<Sequential>, Key) {
    let mut chip = net.program(key.fold("chip").fold(i)).unwrap();
    chip.drift_to(t).unwrap();
    (chip, key.fold("reads").fold(i).fold(t.to_bits()))
}

/// Devices that nothing but drift changes, all with one exponent: the outputs of a layer without bias follow
/// `((t + t₀)/t₀)^(−ν)`, and so do its errors.
#[test]
fn the_error_of_plain_drift_is_its_power_law() {
    let devices = StateIndependent {
        prog_noise_scale: 0.0,
        read_noise_scale: 0.0,
        drift_nu_mean: 0.1,
        drift_nu_std: 0.0,
        ..Default::default()
    };
    let config = InferenceRpuConfig {
        forward: IoParameters { is_perfect: true, ..Default::default() },
        noise_model: devices.into(),
        drift_compensation: DriftCompensationConfig::None,
        ..Default::default()
    };
    let layer = Linear::from_weight(Tensor::from([[0.5, -0.25], [1.0, 0.125]]), None);
    let mut net = Sequential::new().layer(layer).init(Key::new(1));
    net.to_analog(&config, Key::new(2)).unwrap();
    let x = Tensor::from([[1.0, 2.0], [3.0, -4.0]]);
    // W·x: [0, 1.25] and [2.5, 2.5].
    let y = Tensor::from([[0.0, 1.25], [2.5, 2.5]]);
    let squares = (0.0f64.powi(2) + 1.25f64.powi(2) + 2.0 * 2.5f64.powi(2)) / 4.0;
    let measured = over_time(&net, &TIMES, CHIPS, Key::new(3), |chip, key| {
        f64::from((&predict(chip, &x, key) - &y).square().mean())
    });
    for (at, t) in measured.unwrap().iter().zip(TIMES) {
        let left = 1.0 - ((f64::from(t) + 20.0) / 20.0).powf(-0.1);
        let expected = squares * left * left;
        assert_eq!((at.t, at.chips.len()), (t, CHIPS));
        for value in &at.chips {
            assert!((value / expected - 1.0).abs() < 1e-4, "after {t} s: {value}, expected {expected}");
        }
        assert!((at.mean() / expected - 1.0).abs() < 1e-4 && at.std() < 1e-5 * expected);
    }
}

#[test]
fn the_mean_squared_error_of_noisy_chips_is_that_of_loops() {
    let mut net = Sequential::new().linear(6, 8).tanh().linear(8, 2).init(Key::new(1));
    net.to_analog(InferenceRpuConfig::default(), Key::new(2)).unwrap();
    let (x, y) = (Tensor::normal(&[40, 6], Key::new(3)), Tensor::normal(&[40, 2], Key::new(4)));
    let key = Key::new(5);
    let measured =
        over_time(&net, &TIMES, CHIPS, key, |chip, key| f64::from((&predict(chip, &x, key) - &y).square().mean()));
    let measured = measured.unwrap();
    for (at, t) in measured.iter().zip(TIMES) {
        for i in 0..CHIPS {
            let (chip, key) = chip_at(&net, i, t, key);
            let tape = Tape::eval(key);
            let outputs = chip.forward(tape.constant(x.clone())).value();
            let mut sum = 0.0;
            for row in 0..40 {
                for out in 0..2 {
                    sum += f64::from(outputs[[row, out]] - y[[row, out]]).powi(2);
                }
            }
            assert!(
                (at.chips[i] / (sum / 80.0) - 1.0).abs() < 1e-5,
                "chip {i} after {t} s: {}, {}",
                at.chips[i],
                sum / 80.0
            );
        }
    }
    // Chips differ, and so do times.
    let values: Vec<f64> = measured.iter().flat_map(|at| at.chips.clone()).collect();
    assert!((1..values.len()).all(|i| !values[..i].contains(&values[i])), "{values:?}");
}

/// The metric is the share of right steps plus the number of sequences that are right in all steps. Sequences are
/// longer than the blocks of rows that evaluation is cut into, so that a cut along time would be seen.
#[test]
fn a_metric_of_sequences_is_that_of_loops() {
    const STEPS: usize = 300;
    const SEQUENCES: usize = 4;
    const SYMBOLS: usize = 3;
    let mut net = Sequential::new().lstm(2, 5, RecurrentOptions::default()).linear(5, SYMBOLS).init(Key::new(1));
    let forward = IoParameters { out_noise: 0.5, ..Default::default() };
    net.to_analog(&InferenceRpuConfig { forward, ..Default::default() }, Key::new(2)).unwrap();
    let x = Tensor::normal(&[STEPS, SEQUENCES, 2], Key::new(3));
    // The symbols are those of the digital network, so that most steps of a chip are right and some are not.
    let symbols: Vec<usize> = {
        let mut digital = net.clone();
        digital.to_digital();
        predict(&digital, &x, Key::new(4)).reshape(&[STEPS * SEQUENCES, SYMBOLS]).argmax(1)
    };
    let edit_free = |scores: &Tensor| {
        let named = scores.reshape(&[STEPS * SEQUENCES, SYMBOLS]).argmax(1);
        let right = named.iter().zip(&symbols).filter(|(a, b)| a == b).count();
        let whole = (0..SEQUENCES)
            .filter(|&s| (0..STEPS).all(|t| named[t * SEQUENCES + s] == symbols[t * SEQUENCES + s]))
            .count();
        right as f64 / (STEPS * SEQUENCES) as f64 + whole as f64
    };
    let key = Key::new(5);
    let measured = over_time(&net, &TIMES, CHIPS, key, |chip, key| edit_free(&predict(chip, &x, key))).unwrap();
    for (at, t) in measured.iter().zip(TIMES) {
        for i in 0..CHIPS {
            let (chip, key) = chip_at(&net, i, t, key);
            let tape = Tape::eval(key);
            let scores = chip.forward(tape.constant(x.clone())).value();
            let (mut right, mut whole) = (0, 0);
            for sequence in 0..SEQUENCES {
                let mut all = true;
                for step in 0..STEPS {
                    let mut best = 0;
                    for symbol in 1..SYMBOLS {
                        if scores[[step, sequence, symbol]] > scores[[step, sequence, best]] {
                            best = symbol;
                        }
                    }
                    let is_right = best == symbols[step * SEQUENCES + sequence];
                    right += usize::from(is_right);
                    all &= is_right;
                }
                whole += usize::from(all);
            }
            let expected = right as f64 / (STEPS * SEQUENCES) as f64 + whole as f64;
            assert_eq!(at.chips[i], expected, "chip {i} after {t} s");
            assert!(right > STEPS * SEQUENCES / 2 && right < STEPS * SEQUENCES, "{right} steps: the test sees nothing");
        }
    }
}
