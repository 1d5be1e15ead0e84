//! The DAC: inputs become the voltages (or pulse lengths) that drive the array.
//!
//! `v = cut(rint(f·x / step)·step, ±inp_bound) + inp_noise·ξ`, negative values then times `1 − inp_asymmetry`. Source:
//! aihwkit `prepareInput`.

use ohmgrad_tensor::rows::{self, Quantizer};
use ohmgrad_tensor::{Key, Tensor};

use crate::config::IoParameters;

/// The driven rows [n, ins] of the given inputs and factors.
pub(super) fn drive<'a>(
    io: &IoParameters,
    n: usize,
    ins: usize,
    row_of: impl Fn(usize) -> (&'a [f32], f32) + Sync,
    numbers: &[usize],
    key: Key,
) -> Tensor {
    let bound = if io.inp_bound > 0.0 { io.inp_bound } else { f32::INFINITY };
    let step = io.inp_step().unwrap_or(0.0);
    let dither = (io.inp_sto_round && step > 0.0).then(|| key.fold("DAC rounding"));
    let noise = (io.inp_noise > 0.0).then(|| key.fold("DAC noise"));
    rows::build(n, ins, |i, v| {
        let ((x, factor), number) = (row_of(i), numbers[i]);
        let v = match dither {
            Some(key) => {
                let v = rows::scale_convert(v, x, factor, Quantizer { step: 0.0, bound: f32::INFINITY });
                rows::round_stochastically(v, step, key.fold(number));
                rows::convert(v, Quantizer { step: 0.0, bound });
                v
            }
            None => rows::scale_convert(v, x, factor, Quantizer { step, bound }),
        };
        if let Some(key) = noise {
            rows::add_normal(v, io.inp_noise, key.fold(number));
        }
        if io.inp_asymmetry != 0.0 {
            v.iter_mut().filter(|v| **v < 0.0).for_each(|v| *v *= 1.0 - io.inp_asymmetry);
        }
        v
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driven(io: IoParameters, x: &[f32], factor: f32) -> Vec<f32> {
        drive(&io, 1, x.len(), |_| (x, factor), &[0], Key::new(1)).to_vec()
    }

    #[test]
    fn codes_are_ties_to_even_and_cut() {
        let io = IoParameters { inp_res: 0.25, ..Default::default() };
        assert_eq!(driven(io, &[0.25, 0.75, 0.3, -9.0], 1.0), [0.0, 1.0, 0.5, -1.0]);
    }

    #[test]
    fn asymmetry_weakens_negative_values() {
        let io = IoParameters { inp_res: -1.0, inp_asymmetry: 0.1, ..Default::default() };
        assert_eq!(driven(io, &[0.5, -0.5], 1.0), [0.5, -0.45]);
    }

    #[test]
    fn stochastic_rounding_stays_inside_the_range() {
        let io = IoParameters { inp_res: 0.5, inp_sto_round: true, ..Default::default() };
        let v = driven(io, &[0.9; 500], 1.0);
        assert!(v.iter().all(|&v| v == 1.0 || v == 0.0));
        assert!(v.contains(&0.0) && v.contains(&1.0));
    }
}
