//! Random samples as pure functions of a [`Key`].
//!
//! The same key gives the same bits on every machine, with or without vector instructions, in this and every later
//! version: the tests pin them.

mod generator;
mod lanes;
mod math;
mod permutation;
#[cfg(test)]
mod statistics;

use crate::Key;
use crate::simd::{self, PIECE, vectorized};

pub(crate) use lanes::LANES;
pub use lanes::Lanes;
pub use permutation::permutation;

/// Fills a slice with uniform samples from 0 (included) to 1 (excluded), multiples of 2⁻²⁴.
///
/// The slice is the beginning of the key's one stream, as for [`fill_normal`].
pub fn fill_uniform(out: &mut [f32], key: Key) {
    vectorized(
        #[inline(always)]
        || uniform_stream(out, key),
    );
}

/// Fills a slice with normal samples of mean 0 and variance 1.
///
/// The slice is the beginning of the key's one stream: the first samples do not depend on the length of the slice.
/// Large arrays are better cut into blocks with a key each, which can be filled in parallel.
///
/// From [`Lanes::normals`]; the largest magnitude is 6.66, which one normal sample in 3.6·10¹⁰ would exceed.
///
/// ```
/// use ohmgrad_tensor::{Key, random};
///
/// let key = Key::new(42).fold("output noise");
/// let (mut short, mut long) = ([0.0; 10], [0.0; 1000]);
/// random::fill_normal(&mut short, key);
/// random::fill_normal(&mut long, key);
/// assert_eq!(short, long[..10]);
/// ```
pub fn fill_normal(out: &mut [f32], key: Key) {
    for_each_piece(
        out,
        key,
        #[inline(always)]
        |_, piece, samples| *piece = *samples,
    );
}

/// As [`simd::for_each_piece`]; `f` also gets normal samples of the key's stream, one for each element.
#[inline(always)]
pub(crate) fn for_each_piece(row: &mut [f32], key: Key, f: impl FnMut(usize, &mut [f32; PIECE], &[f32; PIECE])) {
    vectorized(
        #[inline(always)]
        || for_each_piece_portably(row, key, f),
    );
}

#[inline(always)]
fn for_each_piece_portably(row: &mut [f32], key: Key, mut f: impl FnMut(usize, &mut [f32; PIECE], &[f32; PIECE])) {
    let mut lanes = Lanes::new(key);
    simd::for_each_piece(
        row,
        #[inline(always)]
        |first, piece| f(first, piece, &lanes.normals()),
    );
}

// Inlined into each version of `fill_uniform`, or it would be compiled for the baseline only.
#[inline(always)]
fn uniform_stream(out: &mut [f32], key: Key) {
    let mut lanes = Lanes::new(key);
    let (blocks, rest) = out.as_chunks_mut();
    for block in blocks {
        *block = lanes.uniforms();
    }
    if !rest.is_empty() {
        rest.copy_from_slice(&lanes.uniforms()[..rest.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fill = fn(&mut [f32], Key);

    fn normal_stream(out: &mut [f32], key: Key) {
        for_each_piece_portably(out, key, |_, piece, samples| *piece = *samples);
    }

    fn drawn(fill: Fill, n: usize, key: Key) -> Vec<u32> {
        let mut out = vec![f32::NAN; n];
        fill(&mut out, key);
        out.into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn the_dispatched_clone_and_the_portable_one_agree_bit_for_bit() {
        let pairs: [[Fill; 2]; 2] = [[fill_uniform, uniform_stream], [fill_normal, normal_stream]];
        for [dispatched, portable] in pairs {
            for n in (0..70).chain([1000, 200_000]) {
                let key = Key::new(1).fold(n);
                assert_eq!(drawn(dispatched, n, key), drawn(portable, n, key), "{n}");
            }
        }
    }

    #[test]
    fn the_first_samples_do_not_depend_on_how_many_are_drawn() {
        for fill in [fill_uniform, fill_normal] as [Fill; 2] {
            let all = drawn(fill, 200, Key::new(2));
            for n in 0..200 {
                assert_eq!(drawn(fill, n, Key::new(2)), all[..n]);
            }
        }
    }

    /// A change here changes every result anyone has published with these keys.
    #[test]
    fn the_streams_are_pinned() {
        let key = Key::new(42).fold("golden").fold(7);
        let bits = |fill: Fill| {
            let all = drawn(fill, 1000, key);
            [0, 1, 7, 8, 15, 16, 500, 999].map(|i| all[i])
        };
        assert_eq!(
            Lanes::new(key).words()[..8],
            [0x5eb8_5af3, 0x67ee_3a6e, 0x2230_1d89, 0x2941_8873, 0xa5d5_b614, 0x3393_ede8, 0x54c2_d187, 0xe608_8544]
        );
        assert_eq!(
            bits(fill_uniform),
            [0x3ebd_70b4, 0x3ecf_dc74, 0x3f66_0885, 0x3f65_2136, 0x3f5e_74fe, 0x3df9_3558, 0x3e0c_0e24, 0x3e7a_073c]
        );
        assert_eq!(
            bits(fill_normal),
            [0x3f82_4353, 0xbebe_772b, 0xbee3_b97c, 0x3e06_11ef, 0xbda0_9817, 0x3f79_e3a8, 0xbf3c_0703, 0xbfc0_07fd]
        );
        // Every bit of a long stream, mixed so that none can cancel another.
        let digest = |fill| drawn(fill, 100_000, key).into_iter().fold(Key::new(0), Key::fold).to_string();
        assert_eq!(digest(fill_uniform), "265182976fc2f8aff3a3471a1da0fe83");
        assert_eq!(digest(fill_normal), "4595d7949981a0a0f3639d469e5eafba");
    }
}
