//! One error for programs that meet several kinds.

use ohmgrad_autograd::Mismatch;
use ohmgrad_tensor::{NpyError, ParseKeyError};

use crate::checkpoint::CheckpointError;
use crate::data::DataError;
use crate::fusion::FusionError;
use crate::optim::StateError;
use crate::trainer::TrainerError;

/// Any error of the library: every other one converts into it, so that `?` takes all of them.
///
/// The message and the causes are those of the error itself.
///
/// ```
/// use ohmgrad_analog::InferenceRpuConfig;
/// use ohmgrad_models::{Error, Network, Sequential};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// fn outputs() -> Result<Tensor, Error> {
///     let mut net = Sequential::new().linear(784, 10).init(Key::new(0));
///     net.load_weights("weights.safetensors")?;
///     net.to_analog(InferenceRpuConfig::from_file("chip.toml")?, Key::new(1))?;
///     Ok(ohmgrad_models::predict(&net, &Tensor::read_npy("images.npy")?, Key::new(2)))
/// }
///
/// let error = outputs().unwrap_err();
/// assert!(matches!(error, Error::Checkpoint(_)) && error.to_string().starts_with("weights.safetensors: "));
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum Error {
    /// Of a configuration, a conversion or a chip.
    Analog(#[from] ohmgrad_analog::Error),
    /// Of a NumPy file.
    Npy(#[from] NpyError),
    /// Of the text of a key.
    Key(#[from] ParseKeyError),
    /// Of a gradient that was checked.
    Gradient(#[from] Mismatch),
    /// Of a data set.
    Data(#[from] DataError),
    /// Of a checkpoint or a file of weights.
    Checkpoint(#[from] CheckpointError),
    /// Of the state of an optimizer.
    Optimizer(#[from] StateError),
    /// Of a training.
    Trainer(#[from] TrainerError),
    /// Of a file for the Fusion chip.
    Fusion(#[from] FusionError),
    /// Of any other file.
    Io(#[from] std::io::Error),
}
