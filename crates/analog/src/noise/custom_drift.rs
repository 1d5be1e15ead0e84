//! Phase-change memory with drift exponents from a table of measurements.

use std::sync::Arc;

use ohmgrad_tensor::{Key, Tensor};

use super::converter::Converter;
use super::devices::with_noise;
use super::{NoiseModel, Pcm, pcm};
use crate::Error;
use crate::config::ConverterConfig;
use crate::config::section::{Rules, parameters};
use crate::config::setting::{Setting, invalid, join};

parameters! {
    /// Drift exponents by conductance, as measured: mean and spread between devices, interpolated between conductances.
    pub struct DriftTable {
        /// Conductances in µS, ascending. Have to be given, and cover the converter's range.
        g_lst: Vec<f32> = vec![], [>= 0.0];
        /// The mean exponent at each of the conductances. Have to be given.
        nu_mean_lst: Vec<f32> = vec![];
        /// The standard deviation of the exponents of devices at each of the conductances. Have to be given.
        nu_std_lst: Vec<f32> = vec![], [>= 0.0];
    }
}

impl Rules for DriftTable {
    fn rules(&self, at: &str) -> Result<(), Error> {
        let g = &self.g_lst;
        if g.len() < 2 || g.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(invalid(&join(at, "g_lst"), &g.get(), "at least two conductances, ascending"));
        }
        for (name, list) in [("nu_mean_lst", &self.nu_mean_lst), ("nu_std_lst", &self.nu_std_lst)] {
            if list.len() != g.len() {
                return Err(invalid(
                    &join(at, name),
                    &list.get(),
                    format!("one number for each of the {} g_lst", g.len()),
                ));
            }
        }
        Ok(())
    }
}

impl DriftTable {
    /// Mean and spread at a conductance, which is cut to the table.
    fn at(&self, g: f32) -> (f32, f32) {
        let right = self.g_lst.partition_point(|&x| x < g).clamp(1, self.g_lst.len() - 1);
        let (a, b) = (self.g_lst[right - 1], self.g_lst[right]);
        let share = ((g - a) / (b - a)).clamp(0.0, 1.0);
        let between = |list: &[f32]| list[right - 1] + (list[right] - list[right - 1]) * share;
        (between(&self.nu_mean_lst), between(&self.nu_std_lst))
    }
}

parameters! {
    /// [`Pcm`] with drift exponents from a table: `ν = D·|μ(g) + σ(g)·ξ|`.
    ///
    /// ```
    /// use ohmgrad_analog::noise::{CustomDriftPcm, DriftTable};
    ///
    /// let table = DriftTable { g_lst: vec![0.0, 25.0], nu_mean_lst: vec![0.08, 0.03], nu_std_lst: vec![0.02, 0.01] };
    /// let model = CustomDriftPcm { custom_drift_model: table, ..Default::default() };
    /// model.validate()?;
    /// assert!(CustomDriftPcm { g_max: 30.0, ..model }.validate().is_err()); // beyond the table
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    #[doc(alias = "CustomDriftPCMLikeNoiseModel")]
    pub struct CustomDriftPcm {
        /// The exponents.
        custom_drift_model: DriftTable = DriftTable::default();
        /// Coefficients of the programming noise in µS, as in [`Pcm`].
        prog_coeff: Option<Vec<f32>> = None;
        /// Conductance converter; a single pair from 0 to `g_max` if left out.
        g_converter: Option<ConverterConfig> = None;
        /// The conductance of the largest weight, in µS. With a `g_converter`, the converter's `g_max` is used instead.
        g_max: f32 = 25.0, [> 0.0];
        /// The duration of a read, in seconds.
        t_read: f32 = pcm::T_READ, [> 0.0];
        /// The time between programming and the first read, in seconds.
        t_0: f32 = 20.0, [> 0.0];
        /// A factor of the programming noise.
        prog_noise_scale: f32 = 1.0, [>= 0.0];
        /// A factor of the read noise.
        read_noise_scale: f32 = 1.0, [>= 0.0];
        /// D, a factor of the drift exponents.
        drift_scale: f32 = 1.0, [>= 0.0];
        /// The largest conductance for which `prog_coeff` were fitted, in µS, as in [`Pcm`].
        prog_coeff_g_max_reference: Option<f32> = None, [> 0.0];
    }
}

impl CustomDriftPcm {
    fn pcm(&self) -> Pcm {
        Pcm {
            prog_coeff: self.prog_coeff.clone(),
            g_converter: self.g_converter.clone(),
            g_max: self.g_max,
            t_read: self.t_read,
            t_0: self.t_0,
            prog_noise_scale: self.prog_noise_scale,
            read_noise_scale: self.read_noise_scale,
            drift_scale: self.drift_scale,
            prog_coeff_g_max_reference: self.prog_coeff_g_max_reference,
        }
    }
}

impl Rules for CustomDriftPcm {
    fn rules(&self, at: &str) -> Result<(), Error> {
        self.pcm().rules(at)?;
        let table = &self.custom_drift_model.g_lst;
        let (g_min, g_max) = self.converter().range();
        match table[0] <= g_min && g_max <= table[table.len() - 1] {
            true => Ok(()),
            false => {
                let allowed = format!("conductances that cover those of the converter, {g_min} to {g_max}");
                Err(invalid(&join(&join(at, "custom_drift_model"), "g_lst"), &table.get(), allowed))
            }
        }
    }
}

impl NoiseModel for CustomDriftPcm {
    fn converter(&self) -> Arc<dyn Converter> {
        self.pcm().converter()
    }

    fn program(&self, target: &Tensor, key: Key) -> Tensor {
        self.pcm().program(target, key)
    }

    fn drift_coefficients(&self, target: &Tensor, key: Key) -> Option<Tensor> {
        Some(with_noise(target, key, |g, xi| {
            let (mean, std) = self.custom_drift_model.at(g);
            self.drift_scale * (mean + std * xi).abs()
        }))
    }

    fn drift(
        &self,
        programmed: &Tensor,
        target: &Tensor,
        coefficients: Option<&Tensor>,
        t: f32,
        key: Key,
    ) -> Result<Tensor, Error> {
        self.pcm().drift(programmed, target, coefficients, t, key)
    }
}
