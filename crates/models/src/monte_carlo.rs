//! Many chips of one network as they age.

use std::fmt;

use ohmgrad_analog::Error;
use ohmgrad_tensor::Key;
use rayon::prelude::*;

use crate::chip::Chip;
use crate::convert::Network;
use crate::data::Dataset;
use crate::evaluate::accuracy;
use crate::module::Module;
use crate::progress::Progress;

/// A measure of several chips at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct AtTime {
    /// Seconds since programming.
    pub t: f32,
    /// The value of each chip.
    pub chips: Vec<f64>,
}

impl AtTime {
    /// The mean over chips.
    pub fn mean(&self) -> f64 {
        self.chips.iter().sum::<f64>() / self.chips.len() as f64
    }

    /// The standard deviation from chip to chip (over n − 1); 0 for one chip.
    pub fn std(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.chips.iter().map(|a| (a - mean).powi(2)).sum();
        (squares / (self.chips.len().max(2) - 1) as f64).sqrt()
    }

    /// Half the width of the 95 % confidence interval of the mean, `t₀.₉₇₅(n−1)·std/√n` with Student's t; infinite for
    /// one chip.
    ///
    /// ```
    /// use ohmgrad_models::AtTime;
    ///
    /// let at = AtTime { t: 1.0, chips: vec![0.96, 0.97, 0.98, 0.97, 0.97] };
    /// // 2.776 · 0.0070711 / √5
    /// assert!((at.confidence() - 0.00878).abs() < 1e-5);
    /// ```
    pub fn confidence(&self) -> f64 {
        match self.chips.len() {
            0 | 1 => f64::INFINITY,
            n => student_975(n - 1) * self.std() / (n as f64).sqrt(),
        }
    }
}

/// The time, the mean, the half-width of its 95 % confidence interval and the number of chips, with four digits or as
/// many as the format asks for (`{:.2}`).
impl fmt::Display for AtTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(4);
        write!(f, "after {} s: {:.digits$}", self.t, self.mean())?;
        match self.chips.len() {
            0 | 1 => write!(f, " (one chip)"),
            n => write!(f, " ± {:.digits$} ({n} chips)", self.confidence()),
        }
    }
}

/// The 97.5 % quantile of Student's t: exact for one and two degrees of freedom, else Fisher and Cornish's expansion
/// (Abramowitz and Stegun 26.7.5), within 0.2 %.
fn student_975(degrees: usize) -> f64 {
    let z = 1.959_963_985f64;
    match degrees {
        1 => 12.706_204_74,
        2 => 4.302_652_73,
        _ => {
            let n = degrees as f64;
            let terms = [
                (z.powi(3) + z) / 4.0,
                (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
                (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
                (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z) / 92_160.0,
            ];
            terms.iter().rev().fold(0.0, |sum, term| (sum + term) / n) + z
        }
    }
}

/// Programs `chips` chips, lets each drift to each of the times (in seconds since programming, in any order), and
/// measures it there: an accuracy, a loss, an error of a regression. `measure` gets the chip and the key of its reads.
/// Chip `i` is `net.program(key.fold("chip").fold(i))`; its reads have a key for each time. Chips are computed in
/// parallel, with a progress bar; the number of threads changes no result.
///
/// ```
/// use ohmgrad_analog::InferenceRpuConfig;
/// use ohmgrad_models::{Network, Sequential, over_time, predict};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let mut net = Sequential::new().linear(8, 3).init(Key::new(1));
/// net.to_analog(&InferenceRpuConfig::default(), Key::new(2))?;
/// let (x, y) = (Tensor::normal(&[50, 8], Key::new(3)), Tensor::normal(&[50, 3], Key::new(4)));
/// let errors = over_time(&net, &[1.0, 3600.0], 4, Key::new(5), |chip, key| {
///     f64::from((&predict(chip, &x, key) - &y).square().mean())
/// })?;
/// for at in errors {
///     println!("{at:.3}"); // after 3600 s: 0.123 ± 0.004 (4 chips)
/// }
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
///
/// # Errors
/// If no weight is on tiles, or a noise model has no data for one of the times.
///
/// # Panics
/// If there are no chips.
pub fn over_time<N: Module + Clone + 'static>(
    net: &N,
    times: &[f32],
    chips: usize,
    key: Key,
    measure: impl Fn(&Chip<N>, Key) -> f64 + Sync,
) -> Result<Vec<AtTime>, Error> {
    assert!(chips > 0, "over_time: of 0 chips");
    let progress = Progress::new("chips", chips * times.len());
    let of_chip = |i: usize| -> Result<Vec<f64>, Error> {
        let mut chip = net.program(key.fold("chip").fold(i))?;
        let reads = key.fold("reads").fold(i);
        let at = |&t: &f32| {
            chip.drift_to(t)?;
            let value = measure(&chip, reads.fold(t.to_bits()));
            progress.step(|| format!("chip {i} at {t} s: {value:.4}"));
            Ok(value)
        };
        times.iter().map(at).collect()
    };
    let values = (0..chips).into_par_iter().map(of_chip).collect::<Result<Vec<_>, _>>()?;
    let at = |(i, &t): (usize, &f32)| AtTime { t, chips: values.iter().map(|chip| chip[i]).collect() };
    Ok(times.iter().enumerate().map(at).collect())
}

/// [`over_time`] of the accuracy on a data set.
///
/// # Errors
/// As for [`over_time`].
///
/// # Panics
/// As for [`over_time`].
pub fn accuracy_over_time<N: Module + Clone + 'static>(
    net: &N,
    data: &Dataset<Vec<usize>>,
    times: &[f32],
    chips: usize,
    key: Key,
) -> Result<Vec<AtTime>, Error> {
    over_time(net, times, chips, key, |chip, key| accuracy(chip, data, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        let tables = [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (24, 2.064), (1000, 1.962)];
        for (degrees, quantile) in tables {
            assert!((student_975(degrees) / quantile - 1.0).abs() < 2e-3, "{degrees}: {}", student_975(degrees));
        }
    }

    #[test]
    fn one_chip_has_an_infinite_interval() {
        let at = AtTime { t: 1.0, chips: vec![0.9] };
        assert_eq!((at.mean(), at.std()), (0.9, 0.0));
        assert_eq!(at.confidence(), f64::INFINITY);
        assert_eq!(at.to_string(), "after 1 s: 0.9000 (one chip)");
        let five = AtTime { t: 3600.0, chips: vec![0.96, 0.97, 0.98, 0.97, 0.97] };
        assert_eq!(format!("{five:.3}"), "after 3600 s: 0.970 ± 0.009 (5 chips)");
    }
}
