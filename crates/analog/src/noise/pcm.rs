//! Phase-change memory: doped Ge₂Sb₂Te₅ devices in mushroom cells.
//!
//! Programming by iterative pulses misses its target by a few percent; then the amorphous phase relaxes, and
//! conductances fall as a power law of time, with an exponent that differs between devices; each read adds 1/f noise
//! that grows with time. Fitted to a million devices by Nandakumar et al., ICECS 2019; Joshi et al., Nature
//! Communications 11, 2473 (2020); aihwkit `inference/noise/pcm.py`.

use std::sync::Arc;

use ohmgrad_tensor::{Key, Tensor};

use super::NoiseModel;
use super::converter::Converter;
use super::devices::{
    PowerLaw, at_least, converter_or_pair, g_max_of, one_g_max, polynomial, reference_of_own_coefficients, with_noise,
};
use crate::Error;
use crate::config::ConverterConfig;
use crate::config::section::{Rules, parameters};

/// Programming noise in µS by powers of a, fitted at a largest conductance of 25 µS.
pub(super) const PROG_COEFF: [f32; 3] = [0.26348, 1.9650, -1.1731];
const PROG_G_MAX: f32 = 25.0;

/// The duration of a read, in seconds.
pub(super) const T_READ: f32 = 250e-9;

/// The spread of drift exponents between devices, for ln a.
pub(super) fn drift_spread(ln: f32) -> f32 {
    (-0.0059 - 0.0125 * ln).clamp(0.008, 0.045)
}

/// The relative strength of read noise.
pub(super) fn read_noise(a: f32) -> f32 {
    (0.0088 / a.powf(0.65).max(1e-3)).min(0.2)
}

parameters! {
    /// Phase-change memory of doped Ge₂Sb₂Te₅.
    ///
    /// With `a = g/g_max`, `a_p = g_p/g_max` and normal ξ, drawn anew at every use:
    ///
    /// - programming: `g_p = [g + P·(g_max/25 µS)·(0.26348 + 1.9650a − 1.1731a²)·ξ]⁺` µS,
    /// - exponents: `ν = D·|μ + σξ|` with `μ = clip(0.0244 − 0.0155 ln a, 0.049, 0.1)` and
    ///   `σ = clip(−0.0059 − 0.0125 ln a, 0.008, 0.045)`,
    /// - drift: `g_d = g_p·((t + t_0)/t_0)^(−ν)`,
    /// - read: `[g_d + R·g_d·q·√ln((t + t_0 + t_read)/(2 t_read))·ξ]⁺`, `q = min(0.0088/a_p^0.65, 0.2)`.
    ///
    /// So there is read noise at t = 0 too. Sources: Nandakumar et al., ICECS 2019; Joshi et al., Nature Communications
    /// 11, 2473 (2020).
    #[doc(alias = "PCMLikeNoiseModel")]
    pub struct Pcm {
        /// Coefficients of the programming noise in µS, by powers of a; those of the fit if left out.
        prog_coeff: Option<Vec<f32>> = None;
        /// Conductance converter; a single pair from 0 to `g_max` if left out.
        g_converter: Option<ConverterConfig> = None;
        /// The conductance of the largest weight, in µS. With a `g_converter`, the converter's `g_max` is used instead.
        g_max: f32 = 25.0, [> 0.0];
        /// The duration of a read, in seconds.
        t_read: f32 = T_READ, [> 0.0];
        /// The time between programming and the first read, in seconds.
        t_0: f32 = 20.0, [> 0.0];
        /// P, a factor of the programming noise.
        prog_noise_scale: f32 = 1.0, [>= 0.0];
        /// R, a factor of the read noise.
        read_noise_scale: f32 = 1.0, [>= 0.0];
        /// D, a factor of the drift exponents.
        drift_scale: f32 = 1.0, [>= 0.0];
        /// The largest conductance for which `prog_coeff` were fitted, in µS: the noise is multiplied by `g_max` over
        /// it. `g_max` if left out.
        prog_coeff_g_max_reference: Option<f32> = None, [> 0.0];
    }
}

impl Rules for Pcm {
    fn rules(&self, at: &str) -> Result<(), Error> {
        one_g_max(self.g_converter.as_ref(), (self.g_max != Self::default().g_max).then_some(self.g_max), at)?;
        reference_of_own_coefficients(self.prog_coeff.as_ref(), self.prog_coeff_g_max_reference, at)
    }
}

impl NoiseModel for Pcm {
    fn converter(&self) -> Arc<dyn Converter> {
        converter_or_pair(self.g_converter.as_ref(), self.g_max)
    }

    fn program(&self, target: &Tensor, key: Key) -> Tensor {
        let g_max = g_max_of(self.g_converter.as_ref(), self.g_max);
        let (coefficients, reference) = match &self.prog_coeff {
            None => (PROG_COEFF.as_slice(), PROG_G_MAX),
            Some(own) => (own.as_slice(), self.prog_coeff_g_max_reference.unwrap_or(g_max)),
        };
        let scale = self.prog_noise_scale * g_max / reference;
        with_noise(target, key, |g, xi| at_least(g + scale * polynomial(coefficients, g / g_max) * xi, 0.0))
    }

    fn drift_coefficients(&self, target: &Tensor, key: Key) -> Option<Tensor> {
        let g_max = g_max_of(self.g_converter.as_ref(), self.g_max);
        Some(with_noise(target, key, |g, xi| {
            let ln = (g / g_max).abs().max(1e-7).ln();
            let mean = (0.0244 - 0.0155 * ln).clamp(0.049, 0.1);
            let std = drift_spread(ln);
            self.drift_scale * (mean + std * xi).abs()
        }))
    }

    fn drift(
        &self,
        programmed: &Tensor,
        _: &Tensor,
        coefficients: Option<&Tensor>,
        t: f32,
        key: Key,
    ) -> Result<Tensor, Error> {
        let g_max = g_max_of(self.g_converter.as_ref(), self.g_max);
        PowerLaw { t_0: self.t_0, t_read: self.t_read, model: "Pcm" }
            .at(programmed, coefficients, t, key, |g| self.read_noise_scale * read_noise(g.abs() / g_max))
    }
}
