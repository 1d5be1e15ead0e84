//! The criteria by which a case holds.

use ohmgrad::tensor::Tensor;
use serde::Deserialize;

use crate::conformance::numbers::{Numbers, largest};

/// The reference's Gaussian noise comes from a list of this length that is drawn once (`rng.h`): its distribution is
/// no better known than that, however many draws are made.
const REFERENCE_NOISE: f64 = 32_768.0;

/// The distance of the values of a case from the expected ones.
#[derive(Debug, Default)]
pub struct Check {
    values: usize,
    beyond: usize,
    worst: Option<Deviation>,
}

#[derive(Debug)]
struct Deviation {
    place: String,
    yours: f64,
    expected: f64,
    allowed: f64,
}

impl Check {
    /// A message about the value that is furthest beyond what is allowed, or that nothing was compared; `None` if the
    /// case holds.
    pub fn failure(&self) -> Option<String> {
        if self.values == 0 {
            return Some("nothing to compare".into());
        }
        let Deviation { place, yours, expected, allowed } = self.worst.as_ref()?;
        let (off, beyond, values) = ((yours - expected).abs(), self.beyond, self.values);
        let (yours, expected) = (*yours as f32, *expected as f32);
        let how_far = format!("{off:.2e} off, {allowed:.2e} allowed ({beyond} of {values} beyond)");
        Some(format!("{place} is {yours:?}, expected {expected:?}: {how_far}"))
    }

    /// Compares one value with what is expected, give or take what is allowed.
    pub fn value(&mut self, place: impl Fn() -> String, yours: f64, expected: f64, allowed: f64) {
        self.values += 1;
        let new = Deviation { place: String::new(), yours, expected, allowed };
        if new.excess() > 1.0 {
            self.beyond += 1;
            if self.worst.as_ref().is_none_or(|worst| new.excess() > worst.excess()) {
                self.worst = Some(Deviation { place: place(), ..new });
            }
        }
    }
}

impl Deviation {
    /// As a multiple of what is allowed; infinite for NaN.
    fn excess(&self) -> f64 {
        match (self.yours - self.expected).abs() {
            0.0 => 0.0,
            off if off.is_nan() => f64::INFINITY,
            off => off / self.allowed,
        }
    }
}

/// Allows each value an error of 1e-5 times the largest expected magnitude.
///
/// But a sum taken in another order can make a rounding tie fall the other way: one value in a hundred (at least one)
/// may also be off by a converter's step, `step(i)` at the i-th value.
pub fn exact(yours: &Tensor, expected: &Numbers, step: impl Fn(usize) -> f64) -> Result<Check, String> {
    let values = expected.of_shape("output", yours.shape())?;
    let near = 1e-5 * largest(values);
    let yours: Vec<f64> = yours.iter().map(|&y| y.into()).collect();
    let moved = |&i: &usize| (near..=near + step(i)).contains(&(yours[i] - values[i]).abs());
    let ties = (0..yours.len()).filter(moved).count() <= (yours.len() / 100).max(1);
    let mut check = Check::default();
    for (i, &yours) in yours.iter().enumerate() {
        let allowed = if ties { near + step(i) } else { near };
        check.value(|| format!("output {}", expected.place(i)), yours, values[i], allowed);
    }
    Ok(check)
}

/// Allows each value of an array an error of 1e-5 times the array's largest expected magnitude.
pub fn near(check: &mut Check, what: &str, yours: &Tensor, expected: &Numbers) -> Result<(), String> {
    let values = expected.of_shape(what, yours.shape())?;
    for (i, &yours) in yours.iter().enumerate() {
        check.value(
            || format!("{what} {}", expected.place(i)),
            yours.into(),
            values[i],
            1e-5 * largest(&expected.values),
        );
    }
    Ok(())
}

/// Mean and standard deviation of each value over independent draws.
#[derive(Debug, Deserialize)]
pub struct Moments {
    pub mean: Numbers,
    pub std: Numbers,
}

/// The expectation of a statistical case for the draws of one array.
pub struct Expected<'a> {
    /// The name of the array.
    pub what: &'a str,
    /// Its moments over the reference's draws.
    pub moments: &'a Moments,
    /// The number of those draws.
    pub repeats: usize,
    /// The deviation that is allowed beyond sampling errors, as a fraction of the largest |mean| + std.
    pub slack: f64,
}

impl Expected<'_> {
    /// Compares the moments over draws of our own, [R, …].
    ///
    /// A mean may be off by 5 standard errors, which chance alone exceeds once in 1.7 million; a standard deviation by
    /// 8, because draws need not be Gaussian.
    pub fn moments(&self, check: &mut Check, draws: &Tensor) -> Result<(), String> {
        let shape = &draws.shape()[1..];
        let means = self.moments.mean.of_shape(self.what, shape)?;
        let stds = self.moments.std.of_shape(self.what, shape)?;
        let slack = self.slack();
        let error = (1.0 / self.repeats as f64 + 1.0 / draws.shape()[0] as f64).sqrt();
        for (i, (mean, std)) in moments(draws).into_iter().enumerate() {
            let place =
                |of: &str| format!("{of} of {} {}", self.what, self.moments.mean.place(i)).trim_end().to_owned();
            let widest = std.max(stds[i]);
            check.value(|| place("mean"), mean, means[i], 5.0 * widest * error + slack);
            check.value(|| place("std"), std, stds[i], 8.0 * widest * error / 2f64.sqrt() + slack);
        }
        Ok(())
    }

    /// Compares the distribution of draws of our own, [R, …], with quantiles of the reference's at the shares `at`: the
    /// share of our draws up to each quantile must be that of the reference, up to 5 standard errors.
    ///
    /// Where outputs are codes of an ADC, a quantile is the code at which the share is passed.
    pub fn quantiles(&self, check: &mut Check, draws: &Tensor, at: &[f64], quantiles: &Numbers) -> Result<(), String> {
        let shape = [&draws.shape()[1..], &[at.len()]].concat();
        let slack = self.slack();
        let (n, each) = (draws.shape()[0], shape[..shape.len() - 1].iter().product());
        let draws = draws.to_vec();
        for (i, &quantile) in quantiles.of_shape("quantiles", &shape)?.iter().enumerate() {
            let share = at[i % at.len()];
            let column = || draws.iter().skip(i / at.len()).step_by(each);
            let fraction = |limit: f64| column().filter(|&&y| f64::from(y) <= limit).count() as f64 / n as f64;
            let nearest = share.max(fraction(quantile - slack)).min(fraction(quantile + slack));
            let variance = 1.0 / self.repeats as f64 + 1.0 / n as f64 + 1.0 / REFERENCE_NOISE;
            let error = (share * (1.0 - share) * variance).sqrt();
            check.value(|| format!("share up to quantile {}", quantiles.place(i)), nearest, share, 5.0 * error);
        }
        Ok(())
    }

    fn slack(&self) -> f64 {
        let Moments { mean, std } = self.moments;
        self.slack * mean.values.iter().zip(&std.values).fold(0.0, |top: f64, (m, s)| top.max(m.abs() + s))
    }
}

/// Mean and standard deviation of each column of draws [R, …].
fn moments(draws: &Tensor) -> Vec<(f64, f64)> {
    let n = draws.shape()[0] as f64;
    let each: usize = draws.shape()[1..].iter().product();
    let draws = draws.to_vec();
    let mean_of = |f: &dyn Fn(usize, f64) -> f64| {
        let mut sums = vec![0.0; each];
        draws.iter().enumerate().for_each(|(i, &y)| sums[i % each] += f(i % each, y.into()));
        sums.into_iter().map(|sum| sum / n).collect::<Vec<f64>>()
    };
    let means = mean_of(&|_, y| y);
    let variances = mean_of(&|i, y| (y - means[i]).powi(2));
    means.iter().copied().zip(variances.into_iter().map(f64::sqrt)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ohmgrad::tensor::Key;

    fn numbers(values: &[f64]) -> Numbers {
        Numbers { shape: vec![values.len()], values: values.to_vec() }
    }

    /// Returns `true` if the values 0, 1, …, `n` − 1 pass at a step of 0.5 after `changes` are added to the first ones.
    fn passes(n: usize, changes: &[f32]) -> bool {
        let expected: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let mut yours = numbers(&expected).tensor();
        yours.make_mut().iter_mut().zip(changes).for_each(|(y, change)| *y += change);
        exact(&yours, &numbers(&expected), |_| 0.5).unwrap().failure().is_none()
    }

    #[test]
    fn one_value_in_a_hundred_may_be_a_step_off() {
        assert!(passes(3, &[0.5]) && passes(3, &[1e-5, -1e-5, 1e-5]));
        assert!(!passes(3, &[0.51]) && !passes(3, &[0.5, -0.5]) && !passes(3, &[0.1, 0.1]));
        assert!(passes(250, &[0.5, -0.5]) && !passes(250, &[0.5, -0.5, 0.5]));
        assert!(!passes(3, &[f32::NAN]));
    }

    #[test]
    fn the_furthest_value_is_named() {
        let yours = Tensor::from([1.0, 2.5, 3.1]);
        let failure = exact(&yours, &numbers(&[1.0, 2.0, 3.0]), |_| 0.0).unwrap().failure().unwrap();
        assert_eq!(failure, "output [1] is 2.5, expected 2.0: 5.00e-1 off, 3.00e-5 allowed (2 of 3 beyond)");
        let shapes = exact(&yours, &numbers(&[1.0]), |_| 0.0).unwrap_err();
        assert_eq!(shapes, "output: shape [3], expected [1]");
        assert!(Check::default().failure().is_some());
    }

    /// Returns `true` if normal draws times `scale` plus `shift` pass for normal ones.
    fn looks_normal(scale: f32, shift: f32, quantile: f64) -> bool {
        let draws = Tensor::normal(&[20_000, 1], Key::new(7)).map(|x| scale * x + shift);
        let moments = Moments { mean: numbers(&[0.0]), std: numbers(&[1.0]) };
        let expected = Expected { what: "x", moments: &moments, repeats: 20_000, slack: 1e-5 };
        let quantiles = Numbers { shape: vec![1, 1], values: vec![quantile] };
        let mut check = Check::default();
        expected.moments(&mut check, &draws).unwrap();
        expected.quantiles(&mut check, &draws, &[0.9], &quantiles).unwrap();
        check.failure().is_none()
    }

    #[test]
    fn moments_and_quantiles_are_checked() {
        let top = 1.281_551_565_5; // the normal distribution's 90 %
        assert!(looks_normal(1.0, 0.0, top));
        assert!(!looks_normal(1.0, 0.1, top));
        assert!(!looks_normal(0.9, 0.0, top));
        assert!(!looks_normal(1.0, 0.0, 1.5));
    }

    #[test]
    fn a_quantile_among_codes_is_the_code_that_passes_the_share() {
        let draws = Tensor::from_fn(&[1000, 1], |at| (at[0] % 2) as f32);
        let moments = Moments { mean: numbers(&[0.5]), std: numbers(&[0.5]) };
        let expected = Expected { what: "x", moments: &moments, repeats: 1000, slack: 1e-5 };
        let holds = |quantile| {
            let quantiles = Numbers { shape: vec![1, 1], values: vec![quantile] };
            let mut check = Check::default();
            expected.quantiles(&mut check, &draws, &[0.1], &quantiles).unwrap();
            check.failure().is_none()
        };
        assert!(holds(0.0) && !holds(1.0) && !holds(-1.0));
    }
}
