//! One pair of devices per weight.

use ohmgrad_tensor::Tensor;

use super::{Converter, Scales, largest};
use crate::Error;
use crate::config::section::{Rules, parameters};
use crate::config::setting::{Setting, invalid, join};

parameters! {
    /// One device for positive and one for negative weights; the other one stays at `g_min`.
    ///
    /// With `R = g_max − g_min` and `k = R / max|w|`, `g± = clip([±k·w]⁺, 0, g_max) + g_min`; back, `w = (g⁺ − g⁻)/k`.
    #[derive(Copy)]
    #[doc(alias = "SinglePairConductanceConverter")]
    pub struct SinglePair {
        /// The conductance of the largest weight, in µS.
        g_max: f32 = 25.0, [> 0.0];
        /// The conductance of weight 0, in µS.
        g_min: f32 = 0.0, [>= 0.0];
    }
}

impl Rules for SinglePair {
    fn rules(&self, at: &str) -> Result<(), Error> {
        ordered(self.g_min, self.g_max, at)
    }
}

/// `g_min < g_max`
pub(super) fn ordered(g_min: f32, g_max: f32, at: &str) -> Result<(), Error> {
    match g_min < g_max {
        true => Ok(()),
        false => Err(invalid(&join(at, "g_min"), &g_min.get(), format!("below g_max = {g_max}"))),
    }
}

impl Converter for SinglePair {
    fn to_conductances(&self, w: &Tensor) -> (Vec<Tensor>, Scales) {
        let &Self { g_max, g_min } = self;
        let k = (g_max - g_min) / largest(w);
        let half = |sign: f32| w.map(|w| (sign * w * k).clamp(0.0, g_max) + g_min);
        (vec![half(1.0), half(-1.0)], Scales::Ratio(k))
    }

    fn to_weights(&self, g: &[Tensor], scales: &Scales) -> Tensor {
        let [plus, minus] = g else { panic!("SinglePair: {} conductances instead of 2", g.len()) };
        let (k, g_min) = (scales.expect_ratio("SinglePair"), self.g_min);
        plus.zip(minus, |plus, minus| ((plus - g_min) - (minus - g_min)) / k)
    }

    fn pair_factors(&self) -> Option<Vec<f32>> {
        Some(vec![1.0])
    }

    fn range(&self) -> (f32, f32) {
        (self.g_min, self.g_max)
    }
}
