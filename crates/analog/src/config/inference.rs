//! The configuration of a network that trains digitally through an analog forward pass.

use super::drift_compensation::DriftCompensationConfig;
use super::io::{BackwardIoParameters, IoParameters};
use super::mapping::MappingParameter;
use super::noise_model::NoiseModelConfig;
use super::section::{Rules, parameters};
use super::setting::{Setting, invalid};
use crate::Error;

parameters! {
    /// Everything about the hardware that inference runs on.
    ///
    /// The backward direction is perfect unless it is set otherwise, also for the fields that a
    /// file leaves out:
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

        /// How weights lie on tiles.
        mapping: MappingParameter = MappingParameter::default();

        /// The devices that a chip is programmed on.
        noise_model: NoiseModelConfig = NoiseModelConfig::default();

        /// How the decay of a drifting chip is compensated.
        drift_compensation: DriftCompensationConfig = DriftCompensationConfig::default();
    }
}

impl Rules for InferenceRpuConfig {
    fn rules(&self, _: &str) -> Result<(), Error> {
        let Some(timed) = self.forward.ir_drop_t.filter(|_| !self.forward.is_ideal()) else { return Ok(()) };
        if !self.mapping.digital_bias {
            let value = self.mapping.digital_bias.get();
            return Err(invalid("mapping.digital_bias", &value, "true with forward.ir_drop_t"));
        }
        timed.rules_of_tiles(self.mapping.max_input_size, "forward")
    }

    fn note(&self) -> Option<&'static str> {
        Some(match self.backward.is_ideal() {
            true => "backward: perfect",
            false => "backward: analog",
        })
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
