//! Functions that several noise models share.

use std::sync::Arc;

use ohmgrad_tensor::{Key, Tensor};

use super::converter::{Converter, SinglePair};
use crate::Error;
use crate::config::ConverterConfig;
use crate::config::setting::{Setting, invalid, join};

/// `f(g, ξ)` for each conductance, with normal ξ.
pub(super) fn with_noise(g: &Tensor, key: Key, f: impl Fn(f32, f32) -> f32 + Sync) -> Tensor {
    g.zip(&Tensor::normal(g.shape(), key), f)
}

/// A number, at least `low`; NaN stays NaN, which `f32::max` would lose.
pub(crate) fn at_least(x: f32, low: f32) -> f32 {
    if x < low { low } else { x }
}

/// `c₀ + c₁x + c₂x² + …`
pub(super) fn polynomial(coefficients: &[f32], x: f32) -> f32 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// The growth of 1/f noise between a first read that takes `t_read` and the time `t`, both in seconds:
/// `L(t) = √ln((t + t_read)/(2 t_read))`; 0 before the first read is over.
pub(super) fn accumulated_read_noise(t: f64, t_read: f32) -> f32 {
    let t_read = f64::from(t_read);
    ((t + t_read) / (2.0 * t_read)).ln().max(0.0).sqrt() as f32
}

/// A drifting, noisy phase-change conductance: `g_d = g·((t + t₀)/t₀)^(−ν)`, then `g_d + |g_d|·q(g)·L(t + t₀)·ξ`, cut
/// at 0.
pub(super) struct PowerLaw {
    /// Seconds between programming and the first read, t₀.
    pub t_0: f32,
    /// Duration of a read in seconds.
    pub t_read: f32,
    /// The model, for errors.
    pub model: &'static str,
}

impl PowerLaw {
    /// The conductances at `t` seconds after programming; `strength(g)` is q.
    pub fn at(
        &self,
        g: &Tensor,
        nu: Option<&Tensor>,
        t: f32,
        key: Key,
        strength: impl Fn(f32) -> f32 + Sync,
    ) -> Result<Tensor, Error> {
        not_before_programming(t, self.model)?;
        let nu = nu.unwrap_or_else(|| panic!("{}: drift without its coefficients", self.model));
        let since_start = f64::from(t) + f64::from(self.t_0);
        let decades = (since_start / f64::from(self.t_0)).ln() as f32;
        let growth = accumulated_read_noise(since_start, self.t_read);
        let decayed = match t > 0.0 {
            true => g.zip(nu, |g, nu| (g, g * (-nu * decades).exp())),
            false => g.map(|g| (g, g)),
        };
        Ok(decayed.zip(&Tensor::normal(g.shape(), key), |(g, decayed), xi| {
            at_least(decayed + decayed.abs() * strength(g) * growth * xi, 0.0)
        }))
    }
}

/// Refuses times that are invalid for every model.
pub(super) fn not_before_programming(t: f32, model: &'static str) -> Result<(), Error> {
    match t >= 0.0 && t.is_finite() {
        true => Ok(()),
        false => Err(Error::Time { model, t, allowed: "finite and at least 0".into() }),
    }
}

/// The converter that is given, or a single pair from 0 to `g_max`.
pub(super) fn converter_or_pair(given: Option<&ConverterConfig>, g_max: f32) -> Arc<dyn Converter> {
    match given {
        Some(config) => config.shared(),
        None => Arc::new(SinglePair { g_max, g_min: 0.0 }),
    }
}

/// The largest conductance: that of the converter, if one is given.
pub(super) fn g_max_of(given: Option<&ConverterConfig>, g_max: f32) -> f32 {
    given.map_or(g_max, |config| config.converter().range().1)
}

/// Refuses a `g_max` other than the converter's, which would have no effect.
pub(super) fn one_g_max(given: Option<&ConverterConfig>, g_max: Option<f32>, at: &str) -> Result<(), Error> {
    match (g_max, given.map(|config| config.converter().range().1)) {
        (Some(g_max), Some(used)) if g_max != used => {
            Err(invalid(&join(at, "g_max"), &g_max.get(), format!("{used} or left out, as g_converter has its own")))
        }
        _ => Ok(()),
    }
}

/// Refuses a reference without effect (no `prog_coeff`), and an empty `prog_coeff`.
pub(super) fn reference_of_own_coefficients(
    prog_coeff: Option<&Vec<f32>>,
    reference: Option<f32>,
    at: &str,
) -> Result<(), Error> {
    if prog_coeff.is_some_and(Vec::is_empty) {
        return Err(invalid(&join(at, "prog_coeff"), &Vec::<f32>::new().get(), "at least one number"));
    }
    match reference {
        Some(reference) if prog_coeff.is_none() => {
            let allowed = "left out without prog_coeff: the model's own coefficients have their reference";
            Err(invalid(&join(at, "prog_coeff_g_max_reference"), &reference.get(), allowed))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_start_with_the_constant() {
        assert_eq!(polynomial(&[1.0, 2.0, 3.0], 2.0), 17.0);
        assert_eq!(polynomial(&[0.2], 2.0), 0.2);
    }

    #[test]
    fn read_noise_grows_from_zero() {
        assert_eq!(accumulated_read_noise(0.0, 1e-6), 0.0);
        let exact = ((20.0 + 2.5e-7_f64) / 5e-7).ln().sqrt();
        assert!((f64::from(accumulated_read_noise(20.0, 2.5e-7)) - exact).abs() < 1e-6);
    }
}
