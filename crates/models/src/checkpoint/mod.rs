//! Checkpoints: a network, its optimizer and the state of its training in one safetensors file.
//!
//! | where is … | file |
//! |---|---|
//! | which tensor has which name in the file | `sections.rs` |
//! | what the header says, the version of the format | `header.rs` |
//! | how bytes become tensors, which types are converted | `format.rs` |
//! | what fits a network, whose tiles are kept | `restore.rs` |
//!
//! `TileArray::state` and `Optimizer::state` define the state of tiles and optimizers.

mod error;
mod format;
#[cfg(test)]
mod fuzz;
mod header;
#[cfg(test)]
mod hostile;
mod json;
mod restore;
mod sections;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ohmgrad_analog::TileArray;
use ohmgrad_tensor::Tensor;

use crate::optim::{Optimizer, OptimizerState};
use crate::visit::Visit;

pub use error::{CheckpointError, Reshaped};
pub use header::{EpochState, TrainingState};
use restore::Weights;
pub(crate) use restore::load_weights_as;
pub use restore::{Restored, Tiles};

/// A network, its optimizer and the state of its training in one file.
///
/// The file is [safetensors](https://huggingface.co/docs/safetensors): it has parameters and buffers under their paths,
/// as a PyTorch state dict, and the tiles and the optimizer's memory. A training that goes on from it is bit-identical
/// to one that never stopped:
///
/// ```
/// use ohmgrad_analog::InferenceRpuConfig;
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_models::{Adam, Checkpoint, Module, Network, Sequential, Tiles, TrainingState};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("run.safetensors");
/// let network = || Sequential::new().linear(6, 16).softplus().linear(16, 3).init(Key::new(42).fold("weights"));
///
/// // A program that may be stopped at any moment, and that goes on where it was when it is started again:
/// let train = |until: usize| -> Result<f32, Box<dyn std::error::Error>> {
///     let (mut net, mut adam, mut training) = (network(), Adam::new(1e-2), TrainingState::new(Key::new(42)));
///     if path.exists() {
///         let checkpoint = Checkpoint::load(&path)?;
///         checkpoint.restore(&mut net, Some(&mut adam), Tiles::FromFile)?;
///         training = checkpoint.training().clone();
///     } else {
///         net.to_analog(&InferenceRpuConfig::default(), training.key.fold("hardware"))?;
///     }
///     let mut last = f32::NAN;
///     while training.step < until {
///         let key = training.key.fold("step").fold(training.step);
///         let tape = Tape::train(key);
///         let x = tape.constant(Tensor::normal(&[32, 6], key.fold("x")));
///         let loss = net.forward(x).mse(tape.constant(Tensor::full(&[32, 3], 0.5)));
///         last = loss.item();
///         adam.step(&mut net, loss.backward());
///         training.step += 1;
///         Checkpoint::save(&path, &net, Some(&adam), &training)?;
///     }
///     Ok(last)
/// };
///
/// train(3)?;
/// let stopped = train(6)?;
/// std::fs::remove_file(&path)?;
/// assert_eq!(stopped.to_bits(), train(6)?.to_bits());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoint {
    training: TrainingState,
    weights: Weights,
    optimizer: Option<OptimizerState>,
}

impl Checkpoint {
    /// Writes a network, its optimizer and the state of its training.
    ///
    /// The file is replaced as a whole: a reader finds the old checkpoint or the new one, even if this process
    /// is killed or the machine stops while it writes. A state that could not be loaded again is an error.
    ///
    /// # Errors
    /// If the file can't be written; or if the network has two parameters of one path, the optimizer's settings are not
    /// finite, or a fixed variation of a tile was replaced by one of another shape.
    pub fn save(
        path: impl AsRef<Path>,
        net: &(impl Visit + ?Sized),
        optimizer: Option<&dyn Optimizer>,
        training: &TrainingState,
    ) -> Result<(), CheckpointError> {
        let path = path.as_ref();
        let (text, tensors) = sections::take_apart(net, optimizer, training, path)?;
        let bytes = format::encode(text, &tensors, path)?;
        drop(tensors);
        Self::from_bytes(&bytes, path)?;
        ohmgrad_files::replace(path, &bytes).map_err(CheckpointError::io(path))
    }

    /// The checkpoint that [`save`](Self::save) would write and [`load`](Self::load) read, without a file.
    ///
    /// # Errors
    /// As for [`save`](Self::save), except those of files.
    pub fn of(
        net: &(impl Visit + ?Sized),
        optimizer: Option<&dyn Optimizer>,
        training: &TrainingState,
    ) -> Result<Self, CheckpointError> {
        let path = Path::new("checkpoint in memory");
        let (text, tensors) = sections::take_apart(net, optimizer, training, path)?;
        sections::put_together(&text, tensors, path)
    }

    /// Reads a checkpoint, checking all that can be checked without a network.
    ///
    /// # Errors
    /// If the file can't be read, or is not a whole and consistent checkpoint of a version that is known here.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        Self::from_bytes(&fs::read(path).map_err(CheckpointError::io(path))?, path)
    }

    /// As [`load`](Self::load), from the bytes of a file, which errors call `path`.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn from_bytes(bytes: &[u8], path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let contents = format::decode(bytes, path)?;
        let text = contents.text.ok_or_else(|| CheckpointError::NoCheckpoint { path: path.into() })?;
        sections::put_together(&text, contents.tensors, path)
    }

    /// The saved state of the training.
    pub fn training(&self) -> &TrainingState {
        &self.training
    }

    /// Parameters and buffers by their paths, in the paths' order.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.weights.parameters.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The weights that live on tiles, by their paths.
    pub fn tiles(&self) -> impl Iterator<Item = (&str, &TileArray)> {
        self.weights.tiles.iter().map(|(name, on)| (name.as_str(), &on.array))
    }

    /// The optimizer's hyper-parameters and memory, if it was saved.
    pub fn optimizer(&self) -> Option<&OptimizerState> {
        self.optimizer.as_ref()
    }
}

/// The weights of a checkpoint, or of a file that holds nothing else.
fn read_weights(path: &Path) -> Result<Weights, CheckpointError> {
    parse_weights(&fs::read(path).map_err(CheckpointError::io(path))?, path)
}

fn parse_weights(bytes: &[u8], path: &Path) -> Result<Weights, CheckpointError> {
    let contents = format::decode(bytes, path)?;
    match contents.text {
        Some(text) => Ok(sections::put_together(&text, contents.tensors, path)?.weights),
        None => {
            let (parameters, tiles) = (contents.tensors, BTreeMap::new());
            Ok(Weights { path: path.into(), foreign: true, parameters, tiles })
        }
    }
}
