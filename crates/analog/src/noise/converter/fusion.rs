//! One device per weight and a sign: the Fusion chip.

use ohmgrad_tensor::Tensor;

use super::super::devices::at_least;
use super::{Converter, LEAST_WEIGHT, Scales};
use crate::config::section::{Rules, parameters};

/// Standard deviation of an output's conductances with signs, over their root mean square, below which the line goes
/// through the origin.
const NARROW: f64 = 0.1;

parameters! {
    /// Magnitudes on one device each, where each output uses the whole range; signs and scales are stored separately.
    ///
    /// For each output, `g = |w|·g_max/max|w|`; back, the sign of the original weight times g, scaled by the slope of a
    /// least-squares line of the original weights over it. Where the weights of an output differ by less than a tenth
    /// of their size, such a line is meaningless, and one through the origin is taken (in the reference, weights that
    /// are all equal become 0).
    #[derive(Copy)]
    #[doc(alias = "FusionConductanceConverter")]
    pub struct Fusion {
        /// The conductance of the largest weight of each output, in µS.
        g_max: f32 = 40.0, [10.0..=40.0];
    }
}

impl Rules for Fusion {}

impl Converter for Fusion {
    /// # Panics
    /// If the weights have no axis for outputs.
    fn to_conductances(&self, w: &Tensor) -> (Vec<Tensor>, Scales) {
        let g_max = self.g_max;
        let axes: Vec<usize> = (1..w.shape().len()).collect();
        // Times the reciprocal, as PyTorch divides a number by a tensor: files for the chip are the same to the last
        // digit.
        let factors = w.abs().max_axes(&axes).map(|most| at_least(most, LEAST_WEIGHT).recip() * g_max);
        let g = w.zip(&factors, |w, factor| (w * factor).abs().clamp(0.0, g_max));
        (vec![g], Scales::Original(w.clone()))
    }

    fn to_weights(&self, g: &[Tensor], scales: &Scales) -> Tensor {
        let ([g], Scales::Original(original)) = (g, scales) else {
            panic!("Fusion: {} conductances, and {scales:?}", g.len())
        };
        let signed = g.zip(&original.sign(), |g, sign| g * sign);
        let rows = signed.shape()[0];
        let slopes: Vec<f32> = (0..rows)
            .map(|i| slope(&signed.slice(0, i..i + 1).to_vec(), &original.slice(0, i..i + 1).to_vec()))
            .collect();
        let mut shape = vec![1; signed.shape().len()];
        shape[0] = rows;
        &signed * &Tensor::from_vec(slopes, &shape)
    }

    fn range(&self) -> (f32, f32) {
        (0.0, self.g_max)
    }
}

/// The slope of the least-squares line of `y` over `x`.
fn slope(x: &[f32], y: &[f32]) -> f32 {
    let mean = |v: &[f32]| v.iter().map(|&v| f64::from(v)).sum::<f64>() / v.len() as f64;
    let about = |a: f64, b: f64| {
        let pairs = x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - a, f64::from(y) - b));
        pairs.fold((0.0, 0.0), |(xx, xy), (x, y)| (xx + x * x, xy + x * y))
    };
    let (around_mean, around_zero) = (about(mean(x), mean(y)), about(0.0, 0.0));
    // Over a narrow spread the slope is that of noise, or of rounding errors.
    let (xx, xy) = if around_mean.0 > NARROW * NARROW * around_zero.0 { around_mean } else { around_zero };
    if xx > 0.0 { (xy / xx) as f32 } else { 0.0 }
}
