//! Learned output scales: factors of the outputs of each tile, or of each output, that are trained digitally.

use ohmgrad_tensor::Tensor;

use super::grid::{self, Column, Grid};
use super::{Tile, TileArray};
use crate::config::MappingParameter;

/// The shape of the scales of a weight [out, in, …], if the mapping has them: [input parts, output parts of all groups],
/// or [input parts, out] if column-wise.
pub(crate) fn shape(mapping: &MappingParameter, weight: &[usize], groups: usize) -> Option<[usize; 2]> {
    let [ins, outs] = grid::parts(mapping, weight, groups);
    mapping.learn_out_scaling.then_some([ins, if mapping.out_scaling_columnwise { weight[0] } else { groups * outs }])
}

/// The scales of a column's outputs as a row.
pub(crate) fn row(scaling: &Tensor, grid: &Grid, column: &Column, tiles: &[Tile]) -> Tensor {
    let row = scaling.slice(0, column.part..column.part + 1);
    if row.shape()[1] == grid.outs {
        return row.slice(1, column.outs.clone());
    }
    let first = column.group * column.tiles.len();
    let of_tile =
        |(i, tile): (usize, &Tile)| row.slice(1, first + i..first + i + 1).broadcast_to(&[1, tile.outs.len()]);
    grid::side_by_side(tiles[column.tiles.clone()].iter().enumerate().map(of_tile))
}

impl TileArray {
    /// The scales of a column's outputs as a row [1, outs], if there are any.
    fn learned_row(&self, column: &Column) -> Option<Tensor> {
        Some(row(&self.out_scaling.as_ref()?.value, &self.hardware.grid, column, self.tiles()))
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
