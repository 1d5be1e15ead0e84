//! Learned output scales: factors of the outputs of each tile, or of each output, that are trained digitally.

use ohmgrad_tensor::Tensor;

use super::Tile;
use super::grid::{self, Column, Grid};
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
