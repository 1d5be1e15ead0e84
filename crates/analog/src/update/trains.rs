//! The trains of all lines of a batch of samples, in the form that rows of devices need.
//!
//! The bits of lines are drawn in `bits.rs`. x lines are kept as lists of the columns set at each time, d lines as one
//! string of bits per row over the times of all samples, so that a row that gets no pulse costs one test per 32 times.
//! A sample with more coincidences than half of the crosspoints keeps the words of its x lines, and is counted.

use std::ops::Range;

use ohmgrad_tensor::{Key, rows, vectorized};

use super::bits::{BLOCK, Line, each_bit, signs};
use super::parameters::step;
use super::{Pairs, PulseType, Statistics, UpdateParameters, lines};
use crate::device::Changed;

/// Consecutive samples that rows treat alike.
#[derive(Clone, Debug)]
pub(super) enum Stretch {
    /// Times at which columns are listed.
    Lists { from: usize, to: usize },
    /// A sample whose coincidences are counted: its times, and the first of its words of x lines.
    Bits { sample: usize, from: usize, length: usize, words: usize },
    /// A sample whose pulses at (i, j) are `rint(d[i]·x[j])`, up where positive; the fields are offsets of the values.
    Counts { x: usize, d: usize },
    /// A sample that changes the weight at (i, j) by `d[i]·x[j]`.
    Exact { x: usize, d: usize },
}

/// The trains of a batch; made anew for each, in the same memory.
#[derive(Clone, Debug, Default)]
pub struct Trains {
    pub(super) ins: usize,
    pub(super) outs: usize,
    pub(super) stretches: Vec<Stretch>,
    /// The columns set at each time, positive x first; none at times when no d line is set.
    pub(super) columns: Vec<u32>,
    /// The start of the columns of each time: two entries a time, for positive and for negative x.
    pub(super) starts: Vec<u32>,
    /// The sample of each time.
    pub(super) sample_of: Vec<u32>,
    /// A string of bits for each row, in words.
    pub(super) strings: Vec<u32>,
    /// The number of words of a string.
    pub(super) string: usize,
    /// `true` where d of (sample, row) is negative, after chopping and with the sign of the rate.
    pub(super) d_negative: Vec<bool>,
    /// Words of x lines (word, column) of samples that are counted.
    pub(super) x_words: Vec<u32>,
    /// The signs of the pulses that their x lines and positive d give: 1 where x is negative, −1 elsewhere. Places are
    /// those of `x_words`; a sample has its signs at its first words.
    pub(super) x_signs: Vec<i32>,
    /// Factors of `Counts` and `Exact`.
    pub(super) values: Vec<f32>,
    /// The work, in coincidences, or an estimate of it.
    pub(super) work: u64,
    /// The columns that may be pulsed.
    reach: Range<usize>,
    /// Counts of the pulses that were sent since the statistics were last taken.
    statistics: Statistics,
    scratch: Scratch,
    /// `Some` makes all samples counted, or none, for any number of coincidences.
    #[cfg(test)]
    forced: Option<bool>,
}

#[derive(Clone, Debug, Default)]
struct Scratch {
    lengths: Vec<Option<lines::Lines>>,
    x: Line,
    d: Line,
    /// The number of d lines that are set at each time. Where it is 0, no x line gives a pulse.
    d_set: Vec<u32>,
    /// Masks of the lines whose x is negative, after chopping, for each block of x lines.
    negative: Vec<u64>,
}

impl Trains {
    /// Makes the trains of `pairs` for devices of a granularity, at a rate per sample; a rate below 0 reverses all
    /// pulses. `chopped` reverses lines: it is 1 for each column of x and row of d whose sign is changed, 0 for others.
    pub(crate) fn prepare(
        &mut self,
        p: &UpdateParameters,
        granularity: f32,
        rates: &[f32],
        pairs: Pairs<'_>,
        chopped: Option<(&[f32], &[f32])>,
        key: Key,
    ) {
        (self.ins, self.outs) = (pairs.ins(), pairs.outs());
        self.reach = 0..self.ins;
        self.clear(pairs.len());
        let mut times = 0;
        for (i, &rate) in rates.iter().enumerate() {
            let (x, d) = (rows::abs_max(pairs.x(i)), rows::abs_max(pairs.d(i)));
            let lines = match p.pulse_type {
                PulseType::None | PulseType::NoneWithDevice => None,
                _ => lines::lines(p, rate.abs(), granularity, x, d),
            };
            times += lines.map_or(0, |lines| lines.bl as usize);
            self.scratch.lengths.push(lines);
        }
        // A word more than the times need: the bits of a sample may begin within a word.
        self.string = times.div_ceil(32) + 1;
        self.strings.clear();
        self.strings.resize(self.string * self.outs, 0);
        self.statistics.samples += pairs.len() as u64;
        for (i, &rate) in rates.iter().enumerate() {
            let (x, d) = (pairs.x(i), pairs.d(i));
            let sign = |chopped: Option<&[f32]>, line: usize| chopped.is_some_and(|c| c[line] != 0.0);
            let (x_chopped, d_chopped) = (chopped.map(|c| c.0), chopped.map(|c| c.1));
            let around = rate < 0.0;
            let start = i * self.outs;
            self.d_negative.resize(start + self.outs, false);
            let negative = &mut self.d_negative[start..];
            vectorized(
                #[inline(always)]
                || negative.iter_mut().zip(d).for_each(|(negative, &d)| *negative = (d < 0.0) ^ around),
            );
            if let Some(chopped) = d_chopped {
                self.d_negative[start..].iter_mut().zip(chopped).for_each(|(negative, &c)| *negative ^= c != 0.0);
            }
            if matches!(p.pulse_type, PulseType::None | PulseType::NoneWithDevice) {
                let values = self.values.len();
                self.values.extend(x.iter().enumerate().map(|(j, &x)| if sign(x_chopped, j) { -x } else { x }));
                self.values.extend(d.iter().enumerate().map(
                    |(row, &d)| {
                        if sign(d_chopped, row) { rate * d } else { -rate * d }
                    },
                ));
                self.stretches.push(Stretch::Exact { x: values, d: values + self.ins });
                self.work += (self.ins * self.outs) as u64 / 4;
                continue;
            }
            let Some(lines) = self.scratch.lengths[i] else { continue };
            if lines.bl == 0 {
                self.lose(x, d, rate);
                continue;
            }
            let sample = key.fold(pairs.first() + i);
            let (xs, ds) = (&mut self.scratch.x, &mut self.scratch.d);
            let (x_res, d_res) = match p.pulse_type {
                PulseType::DeterministicImplicit => (p.x_res_implicit, p.d_res_implicit),
                _ => (p.res, p.res),
            };
            let dither = |side: &str| p.sto_round.then(|| sample.fold("rounding").fold(side));
            xs.scale(x, lines.b);
            xs.round(step(x_res), dither("x"));
            ds.scale(d, lines.a);
            ds.round(step(d_res), dither("d"));
            self.statistics.length += u64::from(lines.bl);
            self.statistics.k += f64::from(lines.k);
            self.statistics.d_lines += ds.above(0.0);
            self.statistics.d_clipped += ds.above(1.0 + 1e-5);
            let bl = lines.bl as f32;
            match p.pulse_type {
                PulseType::Stochastic | PulseType::StochasticCompressed => {
                    self.draw_rows(i, lines.bl as usize, sample.fold("d"));
                    self.draw_columns(i, x, x_chopped, sample.fold("x"));
                    continue;
                }
                PulseType::MeanCount => {
                    let count = |p: &mut f32| *p = (bl * *p).round_ties_even().clamp(0.0, bl);
                    xs.probability.iter_mut().for_each(count);
                    ds.probability.iter_mut().for_each(|p| {
                        count(p);
                        *p /= bl;
                    });
                }
                PulseType::DeterministicImplicit => {
                    xs.probability.iter_mut().for_each(|p| *p = p.clamp(0.0, 1.0));
                    ds.probability.iter_mut().for_each(|p| *p = p.clamp(0.0, 1.0) * bl);
                }
                PulseType::None | PulseType::NoneWithDevice => unreachable!("no trains"),
            }
            let values = self.values.len();
            let signed = |p: f32, negative: bool| if negative { -p } else { p };
            self.values.extend(
                xs.probability.iter().zip(x).enumerate().map(|(j, (&p, &x))| signed(p, (x < 0.0) ^ sign(x_chopped, j))),
            );
            // Positive d with positive x pulses down.
            let negative = &self.d_negative[start..start + self.outs];
            self.values.extend(ds.probability.iter().zip(negative).map(|(&p, &negative)| signed(p, !negative)));
            self.stretches.push(Stretch::Counts { x: values, d: values + self.ins });
            self.work += (self.ins * self.outs) as u64;
        }
    }

    /// Sets weights to NaN: those of rows and columns whose d or x is infinite or NaN, or all if the rate is. Pulses
    /// would skip such a sample silently.
    fn lose(&mut self, x: &[f32], d: &[f32], rate: f32) {
        let start = self.values.len();
        self.values.extend(x.iter().map(|x| x * 0.0));
        self.values.extend(d.iter().map(|d| d * 0.0 * rate));
        self.stretches.push(Stretch::Exact { x: start, d: start + self.ins });
        self.work += (self.ins * self.outs) as u64 / 4;
    }

    /// Counts of the pulses that were sent since the statistics were last taken.
    pub(crate) fn sent(&self) -> Statistics {
        self.statistics
    }

    /// Replaces the counts.
    pub(crate) fn put_statistics(&mut self, statistics: Statistics) {
        self.statistics = statistics;
    }

    /// Returns the counts of the pulses that were sent since the last call, and starts new ones.
    pub(crate) fn take_statistics(&mut self) -> Statistics {
        std::mem::take(&mut self.statistics)
    }

    /// Declares that x is 0 except in the given column.
    pub(crate) fn reaches(&mut self, column: usize) {
        self.reach = column..column + 1;
    }

    /// Adds the crosspoints that the pulses may change: all of them if a sample has values instead of bits.
    pub(crate) fn mark(&self, changed: &mut Changed) {
        match self.values.is_empty() {
            true => changed.add(self.reach.clone(), |row| self.reaches_row(row)),
            false => *changed = Changed::all([self.outs, self.ins]),
        }
    }

    /// Returns `false` if the row gets no pulse, because its d line is never set.
    #[inline(always)]
    pub(super) fn reaches_row(&self, row: usize) -> bool {
        !self.values.is_empty() || self.string_of(row).iter().any(|&bits| bits != 0)
    }

    /// The bits of a row at all times.
    #[inline(always)]
    pub(super) fn string_of(&self, row: usize) -> &[u32] {
        &self.strings[row * self.string..(row + 1) * self.string]
    }

    /// Returns `true` if no crosspoint changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    fn clear(&mut self, samples: usize) {
        self.stretches.clear();
        self.columns.clear();
        self.starts.clear();
        self.starts.push(0);
        self.sample_of.clear();
        self.d_negative.clear();
        self.d_negative.reserve(samples * self.outs);
        self.x_words.clear();
        self.x_signs.clear();
        self.values.clear();
        self.scratch.lengths.clear();
        self.work = 0;
    }

    /// Returns `true` if a sample has so many coincidences that they are counted over whole rows.
    fn counts_bits(&self, coincidences: u64) -> bool {
        #[cfg(test)]
        if let Some(count) = self.forced {
            return count;
        }
        2 * coincidences > (self.ins * self.outs) as u64
    }

    /// Draws the d lines of sample `i`, sets their bits in the strings of their rows, and counts how many are set at each
    /// time.
    fn draw_rows(&mut self, i: usize, length: usize, key: Key) {
        let from = self.sample_of.len();
        self.sample_of.resize(from + length, i as u32);
        let Scratch { d, d_set, .. } = &mut self.scratch;
        d_set.clear();
        // d lines are drawn at all times.
        d_set.resize(length, 1);
        d.draw(d_set, key);
        for (time, count) in d_set.iter_mut().enumerate() {
            *count = 0;
            let (word, bit) = ((from + time) / 32, (from + time) % 32);
            for (block, &mask) in d.masks(time).iter().enumerate() {
                *count += mask.count_ones();
                each_bit(mask, |l| self.strings[(block * BLOCK + l) * self.string + word] |= 1 << bit);
            }
        }
    }

    /// Gives the newest times lists without columns.
    fn list_nothing(&mut self) {
        let last = *self.starts.last().expect("starts with 0");
        self.starts.resize(2 * self.sample_of.len() + 1, last);
    }

    /// Draws the x lines of sample `i`, whose d lines are the last that were drawn, and stores them for the rows: as lists
    /// or as words. No x line is drawn if no d line is set, because there are no pulses then.
    fn draw_columns(&mut self, i: usize, x: &[f32], x_chopped: Option<&[f32]>, key: Key) {
        let Scratch { x: xs, d_set, negative, .. } = &mut self.scratch;
        if d_set.iter().all(|&count| count == 0) {
            return self.list_nothing();
        }
        let length = d_set.len();
        let from = self.sample_of.len() - length;
        xs.draw(d_set, key);
        signs(x, x_chopped, negative);
        let x_set = |time| xs.masks(time).iter().map(|mask| u64::from(mask.count_ones())).sum::<u64>();
        let coincidences = d_set.iter().enumerate().map(|(time, &d_set)| x_set(time) * u64::from(d_set)).sum();
        self.statistics.coincidences += coincidences;
        self.work += coincidences;
        if coincidences > 0 && !self.counts_bits(coincidences) {
            self.list_columns();
            match self.stretches.last_mut() {
                Some(Stretch::Lists { to, .. }) => *to = from + length,
                _ => self.stretches.push(Stretch::Lists { from, to: from + length }),
            }
            return;
        }
        self.list_nothing();
        if coincidences > 0 {
            let words = self.x_words.len();
            self.keep_words(length);
            // Parallel to x_words, so that one offset finds both; samples of more than a word need their signs once.
            self.x_signs.resize(words, 0);
            let negative = &self.scratch.negative;
            self.x_signs.extend((0..self.ins).map(|j| (negative[j / BLOCK] >> (j % BLOCK) & 1) as i32 * 2 - 1));
            self.x_signs.resize(self.x_words.len(), 0);
            self.stretches.push(Stretch::Bits { sample: i, from, length, words });
        }
    }

    /// Lists the columns that are set at each time of the sample: those of positive x, then those of negative x.
    fn list_columns(&mut self) {
        let Scratch { x, d_set, negative, .. } = &self.scratch;
        for time in 0..d_set.len() {
            for is_negative in [false, true] {
                for (block, (&mask, &negative)) in x.masks(time).iter().zip(negative).enumerate() {
                    let class = if is_negative { negative } else { !negative };
                    each_bit(mask & class, |l| self.columns.push((block * BLOCK + l) as u32));
                }
                self.starts.push(self.columns.len() as u32);
            }
        }
    }

    /// Stores the bits of x lines as words of 32 times, [word, line].
    fn keep_words(&mut self, length: usize) {
        for first in (0..length).step_by(32) {
            let words = self.x_words.len();
            self.x_words.resize(words + self.ins, 0);
            let (x, words) = (&self.scratch.x, &mut self.x_words[words..]);
            vectorized(
                #[inline(always)]
                || {
                    for time in first..length.min(first + 32) {
                        let lines = words.iter_mut().zip(x.bytes(time));
                        lines.for_each(|(word, &byte)| *word |= u32::from(byte) << (time - first));
                    }
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{DeviceArray, DeviceConfig, PowStep};
    use crate::update::Side;
    use ohmgrad_tensor::Tensor;

    /// Counting over rows and walking along lists give the same pulses: weights without noise agree bit for bit.
    #[test]
    fn a_dense_pass_equals_the_lists() {
        let device = PowStep { dw_min: 0.01, dw_min_std: 0.0, pow_gamma: 1.3, ..Default::default() };
        let (outs, ins) = (37, 300);
        // Lengths beyond a word, and of a few pulses, at different places of the strings.
        for (rate, bl) in [(0.9, 70), (0.9, 31), (0.05, 31), (0.01, 100), (3.0, 1)] {
            let p = UpdateParameters { desired_bl: bl, ..Default::default() };
            let x = Tensor::normal(&[7, ins], Key::new(1));
            let d = &Tensor::normal(&[7, outs], Key::new(2)) * 0.3;
            let run = |forced| {
                let mut devices =
                    DeviceArray::new(&DeviceConfig::from(device), [outs, ins], false, Key::new(3)).unwrap();
                let mut trains = Trains { forced, ..Default::default() };
                trains.prepare(&p, 0.01, &[rate; 7], Pairs::new(&x, &d), None, Key::new(4));
                devices.pulse(&trains, Side::Both, Key::new(5));
                (devices.weights().clone(), trains.take_statistics())
            };
            let lists = run(Some(false));
            assert_eq!(lists, run(Some(true)), "{rate} {bl}");
            assert_eq!(lists, run(None), "{rate} {bl}");
            assert!(lists.1.coincidences > 0 && lists.0.abs().max() > 0.0);
        }
    }
}
