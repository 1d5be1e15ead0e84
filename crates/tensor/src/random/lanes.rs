// Each loop below is one or two vector instructions wide.
#![allow(clippy::needless_range_loop, reason = "the lanes of several arrays go in step")]

use super::math;
use crate::key::{Key, mix};

/// The number of generators side by side: as many as the widest vectors have words.
pub(crate) const LANES: usize = 16;

/// Sixteen xoshiro128++ generators (Blackman & Vigna 2021) side by side, all seeded from one [`Key`].
///
/// Each call returns one or two numbers of every generator, lane by lane, and advances the generators. So the samples
/// depend on the key and on the calls before; they are the same bits on every machine.
///
/// The functions are always inlined: in a loop that [`vectorized`](crate::simd::vectorized) compiles for an instruction
/// set, they use this set. [`fill_uniform`](super::fill_uniform) and [`fill_normal`](super::fill_normal) fill a slice
/// in this way.
// The alignment of a vector: one that crosses cache lines costs half the speed.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct Lanes {
    state: [[u32; LANES]; 4],
}

impl Lanes {
    /// The generators of a key. The two halves of the key each seed half of every lane's state through SplitMix64.
    #[inline(always)]
    pub fn new(key: Key) -> Self {
        let [a, b] = key.to_words();
        let mut state = [[0; LANES]; 4];
        for l in 0..LANES {
            let [x, y] = seed(a, b, l as u64);
            state[0][l] = x as u32;
            state[1][l] = (x >> 32) as u32;
            state[2][l] = y as u32;
            // All zeros is the one state that xoshiro never leaves.
            state[3][l] = (y >> 32) as u32 | u32::from(x | y == 0);
        }
        Self { state }
    }

    /// The next word of each lane: 32 random bits.
    #[inline(always)]
    pub fn words(&mut self) -> [u32; LANES] {
        let [s0, s1, s2, s3] = &mut self.state;
        let mut out = [0; LANES];
        for l in 0..LANES {
            out[l] = s0[l].wrapping_add(s3[l]).rotate_left(7).wrapping_add(s0[l]);
            let t = s1[l] << 9;
            s2[l] ^= s0[l];
            s3[l] ^= s1[l];
            s1[l] ^= s2[l];
            s0[l] ^= s3[l];
            s2[l] ^= t;
            s3[l] = s3[l].rotate_left(11);
        }
        out
    }

    /// Sixteen uniform samples from 0 (included) to 1 (excluded), multiples of 2⁻²⁴. Takes one word of each lane.
    #[inline(always)]
    pub fn uniforms(&mut self) -> [f32; LANES] {
        let x = self.words();
        let mut out = [0.0; LANES];
        for l in 0..LANES {
            out[l] = math::uniform(x[l]);
        }
        out
    }

    /// Thirty-two normal samples of mean 0 and variance 1, of magnitude at most 6.66. Takes two words of each lane.
    ///
    /// By Box & Muller (1958): lane l gives the independent samples l and l + 16.
    #[inline(always)]
    pub fn normals(&mut self) -> [f32; 2 * LANES] {
        let (x, y) = (self.words(), self.words());
        let mut out = [0.0; 2 * LANES];
        for l in 0..LANES {
            (out[l], out[l + LANES]) = math::box_muller(x[l], y[l]);
        }
        out
    }
}

/// The `n`-th outputs of two SplitMix64 generators with the states `a` and `b`, counted from 0.
#[inline(always)]
pub(super) fn seed(a: u64, b: u64, n: u64) -> [u64; 2] {
    let step = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [mix(a.wrapping_add(step)), mix(b.wrapping_add(step))]
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::rand_core::{Rng, SeedableRng};
    use rand_xoshiro::{SplitMix64, Xoshiro128PlusPlus};

    use super::*;

    #[test]
    fn each_lane_is_xoshiro128_plus_plus() {
        let mut lanes = Lanes::new(Key::new(3).fold("lanes"));
        let mut reference: [_; LANES] = std::array::from_fn(|l| {
            let mut bytes = [0; 16];
            for (word, bytes) in lanes.state.iter().zip(bytes.as_chunks_mut().0) {
                *bytes = word[l].to_le_bytes();
            }
            Xoshiro128PlusPlus::from_seed(bytes)
        });
        for _ in 0..1000 {
            assert_eq!(lanes.words(), reference.each_mut().map(|r| r.next_u32()));
        }
    }

    #[test]
    fn lanes_are_seeded_by_splitmix64() {
        let key = Key::new(4);
        let state = Lanes::new(key).state;
        let mut reference = key.to_words().map(SplitMix64::seed_from_u64);
        for l in 0..LANES {
            let [x, y] = reference.each_mut().map(|r| r.next_u64());
            assert_eq!(state.map(|word| word[l]), [x as u32, (x >> 32) as u32, y as u32, (y >> 32) as u32]);
        }
    }

    /// A key for which SplitMix64 would give zeros for lane 2.
    #[test]
    fn no_key_leaves_a_lane_at_rest() {
        let a = 3u64.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_neg();
        let state = Lanes::new(Key::from_words([a, a])).state;
        assert_eq!(state.map(|word| word[2]), [0, 0, 0, 1]);
    }
}
