//! Counters of the reads of a tile: how often converters clipped, how much of their range and how many of their codes
//! were used, how often bound management read again.
//!
//! Counts are whole numbers, so that a sum of them is the same in any order.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ohmgrad_tensor::Tensor;

use super::rounds::{Probe, Round};
use crate::config::{IoParameters, MvType};

/// Largest number of steps of a converter whose codes are counted one by one; the rounding of finer ones is negligible.
const MOST_CODES: usize = 1 << 14;

/// The value 1 in the fixed-point numbers of [`Converted`].
const ONE: f64 = (1_u64 << 20) as f64;

/// Counters of the reads of one tile in one direction; made by [`Mvm::read_scaled`](super::Mvm::read_scaled), added up
/// with [`add`](Self::add). Perfect products count in `rows` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rows that were given.
    pub rows: u64,
    /// Rows that were read; the others, such as rows of zeros, have outputs of 0.
    pub read: u64,
    /// Rounds of bound management, all rows together: at least one for each that was read.
    pub rounds: u64,
    /// The most rounds that a row took.
    pub most_rounds: u64,
    /// The inputs of the DAC in the last round of each row, rounded to the nearest code and without its noise.
    pub inputs: Converted,
    /// The outputs of the ADC in the last round of each row; of two passes, their sum.
    pub outputs: Converted,
    /// Outputs whose gradients the mask would set to 0, counted also where the mask is off; see
    /// [`saturated`](super::saturated).
    pub masked: u64,
}

/// Counters of one converter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Numbers that it converted.
    pub values: u64,
    /// Numbers that the range cut off; of an ADC, those that came out at the end of its range.
    pub clipped: u64,
    /// The sum of magnitudes as shares of the range.
    magnitude: u64,
    /// The largest magnitude as a share of the range.
    peak: u64,
    /// A bit for each code, in their order.
    codes: Vec<u64>,
    /// Number of codes that exist; 0 where there is no rounding or it is too fine.
    available: usize,
}

impl Converted {
    /// The mean magnitude as a share of the range, 0…1; `None` if there is no range or all values are 0.
    pub fn mean_of_range(&self) -> Option<f64> {
        (self.values > 0 && self.peak > 0).then(|| self.magnitude as f64 / ONE / self.values as f64)
    }

    /// The largest magnitude as a share of the range, 0…1; `None` as for the mean.
    pub fn peak_of_range(&self) -> Option<f64> {
        (self.values > 0 && self.peak > 0).then(|| self.peak as f64 / ONE)
    }

    /// The numbers of codes that occurred and of all codes; `None` without rounding or with more than 16384 steps.
    pub fn codes(&self) -> Option<(usize, usize)> {
        let used = self.codes.iter().map(|word| word.count_ones() as usize).sum();
        (self.available > 0).then_some((used, self.available))
    }

    /// Adds the counts of another converter of the same kind.
    pub fn add(&mut self, other: &Self) {
        self.values += other.values;
        self.clipped += other.clipped;
        self.magnitude += other.magnitude;
        self.peak = self.peak.max(other.peak);
        self.available = self.available.max(other.available);
        self.codes.resize(self.codes.len().max(other.codes.len()), 0);
        self.codes.iter_mut().zip(&other.codes).for_each(|(a, b)| *a |= b);
    }

    fn prepare(&mut self, bound: f32, step: Option<f32>) -> Range {
        let most = step.map_or(f32::INFINITY, |step| bound / step * 1.0001).floor();
        let most = (most <= MOST_CODES as f32 / 2.0).then_some(most as usize);
        if let Some(most) = most {
            self.available = 2 * most + 1;
            self.codes.resize(self.available.div_ceil(64), 0);
        }
        Range { bound, step: step.unwrap_or(0.0), most: most.map(|most| most as f32) }
    }

    fn count(&mut self, value: f32, clipped: bool, range: &Range) {
        self.values += 1;
        self.clipped += u64::from(clipped);
        if range.bound > 0.0 && value.is_finite() {
            let share = (f64::from(value.abs() / range.bound).min(1.0) * ONE) as u64;
            self.magnitude += share;
            self.peak = self.peak.max(share);
        }
        if let Some(most) = range.most.filter(|_| value.is_finite()) {
            let code = ((value / range.step).round().clamp(-most, most) + most) as usize;
            self.codes[code / 64] |= 1 << (code % 64);
        }
    }
}

struct Range {
    bound: f32,
    step: f32,
    /// The largest code.
    most: Option<f32>,
}

impl Counters {
    /// Adds the counts of other reads.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.read += other.read;
        self.rounds += other.rounds;
        self.most_rounds = self.most_rounds.max(other.most_rounds);
        self.inputs.add(&other.inputs);
        self.outputs.add(&other.outputs);
        self.masked += other.masked;
    }

    /// Counts a row in its last round: inputs `x`, which were multiplied by `factor`, and outputs `y` of the ADC.
    pub(super) fn row(&mut self, io: &IoParameters, x: &[f32], factor: f32, y: &[f32], rounds: u64) {
        self.read += 1;
        self.rounds += rounds;
        self.most_rounds = self.most_rounds.max(rounds);

        let bound = io.inp_bound.max(0.0);
        let range = self.inputs.prepare(bound, io.inp_step());
        for x in x {
            let v = x * factor;
            let v = if range.step > 0.0 { (v / range.step).round_ties_even() * range.step } else { v };
            let clipped = bound > 0.0 && v.abs() > bound;
            self.inputs.count(if clipped { bound.copysign(v) } else { v }, clipped, &range);
        }

        let passes = if io.mv_type == MvType::PosNegSeparateDigitalSum { 2.0 } else { 1.0 };
        let bound = passes * io.out_bound.max(0.0);
        let range = self.outputs.prepare(bound, io.out_step());
        let limit = io.out_bound.max(0.0) * 0.999 * io.out_scale.abs();
        for &y in y {
            self.outputs.count(y, bound > 0.0 && y.abs() >= bound, &range);
            self.masked += u64::from(limit > 0.0 && (y * (io.out_scale / factor)).abs() >= limit);
        }
    }
}

/// Counts the rows that a read accepts.
pub(super) struct CounterProbe<'a> {
    pub io: &'a IoParameters,
    /// The rows of the read, contiguous.
    pub x: &'a Tensor,
    pub counters: &'a Mutex<Counters>,
}

impl Probe for CounterProbe<'_> {
    const LOOKS: bool = true;
    const WANTS_SUMS: bool = false;

    fn silent(&self, _: usize) {}

    fn look(&self, round: &Round<'_>) {
        let [x, codes] = [self.x, round.codes].map(|rows| rows.as_slice().expect("contiguous rows"));
        let [ins, outs] = [self.x, round.codes].map(|rows| rows.shape()[1]);
        let mut counters = lock(self.counters);
        for (i, pending) in round.rows.iter().enumerate().filter(|(i, _)| round.accepted[*i]) {
            let (x, codes) = (&x[pending.row * ins..][..ins], &codes[i * outs..][..outs]);
            counters.row(self.io, x, round.factors[i], codes, round.number + 1);
        }
    }
}

pub(super) fn lock(counters: &Mutex<Counters>) -> MutexGuard<'_, Counters> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BoundManagement;

    fn io() -> IoParameters {
        IoParameters { inp_res: 0.125, out_res: 0.05, out_bound: 10.0, ..Default::default() }
    }

    #[test]
    fn a_row_is_counted_in_units_of_its_converters() {
        let mut counters = Counters::default();
        // Inputs times 2: 0.5, and −3, which is clipped. Of 9 codes 0, 2/4 and −4/4 occur.
        counters.row(&io(), &[0.25, -1.5, 0.0, 0.0], 2.0, &[10.0, -5.0], 3);
        let Counters { inputs, outputs, .. } = &counters;
        assert_eq!((inputs.values, inputs.clipped, inputs.codes()), (4, 1, Some((3, 9))));
        assert_eq!((inputs.mean_of_range(), inputs.peak_of_range()), (Some(0.375), Some(1.0)));
        assert_eq!((outputs.values, outputs.clipped, outputs.codes()), (2, 1, Some((2, 21))));
        assert_eq!(outputs.mean_of_range(), Some(0.75));
        assert_eq!((counters.read, counters.rounds, counters.most_rounds), (1, 3, 3));
        assert_eq!(counters.masked, 0, "10 / 2 is far from the bound");
    }

    #[test]
    fn the_mask_looks_at_outputs_after_noise_management_was_undone() {
        let mut counters = Counters::default();
        counters.row(&io(), &[1.0], 0.25, &[2.4, 2.5], 1);
        assert_eq!((counters.masked, counters.outputs.clipped), (1, 0));
    }

    #[test]
    fn sums_do_not_depend_on_their_order() {
        let row = |x: f32, y: f32| {
            let mut counters = Counters { rows: 1, ..Default::default() };
            counters.row(&io(), &[x, -x], 1.0, &[y], 1);
            counters
        };
        let parts = [row(0.3, 1.7), row(2.0, -11.0), row(1e-3, 0.0)];
        let sum = |order: [usize; 3]| {
            let mut sum = Counters::default();
            order.iter().for_each(|&i| sum.add(&parts[i]));
            sum
        };
        assert_eq!(sum([0, 1, 2]), sum([2, 0, 1]));
        assert_eq!(sum([0, 1, 2]).inputs.codes(), Some((5, 9)));
    }

    #[test]
    fn without_range_or_steps_nothing_is_used() {
        let io = IoParameters {
            inp_bound: -1.0,
            out_bound: -1.0,
            bound_management: BoundManagement::None,
            ..Default::default()
        };
        let mut counters = Counters::default();
        counters.row(&io, &[5.0, f32::NAN], 1.0, &[50.0], 1);
        assert_eq!((counters.inputs.values, counters.inputs.clipped, counters.masked), (2, 0, 0));
        assert_eq!((counters.inputs.codes(), counters.outputs.mean_of_range()), (None, None));
        let fine = IoParameters { inp_res: 1e-6, ..Default::default() };
        counters = Counters::default();
        counters.row(&fine, &[0.5], 1.0, &[0.0], 1);
        assert_eq!((counters.inputs.codes(), counters.inputs.mean_of_range()), (None, Some(0.5)));
    }
}
