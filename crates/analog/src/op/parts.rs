//! Matrices taken apart into those of tiles, and put together again.

use ohmgrad_tensor::{Array, Tensor};

use crate::tile::Tile;

impl Tile {
    /// Its part of a matrix [out, in].
    pub(crate) fn rectangle(&self, matrix: &Tensor) -> Tensor {
        matrix.slice(0, self.outs.clone()).slice(1, self.ins.clone())
    }

    /// What the tile stores of a logical weight: its rectangle over the scales.
    pub(crate) fn stored(&self, weight: &Tensor) -> Tensor {
        let part = self.rectangle(weight);
        self.scales.as_ref().map_or(part.clone(), |s| &part / s)
    }

    /// The place of this tile's outputs among those of its list of tiles.
    pub(crate) fn outs_in(&self, tiles: &[Tile]) -> std::ops::Range<usize> {
        self.outs.start - tiles[0].outs.start..self.outs.end - tiles[0].outs.start
    }
}

/// A weight [out, …] as a matrix.
pub(crate) fn as_matrix(w: &Tensor) -> Tensor {
    w.reshape(&[w.shape()[0], w.shape()[1..].iter().product()])
}

/// Writes a tile's part of a matrix.
pub(super) fn paste(matrix: &mut Tensor, tile: &Tile, part: &Tensor) {
    let width = matrix.shape()[1];
    let data = matrix.make_mut();
    for (i, out) in tile.outs.clone().enumerate() {
        let row = &mut data[out * width..][tile.ins.clone()];
        row.iter_mut().zip(part.slice(0, i..i + 1).iter()).for_each(|(to, from)| *to = *from);
    }
}

/// The weight with an analog bias as its last column.
pub(crate) fn with_bias(w: &Tensor, bias: Option<&Tensor>) -> Tensor {
    bias.map_or(w.clone(), |b| Array::concat(&[w.clone(), b.unsqueeze(1)], 1))
}

/// Rows with the constant input of an analog bias.
pub(crate) fn with_ones(rows: &Tensor) -> Tensor {
    Array::concat(&[rows.clone(), Tensor::full(&[rows.shape()[0], 1], 1.0)], 1)
}

/// The learned scales of some tiles' outputs as a row, from a table with one per tile or one per output.
pub(crate) fn learned_row(scaling: &Tensor, outs: usize, part: usize, group: usize, tiles: &[Tile]) -> Tensor {
    let row = scaling.slice(0, part..part + 1);
    if row.shape()[1] == outs {
        return row.slice(1, tiles[0].outs.start..tiles[tiles.len() - 1].outs.end);
    }
    let of_tile = |(i, tile): (usize, &Tile)| {
        let column = group * tiles.len() + i;
        row.slice(1, column..column + 1).broadcast_to(&[1, tile.outs.len()])
    };
    join(tiles.iter().enumerate().map(of_tile).collect())
}

pub(super) fn scaled(x: Tensor, factor: f32) -> Tensor {
    if factor == 1.0 { x } else { &x * factor }
}

pub(super) fn sum(parts: Vec<Tensor>) -> Tensor {
    let add = |mut sum: Tensor, part: Tensor| {
        sum.add_assign(&part);
        sum
    };
    parts.into_iter().reduce(add).expect("an array has tiles")
}

/// Columns side by side.
pub(super) fn join(mut parts: Vec<Tensor>) -> Tensor {
    if parts.len() == 1 { parts.remove(0) } else { Array::concat(&parts, 1) }
}
