//! The analog matrix-vector product, in the order of the signal: noise management, DAC, array and its non-idealities,
//! ADC, bound management.
//!
//! [`Prepared`] is a weight that is ready for reads, [`Pattern`] the fixed variations of a tile, and [`Counters`]
//! counts the effects of converters. The functions are pure functions of parameters, weights, rows and a key, without
//! tile arrays or tapes. The semantics and the order of operations are the reference's (IBM aihwkit 1.1,
//! `rpu_forward_backward_pass.cpp`); `docs/mvm.md` describes them in full. Rows go through each stage together: the
//! products are matrix products, and rows that hit a bound are read again together.

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
mod prepared;
mod rounds;
mod straight_through;
mod weight_noise;

use std::sync::Mutex;

use ohmgrad_tensor::{Key, Tensor, parallel, product};

use crate::config::{IoParameters, NoiseManagement};
use counters::CounterProbe;
use rounds::{Probe, Rounds, Unprobed};

pub use counters::{Converted, Counters};
pub use ir_drop_t::TimedArray;
pub use noise_management::Average;
pub use pattern::Pattern;
pub use prepared::Prepared;
#[doc(hidden)]
pub use straight_through::Linearised;

/// The direction of a read through the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `W·x`, driven from the inputs.
    Forward,
    /// `Wᵀ·d`, driven from the outputs. Backward parameters have no bound management.
    Backward,
}

/// One batch of reads: all that they depend on, except weights and rows.
#[derive(Clone, Copy, Debug)]
pub struct Mvm<'a> {
    /// The parameters of this direction.
    pub io: &'a IoParameters,
    /// The fixed variations of this array in this direction.
    pub pattern: &'a Pattern,
    /// The direction.
    pub direction: Direction,
    /// The key of this call, from which the keys of directions, rounds, rows and purposes are derived.
    pub key: Key,
    /// The number of the first row in its data set: a row's noise depends on its number alone.
    pub first_row: usize,
    /// The array, where its reads are simulated over time (`io.ir_drop_t`).
    pub timed: Option<&'a TimedArray>,
}

/// Elements of a block of rows that goes through all stages while it is in cache.
const BLOCK: usize = 1 << 15;

/// The fewest multiply-adds for which a read that fits into one block is divided between two threads.
const SHARED: usize = 1 << 20;

impl Mvm<'_> {
    /// Reads each row of `x` [batch, in] through weights [out, in], giving [batch, out].
    ///
    /// A row with NaN, or with an infinity that makes its noise-management scale infinite, gives NaN in all outputs;
    /// other infinite inputs are cut to the DAC's range. Bound management always ends. Under AVERAGE_ABS_MAX the
    /// running mean starts with the first row; [`read_scaled`](Self::read_scaled) takes scales that continue an earlier
    /// mean.
    ///
    /// # Panics
    /// If `x` and `w` do not fit, or the pattern is one of another size.
    pub fn read(&self, x: &Tensor, w: &Tensor) -> Tensor {
        self.read_scaled(
            x,
            &Prepared::for_once(w, self.io, self.pattern, x.shape().first().map_or(0, |&rows| rows)),
            None,
            None,
        )
    }

    /// The noise-management scales of the rows of `x` [batch, in] under AVERAGE_ABS_MAX, whose running mean the rows
    /// advance in their order.
    ///
    /// # Panics
    /// If `x` is not a matrix.
    pub fn running_scales(io: &IoParameters, x: &Tensor, average: &mut Average) -> Vec<f32> {
        let x = x.contiguous();
        let rows = x.as_slice().expect("made contiguous above").chunks(x.shape()[1].max(1));
        rows.map(|row| noise_management::scale(io, row, average)).collect()
    }

    /// As [`read`](Self::read), through weights that were prepared under the same parameters and pattern, with the
    /// noise-management scale of each row if they are given. The counts of the read are added to `counters`.
    ///
    /// # Panics
    /// As [`read`](Self::read), or if there is not one scale for each row.
    pub fn read_scaled(
        &self,
        x: &Tensor,
        w: &Prepared,
        scales: Option<&[f32]>,
        counters: Option<&Mutex<Counters>>,
    ) -> Tensor {
        match counters {
            None => self.read_probed(x, w, scales, &Unprobed),
            Some(counters) => {
                counters::lock(counters).rows += x.shape()[0] as u64;
                let rows = &x.contiguous();
                self.read_probed(rows, w, scales, &CounterProbe { io: self.io, x: rows, counters })
            }
        }
    }

    fn read_probed<P: Probe>(&self, x: &Tensor, prepared: &Prepared, scales: Option<&[f32]>, probe: &P) -> Tensor {
        let (io, w) = (self.io, prepared.weights());
        assert!(
            x.rank() == 2 && x.shape()[1] == w.shape()[1],
            "analog product: {:?} × {:?}ᵀ: inputs differ",
            x.shape(),
            w.shape()
        );
        let (batch, outs) = (x.shape()[0], w.shape()[0]);
        if io.is_ideal() {
            let y = product::linear(x, w);
            return if io.out_scale == 1.0 { y } else { &y * io.out_scale };
        }
        let x = if batch == 0 || x.row_slice(0).is_some() { x } else { &x.contiguous() };
        let ins = x.shape()[1];
        let running;
        let scales = match scales {
            None if io.noise_management == NoiseManagement::AverageAbsMax => {
                running = Self::running_scales(io, x, &mut None);
                Some(running.as_slice())
            }
            scales => scales,
        };
        assert!(
            scales.is_none_or(|scales| scales.len() == batch),
            "analog product: one scale for each of {batch} rows"
        );
        let rounds = Rounds {
            mvm: self,
            x,
            outs,
            devices: prepared.operands(),
            scales,
            fused: !P::LOOKS && self.timed.is_none() && io.has_fused_adc() && self.pattern.is_uniform_at_adc(),
            probe,
        };
        // Reads over time take all rows of a batch at once. Others take blocks of equal sizes, so that two threads
        // finish together.
        let size = if self.timed.is_some() { batch } else { batch.div_ceil(blocks([batch, ins, outs])).max(8) };
        let y = parallel::build(batch * outs, size * outs, |first, out| {
            rounds.read(first / outs..(first + out.len()) / outs, out)
        });
        Tensor::from_vec(y, &[batch, outs])
    }
}

/// The number of blocks of a read: 1 if a second thread would not pay, otherwise an even number.
fn blocks([rows, ins, outs]: [usize; 3]) -> usize {
    let most = (BLOCK / ins.max(outs).max(1)).max(8);
    match rows.div_ceil(most) {
        0 | 1 if rows < 32 || rows * ins * outs < SHARED => 1,
        blocks => blocks.next_multiple_of(2),
    }
}

/// Marks outputs that count as saturated for the reference's mask: `|y| ≥ 0.999 · |out_scale| · out_bound`, for outputs
/// `y` of [`Mvm::read`]; `None` where there is no bound.
pub fn saturated(io: &IoParameters, y: &Tensor) -> Option<ohmgrad_tensor::Array<bool>> {
    let limit = 0.999 * io.out_scale.abs() * io.out_bound;
    (io.out_bound > 0.0).then(|| y.map(|y| y.abs() >= limit))
}
