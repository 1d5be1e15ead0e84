//! Steps that change linearly with the weight.
//!
//! Up `w + (a₊w + up)(1 + σξ)`, down `w − (a₋w + down)(1 + σξ)` with slopes
//! `a₊ = −|gamma_up + gamma_up_dtod·ξ|·up/ref₊` and a₋ likewise; the reference ref₊ is `w_max`, or the crosspoint's own
//! bound. Additive noise acts on the constant part alone: `w + a₊w + up(1 + σξ)`. Source: aihwkit
//! `rpu_linearstep_device.cpp`.

use super::common::device_parameters;
use super::{Common, Crosspoint, Draw, Step};
use crate::Error;
use crate::config::section::Rules;
use crate::config::setting::{Setting, invalid, join};
use crate::config::unused::Unused;

device_parameters! {
    /// Steps that change linearly with the weight.
    #[derive(Copy)]
    #[doc(alias = "LinearStepDevice")]
    [steps hidden] pub struct LinearStep {
        /// Slope of up steps: the fraction by which a step is smaller at the upper bound than at 0.
        gamma_up: f32 = 0.0;

        /// Slope of down steps, towards the lower bound.
        gamma_down: f32 = 0.0;

        /// Spread of the slope of up steps between devices, absolute.
        gamma_up_dtod: f32 = 0.05, [>= 0.0];

        /// Spread of the slope of down steps between devices, absolute.
        gamma_down_dtod: f32 = 0.05, [>= 0.0];

        /// Allows steps that grow towards the bound, where the slope's spread makes the slope negative.
        allow_increasing: bool = false;

        /// Scales slopes by the mean bounds; `false`: by each crosspoint's own.
        mean_bound_reference: bool = true;

        /// Multiplies the whole step by the noise; `false`: its constant part alone.
        mult_noise: bool = true;

        /// Makes up steps grow towards the upper bound; the reference of their slope is just beyond the lower bound.
        reverse_up: bool = false;

        /// Makes down steps grow towards the lower bound.
        reverse_down: bool = false;

        /// Distance by which the reference of reversed steps lies beyond the other bound.
        reverse_offset: f32 = 0.01, [>= 0.0];
    }
}

impl Rules for LinearStep {
    fn rules(&self, at: &str) -> Result<(), Error> {
        check_reverse(self.reverse_up, self.reverse_down, self.mult_noise, at)?;
        self.shared().rules(at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared().without_effect(unused);
        let gammas = [self.gamma_up, self.gamma_down, self.gamma_up_dtod, self.gamma_down_dtod];
        let flat = gammas == [0.0; 4];
        unused.note("", &["allow_increasing", "mean_bound_reference"], flat, "steps have no slope");
        unused.note("", &["reverse_up", "reverse_down"], flat, "steps have no slope");
        unused.note("", &["mult_noise"], flat || self.dw_min_std == 0.0, "steps have no slope or dw_min_std is 0");
        note_reverse_offset(unused, [self.reverse_up, self.reverse_down]);
    }
}

/// Notes the offset of reversed steps where there are none.
pub(super) fn note_reverse_offset(unused: &mut Unused<'_>, reverse: [bool; 2]) {
    unused.note("", &["reverse_offset"], reverse == [false; 2], "reverse_up and reverse_down are off");
}

/// Checks that reversed steps have multiplicative noise.
pub(super) fn check_reverse(up: bool, down: bool, mult_noise: bool, at: &str) -> Result<(), Error> {
    match [("reverse_up", up), ("reverse_down", down)].into_iter().find(|(_, on)| *on && !mult_noise) {
        None => Ok(()),
        Some((field, on)) => Err(invalid(&join(at, field), &on.get(), "false unless mult_noise is true")),
    }
}

/// Parameters of slopes.
pub(super) struct Slopes {
    /// Mean and spread, up and down.
    pub(super) gamma: [(f32, f32); 2],
    /// `true` if slopes keep their sign.
    pub(super) signed: bool,
    /// The bounds they refer to, if not each crosspoint's own: upper and lower.
    pub(super) bounds: Option<(f32, f32)>,
    pub(super) reverse: [bool; 2],
    pub(super) reverse_offset: f32,
}

impl Slopes {
    /// Draws the slopes a₊ and a₋.
    pub(super) fn draw(&self, draw: &mut Draw) {
        let drawn = |name, (mean, dtod): (f32, f32)| {
            draw.values(name, |xi| {
                let gamma = mean + dtod * xi;
                if self.signed { gamma } else { gamma.abs() }
            })
        };
        let [mut up, mut down] = [drawn("gamma_up", self.gamma[0]), drawn("gamma_down", self.gamma[1])];
        let slope =
            |gamma: f32, step: f32, reference: f32| if reference == 0.0 { 0.0 } else { -gamma * step / reference };
        for i in 0..draw.len() {
            let (upper, lower) = self.bounds.unwrap_or((draw.max[i], draw.min[i]));
            let above = if self.reverse[0] { lower - self.reverse_offset } else { upper };
            let below = if self.reverse[1] { upper + self.reverse_offset } else { lower };
            up[i] = slope(up[i], draw.up[i], above);
            down[i] = slope(down[i], draw.down[i], below);
        }
        draw.own = vec![up, down];
    }
}

/// The weight after a pulse up, for all linear devices.
#[inline(always)]
pub(super) fn up(mult_noise: bool, w: f32, at: &Crosspoint, noise: f32) -> f32 {
    let slope = at.own[0] * w;
    if mult_noise { w + (slope + at.up) * (1.0 + noise) } else { w + slope + at.up * (1.0 + noise) }
}

/// The weight after a pulse down, for all linear devices.
#[inline(always)]
pub(super) fn down(mult_noise: bool, w: f32, at: &Crosspoint, noise: f32) -> f32 {
    let slope = at.own[1] * w;
    if mult_noise { w - (slope + at.down) * (1.0 + noise) } else { w - slope - at.down * (1.0 + noise) }
}

impl Step for LinearStep {
    fn common(&self) -> Common {
        self.shared()
    }

    fn arrays(&self) -> &'static [&'static str] {
        &["slope_up", "slope_down"]
    }

    fn draw(&self, draw: &mut Draw) {
        Slopes {
            gamma: [(self.gamma_up, self.gamma_up_dtod), (self.gamma_down, self.gamma_down_dtod)],
            signed: self.allow_increasing,
            bounds: self.mean_bound_reference.then_some((self.w_max, self.w_min)),
            reverse: [self.reverse_up, self.reverse_down],
            reverse_offset: self.reverse_offset,
        }
        .draw(draw);
    }

    #[inline(always)]
    fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        up(self.mult_noise, w, at, noise)
    }

    #[inline(always)]
    fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        down(self.mult_noise, w, at, noise)
    }
}
