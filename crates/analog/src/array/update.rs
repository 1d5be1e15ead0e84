//! Updates of tiles by pulses: the third direction, after forward and backward.
//!
//! Devices hold the weights. A backward leaves the pairs of its call (inputs, output gradients) for the optimizer's
//! step, which updates each tile once by the pairs of all calls in order: w by x̂ and d/(s·λ) at the rate η·λ. Here x̂
//! is the input cut to the range, d includes the learned output scales, s are the mapping scales, and λ is 1/mean(s)
//! under `weight_scaling_lr_compensation`, else 1. So W = s·w changes by −η·dᵀx̂, as far as the devices allow. Source:
//! aihwkit `optim/analog_optimizer.py`, `tiles/periphery.py`.

use std::ops::Range;

use ohmgrad_tensor::{Im2col, Key, Tensor};

use super::TileArray;
use crate::cell::{Cell, Update};
use crate::config::RpuConfig;
use crate::device::slice;
use crate::error::Error;
use crate::tile::{Grid, Tile, out_scaling, within};
use crate::update::{Pairs, Statistics, UpdateParameters};

/// The devices of tiles that train by pulses.
#[derive(Clone, Debug)]
pub(crate) struct Pulsed {
    pub config: RpuConfig,
    pub parameters: UpdateParameters,
    /// One for each tile, of tile weights [outs, ins].
    pub cells: Vec<Cell>,
    memory: PairMemory,
}

/// Memory for the pairs of a tile, reused by all tiles and steps: inputs [n, ins] and output gradients [n, outs].
#[derive(Debug, Default)]
pub(crate) struct PairMemory {
    x: Vec<f32>,
    d: Vec<f32>,
}

/// A copy starts with empty memory: the pairs are large, and used only in their step.
impl Clone for PairMemory {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Appends a range of columns of each row.
fn append(out: &mut Vec<f32>, rows: &Tensor, columns: Range<usize>) {
    let rows = rows.contiguous();
    let width = rows.shape()[1];
    if columns == (0..width) {
        return out.extend_from_slice(slice(&rows));
    }
    slice(&rows).chunks_exact(width.max(1)).for_each(|row| out.extend_from_slice(&row[columns.clone()]));
}

/// Pairs of inputs and output gradients that one call leaves for the update of its devices:
/// [`deposited`](ohmgrad_autograd::Gradients::deposited) by a backward, under the weight's parameter.
#[derive(Debug)]
pub struct CallPairs {
    pub(crate) im2col: Im2col,
    pub(crate) x: Tensor,
    pub(crate) d: Tensor,
    /// The input range of each tile.
    pub(crate) ranges: Option<Vec<f32>>,
    /// Learned output scales as the call had them.
    pub(crate) scaling: Option<Tensor>,
}

impl CallPairs {
    /// Returns `true` if no patches, input ranges or learned scales change the rows, and these are contiguous.
    fn is_as_used(&self) -> bool {
        let is_changed = self.ranges.is_some() || self.scaling.is_some();
        matches!(self.im2col, Im2col::Rows { .. }) && !is_changed && self.x.is_contiguous() && self.d.is_contiguous()
    }
}

/// Counts of the pulses that were sent to the tiles of a tile array since the statistics were last taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateStatistics {
    /// The counts of each tile.
    pub tiles: Vec<Statistics>,
}

impl Pulsed {
    /// Draws the devices of tiles, with weights of 0; `None` if the configuration has none.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new(config: &RpuConfig, grid: &Grid, tiles: &[Tile]) -> Result<Option<Self>, Error> {
        let Some((cell, parameters)) = config.cell() else { return Ok(None) };
        let of_tile = |tile: &Tile| {
            let shape = [tile.outs.len(), tile.ins.len()];
            Cell::new(&cell, &parameters, shape, grid.has_bias, tile.key.fold("devices"))
        };
        let cells = tiles.iter().map(of_tile).collect::<Result<_, _>>()?;
        Ok(Some(Self { config: config.clone(), parameters, cells, memory: PairMemory::default() }))
    }
}

impl TileArray {
    /// Returns `true` if the weight lives in devices that pulses change: an optimizer's step then contributes only its
    /// learning rate.
    pub fn trains_on_chip(&self) -> bool {
        self.pulsed.is_some()
    }

    /// The whole configuration of the tiles, of inference or of training on the chip.
    pub fn rpu_config(&self) -> RpuConfig {
        self.pulsed.as_ref().map_or_else(|| self.config().into(), |pulsed| pulsed.config.clone())
    }

    /// The cells of each tile, if the weight lives in devices.
    pub fn cells(&self) -> &[Cell] {
        self.pulsed.as_ref().map_or(&[], |pulsed| &pulsed.cells)
    }

    /// Updates the devices by the calls of a step at a learning rate, then lets them diffuse and decay; the logical
    /// weight, and an analog bias, become the weights of the devices. A weight that is not in devices does not change.
    ///
    /// `key` is the key of the step; pulses are functions of it and of the tile. All pairs of a step are one batch, in
    /// order of the calls.
    pub fn update<'a>(
        &mut self,
        calls: impl IntoIterator<Item = &'a CallPairs>,
        rate: f32,
        key: Key,
        bias: Option<&mut Tensor>,
    ) {
        let Some(pulsed) = &mut self.pulsed else { return };
        let mut memory = std::mem::take(&mut pulsed.memory);
        let calls: Vec<&CallPairs> = calls.into_iter().collect();
        for number in 0..self.tiles().len() {
            let tile = &self.tiles()[number];
            let lambda = tile.lr_compensation(&self.config().mapping).recip();
            let key = key.fold(tile.site).fold("update");
            let pairs = self.pairs(number, lambda, &calls, &mut memory);
            let pulsed = self.pulsed.as_mut().expect("checked above");
            let parameters = pulsed.parameters;
            let cell = &mut pulsed.cells[number];
            cell.update(Update { pairs, rate: rate * lambda, parameters: &parameters, key });
            cell.after_step(key.fold("after step"));
        }
        if let Some(pulsed) = &mut self.pulsed {
            pulsed.memory = memory;
        }
        self.take_from_devices(bias);
    }

    /// Begins to count the pulses of each crosspoint, its wear; the devices of [`cells`](Self::cells) hold the counts.
    pub fn count_pulses(&mut self) {
        self.pulsed.iter_mut().flat_map(|pulsed| &mut pulsed.cells).for_each(Cell::count_pulses);
    }

    /// Calls [`Cell::advance_warm_start`] for each cell; returns `false` if no cell has a warm start or all are over.
    pub fn advance_warm_start(&mut self) -> bool {
        let cells = self.pulsed.iter_mut().flat_map(|pulsed| &mut pulsed.cells);
        let mut any = false;
        cells.for_each(|cell| any |= cell.advance_warm_start());
        any
    }

    /// Takes the statistics of the pulses since the last call, tile by tile.
    pub fn take_update_statistics(&mut self) -> UpdateStatistics {
        let cells = self.pulsed.iter_mut().flat_map(|pulsed| &mut pulsed.cells);
        UpdateStatistics { tiles: cells.map(Cell::take_statistics).collect() }
    }

    /// Sets the devices to a logical matrix, as far as their bounds allow, and the logical weight to the result.
    pub(super) fn set_devices(&mut self, matrix: Tensor) {
        if let Some(pulsed) = &mut self.pulsed {
            for (tile, cell) in self.hardware.tiles.iter().zip(&mut pulsed.cells) {
                cell.set_weights(&tile.stored(&matrix).contiguous(), tile.key.fold("set weights"));
            }
            // The matrix shares the weight's storage, which is written in place.
            drop(matrix);
            self.take_from_devices(None);
        }
    }

    /// Sets the logical weight, and an analog bias, to the weight of the devices.
    pub(crate) fn take_from_devices(&mut self, mut bias: Option<&mut Tensor>) {
        let grid = &self.hardware.grid;
        let pulsed = self.pulsed.as_mut().expect("asked for weights that live in devices");
        // In place: a new matrix in each step would cost as much as the pulses of a single pair.
        let weight = self.weight.value.make_mut();
        let matrix_columns = grid.ins;
        for (tile, cell) in self.hardware.tiles.iter().zip(&mut pulsed.cells) {
            let changed = cell.take_changed();
            let (own, width) = (grid.weight_ins(&tile.ins), tile.ins.len());
            let scales = tile.scales.as_ref().map(|s| s.contiguous());
            let scales = scales.as_ref().map(slice);
            let ((rows, columns), cell) = (changed.rows(), slice(cell.weights()));
            let (from, to) = (columns.start.min(own.len()), columns.end.min(own.len()));
            for i in rows {
                let (held, row) = (&cell[i * width..(i + 1) * width], tile.outs.start + i);
                let weight = &mut weight[row * matrix_columns + own.start..][from..to];
                weight.copy_from_slice(&held[from..to]);
                let scale = scales.map(|s| s[i % s.len()]);
                if let Some(scale) = scale {
                    weight.iter_mut().for_each(|w| *w *= scale);
                }
                if let (Some(bias), Some(&of_tile)) = (&mut bias, held.get(own.len())) {
                    bias.make_mut()[row] = scale.map_or(of_tile, |scale| of_tile * scale);
                }
            }
        }
    }

    /// The weight [outs, ins] that devices hold, and the bias if it is on the tile.
    pub(super) fn held_by_devices(&self) -> (Tensor, Option<Tensor>) {
        let (grid, tiles) = (&self.hardware.grid, self.tiles());
        let pulsed = self.pulsed.as_ref().expect("asked for weights that live in devices");
        let (weight, bias) = grid.weight_and_bias(grid.assemble(|i| tiles[i].logical(pulsed.cells[i].weights())));
        (weight.contiguous(), bias)
    }

    /// The inputs of a tile and the output gradients, divided by s·λ, of all calls. They stay where one call of a linear
    /// layer left them if nothing changes them, else they are collected in `memory`.
    fn pairs<'a>(&self, number: usize, lambda: f32, calls: &[&'a CallPairs], memory: &'a mut PairMemory) -> Pairs<'a> {
        let (grid, tile) = (&self.hardware.grid, &self.tiles()[number]);
        let column = grid.column_of(number);
        let divisor = tile.scales.as_ref().map(|s| &s.t() * lambda);
        if let ([call], None, false) = (calls, &divisor, grid.has_bias)
            && call.is_as_used()
        {
            return Pairs::of_columns(&call.x, tile.ins.clone(), &call.d, column.outs_of(tile));
        }
        let PairMemory { x: xs, d: ds } = memory;
        xs.clear();
        ds.clear();
        for call in calls {
            let range = call.ranges.as_ref().map(|ranges| ranges[number]);
            let learned = call.scaling.as_ref();
            let learned = learned.map(|scaling| out_scaling::row(scaling, grid, column, self.tiles()));
            call.im2col.for_each_gradient_rows_of(column.group, &call.d, &call.x, |d, rows| {
                let first = xs.len();
                append(xs, &grid.with_bias_input(rows), tile.ins.clone());
                if let Some(range) = range {
                    xs[first..].iter_mut().for_each(|x| *x = within(*x, range));
                }
                let scaled = learned.as_ref().map(|a| d * a);
                let d = scaled.as_ref().unwrap_or(d);
                match &divisor {
                    None => append(ds, d, column.outs_of(tile)),
                    Some(s) => append(ds, &(&d.slice(1, column.outs_of(tile)) / s), 0..tile.outs.len()),
                }
            });
        }
        Pairs::from_slices(xs, tile.ins.len(), ds, tile.outs.len())
    }
}
