//! Configurations of cells: aihwkit `compounds.py`. Transfer cells are in `transfer_parameters.rs`, the choice of a
//! cell in `choice.rs`.

use std::fmt::Debug;

use ohmgrad_tensor::Key;

use super::one_sided::OneSided;
use super::vector::Vector;
use super::{
    BufferedTransferCompound, Cell, ChoppedTransferCompound, DynamicTransferCompound, Kind, ResidualTransferCompound,
    RiderTransferCompound, TransferCompound,
};
use crate::Error;
use crate::config::IoParameters;
use crate::config::choice::choices;
use crate::config::class::classes;
use crate::config::section::{Rules, parameters};
use crate::config::setting::{Range, Setting, invalid, join};
use crate::config::unused::Unused;
use crate::config::value::Value;
use crate::device::DeviceConfig;
use crate::update::UpdateParameters;

choices! {
    /// Choice of the devices of a vector cell that receive the pulses of a pair.
    #[doc(alias = "VectorUnitCellUpdatePolicy")]
    pub enum UpdatePolicy {
        /// Each receives all pulses.
        All = "ALL",
        /// The one of `first_update_idx`.
        SingleFixed = "SINGLE_FIXED",
        /// One after the other, from pair to pair, beginning with the one after `first_update_idx`.
        SingleSequential = "SINGLE_SEQUENTIAL",
        /// One at random, for each pair.
        SingleRandom = "SINGLE_RANDOM",
    }
}

/// The configuration of a cell of several arrays, from which the cells of a tile are drawn.
pub trait Compound: Debug + Send + Sync + std::panic::RefUnwindSafe {
    /// The devices of its arrays.
    fn devices(&self) -> &[DeviceConfig];

    /// Draws the cells of a tile [out, in].
    ///
    /// # Errors
    /// If a field has a value that it may not have.
    fn build(&self, shape: [usize; 2], bias: bool, key: Key) -> Result<Cell, Error>;
}

parameters! {
    /// Several devices per crosspoint, whose weighted sum is the weight.
    pub struct VectorUnitCell {
        /// The devices.
        unit_cell_devices: Vec<DeviceConfig> = vec![];

        /// Choice of those that receive the pulses of a pair. With the default weights the single policies learn at 1/n
        /// of the rate, as in the reference: a pulse changes the weight by 1/n of the granularity.
        update_policy: UpdatePolicy = UpdatePolicy::All;

        /// The device that is updated and set under `SINGLE_FIXED`; under `SINGLE_SEQUENTIAL` the first pair updates
        /// the device after it.
        first_update_idx: usize = 0;

        /// The weights of the devices in the sum; empty: 1/n each.
        gamma_vec: Vec<f32> = vec![];
    }
}

parameters! {
    /// A device and a reference device, whose difference is the weight. Pulses reach the first alone.
    pub struct ReferenceUnitCell {
        /// The device and its reference; a single entry is used for both.
        unit_cell_devices: Vec<DeviceConfig> = vec![];
    }
}

parameters! {
    /// A pair of devices that are only pulsed up, one for each sign, with refresh.
    #[doc(alias = "DifferenceUnitCell")]
    pub struct OneSidedUnitCell {
        /// The device, in the first entry; both of the pair are drawn from it.
        unit_cell_devices: Vec<DeviceConfig> = vec![];

        /// Period of refreshes, in batches or pairs; 0: none.
        refresh_every: u32 = 0;

        /// Counts the period in batches; `false`: in pairs of input and output gradient.
        units_in_mbatch: bool = true;

        /// Threshold for a refresh that the larger weight of a pair must exceed, in units of `|w_max|`.
        refresh_upper_thres: f32 = 0.75;

        /// Threshold for a refresh that the smaller weight of a pair must exceed, in units of `|w_max|`.
        refresh_lower_thres: f32 = 0.25;

        /// Parameters of the read of a column in a refresh.
        refresh_forward: IoParameters = IoParameters::default();

        /// Parameters of the pulses that write the difference in a refresh.
        refresh_update: UpdateParameters = UpdateParameters::default();
    }
}

/// Largest number of devices of a cell; each is an array of the tile's size.
const MOST_DEVICES: usize = 1000;

/// Checks that there are one or more devices, at most `MOST_DEVICES`, and that none is ideal.
pub(super) fn check_devices(devices: &[DeviceConfig], at: &str) -> Result<(), Error> {
    let field = join(at, "unit_cell_devices");
    if !(1..=MOST_DEVICES).contains(&devices.len()) {
        let (found, allowed) = (devices.len().get(), format!("a list of 1 to {MOST_DEVICES} devices"));
        return Err(invalid(&field, &found, allowed));
    }
    match devices.iter().position(|device| device.step().is_ideal()) {
        None => Ok(()),
        Some(i) => Err(invalid(&format!("{field}[{i}]"), &Value::Text("IdealDevice".into()), "a pulsed device")),
    }
}

/// Checks that there are two arrays or more, as transfers need.
pub(super) fn two_or_more(n: usize, at: &str) -> Result<(), Error> {
    match n {
        0 | 1 => {
            let field = join(at, "unit_cell_devices");
            Err(invalid(&field, &Value::Integer(n as i64), "a list of two devices or more"))
        }
        _ => Ok(()),
    }
}

impl Rules for VectorUnitCell {
    fn rules(&self, at: &str) -> Result<(), Error> {
        check_devices(&self.unit_cell_devices, at)?;
        let n = self.unit_cell_devices.len();
        if self.first_update_idx >= n {
            return Err(invalid(&join(at, "first_update_idx"), &self.first_update_idx.get(), format!("below {n}")));
        }
        match self.gamma_vec.len() {
            0 => Ok(()),
            m if m == n => Ok(()),
            _ => Err(invalid(&join(at, "gamma_vec"), &self.gamma_vec.get(), format!("empty or a list of {n} numbers"))),
        }
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        let any = matches!(self.update_policy, UpdatePolicy::All | UpdatePolicy::SingleRandom);
        unused.note("", &["first_update_idx"], any, format!("update_policy is {}", self.update_policy));
    }
}

impl Rules for ReferenceUnitCell {
    fn rules(&self, at: &str) -> Result<(), Error> {
        check_devices(&self.unit_cell_devices, at)?;
        match self.unit_cell_devices.len() {
            1 | 2 => Ok(()),
            n => {
                Err(invalid(&join(at, "unit_cell_devices"), &Value::Integer(n as i64), "a list of one or two devices"))
            }
        }
    }

    fn absent(field: &str, value: &Value) -> Option<Result<(), &'static str>> {
        let policy = UpdatePolicy::SingleFixed.get();
        match field {
            "update_policy" if *value == policy => Some(Ok(())),
            "first_update_idx" if *value == Value::Integer(0) => Some(Ok(())),
            "gamma_vec" if matches!(value, Value::List(list) if list.iter().map(Value::as_f32).eq([Some(1.0), Some(-1.0)])) => {
                Some(Ok(()))
            }
            "update_policy" | "first_update_idx" | "gamma_vec" => {
                Some(Err("the first device is updated and the second subtracted; take a VectorUnitCell for others"))
            }
            _ => None,
        }
    }
}

impl Rules for OneSidedUnitCell {
    fn rules(&self, at: &str) -> Result<(), Error> {
        check_devices(&self.unit_cell_devices, at)?;
        let hidden = self.unit_cell_devices[0].step().common().write_noise() > 0.0;
        if self.refresh_every > 0 && hidden {
            let allowed = "0 while the device has write noise: a refresh does not read hidden weights";
            return Err(invalid(&join(at, "refresh_every"), &self.refresh_every.get(), allowed));
        }
        Ok(())
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        let never = self.refresh_every == 0;
        let fields = ["units_in_mbatch", "refresh_upper_thres", "refresh_lower_thres"];
        unused.note("", &fields, never, "refresh_every is 0");
        for section in ["refresh_forward", "refresh_update"] {
            unused.note_all_but(section, &[], never, "refresh_every is 0");
        }
        if !never {
            unused.read_of_lines("refresh_forward", &self.refresh_forward);
        }
    }

    fn absent(field: &str, value: &Value) -> Option<Result<(), &'static str>> {
        match (field, value) {
            ("copy_inverted", Value::Bool(false)) => Some(Ok(())),
            ("copy_inverted", _) => Some(Err("the reference's rule for it leaves no positive weights; leave it out")),
            _ => None,
        }
    }
}

impl Compound for VectorUnitCell {
    fn devices(&self) -> &[DeviceConfig] {
        &self.unit_cell_devices
    }

    fn build(&self, shape: [usize; 2], bias: bool, key: Key) -> Result<Cell, Error> {
        let n = self.unit_cell_devices.len();
        let gamma = if self.gamma_vec.is_empty() { vec![1.0 / n as f32; n] } else { self.gamma_vec.clone() };
        let (devices, index) = (&self.unit_cell_devices, self.first_update_idx);
        Ok(Cell(Kind::Vector(Box::new(Vector::new(devices, gamma, self.update_policy, index, shape, bias, key)?))))
    }
}

impl Compound for ReferenceUnitCell {
    fn devices(&self) -> &[DeviceConfig] {
        &self.unit_cell_devices
    }

    fn build(&self, shape: [usize; 2], bias: bool, key: Key) -> Result<Cell, Error> {
        let (first, last) = (&self.unit_cell_devices[0], &self.unit_cell_devices[self.unit_cell_devices.len() - 1]);
        let devices = [first.clone(), last.clone()];
        let (gamma, policy) = (vec![1.0, -1.0], UpdatePolicy::SingleFixed);
        Ok(Cell(Kind::Vector(Box::new(Vector::new(&devices, gamma, policy, 0, shape, bias, key)?))))
    }
}

impl Compound for OneSidedUnitCell {
    fn devices(&self) -> &[DeviceConfig] {
        &self.unit_cell_devices
    }

    fn build(&self, shape: [usize; 2], bias: bool, key: Key) -> Result<Cell, Error> {
        Ok(Cell(Kind::OneSided(Box::new(OneSided::new(self, shape, bias, key)?))))
    }
}

classes! {
    /// A cell of several devices per crosspoint.
    #[doc(alias = "UnitCell")]
    pub enum UnitCellConfig of Compound {
        /// Several devices, whose weighted sum is the weight.
        Vector(VectorUnitCell) = "VectorUnitCell",
        /// A device and a reference.
        Reference(ReferenceUnitCell) = "ReferenceUnitCell",
        /// A pair of devices, one for each sign.
        OneSided(OneSidedUnitCell) = "OneSidedUnitCell",
        /// Tiki-Taka version 1.
        Transfer(TransferCompound) = "TransferCompound",
        /// Tiki-Taka version 2.
        Buffered(BufferedTransferCompound) = "BufferedTransferCompound",
        /// Tiki-Taka version 3, with choppers.
        Chopped(ChoppedTransferCompound) = "ChoppedTransferCompound",
        /// Tiki-Taka version 4, AGAD.
        Dynamic(DynamicTransferCompound) = "DynamicTransferCompound",
        /// Residual learning over several arrays.
        Residual(ResidualTransferCompound) = "ResidualTransferCompound",
        /// Residual learning with a tracked symmetry point.
        Rider(RiderTransferCompound) = "RiderTransferCompound",
    }
}

impl UnitCellConfig {
    /// The configuration of the cell, as the trait that all share.
    pub fn compound(&self) -> &dyn Compound {
        self.object().expect("every unit cell is a compound")
    }

    /// Checks every field and the rules between them.
    ///
    /// # Errors
    /// If a field has a value that it may not have; the error names the first such field and what is allowed.
    pub fn validate(&self) -> Result<(), Error> {
        self.check(Range::Any, "")
    }
}

impl Default for UnitCellConfig {
    fn default() -> Self {
        VectorUnitCell::default().into()
    }
}
