//! The running means of AVERAGE_ABS_MAX: a forward and a backward one for each tile.
//!
//! A mean depends on the rows before, so the scales of all rows are found in their order before any is read. Evaluation
//! keeps the mean that training has found.

use std::sync::Arc;

use ohmgrad_tensor::Tensor;

use super::read::Reader;
use crate::config::{InferenceRpuConfig, IoParameters, NoiseManagement};
use crate::mvm::{Direction, Mvm};

/// The shape of the means: [tiles, 2], or [0, 2] where neither direction has any.
pub(crate) fn shape(config: &InferenceRpuConfig, tiles: usize) -> [usize; 2] {
    let averaging =
        [config.forward.noise_management, config.backward.noise_management].contains(&NoiseManagement::AverageAbsMax);
    [if averaging { tiles } else { 0 }, 2]
}

/// Returns `true` for a mean that has been found, even if it is NaN; −1 stands for none.
pub(crate) fn is_found(mean: f32) -> bool {
    mean.is_nan() || mean >= 0.0
}

/// The mean that evaluations use, if training has found one other than 0.
pub(crate) fn of_evaluation(averages: &Tensor, tile: usize, direction: Direction) -> Option<f32> {
    (!averages.is_empty()).then(|| averages[[tile, direction as usize]]).filter(|&mean| is_found(mean) && mean != 0.0)
}

/// The noise-management scales of the rows of a call, for each tile.
pub(crate) type RowScales = Arc<Vec<Vec<f32>>>;

/// Scales of rows that come block by block, for one direction.
pub(crate) struct RunningScales<'a> {
    io: &'a IoParameters,
    direction: Direction,
    training: bool,
    averages: Tensor,
    /// The scales of the rows so far, for each tile.
    scales: Vec<Vec<f32>>,
}

impl<'a> RunningScales<'a> {
    /// The scales of reads of this number of tiles, whose means start from `averages`, or with the first rows if that is
    /// empty; `None` where scales do not depend on the rows before.
    pub fn new(
        io: &'a IoParameters,
        averages: &Tensor,
        tiles: usize,
        direction: Direction,
        training: bool,
    ) -> Option<Self> {
        let averaging = io.noise_management == NoiseManagement::AverageAbsMax && !io.is_ideal();
        let averages = if averages.is_empty() { Tensor::full(&[tiles, 2], -1.0) } else { averages.clone() };
        averaging.then(|| Self { io, direction, training, averages, scales: vec![vec![]; tiles] })
    }

    /// Adds the scales of the next rows of a tile, which advance its mean.
    pub fn add(&mut self, tile: usize, rows: &Tensor) {
        let fixed = of_evaluation(&self.averages, tile, self.direction).filter(|_| !self.training);
        if let Some(mean) = fixed {
            self.scales[tile].extend(std::iter::repeat_n(mean, rows.shape()[0]));
            return;
        }
        let mean = &mut self.averages.make_mut()[2 * tile + self.direction as usize];
        let mut average = Some(*mean).filter(|&mean| is_found(mean));
        self.scales[tile].extend(Mvm::running_scales(self.io, rows, &mut average));
        *mean = average.unwrap_or(*mean);
    }

    /// The scales of each tile's rows, and the means after them.
    pub fn finish(self) -> (RowScales, Tensor) {
        (Arc::new(self.scales), self.averages)
    }
}

impl Reader<'_> {
    /// The scales of all rows in forward reads and the means after them, where scales depend on the rows before: `rows`
    /// calls its argument with each group and rows [n, ins], block by block and in order.
    pub fn forward_scales(
        &self,
        averages: &Tensor,
        rows: impl FnOnce(&mut dyn FnMut(usize, &Tensor)),
    ) -> Option<(RowScales, Tensor)> {
        let (io, tiles) = (&self.hardware.config.forward, &self.hardware.tiles);
        let mut scales = RunningScales::new(io, averages, tiles.len(), Direction::Forward, self.call.training)?;
        rows(&mut |group, rows| {
            let rows = self.hardware.grid.with_bias_input(rows);
            for number in self.columns(group).flat_map(|(_, column)| column.tiles.clone()) {
                scales.add(number, &self.ranged(number, rows.slice(1, tiles[number].ins.clone())));
            }
        });
        Some(scales.finish())
    }
}
