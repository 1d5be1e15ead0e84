//! A drifting memory in which nothing depends on the conductance.
//!
//! The errors of programming, the drift exponents and the relative 1/f noise of reads have one distribution for all
//! conductances; aihwkit `inference/noise/custom.py`.

use std::sync::Arc;

use ohmgrad_tensor::{Key, Tensor};

use super::NoiseModel;
use super::converter::Converter;
use super::devices::{PowerLaw, at_least, converter_or_pair, g_max_of, one_g_max, polynomial, with_noise};
use crate::Error;
use crate::config::ConverterConfig;
use crate::config::section::{Rules, parameters};
use crate::config::setting::{Setting, invalid, join};

parameters! {
    /// Programming noise, drift and read noise of one strength at all conductances.
    ///
    /// With a = g/g_max: programming `g_p = [g + P·(0.2 µS)·ξ]⁺`, or a polynomial of a; exponents
    /// `ν = D·|0.1 + 0.05ξ|`; drift `g_d = g_p·((t + t_0)/t_0)^(−ν)`; read
    /// `[g_d + (R/g_max)·g_d·√ln((t + t_0 + t_read)/(2 t_read))·ξ]⁺`, with g_max as a number without its unit, as in
    /// the reference.
    #[doc(alias = "StateIndependentNoiseModel")]
    pub struct StateIndependent {
        /// Conductance converter; a single pair from 0 to `g_max` if left out.
        g_converter: Option<ConverterConfig> = None;
        /// The conductance of the largest weight, in µS. With a `g_converter`, the converter's `g_max` is used instead.
        g_max: f32 = 25.0, [> 0.0];
        /// Coefficients of the programming noise in µS, by powers of a.
        prog_coeff: Vec<f32> = vec![0.2, 0.0, 0.0];
        /// P, a factor of the programming noise.
        prog_noise_scale: f32 = 1.0, [>= 0.0];
        /// The mean drift exponent.
        drift_nu_mean: f32 = 0.1;
        /// The standard deviation of the exponents of devices.
        drift_nu_std: f32 = 0.05, [>= 0.0];
        /// D, a factor of the drift exponents.
        drift_scale: f32 = 1.0, [>= 0.0];
        /// The time between programming and the first read, in seconds.
        t_0: f32 = 20.0, [> 0.0];
        /// R, a factor of the read noise.
        read_noise_scale: f32 = 1.0, [>= 0.0];
        /// The duration of a read, in seconds.
        t_read: f32 = 250e-9, [> 0.0];
    }
}

impl Rules for StateIndependent {
    fn rules(&self, at: &str) -> Result<(), Error> {
        if self.prog_coeff.is_empty() {
            return Err(invalid(&join(at, "prog_coeff"), &self.prog_coeff.get(), "at least one number"));
        }
        one_g_max(self.g_converter.as_ref(), (self.g_max != Self::default().g_max).then_some(self.g_max), at)
    }
}

impl NoiseModel for StateIndependent {
    fn converter(&self) -> Arc<dyn Converter> {
        converter_or_pair(self.g_converter.as_ref(), self.g_max)
    }

    fn program(&self, target: &Tensor, key: Key) -> Tensor {
        let g_max = g_max_of(self.g_converter.as_ref(), self.g_max);
        let sigma = |g: f32| self.prog_noise_scale * polynomial(&self.prog_coeff, g / g_max);
        with_noise(target, key, |g, xi| at_least(g + sigma(g) * xi, 0.0))
    }

    fn drift_coefficients(&self, target: &Tensor, key: Key) -> Option<Tensor> {
        let nu = |_, xi: f32| self.drift_scale * (self.drift_nu_mean + self.drift_nu_std * xi).abs();
        Some(with_noise(target, key, nu))
    }

    fn drift(
        &self,
        programmed: &Tensor,
        _: &Tensor,
        coefficients: Option<&Tensor>,
        t: f32,
        key: Key,
    ) -> Result<Tensor, Error> {
        let strength = self.read_noise_scale / g_max_of(self.g_converter.as_ref(), self.g_max);
        let law = PowerLaw { t_0: self.t_0, t_read: self.t_read, model: "StateIndependent" };
        law.at(programmed, coefficients, t, key, |_| strength)
    }
}
