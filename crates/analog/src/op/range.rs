//! Inputs cut to a range ±r, and the gradient of r.
//!
//! γ = Σ min(g, 0) over inputs x ≥ r, minus Σ max(g, 0) over x ≤ −r, with g the input's gradient: the terms for which a
//! wider range lowers the loss. With `gradient_relative`, γ is multiplied by `r·gradient_scale`. While too many outputs
//! are clipped, `(1 − p)·r` is subtracted, with p = 1 − clipped outputs over inputs; while enough inputs are inside of
//! the range, `decay·r` is added. Except under `straight_through`, the gradient of the inputs disregards the cut.
//! Source: aihwkit `periphery.py` (`post_backward`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ohmgrad_tensor::Tensor;

use super::backward::CallBackward;
use crate::noise::at_least;

/// The sums that the gradient of a range consists of, for each tile and block of rows.
#[derive(Default)]
pub(super) struct RangeSums(Mutex<BTreeMap<(usize, usize), RangeSum>>);

/// The sums over some rows of a tile.
#[derive(Clone, Copy, Default)]
pub(super) struct RangeSum {
    /// The γ of inputs beyond the range.
    pull: f64,
    /// The terms that `gradient_scale` does not multiply.
    pub direct: f64,
    inside: usize,
    inputs: usize,
    clipped: usize,
}

impl RangeSums {
    /// Blocks of rows come in any order; the number of the first row identifies a block.
    pub fn add(&self, first: usize, tile: usize, sum: RangeSum) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((first, tile), sum);
    }
}

impl CallBackward<'_> {
    /// The sums for the rows `x` [n, in] of a tile with input gradients `g` of the same shape.
    pub fn range_sum(&self, tile: usize, x: &Tensor, g: &Tensor, clipped: usize) -> RangeSum {
        let r = self.op.call.ranges.as_ref().expect("there is a range to be learned")[tile];
        let mut sum = RangeSum { inputs: x.len(), clipped, ..Default::default() };
        for (&x, &g) in x.iter().zip(g.iter()) {
            if x >= r {
                sum.pull -= f64::from(at_least(-g, 0.0));
            }
            if x <= -r {
                sum.pull -= f64::from(at_least(g, 0.0));
            }
            sum.inside += usize::from(x.abs() < r);
        }
        sum
    }

    /// The gradient of the range of each tile.
    pub fn range_gradient(&self, sums: &RangeSums) -> Tensor {
        let how = &self.op.hardware.config.pre_post.input_range;
        let ranges = self.op.call.ranges.as_ref().expect("there is a range to be learned");
        let mut totals = vec![RangeSum::default(); ranges.len()];
        for (&(_, tile), sum) in sums.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let total = &mut totals[tile];
            total.pull += sum.pull;
            total.direct += sum.direct;
            total.inside += sum.inside;
            total.inputs += sum.inputs;
            total.clipped += sum.clipped;
        }
        let gradient = |(total, &r): (RangeSum, &f32)| {
            let share = |count: usize| (count as f64 / total.inputs.max(1) as f64) as f32;
            let mut gradient = total.pull as f32;
            if how.gradient_relative {
                gradient *= r * how.gradient_scale;
            }
            let passed = 1.0 - share(total.clipped);
            if how.manage_output_clipping && passed < how.output_min_percentage {
                gradient -= (1.0 - passed) * r;
            }
            if how.decay > 0.0 && share(total.inside) > how.input_min_percentage {
                gradient += how.decay * r;
            }
            gradient + total.direct as f32
        };
        totals.into_iter().zip(ranges).map(gradient).collect::<Vec<f32>>().into()
    }
}
