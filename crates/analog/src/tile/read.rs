//! Reads of a tile array: digital rows in, digital rows out.
//!
//! Each tile takes its inputs, cut to its range and in units of it, and reads them. Its outputs are multiplied with the
//! mapping scale, the input range, and in evaluation the drift compensation of a chip, then with learned output scales;
//! those of the tiles that share outputs are added. A perfect read of logical weights is the digital product.

use std::ops::Range;

use ohmgrad_tensor::{Key, Tensor, product};

use super::contents::{Contents, Hardware};
use super::grid::{Column, side_by_side, sum};
use super::running_mean::{self, RowScales};
use super::{Tile, out_scaling};
use crate::config::NoiseManagement;
use crate::mvm::{Direction, Mvm, Prepared};
use crate::observed::Counting;

/// Arguments of the reads of one call, besides the contents of the tiles and the rows.
#[derive(Debug)]
pub(crate) struct Call {
    /// One for each tile.
    pub keys: Vec<Key>,
    /// The number of the first row in its data set.
    pub first_row: usize,
    /// Rows that one sample of the batch gives.
    pub rows_per_sample: usize,
    /// The input range of each tile, if there are any.
    pub ranges: Option<Vec<f32>>,
    /// `true` if the call is part of a training step.
    pub training: bool,
}

/// Reader of the tiles of one call, for any number of blocks of its rows.
pub(crate) struct Reader<'a> {
    pub hardware: &'a Hardware,
    pub contents: &'a Contents,
    pub call: &'a Call,
    /// The noise-management scales of all rows, where these depend on the rows before.
    pub scales: Option<RowScales>,
    /// The counters of forward reads, if they are observed.
    pub counting: Option<&'a Counting>,
    /// The factors of each column's outputs as a row: mapping scales, input ranges, drift compensation.
    factors: Vec<Option<Tensor>>,
    /// The learned scales of each column's outputs as a row.
    learned: Vec<Option<Tensor>>,
}

impl<'a> Reader<'a> {
    /// A reader of tiles with learned output scales, if they have some.
    pub fn new(hardware: &'a Hardware, contents: &'a Contents, call: &'a Call, scaling: Option<&Tensor>) -> Self {
        let columns = hardware.grid.columns().iter();
        let learned = columns.map(|column| Some(out_scaling::row(scaling?, &hardware.grid, column, &hardware.tiles)));
        let learned = learned.collect();
        let mut reader = Self { hardware, contents, call, scales: None, counting: None, factors: vec![], learned };
        reader.factors = hardware
            .grid
            .columns()
            .iter()
            .map(|column| {
                let factors: Option<Vec<Tensor>> = column.tiles.clone().map(|number| reader.factor(number)).collect();
                factors.map(|factors| side_by_side(factors.into_iter()))
            })
            .collect();
        reader
    }

    /// The tiles of a column.
    pub fn tiles(&self, column: &Column) -> &'a [Tile] {
        &self.hardware.tiles[column.tiles.clone()]
    }

    /// The columns of a group with their numbers.
    pub fn columns(&self, group: usize) -> impl Iterator<Item = (usize, &'a Column)> {
        let columns = self.hardware.grid.columns_of(group);
        columns.iter().enumerate().map(move |(i, column)| (group * columns.len() + i, column))
    }

    /// The factor on a tile's outputs, as a row [1, outs]; `None` for 1.
    pub fn factor(&self, number: usize) -> Option<Tensor> {
        let tile = &self.hardware.tiles[number];
        let chip = self.hardware.chip.as_ref().filter(|_| !self.call.training);
        let all = [
            tile.scales.as_ref().map(|s| s.broadcast_to(&[tile.outs.len(), 1]).t()),
            self.call.ranges.as_ref().map(|r| Tensor::full(&[1, tile.outs.len()], r[number])),
            chip.and_then(|chip| chip.tiles[number].alpha_row(tile)),
        ];
        all.into_iter().flatten().reduce(|a, b| &a * &b)
    }

    /// The learned scales of a column's outputs as a row, if there are any.
    pub fn learned(&self, column: usize) -> Option<&Tensor> {
        self.learned[column].as_ref()
    }

    /// Returns `true` if there are learned output scales.
    pub fn has_learned_scales(&self) -> bool {
        self.learned.iter().any(Option::is_some)
    }

    /// The outputs [n, out of the group] for rows [n, ins], the first of which is row `first` of the call.
    pub fn read(&self, group: usize, rows: &Tensor, first: usize) -> Tensor {
        if self.is_digital() {
            return self.digital(group, rows);
        }
        let outputs = self.read_columns(group, rows, first).into_iter();
        sum(outputs.zip(self.columns(group)).map(|(y, (column, _))| {
            let y = self.scaled(column, y);
            self.learned[column].as_ref().map_or(y.clone(), |a| &y * a)
        }))
    }

    /// Returns `true` if reads are products with the whole logical weight.
    fn is_digital(&self) -> bool {
        let perfect = self.hardware.config.forward.is_ideal() && self.call.ranges.is_none();
        perfect && !self.has_learned_scales() && self.contents.is_one_matrix()
    }

    /// The product and bias of the digital layer: equal bit for bit.
    fn digital(&self, group: usize, rows: &Tensor) -> Tensor {
        let (w, bias) = self.contents.logical();
        let y = product::linear(rows, &self.outputs_of(group, w));
        let y = bias.map_or(y.clone(), |b| &y + b);
        times(y, self.hardware.config.forward.out_scale)
    }

    /// The rows of a logical matrix that are the outputs of a group.
    pub fn outputs_of(&self, group: usize, matrix: &Tensor) -> Tensor {
        matrix.slice(0, self.hardware.grid.columns_of(group)[0].outs.clone())
    }

    /// The outputs of the tiles of a group, before any factor: for each column [n, out of the group].
    pub fn read_columns(&self, group: usize, rows: &Tensor, first: usize) -> Vec<Tensor> {
        let rows = &self.hardware.grid.with_bias_input(rows);
        let column = |column: &Column| side_by_side(column.tiles.clone().map(|number| self.tile(number, rows, first)));
        self.hardware.grid.columns_of(group).iter().map(column).collect()
    }

    /// The outputs of one tile for rows with all inputs of its group.
    fn tile(&self, number: usize, rows: &Tensor, first: usize) -> Tensor {
        let rows = self.ranged(number, rows.slice(1, self.hardware.tiles[number].ins.clone()));
        let counters = Counting::of(self.counting, number);
        self.each_sample(number, rows.shape()[0], first, |mvm, part, w, scales| {
            mvm.read_scaled(&rows.slice(0, part), w, scales, counters)
        })
    }

    /// Calls `read` for `n` rows of a tile, all at once or sample by sample, and joins the results. `read` gets the
    /// parameters of the read, the places of its rows, the prepared weights [outs, ins], and the noise-management
    /// scales.
    pub fn each_sample(
        &self,
        number: usize,
        n: usize,
        first: usize,
        mut read: impl FnMut(Mvm<'_>, Range<usize>, &Prepared, Option<&[f32]>) -> Tensor,
    ) -> Tensor {
        let Call { first_row, rows_per_sample, .. } = *self.call;
        let (io, pattern) = (&self.hardware.config.forward, &self.hardware.tiles[number].forward);
        let (direction, key) = (Direction::Forward, self.call.keys[number]);
        let rows = first_row + first..first_row + first + n;
        self.contents.read_by_sample(number, rows, rows_per_sample, |part, w| {
            let of_sample;
            let (timed, w) = match self.contents.is_per_sample() {
                false => (self.contents.timed(number), self.contents.prepared(number, n)),
                true => {
                    let timed = self.hardware.timed_array(number, w, self.call.training);
                    of_sample = (timed, Prepared::for_once(w, io, pattern, part.len()));
                    (of_sample.0.as_ref(), &of_sample.1)
                }
            };
            let scales = self.scales.as_ref().map(|scales| &scales[number][first + part.start..first + part.end]);
            let first_row = first_row + first + part.start;
            read(Mvm { io, pattern, direction, key, first_row, timed }, part, w, scales)
        })
    }

    /// Outputs of a column times mapping scales, input ranges and drift compensation.
    pub fn scaled(&self, column: usize, y: Tensor) -> Tensor {
        self.factors[column].as_ref().map_or(y.clone(), |factors| &y * factors)
    }

    /// Rows as a tile takes them: cut to its range, in units of it.
    pub fn ranged(&self, number: usize, rows: Tensor) -> Tensor {
        match &self.call.ranges {
            None => rows,
            Some(ranges) => {
                let r = ranges[number];
                rows.map(|x| within(x, r) / r)
            }
        }
    }

    /// Rows cut to a tile's range.
    pub fn cut(&self, number: usize, rows: &Tensor) -> Tensor {
        match &self.call.ranges {
            None => rows.clone(),
            Some(ranges) => rows.map(|x| within(x, ranges[number])),
        }
    }

    /// The output gradients of each column of a group, [n, out of the group]: times learned scales.
    pub fn gradients_of_columns(&self, group: usize, d: &Tensor) -> Vec<Tensor> {
        let of_column = |(column, _)| self.learned(column).map_or(d.clone(), |a| d * a);
        self.columns(group).map(of_column).collect()
    }
}

/// A number cut to a range ±r; NaN if either is.
pub(crate) fn within(x: f32, r: f32) -> f32 {
    if r.is_nan() { r } else { x.clamp(-r.abs(), r.abs()) }
}

/// Numbers times a factor that is 1 most of the time.
pub(crate) fn times(x: Tensor, factor: f32) -> Tensor {
    if factor == 1.0 { x } else { &x * factor }
}

impl Hardware {
    /// One tile's read of rows [n, ins] in evaluation, through weights [outs, ins] in place of its contents, without
    /// factors.
    pub fn read_weights(&self, number: usize, w: &Tensor, rows: &Tensor, averages: &Tensor, key: Key) -> Tensor {
        let (io, pattern) = (&self.config.forward, &self.tiles[number].forward);
        let timed = self.timed_array(number, w, false);
        let mean = running_mean::of_evaluation(averages, number, Direction::Forward);
        let mean = mean.filter(|_| io.noise_management == NoiseManagement::AverageAbsMax);
        let scales = mean.map(|mean| vec![mean; rows.shape()[0]]);
        let mvm = Mvm { io, pattern, direction: Direction::Forward, key, first_row: 0, timed: timed.as_ref() };
        mvm.read_scaled(rows, &Prepared::for_once(w, io, pattern, rows.shape()[0]), scales.as_deref(), None)
    }
}
