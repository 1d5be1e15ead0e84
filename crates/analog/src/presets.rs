//! The reference's inference presets (aihwkit `presets/inference.py`, `presets/web.py`, `presets/utils.py`), with its
//! values.
//!
//! Each is a plain value to start from: `InferenceRpuConfig { modifier, ..presets::standard_hwa_training() }`.
//! `docs/presets.md` lists them with their sources.

use crate::config::{
    BackwardIoParameters, BoundManagement, InferenceRpuConfig, InputRangeParameter, IoParameters, MappingParameter,
    NoiseManagement, PrePostProcessingParameter, WeightClip, WeightClipParameter, WeightModifier,
    WeightModifierParameter, WeightNoise, WeightRemap, WeightRemapParameter,
};

/// A standard for hardware-aware training and its evaluation: phase-change memory, 8-bit converters, learned input
/// ranges, and one mapping scale per output (Rasch et al., Nature Communications 14, 5282 (2023), arXiv:2302.08469).
///
/// It has no weight modifier; most trainings add one:
///
/// ```
/// use ohmgrad_analog::config::{InferenceRpuConfig, WeightModifier, WeightModifierParameter};
/// use ohmgrad_analog::presets;
///
/// let modifier = WeightModifierParameter { kind: WeightModifier::AddNormal, std_dev: 0.1, ..Default::default() };
/// let config = InferenceRpuConfig { modifier, ..presets::standard_hwa_training() };
/// config.validate()?;
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
#[doc(alias = "StandardHWATrainingPreset")]
pub fn standard_hwa_training() -> InferenceRpuConfig {
    InferenceRpuConfig {
        forward: IoParameters {
            inp_res: 254.0,
            out_res: 254.0,
            out_bound: 10.0,
            out_noise: 0.04,
            w_noise: 0.0175,
            w_noise_type: WeightNoise::PcmRead,
            ir_drop: 1.0,
            noise_management: NoiseManagement::Constant,
            nm_thres: 1.0,
            bound_management: BoundManagement::None,
            ..Default::default()
        },
        mapping: MappingParameter {
            weight_scaling_omega: 1.0,
            weight_scaling_columnwise: true,
            learn_out_scaling: true,
            out_scaling_columnwise: true,
            max_output_size: 0,
            ..Default::default()
        },
        remap: WeightRemapParameter { kind: WeightRemap::ChannelwiseSymmetric, ..Default::default() },
        clip: unit_clip(),
        pre_post: PrePostProcessingParameter {
            input_range: InputRangeParameter { enable: true, ..Default::default() },
        },
        ..Default::default()
    }
}

/// Exact products on tiles without limits of size: the digital network, for comparisons. It can be programmed, with the
/// default noise model.
///
/// ```
/// assert!(ohmgrad_analog::presets::floating_point().forward.is_perfect);
/// ```
#[doc(alias = "FloatingPointPreset")]
pub fn floating_point() -> InferenceRpuConfig {
    InferenceRpuConfig {
        forward: IoParameters { is_perfect: true, ..Default::default() },
        backward: BackwardIoParameters::straight_through(),
        mapping: MappingParameter { max_input_size: 0, max_output_size: 0, ..Default::default() },
        ..Default::default()
    }
}

/// The default of the web composer's inference experiments: 7-bit inputs, 9-bit outputs, noise of a tenth of the largest
/// weight while training, one learned scale per tile.
///
/// ```
/// assert_eq!(ohmgrad_analog::presets::web_composer().modifier.std_dev, 0.1);
/// ```
#[doc(alias = "WebComposerInferenceRPUConfig")]
pub fn web_composer() -> InferenceRpuConfig {
    InferenceRpuConfig {
        forward: io(),
        modifier: WeightModifierParameter { kind: WeightModifier::AddNormal, std_dev: 0.1, ..Default::default() },
        clip: unit_clip(),
        mapping: MappingParameter {
            weight_scaling_omega: 1.0,
            weight_scaling_columnwise: true,
            learn_out_scaling: true,
            ..Default::default()
        },
        ..Default::default()
    }
}

/// The web composer's earlier default: as [`web_composer`], with the bias on the tile, without learned scales and without
/// limits of a tile's size.
///
/// ```
/// assert!(!ohmgrad_analog::presets::old_web_composer().mapping.digital_bias);
/// ```
#[doc(alias = "OldWebComposerInferenceRPUConfig")]
pub fn old_web_composer() -> InferenceRpuConfig {
    InferenceRpuConfig {
        mapping: MappingParameter {
            digital_bias: false,
            weight_scaling_omega: 1.0,
            weight_scaling_columnwise: true,
            max_input_size: 0,
            max_output_size: 0,
            ..Default::default()
        },
        ..web_composer()
    }
}

/// The converters of most presets: 7-bit inputs, 9-bit outputs, an ADC range of ±20 (20 inputs of 1 at weights of 1),
/// output noise of about a step of the ADC; noise and bound management on.
///
/// ```
/// use ohmgrad_analog::{InferenceRpuConfig, presets};
///
/// let config = InferenceRpuConfig { forward: presets::io(), ..Default::default() };
/// assert_eq!((config.forward.out_bound, config.forward.out_noise), (20.0, 0.1));
/// ```
#[doc(alias("PresetIOParameters", "WebComposerIOParameters"))]
pub fn io() -> IoParameters {
    IoParameters { inp_res: 1.0 / 126.0, out_res: 1.0 / 510.0, out_bound: 20.0, out_noise: 0.1, ..Default::default() }
}

/// The converters of [`standard_hwa_training`] with noise and bound management on, without IR drop and weight noise (Rasch
/// et al. 2023).
///
/// ```
/// let io = ohmgrad_analog::presets::standard_io();
/// assert_eq!((io.out_bound, io.out_noise), (10.0, 0.04));
/// ```
#[doc(alias = "StandardIOParameters")]
pub fn standard_io() -> IoParameters {
    IoParameters { inp_res: 1.0 / 254.0, out_res: 1.0 / 254.0, out_bound: 10.0, out_noise: 0.04, ..Default::default() }
}

/// Weights cut to ±1 after each step.
fn unit_clip() -> WeightClipParameter {
    WeightClipParameter { kind: WeightClip::FixedValue, fixed_value: 1.0, ..Default::default() }
}
