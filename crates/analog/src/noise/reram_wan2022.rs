//! Filamentary resistive memory, as published by Wan et al., Nature 608, 504 (2022).
//!
//! Conductances relax after programming without a common direction, and were measured after a second, a day and two days;
//! the fits to the published figures are those of aihwkit `inference/noise/reram.py`.

use std::sync::Arc;

use ohmgrad_tensor::{Key, Tensor};

use super::NoiseModel;
use super::converter::Converter;
use super::devices::{at_least, converter_or_pair, g_max_of, one_g_max, polynomial, with_noise};
use crate::Error;
use crate::config::ConverterConfig;
use crate::config::section::{Rules, parameters};
use crate::config::setting::{Setting, invalid, join};
use crate::config::value::Value;

parameters! {
    /// Resistive memory of Wan et al., Nature 608, 504 (2022): deviations from the target after one second, one day and
    /// two days.
    ///
    /// With a = g/g_max, `g(t) = [g + noise_scale·p_t(a)·ξ]⁺`, where p₁ₛ is `0.348 + 16.030a − 43.853a² + 45.393a³ −
    /// 16.815a⁴` µS. Programming has the noise of the first time; each later read starts from the target again. There are
    /// data for the times of `coeff_dic` and no others: any other time, 0 included, is an error.
    ///
    /// The fit was made at 40 µS; as in the reference, it is not scaled to another `g_max` unless
    /// `coeff_g_max_reference` is given.
    #[doc(alias = "ReRamWan2022NoiseModel")]
    pub struct ReRamWan2022 {
        /// Coefficients in µS by powers of a, by time in seconds.
        coeff_dic: Vec<(f32, Vec<f32>)> = vec![
            (1.0, vec![0.348, 16.030, -43.853, 45.393, -16.815]),
            (86_400.0, vec![0.701, 22.086, -50.773, 47.095, -16.458]),
            (172_800.0, vec![0.782, 20.274, -43.507, 37.062, -11.934]),
        ];
        /// Conductance converter; a single pair from 0 to `g_max` if left out.
        g_converter: Option<ConverterConfig> = None;
        /// The conductance of the largest weight, in µS. With a `g_converter`, the converter's `g_max` is used instead.
        g_max: f32 = 25.0, [> 0.0];
        /// A factor of the noise.
        noise_scale: f32 = 1.0, [>= 0.0];
        /// The largest conductance for which the coefficients were fitted, in µS: the noise is multiplied by `g_max`
        /// over it. `g_max` if left out.
        coeff_g_max_reference: Option<f32> = None, [> 0.0];
    }
}

impl Rules for ReRamWan2022 {
    fn rules(&self, at: &str) -> Result<(), Error> {
        if self.coeff_dic.is_empty() || self.coeff_dic.iter().any(|(t, list)| *t < 0.0 || list.is_empty()) {
            let allowed = "coefficients by times of at least 0 s, at least one of each";
            return Err(invalid(&join(at, "coeff_dic"), &self.coeff_dic.get(), allowed));
        }
        one_g_max(self.g_converter.as_ref(), (self.g_max != Self::default().g_max).then_some(self.g_max), at)
    }
}

impl ReRamWan2022 {
    fn read(&self, target: &Tensor, coefficients: &[f32], key: Key) -> Tensor {
        let g_max = g_max_of(self.g_converter.as_ref(), self.g_max);
        let scale = self.noise_scale * g_max / self.coeff_g_max_reference.unwrap_or(g_max);
        with_noise(target, key, |g, xi| at_least(g + scale * polynomial(coefficients, g / g_max) * xi, 0.0))
    }
}

impl NoiseModel for ReRamWan2022 {
    fn converter(&self) -> Arc<dyn Converter> {
        converter_or_pair(self.g_converter.as_ref(), self.g_max)
    }

    fn program(&self, target: &Tensor, key: Key) -> Tensor {
        self.read(target, &self.coeff_dic[0].1, key)
    }

    fn drift_coefficients(&self, _: &Tensor, _: Key) -> Option<Tensor> {
        None
    }

    fn drift(&self, _: &Tensor, target: &Tensor, _: Option<&Tensor>, t: f32, key: Key) -> Result<Tensor, Error> {
        match self.coeff_dic.iter().find(|(time, _)| *time == t) {
            Some((_, coefficients)) => Ok(self.read(target, coefficients, key)),
            None => {
                let times: Vec<_> = self.coeff_dic.iter().map(|(t, _)| Value::from(*t).to_string()).collect();
                let allowed = format!("one of {}, for which there are data", times.join(", "));
                Err(Error::Time { model: "ReRamWan2022", t, allowed })
            }
        }
    }
}
