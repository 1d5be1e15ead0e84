//! Devices of a chip that computes with programmed weights: the errors of programming, the drift of conductances, and
//! the noise of a later read.
//!
//! A [`Converter`] turns tile weights into conductances of the devices of each unit cell, in µS, and back. A
//! [`NoiseModel`] describes the devices: it programs target conductances, draws the drift of each device, and gives the
//! conductances that are read at a time, in seconds since programming. [`Programmed`] applies both to a tile's weights,
//! and a [`DriftCompensation`] undoes the mean decay.
//!
//! The models are those of IBM aihwkit (`inference/noise`, `inference/converter`), with its parameters; a model is one
//! file and a line in [`NoiseModelConfig`](crate::config::NoiseModelConfig).
#![allow(clippy::excessive_precision, reason = "constants have the digits with which they were published")]

mod compensation;
mod converter;
mod custom_drift;
mod devices;
mod hermes;
mod modifier;
mod pcm;
mod programmed;
mod programming;
mod reram_cmo;
mod reram_wan2022;
mod state_independent;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::panic::RefUnwindSafe;
use std::sync::Arc;

use ohmgrad_tensor::{Key, Tensor};

use crate::Error;

pub use compensation::{DriftCompensation, Global, GlobalWithExactReference, PerColumn};
pub use converter::{Converter, CustomPair, DualPair, Fusion, NPair, Scales, SingleDevice, SinglePair};
pub use custom_drift::{CustomDriftPcm, DriftTable};
pub(crate) use devices::at_least;
pub use hermes::Hermes;
pub use pcm::Pcm;
pub use programmed::Programmed;
pub use programming::{Evolution, OptimisedProgramming, ProgrammingOptions, optimise_programming};
pub use reram_cmo::{CmoDecay, CmoRead, ReRamCmo};
pub use reram_wan2022::ReRamWan2022;
pub use state_independent::StateIndependent;

/// The devices of a chip.
///
/// All conductances are in µS, in tensors of any shape with one element for each device; the devices of a pair are
/// independent, and come in separate calls. Every sample is a function of the key of its call.
///
/// ```
/// use ohmgrad_analog::noise::{NoiseModel, Pcm};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let (model, key) = (Pcm::default(), Key::new(1));
/// let target = Tensor::from([0.0, 12.5, 25.0]);
/// let programmed = model.program(&target, key.fold("programming"));
/// let nu = model.drift_coefficients(&target, key.fold("drift"));
/// let after_a_day = model.drift(&programmed, &target, nu.as_ref(), 86_400.0, key.fold("read"))?;
/// assert!(after_a_day[[2]] < 0.8 * programmed[[2]]);
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
#[doc(alias = "BaseNoiseModel")]
pub trait NoiseModel: Debug + Send + Sync + RefUnwindSafe {
    /// The conductance converter.
    fn converter(&self) -> Arc<dyn Converter>;

    /// The conductances after programming to `target`.
    fn program(&self, target: &Tensor, key: Key) -> Tensor;

    /// Drift coefficients of the devices, drawn once at programming, or `None` for models without.
    fn drift_coefficients(&self, target: &Tensor, key: Key) -> Option<Tensor>;

    /// The conductances that are read `t` seconds after programming. `target` and `coefficients` are those from the time
    /// of programming.
    ///
    /// # Errors
    /// If the model has no data for this time ([`Error::Time`]).
    fn drift(
        &self,
        programmed: &Tensor,
        target: &Tensor,
        coefficients: Option<&Tensor>,
        t: f32,
        key: Key,
    ) -> Result<Tensor, Error>;
}
