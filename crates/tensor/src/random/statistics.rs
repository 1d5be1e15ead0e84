//! The samples against their distributions.
//!
//! The keys are fixed: a failure is a change of the code, never chance. Of other keys, 1 in 210 would fail: 1 in 300
//! has no sample beyond 5σ, and each of some 210 scores exceeds its bound of 4.5 standard errors for 1 in 150,000.

use std::sync::LazyLock;

use super::*;

const BOUND: f64 = 4.5;

/// One long stream, drawn once for all tests.
static NORMALS: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut out = vec![0.0; 10_000_000];
    fill_normal(&mut out, Key::new(11));
    out
});

/// A sum of `n` independent terms of mean 0 must stay within `BOUND` standard errors.
fn assert_unbiased(what: &str, sum: f64, n: usize, variance: f64) {
    let score = sum / (n as f64 * variance).sqrt();
    assert!(score.abs() < BOUND, "{what}: {score:.2} standard errors off");
}

/// (2n − 1)!! = E z²ⁿ
fn even_moment(n: u32) -> f64 {
    (1..=n).map(|i| f64::from(2 * i - 1)).product()
}

/// The standard normal distribution function: 1/2 + φ(z)·(z + z³/3 + z⁵/15 + …).
fn normal_cdf(z: f64) -> f64 {
    let (mut term, mut sum, mut i) = (z, z, 1.0);
    while (sum + term) != sum {
        i += 2.0;
        term *= z * z / i;
        sum += term;
    }
    0.5 + sum * (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt()
}

/// Kolmogorov's and Smirnov's √n·max|F − F̂|: above 2.5 once in 130,000 keys.
fn assert_distributed(what: &str, samples: &[f32], cdf: fn(f64) -> f64) {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let n = sorted.len() as f64;
    let distance = |(i, &x): (usize, &f32)| {
        let f = cdf(f64::from(x));
        (f - i as f64 / n).max((i + 1) as f64 / n - f)
    };
    let score = n.sqrt() * sorted.iter().enumerate().map(distance).fold(0.0, f64::max);
    assert!(score < 2.5, "{what}: Kolmogorov–Smirnov {score:.2}");
}

#[test]
fn moments_to_the_eighth_are_those_of_the_normal_distribution() {
    let mut sums = [0.0; 9];
    for &z in NORMALS.iter() {
        let mut power = 1.0;
        for sum in &mut sums {
            *sum += power;
            power *= f64::from(z);
        }
    }
    for k in 1..=8 {
        let mean = if k % 2 == 0 { even_moment(k / 2) } else { 0.0 };
        let n = NORMALS.len();
        assert_unbiased(&format!("z^{k}"), sums[k as usize] - n as f64 * mean, n, even_moment(k) - mean * mean);
    }
}

/// Beyond 5σ only about 6 are expected: more than 18 once in 50,000 keys, none once in 300.
#[test]
fn tails_hold_as_many_samples_as_they_should() {
    let n = NORMALS.len();
    let beyond = |sigma: f32| NORMALS.iter().filter(|z| z.abs() > sigma).count();
    for (sigma, p) in [(3.0, 2.699_796e-3), (4.0, 6.334_248e-5)] {
        assert_unbiased(&format!("beyond {sigma}σ"), beyond(sigma) as f64 - n as f64 * p, n, p * (1.0 - p));
    }
    assert!((1..=18).contains(&beyond(5.0)), "{}", beyond(5.0));
}

#[test]
fn distributions_fit_along_a_stream() {
    let mut uniforms = vec![0.0; 1_000_000];
    fill_uniform(&mut uniforms, Key::new(12));
    assert_distributed("uniform", &uniforms, |u| u);
    assert_distributed("normal", &NORMALS[..1_000_000], normal_cdf);
}

/// The first samples of many short rows, which depend on the seeding of the lanes much more than on the generators.
#[test]
fn distributions_fit_across_keys() {
    let key = Key::new(13);
    let mut uniforms = vec![0.0; 400_000];
    let mut normals = uniforms.clone();
    for (row, (u, z)) in uniforms.chunks_mut(4).zip(normals.chunks_mut(4)).enumerate() {
        fill_uniform(u, key.fold(row));
        fill_normal(z, key.fold(row));
    }
    assert_distributed("uniform", &uniforms, |u| u);
    assert_distributed("normal", &normals, normal_cdf);
}

/// The squares are tested too, because the radius that two samples share would correlate them.
#[test]
fn samples_of_a_stream_are_uncorrelated() {
    let normals = &NORMALS[..4_000_000];
    let mut sums = [[0.0; 2]; 33];
    for window in normals.windows(33) {
        let z = window.iter().map(|&z| f64::from(z));
        for ([plain, squares], z) in sums.iter_mut().zip(z) {
            let first = f64::from(window[0]);
            *plain += first * z;
            *squares += (first * first - 1.0) * (z * z - 1.0);
        }
    }
    for (lag, [plain, squares]) in sums.into_iter().enumerate().skip(1) {
        assert_unbiased(&format!("lag {lag}"), plain, normals.len() - 32, 1.0);
        assert_unbiased(&format!("lag {lag}, squares"), squares, normals.len() - 32, 4.0);
    }
}

#[test]
fn lanes_are_uncorrelated() {
    let steps = 1_000_000;
    let mut lanes = Lanes::new(Key::new(14));
    let mut sums = [[0.0; LANES]; LANES];
    for _ in 0..steps {
        let u = lanes.uniforms().map(|u| f64::from(u) - 0.5);
        for (sums, a) in sums.iter_mut().zip(u) {
            for (sum, b) in sums.iter_mut().zip(u) {
                *sum += a * b;
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        for (j, &sum) in sums[..i].iter().enumerate() {
            assert_unbiased(&format!("lanes {i} and {j}"), sum, steps, 1.0 / 144.0);
        }
    }
}

#[test]
fn neighbouring_keys_are_uncorrelated() {
    let (rows, n) = (50_000, 64);
    let seeds: fn(u64) -> Key = Key::new;
    let folds = |row: u64| Key::new(15).fold(row);
    let roots = |row: u64| Key::new(row).fold("output noise").fold(0);
    for (what, key) in [("seeds", &seeds as &dyn Fn(u64) -> Key), ("folds", &folds), ("roots", &roots)] {
        let (mut last, mut row) = (vec![0.0; n], vec![0.0; n]);
        fill_normal(&mut last, key(0));
        let mut sums = vec![[0.0; 2]; n];
        for i in 1..=rows {
            fill_normal(&mut row, key(i));
            for (([plain, squares], &a), &b) in sums.iter_mut().zip(&last).zip(&row) {
                let (a, b) = (f64::from(a), f64::from(b));
                *plain += a * b;
                *squares += (a * a - 1.0) * (b * b - 1.0);
            }
            std::mem::swap(&mut last, &mut row);
        }
        // Whole rows, and the first block alone, which is nearest to the seeding.
        for m in [16, n] {
            let sum = |which: usize| sums[..m].iter().map(|s| s[which]).sum::<f64>();
            assert_unbiased(&format!("{what}, {m} samples"), sum(0), rows as usize * m, 1.0);
            assert_unbiased(&format!("{what}, {m} samples, squares"), sum(1), rows as usize * m, 4.0);
        }
    }
}
