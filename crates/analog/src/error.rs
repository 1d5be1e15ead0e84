//! Errors of configurations, files and conversions; messages name the field, file or layer.

use std::path::{Path, PathBuf};

/// Errors of the analog crate, about configurations, files and data. Shapes that don't fit panic instead.
///
/// A message about a field names its section too, and the allowed values or the nearest name:
///
/// ```
/// use ohmgrad_analog::{Error, config::InferenceRpuConfig};
///
/// let error = InferenceRpuConfig::from_toml_str("[forward]\nw_noise_typ = \"PCM_READ\"").unwrap_err();
/// assert_eq!(error.to_string(), "unknown field `w_noise_typ` in [forward]; did you mean `w_noise_type`?");
/// assert!(matches!(error, Error::UnknownField { .. }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field with a value of the wrong type, out of range, or at odds with another field.
    #[error("{field} = {value}: must be {allowed}")]
    InvalidField {
        /// The field with its section, `forward.inp_bound`.
        field: String,
        /// The value, as a file would have it.
        value: String,
        /// The rule for the value, e.g. `at least 0`.
        allowed: String,
    },

    /// A field or section that no configuration has.
    #[error("unknown field `{field}` {}{}", place(section), did_you_mean(suggestion.as_deref()))]
    UnknownField {
        /// The name as it was given.
        field: String,
        /// The section it was found in, empty at the top level.
        section: String,
        /// The nearest name that exists, if any is near.
        suggestion: Option<String>,
    },

    /// A name that the field does not allow.
    #[error("{field} = {value:?}: must be one of {allowed}{}", did_you_mean(suggestion.as_deref()))]
    UnknownValue {
        /// The field with its section, `forward.noise_management`.
        field: String,
        /// The name as it was given.
        value: String,
        /// The nearest name that exists, if any is near.
        suggestion: Option<String>,
        /// All names that exist, separated by commas.
        allowed: String,
    },

    /// A feature that does not exist here or in this section, or that has no form in files.
    #[error("{field} = {value}: {reason}")]
    Unsupported {
        /// The field with its section, `backward.max_bm_factor`.
        field: String,
        /// The value, as a file would have it.
        value: String,
        /// The reason, with the remedy if there is one.
        reason: String,
    },

    /// A text that is not valid in its format, TOML or JSON.
    #[error("not valid {format}{}: {message}", line.map_or_else(String::new, |line| format!(", line {line}")))]
    Parse {
        /// `TOML` or `JSON`.
        format: &'static str,
        /// The line, counted from 1, if the parser gives it.
        line: Option<usize>,
        /// The parser's message.
        message: String,
    },

    /// A file that cannot be read or written.
    #[error("{}: cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },

    /// A file whose name does not tell its format.
    #[error("{}: a configuration is a .toml or a .json file", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },

    /// Another error, found in a file.
    #[error("{error}\n  --> {}{}", path.display(), in_section(error))]
    InFile {
        /// The file.
        path: PathBuf,
        /// The error in it.
        error: Box<Error>,
    },

    /// A setting that cannot change on existing tiles or chips.
    #[error("{field}: cannot change on {of}; {instead}")]
    NotKept {
        /// The field with its section.
        field: &'static str,
        /// The tiles or the chip, which would have to be made anew.
        of: &'static str,
        /// The remedy.
        instead: &'static str,
    },

    /// The state of tiles, as from a checkpoint, that does not fit together.
    #[error("{entry}: found {found}, expected {expected}")]
    State {
        /// The tensor or field, by its name in a [`TileArrayState`](crate::TileArrayState).
        entry: String,
        /// The value or shape that was found.
        found: String,
        /// The value or shape that the rest of the state requires.
        expected: String,
    },

    /// A time that a noise model has no data for.
    #[error("{model} at t = {t} s: the time must be {allowed}")]
    Time {
        /// The noise model.
        model: &'static str,
        /// The time in seconds since programming.
        t: f32,
        /// The times for which there are data.
        allowed: String,
    },

    /// A network without weights on tiles, where some are needed.
    #[error("no weight of the network {missing}")]
    NoAnalogWeights {
        /// The property that no weight of the network has, and the remedy.
        missing: &'static str,
    },

    /// A network that cannot move onto tiles, or off them.
    #[error("layer `{layer}`: {reason}")]
    Convert {
        /// The layer's path in the network, `conv1` or `encoder.0`.
        layer: String,
        /// The reason.
        reason: String,
    },
}

impl Error {
    /// The same error, with the file in which it was found.
    pub fn in_file(self, path: &Path) -> Self {
        Self::InFile { path: path.to_owned(), error: Box::new(self) }
    }

    /// The unknown field, or the field of an invalid, unknown or unsupported value, with its section:
    /// `forward.inp_bound`; `None` for other errors.
    pub fn field(&self) -> Option<String> {
        match self {
            Self::UnknownField { field, section, .. } => Some(crate::config::setting::join(section, field)),
            Self::InvalidField { field, .. } | Self::UnknownValue { field, .. } | Self::Unsupported { field, .. } => {
                Some(field.clone())
            }
            _ => None,
        }
    }

    /// The section of a file that the error is about.
    fn section(&self) -> Option<&str> {
        match self {
            Self::UnknownField { section, .. } => Some(section.as_str()).filter(|section| !section.is_empty()),
            Self::InvalidField { field, .. } | Self::UnknownValue { field, .. } | Self::Unsupported { field, .. } => {
                field.rsplit_once('.').map(|(section, _)| section)
            }
            _ => None,
        }
    }
}

fn in_section(error: &Error) -> String {
    error.section().map_or_else(String::new, |section| format!(", [{section}]"))
}

fn place(section: &str) -> String {
    match section {
        "" => "at the top level".into(),
        _ => format!("in [{section}]"),
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_its_section_follow_the_message() {
        let error = Error::InvalidField {
            field: "forward.inp_bound".into(),
            value: "2".into(),
            allowed: "1 while noise_management is ABS_MAX".into(),
        };
        assert_eq!(
            error.in_file(Path::new("chip.toml")).to_string(),
            "forward.inp_bound = 2: must be 1 while noise_management is ABS_MAX\n  --> chip.toml, [forward]"
        );
    }

    #[test]
    fn the_top_level_has_no_brackets() {
        let error =
            Error::UnknownField { field: "forwrd".into(), section: String::new(), suggestion: Some("forward".into()) };
        assert_eq!(
            error.in_file(Path::new("chip.json")).to_string(),
            "unknown field `forwrd` at the top level; did you mean `forward`?\n  --> chip.json"
        );
    }

    #[test]
    fn a_layer_is_named_by_its_path() {
        let error = Error::Convert {
            layer: "encoder.0".into(),
            reason: "an analog bias with an input range would be scaled by it".into(),
        };
        assert!(error.to_string().starts_with("layer `encoder.0`: "));
    }

    #[test]
    fn errors_cross_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Error>();
    }
}
