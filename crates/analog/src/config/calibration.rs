//! Calibration: finding the input ranges of a trained network from data.

use super::form::choice::choices;

choices! {
    /// Ways of finding input ranges.
    #[doc(alias = "InputRangeCalibrationType")]
    pub enum CalibrationMode {
        /// The largest magnitude.
        Max = "MAX",
        /// A quantile of the magnitudes of some rows.
        CacheQuantile = "CACHE_QUANTILE",
        /// The mean over batches of a quantile of the magnitudes.
        MovingQuantile = "MOVING_QUANTILE",
        /// The mean over batches of α standard deviations, with the α of `std_alpha`.
        MovingStd = "MOVING_STD",
    }
}

/// Parameters of a calibration, which finds the input ranges of a trained network from data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// The statistic of the inputs that is taken for the range.
    pub mode: CalibrationMode,
    /// The quantile, 0…1. Default: 0.99995.
    pub quantile: f32,
    /// Rows that CACHE_QUANTILE keeps, or batches that MOVING_STD takes. Default: 1000.
    pub max_samples: usize,
    /// The α of MOVING_STD; without it the configuration's `init_std_alpha`.
    pub std_alpha: Option<f32>,
    /// `true`: gives tiles without an input range a fixed one, and switches noise management off. `false`: such tiles
    /// get no range; for the others, noise management that is on is an error. Default: true.
    pub force_all_layers: bool,
}

impl Calibration {
    /// A mode with the default settings.
    pub fn new(mode: CalibrationMode) -> Self {
        Self { mode, quantile: 0.99995, max_samples: 1000, std_alpha: None, force_all_layers: true }
    }

    /// Returns `true` if reads during the calibration are perfect and have no input ranges.
    pub(crate) fn reads_perfectly(&self) -> bool {
        matches!(self.mode, CalibrationMode::Max | CalibrationMode::CacheQuantile)
    }
}
