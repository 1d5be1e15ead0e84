//! From tile weights to conductances, and back.

mod custom_pair;
mod fusion;
mod pairs;
mod single_device;
mod single_pair;

use std::fmt::Debug;
use std::panic::RefUnwindSafe;

use ohmgrad_tensor::Tensor;

use super::devices::at_least;

pub use custom_pair::CustomPair;
pub use fusion::Fusion;
pub use pairs::{DualPair, NPair};
pub use single_device::SingleDevice;
pub use single_pair::SinglePair;

/// Largest magnitudes below this count as this: a scale has to be finite.
const LEAST_WEIGHT: f32 = 1e-7;

/// Conductance converters: rules by which the weights of a tile become conductances of the devices of its unit cells,
/// in µS.
///
/// The conversion has no noise; `to_weights` of the result of `to_conductances` gives the weights, up to rounding.
///
/// ```
/// use ohmgrad_analog::noise::{Converter, SinglePair};
/// use ohmgrad_tensor::Tensor;
///
/// let w = Tensor::from([[0.5, -1.0]]);
/// let (g, scales) = SinglePair::default().to_conductances(&w);
/// assert_eq!((g[0].to_vec(), g[1].to_vec()), (vec![12.5, 0.0], vec![0.0, 25.0]));
/// assert_eq!(SinglePair::default().to_weights(&g, &scales), w);
/// ```
#[doc(alias = "BaseConductanceConverter")]
pub trait Converter: Debug + Send + Sync + RefUnwindSafe {
    /// The conductances of each device of the unit cell, each in the shape of the weights, and the values that the way
    /// back needs.
    fn to_conductances(&self, w: &Tensor) -> (Vec<Tensor>, Scales);

    /// The weights that conductances stand for.
    ///
    /// # Panics
    /// If the number of conductances is wrong, or the scales are those of another converter.
    fn to_weights(&self, g: &[Tensor], scales: &Scales) -> Tensor;

    /// The factor on the current of each pair of devices, where devices come in pairs, g⁺ before g⁻.
    fn pair_factors(&self) -> Option<Vec<f32>> {
        None
    }

    /// The smallest and the largest conductance of a device, in µS.
    fn range(&self) -> (f32, f32);
}

/// Values that the conversion back to weights needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Scales {
    /// The ratio k of conductance to weight, in µS; the reference's `scale_ratio`.
    Ratio(f32),
    /// The ratio, and the weight at the smallest conductance.
    Offset {
        /// The ratio of conductance to weight, in µS.
        ratio: f32,
        /// The weight at the smallest conductance; the reference's `min`.
        min: f32,
    },
    /// The weights themselves, for their signs and for a fit.
    Original(Tensor),
}

impl Scales {
    /// The ratio of conductance to weight in µS, where there is one for all weights.
    pub fn ratio(&self) -> Option<f32> {
        match self {
            Self::Ratio(ratio) | Self::Offset { ratio, .. } => Some(*ratio),
            Self::Original(_) => None,
        }
    }

    fn expect_ratio(&self, converter: &str) -> f32 {
        self.ratio().unwrap_or_else(|| panic!("{converter}: the scales of another converter: {self:?}"))
    }
}

/// The largest magnitude, or a small positive one.
fn largest(w: &Tensor) -> f32 {
    match w.is_empty() {
        true => LEAST_WEIGHT,
        false => at_least(w.abs().max(), LEAST_WEIGHT),
    }
}
