//! No device: exact updates, weights without bounds. Source: aihwkit `rpu_simple_device.cpp`.

use super::{Common, ConstantStep, Crosspoint, DriftParameter, Step};
use crate::config::section::{Rules, parameters};
use crate::config::unused::Unused;

parameters! {
    /// Exact updates.
    #[derive(Copy)]
    #[doc(alias("IdealDevice", "FloatingPointDevice"))]
    pub struct Ideal {
        /// Standard deviation of the random walk of a weight after each optimizer step.
        diffusion: f32 = 0.0, [>= 0.0];

        /// Number of optimizer steps after which a weight has decayed to about 1/e; 1 or less: no decay.
        lifetime: f32 = 0.0, [>= 0.0];

        /// Standard deviation of the weight after a reset.
        reset_std: f32 = 0.01, [>= 0.0];

        /// Drift of the weight over time.
        drift: DriftParameter = DriftParameter::default();
    }
}

impl Rules for Ideal {
    fn without_effect(&self, unused: &mut Unused<'_>) {
        unused.note("", &["lifetime"], self.lifetime <= 1.0, "it is not above 1");
    }
}

impl Ideal {
    /// The properties of a device that remain under [`PulseType::None`](crate::update::PulseType::None).
    pub(crate) fn instead_of(device: &dyn Step) -> Self {
        let Common { diffusion, lifetime, reset_std, drift, .. } = device.common();
        Self { diffusion, lifetime, reset_std, drift }
    }
}

impl Step for Ideal {
    fn common(&self) -> Common {
        Common {
            dw_min_dtod: 0.0,
            dw_min_std: 0.0,
            w_max_dtod: 0.0,
            w_min_dtod: 0.0,
            diffusion: self.diffusion,
            // A lifetime of a step or less does nothing to an ideal device, as in the reference.
            lifetime: if self.lifetime > 1.0 { self.lifetime } else { 0.0 },
            reset_std: self.reset_std,
            drift: self.drift,
            ..ConstantStep::default().common()
        }
    }

    fn up(&self, w: f32, at: &Crosspoint, _: f32) -> f32 {
        w + at.up
    }

    fn down(&self, w: f32, at: &Crosspoint, _: f32) -> f32 {
        w - at.down
    }

    fn is_ideal(&self) -> bool {
        true
    }
}
