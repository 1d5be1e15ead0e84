//! Phase-change memory of the IBM HERMES Project Chip, with one or two devices per conductance.
//!
//! As for other phase-change memory, programming misses, conductances fall as a power law, reads add 1/f noise; here the
//! fits are to the 14 nm chip of Khaddam-Aljameh et al., JSSC 57, 1027 (2022) and Le Gallo et al., Nature Electronics 6,
//! 680 (2023); aihwkit `inference/noise/hermes.py`.

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
use crate::config::setting::{Setting, invalid, join};

/// One of the two characterisations: of two devices in parallel, or of one.
struct Fit {
    g_max: f32,
    t_0: f32,
    prog_coeff: [f32; 4],
}

const TWO: Fit = Fit { g_max: 20.7, t_0: 300.0, prog_coeff: [0.16603222, 4.71806468, -8.48101252, 4.68961419] };
const ONE: Fit = Fit { g_max: 10.35, t_0: 200.0, prog_coeff: [0.15781817, 2.32443916, -2.16310839, 0.68841818] };

parameters! {
    /// Phase-change memory of the IBM HERMES Project Chip.
    ///
    /// The form is that of [`Pcm`](super::Pcm), with other fits. a = g/g_max; where one device differs, its formula is
    /// in brackets:
    ///
    /// - programming noise `P·(g_max/20.7)·(0.16603222 + 4.71806468a − 8.48101252a² + 4.68961419a³)·ξ` µS
    ///   (`P·(g_max/10.35)·(0.15781817 + 2.32443916a − 2.16310839a² + 0.68841818a³)·ξ`),
    /// - exponents `D·|μ + σξ|`: μ is `clip(−0.0182 − 0.0387 ln a, 0.072, 0.13)` for a < 0.0945, else
    ///   `0.0736 − 0.0126a − 0.0436a²`; σ is `clip(−0.0057 − 0.0117 ln a, 0.0091, 0.04)` for a < 0.3055, else
    ///   `0.0073 + 0.0093a − 0.0118a²` (`clip(−0.0023 − 0.0120 ln a, 0.0124, 0.04)` for a < 0.3039, else
    ///   `0.0104 + 0.0116a − 0.0165a²`),
    /// - relative read noise `R·q·√ln((t + t_0 + t_read)/(2 t_read))`: q is `clip(−0.0069 − 0.0117 ln a, 0.015, 0.04)` for
    ///   a < 0.16, else `0.0123 + 0.0211a − 0.0280a² + 0.0069a³` (`clip(0.0038 − 0.0078 ln a, 0.0179, 0.04)` for
    ///   a < 0.1591, else `0.0088 + 0.0768a − 0.1352a² + 0.0664a³`).
    ///
    /// Sources: Khaddam-Aljameh et al., JSSC 57, 1027 (2022); Le Gallo et al., Nature Electronics 6, 680 (2023).
    #[doc(alias = "HermesNoiseModel")]
    pub struct Hermes {
        /// Coefficients of the programming noise in µS, by powers of a; those of the fit if left out.
        prog_coeff: Option<Vec<f32>> = None;
        /// Conductance converter; a single pair from 0 to `g_max` if left out.
        g_converter: Option<ConverterConfig> = None;
        /// Number of devices in parallel that make a conductance: 1 or 2.
        num_devices: u32 = 2;
        /// The conductance of the largest weight, in µS: at most 20.7 for two devices or 10.35 for one, the largest
        /// that were characterised; these if left out. With a `g_converter`, the converter's `g_max` is used instead.
        g_max: Option<f32> = None, [> 0.0];
        /// The duration of a read, in seconds.
        t_read: f32 = 512e-9, [> 0.0];
        /// The time between programming and the first read, in seconds; 300 for two devices and 200 for one if left out.
        t_0: Option<f32> = None, [> 0.0];
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

impl Rules for Hermes {
    fn rules(&self, at: &str) -> Result<(), Error> {
        if !matches!(self.num_devices, 1 | 2) {
            return Err(invalid(&join(at, "num_devices"), &self.num_devices.get(), "1 or 2"));
        }
        let fit = self.fit();
        if let Some(g_max) = self.g_max.filter(|&g_max| g_max > fit.g_max) {
            let allowed = format!("at most {}, the largest that was characterised", fit.g_max);
            return Err(invalid(&join(at, "g_max"), &g_max.get(), allowed));
        }
        one_g_max(self.g_converter.as_ref(), self.g_max, at)?;
        reference_of_own_coefficients(self.prog_coeff.as_ref(), self.prog_coeff_g_max_reference, at)
    }
}

impl Hermes {
    fn fit(&self) -> &'static Fit {
        if self.num_devices == 1 { &ONE } else { &TWO }
    }

    fn g_max(&self) -> f32 {
        g_max_of(self.g_converter.as_ref(), self.g_max.unwrap_or(self.fit().g_max))
    }
}

impl NoiseModel for Hermes {
    fn converter(&self) -> Arc<dyn Converter> {
        converter_or_pair(self.g_converter.as_ref(), self.g_max())
    }

    fn program(&self, target: &Tensor, key: Key) -> Tensor {
        let (g_max, fit) = (self.g_max(), self.fit());
        let (coefficients, reference) = match &self.prog_coeff {
            None => (fit.prog_coeff.as_slice(), fit.g_max),
            Some(own) => (own.as_slice(), self.prog_coeff_g_max_reference.unwrap_or(g_max)),
        };
        let scale = self.prog_noise_scale * g_max / reference;
        with_noise(target, key, |g, xi| at_least(g + scale * polynomial(coefficients, g / g_max) * xi, 0.0))
    }

    fn drift_coefficients(&self, target: &Tensor, key: Key) -> Option<Tensor> {
        let (g_max, one) = (self.g_max(), self.num_devices == 1);
        Some(with_noise(target, key, |g, xi| {
            let a = (g / g_max).abs().max(1e-7);
            let ln = a.ln();
            let mean = match a < 0.0945 {
                true => (-0.0182 - 0.0387 * ln).clamp(0.072, 0.13),
                false => polynomial(&[0.0736, -0.0126, -0.0436], a),
            };
            let std = match one {
                true if a < 0.3039 => (-0.0023 - 0.0120 * ln).clamp(0.0124, 0.04),
                true => polynomial(&[0.0104, 0.0116, -0.0165], a),
                false if a < 0.3055 => (-0.0057 - 0.0117 * ln).clamp(0.0091, 0.04),
                false => polynomial(&[0.0073, 0.0093, -0.0118], a),
            };
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
        let (g_max, one) = (self.g_max(), self.num_devices == 1);
        let law = PowerLaw { t_0: self.t_0.unwrap_or(self.fit().t_0), t_read: self.t_read, model: "Hermes" };
        law.at(programmed, coefficients, t, key, |g| {
            let a = g.abs() / g_max;
            let strength = match one {
                true if a < 0.1591 => (0.0038 - 0.0078 * a.ln()).clamp(0.0179, 0.04),
                true => polynomial(&[0.0088, 0.0768, -0.1352, 0.0664], a),
                false if a < 0.16 => (-0.0069 - 0.0117 * a.ln()).clamp(0.015, 0.04),
                false => polynomial(&[0.0123, 0.0211, -0.0280, 0.0069], a),
            };
            self.read_noise_scale * strength
        })
    }
}
