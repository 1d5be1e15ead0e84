//! Fixed variations from output to output and device to device, drawn once when an array is built.

use ohmgrad_tensor::{Key, Tensor, random};

use crate::config::IoParameters;

/// The fixed-pattern variations of one array in one direction. They can be read, and replaced by measured ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Voltage offset of each output, `max(v_offset_std·ξ, 0)`.
    pub v_offset: Vec<f32>,
    /// Nonlinearity of each output, `|out_nonlinearity/out_bound·(1 + out_nonlinearity_std·ξ)|`.
    pub out_nonlinearity: Vec<f32>,
    /// Standard deviation of each output's noise, `|out_noise·(1 + out_noise_std·ξ)|`; used where out_noise_std > 0.
    pub out_noise: Vec<f32>,
    /// Factor on each weight [out, in] that negative inputs see, `1 + w_read_asymmetry_dtod·ξ`; of no elements where
    /// w_read_asymmetry_dtod is 0.
    pub w_asymmetry: Tensor,
}

impl Pattern {
    /// Whether two sets of parameters draw the same variations from the same key.
    pub fn same_variations(a: &IoParameters, b: &IoParameters) -> bool {
        let drawn_from = |io: &IoParameters| {
            let nonlinearity = (io.out_nonlinearity, io.out_nonlinearity_std, io.out_bound);
            (io.v_offset_std, nonlinearity, io.out_noise, io.out_noise_std, io.w_read_asymmetry_dtod)
        };
        drawn_from(a) == drawn_from(b)
    }

    /// Draws the variations of an array with `outs` outputs and `ins` inputs; a function of parameters and key alone.
    pub fn draw(io: &IoParameters, outs: usize, ins: usize, key: Key) -> Self {
        let each = |name: &str, used: bool, f: &dyn Fn(f32) -> f32| {
            let mut values = vec![0.0; outs];
            if used {
                random::fill_normal(&mut values, key.fold(name));
            }
            values.into_iter().map(f).collect()
        };
        let bound = if io.out_bound > 0.0 { io.out_bound } else { 1.0 };
        let dtod = io.w_read_asymmetry_dtod;
        Self {
            v_offset: each("v_offset", io.v_offset_std > 0.0, &|xi| (io.v_offset_std * xi).max(0.0)),
            out_nonlinearity: each("out_nonlinearity", io.out_nonlinearity_std > 0.0, &|xi| {
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
}

/// No outputs: what a perfect product needs.
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
        assert_eq!((plain.out_noise, plain.v_offset), (vec![0.06; 2], vec![0.0; 2]));
    }
}
