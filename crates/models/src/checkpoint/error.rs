//! Errors of checkpoints, and of a checkpoint that does not fit a network.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A checkpoint that could not be written, read or restored, and why: every variant names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The operating system refused to read or write.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// The file is not safetensors: cut off, with offsets that overlap or leave gaps, a name given twice, ….
    #[error("{}: no safetensors file: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The defect of the file.
        what: String,
    },

    /// The file holds tensors, but nothing says that it is a checkpoint.
    #[error("{}: tensors alone, no checkpoint; load_weights reads them into a network", path.display())]
    NoCheckpoint {
        /// The file.
        path: PathBuf,
    },

    /// The checkpoint was written by a later version.
    #[error("{}: a checkpoint of format {found}; this version reads format {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The format's version, as the file has it.
        found: String,
        /// The version that is read.
        expected: u64,
    },

    /// One thing in the file is not what it has to be.
    #[error("{}: {entry}: found {found}, expected {expected}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The tensor or field.
        entry: String,
        /// The value that was found.
        found: String,
        /// The value that is allowed.
        expected: String,
    },

    /// The file and the network do not have the same parameters. All differences are listed.
    #[error("{}: not of this network:{}", path.display(), differences(missing, unexpected, reshaped))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Parameters and buffers of the network that the file does not have.
        missing: Vec<String>,
        /// Those of the file that the network does not have.
        unexpected: Vec<String>,
        /// Those that differ in shape.
        reshaped: Vec<Reshaped>,
    },
}

/// A parameter that has one shape in a file and another in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshaped {
    /// Its path.
    pub name: String,
    /// Its shape in the file.
    pub found: Vec<usize>,
    /// Its shape in the network.
    pub expected: Vec<usize>,
}

impl CheckpointError {
    /// For `map_err`: names the file in an error of the operating system.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.into(), source }
    }

    pub(super) fn format(path: &Path, what: impl ToString) -> Self {
        Self::Format { path: path.into(), what: what.to_string() }
    }

    pub(super) fn entry(path: &Path, entry: impl ToString, found: impl ToString, expected: impl ToString) -> Self {
        Self::Entry {
            path: path.into(),
            entry: entry.to_string(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }
}

fn differences(missing: &[String], unexpected: &[String], reshaped: &[Reshaped]) -> String {
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| text.write_fmt(args).expect("strings take everything");
    missing.iter().for_each(|name| line(format_args!("\n  {name}: not in the file")));
    unexpected.iter().for_each(|name| line(format_args!("\n  {name}: not in the network")));
    for Reshaped { name, found, expected } in reshaped {
        line(format_args!("\n  {name}: {found:?} in the file, {expected:?} in the network"));
    }
    text
}
