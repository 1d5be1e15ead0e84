//! Parameters by which gradients become pulses: aihwkit `UpdateParameters` and `rpu_pulsed_meta_parameter.cpp`.

use crate::Error;
use crate::config::choice::choices;
use crate::config::section::{Rules, parameters};
use crate::config::setting::{Setting, invalid, join};
use crate::config::unused::Unused;

choices! {
    /// Rules by which the pulses of one sample are made from its lines.
    pub enum PulseType {
        /// No pulses and no device: the exact product of the whole batch, without bounds or cells.
        None = "NONE",
        /// As `StochasticCompressed`, in distribution: the reference sends positive and negative inputs in two trains.
        Stochastic = "STOCHASTIC",
        /// Each line sends a train of independent bits; a crosspoint gets a pulse where both of its lines are set.
        StochasticCompressed = "STOCHASTIC_COMPRESSED",
        /// The exact rank-1 update of each sample on the device that would be pulsed, clipped to its bounds.
        NoneWithDevice = "NONE_WITH_DEVICE",
        /// The number of pulses is the product of both lines' rounded mean counts over the length, rounded.
        MeanCount = "MEAN_COUNT",
        /// The number of pulses is the rounded product of both probabilities and the length.
        DeterministicImplicit = "DETERMINISTIC_IMPLICIT",
    }
}

parameters! {
    /// Parameters by which the outer product of inputs `x` and output gradients `d` becomes trains of pulses.
    ///
    /// ```
    /// use ohmgrad_analog::update::UpdateParameters;
    ///
    /// let one_pulse = UpdateParameters::single_pulse();
    /// assert_eq!(
    ///     one_pulse.to_string(),
    ///     "UpdateParameters: desired_bl = 1, update_bl_management = false, update_management = false"
    /// );
    /// ```
    #[derive(Copy)]
    pub struct UpdateParameters {
        /// Rule by which pulses are made from the lines.
        pulse_type: PulseType = PulseType::StochasticCompressed;

        /// Length of the trains in pulses, at least 1; with `update_bl_management` the greatest length.
        desired_bl: u32 = 31;

        /// Keeps the length `desired_bl` without `update_bl_management`; `false` makes longer trains for large rates.
        fixed_bl: bool = true;

        /// Derives the length of each sample's trains from its largest `|x|` and `|d|`. Switches `update_management`
        /// on.
        update_bl_management: bool = true;

        /// Makes the largest probabilities of x lines and d lines equal.
        update_management: bool = true;

        /// Factor α of the largest `|d|` in `update_management`: below 1 clips large gradients earlier.
        um_grad_scale: f32 = 1.0, [> 0.0];

        /// Step of the probabilities, except for `DETERMINISTIC_IMPLICIT`; above 1: the number of steps; ≤ 0: no
        /// rounding. The reference uses a value above 1 as the step itself, and then sends no pulse.
        res: f32 = 0.0;

        /// Step of x lines for `DETERMINISTIC_IMPLICIT`, as `res`.
        x_res_implicit: f32 = 0.0;

        /// Step of d lines for `DETERMINISTIC_IMPLICIT`, as `res`.
        d_res_implicit: f32 = 0.0;

        /// Rounds probabilities stochastically.
        sto_round: bool = false;
    }
}

impl Rules for UpdateParameters {
    fn rules(&self, at: &str) -> Result<(), Error> {
        match self.desired_bl {
            1..=MAX_BL => Ok(()),
            length => Err(invalid(&join(at, "desired_bl"), &length.get(), format!("from 1 to {MAX_BL}"))),
        }
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        let kind = format!("pulse_type is {}", self.pulse_type);
        if matches!(self.pulse_type, PulseType::None | PulseType::NoneWithDevice) {
            // Buffers of transfer cells are still limited by the length.
            return unused.note_all_but("", &["pulse_type", "desired_bl"], true, kind);
        }
        let managed = self.update_bl_management;
        unused.note("", &["fixed_bl", "update_management"], managed, "update_bl_management is on");
        unused.note("", &["um_grad_scale"], !managed && !self.update_management, "update_management is off");
        let implicit = self.pulse_type == PulseType::DeterministicImplicit;
        unused.note("", &["res"], implicit, &kind);
        unused.note("", &["x_res_implicit", "d_res_implicit"], !implicit, &kind);
        let rounded = if implicit { self.x_res_implicit > 0.0 || self.d_res_implicit > 0.0 } else { self.res > 0.0 };
        unused.note("", &["sto_round"], !rounded, "probabilities are not rounded");
    }
}

/// The longest train.
pub(crate) const MAX_BL: u32 = 1 << 20;

impl UpdateParameters {
    /// One pulse, for writes of transfer compounds: if the rate of a write is the granularity, the pulse is certain for
    /// changes of at least the granularity.
    pub fn single_pulse() -> Self {
        Self { desired_bl: 1, update_bl_management: false, update_management: false, ..Default::default() }
    }

    /// One line for a trace.
    pub(crate) fn summary(&self) -> String {
        let Self { pulse_type, desired_bl, update_bl_management, .. } = self;
        match (self.is_exact(), update_bl_management) {
            (true, _) => "exact".into(),
            (false, true) => format!("{pulse_type}, up to {desired_bl} pulses"),
            (false, false) => format!("{pulse_type}, {desired_bl} pulses"),
        }
    }

    /// Returns `true` if no device takes part: updates are exact.
    pub fn is_exact(&self) -> bool {
        self.pulse_type == PulseType::None
    }
}

/// A step from a field that holds a step, or a number of steps.
pub(crate) fn step(res: f32) -> f32 {
    if res > 1.0 { 1.0 / res } else { res }
}
