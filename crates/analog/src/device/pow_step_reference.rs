//! [`PowStep`](super::PowStep) with a reference device r that is subtracted: pulses act on `v = w + r`.
//!
//! With `subtract_symmetry_point` the crosspoint's symmetry point, which is found by alternating pulses from 0, is
//! added to r. Source: aihwkit `rpu_powstep_reference_device.cpp`; unlike there, a reset sets w itself to the reset
//! value, with or without `subtract_symmetry_point`.

use super::common::device_parameters;
use super::pow_step::{self, Exponents};
use super::{Common, Crosspoint, Draw, Pulses, Step};
use crate::Error;
use crate::config::section::Rules;
use crate::config::unused::Unused;

device_parameters! {
    /// Power steps with a reference device.
    #[derive(Copy)]
    #[doc(alias = "PowStepReferenceDevice")]
    [steps visible] pub struct PowStepReference {
        /// Mean exponent.
        pow_gamma: f32 = 1.0, [>= 0.0];

        /// Spread of the exponent between devices, relative.
        pow_gamma_dtod: f32 = 0.1, [>= 0.0];

        /// Asymmetry of the exponents, as `up_down` of the steps.
        pow_up_down: f32 = 0.0;

        /// Spread of the exponents' asymmetry between devices.
        pow_up_down_dtod: f32 = 0.0, [>= 0.0];

        /// Mean of the reference device.
        reference_mean: f32 = 0.0;

        /// Spread of the reference between devices, absolute.
        reference_std: f32 = 0.0, [>= 0.0];

        /// Adds each device's symmetry point to its reference, so that the symmetry point of w is 0.
        subtract_symmetry_point: bool = false;

        /// Pairs of pulses by which the symmetry point is found; ≤ 0: ten times the pulses from bound to bound, at most
        /// 10000.
        n_estimation_steps: i64 = -1;
    }
}

impl Rules for PowStepReference {
    fn rules(&self, at: &str) -> Result<(), Error> {
        self.shared().rules(at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared().without_effect(unused);
        pow_step::note_exponents(unused, self.pow_gamma);
        unused.note("", &["n_estimation_steps"], !self.subtract_symmetry_point, "subtract_symmetry_point is off");
    }
}

impl PowStepReference {
    /// The symmetry point of a crosspoint, by alternating pulses from 0.
    fn symmetry_point(&self, at: &Crosspoint) -> f32 {
        let range = at.max - at.min;
        if range <= 0.0 {
            return 0.0;
        }
        let pairs = match self.n_estimation_steps {
            n if n > 0 => n as u64,
            _ => (10.0 * range / at.up.min(at.down)).round_ties_even().min(10_000.0) as u64,
        };
        let mut v = 0.0;
        for _ in 0..pairs {
            let next = v + pow_step::up(v, at) - pow_step::down(v, at);
            if next == v {
                break;
            }
            v = next;
        }
        v
    }
}

impl Step for PowStepReference {
    fn common(&self) -> Common {
        self.shared()
    }

    fn arrays(&self) -> &'static [&'static str] {
        &["gamma_up", "gamma_down", "reference"]
    }

    fn draw(&self, draw: &mut Draw) {
        let exponents = Exponents {
            gamma: self.pow_gamma,
            gamma_dtod: self.pow_gamma_dtod,
            up_down: self.pow_up_down,
            up_down_dtod: self.pow_up_down_dtod,
            enforce_consistency: self.enforce_consistency,
        };
        let [up, down] = exponents.draw(draw);
        let mut reference = draw.values("reference", |xi| self.reference_mean + self.reference_std * xi);
        if self.subtract_symmetry_point {
            for (i, r) in reference.iter_mut().enumerate() {
                let at = Crosspoint {
                    max: draw.max[i],
                    min: draw.min[i],
                    up: draw.up[i],
                    down: draw.down[i],
                    own: [up[i], down[i], 0.0],
                };
                *r += self.symmetry_point(&at);
            }
        }
        draw.own = vec![up, down, reference];
    }

    fn granularity(&self, _: Pulses) -> f32 {
        pow_step::granularity(self.dw_min, self.pow_gamma)
    }

    #[inline(always)]
    fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        w + pow_step::up(w + at.own[2], at) * (1.0 + noise)
    }

    #[inline(always)]
    fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        w - pow_step::down(w + at.own[2], at) * (1.0 + noise)
    }

    #[inline(always)]
    fn bounds(&self, at: &Crosspoint) -> (f32, f32) {
        (at.min - at.own[2], at.max - at.own[2])
    }
}
