//! The statistics of each model, against its formula evaluated here in f64.
//!
//! A mean or a standard deviation of [`DEVICES`] samples may be 5 standard errors off. One key in about 1.7 million
//! would fail for a given number, one in 15,000 for any of the 110 numbers below. All keys are fixed.

use super::*;

const DEVICES: usize = 20_000;

/// Mean and standard deviation of normal samples.
fn assert_moments(samples: &Tensor, mean: f64, std: f64, what: &str) {
    let n = samples.len() as f64;
    let samples: Vec<f64> = samples.iter().map(|&x| x.into()).collect();
    let ours = samples.iter().sum::<f64>() / n;
    let spread = (samples.iter().map(|x| (x - ours).powi(2)).sum::<f64>() / n).sqrt();
    // 1e-6: the arithmetic of f32.
    assert!((ours - mean).abs() < 5.0 * std / n.sqrt() + 1e-6 * mean.abs(), "{what}: mean {ours}, expected {mean}");
    assert!(
        (spread - std).abs() < 5.0 * std / (2.0 * n).sqrt() + 1e-6 * mean.abs(),
        "{what}: std {spread}, expected {std}"
    );
}

fn devices(g: f32) -> Tensor {
    Tensor::full(&[DEVICES], g)
}

/// Programming noise `sigma(g)` at conductances where the cut at 0 is far.
fn assert_programming(model: &dyn NoiseModel, at: &[f32], sigma: impl Fn(f64) -> f64) {
    for &g in at {
        let programmed = model.program(&devices(g), Key::new(10).fold(g.to_bits()));
        assert_moments(&programmed, g.into(), sigma(g.into()), &format!("{model:?} programmed to {g}"));
    }
}

/// Exponents `(mean, std)(g)` at conductances where no exponent is negative.
fn assert_exponents(model: &dyn NoiseModel, at: &[f32], moments: impl Fn(f64) -> (f64, f64)) {
    for &g in at {
        let nu = model.drift_coefficients(&devices(g), Key::new(11).fold(g.to_bits())).unwrap();
        let (mean, std) = moments(g.into());
        assert_moments(&nu, mean, std, &format!("exponents of {model:?} at {g}"));
    }
}

/// Decay by a power law with an exponent of 0.05, and relative read noise `strength(g)·L(t)`.
fn assert_reads(model: &dyn NoiseModel, at: &[f32], t_0: f64, t_read: f64, strength: impl Fn(f64) -> f64) {
    for (&g, t) in at.iter().flat_map(|g| [(g, 0.0), (g, 3600.0), (g, 3.15e7)]) {
        let since = f64::from(t) + t_0;
        let mean = f64::from(g) * (since / t_0).powf(-0.05);
        let std = mean * strength(g.into()) * ((since + t_read) / (2.0 * t_read)).ln().sqrt();
        let (g, nu, key) = (devices(g), devices(0.05), Key::new(12).fold(g.to_bits()));
        let read = model.drift(&g, &g, Some(&nu), t, key.fold(t.to_bits())).unwrap();
        assert_moments(&read, mean, std, &format!("{model:?} at {t} s"));
    }
}

fn power(a: f64, exponent: i32) -> f64 {
    a.powi(exponent)
}

#[test]
fn pcm() {
    let sigma = |a: f64| 0.26348 + 1.9650 * a - 1.1731 * a * a;
    let at = [10.0, 17.5, 25.0];
    assert_programming(&Pcm::default(), &at, |g| sigma(g / 25.0));
    assert_programming(&Pcm { prog_noise_scale: 0.5, ..Default::default() }, &[10.0], |g| 0.5 * sigma(g / 25.0));
    assert_programming(&Pcm { g_max: 20.0, ..Default::default() }, &[12.5], |g| 0.8 * sigma(g / 20.0));
    let own = Pcm { prog_coeff: Some(vec![0.5, 0.5]), g_max: 20.0, ..Default::default() };
    assert_programming(&own, &[10.0], |_| 0.75);
    assert_programming(&Pcm { prog_coeff_g_max_reference: Some(40.0), ..own }, &[10.0], |_| 0.375);
    assert_exponents(&Pcm { drift_scale: 2.0, ..Default::default() }, &[12.5, 25.0], |_| (0.098, 0.016));
    let strength = |g: f64| 2.0 * (0.0088 / (g / 25.0).powf(0.65)).min(0.2);
    assert_reads(&Pcm { read_noise_scale: 2.0, ..Default::default() }, &at, 20.0, 250e-9, strength);
}

/// Half of the devices that are programmed to 0 are cut there; reads cut a few devices with the smallest conductances.
#[test]
fn conductances_are_never_negative() {
    for config in models() {
        let model = config.model().unwrap();
        let g = model.converter().range().0;
        let programmed = model.program(&devices(g), Key::new(1));
        let nu = model.drift_coefficients(&devices(g), Key::new(2));
        let read = model.drift(&programmed, &devices(g), nu.as_ref(), 86_400.0, Key::new(3)).unwrap();
        assert!(programmed.min() >= 0.0 && read.min() >= 0.0, "{config:?}");
        let zeros = read.iter().filter(|g| **g == 0.0).count();
        assert!(zeros < DEVICES * 6 / 10, "{config:?}: {zeros}");
    }
}

#[test]
fn custom_drift() {
    let model = CustomDriftPcm { custom_drift_model: drift_table(), drift_scale: 0.5, ..Default::default() };
    assert_exponents(&model, &[0.0, 10.0, 25.0, 30.0], |g| match g {
        0.0 => (0.04, 0.005),
        10.0 => (0.03, 0.004),
        _ => (0.015, 0.002), // beyond the table: its last entry
    });
    assert_exponents(&model, &[5.0, 17.5], |g| if g == 5.0 { (0.035, 0.0045) } else { (0.0225, 0.003) });
    assert_programming(&model, &[25.0], |_| 0.26348 + 1.9650 - 1.1731);
    assert_reads(&model, &[25.0], 20.0, 250e-9, |_| 0.0088);
}

#[test]
fn hermes_with_two_devices() {
    let model = Hermes::default();
    let prog = |a: f64| 0.16603222 + 4.71806468 * a - 8.48101252 * a * a + 4.68961419 * power(a, 3);
    assert_programming(&model, &[10.0, 20.7], |g| prog(g / 20.7));
    assert_programming(&Hermes { g_max: Some(10.0), ..model.clone() }, &[5.0], |g| prog(g / 10.0) * 10.0 / 20.7);
    assert_exponents(&model, &[1.2, 2.5, 10.0, 20.7], |g| {
        let a = g / 20.7;
        let mean = match a < 0.0945 {
            true => (-0.0387 * a.ln() - 0.0182).clamp(0.072, 0.13),
            false => -0.0436 * a * a - 0.0126 * a + 0.0736,
        };
        let std = match a < 0.3055 {
            true => (-0.0117 * a.ln() - 0.0057).clamp(0.0091, 0.04),
            false => -0.0118 * a * a + 0.0093 * a + 0.0073,
        };
        (mean, std)
    });
    assert_reads(&model, &[2.0, 15.0], 300.0, 512e-9, |g| {
        let a = g / 20.7;
        match a < 0.16 {
            true => (-0.0117 * a.ln() - 0.0069).clamp(0.015, 0.04),
            false => 0.0069 * power(a, 3) - 0.0280 * a * a + 0.0211 * a + 0.0123,
        }
    });
}

#[test]
fn hermes_with_one_device() {
    let model = Hermes { num_devices: 1, ..Default::default() };
    let prog = |a: f64| 0.15781817 + 2.32443916 * a - 2.16310839 * a * a + 0.68841818 * power(a, 3);
    assert_programming(&model, &[6.0, 10.35], |g| prog(g / 10.35));
    assert_exponents(&model, &[2.0, 5.0, 10.35], |g| {
        let a = g / 10.35;
        let std = match a < 0.3039 {
            true => (-0.0120 * a.ln() - 0.0023).clamp(0.0124, 0.04),
            false => -0.0165 * a * a + 0.0116 * a + 0.0104,
        };
        (-0.0436 * a * a - 0.0126 * a + 0.0736, std)
    });
    assert_reads(&model, &[1.0, 8.0], 200.0, 512e-9, |g| {
        let a = g / 10.35;
        match a < 0.1591 {
            true => (-0.0078 * a.ln() + 0.0038).clamp(0.0179, 0.04),
            false => 0.0664 * power(a, 3) - 0.1352 * a * a + 0.0768 * a + 0.0088,
        }
    });
}

#[test]
fn state_independent() {
    let model = StateIndependent { drift_nu_std: 0.01, ..Default::default() };
    assert_programming(&model, &[5.0, 25.0], |_| 0.2);
    assert_programming(&StateIndependent { prog_coeff: vec![0.1, 0.2], ..model.clone() }, &[5.0], |_| 0.14);
    assert_exponents(&model, &[0.0, 25.0], |_| (0.1, 0.01));
    assert_reads(&model, &[5.0, 25.0], 20.0, 250e-9, |_| 1.0 / 25.0);
}

#[test]
fn reram_wan2022() {
    let p = |c: [f64; 5], a: f64| c.iter().enumerate().map(|(i, c)| c * a.powi(i as i32)).sum::<f64>();
    let first = [0.348, 16.030, -43.853, 45.393, -16.815];
    let day = [0.701, 22.086, -50.773, 47.095, -16.458];
    let model = ReRamWan2022 { noise_scale: 0.5, ..Default::default() };
    assert_programming(&model, &[15.0, 25.0], |g| 0.5 * p(first, g / 25.0));
    let scaled = ReRamWan2022 { coeff_g_max_reference: Some(40.0), ..model.clone() };
    assert_programming(&scaled, &[15.0], |g| 0.5 * p(first, g / 25.0) * 25.0 / 40.0);
    // A read does not depend on the programmed value.
    let read = model.drift(&devices(0.0), &devices(20.0), None, 86_400.0, Key::new(12)).unwrap();
    assert_moments(&read, 20.0, 0.5 * p(day, 0.8), "Wan after a day");
}

#[test]
fn reram_cmo() {
    let model = ReRamCmo::default();
    assert_programming(&model, &[9.0, 88.0], |g| 0.00081107 + 0.00106879 * g);
    let wide = ReRamCmo { acceptance_range: 2.0, prog_noise_scale: 3.0, ..Default::default() };
    assert_programming(&wide, &[50.0], |g| 3.0 * (0.0112185391 + 0.01129027418 * g));
    let relaxed = ReRamCmo { drift_scale: 2.0, read_noise_scale: 4.0, ..Default::default() };
    for t in [0.5, 3600.0, 3.15e7] {
        let ln = f64::from(t).ln();
        let mean = 50.0 - 2.0 * 0.08900206 * ln;
        let read = 4.0 * 0.0277316483 * mean.log10() * ((f64::from(t) + 1e-6) / 2e-6).ln().sqrt();
        let std = (2.0 * (0.04201137 * ln + 0.41183342)).hypot(read);
        let ours = relaxed.drift(&devices(50.0), &devices(0.0), None, t, Key::new(13).fold(t.to_bits())).unwrap();
        assert_moments(&ours, mean, std, &format!("CMO after {t} s"));
    }
    let high = relaxed.drift(&devices(88.0), &devices(0.0), None, 1.0, Key::new(14)).unwrap();
    assert_eq!(high.max(), model.g_max);
}

/// Devices of a unit cell, and programming, drift and read, have independent samples.
#[test]
fn samples_are_independent() {
    let model = Pcm::default();
    let w = Tensor::full(&[1, DEVICES], 0.5);
    let chip = Programmed::new(&model, &w, Key::new(20));
    let centred = |x: &Tensor| x.map(|v| v - x.mean());
    let correlation = |x: &Tensor, y: &Tensor| {
        let (x, y) = (centred(x), centred(y));
        (&x * &y).mean() / (x.square().mean() * y.square().mean()).sqrt()
    };
    let [plus, minus] = [0, 1].map(|i| chip.coefficients[i].clone().unwrap());
    let decay = chip.at(&model, 3600.0, Key::new(20)).unwrap().zip(&chip.weights, |now, before| now / before);
    let again = chip.at(&model, 3600.0, Key::new(21)).unwrap().zip(&chip.weights, |now, before| now / before);
    // 5 standard errors each: a false alarm for one key in 580,000.
    for (x, y) in [(&plus, &minus), (&plus, &chip.weights), (&minus, &decay)] {
        assert!(correlation(x, y).abs() < 5.0 / (DEVICES as f32).sqrt());
    }
    // The same devices drift, with other read noise: exponents spread decay by 4 to 5 %, reads by 6 to 7 %.
    assert!((0.2..0.5).contains(&correlation(&decay, &again)));
}
