//! Bits of lines, and noise of pulses: random numbers for updates.
//!
//! A line with probability p is set at a time with exactly this probability, to 2⁻³²: words of 32 random bits are
//! compared with `min(⌈p·2³²⌉, 2³²)`. The bits of a line are functions of its number and of a key for the sample and
//! the side.

use ohmgrad_tensor::random::Lanes;
use ohmgrad_tensor::rows::{self, Quantizer};
use ohmgrad_tensor::{Key, vectorized};

/// Number of parallel generators, and so of lines that are drawn together.
const LANES: usize = 16;

/// Number of lines in a mask.
pub(super) const BLOCK: usize = 64;

/// All lines of one side of a sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) probability: Vec<f32>,
    /// The largest random word that sets the bit.
    largest: Vec<u32>,
    /// 1 for a line that can be set, 0 for one that never is.
    ever: Vec<u32>,
    /// The bits as bytes, [time, line], with lines up to a multiple of [`BLOCK`]: vector code makes them faster than bits.
    bytes: Vec<u8>,
    /// The bits as masks, [time, block].
    masks: Vec<u64>,
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

    /// The number of lines with a probability above the limit.
    pub(super) fn above(&self, limit: f32) -> u64 {
        let probability = self.probability.as_slice();
        vectorized(
            #[inline(always)]
            || probability.iter().map(|&p| u32::from(p > limit)).sum::<u32>().into(),
        )
    }

    /// The lines that are set at a time, as masks of blocks of [`BLOCK`] lines.
    #[inline(always)]
    pub(super) fn masks(&self, time: usize) -> &[u64] {
        let blocks = self.probability.len().div_ceil(BLOCK);
        &self.masks[time * blocks..][..blocks]
    }

    /// 1 for each line that is set at a time, 0 for each other.
    #[inline(always)]
    pub(super) fn bytes(&self, time: usize) -> &[u8] {
        let lines = self.probability.len();
        &self.bytes[time * lines.next_multiple_of(BLOCK)..][..lines]
    }

    /// Draws the bits of all lines. `wanted` has a number for each time; where it is 0, no bit is set. Bits at other times
    /// do not depend on it.
    pub(super) fn draw(&mut self, wanted: &[u32], key: Key) {
        let n = self.probability.len();
        let (drawn, padded) = (n.next_multiple_of(LANES), n.next_multiple_of(BLOCK));
        self.largest.resize(drawn, 0);
        self.ever.resize(drawn, 0);
        self.largest[n..].fill(0);
        self.ever[n..].fill(0);
        let is_random = thresholds(&self.probability, &mut self.largest, &mut self.ever);
        self.bytes.clear();
        self.bytes.resize(padded * wanted.len(), 0);
        let (largest, ever, bytes) = (self.largest.as_slice(), self.ever.as_slice(), self.bytes.as_mut_slice());
        vectorized(
            #[inline(always)]
            || {
                if !is_random {
                    let times = bytes.chunks_exact_mut(padded.max(1)).zip(wanted);
                    for (bytes, _) in times.filter(|(_, wanted)| **wanted != 0) {
                        bytes.iter_mut().zip(ever).for_each(|(byte, ever)| *byte = *ever as u8);
                    }
                    return;
                }
                let mut lanes = Lanes::new(key);
                let groups = largest.as_chunks::<LANES>().0.iter().zip(ever.as_chunks::<LANES>().0);
                for (group, (&top, &ever)) in groups.enumerate() {
                    for (time, &wanted) in wanted.iter().enumerate() {
                        let words = lanes.words();
                        if wanted != 0 {
                            let mut ones = [0; LANES];
                            for l in 0..LANES {
                                ones[l] = u32::from(words[l] <= top[l]) & ever[l];
                            }
                            bytes[time * padded + group * LANES..][..LANES].copy_from_slice(&ones.map(|one| one as u8));
                        }
                    }
                }
            },
        );
        self.masks.clear();
        self.masks.extend(self.bytes.as_chunks().0.iter().map(mask_of));
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

/// Computes `largest` and `ever` of each line; returns `true` if the bits of any line are random.
fn thresholds(probability: &[f32], largest: &mut [u32], ever: &mut [u32]) -> bool {
    const WORDS: f32 = 4_294_967_296.0;
    vectorized(
        #[inline(always)]
        || {
            let mut random = 0;
            for ((&p, largest), ever) in probability.iter().zip(largest.iter_mut()).zip(ever.iter_mut()) {
                // Exact in f32: the factor is a power of two, and numbers above 2²⁴ are whole.
                let threshold = (p * WORDS).ceil();
                // NaN is never set.
                let (can, sure) = (p > 0.0, p >= 1.0);
                *largest = if sure { u32::MAX } else { whole(threshold).wrapping_sub(1) };
                *ever = u32::from(can);
                random |= u32::from(can & !sure);
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
fn mask_of(bytes: &[u8; BLOCK]) -> u64 {
    let mut mask = 0;
    for (k, bytes) in bytes.as_chunks().0.iter().enumerate() {
        // Byte l, times 2 to the power of 56 − 7l, becomes bit 56 + l of the product.
        let bits = u64::from_le_bytes(*bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (8 * k);
    }
    mask
}

/// Sets `negative` to masks of the lines whose x is negative, after chopping.
pub(super) fn signs(x: &[f32], chopped: Option<&[f32]>, negative: &mut Vec<u64>) {
    negative.clear();
    negative.resize(x.len().div_ceil(BLOCK), 0);
    vectorized(
        #[inline(always)]
        || {
            flip(x, negative, |x| x < 0.0);
            if let Some(chopped) = chopped {
                flip(chopped, negative, |c| c != 0.0);
            }
        },
    );
}

/// Flips the bit of each value for which `is` returns `true`.
#[inline(always)]
fn flip(values: &[f32], masks: &mut [u64], is: impl Fn(f32) -> bool) {
    let (blocks, rest) = values.as_chunks::<BLOCK>();
    masks.iter_mut().zip(blocks).for_each(|(mask, values)| *mask ^= mask_of(&values.map(|value| u8::from(is(value)))));
    if let Some(mask) = masks.get_mut(blocks.len()) {
        rest.iter().enumerate().for_each(|(l, &value)| *mask ^= u64::from(is(value)) << l);
    }
}

/// Calls `f` with the place of each bit that is set, in order.
#[inline(always)]
pub(super) fn each_bit(mut bits: u64, mut f: impl FnMut(usize)) {
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
    fn whole_numbers_are_exact() {
        for number in [0u32, 1, 2, 65_535, 65_536, 65_537, 0xff_ffff, 0x8000_0000, 0xffff_ff00, 0x1234_5600] {
            assert_eq!(whole(number as f32), number);
        }
    }

    #[test]
    fn a_draw_depends_on_its_own_lines_and_times_alone() {
        let draw = |line: &mut Line, lines: usize, wanted: &[u32]| {
            line.probability = (0..lines).map(|j| (j % 7) as f32 / 5.0).collect();
            line.draw(wanted, Key::new(8));
            (line.bytes.clone(), line.masks.clone())
        };
        let (mut used, all) = (Line::default(), [1; 70]);
        draw(&mut used, 300, &all);
        let (bytes, masks) = draw(&mut used, 70, &all[..31]);
        assert_eq!((bytes.clone(), masks.clone()), draw(&mut Line::default(), 70, &all[..31]));
        let wanted: Vec<u32> = (0..31).map(|time| time % 3).collect();
        let (some, of_some) = draw(&mut used, 70, &wanted);
        for (time, wanted) in wanted.iter().enumerate() {
            let (line, mask) = (time * 128..(time + 1) * 128, time * 2..(time + 1) * 2);
            let kept = *wanted != 0;
            assert!(bytes[line.clone()].contains(&1));
            assert!(
                some[line.clone()].iter().zip(&bytes[line]).all(|(some, all)| *some == if kept { *all } else { 0 })
            );
            assert!(
                of_some[mask.clone()].iter().zip(&masks[mask]).all(|(some, all)| *some == if kept { *all } else { 0 })
            );
        }
    }

    #[test]
    fn bits_have_their_probabilities() {
        let p = [0.0, 1e-3, 0.25, 0.5, 0.999, 1.0, 2.0, f32::NAN];
        let mut line = Line { probability: p.repeat(3), ..Default::default() };
        let length = 100_001;
        line.draw(&vec![1; length], Key::new(6));
        for (j, &p) in line.probability.iter().enumerate() {
            let count: u32 = (0..length).map(|time| u32::from(line.bytes(time)[j])).sum();
            let of_masks: u64 = (0..length).map(|time| line.masks(time)[j / BLOCK] >> (j % BLOCK) & 1).sum();
            assert_eq!(u64::from(count), of_masks);
            let p = if p.is_nan() { 0.0 } else { f64::from(p.min(1.0)) };
            let n = length as f64;
            // 5σ: at most one key in 70,000 has a line that is further off.
            assert!((f64::from(count) - n * p).abs() <= 5.0 * (n * p * (1.0 - p)).sqrt(), "{p}: {count}");
        }
    }
}
