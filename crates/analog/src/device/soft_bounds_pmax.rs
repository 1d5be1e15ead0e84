//! Soft bounds given by the number of pulses from one end of the range to the other, as in reports of measured
//! responses.
//!
//! With `F = (range_max − range_min)/(1 − e^(−p_max·alpha))`: `w_min = range_min`, `w_max = range_min + F`,
//! `dw_min = F·alpha`, `up_down = 1 + 2·range_min/F`. Source: aihwkit `SoftBoundsPmaxDevice`.

use ohmgrad_tensor::Scalar;

use super::common::device_parameters;
use super::linear_step::{self, check_reverse};
use super::soft_bounds::slopes;
use super::{Common, Crosspoint, Draw, Step};
use crate::Error;
use crate::config::section::Rules;
use crate::config::setting::{Setting, invalid, join};
use crate::config::unused::Unused;

device_parameters! {
    /// Soft bounds, given by the number of pulses. The parameters are nominal: they assume steps of
    /// dw_min·(1 ± up_down)/2 at a weight of 0. As in the reference, the steps are larger: dw_min in the stronger
    /// direction, dw_min·(1 − |up_down|) in the weaker one. By default `p_max` pulses lead from −1 to 1.36.
    #[derive(Copy)]
    #[doc(alias = "SoftBoundsPmaxDevice")]
    [hidden] pub struct SoftBoundsPmax {
        /// Nominal number of pulses from `range_min` to `range_max`.
        p_max: u32 = 1000;

        /// Nominal saturation per pulse: after p pulses a fraction `1 − e^(−alpha·p)` of the way to the bound is done.
        alpha: f32 = 0.0005, [> 0.0];

        /// Weight before the first pulse.
        range_min: f32 = -1.0, [<= 0.0];

        /// Nominal weight after `p_max` pulses.
        range_max: f32 = 1.0, [>= 0.0];

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

impl SoftBoundsPmax {
    /// dw_min, up_down, w_max and w_min.
    fn steps(&self) -> [f32; 4] {
        let range = (self.range_max - self.range_min) / (1.0 - (-(self.p_max as f32) * self.alpha).exponential());
        [range * self.alpha, 1.0 + 2.0 * self.range_min / range, self.range_min + range, self.range_min]
    }
}

impl Rules for SoftBoundsPmax {
    fn rules(&self, at: &str) -> Result<(), Error> {
        if self.p_max == 0 {
            return Err(invalid(&join(at, "p_max"), &self.p_max.get(), "at least 1"));
        }
        if self.range_max <= self.range_min {
            return Err(invalid(&join(at, "range_max"), &self.range_max.get(), "above range_min"));
        }
        check_reverse(self.reverse_up, self.reverse_down, self.mult_noise, at)?;
        self.shared().rules(at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared().without_effect(unused);
        unused.note("", &["mult_noise"], self.dw_min_std == 0.0, "dw_min_std is 0");
        linear_step::note_reverse_offset(unused, [self.reverse_up, self.reverse_down]);
    }
}

impl Step for SoftBoundsPmax {
    fn common(&self) -> Common {
        self.shared()
    }

    fn arrays(&self) -> &'static [&'static str] {
        &["slope_up", "slope_down"]
    }

    fn draw(&self, draw: &mut Draw) {
        slopes([self.reverse_up, self.reverse_down], self.reverse_offset).draw(draw);
    }

    #[inline(always)]
    fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        linear_step::up(self.mult_noise, w, at, noise)
    }

    #[inline(always)]
    fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        linear_step::down(self.mult_noise, w, at, noise)
    }
}
