//! Clipping and remapping of the weights on tiles after a step of an optimizer, in this order.

use std::sync::Arc;

use ohmgrad_tensor::Tensor;

use super::{TileArray, remap};
use crate::config::{MappingParameter, WeightClip, WeightRemap};

impl TileArray {
    /// Clips and then remaps the weights, where the configuration has clipping or remapping; an analog bias is a column
    /// of the weight. On a chip nothing happens, because its weights are constants. An optimizer calls this method;
    /// code that writes [`weight`](Self::weight) by other means may call it.
    pub fn after_step(&mut self, mut bias: Option<&mut Tensor>) {
        if self.hardware.chip.is_some() {
            return;
        }
        if self.config().clip.kind != WeightClip::None {
            self.clip(bias.as_deref_mut());
        }
        if self.config().remap.kind != WeightRemap::None {
            self.remap(bias);
        }
    }

    /// Remaps the logical weight, learned output scales included: as [`set_weight`](Self::set_weight) with the present
    /// weight, under another `weight_scaling_omega`.
    ///
    /// # Panics
    /// If `omega` is negative or not finite, or the weight is programmed onto a chip.
    pub fn remap_weights(&mut self, omega: f32, bias: Option<&mut Tensor>) {
        assert!(omega >= 0.0 && omega.is_finite(), "remap_weights: omega is {omega}");
        assert!(self.programmed().is_none(), "remap_weights: the weight is programmed onto a chip");
        let mapping = MappingParameter { weight_scaling_omega: omega, ..self.config().mapping };
        let mut bias = bias;
        self.fold_out_scaling(bias.as_deref_mut());
        self.map_anew(bias.as_deref(), &mapping);
    }

    fn clip(&mut self, mut bias: Option<&mut Tensor>) {
        let grid = Arc::clone(&self.hardware.grid);
        let logical = grid.matrix(&self.weight.value, bias.as_deref());
        let bounds = self.tiles().iter().map(|tile| self.config().clip.bound(&tile.stored(&logical)));
        let bounds: Vec<Option<f32>> = bounds.collect();
        drop(logical);
        let weight = self.weight.value.make_mut();
        for (tile, bound) in self.hardware.tiles.iter().zip(bounds) {
            let Some(bound) = bound else { continue };
            for (i, out) in tile.outs.clone().enumerate() {
                let bound = bound * tile.scales.as_ref().map_or(1.0, |s| s[[if s.len() == 1 { 0 } else { i }, 0]]);
                let row = &mut weight[out * grid.ins..][grid.weight_ins(&tile.ins)];
                row.iter_mut().for_each(|w| *w = w.clamp(-bound, bound));
                if let Some(bias) = bias.as_deref_mut().filter(|_| grid.has_bias) {
                    bias.make_mut()[out] = bias[[out]].clamp(-bound, bound);
                }
            }
        }
    }

    fn remap(&mut self, bias: Option<&mut Tensor>) {
        let logical = self.hardware.grid.matrix(&self.weight.value, bias.as_deref());
        let learned = self.learned_columns();
        let mut tiles = Arc::clone(&self.hardware.tiles);
        for (i, tile) in Arc::make_mut(&mut tiles).iter_mut().enumerate() {
            let ones = Tensor::full(&[tile.outs.len(), 1], 1.0);
            let mapped = tile.scales.as_ref().map_or(ones.clone(), |s| &ones * s);
            let q = learned.as_ref().map_or(mapped.clone(), |learned| &mapped * &learned[i]);
            tile.scales = Some(remap::scales(&self.config().remap, &tile.stored(&logical), &q));
        }
        self.hardware.tiles = tiles;
        self.fold_out_scaling(bias);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{InferenceRpuConfig, WeightClipParameter, WeightRemapParameter};
    use ohmgrad_tensor::Key;

    fn array(config: &InferenceRpuConfig, bias: Option<&Tensor>) -> TileArray {
        TileArray::new(Tensor::normal(&[5, 7], Key::new(1)), 1, bias, config, "fc", Key::new(2)).unwrap()
    }

    fn mapping() -> MappingParameter {
        MappingParameter {
            weight_scaling_omega: 0.5,
            learn_out_scaling: true,
            max_input_size: 4,
            max_output_size: 3,
            ..Default::default()
        }
    }

    fn largest_stored(array: &TileArray) -> Vec<f32> {
        array.tiles().iter().map(|tile| tile.stored(&array.weight.value).abs().max()).collect()
    }

    #[test]
    fn clipping_is_of_tile_weights() {
        let clip = WeightClipParameter { kind: WeightClip::FixedValue, fixed_value: 0.25, ..Default::default() };
        let mapping = MappingParameter { weight_scaling_columnwise: true, ..mapping() };
        let mut array = array(&InferenceRpuConfig { clip, mapping, ..Default::default() }, None);
        let before = array.weight.value.clone();
        assert_eq!(largest_stored(&array), [0.5; 4]);
        array.after_step(None);
        assert!(largest_stored(&array).iter().all(|top| (top - 0.25).abs() < 1e-6));
        let kept = array.weight.value.iter().zip(before.iter()).filter(|(a, b)| a == b).count();
        assert!(kept > 10, "{kept}");
    }

    #[test]
    fn an_analog_bias_is_cut_as_a_column() {
        let clip = WeightClipParameter { kind: WeightClip::FixedValue, fixed_value: 0.25, ..Default::default() };
        let mapping = MappingParameter { digital_bias: false, ..Default::default() };
        let mut bias = Tensor::from([1.0, -1.0, 0.1, 0.0, 0.0]);
        let mut array = array(&InferenceRpuConfig { clip, mapping, ..Default::default() }, Some(&bias));
        array.after_step(Some(&mut bias));
        assert_eq!(bias.to_vec(), [0.25, -0.25, 0.1, 0.0, 0.0]);
    }

    #[test]
    fn mapping_anew_keeps_the_logical_weight_and_folds_learned_scales() {
        for kind in [WeightRemap::LayerwiseSymmetric, WeightRemap::ChannelwiseSymmetric] {
            let remap = WeightRemapParameter { kind, ..Default::default() };
            let mut array = array(&InferenceRpuConfig { remap, mapping: mapping(), ..Default::default() }, None);
            let scaling = &mut array.out_scaling.as_mut().unwrap().value;
            *scaling = Tensor::uniform(scaling.shape(), Key::new(3)).map(|u| u + 0.5);
            let (logical, _) = array.effective_weights(None);
            array.after_step(None);
            assert_eq!(array.effective_weights(None).0, logical);
            assert_eq!(array.weight.value, logical);
            assert!(largest_stored(&array).iter().all(|top| (top - 1.0).abs() < 1e-6), "{kind}");
            let by_output = kind == WeightRemap::ChannelwiseSymmetric;
            let stored = array.tiles()[0].stored(&array.weight.value).abs().max_axes(&[1]);
            assert_eq!(stored.iter().all(|top| (top - 1.0).abs() < 1e-6), by_output);
        }
    }

    #[test]
    fn remap_weights_maps_to_another_omega() {
        let mut array = array(&InferenceRpuConfig { mapping: mapping(), ..Default::default() }, None);
        array.weight.value = &array.weight.value * 3.0; // as a training may
        let (logical, _) = array.effective_weights(None);
        array.remap_weights(1.0, None);
        assert!(largest_stored(&array).iter().all(|top| (top - 1.0).abs() < 1e-6));
        assert_eq!(array.effective_weights(None).0, logical);
    }
}
