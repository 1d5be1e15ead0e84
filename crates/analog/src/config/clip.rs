//! Clipping of weights after each step.

use super::form::choice::choices;
use super::form::section::{Rules, parameters};

choices! {
    /// Types of clipping of a tile's weights.
    #[doc(alias = "WeightClipType")]
    pub enum WeightClip {
        /// No clipping.
        None = "NONE",
        /// Clipping at ±`fixed_value`.
        FixedValue = "FIXED_VALUE",
        /// Clipping at ±`sigma` standard deviations of all weights of the tile.
        LayerGaussian = "LAYER_GAUSSIAN",
        /// Clipping at ± the mean, over the tile's outputs, of the largest magnitude among the weights of an output.
        AverageChannelMax = "AVERAGE_CHANNEL_MAX",
    }
}

parameters! {
    /// Clipping of tile weights after each step of an optimizer (aihwkit `inference.py`).
    ///
    /// Bounds are in units of the tile weights `w = W/s`; logical weights are clipped at s times these bounds.
    ///
    /// ```
    /// use ohmgrad_analog::config::{WeightClip, WeightClipParameter};
    /// use ohmgrad_tensor::Tensor;
    ///
    /// let clip = WeightClipParameter { kind: WeightClip::FixedValue, fixed_value: 0.5, ..Default::default() };
    /// assert_eq!(clip.bound(&Tensor::from([[0.1, -0.7]])), Some(0.5));
    /// ```
    #[derive(Copy)]
    pub struct WeightClipParameter {
        /// The type of clipping.
        kind as "type": WeightClip = WeightClip::None;

        /// The bound of FIXED_VALUE; ≤ 0: none. A value above 0 also limits the bounds of the other types.
        fixed_value: f32 = -1.0;

        /// The bound of LAYER_GAUSSIAN, in standard deviations.
        sigma: f32 = 2.5, [> 0.0];
    }
}

impl Rules for WeightClipParameter {}
