//! Filamentary resistive memory of conductive metal oxide and HfOₓ.
//!
//! Devices are programmed with verification until within an acceptance range. Their conductances then relax: their mean
//! falls and their spread grows with the logarithm of time. Characterised by Falcone et al. (IBM Research Europe,
//! Zürich); aihwkit `inference/noise/reram.py`.

use std::sync::Arc;

use ohmgrad_tensor::{Key, Tensor};

use super::NoiseModel;
use super::converter::{Converter, SingleDevice};
use super::devices::{accumulated_read_noise, not_before_programming, polynomial, with_noise};
use crate::Error;
use crate::config::section::{Rules, parameters};
use crate::config::setting::{Setting, invalid, join};
use crate::config::value::Value;

parameters! {
    /// Relaxation of conductances, in µS.
    #[derive(Copy)]
    pub struct CmoDecay {
        /// The slope of the mean over ln t.
        mean: [f32; 1] = [-0.08900206];
        /// The standard deviation: its slope over ln t, and its value at one second.
        std: [f32; 2] = [0.04201137, 0.41183342];
    }
}

impl Rules for CmoDecay {}

parameters! {
    /// The noise of a read.
    #[derive(Copy)]
    #[allow(non_snake_case, reason = "the reference's name")]
    pub struct CmoRead {
        /// The strength of the noise in µS.
        K: f32 = 0.0277316483, [>= 0.0];
        /// The duration of a read, in seconds.
        t_read: f32 = 1e-6, [> 0.0];
    }
}

impl Rules for CmoRead {}

parameters! {
    /// Resistive memory of conductive metal oxide and HfOₓ, one device per weight.
    ///
    /// With conductances in µS and time in seconds:
    ///
    /// - programming `g_p = g + P·(c₀ + c₁g)·ξ`, with c by the acceptance range,
    /// - relaxation `g_d = g_p − D·0.089·ln t + D·(0.412 + 0.042 ln t)·ξ`, whose mean rises for t < 1,
    /// - read `g_d + R·K·log₁₀(g_d)·√ln((t + t_read)/(2 t_read))·ξ`, cut to g_min … g_max.
    ///
    /// At t = 0 the programmed conductances are read, without noise and without a cut. Source: Falcone et al. on analog
    /// CMO/HfOₓ devices.
    #[doc(alias = "ReRamCMONoiseModel")]
    pub struct ReRamCmo {
        /// The coefficients c₀ in µS and c₁, by acceptance range in percent of the target.
        coeff_dict: Vec<(f32, Vec<f32>)> =
            vec![(0.2, vec![0.00081107, 0.00106879]), (2.0, vec![0.0112185391, 0.01129027418])];
        /// The conductance of the largest weight, in µS.
        g_max: f32 = 88.199997, [> 0.0];
        /// The conductance of the smallest weight, in µS.
        g_min: f32 = 9.0, [>= 0.0];
        /// P, a factor of the programming noise.
        prog_noise_scale: f32 = 1.0, [>= 0.0];
        /// R, a factor of the read noise.
        read_noise_scale: f32 = 1.0, [>= 0.0];
        /// D, a factor of the relaxation.
        drift_scale: f32 = 1.0, [>= 0.0];
        /// Relaxation of conductances.
        decay_dict: CmoDecay = CmoDecay::default();
        /// The noise of a read.
        read_dict: CmoRead = CmoRead::default();
        /// The acceptance range of programming in percent of the target, one of those of `coeff_dict`. (The reference's
        /// default, 0.02, is not one of them; the reference then uses the smallest, which is the default here.)
        acceptance_range: f32 = 0.2, [> 0.0];
    }
}

impl Rules for ReRamCmo {
    fn rules(&self, at: &str) -> Result<(), Error> {
        self.device().rules(at)?;
        if self.coeff_dict.iter().any(|(_, list)| list.is_empty()) {
            return Err(invalid(&join(at, "coeff_dict"), &self.coeff_dict.get(), "at least one coefficient each"));
        }
        if self.coefficients().is_none() {
            let known: Vec<_> = self.coeff_dict.iter().map(|(range, _)| Value::from(*range).to_string()).collect();
            let allowed = format!("one of {}, those of coeff_dict", known.join(", "));
            return Err(invalid(&join(at, "acceptance_range"), &self.acceptance_range.get(), allowed));
        }
        Ok(())
    }
}

impl ReRamCmo {
    fn device(&self) -> SingleDevice {
        SingleDevice { g_max: self.g_max, g_min: self.g_min }
    }

    fn coefficients(&self) -> Option<&[f32]> {
        let known = self.coeff_dict.iter().find(|(range, _)| *range == self.acceptance_range);
        known.map(|(_, coefficients)| coefficients.as_slice())
    }
}

impl NoiseModel for ReRamCmo {
    fn converter(&self) -> Arc<dyn Converter> {
        Arc::new(self.device())
    }

    /// # Panics
    /// If there are no coefficients for the acceptance range, which validation refuses.
    fn program(&self, target: &Tensor, key: Key) -> Tensor {
        let coefficients = self.coefficients().expect("validated: coefficients for this acceptance range");
        with_noise(target, key, |g, xi| g + self.prog_noise_scale * polynomial(coefficients, g) * xi)
    }

    fn drift_coefficients(&self, _: &Tensor, _: Key) -> Option<Tensor> {
        None
    }

    fn drift(&self, programmed: &Tensor, _: &Tensor, _: Option<&Tensor>, t: f32, key: Key) -> Result<Tensor, Error> {
        not_before_programming(t, "ReRamCmo")?;
        if t == 0.0 {
            return Ok(programmed.clone());
        }
        let CmoDecay { mean: [mean], std: [slope, at_one_second] } = self.decay_dict;
        let (ln, decay) = (t.ln(), self.drift_scale);
        let (shift, spread) = (decay * mean * ln, decay * (at_one_second + slope * ln));
        let relaxed = with_noise(programmed, key.fold("relaxation"), |g, xi| g + shift + spread * xi);
        let strength = self.read_noise_scale * self.read_dict.K;
        let strength = strength * accumulated_read_noise(t.into(), self.read_dict.t_read);
        let &Self { g_min, g_max, .. } = self;
        // A conductance that relaxed below 0 has no logarithm; it has the noise of 1e-7 µS.
        Ok(with_noise(&relaxed, key.fold("read"), |g, xi| {
            (g + strength * g.max(1e-7).log10() * xi).clamp(g_min, g_max)
        }))
    }
}
