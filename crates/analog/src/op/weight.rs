//! The gradients of the weight, of an analog bias, and of learned output scales: exact under all parameters of reads.

use ohmgrad_autograd::Back;
use ohmgrad_tensor::{Tensor, product};

use super::W;
use super::backward::{CallBackward, give};
use crate::array::CallPairs;
use crate::tile::{Tile, side_by_side, stacked, times};

impl CallBackward<'_> {
    /// Gives the gradients of the weight and of an analog bias.
    pub fn give_weight(&self, cx: &mut Back<'_>) {
        give(cx, Some(W), || self.weight_gradient());
        give(cx, self.op.places.bias, || self.bias_gradient());
    }

    /// Leaves inputs and output gradients for the update of devices, if the weight is not frozen.
    pub fn deposit_pairs(&self, cx: &mut Back<'_>) {
        if cx.wants(W) {
            let (im2col, ranges) = (self.op.im2col.clone(), self.op.call.ranges.clone());
            // A copy, because the optimizer changes learned scales in place before devices are updated.
            let scaling = self.scaling.map(|scaling| scaling.map(|a| a));
            let (x, d) = (self.x.clone(), self.d.clone());
            cx.deposit(self.op.weight, CallPairs { im2col, x, d, ranges, scaling });
        }
    }

    /// `dᵀ·x`, in the shape of the weight.
    pub fn weight_gradient(&self) -> Tensor {
        let compensated = self.op.hardware.config.mapping.weight_scaling_lr_compensation;
        let each_tile = self.op.call.ranges.is_some() || compensated;
        let im2col = &self.op.im2col;
        let gradient = match self.reader.has_learned_scales() || each_tile {
            false => im2col.linear_weight_gradient(self.d, self.x),
            true => im2col.weight_gradient(self.d, self.x, |group, d, rows, _| {
                self.weight_gradient_of_rows(group, d, rows, each_tile)
            }),
        };
        gradient.reshape(&self.op.weight_shape)
    }

    /// The weight gradient of a group from a block of rows: tile by tile where these have ranges or factors, else from
    /// all tiles of a column at once.
    fn weight_gradient_of_rows(&self, group: usize, d: &Tensor, rows: &Tensor, each_tile: bool) -> Tensor {
        let d = self.reader.gradients_of_columns(group, d);
        let grid = &self.op.hardware.grid;
        side_by_side(self.reader.columns(group).zip(&d).map(|((_, column), d)| {
            let rows = rows.slice(1, grid.weight_ins(&column.ins));
            if !each_tile {
                return product::linear_weight_gradient(d, &rows);
            }
            stacked(column.tiles.clone().map(|number| {
                let tile = &self.op.hardware.tiles[number];
                let d = d.slice(1, column.outs_of(tile));
                let gradient = product::linear_weight_gradient(&d, &self.reader.cut(number, &rows));
                times(gradient, self.lr_compensation(tile))
            }))
        }))
    }

    /// See [`Tile::lr_compensation`].
    pub fn lr_compensation(&self, tile: &Tile) -> f32 {
        tile.lr_compensation(&self.op.hardware.config.mapping)
    }

    /// `Σ d`, by the sum that a digital bias uses.
    pub fn bias_gradient(&self) -> Tensor {
        let outs = self.op.hardware.grid.outs;
        let mut shape = vec![outs];
        shape.resize(self.d.rank() - 1, 1);
        let gradient = self.d.sum_to(&shape).reshape(&[outs]);
        let gradient = times(gradient, self.lr_compensation(&self.op.hardware.tiles[0]));
        self.reader.learned(0).map_or(gradient.clone(), |a| &gradient * &a.reshape(&[outs]))
    }

    /// `Σ d·y` with the outputs y before learned scales, in the shape of these.
    pub fn scaling_gradient(&self) -> Tensor {
        let scaling = self.scaling.expect("asked for where there are learned scales");
        let by_output = scaling.shape()[1] == self.op.hardware.grid.outs;
        let of_rows = |group: usize, d: &Tensor, rows: &Tensor, first: usize| {
            let outputs = self.reader.read_columns(group, rows, first).into_iter();
            side_by_side(outputs.zip(self.reader.columns(group)).map(|(y, (number, column))| {
                let y = self.reader.scaled(number, y);
                let each = (d * &y).sum_axes(&[0]).t();
                let of_tile = |tile: &Tile| each.slice(0, column.outs_of(tile)).sum_axes(&[0]);
                if by_output { each.clone() } else { stacked(self.reader.tiles(column).iter().map(of_tile)) }
            }))
        };
        self.op.im2col.weight_gradient(self.d, self.x, of_rows).t().contiguous()
    }
}
