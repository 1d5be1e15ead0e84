//! The gradients of `straight_through`: the forward read itself is differentiated, as `TorchInferenceRPUConfig` does.
//!
//! | gradient | what is computed |
//! |---|---|
//! | input | through the ADC, the array, the DAC, noise management, and 0 beyond the input range |
//! | weight | `dᵀ·v`, with v the inputs of the array, and d 0 where the ADC cut |
//! | input range | as without `straight_through`, plus the terms of r as factor of outputs and divisor of inputs |
//!
//! Source: aihwkit `torch_tile.py`, `analog_mvm.py`, `inference_torch.py`.

use ohmgrad_autograd::Back;
use ohmgrad_tensor::{Tensor, product};

use super::backward::{CallBackward, give};
use super::range::RangeSums;
use super::{W, X};
use crate::mvm::Linearised;
use crate::tile::{side_by_side, sum, times};

impl CallBackward<'_> {
    /// Gives all gradients except that of learned scales.
    pub fn straight_through(&self, cx: &mut Back<'_>) {
        assert!(self.op.places.bias.is_none(), "straight_through: there is no gradient of an analog bias");
        give(cx, Some(W), || {
            let of_rows = |group: usize, d: &Tensor, rows: &Tensor, first: usize| {
                self.weights_straight_through(group, d, rows, first)
            };
            self.op.im2col.weight_gradient(self.d, self.x, of_rows).reshape(&self.op.weight_shape)
        });
        let range = self.op.places.range.filter(|&range| cx.wants(range));
        if cx.wants(X) || range.is_some() {
            let sums = RangeSums::default();
            let gradient = self.op.im2col.input_gradient(self.d, self.x, |group, d, rows, first| {
                self.inputs_straight_through(group, d, &rows(), first, range.map(|_| &sums))
            });
            give(cx, range, || self.range_gradient(&sums));
            give(cx, Some(X), || gradient);
        }
    }

    fn weights_straight_through(&self, group: usize, d: &Tensor, rows: &Tensor, first: usize) -> Tensor {
        let d = self.reader.gradients_of_columns(group, d);
        self.op.hardware.grid.assemble_group(group, |number| {
            let tile = &self.op.hardware.tiles[number];
            let d = self.at_read(&d, number);
            let outs = d.shape()[1];
            let both = self.linearised(number, rows, first, |read, part, _| {
                side_by_side([read.at_array(&d.slice(0, part)), read.driven().clone()].into_iter())
            });
            let gradient =
                product::linear_weight_gradient(&both.slice(1, 0..outs), &both.slice(1, outs..both.shape()[1]));
            // The gradient by W; the tile holds W/s.
            let gradient = tile.scales.as_ref().map_or(gradient.clone(), |s| &gradient / s);
            times(gradient, self.lr_compensation(tile))
        })
    }

    fn inputs_straight_through(
        &self,
        group: usize,
        d: &Tensor,
        rows: &Tensor,
        first: usize,
        sums: Option<&RangeSums>,
    ) -> Tensor {
        let d = self.reader.gradients_of_columns(group, d);
        let of_tile = |number: usize| {
            let x = rows.slice(1, self.op.hardware.tiles[number].ins.clone());
            let driven = self.reader.ranged(number, x.clone());
            let d = self.at_read(&d, number);
            let ins = x.shape()[1];
            let both = self.linearised(number, rows, first, |read, part, w| {
                let (d, driven) = (d.slice(0, part.clone()), driven.slice(0, part));
                side_by_side([read.input_gradient(&d, &driven, w), read.output().clone()].into_iter())
            });
            let g = both.slice(1, 0..ins);
            let Some(r) = self.op.call.ranges.as_ref().map(|ranges| ranges[number]) else { return g };
            let g = &g / r;
            if let Some(sums) = sums {
                let mut sum = self.range_sum(number, &x, &g, 0);
                let product = |a: &Tensor, b: &Tensor| {
                    a.iter().zip(b.iter()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
                };
                // Outputs are multiplied with r, inputs divided by it.
                let y = both.slice(1, ins..both.shape()[1]);
                sum.direct = product(&d, &y) / f64::from(r) - product(&g, &driven);
                sums.add(first, number, sum);
            }
            g.zip(&x, |g, x| if x.abs() > r.abs() { 0.0 } else { g })
        };
        side_by_side(self.reader.columns(group).map(|(_, column)| sum(column.tiles.clone().map(of_tile))))
    }

    /// The gradient of the outputs of a tile's read, for the gradients `d` of the columns' outputs: `d` times the
    /// factors of the tile.
    fn at_read(&self, d: &[Tensor], number: usize) -> Tensor {
        let (tile, column) = (&self.op.hardware.tiles[number], self.op.hardware.grid.column_of(number));
        let d = d[column.part].slice(1, column.outs_of(tile));
        self.reader.factor(number).map_or(d.clone(), |factors| &d * &factors)
    }

    /// Applies `f` to the derivative of a tile's forward read, for all rows or for those of each sample.
    fn linearised(
        &self,
        number: usize,
        rows: &Tensor,
        first: usize,
        f: impl Fn(&Linearised, std::ops::Range<usize>, &Tensor) -> Tensor,
    ) -> Tensor {
        let rows = self.reader.ranged(number, rows.slice(1, self.op.hardware.tiles[number].ins.clone()));
        self.reader.each_sample(number, rows.shape()[0], first, |mvm, part, w, _| {
            f(&mvm.linearise(&rows.slice(0, part.clone()), w), part, w.weights())
        })
    }
}
