//! Steps that vanish linearly towards the bounds: [`LinearStep`](super::LinearStep) with slopes of 1 at each
//! crosspoint's own bounds, `w + up(1 − w/max)(1 + σξ)` (Fusi & Abbott, Nat. Neurosci. 10, 485 (2007)). A bound of 0
//! gives a constant step in its direction. Source: aihwkit `rpu_softbounds_device.h`.

use super::common::device_parameters;
use super::linear_step::{self, Slopes, check_reverse};
use super::{Common, Crosspoint, Draw, Step};
use crate::Error;
use crate::config::section::Rules;
use crate::config::unused::Unused;

device_parameters! {
    /// Steps that vanish linearly towards the bounds.
    #[derive(Copy)]
    #[doc(alias = "SoftBoundsDevice")]
    [steps hidden] pub struct SoftBounds {
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

impl Rules for SoftBounds {
    fn rules(&self, at: &str) -> Result<(), Error> {
        check_reverse(self.reverse_up, self.reverse_down, self.mult_noise, at)?;
        self.shared().rules(at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared().without_effect(unused);
        unused.note("", &["mult_noise"], self.dw_min_std == 0.0, "dw_min_std is 0");
        linear_step::note_reverse_offset(unused, [self.reverse_up, self.reverse_down]);
    }
}

impl Step for SoftBounds {
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

/// Slopes by which steps vanish at the bounds.
pub(super) fn slopes(reverse: [bool; 2], reverse_offset: f32) -> Slopes {
    Slopes { gamma: [(1.0, 0.0); 2], signed: false, bounds: None, reverse, reverse_offset }
}
