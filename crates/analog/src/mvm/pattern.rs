//! Fixed variations from output to output and device to device, drawn once when an array is built.

use ohmgrad_tensor::{Key, Tensor, random};

use crate::config::IoParameters;

/// The fixed-pattern variations of one array in one direction. They can be inspected, and replaced by measured ones. An
/// empty field is no variation; any other is used, whatever the spread in the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Voltage offset of each output, `max(v_offset_std·ξ, 0)`.
    pub v_offset: Vec<f32>,
    /// Nonlinearity of each output, `|out_nonlinearity/out_bound·(1 + out_nonlinearity_std·ξ)|`.
    pub out_nonlinearity: Vec<f32>,
    /// Standard deviation of each output's noise, `|out_noise·(1 + out_noise_std·ξ)|`.
    pub out_noise: Vec<f32>,
    /// Factor on each weight [out, in] for negative inputs, `1 + w_read_asymmetry_dtod·ξ`; in two-pass products only.
    pub w_asymmetry: Tensor,
}

impl Pattern {
    /// Returns `true` if two sets of parameters draw the same variations from the same key. A difference in any field
    /// gives `false`, except in fields that are known not to affect variations.
    pub(crate) fn same_variations(a: &IoParameters, b: &IoParameters) -> bool {
        let IoParameters { is_perfect, mv_type, inp_bound, inp_res, inp_sto_round, inp_noise, inp_asymmetry, .. } = *b;
        let IoParameters { out_res, out_sto_round, out_scale, out_asymmetry, noise_management, nm_thres, .. } = *b;
        let IoParameters { nm_assumed_wmax, nm_decay, w_noise, w_noise_type, ir_drop, ir_drop_g_ratio, .. } = *b;
        let IoParameters { slope_calibration, v_offset_w_min, r_series, max_bm_res, bound_management, .. } = *b;
        let IoParameters { max_bm_factor, bm_test_negative_bound, ir_drop_t, .. } = *b;
        let with_others_of_b = IoParameters {
            is_perfect,
            mv_type,
            inp_bound,
            inp_res,
            inp_sto_round,
            inp_noise,
            inp_asymmetry,
            out_res,
            out_sto_round,
            out_scale,
            out_asymmetry,
            noise_management,
            nm_thres,
            nm_assumed_wmax,
            nm_decay,
            w_noise,
            w_noise_type,
            ir_drop,
            ir_drop_g_ratio,
            slope_calibration,
            v_offset_w_min,
            r_series,
            max_bm_res,
            bound_management,
            max_bm_factor,
            bm_test_negative_bound,
            ir_drop_t,
            ..*a
        };
        with_others_of_b == *b
    }

    /// Returns `true` if the ADC treats all outputs alike.
    pub(super) fn is_uniform_at_adc(&self) -> bool {
        // Voltage offsets and weight asymmetries act before the ADC.
        let Self { v_offset: _, out_nonlinearity, out_noise, w_asymmetry: _ } = self;
        out_nonlinearity.is_empty() && out_noise.is_empty()
    }

    /// Draws the variations of an array with `outs` outputs and `ins` inputs; a function of parameters and key alone.
    pub fn draw(io: &IoParameters, outs: usize, ins: usize, key: Key) -> Self {
        let each = |name: &str, varies: bool, f: &dyn Fn(f32) -> f32| -> Vec<f32> {
            let mut values = vec![0.0; if varies { outs } else { 0 }];
            random::fill_normal(&mut values, key.fold(name));
            values.into_iter().map(f).collect()
        };
        let bound = if io.out_bound > 0.0 { io.out_bound } else { 1.0 };
        let dtod = io.w_read_asymmetry_dtod;
        Self {
            v_offset: each("v_offset", io.v_offset_std > 0.0, &|xi| (io.v_offset_std * xi).max(0.0)),
            out_nonlinearity: each("out_nonlinearity", io.out_nonlinearity > 0.0, &|xi| {
                (io.out_nonlinearity / bound * (1.0 + io.out_nonlinearity_std * xi)).abs()
            }),
            out_noise: each("out_noise", io.out_noise_std > 0.0, &|xi| {
                (io.out_noise * (1.0 + io.out_noise_std * xi)).abs()
            }),
            w_asymmetry: match dtod > 0.0 {
                true => Tensor::normal(&[outs, ins], key.fold("w_asymmetry")).map(|xi| 1.0 + dtod * xi),
                false => Tensor::full(&[0, 0], 0.0),
            },
        }
    }

    /// Checks that variations have the length of `outs` outputs and `ins` inputs.
    pub(super) fn check(&self, outs: usize, ins: usize) {
        let lists = [
            ("v_offset", &self.v_offset),
            ("out_nonlinearity", &self.out_nonlinearity),
            ("out_noise", &self.out_noise),
        ];
        for (name, list) in lists {
            assert!([0, outs].contains(&list.len()), "pattern: {} entries of {name} for {outs} outputs", list.len());
        }
        let shape = self.w_asymmetry.shape();
        assert!(shape == [outs, ins] || shape == [0, 0], "pattern: w_asymmetry {shape:?} for [{outs}, {ins}]");
    }
}

/// No variations.
impl Default for Pattern {
    fn default() -> Self {
        Self { v_offset: vec![], out_nonlinearity: vec![], out_noise: vec![], w_asymmetry: Tensor::full(&[0, 0], 0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_function_of_its_key() {
        let io = IoParameters {
            v_offset_std: 0.1,
            out_noise_std: 0.2,
            out_nonlinearity: 0.3,
            out_nonlinearity_std: 0.1,
            w_read_asymmetry_dtod: 0.05,
            ..Default::default()
        };
        let a = Pattern::draw(&io, 50, 20, Key::new(1));
        assert_eq!(a, Pattern::draw(&io, 50, 20, Key::new(1)));
        assert_ne!(a, Pattern::draw(&io, 50, 20, Key::new(2)));
        assert!(a.v_offset.iter().all(|&v| v >= 0.0) && a.v_offset.iter().any(|&v| v > 0.0));
        assert!((a.w_asymmetry.std(1) - 0.05).abs() < 0.005);
        let plain = Pattern::draw(&IoParameters::default(), 2, 2, Key::new(1));
        assert_eq!(plain, Pattern::default());
    }

    #[test]
    fn a_pattern_is_kept_only_under_the_same_spreads() {
        let io = IoParameters { out_noise_std: 0.2, ..Default::default() };
        let others = [
            IoParameters { out_noise: 0.1, ..io },
            IoParameters { out_noise_std: 0.1, ..io },
            IoParameters { v_offset_std: 0.1, ..io },
            IoParameters { out_nonlinearity: 0.1, ..io },
            IoParameters { out_nonlinearity_std: 0.1, ..io },
            IoParameters { out_bound: 3.0, ..io },
            IoParameters { w_read_asymmetry_dtod: 0.1, ..io },
        ];
        assert!(others.iter().all(|other| !Pattern::same_variations(other, &io)));
        let io_of_other_converters = IoParameters { inp_res: 0.1, out_res: 0.1, w_noise: 0.3, ..io };
        assert!(Pattern::same_variations(&io_of_other_converters, &io));
    }
}
