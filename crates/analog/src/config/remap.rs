//! Remapping: new mapping scales after each step.

use super::form::choice::choices;
use super::form::section::{Rules, parameters};
use super::form::setting::{Setting, invalid, join};
use crate::Error;

choices! {
    /// Groups of weights that share one new mapping scale.
    #[doc(alias = "WeightRemapType")]
    pub enum WeightRemap {
        /// Weights are not mapped anew: scales stay as they were when the weight was put on the tile.
        None = "NONE",
        /// The tile: its largest weight becomes `remapped_wmax`.
        LayerwiseSymmetric = "LAYERWISE_SYMMETRIC",
        /// Each output of the tile: the largest of its weights becomes `remapped_wmax`.
        ChannelwiseSymmetric = "CHANNELWISE_SYMMETRIC",
    }
}

parameters! {
    /// Remapping: new mapping scales after each step of an optimizer, so that the largest tile weight is
    /// `remapped_wmax` (aihwkit `inference.py`). The logical weight stays the same. Learned output scales move into the
    /// weight, and are 1 afterwards.
    #[derive(Copy)]
    pub struct WeightRemapParameter {
        /// The type of the remapping.
        kind as "type": WeightRemap = WeightRemap::None;

        /// The magnitude of the largest tile weight afterwards.
        remapped_wmax: f32 = 1.0, [> 0.0];

        /// CHANNELWISE_SYMMETRIC: the largest new scale, as a multiple of the smallest scale before the remapping; 0:
        /// no limit. An output that would need a larger one has tile weights above `remapped_wmax`. With a limit,
        /// `remapped_wmax` must be 1.
        max_scale_range: f32 = 0.0, [>= 0.0];

        /// A lower limit of the smallest scale in `max_scale_range`.
        max_scale_ref: f32 = 0.0, [>= 0.0];
    }
}

impl Rules for WeightRemapParameter {
    fn rules(&self, at: &str) -> Result<(), Error> {
        if self.max_scale_range > 0.0 && self.remapped_wmax != 1.0 {
            let field = join(at, "remapped_wmax");
            return Err(invalid(&field, &self.remapped_wmax.get(), "1 while max_scale_range is on"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_scales_is_of_weights_up_to_1() {
        let remap = WeightRemapParameter { max_scale_range: 4.0, remapped_wmax: 0.5, ..Default::default() };
        assert_eq!(
            remap.validate().unwrap_err().to_string(),
            "remapped_wmax = 0.5: must be 1 while max_scale_range is on"
        );
    }
}
