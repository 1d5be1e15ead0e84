//! The configuration of a network that trains digitally through an analog forward pass.

use super::clip::WeightClipParameter;
use super::drift_compensation::DriftCompensationConfig;
use super::form::section::{Rules, parameters};
use super::form::setting::{Setting, invalid, join};
use super::form::value::Value;
use super::io::{BackwardIoParameters, IoParameters};
use super::ir_drop_t::IrDropT;
use super::kinds::{BoundManagement, NoiseManagement};
use super::mapping::MappingParameter;
use super::modifier::WeightModifierParameter;
use super::noise_model::NoiseModelConfig;
use super::pre_post::PrePostProcessingParameter;
use super::remap::WeightRemapParameter;
use crate::Error;

parameters! {
    /// The whole configuration of the hardware that inference runs on.
    ///
    /// The backward direction is perfect unless `is_perfect` is set to false, also in a file that sets other backward
    /// fields:
    ///
    /// ```
    /// use ohmgrad_analog::config::{BackwardIoParameters, InferenceRpuConfig};
    ///
    /// let by_default = InferenceRpuConfig::default();
    /// let by_hand = InferenceRpuConfig { backward: BackwardIoParameters::perfect(), ..Default::default() };
    /// assert_eq!(by_default, by_hand);
    /// assert_eq!(by_default.to_string(), "InferenceRpuConfig: all defaults (backward: perfect)");
    ///
    /// let from_file = InferenceRpuConfig::from_toml_str("[backward]\nout_noise = 0.1")?;
    /// assert!(from_file.backward.is_perfect);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    #[doc(alias = "InferenceRPUConfig")]
    pub struct InferenceRpuConfig {
        /// The product of a forward pass.
        forward: IoParameters = IoParameters::default();

        /// The product that makes the input gradient.
        backward: BackwardIoParameters = BackwardIoParameters::perfect();

        /// Mapping of weights onto tiles.
        mapping: MappingParameter = MappingParameter::default();

        /// The devices that a chip is programmed on.
        noise_model: NoiseModelConfig = NoiseModelConfig::default();

        /// Compensation of the decay of a drifting chip.
        drift_compensation: DriftCompensationConfig = DriftCompensationConfig::default();

        /// Modifier of the weights that reads use in training.
        modifier: WeightModifierParameter = WeightModifierParameter::default();

        /// Clipping of weights after each step.
        clip: WeightClipParameter = WeightClipParameter::default();

        /// Remapping: new mapping scales after each step.
        remap: WeightRemapParameter = WeightRemapParameter::default();

        /// Digital processing before and after a read.
        pre_post: PrePostProcessingParameter = PrePostProcessingParameter::default();
    }
}

impl Rules for InferenceRpuConfig {
    fn rules(&self, at: &str) -> Result<(), Error> {
        self.output_clipping(at)?;
        self.straight_through(at)?;
        let Some(timed) = self.forward.ir_drop_t.filter(|_| !self.forward.is_ideal()) else { return Ok(()) };
        if !self.mapping.digital_bias {
            let value = self.mapping.digital_bias.get();
            return Err(invalid("mapping.digital_bias", &value, "true with forward.ir_drop_t"));
        }
        timed.rules_of_tiles(self.mapping.max_input_size, "forward")?;
        self.devices_of_timed_reads(&timed)
    }

    fn note(&self) -> Option<&'static str> {
        Some(match &self.backward {
            backward if backward.straight_through => "backward: straight-through",
            backward if backward.is_ideal() => "backward: perfect",
            _ => "backward: analog",
        })
    }
}

impl InferenceRpuConfig {
    /// Checks that `manage_output_clipping` is used only in analog forwards without noise management and bound
    /// management.
    fn output_clipping(&self, at: &str) -> Result<(), Error> {
        let (forward, range) = (&self.forward, &self.pre_post.input_range);
        let manages = range.enable && range.manage_output_clipping;
        let alone = !forward.is_ideal()
            && forward.noise_management == NoiseManagement::None
            && forward.bound_management == BoundManagement::None;
        if !manages || alone {
            return Ok(());
        }
        let allowed = "false unless forward.noise_management and forward.bound_management are NONE and the forward is \
                       not perfect";
        Err(invalid(&join(at, "pre_post.input_range.manage_output_clipping"), &true.get(), allowed))
    }

    /// Checks that the noise model has pairs of devices, whose currents time-dependent IR drop needs.
    fn devices_of_timed_reads(&self, timed: &IrDropT) -> Result<(), Error> {
        let model = &self.noise_model;
        let pairs = model.model().and_then(|model| model.converter().pair_factors()).map_or(0, |factors| factors.len());
        let allowed = match pairs {
            1 => return Ok(()),
            0 => "a model whose converter makes pairs of devices with forward.ir_drop_t",
            _ if !timed.apply_xdep_pcm_read_noise => return Ok(()),
            _ => "a model of single pairs with forward.ir_drop_t.apply_xdep_pcm_read_noise",
        };
        let value = model.model().map_or(Value::Text("None".to_owned()), |model| Value::Text(format!("{model:?}")));
        Err(invalid("noise_model", &value, allowed))
    }

    /// Rules of straight-through gradients: some forwards cannot be differentiated.
    fn straight_through(&self, at: &str) -> Result<(), Error> {
        let range = &self.pre_post.input_range;
        if self.backward.straight_through && range.enable && range.manage_output_clipping {
            let field = join(at, "pre_post.input_range.manage_output_clipping");
            return Err(invalid(&field, &true.get(), "false while backward.straight_through is on"));
        }
        match self.forward.not_differentiable() {
            Some(field) if self.backward.straight_through => {
                let reason = format!("false with this forward.{field}, which has no straight-through gradient");
                Err(invalid(&join(at, "backward.straight_through"), &true.get(), reason))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WeightNoise;

    #[test]
    fn setting_is_perfect_by_hand_is_the_default() {
        let by_hand: InferenceRpuConfig = serde_json::from_str(r#"{"backward": {"is_perfect": true}}"#).unwrap();
        assert_eq!(by_hand, InferenceRpuConfig::default());
    }

    #[test]
    fn plain_serde_starts_from_a_perfect_backward_too() {
        let config: InferenceRpuConfig = serde_json::from_str(r#"{"backward": {"mask_saturated": true}}"#).unwrap();
        assert!(config.backward.is_perfect && config.backward.mask_saturated);
        let config: InferenceRpuConfig = serde_json::from_str(r#"{"backward": {"is_perfect": false}}"#).unwrap();
        assert_eq!(config.backward, BackwardIoParameters::default());
    }

    #[test]
    fn errors_name_the_section() {
        let mut config = InferenceRpuConfig::default();
        config.backward.r_series = -1.0;
        assert_eq!(config.validate().unwrap_err().to_string(), "backward.r_series = -1: must be at least 0");
    }

    #[test]
    fn sections_must_go_together() {
        let error = |toml: &str| InferenceRpuConfig::from_toml_str(toml).unwrap_err().to_string();
        let range = "[pre_post.input_range]\nenable = true\nmanage_output_clipping = true\n";
        assert!(error(range).starts_with("pre_post.input_range.manage_output_clipping = true: must be false unless"));
        let alone = format!("{range}[forward]\nnoise_management = \"NONE\"\nbound_management = \"NONE\"");
        InferenceRpuConfig::from_toml_str(&alone).unwrap();
        assert_eq!(
            error("[forward]\nir_drop = 1\n[backward]\nstraight_through = true"),
            "backward.straight_through = true: must be false with this forward.ir_drop, which has no \
             straight-through gradient"
        );
    }

    #[test]
    fn printing_goes_by_section() {
        let config = InferenceRpuConfig {
            forward: IoParameters {
                out_res: -1.0,
                w_noise: 0.02,
                w_noise_type: WeightNoise::AdditiveConstant,
                ..Default::default()
            },
            backward: BackwardIoParameters::default(),
            ..Default::default()
        };
        assert_eq!(
            config.to_string(),
            "InferenceRpuConfig (backward: analog)\n  \
             forward: out_res = -1, w_noise = 0.02, w_noise_type = \"ADDITIVE_CONSTANT\"\n  \
             backward: is_perfect = false"
        );
    }
}
