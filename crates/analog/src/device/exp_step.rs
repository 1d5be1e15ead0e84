//! Steps that change exponentially with the weight, fitted to resistive memory (Gong et al., Nat. Commun. 9, 2102
//! (2018)).
//!
//! With `z = 2a·w/(max − min) + b`: up `up·[1 − A_up·e^(gamma_up·z)]⁺(1 + σξ)`, down
//! `down·[1 − A_down·e^(−gamma_down·z)]⁺(1 + σξ)`. With `dw_min_std_add` or `dw_min_std_slope` the noise of a step Δ is
//! `σ(|Δ| + dw_min_std_add + dw_min_std_slope·|w|)ξ`. Source: aihwkit `rpu_expstep_device.cpp`.

use ohmgrad_tensor::Scalar;

use super::common::device_parameters;
use super::{Common, Crosspoint, Pulses, Step};
use crate::Error;
use crate::config::section::Rules;
use crate::config::unused::Unused;

device_parameters! {
    /// Steps that change exponentially with the weight.
    #[derive(Copy)]
    #[doc(alias = "ExpStepDevice")]
    [steps hidden] pub struct ExpStep {
        /// Factor of the exponential of up steps.
        a_up as "A_up": f32 = 0.00081;

        /// Factor of the exponential of down steps.
        a_down as "A_down": f32 = 0.36833;

        /// Exponent of up steps.
        gamma_up: f32 = 12.44625;

        /// Exponent of down steps.
        gamma_down: f32 = 12.78785;

        /// Scale of the weight in the exponent.
        a: f32 = 0.244;

        /// Offset of the weight in the exponent.
        b: f32 = 0.2425;

        /// Constant part of the noise of a pulse, in units of the weight; multiplied by `dw_min_std`.
        dw_min_std_add: f32 = 0.0, [>= 0.0];

        /// Part of the noise of a pulse that is proportional to |w|, as a factor; multiplied by `dw_min_std`.
        dw_min_std_slope: f32 = 0.0, [>= 0.0];

        /// `true`: the granularity is the down step at w = 0, as in the reference. `false`: it is the mean of both
        /// steps, or the up step of devices that are only pulsed up.
        reference_granularity: bool = false;
    }
}

impl Rules for ExpStep {
    fn rules(&self, at: &str) -> Result<(), Error> {
        self.shared().rules(at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared().without_effect(unused);
        let fields = ["dw_min_std_add", "dw_min_std_slope"];
        unused.note("", &fields, self.dw_min_std == 0.0, "dw_min_std is 0");
        unused.note("", &["gamma_up"], self.a_up == 0.0, "A_up is 0");
        unused.note("", &["gamma_down"], self.a_down == 0.0, "A_down is 0");
    }
}

impl ExpStep {
    /// The size of a step up or down, in units of the mean step, at `z`.
    #[inline(always)]
    fn sizes(&self, z: f32, up: bool) -> f32 {
        let size = match up {
            true => 1.0 - self.a_up * (self.gamma_up * z).exponential(),
            false => 1.0 - self.a_down * (-self.gamma_down * z).exponential(),
        };
        if size > 0.0 { size } else { 0.0 }
    }

    #[inline(always)]
    fn step(&self, w: f32, at: &Crosspoint, noise: f32, up: bool) -> f32 {
        let range = at.max - at.min;
        if range <= 0.0 {
            return w;
        }
        let size = self.sizes(2.0 * self.a * w / range + self.b, up);
        let step = size * if up { at.up } else { -at.down };
        if self.dw_min_std_add == 0.0 && self.dw_min_std_slope == 0.0 {
            return w + step * (1.0 + noise);
        }
        w + step + noise * (step.abs() + self.dw_min_std_add + self.dw_min_std_slope * w.abs())
    }
}

impl Step for ExpStep {
    fn common(&self) -> Common {
        self.shared()
    }

    fn granularity(&self, pulses: Pulses) -> f32 {
        let up = self.dw_min * self.sizes(self.b, true) * (1.0 + self.up_down.min(0.0));
        let down = self.dw_min * self.sizes(self.b, false) * (1.0 - self.up_down.max(0.0));
        let g = match pulses {
            _ if self.reference_granularity => down,
            Pulses::Both => (up + down) / 2.0,
            Pulses::Up => up,
        };
        if g > 0.0 { g } else { self.dw_min }
    }

    #[inline(always)]
    fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        self.step(w, at, noise, true)
    }

    #[inline(always)]
    fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        self.step(w, at, noise, false)
    }
}
