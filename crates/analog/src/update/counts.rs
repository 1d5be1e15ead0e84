//! The numbers of pulses at crosspoints.

use super::Side;
use super::bits::MOST;
use super::trains::{Stretch, Trains};

/// Adds the number of pulses at each crosspoint to `wear`, row by row.
pub(crate) fn count_pulses(trains: &Trains, side: Side, wear: &mut [f32]) {
    let counted = |n: i32| match side {
        Side::Both => n.abs(),
        Side::Up => n.max(0),
        Side::DownAsUp => (-n).max(0),
    };
    for (number, wear) in wear.chunks_exact_mut(trains.ins.max(1)).enumerate() {
        let string = trains.string_of(number);
        for stretch in &trains.stretches {
            match *stretch {
                // No pulses.
                Stretch::Exact { .. } => {}
                Stretch::Lists { from, to } => {
                    for time in (from..to).filter(|time| string[time / 32] >> (time % 32) & 1 == 1) {
                        let [a, b, c] = [0, 1, 2].map(|k| trains.starts[2 * time + k] as usize);
                        let negative = trains.d_negative[trains.sample_of[time] as usize * trains.outs + number];
                        for (range, up) in [(a..b, negative), (b..c, !negative)] {
                            let count = counted(if up { 1 } else { -1 }) as f32;
                            trains.columns[range].iter().for_each(|&j| wear[j as usize] += count);
                        }
                    }
                }
                Stretch::Bits { .. } | Stretch::Counts { .. } => {
                    let mut counts = [0i32; MOST];
                    for (part, wear) in wear.chunks_mut(MOST).enumerate() {
                        let counts = &mut counts[..wear.len()];
                        count(stretch, trains, string, number, part * MOST, counts);
                        wear.iter_mut().zip(counts).for_each(|(wear, n)| *wear += counted(*n) as f32);
                    }
                }
            }
        }
    }
}

/// The pulses of a sample on consecutive columns of a row, up where positive.
#[inline(always)]
pub(super) fn count(
    stretch: &Stretch,
    trains: &Trains,
    string: &[u32],
    number: usize,
    first: usize,
    counts: &mut [i32],
) {
    let n = counts.len();
    match *stretch {
        Stretch::Bits { sample, from, length, words } => {
            let sign = if trains.d_negative[sample * trains.outs + number] { -1 } else { 1 };
            counts.fill(0);
            for w in 0..length.div_ceil(32) {
                let d = word(string, from, length, w);
                let x = &trains.x_words[words + w * trains.ins + first..][..n];
                for (count, &x) in counts.iter_mut().zip(x) {
                    *count += (x & d).count_ones() as i32;
                }
            }
            let signs = &trains.x_signs[words + first..][..n];
            counts.iter_mut().zip(signs).for_each(|(count, &s)| *count *= s * sign);
        }
        Stretch::Counts { x, d } => {
            let d = trains.values[d + number];
            for (count, &x) in counts.iter_mut().zip(&trains.values[x + first..][..n]) {
                *count = (d * x).round_ties_even() as i32;
            }
        }
        Stretch::Lists { .. } | Stretch::Exact { .. } => unreachable!("nothing to count"),
    }
}

/// The bits of a row at times `32·w…` of a sample that starts at time `from`.
#[inline(always)]
pub(super) fn word(string: &[u32], from: usize, length: usize, w: usize) -> u32 {
    let (at, shift) = ((from + w * 32) / 32, (from + w * 32) % 32);
    let bits = string[at] >> shift | if shift > 0 { string[at + 1] << (32 - shift) } else { 0 };
    let left = length - w * 32;
    if left < 32 { bits & ((1 << left) - 1) } else { bits }
}
