//! One error type for programs that meet several kinds of errors.

use crate::autograd::Mismatch;
use crate::models::data::DataError;
use crate::models::optim::StateError;
use crate::models::{CheckpointError, ModuleMismatch, TrainerError};
use crate::tensor::parallel::ThreadsError;
use crate::tensor::{NpyError, ParseKeyError};

/// Any error of the library: every other one converts into it, so that `?` takes all of them.
///
/// The message is that of the error itself. [`source`](std::error::Error::source) gives its cause, such as the error of
/// the operating system, which the message does not repeat; [`with_causes`] joins both.
///
/// ```
/// use ohmgrad::prelude::*;
///
/// fn outputs() -> Result<Tensor, Error> {
///     let mut net = Sequential::new().linear(784, 10).init(Key::new(0));
///     net.load_weights("weights.safetensors")?;
///     net.to_analog(InferenceRpuConfig::from_file("chip.toml")?, Key::new(1))?;
///     Ok(predict(&net, &Tensor::read_npy("images.npy")?, Key::new(2)))
/// }
///
/// let error = outputs().unwrap_err();
/// assert!(matches!(error, Error::Checkpoint(_)) && error.to_string().starts_with("weights.safetensors: "));
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum Error {
    /// Error of a configuration, a conversion or a chip.
    Analog(#[from] crate::analog::Error),
    /// Error of a NumPy file.
    Npy(#[from] NpyError),
    /// Error of the text of a key.
    Key(#[from] ParseKeyError),
    /// Error of the number of threads.
    Threads(#[from] ThreadsError),
    /// Error of a gradient that was checked.
    Gradient(#[from] Mismatch),
    /// Error of a module's gradients that were checked.
    Module(#[from] ModuleMismatch),
    /// Error of a data set.
    Data(#[from] DataError),
    /// Error of a checkpoint or a file of weights.
    Checkpoint(#[from] CheckpointError),
    /// Error of an optimizer's state.
    Optimizer(#[from] StateError),
    /// Error of a training.
    Trainer(#[from] TrainerError),
    /// Error of a file for the Fusion chip.
    #[cfg(feature = "fusion")]
    Fusion(#[from] crate::models::FusionError),
    /// Error of a picture.
    #[cfg(feature = "plots")]
    Plot(#[from] crate::plots::PlotError),
    /// Error of any other file.
    Io(#[from] std::io::Error),
}

/// The message of an error and those of its causes, for a person to read.
///
/// ```
/// use ohmgrad::prelude::*;
///
/// let error = Tensor::read_npy("none.npy").unwrap_err();
/// let message = ohmgrad::with_causes(&error);
/// assert!(message.starts_with("none.npy: cannot be read or written: "));
/// ```
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let messages = std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string);
    messages.collect::<Vec<_>>().join(": ")
}
