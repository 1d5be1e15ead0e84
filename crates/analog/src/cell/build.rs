//! Cells for training algorithms by name: aihwkit `build_config`, and residual learning.

use super::presets::unmanaged;
use super::{
    CellConfig, ChoppedTransferCompound, DynamicTransferCompound, MixedPrecision, ResidualTransferCompound,
    RiderTransferCompound, TransferCompound, UnitCellConfig, UpdatePolicy, VectorUnitCell, WrittenCell,
};
use crate::config::IoParameters;
use crate::config::choice::choices;
use crate::device::DeviceConfig;
use crate::update::UpdateParameters;

choices! {
    /// Algorithms for training a network on the chip.
    pub enum Algorithm {
        /// Stochastic gradient descent by pulses on the weights.
        Sgd = "sgd",
        /// Tiki-Taka version 1: a fast array is transferred to a slow one.
        TikiTaka = "ttv1",
        /// Tiki-Taka version 2: through a digital buffer.
        TikiTaka2 = "ttv2",
        /// Tiki-Taka version 3: with choppers.
        ChoppedTikiTaka2 = "c-ttv2",
        /// Tiki-Taka version 4: with a moving reference.
        Agad = "agad",
        /// Residual learning over several arrays.
        Residual = "residual",
        /// Residual learning with choppers and a tracked symmetry point, E-RIDER.
        ERider = "e-rider",
        /// Gradients are summed digitally.
        MixedPrecision = "mixed-precision",
    }
}

/// The cell and the update parameters with which an algorithm trains on devices.
///
/// `io` are the parameters of the tile's reads. `devices` is the number of devices at a crosspoint for `Sgd`, and of
/// arrays (at least two) for `Residual`.
///
/// ```
/// use ohmgrad_analog::IoParameters;
/// use ohmgrad_analog::cell::{Algorithm, build_cell};
/// use ohmgrad_analog::device::{DeviceConfig, presets};
/// use ohmgrad_analog::update::UpdateParameters;
///
/// let device = DeviceConfig::from(presets::ecram());
/// let (cell, update) = build_cell(Algorithm::Agad, &device, &IoParameters::default(), UpdateParameters::default(), 1);
/// cell.validate()?;
/// assert_eq!(update.desired_bl, 5);
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
#[doc(alias = "build_config")]
pub fn build_cell(
    algorithm: Algorithm,
    device: &DeviceConfig,
    io: &IoParameters,
    update: UpdateParameters,
    devices: usize,
) -> (CellConfig, UpdateParameters) {
    let pair = || vec![device.clone(); 2];
    let few = UpdateParameters { desired_bl: 5, ..update };
    let one = UpdateParameters { desired_bl: 1, ..update };
    let unmanaged_one = UpdateParameters { update_management: false, update_bl_management: false, ..one };
    let chopped = ChoppedTransferCompound {
        unit_cell_devices: pair(),
        transfer_forward: unmanaged(*io),
        transfer_update: unmanaged_one,
        in_chop_prob: 0.0,
        ..Default::default()
    };
    let unit = |cell: UnitCellConfig| CellConfig::Unit(cell);
    match algorithm {
        Algorithm::Sgd if devices <= 1 => (device.clone().into(), update),
        Algorithm::Sgd => {
            let cell = VectorUnitCell {
                unit_cell_devices: vec![device.clone(); devices],
                update_policy: UpdatePolicy::SingleRandom,
                ..Default::default()
            };
            (unit(cell.into()), update)
        }
        Algorithm::TikiTaka => {
            let cell = TransferCompound {
                unit_cell_devices: pair(),
                transfer_forward: unmanaged(*io),
                transfer_update: update,
                ..Default::default()
            };
            (unit(cell.into()), update)
        }
        Algorithm::TikiTaka2 => (unit(chopped.into()), few),
        Algorithm::ChoppedTikiTaka2 => {
            let cell = ChoppedTransferCompound { in_chop_prob: 0.1, fast_lr: 0.1, auto_scale: true, ..chopped };
            (unit(cell.into()), few)
        }
        Algorithm::Agad => {
            let cell = DynamicTransferCompound {
                unit_cell_devices: pair(),
                transfer_forward: *io,
                transfer_update: UpdateParameters { update_management: true, update_bl_management: true, ..one },
                fast_lr: 0.1,
                auto_scale: true,
                ..Default::default()
            };
            (unit(cell.into()), few)
        }
        Algorithm::Residual => {
            let cell = ResidualTransferCompound {
                unit_cell_devices: vec![device.clone(); devices.max(2)],
                transfer_forward: unmanaged(*io),
                transfer_update: update,
                ..Default::default()
            };
            (unit(cell.into()), update)
        }
        Algorithm::ERider => {
            let cell = RiderTransferCompound {
                unit_cell_devices: pair(),
                transfer_forward: unmanaged(*io),
                transfer_update: unmanaged_one,
                ..Default::default()
            };
            (unit(cell.into()), few)
        }
        Algorithm::MixedPrecision => {
            let device = WrittenCell::Device(device.clone());
            (MixedPrecision { device, ..Default::default() }.into(), update)
        }
    }
}
