//! Parameters that all pulsed devices share, under the reference's names (aihwkit `PulsedDevice`,
//! `rpu_pulsed_device.h`).

use super::DriftParameter;
use crate::Error;
use crate::config::setting::{Setting, invalid, join};
use crate::config::unused::Unused;

/// The parameters that all devices share, as a device's [`Step::common`](super::Step::common) gives them.
///
/// A crosspoint's values are drawn once, when its tile is built: a spread between devices (`dtod`) of 0.1 is a standard
/// deviation of 10 % unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are documented where a device lists them")]
pub struct Common {
    pub dw_min: f32,
    pub dw_min_dtod: f32,
    pub dw_min_dtod_log_normal: bool,
    pub dw_min_std: f32,
    pub up_down: f32,
    pub up_down_dtod: f32,
    pub w_max: f32,
    pub w_max_dtod: f32,
    pub w_min: f32,
    pub w_min_dtod: f32,
    pub enforce_consistency: bool,
    pub corrupt_devices_prob: f32,
    pub corrupt_devices_range: f32,
    pub perfect_bias: bool,
    pub diffusion: f32,
    pub diffusion_dtod: f32,
    pub lifetime: f32,
    pub lifetime_dtod: f32,
    pub reset: f32,
    pub reset_dtod: f32,
    pub reset_std: f32,
    pub drift: DriftParameter,
    pub write_noise_std: f32,
    pub apply_write_noise_on_set: bool,
}

impl Common {
    /// The standard deviation of the noise that a write adds to the weight in reads.
    pub fn write_noise(&self) -> f32 {
        self.write_noise_std * self.dw_min
    }

    /// Notes those of the shared fields that have no effect.
    pub(crate) fn without_effect(&self, unused: &mut Unused<'_>) {
        let alike = |field: &str, value: f32| (value == 0.0, format!("{field} is 0"));
        for (fields, (is_off, reason)) in [
            (["dw_min_dtod_log_normal"], alike("dw_min_dtod", self.dw_min_dtod)),
            (["corrupt_devices_range"], alike("corrupt_devices_prob", self.corrupt_devices_prob)),
            (["diffusion_dtod"], alike("diffusion", self.diffusion)),
            (["lifetime_dtod"], alike("lifetime", self.lifetime)),
            (["apply_write_noise_on_set"], alike("write_noise_std", self.write_noise_std)),
        ] {
            unused.note("", &fields, is_off, reason);
        }
    }

    /// Rules between the shared fields.
    pub(crate) fn rules(&self, at: &str) -> Result<(), Error> {
        if self.write_noise_std > 0.0 && self.write_noise() <= 0.0 {
            let allowed = "0 while dw_min is 0";
            return Err(invalid(&join(at, "write_noise_std"), &self.write_noise_std.get(), allowed));
        }
        Ok(())
    }
}

/// Defines a device's section: the fields of the groups that it names (`steps`, `hidden` for hidden weights), its own
/// fields, and those that all devices have; and the function `shared`, which makes a [`Common`] from them.
macro_rules! device_parameters {
    (
        $(#[$meta:meta])*
        [$($group:ident)*] pub struct $name:ident { $($own:tt)* }
    ) => {
        $crate::device::common::device_parameters! {
            @ $name [$($group)*] [$(#[$meta])*] [$($own)*]
        }
    };
    (@ $name:ident [steps $($group:ident)*] $meta:tt [$($own:tt)*]) => {
        $crate::device::common::device_parameters! {
            @ $name [$($group)*] $meta [
                /// Mean weight change of a pulse, in units of the tile weights.
                dw_min: f32 = 0.001, [>= 0.0];

                /// Asymmetry of up and down: above 0 down steps are smaller by this fraction, below 0 up steps are.
                /// Only the weaker direction changes, as in the reference's code (by its documentation both change).
                up_down: f32 = 0.0;

                /// Mean upper bound of the weight.
                w_max: f32 = 0.6, [>= 0.0];

                /// Mean lower bound of the weight.
                w_min: f32 = -0.6, [<= 0.0];

                $($own)*
            ]
        }
        impl $name {
            fn steps(&self) -> [f32; 4] {
                [self.dw_min, self.up_down, self.w_max, self.w_min]
            }
        }
    };
    (@ $name:ident [hidden $($group:ident)*] $meta:tt [$($own:tt)*]) => {
        $crate::device::common::device_parameters! {
            @ $name [$($group)*] $meta [
                $($own)*

                /// Standard deviation of the noise that a write adds to the weight in reads, in units of `dw_min`.
                /// Above 0 pulses act on a hidden weight, and the noise of its reads is drawn anew with every write.
                write_noise_std: f32 = 0.0, [>= 0.0];

                /// Applies the noise of a write also when weights are set.
                apply_write_noise_on_set: bool = true;
            ]
        }
        impl $name {
            fn hidden(&self) -> (f32, bool) {
                (self.write_noise_std, self.apply_write_noise_on_set)
            }
        }
    };
    (@ $name:ident [visible] $meta:tt $own:tt) => {
        $crate::device::common::device_parameters! { @ $name [] $meta $own }
        impl $name {
            fn hidden(&self) -> (f32, bool) {
                (0.0, true)
            }
        }
    };
    (@ $name:ident [] [$(#[$meta:meta])*] [$($own:tt)*]) => {
        $crate::config::section::parameters! {
            $(#[$meta])*
            pub struct $name {
                $($own)*

                /// Spread of the step between devices, one for both directions.
                dw_min_dtod: f32 = 0.3, [>= 0.0];

                /// Makes the spread log-normal: factors `exp(dw_min_dtod·ξ)`.
                dw_min_dtod_log_normal: bool = false;

                /// Noise of each pulse, a standard deviation relative to the step.
                dw_min_std: f32 = 0.3, [>= 0.0];

                /// Spread of the asymmetry between devices.
                up_down_dtod: f32 = 0.01, [>= 0.0];

                /// Spread of the upper bound between devices.
                w_max_dtod: f32 = 0.3, [>= 0.0];

                /// Spread of the lower bound between devices.
                w_min_dtod: f32 = 0.3, [>= 0.0];

                /// Takes the magnitudes of drawn steps, and makes upper bounds at least 0 and lower bounds at most 0.
                enforce_consistency: bool = true;

                /// Probability that a device is stuck at a value and has no steps.
                corrupt_devices_prob: f32 = 0.0, [0.0..=1.0];

                /// Largest magnitude of the value of a stuck device.
                corrupt_devices_range: f32 = 0.1, [>= 0.0];

                /// Leaves steps and bounds of the last column, the bias, without variations, and makes these bounds a
                /// hundred times as wide. Needs an analog bias.
                perfect_bias: bool = false;

                /// Standard deviation of the random walk of a weight after each optimizer step.
                diffusion: f32 = 0.0, [>= 0.0];

                /// Spread of the diffusion between devices.
                diffusion_dtod: f32 = 0.0, [>= 0.0];

                /// Number of optimizer steps after which a weight has decayed to about 1/e; 0: no decay.
                lifetime: f32 = 0.0, [>= 0.0];

                /// Spread of the lifetime between devices.
                lifetime_dtod: f32 = 0.0, [>= 0.0];

                /// Mean weight after a reset; weights also decay towards it.
                reset: f32 = 0.0;

                /// Spread between devices of the weight after a reset, absolute, as in the reference's code.
                reset_dtod: f32 = 0.0, [>= 0.0];

                /// Standard deviation of the weight after a reset, drawn anew at each reset.
                reset_std: f32 = 0.01, [>= 0.0];

                /// Drift of the weight over time.
                drift: $crate::device::DriftParameter = $crate::device::DriftParameter::default();
            }
        }

        impl $name {
            fn shared(&self) -> $crate::device::Common {
                let [dw_min, up_down, w_max, w_min] = self.steps();
                let (write_noise_std, apply_write_noise_on_set) = self.hidden();
                $crate::device::Common {
                    dw_min,
                    dw_min_dtod: self.dw_min_dtod,
                    dw_min_dtod_log_normal: self.dw_min_dtod_log_normal,
                    dw_min_std: self.dw_min_std,
                    up_down,
                    up_down_dtod: self.up_down_dtod,
                    w_max,
                    w_max_dtod: self.w_max_dtod,
                    w_min,
                    w_min_dtod: self.w_min_dtod,
                    enforce_consistency: self.enforce_consistency,
                    corrupt_devices_prob: self.corrupt_devices_prob,
                    corrupt_devices_range: self.corrupt_devices_range,
                    perfect_bias: self.perfect_bias,
                    diffusion: self.diffusion,
                    diffusion_dtod: self.diffusion_dtod,
                    lifetime: self.lifetime,
                    lifetime_dtod: self.lifetime_dtod,
                    reset: self.reset,
                    reset_dtod: self.reset_dtod,
                    reset_std: self.reset_std,
                    drift: self.drift,
                    write_noise_std,
                    apply_write_noise_on_set,
                }
            }
        }
    };
}
pub(crate) use device_parameters;
