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

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ohmgrad_tensor::{Key, Right, Tensor, parallel, product, rows};

use crate::config::{IoParameters, MvType};
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
        let count = |counts: &dyn Fn(&mut Counters)| {
            if let Some(counters) = counters {
                counts(&mut counters.lock().unwrap_or_else(PoisonError::into_inner));
            }
        };
        count(&|counters| counters.rows += batch as u64);
        if io.is_ideal() {
            let y = ohmgrad_tensor::product::linear(x, w);
            return if io.out_scale == 1.0 { y } else { &y * io.out_scale };
        }
        self.pattern.check(outs, w.shape()[1]);
        let x = x.contiguous();
        let source = x.as_slice().expect("made contiguous above");
        let ins = x.shape()[1];
        let row_of = |row: usize| &source[row * ins..(row + 1) * ins];
        let devices = Devices::new(w.clone(), io);
        let asymmetric = io.mv_type != MvType::OnePass && !self.pattern.w_asymmetry.is_empty();
        let negative = asymmetric.then(|| Devices::new(w * &self.pattern.w_asymmetry, io));
        let (devices, negative) = (devices.prepared(), negative.as_ref().map(Devices::prepared));
        let devices = [&devices, negative.as_ref().unwrap_or(&devices)];
        let mut pending: Vec<Pending> = Vec::with_capacity(batch);
        for row in 0..batch {
            let scale = noise_management::scale(io, row_of(row), average);
            if !noise_management::is_silent(io, scale, self.direction) {
                pending.push(Pending { row, scale, reduction: 1.0 });
            }
        }
        let mut out = None;
        // Who counts wants to see what the ADC gives.
        let plain = io.mv_type == MvType::OnePass && self.timed.is_none() && adc::is_plain(io, self.pattern);
        let in_one_go = plain && counters.is_none();
        for round in 0.. {
            if pending.is_empty() {
                break;
            }
            if round > 0 {
                bound_management::reduce(io, round, &mut pending, row_of);
            }
            let key = self.key.fold(self.direction as u64).fold(round);
            let passed: Vec<AtomicBool> = pending.iter().map(|_| AtomicBool::new(false)).collect();
            let block = |first: usize, out: &mut [f32]| {
                let pending = &pending[first / outs..(first + out.len()) / outs];
                let factors: Vec<f32> = pending.iter().map(|p| p.factor(io)).collect();
                let numbers: Vec<usize> = pending.iter().map(|p| self.first_row + p.row).collect();
                let v = dac::drive(io, pending.len(), ins, |i| (row_of(pending[i].row), factors[i]), &numbers, key);
                let mut rows_of = |y: &Tensor, finish: &mut dyn FnMut(usize, &mut [f32], &[f32], f32) -> bool| {
                    let y = y.as_slice().expect("products and the ADC write rows");
                    for (i, p) in pending.iter().enumerate() {
                        let range = i * outs..(i + 1) * outs;
                        let inside = finish(i, &mut out[range.clone()], &y[range], io.out_scale / factors[i]);
                        let done = inside || bound_management::gives_up(io, p.reduction);
                        passed[first / outs + i].store(done, Ordering::Relaxed);
                    }
                };
                if in_one_go {
                    let key = key.fold("single");
                    let y = array::multiply(io, self.pattern, &v, devices[0], &numbers, key);
                    rows_of(&y, &mut |i, out, y, factor| adc::convert_scale(io, out, y, factor, numbers[i], key));
                } else {
                    let (y, inside) = self.pass(&v, devices, &numbers, key);
                    rows_of(&y, &mut |i, out, y, factor| {
                        rows::scale(out, y, factor);
                        inside[i]
                    });
                    let y = y.as_slice().expect("the ADC writes rows");
                    let done = |(i, p): &(usize, &Pending)| inside[*i] || bound_management::gives_up(io, p.reduction);
                    count(&|counters| {
                        for (i, p) in pending.iter().enumerate().filter(done) {
                            counters.row(io, row_of(p.row), factors[i], &y[i * outs..(i + 1) * outs], round + 1);
                        }
                    });
                }
            };
            // Over time, rows of a batch meet in one stage.
            let size = if self.timed.is_some() { batch } else { (BLOCK / ins.max(outs).max(1)).max(8) };
            let y = parallel::build_from(pending.len() * outs, size * outs, 0.0, block);
            // A row that is to be read again is written again.
            if round == 0 && pending.len() == batch {
                out = Some(Tensor::from_vec(y, &[batch, outs]));
            } else {
                let out = out.get_or_insert_with(|| Tensor::full(&[batch, outs], 0.0)).make_mut();
                for (p, y) in pending.iter().zip(y.chunks_exact(outs.max(1))) {
                    out[p.row * outs..(p.row + 1) * outs].copy_from_slice(y);
                }
            }
            let mut passed = passed.into_iter();
            pending.retain(|_| !passed.next().expect("one flag per row").into_inner());
        }
        out.unwrap_or_else(|| Tensor::full(&[batch, outs], 0.0))
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

/// Calls `f` with each row of a matrix and the row's number in its data set.
fn for_each_row(matrix: &mut Tensor, numbers: &[usize], f: impl Fn(usize, usize, &mut [f32]) + Sync) {
    let width = matrix.shape()[1];
    rows::for_each_row(matrix.make_mut(), width, |i, row| f(i, numbers[i], row));
}
