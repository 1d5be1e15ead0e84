//! Random samples as pure functions of a [`Key`].
//!
//! The same key gives the same bits on every machine, with or without vector instructions, in this and every later
//! version: the tests pin them.

mod lanes;
mod math;
mod permutation;
#[cfg(test)]
mod statistics;
#[cfg(target_arch = "x86_64")]
mod wide;

use multiversion::multiversion;

use crate::Key;
use crate::vector::vectorized;

pub use lanes::Lanes;
pub use permutation::permutation;

/// Fills a slice with uniform samples from 0 (included) to 1 (excluded), multiples of 2⁻²⁴.
///
/// Like [`fill_normal`], one stream per key.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn fill_uniform(out: &mut [f32], key: Key) {
    uniform_stream(out, key);
}

/// Fills a slice with normal samples of mean 0 and variance 1.
///
/// The slice is the beginning of the key's one stream: the first samples do not depend on how many are asked for. Large
/// arrays are better cut into blocks with a key each, which can be filled in parallel.
///
/// From [`Lanes::normals`]; the largest magnitude is 6.66, beyond which lies one sample in 3.6·10¹⁰.
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
        |_, piece, samples| piece.iter_mut().zip(samples).for_each(|(o, &x)| *o = x),
    );
}

/// Samples that a piece of a row gets.
const PIECE: usize = 32;

/// Calls `f` with pieces of a row, the number of their first element, and as many normal samples of the key's stream.
#[inline(always)]
pub(crate) fn for_each_piece(row: &mut [f32], key: Key, f: impl FnMut(usize, &mut [f32], &[f32; PIECE])) {
    #[cfg(target_arch = "x86_64")]
    if crate::vector::has_avx512() {
        // SAFETY: the processor has the features.
        return unsafe { wide::for_each_piece(row, key, f) };
    }
    vectorized(
        #[inline(always)]
        || for_each_piece_portably(row, key, f),
    );
}

#[inline(always)]
fn for_each_piece_portably(row: &mut [f32], key: Key, mut f: impl FnMut(usize, &mut [f32], &[f32; PIECE])) {
    let mut lanes = Lanes::new(key);
    let mut samples = [0.0; PIECE];
    for (i, piece) in row.chunks_mut(PIECE).enumerate() {
        let (first, second) = samples.split_at_mut(PIECE / 2);
        first.copy_from_slice(&lanes.normals());
        if piece.len() > PIECE / 2 {
            second.copy_from_slice(&lanes.normals());
        }
        f(i * PIECE, piece, &samples);
    }
}

// Inlined into each clone of the functions above, or they would be compiled for the baseline only.
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
        for_each_piece_portably(out, key, |_, piece, samples| piece.copy_from_slice(&samples[..piece.len()]));
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
            Lanes::new(key).words(),
            [0x5eb8_5af3, 0x67ee_3a6e, 0x2230_1d89, 0x2941_8873, 0xa5d5_b614, 0x3393_ede8, 0x54c2_d187, 0xe608_8544]
        );
        assert_eq!(
            bits(fill_uniform),
            [0x3ebd_70b4, 0x3ecf_dc74, 0x3f66_0885, 0x3df9_3558, 0x3f34_aee6, 0x3f54_a8d9, 0x3f13_79cc, 0x3f58_0748]
        );
        assert_eq!(
            bits(fill_normal),
            [0x3f82_4354, 0xbebe_772b, 0xbee3_b97d, 0x3f79_e3a8, 0xbe01_dc46, 0x3f10_be7e, 0xbf0e_b010, 0x3f01_6775]
        );
        // Every bit of a long stream, mixed so that none can cancel another.
        let digest = |fill| drawn(fill, 100_000, key).into_iter().fold(Key::new(0), Key::fold).to_string();
        assert_eq!(digest(fill_uniform), "529a1ce7938ce4dd0d0389dd3eef58f1");
        assert_eq!(digest(fill_normal), "b5032c36e97ef8eda7fecb9367581a20");
    }
}
