//! Drift compensation: factors on outputs that undo the mean decay of a chip (aihwkit `inference/compensation`).
//!
//! After programming, and again at each drift, the chip reads the identity matrix. The ratio of a statistic of the two
//! readouts is the factor α of the outputs (Joshi et al., Nature Communications 11, 2473, 2020).

use std::fmt::Debug;
use std::panic::RefUnwindSafe;

use ohmgrad_tensor::Tensor;

use super::devices::at_least;

/// Smallest value of a statistic: a ratio has to be finite.
const LEAST: f32 = 1e-4;

/// Drift compensations: rules by which α follows from readouts.
///
/// A readout is y = 1·wᵀ, [in, out], in units of the tile weights: the identity matrix through the tile's analog forward in
/// evaluation mode, with its noise, without mapping scales.
pub trait DriftCompensation: Debug + Send + Sync + RefUnwindSafe {
    /// The statistic of a readout [in, out]: of one element, or `[out]`.
    fn statistic(&self, readout: &Tensor) -> Tensor;

    /// Returns `true` if the baseline is the readout of the target weights without noise, instead of one of the
    /// programmed chip.
    fn exact_reference(&self) -> bool {
        false
    }

    /// α, by which outputs [.., out] are multiplied, from the statistics of the baseline and of the present.
    fn alpha(&self, baseline: &Tensor, now: &Tensor) -> Tensor {
        baseline / now
    }
}

/// One factor: α is the ratio of the mean magnitudes of all entries, each at least 1e-4 (`GlobalDriftCompensation`).
///
/// ```
/// use ohmgrad_analog::noise::{DriftCompensation, Global};
/// use ohmgrad_tensor::Tensor;
///
/// let w = Tensor::from([[0.5, -1.0], [0.25, 0.0]]);
/// let (before, after) = (Global.statistic(&w), Global.statistic(&(&w * 0.5)));
/// assert_eq!(Global.alpha(&before, &after).item(), 2.0);
/// ```
#[derive(Clone, Copy, Debug)]
#[doc(alias = "GlobalDriftCompensation")]
pub struct Global;

/// As [`Global`], but the baseline is exact (`GlobalDriftCompensationWithExactReference`): α also undoes the effect of
/// programming on the mean magnitude.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "GlobalDriftCompensationWithExactReference")]
pub struct GlobalWithExactReference;

/// As [`Global`], with a factor for each output: means over inputs alone (`PerColumnDriftCompensation`).
#[derive(Clone, Copy, Debug)]
#[doc(alias = "PerColumnDriftCompensation")]
pub struct PerColumn;

fn mean_magnitude(readout: &Tensor) -> Tensor {
    Tensor::from([at_least(readout.abs().mean(), LEAST)])
}

impl DriftCompensation for Global {
    fn statistic(&self, readout: &Tensor) -> Tensor {
        mean_magnitude(readout)
    }
}

impl DriftCompensation for GlobalWithExactReference {
    fn statistic(&self, readout: &Tensor) -> Tensor {
        mean_magnitude(readout)
    }

    fn exact_reference(&self) -> bool {
        true
    }
}

impl DriftCompensation for PerColumn {
    fn statistic(&self, readout: &Tensor) -> Tensor {
        readout.abs().mean_axes(&[0]).squeeze(0).map(|mean| at_least(mean, LEAST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_decay_differently_have_different_factors() {
        let before = Tensor::from([[1.0, -2.0], [3.0, 0.0]]);
        let after = Tensor::from([[0.5, -0.5], [1.5, 0.0]]);
        let alpha = PerColumn.alpha(&PerColumn.statistic(&before), &PerColumn.statistic(&after));
        assert_eq!(alpha.to_vec(), [2.0, 4.0]);
    }

    #[test]
    fn a_chip_without_weights_has_a_finite_factor() {
        let nothing = Tensor::full(&[3, 2], 0.0);
        for method in [&Global as &dyn DriftCompensation, &GlobalWithExactReference, &PerColumn] {
            let statistic = method.statistic(&nothing);
            assert!(method.alpha(&statistic, &statistic).iter().all(|&alpha| alpha == 1.0));
        }
    }
}
