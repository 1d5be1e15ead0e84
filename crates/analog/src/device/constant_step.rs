//! Steps of one size at every weight, cut at the bounds (Gokmen & Vlasov, Front. Neurosci. 10, 333 (2016)).
//!
//! Up `w + up·(1 + σξ)`, down `w − down·(1 + σξ)`. Source: aihwkit `rpu_constantstep_device.cpp`.

use super::common::device_parameters;
use super::{Common, Crosspoint, Step};
use crate::Error;
use crate::config::section::Rules;
use crate::config::unused::Unused;

device_parameters! {
    /// Steps of one size.
    #[derive(Copy)]
    #[doc(alias = "ConstantStepDevice")]
    [steps visible] pub struct ConstantStep {}
}

impl Rules for ConstantStep {
    fn rules(&self, at: &str) -> Result<(), Error> {
        self.shared().rules(at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared().without_effect(unused);
    }
}

impl Step for ConstantStep {
    fn common(&self) -> Common {
        self.shared()
    }

    #[inline(always)]
    fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        w + at.up * (1.0 + noise)
    }

    #[inline(always)]
    fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        w - at.down * (1.0 + noise)
    }

    #[inline(always)]
    fn adds_up(&self) -> bool {
        true
    }
}
