//! One device per weight.

use ohmgrad_tensor::Tensor;

use super::super::devices::at_least;
use super::single_pair::ordered;
use super::{Converter, LEAST_WEIGHT, Scales};
use crate::Error;
use crate::config::section::{Rules, parameters};

parameters! {
    /// One device per weight, for both signs: the smallest weight has the smallest conductance.
    ///
    /// With `k = (g_max − g_min)/(max w − min w)`, `g = (w − min w)·k + g_min`; back, `w = min w + (g − g_min)/k`. Weights
    /// that are all equal have `g_min` (in the reference they are not a number).
    #[derive(Copy)]
    #[doc(alias = "SingleDeviceConductanceConverter")]
    pub struct SingleDevice {
        /// The conductance of the largest weight, in µS.
        g_max: f32 = 88.199997, [> 0.0];
        /// The conductance of the smallest weight, in µS.
        g_min: f32 = 9.0, [>= 0.0];
    }
}

impl Rules for SingleDevice {
    fn rules(&self, at: &str) -> Result<(), Error> {
        ordered(self.g_min, self.g_max, at)
    }
}

impl Converter for SingleDevice {
    fn to_conductances(&self, w: &Tensor) -> (Vec<Tensor>, Scales) {
        let &Self { g_max, g_min } = self;
        let (min, max) = if w.is_empty() { (0.0, 0.0) } else { (w.min(), w.max()) };
        let ratio = (g_max - g_min) / at_least(max - min, LEAST_WEIGHT);
        (vec![w.map(|w| (w - min) * ratio + g_min)], Scales::Offset { ratio, min })
    }

    fn to_weights(&self, g: &[Tensor], scales: &Scales) -> Tensor {
        let ([g], Scales::Offset { ratio, min }) = (g, scales) else {
            panic!("SingleDevice: {} conductances, and {scales:?}", g.len())
        };
        g.map(|g| min + (g - self.g_min) / ratio)
    }

    fn range(&self) -> (f32, f32) {
        (self.g_min, self.g_max)
    }
}
