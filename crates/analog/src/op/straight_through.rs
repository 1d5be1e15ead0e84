//! The gradients of `straight_through`: the forward read itself is differentiated, as `TorchInferenceRPUConfig` does.
//!
//! | gradient | what is computed |
//! |---|---|
//! | input | through the ADC, the array, the DAC, noise management, and 0 beyond the input range |
//! | weight | `dᵀ·v`, with v as the DAC drove the array, and d 0 where the ADC cut |
//! | input range | as under other semantics, plus its part as a factor of the outputs and a divisor of the inputs |
//!
//! Source: aihwkit `torch_tile.py`, `analog_mvm.py`, `inference_torch.py`.

use ohmgrad_autograd::Back;
use ohmgrad_tensor::{Array, Tensor, product};

use super::input_range::RangeSums;
use super::operands::Operands;
use super::parts::{join, scaled, sum};
use super::{AnalogMvm, W, X};
use crate::mvm::{Direction, Linearised};
use crate::tile::Tile;

impl AnalogMvm {
    pub(super) fn straight_through(&self, cx: &mut Back<'_>, operands: &Operands<'_>) {
        assert!(self.places.bias.is_none(), "straight_through: there is no gradient of an analog bias");
        let d = cx.grad;
        if cx.wants(W) {
            let outer = |group: usize, d: &Tensor, rows: &Tensor, first: usize| {
                self.weights_straight_through(operands, group, d, rows, first)
            };
            let gradient = self.lowering.weight_gradient(d, operands.x, false, outer);
            cx.give(W, gradient.reshape(cx.input(W).shape()));
        }
        self.give_scaling(cx, operands);
        let range = self.places.range.filter(|&range| cx.wants(range));
        if cx.wants(X) || range.is_some() {
            let sums = RangeSums::default();
            let gradient = self.lowering.input_gradient(d, operands.x, false, |group, d, rows, first| {
                self.inputs_straight_through(operands, group, d, &rows(), first, range.map(|_| &sums))
            });
            if let Some(range) = range {
                cx.give(range, self.range_gradient(&sums));
            }
            if cx.wants(X) {
                cx.give(X, gradient);
            }
        }
    }

    fn weights_straight_through(
        &self,
        operands: &Operands<'_>,
        group: usize,
        d: &Tensor,
        rows: &Tensor,
        first: usize,
    ) -> Tensor {
        let columns = self.input_parts(group).zip(self.heard(operands, group, d)).map(|((start, tiles), d)| {
            let of_tile = |(i, tile): (usize, &Tile)| {
                let d = self.at_read(start + i, tile, &d.slice(1, tile.outs_in(tiles)));
                let outs = d.shape()[1];
                let both = self.linearised(operands, start + i, rows, first, |read, part, _| {
                    join(vec![read.at_array(&d.slice(0, part)), read.driven().clone()])
                });
                let gradient =
                    product::linear_weight_gradient(&both.slice(1, 0..outs), &both.slice(1, outs..both.shape()[1]));
                // By W, of which the tile has W/s.
                let gradient = tile.scales.as_ref().map_or(gradient.clone(), |s| &gradient / s);
                scaled(gradient, self.compensation(tile))
            };
            Array::concat(&tiles.iter().enumerate().map(of_tile).collect::<Vec<_>>(), 0)
        });
        join(columns.collect())
    }

    fn inputs_straight_through(
        &self,
        operands: &Operands<'_>,
        group: usize,
        d: &Tensor,
        rows: &Tensor,
        first: usize,
        sums: Option<&RangeSums>,
    ) -> Tensor {
        let columns = self.input_parts(group).zip(self.heard(operands, group, d)).map(|((start, tiles), d)| {
            let of_tile = |(i, tile): (usize, &Tile)| {
                let number = start + i;
                let x = rows.slice(1, tile.ins.clone());
                let driven = self.ranged(number, x.clone());
                let heard = d.slice(1, tile.outs_in(tiles));
                let d = self.at_read(number, tile, &heard);
                let ins = x.shape()[1];
                let both = self.linearised(operands, number, rows, first, |read, part, w| {
                    let (d, driven) = (d.slice(0, part.clone()), driven.slice(0, part));
                    join(vec![read.input_gradient(&d, &driven, w), read.output()])
                });
                let g = both.slice(1, 0..ins);
                let Some(r) = self.ranges.as_ref().map(|ranges| ranges[number]) else { return g };
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
            sum(tiles.iter().enumerate().map(of_tile).collect())
        });
        join(columns.collect())
    }

    /// The gradient of what a tile's read gave, for that of the layer's output: times mapping scales and range.
    fn at_read(&self, number: usize, tile: &Tile, d: &Tensor) -> Tensor {
        self.factors(number, tile).map_or(d.clone(), |factors| d * &factors)
    }

    /// What `f` makes of the derivative of a tile's forward read, for all rows or for those of each sample.
    fn linearised(
        &self,
        operands: &Operands<'_>,
        number: usize,
        rows: &Tensor,
        first: usize,
        f: impl Fn(&Linearised, std::ops::Range<usize>, &Tensor) -> Tensor,
    ) -> Tensor {
        let tile = &self.tiles[number];
        let rows = self.ranged(number, rows.slice(1, tile.ins.clone()));
        let stored = operands.stored(&self.tiles, number);
        self.by_sample(number, rows.shape()[0], first, stored, |part, w| {
            let io = &self.config.forward;
            let mvm = self.mvm(io, &tile.forward, Direction::Forward, number, first + part.start);
            f(&mvm.linearise(&rows.slice(0, part.clone()), w), part, w)
        })
    }
}
