//! Soft bounds with a reference device r that is subtracted: pulses act on `v = w + r`.
//!
//! Up `v + up(1 − v/max + σξ)` (additive noise) or `v + up(1 − v/max)(1 + σξ)`, down likewise with min; v stays in
//! [min, max]. Up steps are constant if max ≤ 0, down steps if min ≥ 0. Otherwise max is divided by
//! `|1 + slope_up_dtod·ξ|` and min likewise, and with `subtract_symmetry_point` the crosspoint's symmetry point,
//! `(up − down)/(up/max − down/min)`, is added to r. Source: aihwkit `rpu_softbounds_reference_device.cpp`; unlike
//! there, a reset sets w itself to the reset value, with or without `subtract_symmetry_point`.

use super::common::device_parameters;
use super::{Common, Crosspoint, Draw, Step};
use crate::Error;
use crate::config::section::Rules;
use crate::config::unused::Unused;

device_parameters! {
    /// Soft bounds with a reference device.
    #[derive(Copy)]
    #[doc(alias = "SoftBoundsReferenceDevice")]
    [steps hidden] pub struct SoftBoundsReference {
        /// Spread of the slope of up steps between devices, which moves the upper bound.
        slope_up_dtod: f32 = 0.0, [>= 0.0];

        /// Spread of the slope of down steps between devices, which moves the lower bound.
        slope_down_dtod: f32 = 0.0, [>= 0.0];

        /// Mean of the reference device.
        reference_mean: f32 = 0.0;

        /// Spread of the reference between devices, absolute.
        reference_std: f32 = 0.0, [>= 0.0];

        /// Adds each device's symmetry point to its reference, so that the symmetry point of w is 0.
        subtract_symmetry_point: bool = false;

        /// Multiplies the whole step by the noise; `false`: the noise is that of a step at v = 0 everywhere.
        mult_noise: bool = false;
    }
}

impl Rules for SoftBoundsReference {
    fn rules(&self, at: &str) -> Result<(), Error> {
        self.shared().rules(at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared().without_effect(unused);
        unused.note("", &["mult_noise"], self.dw_min_std == 0.0, "dw_min_std is 0");
    }
}

impl Step for SoftBoundsReference {
    fn common(&self) -> Common {
        self.shared()
    }

    fn arrays(&self) -> &'static [&'static str] {
        &["reference"]
    }

    fn draw(&self, draw: &mut Draw) {
        let slope = |name, dtod: f32| draw.values(name, |xi| (1.0 + dtod * xi).abs());
        let (up, down) = (slope("slope_up", self.slope_up_dtod), slope("slope_down", self.slope_down_dtod));
        let mut reference = draw.values("reference", |xi| self.reference_mean + self.reference_std * xi);
        for (i, r) in reference.iter_mut().enumerate() {
            if draw.max[i] > 0.0 && draw.min[i] < 0.0 {
                draw.max[i] /= up[i];
                draw.min[i] /= down[i];
                if self.subtract_symmetry_point {
                    let (up, down) = (draw.up[i], draw.down[i]);
                    let slopes = up / draw.max[i] - down / draw.min[i];
                    *r += if slopes == 0.0 { 0.0 } else { (up - down) / slopes };
                }
            }
        }
        draw.own = vec![reference];
    }

    #[inline(always)]
    fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        let v = w + at.own[0];
        let step = if at.max > 0.0 { 1.0 - v / at.max } else { 1.0 };
        w + at.up * if self.mult_noise { step * (1.0 + noise) } else { step + noise }
    }

    #[inline(always)]
    fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        let v = w + at.own[0];
        let step = if at.min < 0.0 { 1.0 - v / at.min } else { 1.0 };
        w - at.down * if self.mult_noise { step * (1.0 + noise) } else { step + noise }
    }

    #[inline(always)]
    fn bounds(&self, at: &Crosspoint) -> (f32, f32) {
        (at.min - at.own[0], at.max - at.own[0])
    }
}
