//! The input gradient under perfect and analog backward parameters: learned scales and mask first, then `d·W` or reads of
//! the transposed tiles.

use std::sync::atomic::{AtomicUsize, Ordering};

use ohmgrad_autograd::Back;
use ohmgrad_tensor::Tensor;

use super::Saturation;
use super::backward::CallBackward;
use super::range::RangeSums;
use crate::mvm::{self, Direction};
use crate::observed::Counting;
use crate::tile::{OfTile, Transposed};

/// The input gradient, and the sums for the gradient of the input ranges.
pub(super) struct InputGradient {
    pub gradient: Tensor,
    pub range_sums: RangeSums,
}

/// The output gradients of each column of a group.
struct ColumnGradients {
    /// [n, out of the group], for each column.
    d: Vec<Tensor>,
    /// Marks of saturated outputs, if they are needed and there is a bound.
    saturated: Option<Vec<ohmgrad_tensor::Array<bool>>>,
}

impl CallBackward<'_> {
    /// Computes the input gradient; masks saturated outputs if `masks`, and collects the sums for the gradient of input
    /// ranges if `learns_range`.
    pub fn input_gradient(
        &self,
        cx: &mut Back<'_>,
        mut transposed: Transposed<'_>,
        masks: bool,
        learns_range: bool,
    ) -> InputGradient {
        let (op, reader) = (self.op, &self.reader);
        let range_sums = RangeSums::default();
        if transposed.is_digital() && !masks && !learns_range {
            let gradient = op.im2col.linear_input_gradient(self.d, reader.contents.logical().0);
            return InputGradient { gradient, range_sums };
        }
        let counts_clipped = learns_range && op.hardware.config.pre_post.input_range.manage_output_clipping;
        let averages = cx.state(op.averages, &Tensor::full(&[0, 2], 0.0));
        let after = transposed.find_scales(&averages, |add| {
            op.im2col.for_each_gradient_rows(self.d, self.x, |group, d, rows, first| {
                add(group, &self.gradients_of_columns(group, d, &|| rows.clone(), first, masks, false).d);
            });
        });
        if let Some(after) = after.filter(|_| !averages.is_empty()) {
            cx.set_state(op.averages, after);
        }
        transposed.counting = (op.observed && !transposed.is_perfect()).then(|| Counting::new(op.hardware.tiles.len()));
        let (masked, outputs) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let gradient = op.im2col.input_gradient(self.d, self.x, |group, d, rows, first| {
            let ColumnGradients { d, saturated } =
                self.gradients_of_columns(group, d, rows, first, masks, counts_clipped);
            if masks {
                outputs.fetch_add(d.iter().map(Tensor::len).sum(), Ordering::Relaxed);
                let hits = saturated.iter().flatten().map(|saturated| saturated.iter().filter(|&&hit| hit).count());
                masked.fetch_add(hits.sum(), Ordering::Relaxed);
            }
            let of_tile = |number: usize, g: &Tensor| {
                let (tile, column) = (&op.hardware.tiles[number], op.hardware.grid.column_of(number));
                let clipped = saturated.as_ref().filter(|_| counts_clipped).map(|saturated| {
                    saturated[column.part].slice(1, column.outs_of(tile)).iter().filter(|&&hit| hit).count()
                });
                let x = rows().slice(1, tile.ins.clone());
                range_sums.add(first, number, self.range_sum(number, &x, g, clipped.unwrap_or(0)));
            };
            let of_tile: Option<OfTile<'_>> = if learns_range { Some(&of_tile) } else { None };
            transposed.read(group, &d, first, of_tile)
        });
        if masks {
            cx.deposit(op.weight, Saturation { masked: masked.into_inner(), outputs: outputs.into_inner() });
        }
        if let Some(counting) = transposed.counting.take() {
            cx.deposit(op.weight, counting.finish(Direction::Backward));
        }
        InputGradient { gradient, range_sums }
    }

    /// The output gradients of each column for a block of rows: times learned scales, and 0 where the forward output
    /// was saturated, if `masks`. The rows are read again to find saturated outputs.
    fn gradients_of_columns(
        &self,
        group: usize,
        d: &Tensor,
        rows: &dyn Fn() -> Tensor,
        first: usize,
        masks: bool,
        counts_clipped: bool,
    ) -> ColumnGradients {
        let mut d = self.reader.gradients_of_columns(group, d);
        if !masks && !counts_clipped {
            return ColumnGradients { d, saturated: None };
        }
        let outputs = self.reader.read_columns(group, &rows(), first);
        let forward = &self.op.hardware.config.forward;
        let saturated: Option<Vec<_>> = outputs.iter().map(|y| mvm::saturated(forward, y)).collect();
        for (d, saturated) in d.iter_mut().zip(saturated.iter().flatten()).filter(|_| masks) {
            *d = d.zip(saturated, |d, saturated| if saturated { 0.0 } else { d });
        }
        ColumnGradients { d, saturated }
    }
}
