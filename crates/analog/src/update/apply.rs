//! Application of the pulses of all samples to rows of devices.
//!
//! Rows are independent. All samples are applied to a row while its arrays are in cache: along the lists of columns if
//! coincidences are rare, else over the whole row, with the pulses of all crosspoints in lock step. The noise of a
//! row's pulses is one stream, used in the order of samples, times, signs and columns, so results do not depend on the
//! order of rows and the number of threads.

// Loops over columns become vector code where all arrays are indexed alike.
#![allow(clippy::needless_range_loop, reason = "several arrays go in step")]

use ohmgrad_tensor::{Key, parallel, vectorized};

use super::bits::{MOST, Normals};
use super::counts::{count, word};
use super::trains::{Stretch, Trains};
use crate::device::{Crosspoint, Step};
use crate::noise::at_least;

/// The pulses that a device receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// All, up and down.
    Both,
    /// Pulses up alone: the positive device of a one-sided pair.
    Up,
    /// Pulses down alone, as pulses up: the negative device of a one-sided pair.
    DownAsUp,
}

/// An array of devices and the pulses that it gets.
#[derive(Debug)]
pub struct Job<'a> {
    pub(crate) trains: &'a Trains,
    pub(crate) side: Side,
    /// The weights that pulses change.
    pub(crate) w: &'a mut [f32],
    /// The weights that reads use, where they differ, and the standard deviation of the difference.
    pub(crate) visible: Option<(&'a mut [f32], f32)>,
    /// The bounds and steps of each crosspoint: max, min, up, down.
    pub(crate) crosspoints: &'a [[f32; 4]],
    pub(crate) own: [&'a [f32]; 3],
    /// Noise of a step from cycle to cycle.
    pub(crate) sigma: f32,
    pub(crate) key: Key,
}

/// Columns that are taken together.
const CHUNK: usize = MOST;
/// Samples for devices without noise.
const ZEROS: [f32; CHUNK] = [0.0; CHUNK];
/// The largest magnitude of a normal sample.
const LARGEST: f32 = 6.67;
/// Least work of a thread's task, in crosspoints and pulses.
const TASK: u64 = 1 << 14;

/// The work on a block of rows, from its number, its weights, those that reads use, and the noise of writes.
type Rows<'a> = dyn Fn(usize, &mut [f32], Option<&mut [f32]>, f32) + Sync + 'a;

/// Applies the pulses to all rows.
pub(crate) fn pulse<S: Step>(step: &S, job: Job<'_>) {
    let Job { trains, side, w, visible, crosspoints, own, sigma, key } = job;
    let (ins, outs) = (trains.ins, trains.outs);
    if trains.is_empty() || ins == 0 || outs == 0 {
        return;
    }
    let row_work = trains.work / outs as u64 + trains.string as u64 / 8 + 1;
    let rows = (TASK.div_ceil(row_work) as usize).clamp(1, outs);
    let (noise, redrawn) = (key.fold("pulse"), key.fold("write noise"));
    let own_arrays = step.arrays().len();
    let each = |part: usize, w: &mut [f32], mut visible: Option<&mut [f32]>, write_noise: f32| {
        vectorized(
            #[inline(always)]
            || {
                let mut normals = Normals::none();
                for (i, w) in w.chunks_exact_mut(ins).enumerate() {
                    let number = part * rows + i;
                    if !trains.reaches_row(number) {
                        continue;
                    }
                    let range = number * ins..(number + 1) * ins;
                    let mut row = Row {
                        step,
                        w,
                        touched: visible.as_deref_mut().map(|v| &mut v[i * ins..(i + 1) * ins]),
                        crosspoints: &crosspoints[range.clone()],
                        own: std::array::from_fn(|k| if k < own_arrays { &own[k][range.clone()] } else { &[][..] }),
                        sigma,
                        side,
                    };
                    normals.restart(noise.fold(number));
                    row.run(trains, number, &mut normals);
                    normals.restart(redrawn.fold(number));
                    row.redraw(write_noise, &mut normals);
                }
            },
        )
    };
    // One copy of the code for both.
    let each: &Rows<'_> = &each;
    match visible {
        None => parallel::for_each_part(w, rows * ins, |part, w| each(part, w, None, 0.0)),
        Some((visible, write_noise)) => {
            parallel::for_each_part_of_two((w, rows * ins), (visible, rows * ins), |part, w, visible| {
                each(part, w, Some(visible), write_noise);
            });
        }
    }
}

struct Row<'a, S> {
    step: &'a S,
    w: &'a mut [f32],
    /// The weights that reads use; NaN where a pulse came, until they are drawn anew.
    touched: Option<&'a mut [f32]>,
    crosspoints: &'a [[f32; 4]],
    own: [&'a [f32]; 3],
    sigma: f32,
    side: Side,
}

impl<S: Step> Row<'_, S> {
    #[inline(always)]
    fn run(&mut self, trains: &Trains, number: usize, noise: &mut Normals) {
        let string = trains.string_of(number);
        for stretch in &trains.stretches {
            match *stretch {
                Stretch::Lists { from, to } => self.lists(trains, string, from..to, number, noise),
                Stretch::Exact { x, d } => self.exact(&trains.values[x..][..self.w.len()], trains.values[d + number]),
                Stretch::Bits { from, length, .. }
                    if (0..length.div_ceil(32)).all(|w| word(string, from, length, w) == 0) => {}
                Stretch::Bits { .. } | Stretch::Counts { .. } => {
                    let mut counts = [0i32; CHUNK];
                    for first in (0..self.w.len()).step_by(CHUNK) {
                        let counts = &mut counts[..CHUNK.min(self.w.len() - first)];
                        count(stretch, trains, string, number, first, counts);
                        self.counted(first, counts, noise);
                    }
                }
            }
        }
    }

    /// The arrays of consecutive columns, all of one length.
    #[inline(always)]
    fn part(&mut self, first: usize, n: usize) -> Part<'_> {
        let own_arrays = self.step.arrays().len();
        Part {
            w: &mut self.w[first..][..n],
            crosspoints: &self.crosspoints[first..][..n],
            own: std::array::from_fn(|k| if k < own_arrays { &self.own[k][first..][..n] } else { &[][..] }),
        }
    }

    /// One pulse at each listed column.
    #[inline(always)]
    fn listed(&mut self, columns: &[u32], up: bool, noise: &mut Normals) {
        let up = match (self.side, up) {
            (Side::Both, up) => up,
            (Side::Up, true) | (Side::DownAsUp, false) => true,
            _ => return,
        };
        let (step, sigma) = (self.step, self.sigma);
        for columns in columns.chunks(CHUNK) {
            let xi = if sigma > 0.0 { noise.take(columns.len()) } else { &ZEROS[..columns.len()] };
            let n = self.w.len();
            let mut part = self.part(0, n);
            // A loop for each direction: a test within would cost as much as a pulse.
            match up {
                true => part.each(columns, xi, |w, at, xi| step.up(w, at, sigma * xi), step),
                false => part.each(columns, xi, |w, at, xi| step.down(w, at, sigma * xi), step),
            }
            if let Some(touched) = &mut self.touched {
                columns.iter().for_each(|&j| touched[j as usize] = f32::NAN);
            }
        }
    }

    #[inline(always)]
    fn lists(
        &mut self,
        trains: &Trains,
        string: &[u32],
        times: std::ops::Range<usize>,
        number: usize,
        noise: &mut Normals,
    ) {
        for (w, &bits) in string.iter().enumerate().take(times.end.div_ceil(32)).skip(times.start / 32) {
            let mut bits = bits;
            if w * 32 < times.start {
                bits &= u32::MAX << (times.start % 32);
            }
            if (w + 1) * 32 > times.end {
                bits &= u32::MAX >> ((w + 1) * 32 - times.end);
            }
            while bits != 0 {
                let time = w * 32 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let [a, b, c] = [0, 1, 2].map(|k| trains.starts[2 * time + k] as usize);
                let negative = trains.d_negative[trains.sample_of[time] as usize * trains.outs + number];
                for (range, up) in [(a..b, negative), (b..c, !negative)] {
                    self.listed(&trains.columns[range], up, noise);
                }
            }
        }
    }

    /// Applies `counts` pulses to consecutive columns, up where positive.
    #[inline(always)]
    fn counted(&mut self, first: usize, counts: &mut [i32], noise: &mut Normals) {
        match self.side {
            Side::Both => {}
            Side::Up => counts.iter_mut().for_each(|n| *n = (*n).max(0)),
            Side::DownAsUp => counts.iter_mut().for_each(|n| *n = (-*n).max(0)),
        }
        if let Some(touched) = &mut self.touched {
            for (v, _) in touched[first..].iter_mut().zip(counts.iter()).filter(|(_, n)| **n != 0) {
                *v = f32::NAN;
            }
        }
        let mut most = counts.iter().fold(0, |most, n| n.abs().max(most));
        let (step, sigma, own_arrays, n) = (self.step, self.sigma, self.step.arrays().len(), counts.len());
        let counts = &mut counts[..n];
        let part = self.part(first, n);
        if most > 1 && step.adds_up() {
            // If the weight cannot reach a bound with any noise, n pulses are one normal sample.
            let xi = if sigma > 0.0 { noise.take(n) } else { &ZEROS[..n] };
            most = 0;
            for j in 0..n {
                let (at, w, up) = (part.crosspoint(j, own_arrays), part.w[j], counts[j] > 0);
                let count = counts[j].abs() as f32;
                let size = if up { at.up } else { -at.down };
                let reach = size.abs() * count * (1.0 + LARGEST * sigma);
                let at_once = ((w + reach < at.max) & (w - reach > at.min)) | (size == 0.0);
                let new = w + size * (count + count.sqrt() * sigma * xi[j]);
                part.w[j] = if at_once { new } else { w };
                counts[j] = if at_once { 0 } else { counts[j] };
                most = most.max(counts[j].abs());
            }
        }
        for pulse in 0..most {
            let xi = if sigma > 0.0 { noise.take(n) } else { &ZEROS[..n] };
            for j in 0..n {
                let (at, w) = (part.crosspoint(j, own_arrays), part.w[j]);
                let (up, down) = (step.up(w, &at, sigma * xi[j]), step.down(w, &at, sigma * xi[j]));
                let (low, high) = step.bounds(&at);
                let new = clip(if counts[j] > 0 { up } else { down }, low, high);
                part.w[j] = if counts[j].abs() > pulse { new } else { w };
            }
        }
    }

    /// The exact change `d·x`, within the bounds.
    #[inline(always)]
    fn exact(&mut self, x: &[f32], d: f32) {
        let (step, side, own_arrays) = (self.step, self.side, self.step.arrays().len());
        let part = self.part(0, x.len());
        for (j, x) in x.iter().enumerate() {
            let change = match side {
                Side::Both => d * x,
                Side::Up => at_least(d * x, 0.0),
                Side::DownAsUp => at_least(-d * x, 0.0),
            };
            let (low, high) = step.bounds(&part.crosspoint(j, own_arrays));
            part.w[j] = clip(part.w[j] + change, low, high);
        }
        if let Some(touched) = &mut self.touched {
            touched.fill(f32::NAN);
        }
    }

    /// Draws new weights for reads at the pulsed crosspoints, from a second stream: one sample for each, in order.
    #[inline(always)]
    fn redraw(&mut self, write_noise: f32, noise: &mut Normals) {
        let Some(touched) = &mut self.touched else { return };
        for (v, &w) in touched.iter_mut().zip(self.w.iter()).filter(|(v, _)| v.is_nan()) {
            *v = w + write_noise * noise.take(1)[0];
        }
    }
}

/// Arrays of consecutive columns of a row.
struct Part<'a> {
    w: &'a mut [f32],
    crosspoints: &'a [[f32; 4]],
    own: [&'a [f32]; 3],
}

impl Part<'_> {
    /// One pulse at each listed column, within the bounds.
    #[inline(always)]
    fn each(&mut self, columns: &[u32], xi: &[f32], pulse: impl Fn(f32, &Crosspoint, f32) -> f32, step: &impl Step) {
        let n = self.w.len();
        for (&j, &xi) in columns.iter().zip(xi) {
            let j = j as usize;
            // One check for all arrays, which have the length n.
            if j >= n {
                break;
            }
            let at = self.crosspoint(j, step.arrays().len());
            let (low, high) = step.bounds(&at);
            self.w[j] = clip(pulse(self.w[j], &at, xi), low, high);
        }
    }

    #[inline(always)]
    fn crosspoint(&self, j: usize, own_arrays: usize) -> Crosspoint {
        let [max, min, up, down] = self.crosspoints[j];
        Crosspoint {
            max,
            min,
            up,
            down,
            own: [
                if own_arrays > 0 { self.own[0][j] } else { 0.0 },
                if own_arrays > 1 { self.own[1][j] } else { 0.0 },
                if own_arrays > 2 { self.own[2][j] } else { 0.0 },
            ],
        }
    }
}

/// A weight within its bounds; NaN stays NaN, which `f32::min` would lose.
#[inline(always)]
pub(crate) fn clip(w: f32, low: f32, high: f32) -> f32 {
    let w = if w > high { high } else { w };
    if w < low { low } else { w }
}
