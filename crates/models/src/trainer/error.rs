//! Errors of a training.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::checkpoint::CheckpointError;

/// Errors that end a training.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainerError {
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),

    /// Metrics could not be written, or a file has the metrics of another training.
    #[error("{}: metrics cannot be written there", path.display())]
    Metrics {
        /// The file.
        path: PathBuf,
        /// The error of the system, or the defect of the file.
        source: io::Error,
    },

    /// There is nothing to train on.
    #[error("a training of {rows} rows in batches of {batch}: both must be at least 1")]
    Empty {
        /// The rows of the data set.
        rows: usize,
        /// The rows of a batch.
        batch: usize,
    },

    /// The network takes batches along one axis of its input, the data set has its samples along another.
    #[error(
        "the network takes its batch along axis {network} of an input, the data set has its samples along axis {data}; \
         sequences [time, batch, …] are Dataset::time_first, or the network's layers batch_first"
    )]
    Layout {
        /// The axis of the network.
        network: usize,
        /// The axis of the data set.
        data: usize,
    },

    /// A checkpoint was made with other data or batches.
    #[error(
        "the checkpoint is of a training on {found_rows} rows in batches of {found_batch}, this one has {rows} rows in \
         batches of {batch}; resume_epochs goes on from the last whole epoch"
    )]
    OtherData {
        /// The rows of the checkpoint's data set.
        found_rows: usize,
        /// The rows of its batches.
        found_batch: usize,
        /// The rows of the data set at hand.
        rows: usize,
        /// The rows of a batch, as the trainer was told.
        batch: usize,
    },

    /// A checkpoint has no place in an epoch, or an impossible one.
    #[error(
        "the checkpoint has {epoch} epochs and {step} steps behind it{within}, which is not a place in a training with \
         {per_epoch} steps an epoch; resume_epochs goes on from the last whole epoch"
    )]
    Place {
        /// Its whole epochs.
        epoch: usize,
        /// Its steps.
        step: usize,
        /// Its steps in the epoch that had begun, in words; empty if it has none.
        within: String,
        /// The steps of an epoch of the data at hand.
        per_epoch: usize,
    },
}
