//! Pulsed devices: the response of the conductance at a crosspoint to pulses.
//!
//! [`DeviceConfig`] chooses a device, [`DeviceArray`] holds the devices of a tile, and [`Step`] is the trait of a
//! device. `docs/devices.md` has all devices with their formulas.
//!
//! A device is a section of the configuration and its [`Step`], in one file; the other files are shared by all devices:
//!
//! | where is … | file |
//! |---|---|
//! | the shared parameters | `common.rs` |
//! | how crosspoints differ | `draw.rs` |
//! | hidden weights, decay, diffusion, reset | `array.rs` |
//! | drift | `drift.rs` |
//! | where up and down steps are equal | `symmetry.rs` |
//!
//! Units are those of the tile weights. Formulas, constants and names are the reference's (aihwkit 1.1,
//! `rpu_*_device.cpp`).

mod array;
mod changed;
pub(crate) mod common;
mod constant_step;
mod draw;
mod drift;
mod exp_step;
pub mod fit;
mod ideal;
mod linear_step;
mod piecewise_step;
mod pow_step;
mod pow_step_reference;
pub mod presets;
mod soft_bounds;
mod soft_bounds_pmax;
mod soft_bounds_reference;
mod symmetry;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use crate::Error;
use crate::config::class::classes;
use crate::config::setting::{Range, Setting};
use crate::update::{Job, pulse};

pub use array::DeviceArray;
pub(crate) use array::slice;
pub(crate) use changed::Changed;
pub use common::Common;
pub use constant_step::ConstantStep;
pub use draw::Draw;
pub use drift::DriftParameter;
pub use exp_step::ExpStep;
pub use ideal::Ideal;
pub use linear_step::LinearStep;
pub use piecewise_step::PiecewiseStep;
pub use pow_step::PowStep;
pub use pow_step_reference::PowStepReference;
pub use soft_bounds::SoftBounds;
pub use soft_bounds_pmax::SoftBoundsPmax;
pub use soft_bounds_reference::SoftBoundsReference;
pub use symmetry::symmetry_point;

/// The directions in which a device is pulsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulses {
    /// Up and down.
    Both,
    /// Up alone, as the devices of a one-sided pair are.
    Up,
}

/// The values that were drawn for one crosspoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crosspoint {
    /// Upper bound of the weight.
    pub max: f32,
    /// Lower bound of the weight.
    pub min: f32,
    /// Mean step up.
    pub up: f32,
    /// Mean step down, as a magnitude.
    pub down: f32,
    /// The device's own values, in the order of [`Step::arrays`].
    pub own: [f32; 3],
}

/// The response of a device to single pulses. A new device implements this trait and nothing else.
///
/// ```
/// use std::sync::Arc;
/// use ohmgrad_analog::device::{Common, ConstantStep, Crosspoint, DeviceArray, DeviceConfig, Step};
/// use ohmgrad_tensor::Key;
///
/// /// Steps that shrink with the magnitude of the weight.
/// #[derive(Debug)]
/// struct Tired;
///
/// impl Step for Tired {
///     fn common(&self) -> Common {
///         ConstantStep::default().common()
///     }
///     fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
///         w + at.up / (1.0 + w * w) * (1.0 + noise)
///     }
///     fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
///         w - at.down / (1.0 + w * w) * (1.0 + noise)
///     }
/// }
///
/// let devices = DeviceArray::new(&DeviceConfig::own(Tired), [4, 3], false, Key::new(1))?;
/// assert_eq!(devices.weights().shape(), [4, 3]);
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
pub trait Step: Debug + Send + Sync + std::panic::RefUnwindSafe {
    /// The parameters that all devices share.
    fn common(&self) -> Common;

    /// The names of the arrays that the device needs besides bounds and steps, three at most.
    fn arrays(&self) -> &'static [&'static str] {
        &[]
    }

    /// Draws the device's own arrays, to `draw.own`; bounds and steps are drawn already and may be changed.
    fn draw(&self, _draw: &mut Draw) {}

    /// The granularity: the mean weight change of a pulse, from which numbers of pulses are computed.
    fn granularity(&self, _pulses: Pulses) -> f32 {
        self.common().dw_min
    }

    /// The weight after a pulse up, before it is clipped; `noise` is the pulse's own, `dw_min_std·ξ`.
    fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32;

    /// The weight after a pulse down, before it is clipped.
    fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32;

    /// The bounds of the weight after a pulse, lower and upper.
    #[inline(always)]
    fn bounds(&self, at: &Crosspoint) -> (f32, f32) {
        (at.min, at.max)
    }

    /// Returns `true` if n pulses change any weight by n times one pulse, apart from bounds, so that the sum of their
    /// noise is one sample.
    #[inline(always)]
    fn adds_up(&self) -> bool {
        false
    }

    /// Returns `true` if there are no pulses: updates are exact and weights have no bounds.
    fn is_ideal(&self) -> bool {
        false
    }
}

/// A device with a kernel that is compiled for its steps; all types with [`Step`] implement it.
pub trait PulsedDevice: Step {
    /// Applies the pulses of a job.
    #[doc(hidden)]
    fn pulse(&self, job: Job<'_>);
}

impl<S: Step> PulsedDevice for S {
    fn pulse(&self, job: Job<'_>) {
        pulse(self, job);
    }
}

classes! {
    /// The device at each crosspoint.
    ///
    /// ```
    /// use ohmgrad_analog::device::{DeviceConfig, SoftBounds};
    ///
    /// let device: DeviceConfig = SoftBounds { dw_min: 0.002, ..Default::default() }.into();
    /// device.validate()?;
    /// let wrong = SoftBounds { w_max: -0.1, ..Default::default() };
    /// assert_eq!(wrong.validate().unwrap_err().to_string(), "w_max = -0.1: must be at least 0");
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    #[doc(alias = "PulsedDevice")]
    pub enum DeviceConfig of PulsedDevice {
        /// Steps of one size.
        ConstantStep(ConstantStep) = "ConstantStepDevice",
        /// Steps that change linearly with the weight.
        LinearStep(LinearStep) = "LinearStepDevice",
        /// Steps that vanish linearly towards the bounds.
        SoftBounds(SoftBounds) = "SoftBoundsDevice",
        /// Soft bounds, given by the number of pulses.
        SoftBoundsPmax(SoftBoundsPmax) = "SoftBoundsPmaxDevice",
        /// Soft bounds with a reference device.
        SoftBoundsReference(SoftBoundsReference) = "SoftBoundsReferenceDevice",
        /// Steps that change exponentially with the weight.
        ExpStep(ExpStep) = "ExpStepDevice",
        /// Steps that follow a power of the distance from the bound.
        PowStep(PowStep) = "PowStepDevice",
        /// Power steps with a reference device.
        PowStepReference(PowStepReference) = "PowStepReferenceDevice",
        /// Steps by linear interpolation of a table.
        PiecewiseStep(PiecewiseStep) = "PiecewiseStepDevice",
        /// Exact updates.
        Ideal(Ideal) = "IdealDevice",
    }
}

impl DeviceConfig {
    /// A custom device, which has no form in files.
    pub fn own(step: impl Step + 'static) -> Self {
        Self::Custom(std::sync::Arc::new(step))
    }

    /// The response of the device to pulses.
    pub fn step(&self) -> &dyn PulsedDevice {
        self.object().expect("every device has steps")
    }

    /// The granularity: the mean weight change of a pulse, from which numbers of pulses are computed.
    pub fn granularity(&self) -> f32 {
        self.step().granularity(Pulses::Both)
    }

    /// The number of states: the range of weights in units of the granularity.
    pub fn states(&self) -> f32 {
        let c = self.step().common();
        (c.w_max - c.w_min) / self.granularity()
    }

    /// Checks every field and the rules between them.
    ///
    /// # Errors
    /// The first field with an invalid value, and the allowed values.
    pub fn validate(&self) -> Result<(), Error> {
        self.check(Range::Any, "")
    }
}

impl Default for DeviceConfig {
    fn default() -> Self {
        ConstantStep::default().into()
    }
}
