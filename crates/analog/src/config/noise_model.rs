//! The noise model that a chip is programmed with.

use super::form::class::classes;
use crate::noise::{CustomDriftPcm, Hermes, NoiseModel, Pcm, ReRamCmo, ReRamWan2022, StateIndependent};

classes! {
    /// The devices of a chip: how they are programmed, drift and are read.
    ///
    /// ```
    /// use ohmgrad_analog::config::{InferenceRpuConfig, NoiseModelConfig};
    /// use ohmgrad_analog::noise::Pcm;
    ///
    /// let config = InferenceRpuConfig {
    ///     noise_model: Pcm { prog_noise_scale: 0.5, ..Default::default() }.into(),
    ///     ..Default::default()
    /// };
    /// let text = r#"noise_model = { type = "PCMLikeNoiseModel", prog_noise_scale = 0.5 }"#;
    /// assert_eq!(InferenceRpuConfig::from_toml_str(text)?, config);
    ///
    /// let off = InferenceRpuConfig::from_json_str(r#"{"noise_model": null}"#)?;
    /// assert_eq!(off.noise_model, NoiseModelConfig::None);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    #[doc(alias = "BaseNoiseModel")]
    pub enum NoiseModelConfig of NoiseModel {
        /// Phase-change memory of doped GeSbTe.
        Pcm(Pcm) = "PCMLikeNoiseModel",
        /// Phase-change memory with measured drift.
        CustomDriftPcm(CustomDriftPcm) = "CustomDriftPCMLikeNoiseModel",
        /// Phase-change memory of the IBM HERMES Project Chip.
        Hermes(Hermes) = "HermesNoiseModel",
        /// Drift and noise that do not depend on the conductance.
        StateIndependent(StateIndependent) = "StateIndependentNoiseModel",
        /// Resistive memory of Wan et al. (2022).
        ReRamWan2022(ReRamWan2022) = "ReRamWan2022NoiseModel",
        /// Resistive memory of conductive metal oxide and HfOₓ.
        ReRamCmo(ReRamCmo) = "ReRamCMONoiseModel",
    }
    none
    /// No noise model: a chip keeps the weights that are programmed.
    None
}

impl NoiseModelConfig {
    /// The model, or `None` if there is none.
    pub fn model(&self) -> Option<&dyn NoiseModel> {
        self.object()
    }
}

/// PCM with 25 µS, as in the reference.
impl Default for NoiseModelConfig {
    fn default() -> Self {
        Pcm::default().into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::InferenceRpuConfig;
    use crate::config::form::class::Classes;

    fn toml_error(text: &str) -> String {
        InferenceRpuConfig::from_toml_str(text).unwrap_err().to_string()
    }

    #[test]
    fn errors_give_the_allowed_classes() {
        let names = NoiseModelConfig::NAMES.join(", ");
        assert_eq!(
            toml_error("noise_model = { type = \"PCMlikeNoise\" }"),
            format!("noise_model.type = \"PCMlikeNoise\": must be one of {names}; did you mean `PCMLikeNoiseModel`?")
        );
        assert_eq!(
            toml_error("[noise_model]\ntype = \"PCMLikeNoiseModel\"\nprog_noise_scal = 1.0"),
            "unknown field `prog_noise_scal` in [noise_model]; did you mean `prog_noise_scale`?"
        );
        assert_eq!(toml_error("[noise_model]\ng_max = \"x\""), "noise_model.g_max = \"x\": must be a number");
        assert_eq!(toml_error("[noise_model]\nt_0 = 0"), "noise_model.t_0 = 0: must be above 0");
        assert_eq!(
            toml_error("noise_model = 3"),
            "noise_model = 3: must be a section of fields with a `type`, or null"
        );
        assert_eq!(toml_error("noise_model = { type = 3 }"), format!("noise_model.type = 3: must be one of {names}"));
        assert_eq!(
            toml_error("noise_model = { type = \"None\", g_max = 3 }"),
            "unknown field `g_max` in [noise_model]"
        );
    }

    #[test]
    fn a_field_alone_changes_the_default() {
        let config = InferenceRpuConfig::from_toml_str("[noise_model]\ng_max = 20").unwrap();
        assert_eq!(config.noise_model, Pcm { g_max: 20.0, ..Default::default() }.into());
        assert_eq!(config.to_string(), "InferenceRpuConfig (backward: perfect)\n  noise_model: g_max = 20");
    }

    #[test]
    fn an_absent_value_is_none_or_null() {
        let none = InferenceRpuConfig { noise_model: NoiseModelConfig::None, ..Default::default() };
        assert_eq!(InferenceRpuConfig::from_toml_str("noise_model = { type = \"None\" }").unwrap(), none);
        assert_eq!(InferenceRpuConfig::from_json_str("{\"noise_model\": null}").unwrap(), none);
        for text in [none.to_toml_string().unwrap(), none.to_json_string().unwrap()] {
            assert!(text.contains("None"), "{text}");
        }
        assert_eq!(InferenceRpuConfig::from_toml_str(&none.to_toml_string().unwrap()).unwrap(), none);
    }

    #[test]
    fn a_custom_model_has_no_form_in_files() {
        let own: Arc<dyn NoiseModel> = Arc::new(Pcm::default());
        let config = InferenceRpuConfig { noise_model: own.clone().into(), ..Default::default() };
        config.validate().unwrap();
        assert_eq!(config.noise_model, own.into());
        assert_ne!(config, InferenceRpuConfig::default());
        for error in [config.to_toml_string().unwrap_err(), config.to_json_string().unwrap_err()] {
            let text = error.to_string();
            assert!(text.starts_with("noise_model = Pcm {") && text.ends_with("has no form in files"), "{text}");
        }
    }
}
