//! Steps that follow a power of the distance from the bound.
//!
//! With `R = max − min`: up `up·((max − w)/R)^γ₊·(1 + σξ)`, down `down·((w − min)/R)^γ₋·(1 + σξ)`. Exponents are
//! `pow_gamma(G + r + min(pow_up_down, 0))` and `pow_gamma(G − r − max(pow_up_down, 0))` with
//! `G = 1 + pow_gamma_dtod·ξ`, `r = pow_up_down_dtod·ξ`. Source: aihwkit `rpu_powstep_device.cpp`; unlike there, the
//! power of a weight beyond the bound is that at the bound. The reference's power is NaN there, which sets the weight
//! to the lower bound.

use ohmgrad_tensor::Scalar;

use super::common::device_parameters;
use super::{Common, Crosspoint, Draw, Pulses, Step};
use crate::Error;
use crate::config::section::Rules;
use crate::config::unused::Unused;

device_parameters! {
    /// Steps that follow a power of the distance from the bound.
    #[derive(Copy)]
    #[doc(alias = "PowStepDevice")]
    [steps hidden] pub struct PowStep {
        /// Mean exponent.
        pow_gamma: f32 = 1.0, [>= 0.0];

        /// Spread of the exponent between devices, relative.
        pow_gamma_dtod: f32 = 0.1, [>= 0.0];

        /// Asymmetry of the exponents, as `up_down` of the steps.
        pow_up_down: f32 = 0.0;

        /// Spread of the exponents' asymmetry between devices.
        pow_up_down_dtod: f32 = 0.0, [>= 0.0];
    }
}

impl Rules for PowStep {
    fn rules(&self, at: &str) -> Result<(), Error> {
        self.shared().rules(at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared().without_effect(unused);
        note_exponents(unused, self.pow_gamma);
    }
}

/// Notes the spread and asymmetry of exponents if exponents are 0.
pub(super) fn note_exponents(unused: &mut Unused<'_>, gamma: f32) {
    unused.note("", &["pow_gamma_dtod", "pow_up_down", "pow_up_down_dtod"], gamma == 0.0, "pow_gamma is 0");
}

/// Parameters from which exponents are drawn.
pub(super) struct Exponents {
    pub(super) gamma: f32,
    pub(super) gamma_dtod: f32,
    pub(super) up_down: f32,
    pub(super) up_down_dtod: f32,
    pub(super) enforce_consistency: bool,
}

impl Exponents {
    /// Draws the exponents γ₊ and γ₋.
    pub(super) fn draw(&self, draw: &Draw) -> [Vec<f32>; 2] {
        let factors = draw.values("pow_gamma", |xi| 1.0 + self.gamma_dtod * xi);
        let apart = draw.values("pow_up_down", |xi| self.up_down_dtod * xi);
        let exponents = |sign: f32, bias: f32| {
            let drawn = factors.iter().zip(&apart).map(|(g, r)| self.gamma * (g + sign * r + bias));
            drawn.map(|gamma| if self.enforce_consistency { gamma.abs() } else { gamma }).collect()
        };
        [exponents(1.0, self.up_down.min(0.0)), exponents(-1.0, -self.up_down.max(0.0))]
    }
}

/// `xʸ` for x ≥ 0; x below 0 counts as 0.
#[inline(always)]
pub(super) fn power(x: f32, y: f32) -> f32 {
    if y == 1.0 {
        return if x > 0.0 { x } else { 0.0 };
    }
    let x = if x > 0.0 { x } else { 0.0 };
    if y == 0.0 { 1.0 } else { (y * x.logarithm()).exponential() }
}

/// The step up at `v`, without noise; exponents are the first two of the crosspoint's own values.
#[inline(always)]
pub(super) fn up(v: f32, at: &Crosspoint) -> f32 {
    let range = at.max - at.min;
    if range == 0.0 { 0.0 } else { at.up * power((at.max - v) / range, at.own[0]) }
}

/// The step down at `v`, as a magnitude.
#[inline(always)]
pub(super) fn down(v: f32, at: &Crosspoint) -> f32 {
    let range = at.max - at.min;
    if range == 0.0 { 0.0 } else { at.down * power((v - at.min) / range, at.own[1]) }
}

/// The granularity of power steps: the step in the middle of a symmetric range.
pub(super) fn granularity(dw_min: f32, gamma: f32) -> f32 {
    dw_min * power(0.5, gamma)
}

impl Step for PowStep {
    fn common(&self) -> Common {
        self.shared()
    }

    fn arrays(&self) -> &'static [&'static str] {
        &["gamma_up", "gamma_down"]
    }

    fn draw(&self, draw: &mut Draw) {
        let exponents = Exponents {
            gamma: self.pow_gamma,
            gamma_dtod: self.pow_gamma_dtod,
            up_down: self.pow_up_down,
            up_down_dtod: self.pow_up_down_dtod,
            enforce_consistency: self.enforce_consistency,
        };
        draw.own = exponents.draw(draw).into();
    }

    fn granularity(&self, _: Pulses) -> f32 {
        granularity(self.dw_min, self.pow_gamma)
    }

    #[inline(always)]
    fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        w + up(w, at) * (1.0 + noise)
    }

    #[inline(always)]
    fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        w - down(w, at) * (1.0 + noise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_library_nearly() {
        for x in [1e-6f32, 0.01, 0.3, 0.5, 0.999, 1.0] {
            for y in [0.0f32, 0.3, 1.0, 1.7, 3.0] {
                let (ours, theirs) = (power(x, y), x.powf(y));
                assert!((ours - theirs).abs() <= 4e-6 * theirs, "{x} {y}: {ours} {theirs}");
            }
        }
        assert_eq!((power(0.0, 1.3), power(-0.1, 1.3), power(-0.1, 1.0)), (0.0, 0.0, 0.0));
    }
}
