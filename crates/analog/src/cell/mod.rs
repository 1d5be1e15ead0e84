//! Unit cells at the crosspoints of a tile that trains by pulses: one device, several, or arrays between which weights
//! are moved.
//!
//! A cell holds a weight and changes it by pairs of inputs and output gradients. [`CellConfig`] chooses one, [`Cell`]
//! is its state, and [`presets`] has the reference's configurations. `docs/on-chip.md` is an introduction,
//! `docs/devices.md` the reference.
//!
//! A cell is a state machine over arrays. Each has a file:
//!
//! | cell | file |
//! |---|---|
//! | one device | `single.rs` |
//! | several devices whose sum is the weight; a device and a reference | `vector.rs` |
//! | a pair, one for each sign, with refresh | `one_sided.rs` |
//! | a fast array whose columns are transferred to a slow one (Tiki-Taka) | `transfer.rs` |
//! | … through a digital buffer (version 2) | `buffered.rs` |
//! | … with choppers, which change the signs of lines (version 3) | `chopped.rs` |
//! | … with a moving reference (version 4, AGAD) | `dynamic.rs` |
//! | … over several arrays with a warm start (residual learning) | `residual.rs` |
//! | … with a tracked symmetry point (RIDER) | `rider.rs` |
//! | gradients that are summed digitally | `mixed_precision.rs` |
//!
//! Configurations are in `config.rs`, `transfer_parameters.rs` with `transfer_rules.rs`, and `choice.rs`, those of
//! residual learning in its files. The reads of transfers and refreshes are in `read.rs`. Semantics are those of the
//! reference (aihwkit 1.1, `rpu_*_device.cpp`), or of the papers for cells that it does not have; the file of a cell
//! lists deviations.

mod arrays;
mod buffered;
mod build;
mod choice;
mod chopped;
mod config;
mod dynamic;
mod mixed_precision;
mod one_sided;
pub mod presets;
mod read;
mod residual;
mod rider;
mod single;
mod slot;
#[cfg(test)]
mod tests;
mod transfer;
mod transfer_parameters;
mod transfer_rules;
mod vector;

use ohmgrad_tensor::{Key, Tensor};

use crate::Error;
use crate::config::setting::{Setting, invalid};
use crate::device::{Changed, DeviceArray, Ideal};
use crate::update::{Pairs, Statistics, UpdateParameters};

use arrays::Arrays;
pub use build::{Algorithm, build_cell};
pub use choice::{CellConfig, MixedPrecision, WrittenCell};
pub use config::{Compound, OneSidedUnitCell, ReferenceUnitCell, UnitCellConfig, UpdatePolicy, VectorUnitCell};
use mixed_precision::Mixed;
use one_sided::OneSided;
use read::Slice;
pub use residual::{LossPlateau, ResidualTransferCompound};
pub use rider::RiderTransferCompound;
use single::Single;
pub use slot::Slot;
use transfer::Transfer;
pub use transfer_parameters::{
    BufferedTransferCompound, ChoppedTransferCompound, DynamicTransferCompound, TransferCompound,
};
use vector::Vector;

/// Parameters of the update of a cell in one step.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// All pairs of the step, in order.
    pub pairs: Pairs<'a>,
    /// The learning rate.
    pub rate: f32,
    /// The parameters by which gradients become pulses.
    pub parameters: &'a UpdateParameters,
    /// The key of the step on this tile.
    pub key: Key,
}

/// The cells of a tile [out, in] that trains by pulses.
#[derive(Clone, Debug)]
pub struct Cell(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Single(Box<Single>),
    Vector(Box<Vector>),
    OneSided(Box<OneSided>),
    Transfer(Box<Transfer>),
    Mixed(Box<Mixed>),
}

macro_rules! each {
    ($kind:expr, $cell:ident => $value:expr) => {
        match $kind {
            Kind::Single($cell) => $value,
            Kind::Vector($cell) => $value,
            Kind::OneSided($cell) => $value,
            Kind::Transfer($cell) => $value,
            Kind::Mixed($cell) => $value,
        }
    };
}

impl Cell {
    /// Draws the cells of a tile, of weight 0. `bias` is `true` if the last column is a bias. Under
    /// [`PulseType::None`](crate::update::PulseType::None) there is an ideal device instead of any cell.
    ///
    /// # Errors
    /// If a field of the configuration has a value that it may not have.
    pub fn new(
        config: &CellConfig,
        parameters: &UpdateParameters,
        shape: [usize; 2],
        bias: bool,
        key: Key,
    ) -> Result<Self, Error> {
        parameters.validate()?;
        config.validate()?;
        if parameters.is_exact() {
            let ideal = Ideal::instead_of(config.first_device().step());
            return Ok(Self(Kind::Single(Box::new(Single::new(&ideal.into(), shape, bias, key)?))));
        }
        Ok(Self(match config {
            CellConfig::Device(device) => Kind::Single(Box::new(Single::new(device, shape, bias, key)?)),
            CellConfig::Unit(cell) => return cell.compound().build(shape, bias, key),
            CellConfig::Mixed(mixed) => Kind::Mixed(Box::new(Mixed::new(mixed, parameters, shape, bias, key)?)),
        }))
    }

    /// The tile weights [out, in], with which reads multiply.
    pub fn weights(&self) -> &Tensor {
        each!(&self.0, cell => cell.weights())
    }

    /// Takes the record of the weights that may have changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Changed {
        match &mut self.0 {
            Kind::Single(cell) => cell.arrays.devices[0].take_changed(),
            Kind::Transfer(cell) => cell.take_changed(),
            Kind::Mixed(cell) => cell.cell.take_changed(),
            Kind::Vector(_) | Kind::OneSided(_) => {
                let shape = self.weights().shape();
                Changed::all([shape[0], shape[1]])
            }
        }
    }

    /// The granularity from which the numbers of pulses follow.
    pub fn granularity(&self) -> f32 {
        each!(&self.0, cell => cell.granularity())
    }

    /// Sets weights as far as the devices' bounds allow. The digital sum of a mixed-precision cell becomes 0, and
    /// so do all arrays of a transfer cell but the last.
    ///
    /// # Panics
    /// If `w` has another shape.
    pub fn set_weights(&mut self, w: &Tensor, key: Key) {
        each!(&mut self.0, cell => cell.set_weights(w, key));
    }

    /// Updates by all pairs of a step.
    ///
    /// # Panics
    /// If the pairs have other sizes than the tile.
    pub fn update(&mut self, update: Update<'_>) {
        let (shape, pairs) = (self.weights().shape(), update.pairs);
        assert!(
            shape == [pairs.outs(), pairs.ins()],
            "update: pairs of {} inputs and {} outputs on a tile {shape:?}",
            pairs.ins(),
            pairs.outs()
        );
        if update.rate != 0.0 && !pairs.is_empty() {
            each!(&mut self.0, cell => cell.update(update));
        }
    }

    /// Applies diffusion, then decay, to every array where they are configured; called after each step of the
    /// optimizer.
    pub fn after_step(&mut self, key: Key) {
        self.on_devices(key, |device, key| device.after_step(key));
    }

    /// Decay of every array: `alpha` steps of it, to first order.
    pub fn decay(&mut self, alpha: f32, key: Key) {
        self.on_devices(key, |device, key| device.decay(alpha, key));
    }

    /// A step of the random walk of every array.
    pub fn diffuse(&mut self, key: Key) {
        self.on_devices(key, DeviceArray::diffuse);
    }

    /// Lets all devices drift for a time.
    pub fn drift(&mut self, delta_t: f32, key: Key) {
        self.on_devices(key, |device, key| device.drift(delta_t, key));
    }

    /// Resets crosspoints, each with a probability, in `count` columns from `start` on, cyclically; `None`: in all
    /// columns. In transfer cells only the fast array is reset.
    pub fn reset_columns(&mut self, start: usize, count: Option<usize>, probability: f32, key: Key) {
        match &mut self.0 {
            Kind::Transfer(cell) => cell.reset_columns(start, count, probability, key),
            _ => self.on_devices(key, |device, key| device.reset_columns(start, count, probability, key)),
        }
    }

    /// The arrays of devices, in the order of the configuration.
    pub fn devices(&self) -> &[DeviceArray] {
        &self.arrays().devices
    }

    /// Chooses the device of a vector or reference cell that is set and updated under [`UpdatePolicy::SingleFixed`];
    /// under `SingleSequential` the next pair updates the device after it.
    ///
    /// # Errors
    /// If the cell is of another kind, or `index` is not below the number of its devices.
    pub fn set_update_index(&mut self, index: usize) -> Result<(), Error> {
        let devices = self.devices().len();
        let wrong = |allowed: String| invalid("hidden_update_index", &index.get(), allowed);
        match &mut self.0 {
            Kind::Vector(cell) if index < devices => {
                cell.set_index(index);
                Ok(())
            }
            Kind::Vector(_) => Err(wrong(format!("below {devices}"))),
            _ => Err(wrong("left alone: only vector and reference cells have it".into())),
        }
    }

    /// Ends the turn of the array that the warm start of a residual cell writes to, and begins that of the next array;
    /// returns `false` if there is no warm start or it is over.
    pub fn advance_warm_start(&mut self) -> bool {
        match &mut self.0 {
            Kind::Transfer(cell) => cell.advance_warm_start(),
            _ => false,
        }
    }

    /// Begins to count the pulses of each crosspoint of every array; see [`DeviceArray::pulses`].
    pub fn count_pulses(&mut self) {
        self.arrays_mut().devices.iter_mut().for_each(DeviceArray::count_pulses);
    }

    /// Counts of the pulses that were sent since the statistics were last taken.
    pub fn statistics(&self) -> Statistics {
        self.arrays().scratch.trains.sent()
    }

    /// Takes the counts of the pulses that were sent since the last call; counting starts anew.
    pub fn take_statistics(&mut self) -> Statistics {
        self.arrays_mut().scratch.trains.take_statistics()
    }

    /// Visits the whole state of the cell, each piece under its name. A cell whose pieces are all replaced continues as
    /// the cell they came from, bit for bit.
    pub fn state(&mut self, f: &mut dyn FnMut(&str, Slot<'_>)) {
        each!(&mut self.0, cell => cell.state("", f));
    }

    fn arrays(&self) -> &Arrays {
        match &self.0 {
            Kind::Single(cell) => &cell.arrays,
            Kind::Vector(cell) => &cell.arrays,
            Kind::OneSided(cell) => &cell.arrays,
            Kind::Transfer(cell) => &cell.arrays,
            Kind::Mixed(cell) => cell.cell.arrays(),
        }
    }

    fn arrays_mut(&mut self) -> &mut Arrays {
        match &mut self.0 {
            Kind::Single(cell) => &mut cell.arrays,
            Kind::Vector(cell) => &mut cell.arrays,
            Kind::OneSided(cell) => &mut cell.arrays,
            Kind::Transfer(cell) => &mut cell.arrays,
            Kind::Mixed(cell) => cell.cell.arrays_mut(),
        }
    }

    fn on_devices(&mut self, key: Key, mut f: impl FnMut(&mut DeviceArray, Key)) {
        self.arrays_mut().devices.iter_mut().enumerate().for_each(|(k, device)| f(device, key.fold(k)));
        self.reduce();
    }

    /// Computes the weights from those of the arrays.
    fn reduce(&mut self) {
        each!(&mut self.0, cell => cell.reduce());
    }
}

/// A random number from 0 to n − 1; the key must be used for nothing else.
pub(crate) fn below(n: usize, key: Key) -> usize {
    ((u128::from(key.to_words()[0]) * n as u128) >> 64) as usize
}

/// Returns `true` with this probability; the key must be used for nothing else.
pub(crate) fn chance(probability: f32, key: Key) -> bool {
    ((key.to_words()[0] >> 40) as f32) < probability * (1u64 << 24) as f32
}

/// The time between two transfers or refreshes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Period {
    Never,
    /// After this number of pairs.
    Pairs(u64),
    /// After this number of batches of any size; a fraction is a part of a batch.
    Batches(f64),
}

impl Period {
    pub(crate) fn new(every: f32, in_batches: bool) -> Self {
        match in_batches {
            _ if every <= 0.0 => Self::Never,
            true => Self::Batches(f64::from(every)),
            false if every.round_ties_even() < 1.0 => Self::Never,
            false => Self::Pairs(every.round_ties_even() as u64),
        }
    }

    /// Returns `true` if a period ends after the i-th of `n` pairs of a batch; `batches` and `pairs` are the numbers
    /// before this batch.
    pub(crate) fn is_due(self, batches: u64, pairs: u64, i: usize, n: usize) -> bool {
        match self {
            Self::Never => false,
            Self::Pairs(every) => (pairs + i as u64 + 1).is_multiple_of(every),
            Self::Batches(every) => {
                // Rounding may leave the quotient just below a whole number, as for a period of a third of a batch.
                let periods = |i: usize| ((batches as f64 + i as f64 / n as f64) / every + 1e-9).floor();
                periods(i + 1) > periods(i)
            }
        }
    }
}
