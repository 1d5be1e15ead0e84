//! Clipping of a tile's weights after a step: a few large weights would leave small conductances for all others.
//!
//! Source: aihwkit `weight_clipper.cpp`.

use ohmgrad_tensor::Tensor;

use crate::config::{WeightClip, WeightClipParameter};

impl WeightClipParameter {
    /// The bound ± for tile weights [out, in]; `None` if they are not cut.
    pub fn bound(&self, w: &Tensor) -> Option<f32> {
        let limited = |bound: f32| if self.fixed_value > 0.0 { bound.min(self.fixed_value) } else { bound };
        let bound = match self.kind {
            WeightClip::None => return None,
            WeightClip::FixedValue => self.fixed_value,
            WeightClip::LayerGaussian => limited(self.sigma * w.std(1)),
            WeightClip::AverageChannelMax => limited(w.abs().max_axes(&[1]).mean()),
        };
        (bound > 0.0).then_some(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_bound() {
        let w = Tensor::from([[3.0, -1.0], [-2.0, 0.0]]);
        let bound = |kind, fixed_value| WeightClipParameter { kind, fixed_value, sigma: 2.0 }.bound(&w);
        assert_eq!(bound(WeightClip::None, 1.0), None);
        assert_eq!(bound(WeightClip::FixedValue, 1.0), Some(1.0));
        assert_eq!(bound(WeightClip::FixedValue, -1.0), None);
        assert_eq!(bound(WeightClip::LayerGaussian, 0.0), Some(2.0 * (14.0f32 / 3.0).sqrt()));
        assert_eq!(bound(WeightClip::AverageChannelMax, 0.0), Some(2.5));
        assert_eq!(bound(WeightClip::AverageChannelMax, 0.7), Some(0.7));
    }

    #[test]
    fn a_single_weight_has_no_spread_to_be_cut_by() {
        let clip = WeightClipParameter { kind: WeightClip::LayerGaussian, ..Default::default() };
        assert_eq!(clip.bound(&Tensor::from([[3.0]])), None);
    }
}
