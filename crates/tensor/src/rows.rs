//! Passes over rows: conversion and noise of the numbers of an analog read.
//!
//! Each function is compiled once for each [`simd::Level`]. All versions give the same bits: they consist of
//! multiplies, adds, divisions and roundings, and only the functions that make noise samples fuse multiplies with adds.

use std::mem::MaybeUninit;

use crate::array::Tensor;
use crate::key::Key;
use crate::parallel;
use crate::random::{self, LANES, Lanes};
use crate::shape;
use crate::simd::{self, PIECE, vectorized};

/// The smallest number of elements of a task: for fewer, another thread costs more than it saves.
const TASK: usize = 1 << 13;

/// Calls `f` with the number of each row and the row, for all rows of `width` elements, on all threads.
///
/// The result does not depend on the distribution of rows to threads, as long as `f` treats each row alike.
pub fn for_each_row(data: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    let mut nothing = vec![(); data.len().checked_div(width).unwrap_or(0)];
    for_each_row_and(data, width, &mut nothing, |i, row, ()| f(i, row));
}

/// As [`for_each_row`]; `f` also gets the entry of `results` for the row, to write to.
///
/// # Panics
/// If there is not one result per row.
pub fn for_each_row_and<R: Send>(
    data: &mut [f32],
    width: usize,
    results: &mut [R],
    f: impl Fn(usize, &mut [f32], &mut R) + Sync,
) {
    if width == 0 {
        return;
    }
    assert!(data.len() == width * results.len(), "rows: {} results for {} rows", results.len(), data.len() / width);
    let rows = TASK.div_ceil(width);
    parallel::for_each_part_of_two((data, rows * width), (results, rows), |i, block, results| {
        for (row, (out, result)) in block.chunks_exact_mut(width).zip(results).enumerate() {
            f(i * rows + row, out, result);
        }
    });
}

/// A matrix of `rows` rows of `width` elements: `f` gets the number of a row and the row, writes it and returns it.
///
/// # Panics
/// If `f` returns another slice.
pub fn build(
    rows: usize,
    width: usize,
    f: impl for<'a> Fn(usize, &'a mut [MaybeUninit<f32>]) -> &'a mut [f32] + Sync,
) -> Tensor {
    let size = TASK.div_ceil(width.max(1)) * width;
    let data = parallel::build(shape::len(&[rows, width]), size, |first, out| {
        for (i, row) in out.chunks_exact_mut(width).enumerate() {
            parallel::written(row, |row| f(first / width + i, row));
        }
        // SAFETY: `f` has written every row, as `written` checks.
        unsafe { out.assume_init_mut() }
    });
    Tensor::from_vec(data, &[rows, width])
}

/// The largest magnitude of a row; NaN if one element is NaN, 0 if there are none.
pub fn abs_max(row: &[f32]) -> f32 {
    vectorized(
        #[inline(always)]
        || {
            // As integers, magnitudes are ordered as they are as floats, with NaN above infinity.
            let magnitude = |x: &f32| (x.to_bits() & 0x7fff_ffff) as i32;
            f32::from_bits(row.iter().map(magnitude).fold(0, i32::max) as u32)
        },
    )
}

/// The square of the Euclidean norm of a row, summed in a fixed order.
pub fn norm_squared(row: &[f32]) -> f32 {
    vectorized(
        #[inline(always)]
        || {
            let mut lanes = [0f32; 16];
            let chunks = row.chunks_exact(16);
            let rest = chunks.remainder();
            for chunk in chunks {
                for (lane, x) in lanes.iter_mut().zip(chunk) {
                    *lane += x * x;
                }
            }
            for (lane, x) in lanes.iter_mut().zip(rest) {
                *lane += x * x;
            }
            for width in [8, 4, 2, 1] {
                for i in 0..width {
                    lanes[i] += lanes[i + width];
                }
            }
            lanes[0]
        },
    )
}

/// A converter: rounding to multiples of `step` (ties to even; none if `step` is 0), then a cut to ±`bound`.
#[derive(Clone, Copy, Debug)]
pub struct Quantizer {
    /// The distance of neighbouring codes; 0 rounds nothing.
    pub step: f32,
    /// The largest magnitude of a code; infinity cuts nothing.
    pub bound: f32,
}

/// Writes `source · factor`, converted. NaN stays NaN.
///
/// # Panics
/// If the lengths differ.
pub fn scale_convert<'o>(out: &'o mut [MaybeUninit<f32>], source: &[f32], factor: f32, by: Quantizer) -> &'o mut [f32] {
    assert!(out.len() == source.len(), "scale_convert: {} elements to {}", source.len(), out.len());
    vectorized(
        #[inline(always)]
        || {
            let Quantizer { step, bound } = by;
            if step > 0.0 {
                for (o, &x) in out.iter_mut().zip(source) {
                    o.write(cut(((x * factor) / step).round_ties_even() * step, bound));
                }
            } else {
                for (o, &x) in out.iter_mut().zip(source) {
                    o.write(cut(x * factor, bound));
                }
            }
            // SAFETY: all were written.
            unsafe { out.assume_init_mut() }
        },
    )
}

/// Multiplies a row by `factor`.
pub fn scale(row: &mut [f32], factor: f32) {
    vectorized(
        #[inline(always)]
        || row.iter_mut().for_each(|x| *x *= factor),
    );
}

/// Converts a row in place; returns whether an element lay beyond the bound.
pub fn convert(row: &mut [f32], by: Quantizer) -> bool {
    vectorized(
        #[inline(always)]
        || {
            let Quantizer { step, bound } = by;
            let mut beyond = 0;
            if step > 0.0 {
                for x in row {
                    let y = (*x / step).round_ties_even() * step;
                    beyond |= u32::from(y.abs() > bound);
                    *x = cut(y, bound);
                }
            } else {
                for x in row {
                    beyond |= u32::from(x.abs() > bound);
                    *x = cut(*x, bound);
                }
            }
            beyond != 0
        },
    )
}

/// Computes `convert(row + sigma·ξ)·factor`, the ADC of one row, with normal `ξ` from the key's stream. Returns whether
/// an element lay beyond the bound. The bits are those of the three passes one after the other.
pub fn add_normal_convert_scale(row: &mut [f32], sigma: f32, key: Key, by: Quantizer, factor: f32) -> bool {
    let mut beyond = 0;
    random::for_each_piece(
        row,
        key,
        #[inline(always)]
        |_, piece, noise| {
            // Local copies, not references, and all in one loop: only then does it become vector code.
            let (sigma, Quantizer { step, bound }, factor, mut hit) = (sigma, by, factor, 0);
            if step > 0.0 {
                for (x, n) in piece.iter_mut().zip(noise) {
                    let y = ((*x + sigma * n) / step).round_ties_even() * step;
                    hit |= u32::from(y.abs() > bound);
                    *x = cut(y, bound) * factor;
                }
            } else {
                for (x, n) in piece.iter_mut().zip(noise) {
                    let y = *x + sigma * n;
                    hit |= u32::from(y.abs() > bound);
                    *x = cut(y, bound) * factor;
                }
            }
            beyond |= hit;
        },
    );
    beyond != 0
}

/// Stochastic rounding before [`convert`] or a cut: `rint(x/step + u − ½)·step` with uniform `u` from the key's stream.
pub fn round_stochastically(row: &mut [f32], step: f32, key: Key) {
    vectorized(
        #[inline(always)]
        || {
            let mut lanes = Lanes::new(key);
            for chunk in row.chunks_mut(LANES) {
                let u = lanes.uniforms();
                for (x, u) in chunk.iter_mut().zip(u) {
                    *x = (*x / step + (u - 0.5)).round_ties_even() * step;
                }
            }
        },
    );
}

/// Adds `sigma · ξ` to each element, with normal `ξ` from the key's stream.
pub fn add_normal(row: &mut [f32], sigma: f32, key: Key) {
    random::for_each_piece(
        row,
        key,
        #[inline(always)]
        |_, piece, noise| piece.iter_mut().zip(noise).for_each(|(x, n)| *x += sigma * n),
    );
}

/// Adds `sigmas[i] · ξ` to each element, with normal `ξ` from the key's stream.
///
/// # Panics
/// If there are fewer sigmas than elements.
pub fn add_normal_each(row: &mut [f32], sigmas: &[f32], key: Key) {
    let sigmas = &sigmas[..row.len()];
    random::for_each_piece(
        row,
        key,
        #[inline(always)]
        |first, piece, noise| {
            let sigmas = simd::padded(&sigmas[first..sigmas.len().min(first + PIECE)]);
            piece.iter_mut().zip(noise).zip(&sigmas).for_each(|((x, n), sigma)| *x += sigma * n);
        },
    );
}

#[inline(always)]
fn cut(x: f32, bound: f32) -> f32 {
    let x = if x > bound { bound } else { x };
    if x < -bound { -bound } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_even_and_bounds_cut() {
        let by = Quantizer { step: 0.5, bound: 1.0 };
        let mut out = [MaybeUninit::uninit(); 5];
        let out = scale_convert(&mut out, &[0.5, 1.5, 9.0, -9.0, f32::NAN], 0.5, by);
        assert_eq!(out[..4], [0.0, 1.0, 1.0, -1.0]);
        assert!(out[4].is_nan());
    }

    #[test]
    fn only_outputs_beyond_the_bound_count() {
        let by = Quantizer { step: 0.0, bound: 1.0 };
        assert!(!convert(&mut [1.0, -1.0, f32::NAN], by));
        assert!(convert(&mut [0.0, -1.0001], by));
        assert!(!convert(&mut [f32::MAX], Quantizer { step: 0.0, bound: f32::INFINITY }));
    }

    #[test]
    fn magnitudes_see_signs_and_not_a_number() {
        assert_eq!(abs_max(&[1.0, -3.0, 2.0]), 3.0);
        assert_eq!(abs_max(&[]), 0.0);
        assert!(abs_max(&[1.0, f32::NAN, f32::INFINITY]).is_nan());
        assert_eq!(norm_squared(&[2.0; 37]), 148.0);
    }

    #[test]
    fn noise_is_that_of_the_stream_for_any_length() {
        let key = Key::new(3);
        let mut samples = [0.0; 40];
        random::fill_normal(&mut samples, key);
        for n in [1, 15, 16, 17, 40] {
            let (mut one, mut each) = (vec![1.0; n], vec![1.0; n]);
            add_normal(&mut one, 0.5, key);
            add_normal_each(&mut each, &vec![0.5; n], key);
            assert!(one.iter().zip(&samples).all(|(x, s)| *x == 1.0 + 0.5 * s));
            assert_eq!(one, each);
        }
    }

    #[test]
    fn stochastic_rounding_keeps_the_mean() {
        let mut row = vec![0.3; 40_000];
        round_stochastically(&mut row, 1.0, Key::new(1));
        let mean = row.iter().sum::<f32>() / 40_000.0;
        // 4.5σ of a Bernoulli mean.
        assert!((mean - 0.3).abs() < 4.5 * (0.21f32 / 40_000.0).sqrt(), "{mean}");
    }

    #[test]
    fn every_row_is_visited_once() {
        let mut data = vec![0.0; 3 * 20_000];
        for_each_row(&mut data, 3, |i, row| row.fill(i as f32));
        assert!(data.chunks(3).enumerate().all(|(i, row)| row == [i as f32; 3]));
    }
}
