//! Errors of files of data.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Errors of data sets; every variant names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused to read or write.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// The content does not fit its format, or its neighbour file.
    #[error("{}: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The expected and the found value.
        what: String,
    },

    /// A download is whole but has another content than the published one.
    #[error("{url}: SHA-256 of the content is {found}, expected {expected}")]
    Checksum {
        /// The address of the file.
        url: String,
        /// The published sum.
        expected: String,
        /// The sum of the downloaded content.
        found: String,
    },

    /// A download failed or broke off.
    #[error("{url}: {reason}")]
    Download {
        /// The address that was requested.
        url: String,
        /// The reason of the failure.
        reason: String,
    },

    /// No mirror had a good copy.
    #[error("no mirror has {file}:{}", errors.iter().map(|e| format!("\n  {e}")).collect::<String>())]
    Mirrors {
        /// The name of the file.
        file: String,
        /// One error for each mirror, in the order they were asked.
        errors: Vec<DataError>,
    },

    /// Files of a data set are not in the directory.
    #[error("{}: not found: {}", dir.display(), tried.join(", "))]
    Missing {
        /// The directory that was searched.
        dir: PathBuf,
        /// The names that were tried, relative to `dir`, without those that exist.
        tried: Vec<String>,
    },
}

impl DataError {
    /// For `map_err`: names the file in an error of the operating system.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| DataError::Io { path: path.into(), source }
    }

    pub(super) fn format(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        DataError::Format { path: path.as_ref().into(), what: what.into() }
    }
}
