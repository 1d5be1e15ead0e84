//! Weight noise, referred to the outputs: the effect of noisy devices on a product, without drawing noise for each
//! device.
//!
//! | type | `yᵢ +=` |
//! |---|---|
//! | ADDITIVE_CONSTANT | `w_noise·‖v‖₂·ξ`: every device has the same noise |
//! | PCM_READ | `w_noise·√(Σⱼ\|wᵢⱼ\|vⱼ²)·ξ`: the variance grows with the conductance |
//!
//! Source: aihwkit `applyOutputWeightNoise`; Joshi et al. 2020 for PCM.

use ohmgrad_tensor::{Key, Right, Tensor, rows};

use crate::config::{IoParameters, WeightNoise};

/// Returns `true` if the noise depends on the magnitude of the weights.
pub(super) fn needs_magnitude(io: &IoParameters) -> bool {
    io.w_noise_type == WeightNoise::PcmRead && io.w_noise > 0.0
}

/// Adds the noise to the outputs `y` [n, out] of inputs `v` [n, in].
pub(super) fn apply(
    io: &IoParameters,
    y: &mut [f32],
    v: &Tensor,
    magnitude: Option<&Right<'_, f32>>,
    numbers: &[usize],
    key: Key,
) {
    if io.w_noise <= 0.0 {
        return;
    }
    let outs = y.len() / numbers.len().max(1);
    match (io.w_noise_type, magnitude) {
        (WeightNoise::AdditiveConstant, _) => {
            let ins = v.shape()[1];
            let v = v.as_slice().expect("the DAC writes rows");
            rows::for_each_row(y, outs, |i, row| {
                let norm = rows::norm_squared(&v[i * ins..(i + 1) * ins]).sqrt();
                rows::add_normal(row, io.w_noise * norm, key.fold(numbers[i]));
            });
        }
        (WeightNoise::PcmRead, Some(magnitude)) => {
            let variance = magnitude.of(&v.square());
            let sigma = variance.map(|variance| io.w_noise * variance.sqrt());
            let sigma = sigma.as_slice().expect("a product writes rows");
            rows::for_each_row(y, outs, |i, row| {
                rows::add_normal_each(row, &sigma[i * outs..(i + 1) * outs], key.fold(numbers[i]));
            });
        }
        _ => {}
    }
}
