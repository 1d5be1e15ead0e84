//! How the decay of a drifting chip is compensated.

use std::sync::Arc;

use super::class::{NONE, named, split, without_fields};
use super::schema;
use super::setting::{Range, Setting};
use super::value::Value;
use crate::Error;
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
    /// None: outputs stay as they are read.
    None,
    /// One factor per tile, [`Global`]. In files: `type = "GlobalDriftCompensation"`.
    #[default]
    #[doc(alias = "GlobalDriftCompensation")]
    Global,
    /// As `Global`, against the weights as they were meant, [`GlobalWithExactReference`]. In files:
    /// `type = "GlobalDriftCompensationWithExactReference"`.
    #[doc(alias = "GlobalDriftCompensationWithExactReference")]
    GlobalWithExactReference,
    /// One factor per output, [`PerColumn`]. In files: `type = "PerColumnDriftCompensation"`.
    #[doc(alias = "PerColumnDriftCompensation")]
    PerColumn,
    /// A class of the program's own. It has no form in files.
    Own(Arc<dyn DriftCompensation>),
}

impl DriftCompensationConfig {
    const NAMES: &[&str] =
        &[NONE, "GlobalDriftCompensation", "GlobalDriftCompensationWithExactReference", "PerColumnDriftCompensation"];

    /// The compensation, or `None` if there is none.
    pub fn method(&self) -> Option<&dyn DriftCompensation> {
        match self {
            Self::None => None,
            Self::Global => Some(&Global),
            Self::GlobalWithExactReference => Some(&GlobalWithExactReference),
            Self::PerColumn => Some(&PerColumn),
            Self::Own(method) => Some(method.as_ref()),
        }
    }
}

impl From<Arc<dyn DriftCompensation>> for DriftCompensationConfig {
    fn from(method: Arc<dyn DriftCompensation>) -> Self {
        Self::Own(method)
    }
}

/// Compensations of the program's own are equal if they are the same object.
impl PartialEq for DriftCompensationConfig {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(a), Self::Own(b)) => Arc::ptr_eq(a, b),
            (Self::Own(_), _) | (_, Self::Own(_)) => false,
            _ => self.get() == other.get(),
        }
    }
}

impl Setting for DriftCompensationConfig {
    fn set(&mut self, value: Value, at: &str) -> Result<(), Error> {
        let (name, fields) = split(value, at, Self::NAMES, true)?;
        match name {
            Some("GlobalDriftCompensation") => *self = Self::Global,
            Some("GlobalDriftCompensationWithExactReference") => *self = Self::GlobalWithExactReference,
            Some("PerColumnDriftCompensation") => *self = Self::PerColumn,
            Some(_) => *self = Self::None,
            None => {}
        }
        without_fields(fields, at)
    }

    fn get(&self) -> Value {
        let name = match self {
            Self::None => 0,
            Self::Global => 1,
            Self::GlobalWithExactReference => 2,
            Self::PerColumn => 3,
            Self::Own(method) => return Value::Own(format!("{method:?}")),
        };
        named(Self::NAMES[name], Value::Table(vec![]))
    }

    fn check(&self, _: Range, _: &str) -> Result<(), Error> {
        Ok(())
    }

    fn schema(&self, _: Range) -> Value {
        let names = Self::NAMES.iter().filter(|name| **name != NONE);
        let class = |name: &&str| schema::class(name, schema::section(vec![]), true);
        schema::any_of(names.map(class).chain(schema::none()).collect())
    }
}

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
    fn mistakes_are_answered() {
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
