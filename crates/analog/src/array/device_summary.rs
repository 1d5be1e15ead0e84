//! Summaries for tables: the devices of tiles that train by pulses, and the pulses that were sent to them.

use super::TileArray;
use crate::device::symmetry_point;
use crate::update::Statistics;

/// The devices of a tile array. `states` and `symmetry_point` are those of the cell's first device without variations:
/// in transfer cells, of the one that gradients update.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceSummary {
    /// The cell and its device, under the reference's names.
    pub cell: String,
    /// The granularity, in units of the tile weights.
    pub granularity: f32,
    /// The range of weights in units of the granularity; `None` for an ideal device, which has no bounds.
    pub states: Option<f32>,
    /// The weight at which steps up and down are equal; `None` where they are equal everywhere, or nowhere.
    pub symmetry_point: Option<f32>,
    /// The type of pulses and the length of their trains.
    pub update: String,
    /// Counts of the pulses that were sent to all tiles since the statistics were last taken.
    pub statistics: Statistics,
}

impl TileArray {
    /// The weight's devices and the pulses that were sent to them, if it trains by pulses.
    pub fn device_summary(&self) -> Option<DeviceSummary> {
        let pulsed = self.pulsed.as_ref()?;
        let cell = pulsed.cells.first()?;
        let device = cell.devices().first()?.config();
        let mut statistics = Statistics::default();
        pulsed.cells.iter().for_each(|cell| statistics += cell.statistics());
        let pulses = !device.step().is_ideal();
        Some(DeviceSummary {
            cell: pulsed.config.cell()?.0.to_string(),
            granularity: cell.granularity(),
            states: pulses.then(|| device.states()),
            symmetry_point: symmetry_point(device.step()).filter(|_| pulses),
            update: pulsed.parameters.summary(),
            statistics,
        })
    }
}
