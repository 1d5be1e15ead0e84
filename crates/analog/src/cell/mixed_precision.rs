//! Gradients that are summed digitally: `χ += η·dᵀx`, of exact or quantised x and d. Whole multiples of the granularity
//! are written to the devices.
//!
//! A write follows the first pair of the batch after each period, row by row: `m = trunc(χ/ε)` with the granularity ε,
//! χ −= m·ε, then an update of the row with inputs m at the rate `ε·transfer_lr`, with `update_management` and
//! `update_bl_management`. A row that needs more pulses than the longest train is scaled down to it. Source: aihwkit
//! `rpu_mixedprec_device.cpp`. Unlike there, x and d are quantised independently.

use ohmgrad_tensor::rows::{self, Quantizer};
use ohmgrad_tensor::{Key, Tensor};

use super::{Cell, CellConfig, MixedPrecision, Slot, Update, below};
use crate::Error;
use crate::update::{Pairs, UpdateParameters};

#[derive(Clone, Debug)]
pub(super) struct Mixed {
    config: MixedPrecision,
    pub(super) cell: Cell,
    /// χ [out, in].
    chi: Tensor,
    epsilon: f32,
    /// The row that is written next.
    row: u64,
    /// Batches since weights were set.
    batches: u64,
    /// A quantised pair; also the pair by which a row is written.
    x: Vec<f32>,
    d: Vec<f32>,
}

impl Mixed {
    pub(super) fn new(
        config: &MixedPrecision,
        parameters: &UpdateParameters,
        shape: [usize; 2],
        bias: bool,
        key: Key,
    ) -> Result<Self, Error> {
        let cell = Cell::new(&CellConfig::from(config.device.clone()), parameters, shape, bias, key)?;
        let epsilon = if config.granularity > 0.0 { config.granularity } else { cell.granularity() };
        let chi = Tensor::full(&shape, 0.0);
        let config = config.clone();
        Ok(Self { config, cell, chi, epsilon, row: 0, batches: 0, x: vec![], d: vec![] })
    }

    pub(super) fn weights(&self) -> &Tensor {
        self.cell.weights()
    }

    pub(super) fn granularity(&self) -> f32 {
        self.epsilon
    }

    pub(super) fn set_weights(&mut self, w: &Tensor, key: Key) {
        self.cell.set_weights(w, key);
        self.chi = Tensor::full(self.chi.shape(), 0.0);
        (self.row, self.batches) = (0, 0);
    }

    pub(super) fn update(&mut self, update: Update<'_>) {
        let Update { pairs, rate, key, .. } = update;
        let every = u64::from(self.config.transfer_every);
        for i in 0..pairs.len() {
            self.quantise(pairs, i, key.fold(pairs.first() + i));
            let (x, d, ins) = (self.x.as_slice(), self.d.as_slice(), pairs.ins());
            rows::for_each_row(self.chi.make_mut(), ins, |row, chi| {
                let d = rate * d[row];
                chi.iter_mut().zip(x).for_each(|(chi, x)| *chi += d * x);
            });
            if i == 0 && every > 0 && self.batches > 0 && self.batches.is_multiple_of(every) {
                self.write(&update, key.fold("write"));
            }
        }
        self.batches += 1;
    }

    /// Puts the i-th pair in `x` and `d`, quantised where there are bins.
    fn quantise(&mut self, pairs: Pairs<'_>, i: usize, key: Key) {
        let c = &self.config;
        let sides = [
            (&mut self.x, pairs.x(i), c.n_x_bins, c.stoc_round_x, "x"),
            (&mut self.d, pairs.d(i), c.n_d_bins, c.stoc_round_d, "d"),
        ];
        for (out, values, bins, stochastic, side) in sides {
            out.clear();
            out.extend_from_slice(values);
            if bins == 0 {
                continue;
            }
            let half = (bins / 2) as f32;
            let width = match rows::abs_max(values) / half {
                0.0 => 1.0,
                width => width,
            };
            let mut by = Quantizer { step: width, bound: half * width };
            if stochastic {
                rows::round_stochastically(out, width, key.fold("bins").fold(side));
                by.step = 0.0;
            }
            rows::convert(out, by);
        }
    }

    /// Writes the multiples of ε in the next rows of χ to the devices.
    fn write(&mut self, update: &Update<'_>, key: Key) {
        let [outs, ins] = [self.chi.shape()[0], self.chi.shape()[1]];
        let parameters = UpdateParameters { update_management: true, update_bl_management: true, ..*update.parameters };
        let count = usize::try_from(self.config.n_rows_per_transfer).map_or(outs, |count| count.min(outs));
        let first = if self.config.random_row { below(outs, key.fold("row")) } else { self.row as usize };
        let epsilon = self.epsilon;
        for row in (0..count).map(|r| (first + r) % outs) {
            self.x.clear();
            let chi = &mut self.chi.make_mut()[row * ins..(row + 1) * ins];
            self.x.extend(chi.iter_mut().map(|chi| {
                let m = (*chi / epsilon).trunc();
                *chi -= m * epsilon;
                m
            }));
            if self.x.iter().all(|&m| m == 0.0) {
                continue;
            }
            self.d.clear();
            self.d.resize(outs, 0.0);
            self.d[row] = 1.0;
            let pairs = Pairs::from_slices(&self.x, ins, &self.d, outs);
            let rate = epsilon * self.config.transfer_lr;
            self.cell.update(Update { pairs, rate, parameters: &parameters, key: key.fold(row) });
        }
        self.row = ((first + count) % outs) as u64;
    }

    pub(super) fn reduce(&mut self) {
        self.cell.reduce();
    }

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.cell.state(&mut |name, slot| f(&format!("{path}cell.{name}"), slot));
        f(&format!("{path}chi"), Slot::Array(&mut self.chi));
        f(&format!("{path}row"), Slot::Count(&mut self.row));
        f(&format!("{path}batches"), Slot::Count(&mut self.batches));
    }
}
