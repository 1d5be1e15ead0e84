//! Drift compensation: how the decay of a drifting chip is compensated.

use std::sync::Arc;

use super::form::class::{Class, Classes, NONE, class_setting};
use super::form::setting::Setting;
use crate::noise::{DriftCompensation, Global, GlobalWithExactReference, PerColumn};

/// The factor by which the outputs of a drifted chip are multiplied.
///
/// ```
/// use ohmgrad_analog::config::{DriftCompensationConfig, InferenceRpuConfig};
///
/// let config = InferenceRpuConfig::from_toml_str(r#"drift_compensation = { type = "PerColumnDriftCompensation" }"#)?;
/// assert_eq!(config.drift_compensation, DriftCompensationConfig::PerColumn);
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias = "BaseDriftCompensation")]
pub enum DriftCompensationConfig {
    /// No compensation: outputs stay as they are read.
    None,
    /// One factor per tile, [`Global`]. In files: `type = "GlobalDriftCompensation"`.
    #[default]
    #[doc(alias = "GlobalDriftCompensation")]
    Global,
    /// One factor per tile, as `Global`, but relative to a readout of the target weights, [`GlobalWithExactReference`].
    /// In files: `type = "GlobalDriftCompensationWithExactReference"`.
    #[doc(alias = "GlobalDriftCompensationWithExactReference")]
    GlobalWithExactReference,
    /// One factor per output, [`PerColumn`]. In files: `type = "PerColumnDriftCompensation"`.
    #[doc(alias = "PerColumnDriftCompensation")]
    PerColumn,
    /// A class that the program defines. It has no form in files.
    Custom(Arc<dyn DriftCompensation>),
}

impl DriftCompensationConfig {
    /// The compensation, or `None` if there is none.
    pub fn method(&self) -> Option<&dyn DriftCompensation> {
        match self {
            Self::None => None,
            Self::Global => Some(&Global),
            Self::GlobalWithExactReference => Some(&GlobalWithExactReference),
            Self::PerColumn => Some(&PerColumn),
            Self::Custom(method) => Some(method.as_ref()),
        }
    }
}

impl From<Arc<dyn DriftCompensation>> for DriftCompensationConfig {
    fn from(method: Arc<dyn DriftCompensation>) -> Self {
        Self::Custom(method)
    }
}

/// Custom classes are equal if they are the same object.
impl PartialEq for DriftCompensationConfig {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom(a), Self::Custom(b)) => Arc::ptr_eq(a, b),
            (Self::Custom(_), _) | (_, Self::Custom(_)) => false,
            _ => self.get() == other.get(),
        }
    }
}

impl Classes for DriftCompensationConfig {
    const NAMES: &'static [&'static str] =
        &[NONE, "GlobalDriftCompensation", "GlobalDriftCompensationWithExactReference", "PerColumnDriftCompensation"];

    fn named(name: &str) -> Self {
        match name {
            "GlobalDriftCompensation" => Self::Global,
            "GlobalDriftCompensationWithExactReference" => Self::GlobalWithExactReference,
            "PerColumnDriftCompensation" => Self::PerColumn,
            _ => Self::None,
        }
    }

    fn class(&self) -> Class<'_> {
        Class::Empty(match self {
            Self::None => NONE,
            Self::Global => "GlobalDriftCompensation",
            Self::GlobalWithExactReference => "GlobalDriftCompensationWithExactReference",
            Self::PerColumn => "PerColumnDriftCompensation",
            Self::Custom(method) => return Class::Custom(method),
        })
    }

    fn section_mut(&mut self) -> Option<&mut dyn Setting> {
        None
    }
}

class_setting!(DriftCompensationConfig);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::InferenceRpuConfig;

    #[test]
    fn files_name_the_references_classes() {
        for (name, compensation) in DriftCompensationConfig::NAMES.iter().zip([
            DriftCompensationConfig::None,
            DriftCompensationConfig::Global,
            DriftCompensationConfig::GlobalWithExactReference,
            DriftCompensationConfig::PerColumn,
        ]) {
            let config = InferenceRpuConfig { drift_compensation: compensation, ..Default::default() };
            let text = format!("drift_compensation = {{ type = \"{name}\" }}");
            assert_eq!(InferenceRpuConfig::from_toml_str(&text).unwrap(), config);
            assert_eq!(InferenceRpuConfig::from_toml_str(&config.to_toml_string().unwrap()).unwrap(), config);
        }
        let off = InferenceRpuConfig::from_json_str(r#"{"drift_compensation": null}"#).unwrap();
        assert_eq!(off.drift_compensation, DriftCompensationConfig::None);
    }

    #[test]
    fn errors_give_the_allowed_classes() {
        let error = |text| InferenceRpuConfig::from_toml_str(text).unwrap_err().to_string();
        assert_eq!(
            error("drift_compensation = { type = \"GlobalDriftCompensatio\" }"),
            "drift_compensation.type = \"GlobalDriftCompensatio\": must be one of None, GlobalDriftCompensation, \
             GlobalDriftCompensationWithExactReference, PerColumnDriftCompensation; \
             did you mean `GlobalDriftCompensation`?"
        );
        assert_eq!(error("[drift_compensation]\nalpha = 1"), "unknown field `alpha` in [drift_compensation]");
    }
}
