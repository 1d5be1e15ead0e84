//! Failures of commands, and their exit codes.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::Path;

use ohmgrad::with_causes;

/// The command line or a recipe is wrong.
pub const MISTAKE: u8 = 2;
/// Something failed: a file, a device, a time without data.
pub const FAILED: u8 = 1;
/// The command was done in part; its help names the cases.
pub const PARTLY: u8 = 3;
/// Ctrl-C.
pub const INTERRUPTED: i32 = 130;

/// A message for standard error, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// The mistake, its place, and the allowed values.
    pub message: String,
    /// The exit code.
    pub code: u8,
}

/// The result of most functions of the program.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A mistake in the command line or in a file that the user wrote.
    pub fn mistake(message: impl Display) -> Self {
        Self { message: message.to_string(), code: MISTAKE }
    }

    /// A mistake in a file that the user named, with its causes.
    pub fn mistaken(error: impl Error) -> Self {
        Self::mistake(with_causes(&error))
    }

    /// Anything else.
    pub fn failed(message: impl Display) -> Self {
        Self { message: message.to_string(), code: FAILED }
    }

    /// A file that the system refused.
    pub fn file(path: &Path, error: &io::Error) -> Self {
        Self::failed(format!("{}: {error}", path.display()))
    }
}

macro_rules! failed {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::failed(with_causes(&error))
            }
        })*
    };
}

failed!(
    ohmgrad::analog::Error,
    ohmgrad::tensor::parallel::ThreadsError,
    ohmgrad::models::CheckpointError,
    ohmgrad::models::TrainerError,
    ohmgrad::models::data::DataError,
    ohmgrad::plots::PlotError
);

/// `; did you mean …?` with the nearest of some names, if one is near.
pub fn did_you_mean<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = names.into_iter().map(|other| (strsim::jaro_winkler(name, other), other));
    match nearest.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, other)) if likeness > 0.8 => format!("; did you mean `{other}`?"),
        _ => String::new(),
    }
}
