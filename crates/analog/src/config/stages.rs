//! The stages of a read under its parameters, and their properties.
//!
//! A read uses a shortcut (the fused ADC, the straight-through gradient) only if every stage that is present allows it.
//! The list is complete by construction: [`IoParameters::stages`] names every field, so that a new field does not
//! compile until it is assigned.

use super::io::IoParameters;
use super::kinds::{BoundManagement, MvType, NoiseManagement, WeightNoise};

/// A part of a read beyond the exact product. The order is that of the signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Rows are scaled before the DAC.
    NoiseManagement(NoiseManagement),
    /// The DAC rounds and clips.
    InputConverter,
    /// The DAC adds noise.
    InputNoise,
    /// Negative inputs are weaker.
    InputAsymmetry,
    /// Positive and negative inputs have separate passes.
    TwoPasses,
    /// Wires lower the voltage of far devices.
    IrDrop,
    /// Time-dependent IR drop: wires lower voltages over the duration of a read.
    IrDropOverTime {
        /// `true` if it affects reads in training, too.
        in_training: bool,
    },
    /// Output stages have voltage offsets.
    VoltageOffset,
    /// Output lines have a series resistance.
    SeriesResistance,
    /// Devices are noisy.
    WeightNoise,
    /// Outputs follow an S-shaped nonlinearity.
    OutputNonlinearity,
    /// Negative outputs are weaker.
    OutputAsymmetry,
    /// Outputs are noisy.
    OutputNoise {
        /// `true` if the strength differs between outputs.
        by_output: bool,
    },
    /// The ADC rounds and clips.
    OutputConverter {
        /// `true` if the ADC rounds stochastically.
        dithered: bool,
    },
    /// Rows that reach the bound are read again.
    BoundManagement(BoundManagement),
    /// The last of the outputs beyond the bound decides alone: if this output is positive, the row is read again.
    LastHitDecides,
}

impl Stage {
    /// Returns `true` if the stage does not prevent the fused ADC, one loop for noise, rounding, bound and scale of the
    /// outputs.
    fn is_in_fused_adc(self) -> bool {
        match self {
            Self::NoiseManagement(_) | Self::InputConverter | Self::InputNoise | Self::InputAsymmetry => true,
            Self::IrDrop | Self::VoltageOffset | Self::WeightNoise | Self::BoundManagement(_) => true,
            Self::OutputNoise { by_output } => !by_output,
            Self::OutputConverter { dithered } => !dithered,
            // Reads with time-dependent IR drop never use the fused ADC; this is about reads in training, if those are
            // without it.
            Self::IrDropOverTime { .. } => true,
            Self::TwoPasses | Self::LastHitDecides => false,
            // The ADC applies the nonlinearity, the asymmetry, and the calibrated slope of the series resistance.
            Self::SeriesResistance | Self::OutputNonlinearity | Self::OutputAsymmetry => false,
        }
    }

    /// The field that switches this stage on, if the stage has no straight-through gradient.
    fn not_differentiable(self) -> Option<&'static str> {
        match self {
            Self::NoiseManagement(NoiseManagement::AverageAbsMax | NoiseManagement::AbsMaxNpSum) => {
                Some("noise_management")
            }
            Self::TwoPasses => Some("mv_type"),
            Self::IrDrop => Some("ir_drop"),
            Self::IrDropOverTime { in_training } => in_training.then_some("ir_drop_t"),
            Self::VoltageOffset => Some("v_offset_std"),
            Self::SeriesResistance => Some("r_series"),
            Self::OutputNonlinearity => Some("out_nonlinearity"),
            Self::BoundManagement(BoundManagement::IterativeWorstCase) => Some("bound_management"),
            Self::NoiseManagement(_) | Self::InputConverter | Self::InputNoise | Self::InputAsymmetry => None,
            Self::WeightNoise | Self::OutputAsymmetry | Self::OutputNoise { .. } => None,
            Self::OutputConverter { .. } | Self::BoundManagement(_) | Self::LastHitDecides => None,
        }
    }
}

impl IoParameters {
    /// The stages that a read under these parameters has, in the order of the signal; none if it is perfect.
    pub(crate) fn stages(&self) -> Vec<Stage> {
        // Every field is named, so that a new one must be assigned: to a stage, to the strength of one, or to neither.
        let Self {
            is_perfect: _,
            mv_type,
            inp_bound,
            inp_res: _,
            inp_sto_round: _,
            inp_noise,
            inp_asymmetry,
            out_bound,
            out_res: _,
            out_sto_round,
            out_noise,
            out_noise_std,
            out_scale: _,
            out_asymmetry,
            noise_management,
            nm_thres: _,
            nm_assumed_wmax: _,
            nm_decay: _,
            w_noise,
            w_noise_type,
            ir_drop,
            ir_drop_g_ratio: _,
            out_nonlinearity,
            out_nonlinearity_std: _,
            slope_calibration: _,
            v_offset_std,
            v_offset_w_min: _,
            r_series,
            w_read_asymmetry_dtod: _,
            max_bm_res: _,
            bound_management,
            max_bm_factor: _,
            bm_test_negative_bound,
            ir_drop_t,
        } = *self;
        let managed = bound_management != BoundManagement::None;
        let over_time = ir_drop_t.map(|timed| Stage::IrDropOverTime { in_training: !timed.trains_plainly() });
        let dithered = out_sto_round && self.out_step().is_some();
        let all = [
            (noise_management != NoiseManagement::None, Stage::NoiseManagement(noise_management)),
            (inp_bound > 0.0, Stage::InputConverter),
            (inp_noise > 0.0, Stage::InputNoise),
            (inp_asymmetry != 0.0, Stage::InputAsymmetry),
            (mv_type != MvType::OnePass, Stage::TwoPasses),
            (ir_drop > 0.0, Stage::IrDrop),
            (over_time.is_some(), over_time.unwrap_or(Stage::IrDrop)),
            (v_offset_std > 0.0, Stage::VoltageOffset),
            (r_series > 0.0, Stage::SeriesResistance),
            (w_noise > 0.0 && w_noise_type != WeightNoise::None, Stage::WeightNoise),
            (out_nonlinearity > 0.0, Stage::OutputNonlinearity),
            (out_asymmetry > 0.0, Stage::OutputAsymmetry),
            (out_noise > 0.0, Stage::OutputNoise { by_output: out_noise_std > 0.0 }),
            (out_bound > 0.0, Stage::OutputConverter { dithered }),
            (managed, Stage::BoundManagement(bound_management)),
            (managed && !bm_test_negative_bound, Stage::LastHitDecides),
        ];
        all.into_iter().filter(|(present, _)| *present && !self.is_ideal()).map(|(_, stage)| stage).collect()
    }

    /// Returns `true` if the ADC consists of noise, rounding, bound and scale of the outputs alone, so that one loop
    /// computes it. Without noise that loop would draw samples for nothing.
    pub(crate) fn has_fused_adc(&self) -> bool {
        let stages = self.stages();
        let noisy = stages.iter().any(|stage| matches!(stage, Stage::OutputNoise { .. }));
        noisy && stages.into_iter().all(Stage::is_in_fused_adc)
    }

    /// A field because of which the forward has no straight-through gradient; `None` if it has one. A perfect forward
    /// always has one.
    pub(crate) fn not_differentiable(&self) -> Option<&'static str> {
        self.stages().into_iter().find_map(Stage::not_differentiable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_come_in_the_order_of_the_signal() {
        let io =
            IoParameters { w_noise: 0.1, w_noise_type: WeightNoise::PcmRead, inp_noise: 0.1, ..Default::default() };
        let expected = [
            Stage::NoiseManagement(NoiseManagement::AbsMax),
            Stage::InputConverter,
            Stage::InputNoise,
            Stage::WeightNoise,
            Stage::OutputNoise { by_output: false },
            Stage::OutputConverter { dithered: false },
            Stage::BoundManagement(BoundManagement::Iterative),
        ];
        assert_eq!(io.stages(), expected);
        assert_eq!(IoParameters { is_perfect: true, ..io }.stages(), []);
        assert_eq!(IoParameters { mv_type: MvType::Ideal, ..io }.stages(), []);
    }

    #[test]
    fn one_stage_outside_of_the_fused_adc_is_enough() {
        let io = IoParameters { ir_drop: 1.0, inp_asymmetry: 0.1, ..Default::default() };
        assert!(io.has_fused_adc());
        let others = [
            IoParameters { out_noise: 0.0, ..io },
            IoParameters { out_noise_std: 0.1, ..io },
            IoParameters { out_sto_round: true, ..io },
            IoParameters { out_asymmetry: 0.1, ..io },
            IoParameters { out_nonlinearity: 0.1, ..io },
            IoParameters { r_series: 0.1, ..io },
            IoParameters { bm_test_negative_bound: false, ..io },
            IoParameters { mv_type: MvType::PosNegSeparate, ..io },
        ];
        for io in others {
            assert!(!io.has_fused_adc(), "{}", io.summary());
        }
    }
}
