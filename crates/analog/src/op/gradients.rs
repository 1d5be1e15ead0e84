//! The gradients of an analog product under perfect and analog backward parameters.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ohmgrad_autograd::Back;
use ohmgrad_tensor::{Array, Tensor, product};

use super::input_range::RangeSums;
use super::operands::Operands;
use super::parts::{join, scaled, sum};
use super::{AnalogMvm, Saturation};
use crate::config::{BackwardIoParameters, IoParameters, NoiseManagement};
use crate::mvm::{self, Direction, Pattern};
use crate::observed::Counting;
use crate::tile::Tile;

/// The input's gradient, and what is learned on the way to it.
pub(super) struct InputGradient {
    pub gradient: Tensor,
    /// The running means after it.
    pub averages: Tensor,
    pub saturation: Saturation,
    pub range_sums: RangeSums,
}

/// What is shown the number of each tile and its share of the gradient.
type See<'a> = &'a dyn Fn(usize, &Tensor);

impl AnalogMvm {
    pub(super) fn weight_gradient(&self, operands: &Operands<'_>, d: &Tensor) -> Tensor {
        let each_tile = self.ranges.is_some() || self.config.mapping.weight_scaling_lr_compensation;
        if operands.scaling.is_none() && !each_tile {
            return self.lowering.linear_weight_gradient(d, operands.x);
        }
        let outer =
            |group: usize, d: &Tensor, rows: &Tensor, _| self.weights_of_rows(operands, group, d, rows, each_tile);
        self.lowering.weight_gradient(d, operands.x, false, outer)
    }

    /// The weight gradient of a group from a block of rows: tile by tile where each sees inputs of its own, else from all
    /// tiles that take the same inputs.
    fn weights_of_rows(
        &self,
        operands: &Operands<'_>,
        group: usize,
        d: &Tensor,
        rows: &Tensor,
        each_tile: bool,
    ) -> Tensor {
        let columns = self.input_parts(group).zip(self.heard(operands, group, d)).map(|((start, tiles), d)| {
            let rows = rows.slice(1, tiles[0].digital_ins(rows.shape()[1]));
            if !each_tile {
                return product::linear_weight_gradient(&d, &rows);
            }
            let of_tile = |(i, tile): (usize, &Tile)| {
                let gradient =
                    product::linear_weight_gradient(&d.slice(1, tile.outs_in(tiles)), &self.cut(start + i, &rows));
                scaled(gradient, self.compensation(tile))
            };
            Array::concat(&tiles.iter().enumerate().map(of_tile).collect::<Vec<_>>(), 0)
        });
        join(columns.collect())
    }

    /// What the reference's learning-rate compensation comes to for the logical weight: the mean mapping scale.
    pub(super) fn compensation(&self, tile: &Tile) -> f32 {
        let scales = tile.scales.as_ref().filter(|_| self.config.mapping.weight_scaling_lr_compensation);
        scales.map_or(1.0, |scales| scales.mean())
    }

    /// `Σ d` by the very sum that a digital bias takes.
    pub(super) fn bias_gradient(&self, operands: &Operands<'_>, d: &Tensor) -> Tensor {
        let outs = operands.w.shape()[0];
        let mut shape = vec![outs];
        shape.resize(d.rank() - 1, 1);
        let gradient = scaled(d.sum_to(&shape).reshape(&[outs]), self.compensation(&self.tiles[0]));
        let learned = self.learned_row(operands, 0, 0).map(|a| a.reshape(&[outs]));
        learned.map_or(gradient.clone(), |a| &gradient * &a)
    }

    /// Gives the gradient of learned output scales, if there are any.
    pub(super) fn give_scaling(&self, cx: &mut Back<'_>, operands: &Operands<'_>) {
        if let Some(scaling) = self.places.scaling.filter(|&scaling| cx.wants(scaling)) {
            cx.give(scaling, self.scaling_gradient(operands, cx.grad));
        }
    }

    fn scaling_gradient(&self, operands: &Operands<'_>, d: &Tensor) -> Tensor {
        let scaling = operands.scaling.expect("asked for where there are learned scales");
        let columnwise = scaling.shape()[1] == operands.w.shape()[0];
        let averages = Mutex::new(self.averages_before.clone());
        let outer = |group: usize, d: &Tensor, rows: &Tensor, first: usize| {
            let outputs = self.read(operands, group, rows, first, &averages).into_iter().enumerate();
            let part = |(part, y): (usize, Tensor)| {
                let y = self.mapped(group, part, y);
                let each = (d * &y).sum_axes(&[0]).t();
                let (_, tiles) = self.input_parts(group).nth(part).expect("as many parts as outputs");
                let of_tile = |tile: &Tile| each.slice(0, tile.outs_in(tiles)).sum_axes(&[0]);
                if columnwise { each } else { Array::concat(&tiles.iter().map(of_tile).collect::<Vec<_>>(), 0) }
            };
            join(outputs.map(part).collect())
        };
        self.lowering.weight_gradient(d, operands.x, self.averages_forward(), outer).t().contiguous()
    }

    pub(super) fn input_gradient(
        &self,
        operands: &Operands<'_>,
        d: &Tensor,
        backward: &BackwardIoParameters,
        averages: Tensor,
        with_range: bool,
    ) -> InputGradient {
        let io = backward.read();
        let in_order = self.averages_forward() || io.noise_management == NoiseManagement::AverageAbsMax;
        let (forward_again, averages) = (Mutex::new(self.averages_before.clone()), Mutex::new(averages));
        let (masked, outputs) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let range_sums = RangeSums::default();
        let counts_clipped = with_range && self.config.pre_post.input_range.manage_output_clipping;
        // Where every part of the inputs sees the same `d` and nobody asks for the tiles' shares.
        let plain = operands.scaling.is_none() && !backward.mask_saturated && self.per_sample.is_none() && !with_range;
        if io.is_ideal() && io.out_scale == 1.0 && plain {
            let gradient = self.lowering.linear_input_gradient(d, operands.exact(&self.tiles).0);
            let averages = averages.into_inner().unwrap_or_else(PoisonError::into_inner);
            return InputGradient { gradient, averages, saturation: Saturation { masked: 0, outputs: 0 }, range_sums };
        }
        let gradient = self.lowering.input_gradient(d, operands.x, in_order, |group, d, rows, first| {
            let mut heard = self.heard(operands, group, d);
            let mut clipped = None;
            if backward.mask_saturated || counts_clipped {
                let y = self.read(operands, group, &rows(), first, &forward_again);
                let masks: Option<Vec<_>> = y.iter().map(|y| mvm::saturated(&self.config.forward, y)).collect();
                if backward.mask_saturated {
                    outputs.fetch_add(y.iter().map(Tensor::len).sum(), Ordering::Relaxed);
                    for (d, mask) in heard.iter_mut().zip(masks.iter().flatten()) {
                        masked.fetch_add(mask.iter().filter(|&&m| m).count(), Ordering::Relaxed);
                        *d = d.zip(mask, |d, masked| if masked { 0.0 } else { d });
                    }
                }
                clipped = masks.filter(|_| counts_clipped);
            }
            let of_tiles = |number: usize, g: &Tensor| {
                let tile = &self.tiles[number];
                let (part, (_, tiles)) = self.part_of(group, number);
                let mask = clipped.as_ref().map(|masks| masks[part].slice(1, tile.outs_in(tiles)));
                let clipped = mask.map_or(0, |mask| mask.iter().filter(|&&m| m).count());
                range_sums.add(first, number, self.range_sum(number, &rows().slice(1, tile.ins.clone()), g, clipped));
            };
            let see: Option<See<'_>> = if with_range { Some(&of_tiles) } else { None };
            if io.is_ideal() {
                scaled(self.perfect_input_gradient(operands, group, &heard, first, io.out_scale, see), io.out_scale)
            } else {
                self.read_back(operands, group, &heard, &io, first, &averages, see)
            }
        });
        let saturation = Saturation { masked: masked.into_inner(), outputs: outputs.into_inner() };
        let averages = averages.into_inner().unwrap_or_else(PoisonError::into_inner);
        InputGradient { gradient, averages, saturation, range_sums }
    }

    /// The part of a group's inputs that a tile takes, with all tiles that do.
    fn part_of(&self, group: usize, number: usize) -> (usize, (usize, &[Tile])) {
        let mut parts = self.input_parts(group).enumerate();
        parts.find(|(_, (start, tiles))| (*start..start + tiles.len()).contains(&number)).expect("a tile of the group")
    }

    /// `d·W`, to be multiplied with `out_scale`: the digital layer's own function where every part of the inputs sees the
    /// same `d`. Shows each tile's share, so multiplied, to `see`.
    fn perfect_input_gradient(
        &self,
        operands: &Operands<'_>,
        group: usize,
        heard: &[Tensor],
        first: usize,
        out_scale: f32,
        see: Option<See<'_>>,
    ) -> Tensor {
        let (w, _) = operands.exact(&self.tiles);
        let ins = w.shape()[1];
        let of_tile = |number: usize, tiles: &[Tile], d: &Tensor| {
            let tile = &self.tiles[number];
            let d = d.slice(1, tile.outs_in(tiles));
            if self.per_sample.is_none() {
                return product::linear_input_gradient(
                    &d,
                    &w.slice(0, tile.outs.clone()).slice(1, tile.digital_ins(ins)),
                );
            }
            let d = tile.scales.as_ref().map_or(d.clone(), |s| &d * &s.t());
            self.by_sample(number, d.shape()[0], first, operands.stored(&self.tiles, number), |part, w| {
                product::linear_input_gradient(&d.slice(0, part), &w.slice(1, 0..tile.digital_ins(ins).len()))
            })
        };
        let parts = || self.input_parts(group).zip(heard);
        if let Some(see) = see {
            for ((start, tiles), d) in parts() {
                (start..start + tiles.len()).for_each(|i| see(i, &scaled(of_tile(i, tiles, d), out_scale)));
            }
        }
        let columns = parts().map(|((start, tiles), d)| match self.per_sample {
            None => {
                let w = self.part(w, group).slice(1, tiles[0].digital_ins(ins));
                product::linear_input_gradient(d, &w)
            }
            Some(_) => sum((start..start + tiles.len()).map(|i| of_tile(i, tiles, d)).collect()),
        });
        join(columns.collect())
    }

    /// Reads of the transposed tiles, driven by `d·s`, under the backward parameters. Shows each tile's share to `see`.
    #[allow(clippy::too_many_arguments, reason = "what a block of rows is read with")]
    fn read_back(
        &self,
        operands: &Operands<'_>,
        group: usize,
        heard: &[Tensor],
        io: &IoParameters,
        first: usize,
        averages: &Mutex<Tensor>,
        see: Option<See<'_>>,
    ) -> Tensor {
        let recorded = self.config.backward.read();
        let parts = self.input_parts(group).zip(heard).map(|((start, tiles), d)| {
            let outputs = tiles.iter().enumerate().map(|(i, tile)| {
                let drawn = (!Pattern::same_variations(io, &recorded)).then(|| tile.draw(io, Direction::Backward));
                let pattern = drawn.as_ref().unwrap_or(&tile.backward);
                let driven = d.slice(1, tile.outs_in(tiles));
                let driven = tile.scales.as_ref().map_or(driven.clone(), |s| &driven * &s.t());
                let (number, n) = (start + i, driven.shape()[0]);
                let stored = operands.stored(&self.tiles, number);
                let counters = Counting::of(operands.backward_counting.as_ref(), number);
                let gradient = self.averaged(io, averages, number, Direction::Backward, |io, mean| {
                    self.by_sample(number, n, first, stored, |part, w| {
                        let mvm = self.mvm(io, pattern, Direction::Backward, number, first + part.start);
                        mvm.read_counted(&driven.slice(0, part), &w.t(), mean, counters)
                    })
                });
                see.into_iter().for_each(|see| see(number, &gradient));
                gradient
            });
            sum(outputs.collect())
        });
        let gradient = join(parts.collect());
        if self.places.bias.is_some() { gradient.slice(1, 0..operands.w.shape()[1]) } else { gradient }
    }
}
