//! The cut of a logical matrix into tiles: how rows reach them, and how their outputs are put together.
//!
//! A dimension is cut into `n = ⌈size/max⌉` parts whose sizes differ by at most one, larger ones first; one part where
//! `max` is 0. Source: aihwkit `array.py`. Tiles that take the same inputs form a column: their outputs lie side by side,
//! and the outputs of a group are the sum of its columns. The bias of an analog layer is the last column of the matrix,
//! with a constant input of 1.

use std::ops::Range;

use ohmgrad_tensor::{Array, Tensor};

use super::Tile;
use crate::config::MappingParameter;

/// The cut of a logical matrix [outs, ins].
#[derive(Debug)]
pub(crate) struct Grid {
    /// Outputs of all groups.
    pub outs: usize,
    /// Inputs of a group, without the constant one of an analog bias.
    pub ins: usize,
    /// Groups of channels, each with its outputs and tiles.
    pub groups: usize,
    /// `true` if the last column of the matrix is the bias.
    pub has_bias: bool,
    columns: Vec<Column>,
}

/// Tiles of one group that take the same inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub group: usize,
    /// The number of the column among those of its group.
    pub part: usize,
    /// The inputs that its tiles take.
    pub ins: Range<usize>,
    /// The outputs that they compute, all together.
    pub outs: Range<usize>,
    /// The numbers of the tiles.
    pub tiles: Range<usize>,
}

/// The place of a tile in a logical matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rectangle {
    pub group: usize,
    pub outs: Range<usize>,
    pub ins: Range<usize>,
}

/// The numbers of parts that the matrix of a weight [out, in, …] is cut into: along the inputs, and along the outputs
/// of a group.
pub(crate) fn parts(mapping: &MappingParameter, weight: &[usize], groups: usize) -> [usize; 2] {
    [count(weight[1..].iter().product(), mapping.max_input_size), count(weight[0] / groups, mapping.max_output_size)]
}

/// Returns `true` if a bias may be a column of the tile: there is one tile, and the mapping does not make the bias
/// digital. As in the reference, a mapping that limits only one of its two sizes has a digital bias.
pub(crate) fn may_hold_bias(mapping: &MappingParameter, weight: &[usize], groups: usize) -> bool {
    let array = (mapping.max_input_size == 0) != (mapping.max_output_size == 0);
    !mapping.digital_bias && !array && groups == 1 && parts(mapping, weight, groups) == [1, 1]
}

fn count(size: usize, max: usize) -> usize {
    if max == 0 { 1 } else { size.div_ceil(max).max(1) }
}

fn split(size: usize, max: usize) -> Vec<Range<usize>> {
    let parts = count(size, max);
    let (each, longer) = (size / parts, size % parts);
    let mut start = 0;
    (0..parts)
        .map(|part| {
            let end = start + each + usize::from(part < longer);
            std::mem::replace(&mut start, end)..end
        })
        .collect()
}

impl Grid {
    /// Cuts the matrix of a weight [out, in, …]; the tiles' places are ordered by group, inputs, outputs.
    pub fn cut(mapping: &MappingParameter, weight: &[usize], groups: usize, has_bias: bool) -> (Self, Vec<Rectangle>) {
        let (outs, ins) = (weight[0], weight[1..].iter().product());
        let per_group = outs / groups;
        let all_ins = split(ins, mapping.max_input_size);
        let all_outs = split(per_group, mapping.max_output_size);
        let (mut columns, mut rectangles) = (vec![], vec![]);
        for group in 0..groups {
            let first = group * per_group;
            for (part, ins) in all_ins.iter().enumerate() {
                let ins = ins.start..ins.end + usize::from(has_bias);
                let tiles = rectangles.len()..rectangles.len() + all_outs.len();
                let placed = all_outs.iter().map(|outs| first + outs.start..first + outs.end);
                rectangles.extend(placed.map(|outs| Rectangle { group, outs, ins: ins.clone() }));
                columns.push(Column { group, part, ins, outs: first..first + per_group, tiles });
            }
        }
        (Self { outs, ins, groups, has_bias, columns }, rectangles)
    }

    /// All columns, ordered by group.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns of a group.
    pub fn columns_of(&self, group: usize) -> &[Column] {
        let per_group = self.columns.len() / self.groups;
        &self.columns[group * per_group..(group + 1) * per_group]
    }

    /// The column of a tile.
    pub fn column_of(&self, tile: usize) -> &Column {
        &self.columns[tile / self.columns[0].tiles.len()]
    }

    /// The logical matrix of a weight [out, in, …], and of the bias if it is a column of the matrix.
    ///
    /// # Panics
    /// If the bias is a column and none is given.
    pub fn matrix(&self, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let matrix = weight.reshape(&[self.outs, self.ins]);
        match self.has_bias {
            false => matrix,
            true => {
                let bias = bias.expect("tiles: the bias is on the tile and has to be given with the weight");
                Array::concat(&[matrix, bias.unsqueeze(1)], 1)
            }
        }
    }

    /// The weight [outs, ins] of a logical matrix, and the bias if it is a column of the matrix.
    pub fn weight_and_bias(&self, matrix: Tensor) -> (Tensor, Option<Tensor>) {
        if !self.has_bias {
            return (matrix, None);
        }
        let bias = matrix.slice(1, self.ins..self.ins + 1).squeeze(1).contiguous();
        (matrix.slice(1, 0..self.ins), Some(bias))
    }

    /// Rows [n, ins] with the constant input of an analog bias, if there is one.
    pub fn with_bias_input(&self, rows: &Tensor) -> Tensor {
        match self.has_bias {
            false => rows.clone(),
            true => Array::concat(&[rows.clone(), Tensor::full(&[rows.shape()[0], 1], 1.0)], 1),
        }
    }

    /// Inputs of a tile or column without the constant one of an analog bias.
    pub fn weight_ins(&self, ins: &Range<usize>) -> Range<usize> {
        ins.start..ins.end.min(self.ins)
    }

    /// Joins the matrices of a group's tiles, [outs of the group, …]: tiles of a column below each other, columns side
    /// by side.
    pub fn assemble_group(&self, group: usize, mut part: impl FnMut(usize) -> Tensor) -> Tensor {
        side_by_side(self.columns_of(group).iter().map(|column| stacked(column.tiles.clone().map(&mut part))))
    }

    /// Joins the matrices of all tiles.
    pub fn assemble(&self, mut part: impl FnMut(usize) -> Tensor) -> Tensor {
        stacked((0..self.groups).map(|group| self.assemble_group(group, &mut part)))
    }
}

impl Column {
    /// The place of a tile's outputs among the column's.
    pub fn outs_of(&self, tile: &Tile) -> Range<usize> {
        tile.outs.start - self.outs.start..tile.outs.end - self.outs.start
    }
}

/// Matrices side by side.
pub(crate) fn side_by_side(parts: impl Iterator<Item = Tensor>) -> Tensor {
    joined(parts.collect(), 1)
}

/// Matrices below each other.
pub(crate) fn stacked(parts: impl Iterator<Item = Tensor>) -> Tensor {
    joined(parts.collect(), 0)
}

fn joined(mut parts: Vec<Tensor>, axis: usize) -> Tensor {
    if parts.len() == 1 { parts.remove(0) } else { Array::concat(&parts, axis) }
}

/// The sum of matrices, added in their order.
pub(crate) fn sum(parts: impl Iterator<Item = Tensor>) -> Tensor {
    let add = |mut sum: Tensor, part: Tensor| {
        sum += part;
        sum
    };
    parts.reduce(add).expect("an array has tiles")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ohmgrad_tensor::Key;
    use proptest::prelude::*;

    fn sizes(size: usize, max: usize) -> Vec<usize> {
        split(size, max).iter().map(|r| r.len()).collect()
    }

    #[test]
    fn parts_are_nearly_equal() {
        assert_eq!(sizes(784, 512), [392, 392]);
        assert_eq!(sizes(513, 256), [171, 171, 171]);
        assert_eq!(sizes(700, 512), [350, 350]);
        assert_eq!(sizes(5, 2), [2, 2, 1]);
        assert_eq!(sizes(5, 0), [5]);
    }

    proptest! {
        #[test]
        fn every_index_is_in_one_part(size in 1usize..3000, max in 0usize..600) {
            let parts = split(size, max);
            prop_assert!(parts.windows(2).all(|w| w[0].end == w[1].start && w[0].len() >= w[1].len()));
            prop_assert_eq!((parts[0].start, parts.last().unwrap().end), (0, size));
            prop_assert!(parts.iter().all(|p| !p.is_empty() && (max == 0 || p.len() <= max)));
        }

        #[test]
        fn a_matrix_taken_apart_is_put_together(
            outs in 1usize..9, ins in 1usize..9, groups in 1usize..4, down in 0usize..4, across in 0usize..4,
        ) {
            let mapping = MappingParameter { max_output_size: down, max_input_size: across, ..Default::default() };
            let matrix = Tensor::normal(&[outs * groups, ins], Key::new(1));
            let (grid, rectangles) = Grid::cut(&mapping, matrix.shape(), groups, false);
            let part = |i: usize| matrix.slice(0, rectangles[i].outs.clone()).slice(1, rectangles[i].ins.clone());
            prop_assert_eq!(grid.assemble(part), matrix.clone());
            prop_assert!((0..rectangles.len()).all(|i| grid.column_of(i).ins == rectangles[i].ins));
        }
    }
}
