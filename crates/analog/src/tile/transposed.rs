//! Reads of the transposed tiles, which make the input gradient: output gradients in, input gradients out.
//!
//! An analog direction reads each transposed tile, driven by `d·s`, under the backward parameters, with separate
//! variations and noise. A perfect one is `d·W`.

use std::ops::Range;
use std::sync::OnceLock;

use ohmgrad_tensor::{Tensor, product};

use super::grid::{Column, side_by_side, sum};
use super::read::{Call, Reader, times};
use super::running_mean::{RowScales, RunningScales};
use crate::config::{BackwardIoParameters, IoParameters};
use crate::mvm::{Direction, Mvm, Pattern, Prepared};
use crate::observed::Counting;

/// Reader of the transposed tiles of one call, for any number of blocks of its rows.
pub(crate) struct Transposed<'a> {
    reader: &'a Reader<'a>,
    way: Way,
    /// The counters of reads, if they are observed.
    pub counting: Option<Counting>,
}

enum Way {
    /// `d·W` times a factor.
    Perfect(f32),
    /// Reads under these parameters.
    Analog {
        io: Box<IoParameters>,
        /// The variations of each tile under these parameters, if the tiles were built with others.
        drawn: Option<Vec<Pattern>>,
        /// The noise-management scales of all rows, where these depend on the rows before.
        scales: Option<RowScales>,
        /// The transposed weights of each tile, prepared by the first block of rows that reads them.
        prepared: Vec<OnceLock<Prepared>>,
    },
}

/// A function that gets the number of each tile and its part of the input gradient, [n, ins of the tile].
pub(crate) type OfTile<'a> = &'a dyn Fn(usize, &Tensor);

impl<'a> Transposed<'a> {
    /// The product `d·W`, times a factor.
    pub fn perfect(reader: &'a Reader<'a>, out_scale: f32) -> Self {
        Self { reader, way: Way::Perfect(out_scale), counting: None }
    }

    /// Reads under backward parameters.
    pub fn under(reader: &'a Reader<'a>, backward: &BackwardIoParameters) -> Self {
        let (io, built) = (backward.read(), reader.hardware.config.backward.read());
        let draw = || reader.hardware.tiles.iter().map(|tile| tile.draw(&io, Direction::Backward)).collect();
        let drawn = (!Pattern::same_variations(&io, &built)).then(draw);
        let prepared = reader.hardware.tiles.iter().map(|_| OnceLock::new()).collect();
        Self { reader, way: Way::Analog { io: Box::new(io), drawn, scales: None, prepared }, counting: None }
    }

    /// Returns `true` if the gradient is `d·W` without any factor, with one W for all samples.
    pub fn is_digital(&self) -> bool {
        let one = matches!(self.way, Way::Perfect(out_scale) if out_scale == 1.0);
        one && !self.reader.has_learned_scales() && !self.reader.contents.is_per_sample()
    }

    /// Returns `true` if the transposed read is an exact product.
    pub fn is_perfect(&self) -> bool {
        matches!(self.way, Way::Perfect(_))
    }

    /// Finds the scales of all rows, where they depend on the rows before, and returns the means after them: `rows`
    /// calls its argument with each group and the output gradients of each column, block by block and in order.
    pub fn find_scales(
        &mut self,
        averages: &Tensor,
        rows: impl FnOnce(&mut dyn FnMut(usize, &[Tensor])),
    ) -> Option<Tensor> {
        let Way::Analog { io, .. } = &self.way else { return None };
        let tiles = self.reader.hardware.tiles.len();
        let mut running = RunningScales::new(io, averages, tiles, Direction::Backward, true)?;
        rows(&mut |group, d| {
            for number in self.reader.columns(group).flat_map(|(_, column)| column.tiles.clone()) {
                running.add(number, &self.driven(d, number));
            }
        });
        let (found, averages) = running.finish();
        if let Way::Analog { scales, .. } = &mut self.way {
            *scales = Some(found);
        }
        Some(averages)
    }

    /// The inputs of a transposed tile, for output gradients of each column of its group.
    fn driven(&self, d: &[Tensor], number: usize) -> Tensor {
        let column = self.reader.hardware.grid.column_of(number);
        let tile = &self.reader.hardware.tiles[number];
        let d = d[column.part].slice(1, column.outs_of(tile));
        tile.scales.as_ref().map_or(d.clone(), |s| &d * &s.t())
    }

    /// The input gradients [n, ins of the group] for the output gradients of each column of a group, [n, out of the
    /// group]; the first row is row `first` of the call.
    pub fn read(&self, group: usize, d: &[Tensor], first: usize, of_tile: Option<OfTile<'_>>) -> Tensor {
        match &self.way {
            Way::Perfect(out_scale) => self.product(group, d, first, *out_scale, of_tile),
            Way::Analog { io, drawn, scales, prepared } => {
                let grid = &self.reader.hardware.grid;
                let share = |number: usize| {
                    let pattern = match drawn {
                        Some(drawn) => &drawn[number],
                        None => &self.reader.hardware.tiles[number].backward,
                    };
                    let scales = scales.as_ref().map(|scales| scales[number].as_slice());
                    let under = (&**io, pattern, scales, &prepared[number]);
                    let gradient = self.tile(number, &self.driven(d, number), first, under);
                    of_tile.into_iter().for_each(|of_tile| of_tile(number, &gradient));
                    gradient
                };
                let columns = grid.columns_of(group).iter();
                let gradient = side_by_side(columns.map(|column| sum(column.tiles.clone().map(share))));
                if grid.has_bias { gradient.slice(1, 0..grid.ins) } else { gradient }
            }
        }
    }

    /// `d·W` by the digital layer's own function: one product for each column, or for each tile and sample if a
    /// modifier is drawn per sample.
    fn product(&self, group: usize, d: &[Tensor], first: usize, out_scale: f32, of_tile: Option<OfTile<'_>>) -> Tensor {
        let Reader { hardware, contents, call: &Call { rows_per_sample, .. }, .. } = *self.reader;
        let (grid, (w, _)) = (&hardware.grid, contents.logical());
        let share = |number: usize| {
            let tile = &hardware.tiles[number];
            let ins = grid.weight_ins(&tile.ins);
            if !contents.is_per_sample() {
                let column = grid.column_of(number);
                let d = d[column.part].slice(1, column.outs_of(tile));
                return product::linear_input_gradient(&d, &w.slice(0, tile.outs.clone()).slice(1, ins));
            }
            let driven = self.driven(d, number);
            contents.read_by_sample(number, self.rows(first, &driven), rows_per_sample, |part, w| {
                product::linear_input_gradient(&driven.slice(0, part), &w.slice(1, 0..ins.len()))
            })
        };
        let shown = |number: usize| {
            let gradient = share(number);
            of_tile.into_iter().for_each(|of_tile| of_tile(number, &times(gradient.clone(), out_scale)));
            gradient
        };
        if of_tile.is_some() && !contents.is_per_sample() {
            grid.columns_of(group)
                .iter()
                .flat_map(|column| column.tiles.clone())
                .for_each(|number| drop(shown(number)));
        }
        let of_column = |column: &Column| match contents.is_per_sample() {
            false => {
                let w = self.reader.outputs_of(group, w).slice(1, grid.weight_ins(&column.ins));
                product::linear_input_gradient(&d[column.part], &w)
            }
            true => sum(column.tiles.clone().map(shown)),
        };
        times(side_by_side(grid.columns_of(group).iter().map(of_column)), out_scale)
    }

    /// A read of one transposed tile.
    fn tile(
        &self,
        number: usize,
        driven: &Tensor,
        first: usize,
        (io, pattern, scales, prepared): (&IoParameters, &Pattern, Option<&[f32]>, &OnceLock<Prepared>),
    ) -> Tensor {
        let Call { first_row, rows_per_sample, ref keys, .. } = *self.reader.call;
        let (direction, key) = (Direction::Backward, keys[number]);
        let counters = Counting::of(self.counting.as_ref(), number);
        self.reader.contents.read_by_sample(number, self.rows(first, driven), rows_per_sample, |part, w| {
            let mvm = Mvm { io, pattern, direction, key, first_row: first_row + first + part.start, timed: None };
            let scales = scales.map(|scales| &scales[first + part.start..first + part.end]);
            let of_sample = OnceLock::new();
            let prepared = if self.reader.contents.is_per_sample() { &of_sample } else { prepared };
            let w = prepared.get_or_init(|| Prepared::for_once(&w.t(), io, pattern, driven.shape()[0]));
            mvm.read_scaled(&driven.slice(0, part), w, scales, counters)
        })
    }

    /// The numbers of `rows` in the data set; the first of them is row `first` of the call.
    fn rows(&self, first: usize, rows: &Tensor) -> Range<usize> {
        let first = self.reader.call.first_row + first;
        first..first + rows.shape()[0]
    }
}
