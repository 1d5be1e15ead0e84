//! Several pairs of devices per weight, of different significance.

use ohmgrad_tensor::Tensor;

use super::super::devices::at_least;
use super::single_pair::ordered;
use super::{Converter, Scales, largest};
use crate::Error;
use crate::config::section::{Rules, parameters};
use crate::config::setting::{Setting, invalid, join};

parameters! {
    /// Any number of pairs of devices per weight, each with a factor on its current.
    ///
    /// The first pair is filled first, then the next: with `R = g_max − g_min` and `k = R·Σf / max|w|`, pair i has
    /// `g± = clip(([±k·w]⁺ − R·Σ_{j<i} f_j)/f_i + g_min, g_min, g_max)`; back, `w = Σ f_i (g_i⁺ − g_i⁻)/k`.
    /// Source: Mackin et al., Nature Communications 13, 3765 (2022).
    ///
    /// ```
    /// use ohmgrad_analog::noise::{Converter, NPair};
    /// use ohmgrad_tensor::Tensor;
    ///
    /// let pairs = NPair { f_lst: vec![1.0, 3.0], ..Default::default() };
    /// let (g, _) = pairs.to_conductances(&Tensor::from([1.0, 0.5, -0.25]));
    /// assert_eq!(g[0].to_vec(), [25.0, 25.0, 0.0]); // the first pair, positive
    /// assert_eq!(g[1].to_vec(), [0.0, 0.0, 25.0]); // and negative
    /// assert_eq!(g[2].to_vec(), [25.0, 25.0 / 3.0, 0.0]); // the second, with three times the effect
    /// ```
    #[doc(alias = "NPairConductanceConverter")]
    pub struct NPair {
        /// The factors of the pairs, in the order in which they are filled. Has to be given.
        f_lst: Vec<f32> = vec![], [> 0.0];
        /// The largest conductance of a device, in µS.
        g_max: f32 = 25.0, [> 0.0];
        /// The smallest conductance of a device, in µS.
        g_min: f32 = 0.0, [>= 0.0];
    }
}

parameters! {
    /// Two pairs of devices per weight: [`NPair`] with two factors.
    #[doc(alias = "DualPairConductanceConverter")]
    pub struct DualPair {
        /// The factors of the two pairs, in the order in which they are filled. Has to be given.
        f_lst: Vec<f32> = vec![], [> 0.0];
        /// The largest conductance of a device, in µS.
        g_max: f32 = 25.0, [> 0.0];
        /// The smallest conductance of a device, in µS.
        g_min: f32 = 0.0, [>= 0.0];
    }
}

impl Rules for NPair {
    fn rules(&self, at: &str) -> Result<(), Error> {
        ordered(self.g_min, self.g_max, at)?;
        match self.f_lst.is_empty() {
            true => Err(invalid(&join(at, "f_lst"), &self.f_lst.get(), "one factor for each pair, at least one")),
            false => Ok(()),
        }
    }
}

impl Rules for DualPair {
    fn rules(&self, at: &str) -> Result<(), Error> {
        ordered(self.g_min, self.g_max, at)?;
        match self.f_lst.len() {
            2 => Ok(()),
            _ => Err(invalid(&join(at, "f_lst"), &self.f_lst.get(), "two factors, one for each pair")),
        }
    }
}

impl Converter for NPair {
    fn to_conductances(&self, w: &Tensor) -> (Vec<Tensor>, Scales) {
        filled(w, &self.f_lst, self.g_min, self.g_max)
    }

    fn to_weights(&self, g: &[Tensor], scales: &Scales) -> Tensor {
        weighted(g, &self.f_lst, scales.expect_ratio("NPair"))
    }

    fn pair_factors(&self) -> Option<Vec<f32>> {
        Some(self.f_lst.clone())
    }

    fn range(&self) -> (f32, f32) {
        (self.g_min, self.g_max)
    }
}

impl Converter for DualPair {
    fn to_conductances(&self, w: &Tensor) -> (Vec<Tensor>, Scales) {
        filled(w, &self.f_lst, self.g_min, self.g_max)
    }

    fn to_weights(&self, g: &[Tensor], scales: &Scales) -> Tensor {
        weighted(g, &self.f_lst, scales.expect_ratio("DualPair"))
    }

    fn pair_factors(&self) -> Option<Vec<f32>> {
        Some(self.f_lst.clone())
    }

    fn range(&self) -> (f32, f32) {
        (self.g_min, self.g_max)
    }
}

/// Fills one pair after the other.
fn filled(w: &Tensor, factors: &[f32], g_min: f32, g_max: f32) -> (Vec<Tensor>, Scales) {
    let range = g_max - g_min;
    let k = range * factors.iter().sum::<f32>() / largest(w);
    let mut conductances = Vec::with_capacity(2 * factors.len());
    let mut before = 0.0;
    for &f in factors {
        let half = |sign: f32| w.map(|w| ((at_least(sign * w * k, 0.0) - before) / f + g_min).clamp(g_min, g_max));
        conductances.extend([half(1.0), half(-1.0)]);
        before += f * range;
    }
    (conductances, Scales::Ratio(k))
}

/// `Σ f (g⁺ − g⁻)/k`
pub(super) fn weighted(g: &[Tensor], factors: &[f32], k: f32) -> Tensor {
    assert!(g.len() == 2 * factors.len(), "pairs: {} conductances for {} factors", g.len(), factors.len());
    let mut sum = Tensor::full(g[0].shape(), 0.0);
    for (pair, &f) in g.chunks_exact(2).zip(factors) {
        sum += pair[0].zip(&pair[1], |plus, minus| f * (plus - minus));
    }
    sum.map(|u| u / k)
}
