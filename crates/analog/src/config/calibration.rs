//! How the input ranges of a trained network are found from data.

use super::form::choice::choices;

choices! {
    /// How input ranges are found.
    #[doc(alias = "InputRangeCalibrationType")]
    pub enum CalibrationMode {
        /// The largest magnitude.
        Max = "MAX",
        /// A quantile of the magnitudes of some rows.
        CacheQuantile = "CACHE_QUANTILE",
        /// The mean over batches of a quantile of the magnitudes.
        MovingQuantile = "MOVING_QUANTILE",
        /// The mean over batches of a number of standard deviations.
        MovingStd = "MOVING_STD",
    }
}

/// How the input ranges of a trained network are found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// What is taken for the range.
    pub mode: CalibrationMode,
    /// The quantile, 0…1. Default: 0.99995.
    pub quantile: f32,
    /// Rows that CACHE_QUANTILE keeps, or batches that MOVING_STD takes. Default: 1000.
    pub max_samples: usize,
    /// The α of MOVING_STD; without it the configuration's `init_std_alpha`.
    pub std_alpha: Option<f32>,
    /// Whether tiles without a range get one, which is not learned, and noise management is switched off where it is on.
    /// Otherwise those have none, and noise management is an error. Default: true.
    pub force_all_layers: bool,
}

impl Calibration {
    /// A mode with the default settings.
    pub fn new(mode: CalibrationMode) -> Self {
        Self { mode, quantile: 0.99995, max_samples: 1000, std_alpha: None, force_all_layers: true }
    }

    /// Whether reads are perfect and without ranges while ranges are found.
    pub(crate) fn reads_perfectly(&self) -> bool {
        matches!(self.mode, CalibrationMode::Max | CalibrationMode::CacheQuantile)
    }
}
