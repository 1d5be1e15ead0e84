//! Setting mapping scales anew, so that the largest tile weight is `remapped_wmax` again after training has moved it.
//!
//! With q = s·a (mapping times learned scales) and M = max|w|/`remapped_wmax`, w the tile weights of the whole tile or
//! of one output, the new s is M·q. Channel-wise, a positive `max_scale_range` limits it to
//! `max_scale_range·max(min q, max_scale_ref)`. The new a is 1. Source: aihwkit `weight_remapper.cpp`.

use ohmgrad_tensor::Tensor;

use crate::config::{WeightRemap, WeightRemapParameter};

/// The new scales [out, 1] of tile weights `w` [out, in] with scales `q` [out, 1].
pub(crate) fn scales(how: &WeightRemapParameter, w: &Tensor, q: &Tensor) -> Tensor {
    let axes: &[usize] = if how.kind == WeightRemap::ChannelwiseSymmetric { &[1] } else { &[0, 1] };
    let factor = w.abs().max_axes(axes).map(|top| if top > 0.0 { top / how.remapped_wmax } else { 1.0 });
    let limit = match how.kind {
        WeightRemap::None => return q.clone(),
        WeightRemap::ChannelwiseSymmetric if how.max_scale_range > 0.0 => {
            q.min().max(how.max_scale_ref) * how.max_scale_range
        }
        _ => f32::INFINITY,
    };
    (q * &factor).map(|q| q.min(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remapped(how: WeightRemapParameter) -> Vec<f32> {
        scales(&how, &Tensor::from([[0.5, -0.25], [0.0, 0.125], [0.0, 0.0]]), &Tensor::from([[1.0], [4.0], [2.0]]))
            .to_vec()
    }

    #[test]
    fn the_largest_weight_comes_to_the_range() {
        let how = WeightRemapParameter { kind: WeightRemap::LayerwiseSymmetric, ..Default::default() };
        assert_eq!(remapped(how), [0.5, 2.0, 1.0]);
        assert_eq!(remapped(WeightRemapParameter { remapped_wmax: 0.5, ..how }), [1.0, 4.0, 2.0]);
        let how = WeightRemapParameter { kind: WeightRemap::ChannelwiseSymmetric, ..how };
        assert_eq!(remapped(how), [0.5, 0.5, 2.0]);
        assert_eq!(remapped(WeightRemapParameter::default()), [1.0, 4.0, 2.0]);
    }

    #[test]
    fn scales_keep_to_a_multiple_of_the_smallest_before() {
        let how = WeightRemapParameter {
            kind: WeightRemap::ChannelwiseSymmetric,
            max_scale_range: 1.5,
            ..Default::default()
        };
        assert_eq!(remapped(how), [0.5, 0.5, 1.5]);
        assert_eq!(remapped(WeightRemapParameter { max_scale_ref: 1.2, ..how })[2], 1.8000001);
    }
}
