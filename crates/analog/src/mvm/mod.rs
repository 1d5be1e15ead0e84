//! The analog matrix-vector product, in the order in which a signal takes its way: noise management, DAC, array and its
//! non-idealities, ADC, bound management.
//!
//! Pure functions of parameters, weights, rows and a key: nothing here knows tiles or tapes. The semantics and the order
//! of operations are the reference's (IBM aihwkit 1.1, `rpu_forward_backward_pass.cpp`); `docs/mvm.md` tells them in
//! full. Rows go through each stage together: the products are matrix products, and rows that hit a bound are read again
//! together.

mod adc;
mod array;
mod bound_management;
mod counters;
mod dac;
mod ir_drop;
mod ir_drop_t;
mod noise_management;
mod offsets;
mod pattern;
mod straight_through;
mod weight_noise;

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ohmgrad_tensor::{Key, Right, Tensor, parallel, product, rows};

use crate::config::{IoParameters, MvType, NoiseManagement};
use bound_management::Pending;

pub use counters::{Converted, Counters};
pub use ir_drop_t::TimedArray;
pub use noise_management::Average;
pub use pattern::Pattern;
pub use straight_through::Linearised;

/// The direction of a read through the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `W·x`, driven from the inputs.
    Forward,
    /// `Wᵀ·d`, driven from the outputs. There is no bound management.
    Backward,
}

/// One batch of reads: everything that they depend on, but for weights and rows.
#[derive(Clone, Copy, Debug)]
pub struct Mvm<'a> {
    /// The parameters of this direction.
    pub io: &'a IoParameters,
    /// The fixed variations of this array in this direction.
    pub pattern: &'a Pattern,
    /// The direction.
    pub direction: Direction,
    /// The key of this call; directions, rounds, rows and purposes derive theirs from it.
    pub key: Key,
    /// The number of the first row in its data set: a row's noise depends on its own number.
    pub first_row: usize,
    /// The array, where its reads are followed over time (`io.ir_drop_t`).
    pub timed: Option<&'a TimedArray>,
}

/// Elements of a block of rows that goes through all stages while it is in cache.
const BLOCK: usize = 1 << 15;

/// What an array stores, as the stages need it: weights [out, in] and what follows from them.
struct Devices {
    w: Tensor,
    /// Magnitudes, where a stage needs the total conductance.
    magnitude: Option<Tensor>,
    /// What IR drop takes from.
    far: Option<Tensor>,
}

/// The same prepared for products.
struct Rights<'a> {
    w: Right<'a, f32>,
    magnitude: Option<Right<'a, f32>>,
    far: Option<Right<'a, f32>>,
}

impl Mvm<'_> {
    /// Reads each row of `x` [batch, in] through weights [out, in], giving [batch, out].
    ///
    /// `average` is the running mean of AVERAGE_ABS_MAX, which the rows advance in their order.
    ///
    /// A row with NaN, or with infinity under a noise management that scales by the largest magnitude, gives NaN in all
    /// outputs; without noise management an infinite input is cut to the DAC's range. Bound management always ends.
    ///
    /// # Panics
    /// If `x` and `w` do not fit, or the pattern is one of another size.
    pub fn read(&self, x: &Tensor, w: &Tensor, average: &mut Average) -> Tensor {
        self.read_counted(x, w, average, None)
    }

    /// As [`read`](Self::read), and adds what the read did to the signals to `counters`.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    pub fn read_counted(
        &self,
        x: &Tensor,
        w: &Tensor,
        average: &mut Average,
        counters: Option<&Mutex<Counters>>,
    ) -> Tensor {
        let io = self.io;
        assert!(
            x.rank() == 2 && w.rank() == 2 && x.shape()[1] == w.shape()[1],
            "analog product: {:?} × {:?}ᵀ: inputs differ",
            x.shape(),
            w.shape()
        );
        let (batch, outs) = (x.shape()[0], w.shape()[0]);
        if let Some(counters) = counters {
            lock(counters).rows += batch as u64;
        }
        if io.is_ideal() {
            let y = ohmgrad_tensor::product::linear(x, w);
            return if io.out_scale == 1.0 { y } else { &y * io.out_scale };
        }
        self.pattern.check(outs, w.shape()[1]);
        let x = x.contiguous();
        let devices = Devices::new(w.clone(), io);
        let asymmetric = io.mv_type != MvType::OnePass && !self.pattern.w_asymmetry.is_empty();
        let negative = asymmetric.then(|| Devices::new(w * &self.pattern.w_asymmetry, io));
        let (devices, negative) = (devices.prepared(), negative.as_ref().map(Devices::prepared));
        let ins = x.shape()[1];
        let batch_of_rows = Batch {
            mvm: self,
            x: x.as_slice().expect("made contiguous above"),
            ins,
            outs,
            devices: [&devices, negative.as_ref().unwrap_or(&devices)],
            counters,
            in_one_go: io.mv_type == MvType::OnePass
                && self.timed.is_none()
                && counters.is_none()
                && adc::is_plain(io, self.pattern),
        };
        // The running mean sees the rows in their order; other scales are a row's own.
        let scales: Option<Vec<f32>> = (io.noise_management == NoiseManagement::AverageAbsMax)
            .then(|| (0..batch).map(|row| noise_management::scale(io, batch_of_rows.row(row), average)).collect());
        // Over time, rows of a batch meet in one stage.
        let size = if self.timed.is_some() { batch } else { (BLOCK / ins.max(outs).max(1)).max(8) };
        let y = parallel::build(batch * outs, size * outs, |first, out| {
            let rows = first / outs..(first + out.len()) / outs;
            batch_of_rows.read(rows, scales.as_deref(), out)
        });
        Tensor::from_vec(y, &[batch, outs])
    }

    /// One round: the array and the ADC, in one or two passes; tells which rows kept inside the bounds.
    fn pass(
        &self,
        v: &Tensor,
        [devices, negative]: [&Rights<'_>; 2],
        numbers: &[usize],
        key: Key,
    ) -> (Tensor, Vec<bool>) {
        let io = self.io;
        if let Some(timed) = self.timed {
            return timed.pass(io, self.pattern, v, numbers, key);
        }
        let array =
            |v: &Tensor, devices, pass: &str| array::multiply(io, self.pattern, v, devices, numbers, key.fold(pass));
        let adc = |y: &mut Tensor, pass: &str| adc::convert(io, self.pattern, y, numbers, key.fold(pass));
        if io.mv_type == MvType::OnePass {
            let mut y = array(v, devices, "single");
            let passed = adc(&mut y, "single");
            return (y, passed);
        }
        // Written so that NaN goes through both passes.
        let mut minus = array(&v.map(|v| if v > 0.0 { 0.0 } else { v }), negative, "negative");
        let mut plus = array(&v.map(|v| if v < 0.0 { 0.0 } else { v }), devices, "positive");
        if io.mv_type == MvType::PosNegSeparateDigitalSum {
            let mut passed = adc(&mut minus, "negative");
            passed.iter_mut().zip(adc(&mut plus, "positive")).for_each(|(a, b)| *a &= b);
            plus.add_assign(&minus);
            return (plus, passed);
        }
        plus.add_assign(&minus);
        let passed = adc(&mut plus, "single");
        (plus, passed)
    }
}

/// All that blocks of rows have in common.
struct Batch<'a> {
    mvm: &'a Mvm<'a>,
    x: &'a [f32],
    ins: usize,
    outs: usize,
    /// For positive and for negative inputs, where these are read apart.
    devices: [&'a Rights<'a>; 2],
    counters: Option<&'a Mutex<Counters>>,
    /// Whether the ADC is one pass over the outputs.
    in_one_go: bool,
}

impl<'a> Batch<'a> {
    fn row(&self, row: usize) -> &'a [f32] {
        &self.x[row * self.ins..(row + 1) * self.ins]
    }

    /// Reads a block of rows until each has passed, and writes all of `out`.
    fn read<'o>(&self, rows: Range<usize>, scales: Option<&[f32]>, out: &'o mut [MaybeUninit<f32>]) -> &'o mut [f32] {
        let (io, first) = (self.mvm.io, rows.start);
        let all = rows.len();
        let mut pending: Vec<Pending> = rows
            .map(|row| {
                let scale = scales.map_or_else(|| noise_management::scale(io, self.row(row), &mut None), |s| s[row]);
                Pending { row, scale, reduction: 1.0 }
            })
            .filter(|p| !noise_management::is_silent(io, p.scale, self.mvm.direction))
            .collect();
        let (out, mut round) = if pending.len() == all {
            (self.round(0, &mut pending, out), 1)
        } else {
            (&mut *out.write_copy_of_slice(&vec![0.0; all * self.outs]), 0)
        };
        while !pending.is_empty() {
            if round > 0 {
                bound_management::reduce(io, round, &mut pending, |row| self.row(row));
            }
            let numbers: Vec<usize> = pending.iter().map(|p| p.row - first).collect();
            let mut again = vec![MaybeUninit::uninit(); pending.len() * self.outs];
            let again = self.round(round, &mut pending, &mut again);
            for (row, y) in numbers.into_iter().zip(again.chunks_exact(self.outs)) {
                out[row * self.outs..(row + 1) * self.outs].copy_from_slice(y);
            }
            round += 1;
        }
        out
    }

    /// Reads the pending rows once to `out` [pending, outs], and keeps those pending that are to be read again.
    fn round<'o>(&self, round: u64, pending: &mut Vec<Pending>, out: &'o mut [MaybeUninit<f32>]) -> &'o mut [f32] {
        let Mvm { io, pattern, direction, first_row, .. } = *self.mvm;
        let key = self.mvm.key.fold(direction as u64).fold(round);
        let factors: Vec<f32> = pending.iter().map(|p| p.factor(io)).collect();
        let numbers: Vec<usize> = pending.iter().map(|p| first_row + p.row).collect();
        let driven = |i: usize| (self.row(pending[i].row), factors[i]);
        let v = dac::drive(io, pending.len(), self.ins, driven, &numbers, key);
        let again = |p: &Pending, inside: bool| !inside && !bound_management::gives_up(io, p.reduction);
        let mut i = 0..pending.len();
        if self.in_one_go {
            let key = key.fold("single");
            let out = array::write(io, pattern, &v, self.devices[0], &numbers, key, out);
            pending.retain(|p| {
                let i = i.next().expect("retain sees each once");
                let y = &mut out[i * self.outs..(i + 1) * self.outs];
                again(p, adc::convert_scale(io, y, io.out_scale / factors[i], numbers[i], key))
            });
            return out;
        }
        let (y, inside) = self.mvm.pass(&v, self.devices, &numbers, key);
        let out = out.write_copy_of_slice(y.as_slice().expect("products and the ADC write rows"));
        pending.retain(|p| {
            let i = i.next().expect("retain sees each once");
            let y = &mut out[i * self.outs..(i + 1) * self.outs];
            let again = again(p, inside[i]);
            if let (false, Some(counters)) = (again, self.counters) {
                lock(counters).row(io, self.row(p.row), factors[i], y, round + 1);
            }
            rows::scale(y, io.out_scale / factors[i]);
            again
        });
        out
    }
}

fn lock(counters: &Mutex<Counters>) -> MutexGuard<'_, Counters> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Devices {
    fn new(w: Tensor, io: &IoParameters) -> Self {
        let magnitude = (io.ir_drop > 0.0 || weight_noise::needs_magnitude(io)).then(|| w.abs());
        let far = (io.ir_drop > 0.0).then(|| ir_drop::far(&w));
        Self { w, magnitude, far }
    }

    fn prepared(&self) -> Rights<'_> {
        Rights {
            w: product::right_of(&self.w),
            magnitude: self.magnitude.as_ref().map(product::right_of),
            far: self.far.as_ref().map(product::right_of),
        }
    }
}

/// Whether outputs count as saturated for the reference's mask: `|y| ≥ 0.999 · |out_scale| · out_bound`, for outputs `y` of
/// [`Mvm::read`]; `None` where there is no bound.
pub fn saturated(io: &IoParameters, y: &Tensor) -> Option<ohmgrad_tensor::Array<bool>> {
    let limit = 0.999 * io.out_scale.abs() * io.out_bound;
    (io.out_bound > 0.0).then(|| y.map(|y| y.abs() >= limit))
}
