//! Bits of lines, and noise of pulses: random numbers for updates.
//!
//! A line with probability p is set at a time with exactly this probability, to 2⁻³²: words of 32 random bits are
//! compared with `min(⌈p·2³²⌉, 2³²)`. The bits of a line are functions of its number and of a key for the sample and
//! the side.

use ohmgrad_tensor::random::Lanes;
use ohmgrad_tensor::rows::{self, Quantizer};
use ohmgrad_tensor::{Key, vectorized};

/// Number of parallel generators, and so of lines that are drawn together.
pub(super) const LANES: usize = 16;

/// All lines of one side of a sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) probability: Vec<f32>,
    /// The largest random word that sets the bit.
    largest: Vec<u32>,
    /// Ones, or 0 for a line that is never set.
    mask: Vec<u32>,
    /// The bits, [word, line], with 32 times in a word; the number of lines is rounded up to a multiple of [`LANES`].
    words: Vec<u32>,
    /// For each [`LANES`] of `words` a mask of those that are not 0.
    set: Vec<u32>,
}

impl Line {
    /// Sets the probabilities to the magnitudes of values times a factor.
    pub(super) fn scale(&mut self, values: &[f32], factor: f32) {
        self.probability.resize(values.len(), 0.0);
        let probability = self.probability.as_mut_slice();
        vectorized(
            #[inline(always)]
            || probability.iter_mut().zip(values).for_each(|(p, v)| *p = factor * v.abs()),
        );
    }

    /// Bits of all lines at `length` times.
    pub(super) fn draw(&mut self, length: usize, key: Key) {
        self.draw_words(length, key);
        self.set.resize(self.words.len() / LANES, 0);
        let (set, words) = (self.set.as_mut_slice(), self.words.as_slice());
        vectorized(
            #[inline(always)]
            || {
                for (set, words) in set.iter_mut().zip(words.as_chunks::<LANES>().0) {
                    let ones = words.map(|word| u8::from(word != 0));
                    let [low, high] =
                        [0, 8].map(|first| mask(ones[first..first + 8].try_into().expect("half of a block")));
                    *set = low | high << 8;
                }
            },
        );
    }

    /// The bits of all lines: for each 32 times a list with one word for each line.
    pub(super) fn words(&self) -> impl Iterator<Item = &[u32]> {
        let lines = self.probability.len();
        self.words.chunks_exact(lines.next_multiple_of(LANES).max(1)).map(move |words| &words[..lines])
    }

    /// Calls `f` with the number and the `w`-th word of each line, in order; lines whose word is 0 are left out.
    #[inline(always)]
    pub(super) fn each_set(&self, w: usize, mut f: impl FnMut(usize, u32)) {
        let blocks = self.probability.len().div_ceil(LANES);
        let (set, words) = (&self.set[w * blocks..][..blocks], self.words[w * blocks * LANES..].chunks_exact(LANES));
        for (block, (&set, words)) in set.iter().zip(words).enumerate() {
            each_bit(set, |l| f(block * LANES + l, words[l]));
        }
    }

    fn draw_words(&mut self, length: usize, key: Key) {
        let n = self.probability.len();
        let padded = n.next_multiple_of(LANES);
        self.largest.resize(padded, 0);
        self.mask.resize(padded, 0);
        self.largest[n..].fill(0);
        self.mask[n..].fill(0);
        let random = thresholds(&self.probability, &mut self.largest, &mut self.mask);
        let words = length.div_ceil(32);
        self.words.clear();
        if !random {
            for w in 0..words {
                let ones = if (w + 1) * 32 <= length { u32::MAX } else { (1 << (length % 32)) - 1 };
                self.words.extend(self.mask.iter().map(|mask| mask & ones));
            }
            return;
        }
        self.words.resize(words * padded, 0);
        let (largest, mask, out) = (self.largest.as_slice(), self.mask.as_slice(), self.words.as_mut_slice());
        vectorized(
            #[inline(always)]
            || {
                let mut lanes = Lanes::new(key);
                for block in (0..padded).step_by(LANES) {
                    let top: &[u32; LANES] = largest[block..block + LANES].try_into().expect("a block");
                    let mask: &[u32; LANES] = mask[block..block + LANES].try_into().expect("a block");
                    for w in 0..words {
                        let mut bits = [0u32; LANES];
                        for k in 0..(length - w * 32).min(32) {
                            let random = lanes.words();
                            for l in 0..LANES {
                                bits[l] |= u32::from(random[l] <= top[l]) << k;
                            }
                        }
                        let out = &mut out[w * padded + block..w * padded + block + LANES];
                        for l in 0..LANES {
                            out[l] = bits[l] & mask[l];
                        }
                    }
                }
            },
        );
    }

    /// Rounds probabilities to multiples of `res`, if above 0: to the nearest, or stochastically.
    pub(super) fn round(&mut self, res: f32, key: Option<Key>) {
        if res <= 0.0 {
            return;
        }
        match key {
            Some(key) => rows::round_stochastically(&mut self.probability, res, key),
            None => {
                rows::convert(&mut self.probability, Quantizer { step: res, bound: f32::INFINITY });
            }
        }
    }
}

/// Computes `largest` and `mask` of each line; returns `true` if the bits of any line are random.
fn thresholds(probability: &[f32], largest: &mut [u32], mask: &mut [u32]) -> bool {
    const WORDS: f32 = 4_294_967_296.0;
    vectorized(
        #[inline(always)]
        || {
            let mut random = 0;
            for ((&p, largest), mask) in probability.iter().zip(largest.iter_mut()).zip(mask.iter_mut()) {
                // Exact in f32: the factor is a power of two, and numbers above 2²⁴ are whole.
                let threshold = (p * WORDS).ceil();
                // NaN is never set.
                let (ever, sure) = (p > 0.0, p >= 1.0);
                *largest = if sure { u32::MAX } else { whole(threshold).wrapping_sub(1) };
                *mask = if ever { u32::MAX } else { 0 };
                random |= u32::from(ever & !sure);
            }
            random != 0
        },
    )
}

/// A whole number below 2³² as an integer, by halves of 16 bits: a cast that saturates would not become vector code.
#[inline(always)]
fn whole(number: f32) -> u32 {
    // The last bits of 2²³ + n are those of n.
    const SHIFT: f32 = 8_388_608.0;
    let half = |number: f32| (number + SHIFT).to_bits() & 0xffff;
    let upper = (number / 65_536.0).floor();
    half(upper) << 16 | half(number - upper * 65_536.0)
}

/// A mask of the bytes that are 1; all others are 0.
#[inline(always)]
fn mask(ones: [u8; 8]) -> u32 {
    // Byte k, times 2 to the power of 56 − 7k, becomes bit 56 + k of the product.
    (u64::from_le_bytes(ones).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

/// Calls `f` with the place of each bit that is set, in order.
#[inline(always)]
pub(super) fn each_bit(mut bits: u32, mut f: impl FnMut(usize)) {
    while bits != 0 {
        f(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// Normal samples of a row's pulses: the stream of a key, opened with the first of them.
pub(super) struct Normals {
    key: Key,
    lanes: Option<Lanes>,
    buffer: [f32; MOST + 2 * LANES],
    from: usize,
    to: usize,
}

/// The most samples that are taken at once.
pub(super) const MOST: usize = 256;

impl Normals {
    /// No stream.
    pub(super) fn none() -> Self {
        Self { key: Key::new(0), lanes: None, buffer: [0.0; MOST + 2 * LANES], from: 0, to: 0 }
    }

    /// Begins the stream of another key.
    #[inline(always)]
    pub(super) fn restart(&mut self, key: Key) {
        (self.key, self.lanes, self.from, self.to) = (key, None, 0, 0);
    }

    /// The next `n` samples of the stream, [`MOST`] at most.
    #[inline(always)]
    pub(super) fn take(&mut self, n: usize) -> &[f32] {
        if self.to - self.from < n {
            self.fill(n);
        }
        self.from += n;
        &self.buffer[self.from - n..self.from]
    }

    /// Draws samples until there are `n`. Not inlined: it would be the larger part of the code of each device's loop.
    #[inline(never)]
    fn fill(&mut self, n: usize) {
        self.buffer.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        let Self { key, lanes, buffer, to, .. } = self;
        vectorized(
            #[inline(always)]
            || {
                // Not `get_or_insert_with`: its closure would be compiled without the vector instructions.
                if lanes.is_none() {
                    *lanes = Some(Lanes::new(*key));
                }
                let lanes = lanes.as_mut().expect("opened above");
                while *to < n {
                    buffer[*to..*to + 2 * LANES].copy_from_slice(&lanes.normals());
                    *to += 2 * LANES;
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_a_bit_for_each_byte() {
        for bits in 0..256 {
            assert_eq!(mask(std::array::from_fn(|k| (bits >> k & 1) as u8)), bits);
        }
    }

    #[test]
    fn whole_numbers_are_exact() {
        for number in [0u32, 1, 2, 65_535, 65_536, 65_537, 0xff_ffff, 0x8000_0000, 0xffff_ff00, 0x1234_5600] {
            assert_eq!(whole(number as f32), number);
        }
    }

    #[test]
    fn bits_have_their_probabilities() {
        let p = [0.0, 1e-3, 0.25, 0.5, 0.999, 1.0, 2.0, f32::NAN];
        let mut line = Line { probability: p.repeat(3), ..Default::default() };
        let length = 100_001;
        line.draw(length, Key::new(6));
        for (j, &p) in line.probability.iter().enumerate() {
            let count: u32 = line.words().map(|words| words[j].count_ones()).sum();
            let p = if p.is_nan() { 0.0 } else { f64::from(p.min(1.0)) };
            let n = length as f64;
            // 5σ: at most one key in 70,000 has a line that is further off.
            assert!((f64::from(count) - n * p).abs() <= 5.0 * (n * p * (1.0 - p)).sqrt(), "{p}: {count}");
        }
    }
}
