//! Mapping: the scales between a logical weight W and the weight w of a tile, `w = W/s`.
//!
//! With `weight_scaling_omega` ω > 0, `s = max|W|/ω` over the tile, or for each of its outputs with
//! `weight_scaling_columnwise`; 1 where the largest weight is 0. With ω = 0 the tile stores W. Source: aihwkit
//! `periphery.py`.

use ohmgrad_tensor::Tensor;

use crate::config::MappingParameter;

/// The scales of the weights of one tile, [1, 1] or [out, 1]; `None` where the tile stores W itself.
pub(crate) fn scales(mapping: &MappingParameter, w: &Tensor) -> Option<Tensor> {
    let omega = mapping.weight_scaling_omega;
    let axes: &[usize] = if mapping.weight_scaling_columnwise { &[1] } else { &[0, 1] };
    (omega > 0.0).then(|| w.abs().max_axes(axes).map(|top| if top > 0.0 { top / omega } else { 1.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_weight_is_mapped_to_omega() {
        let w = Tensor::from([[0.5, -2.0], [0.0, 0.0]]);
        let mapping = MappingParameter { weight_scaling_omega: 0.5, ..Default::default() };
        assert_eq!(scales(&mapping, &w).unwrap().to_vec(), [4.0]);
        let mapping = MappingParameter { weight_scaling_columnwise: true, ..mapping };
        assert_eq!(scales(&mapping, &w).unwrap().to_vec(), [4.0, 1.0]);
        assert_eq!(scales(&MappingParameter::default(), &w), None);
    }
}
