//! Fields of devices, cells and updates that have no effect because of another section. Those that have none because of
//! their own section are noted there, in `Rules::without_effect`.

use crate::cell::CellConfig;
use crate::cell::presets::unmanaged;
use crate::config::unused::Unused;
use crate::config::{BoundManagement, IoParameters, NoiseManagement};
use crate::update::{PulseType, UpdateParameters};

impl Unused<'_> {
    /// Notes fields of devices that exact updates do not use, and fields of the update that exact updates and digital
    /// sums do not use.
    pub(crate) fn exact_updates(&mut self, cell: &CellConfig, update: &UpdateParameters) {
        let reason = format!("update.pulse_type is {}", update.pulse_type);
        match cell {
            // An ideal device takes the place of the cell.
            CellConfig::Mixed(_) | CellConfig::Unit(_) if update.is_exact() => {
                self.note_all_but("device", &["type", "unit_cell_devices", "device"], true, reason);
                self.note_all_but("update", &["pulse_type"], true, "pulse_type is NONE");
            }
            CellConfig::Mixed(_) => {
                let managed = ["update_management", "update_bl_management"];
                self.note("update", &managed, true, "device is a MixedPrecisionCompound, whose writes use both");
            }
            CellConfig::Device(device) if device.step().is_ideal() => {
                self.note_all_but("update", &[], true, "device is an IdealDevice, whose updates are exact");
            }
            CellConfig::Device(_) => {
                let remain = ["type", "diffusion", "lifetime", "reset_std", "drift"];
                self.note_all_but("device", &remain, update.is_exact(), &reason);
                let no_trains = matches!(update.pulse_type, PulseType::None | PulseType::NoneWithDevice);
                self.note("update", &["desired_bl"], no_trains, &reason);
            }
            CellConfig::Unit(_) => {}
        }
    }

    /// Notes fields without effect of reads of single lines of an array, which have no noise management and bound
    /// management.
    pub(crate) fn read_of_lines(&mut self, at: &str, io: &IoParameters) {
        let reason = "lines are read without management";
        self.note(at, &["noise_management"], io.noise_management != NoiseManagement::None, reason);
        self.note(at, &["bound_management"], io.bound_management != BoundManagement::None, reason);
        let of_management =
            ["nm_thres", "nm_assumed_wmax", "nm_decay", "max_bm_res", "max_bm_factor", "bm_test_negative_bound"];
        self.note(at, &of_management, true, reason);
        self.note_all_but(at, &["is_perfect", "mv_type", "out_scale"], io.is_ideal(), "the product is perfect");
        if !io.is_ideal() {
            self.analog_read(at, &unmanaged(*io));
        }
    }
}

#[cfg(test)]
mod tests;
