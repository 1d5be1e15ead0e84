//! Learned output scales of a tile array: as factors, and folded into its weight.

use ohmgrad_tensor::Tensor;

use super::TileArray;
use crate::tile::{Column, out_scaling};

impl TileArray {
    /// The scales of a column's outputs as a row [1, outs], if there are any.
    fn learned_row(&self, column: &Column) -> Option<Tensor> {
        Some(out_scaling::row(&self.out_scaling.as_ref()?.value, &self.hardware.grid, column, self.tiles()))
    }

    /// The scales of each tile's outputs, [outs, 1], if there are any.
    pub(super) fn learned_columns(&self) -> Option<Vec<Tensor>> {
        self.out_scaling.as_ref()?;
        let columns = self.hardware.grid.columns().iter().flat_map(|column| {
            let row = self.learned_row(column).expect("there are scales");
            self.tiles()[column.tiles.clone()].iter().map(move |tile| row.slice(1, column.outs_of(tile)).t())
        });
        Some(columns.collect())
    }

    /// Multiplies learned output scales into the weight and an analog bias, and sets them to 1.
    pub(super) fn fold_out_scaling(&mut self, bias: Option<&mut Tensor>) {
        if self.out_scaling.is_none() {
            return;
        }
        let (weight, scaled) = self.effective_weights(bias.as_deref());
        self.weight.value = weight;
        if let (Some(bias), Some(scaled)) = (bias, scaled) {
            *bias = scaled;
        }
        self.reset_out_scaling();
    }

    /// Sets learned output scales to 1.
    pub(super) fn reset_out_scaling(&mut self) {
        if let Some(scaling) = &mut self.out_scaling {
            scaling.value = Tensor::full(scaling.value.shape(), 1.0);
        }
    }
}
