//! Pairs of devices with tables of conductances.

use ohmgrad_tensor::Tensor;

use super::pairs::weighted;
use super::single_pair::ordered;
use super::{Converter, Scales, largest};
use crate::Error;
use crate::config::section::{Rules, parameters};
use crate::config::setting::{Setting, invalid, join};

/// Largest error of a weight that is converted and converted back, as a fraction of the largest weight.
const TOLERANCE: f32 = 1e-4;

parameters! {
    /// Pairs of devices whose conductances come from tables, such as those of an optimised weight programming.
    ///
    /// The tables of all devices are given at the same weights, evenly spaced from −max|w| to max|w|, and interpolated.
    /// With `u = Σ f_i (table_i⁺ − table_i⁻)`, `k = max|u|/max|w|`; back, `w = Σ f_i (g_i⁺ − g_i⁻)/k`.
    /// Source: Mackin et al., Nature Communications 13, 3765 (2022).
    ///
    /// ```
    /// use ohmgrad_analog::noise::CustomPair;
    ///
    /// let single_pair = CustomPair { f_lst: vec![1.0], g_lst: vec![vec![0.0, 0.0, 25.0], vec![25.0, 0.0, 0.0]], ..Default::default() };
    /// single_pair.validate()?;
    /// let bent = CustomPair { g_lst: vec![vec![0.0, 9.0, 25.0], vec![25.0, 0.0, 0.0]], ..single_pair };
    /// assert!(bent.validate().unwrap_err().to_string().contains("0 comes back as 0.36"));
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    #[doc(alias = "CustomPairConductanceConverter")]
    pub struct CustomPair {
        /// The factors of the pairs. Has to be given.
        f_lst: Vec<f32> = vec![], [> 0.0];
        /// The tables in µS, all of one length: of the positive and the negative device of the first pair, then of the
        /// next. Has to be given.
        g_lst: Vec<Vec<f32>> = vec![], [>= 0.0];
        /// The largest conductance of a device, in µS.
        g_max: f32 = 25.0, [> 0.0];
        /// The smallest conductance of a device, in µS.
        g_min: f32 = 0.0, [>= 0.0];
        /// Refuses tables that do not give back all weights within 1e-4 of the largest weight. The check at each point
        /// of the tables covers all weights (the reference checks five weights).
        invertibility_test: bool = true;
    }
}

impl Rules for CustomPair {
    fn rules(&self, at: &str) -> Result<(), Error> {
        ordered(self.g_min, self.g_max, at)?;
        let tables = || join(at, "g_lst");
        if self.f_lst.is_empty() || self.g_lst.len() != 2 * self.f_lst.len() {
            let allowed =
                format!("two tables for each of the {} factors f_lst, and at least one factor", self.f_lst.len());
            return Err(invalid(&tables(), &self.g_lst.get(), allowed));
        }
        let points = self.g_lst[0].len();
        if points < 2 || self.g_lst.iter().any(|table| table.len() != points) {
            return Err(invalid(&tables(), &self.g_lst.get(), "tables of one length, at least 2"));
        }
        match self.not_inverted() {
            Some((w, back)) if self.invertibility_test => {
                let allowed = format!("tables that give back the weights, but {w} comes back as {back}");
                Err(invalid(&tables(), &self.g_lst.get(), allowed))
            }
            _ => Ok(()),
        }
    }
}

impl CustomPair {
    /// Σ f (g⁺ − g⁻) at each point of the tables.
    fn sums(&self) -> Vec<f32> {
        let mut sums = vec![0.0; self.g_lst.first().map_or(0, Vec::len)];
        for (pair, f) in self.g_lst.chunks_exact(2).zip(&self.f_lst) {
            for (sum, (plus, minus)) in sums.iter_mut().zip(pair[0].iter().zip(&pair[1])) {
                *sum += f * (plus - minus);
            }
        }
        sums
    }

    /// A point of the tables that does not come back, as a fraction of the largest weight, and the value that it comes
    /// back as.
    fn not_inverted(&self) -> Option<(f32, f32)> {
        let sums = self.sums();
        let largest = sums.iter().fold(0.0, |top: f32, u| top.max(u.abs()));
        let w = |i: usize| 2.0 * i as f32 / (sums.len() - 1) as f32 - 1.0;
        let points = sums.iter().enumerate().map(|(i, u)| (w(i), u / largest));
        points.into_iter().find(|(w, back)| back.is_nan() || (w - back).abs() > TOLERANCE)
    }
}

impl Converter for CustomPair {
    fn to_conductances(&self, w: &Tensor) -> (Vec<Tensor>, Scales) {
        let most = largest(w);
        let k = self.sums().iter().fold(0.0, |top: f32, u| top.max(u.abs())) / most;
        (self.g_lst.iter().map(|table| w.map(|w| on_even_grid(table, w, most))).collect(), Scales::Ratio(k))
    }

    fn to_weights(&self, g: &[Tensor], scales: &Scales) -> Tensor {
        weighted(g, &self.f_lst, scales.expect_ratio("CustomPair"))
    }

    fn pair_factors(&self) -> Option<Vec<f32>> {
        Some(self.f_lst.clone())
    }

    fn range(&self) -> (f32, f32) {
        (self.g_min, self.g_max)
    }
}

/// A table over −most … most, interpolated at `w`.
fn on_even_grid(table: &[f32], w: f32, most: f32) -> f32 {
    let last = table.len() - 1;
    let place = ((f64::from(w) / f64::from(most) + 1.0) / 2.0 * last as f64).clamp(0.0, last as f64);
    let left = (place as usize).min(last - 1);
    let (a, b) = (f64::from(table[left]), f64::from(table[left + 1]));
    (a + (b - a) * (place - left as f64)) as f32
}
