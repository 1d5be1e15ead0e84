//! The names of tensors in a checkpoint.
//!
//! | name | content |
//! |---|---|
//! | `conv1.weight` | a parameter or buffer, by its path |
//! | `@tiles/conv1.weight/0.forward.v_offset` | other state of the tiles that hold the parameter `conv1.weight` |
//! | `@optimizer/conv1.weight/mean` | the optimizer's memory of it |
//!
//! Names in the state of tiles and in an optimizer's memory have no `/`; paths may.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use ohmgrad_analog::{Error, TileArray, TileArrayState};
use ohmgrad_tensor::Tensor;

use super::Checkpoint;
use super::error::CheckpointError;
use super::header::{Header, OptimizerHeader, TilesHeader, TrainingState, VERSION};
use super::restore::{OnTiles, Weights};
use crate::convert::Network;
use crate::optim::{Optimizer, OptimizerState, Remembered};
use crate::visit::Visit;

const TILES: &str = "@tiles/";
const OPTIMIZER: &str = "@optimizer/";

/// The header and the tensors of a checkpoint.
pub(super) fn take_apart(
    net: &(impl Visit + ?Sized),
    optimizer: Option<&dyn Optimizer>,
    training: &TrainingState,
    path: &Path,
) -> Result<(String, BTreeMap<String, Tensor>), CheckpointError> {
    let mut tensors: Vec<(String, Tensor)> = net.state_dict();
    let names = net.names();
    let mut tiles = BTreeMap::new();
    for (_, array) in net.tile_arrays() {
        let weight = &names[&array.weight.id()];
        let mut state = array.state();
        let parameters: BTreeMap<_, _> =
            array.params().map(|(name, param)| (name.to_owned(), names[&param.id()].clone())).collect();
        state.tensors.retain(|name, _| !parameters.contains_key(name));
        tensors.extend(state.tensors.into_iter().map(|(name, part)| (format!("{TILES}{weight}/{name}"), part)));
        tiles.insert(weight.clone(), TilesHeader { parameters, layout: state.layout });
    }
    let optimizer = optimizer.map(Optimizer::state).map(|OptimizerState { kind, settings, memory }| {
        let mut steps = BTreeMap::new();
        for (parameter, remembered) in memory {
            let part = |(name, tensor)| (format!("{OPTIMIZER}{parameter}/{name}"), tensor);
            tensors.extend(remembered.tensors.into_iter().map(part));
            steps.insert(parameter, remembered.steps);
        }
        OptimizerHeader { kind, settings, steps }
    });
    let mut seen = HashSet::new();
    if let Some((name, _)) = tensors.iter().find(|(name, _)| !seen.insert(name)) {
        return Err(CheckpointError::entry(path, name, "two of this path", "one"));
    }
    let written_by = format!("ohmgrad {}", env!("CARGO_PKG_VERSION"));
    let header = Header { version: VERSION, written_by, training: training.clone(), tiles, optimizer };
    Ok((header.to_text(path)?, tensors.into_iter().collect()))
}

/// The checkpoint of a header and tensors.
pub(super) fn put_together(
    text: &str,
    tensors: BTreeMap<String, Tensor>,
    path: &Path,
) -> Result<Checkpoint, CheckpointError> {
    let header = Header::parse(text, path)?;
    let mut parts: BTreeMap<String, BTreeMap<String, Tensor>> =
        header.tiles.keys().map(|weight| (weight.clone(), BTreeMap::new())).collect();
    let mut optimizer = header.optimizer.map(|OptimizerHeader { kind, settings, steps }| {
        let empty = |(name, steps)| (name, Remembered { steps, tensors: BTreeMap::new() });
        OptimizerState { kind, settings, memory: steps.into_iter().map(empty).collect() }
    });
    let mut parameters = BTreeMap::new();
    for (name, tensor) in tensors {
        let place = if let Some((weight, part)) = section(&name, TILES) {
            parts.get_mut(weight).map(|parts| (parts, part))
        } else if let Some((parameter, part)) = section(&name, OPTIMIZER) {
            let memory = optimizer.as_mut().map(|state| &mut state.memory);
            memory.and_then(|memory| memory.get_mut(parameter)).map(|remembered| (&mut remembered.tensors, part))
        } else {
            Some((&mut parameters, name.as_str())).filter(|_| !name.starts_with('@'))
        };
        let Some((place, part)) = place else {
            return Err(CheckpointError::entry(path, &name, "a tensor", "nothing, as the header does not name it"));
        };
        place.insert(part.into(), tensor);
    }
    let mut tiles = BTreeMap::new();
    for (weight, TilesHeader { parameters: named, layout }) in header.tiles {
        let mut tensors = parts.remove(&weight).expect("one for each in the header");
        for (part, name) in &named {
            let Some(tensor) = parameters.get(name) else {
                return Err(CheckpointError::entry(path, name, "nothing", format!("the {part} of tiles")));
            };
            if tensors.insert(part.clone(), tensor.clone()).is_some() || (part == "weight" && *name != weight) {
                return Err(CheckpointError::entry(path, format!("{TILES}{weight}/{part}"), "two of them", "one"));
            }
        }
        let array = TileArray::from_state(TileArrayState { layout, tensors });
        let array = array.map_err(|error| in_tiles(error, &weight, path))?;
        let others = named.into_values().filter(|name| *name != weight).collect();
        tiles.insert(weight, OnTiles { array, others });
    }
    check_optimizer(optimizer.as_ref(), &parameters, path)?;
    let weights = Weights { path: path.into(), foreign: false, parameters, tiles };
    Ok(Checkpoint { training: header.training, weights, optimizer })
}

/// The parameter and the part in a name of a section.
fn section<'a>(name: &'a str, section: &str) -> Option<(&'a str, &'a str)> {
    name.strip_prefix(section)?.rsplit_once('/')
}

/// Checks that settings are finite (others are null in JSON), and that an optimizer's memory has the shapes of its
/// parameters. Memory of parameters that are gone is allowed.
fn check_optimizer(
    optimizer: Option<&OptimizerState>,
    parameters: &BTreeMap<String, Tensor>,
    path: &Path,
) -> Result<(), CheckpointError> {
    let mut settings = optimizer.iter().filter_map(|state| state.settings.as_object()).flatten();
    if let Some((name, null)) = settings.find(|(_, value)| value.is_null()) {
        return Err(CheckpointError::entry(path, format!("optimizer.settings.{name}"), null, "a finite number"));
    }
    for (name, remembered) in optimizer.iter().flat_map(|state| &state.memory) {
        let Some(shape) = parameters.get(name).map(Tensor::shape) else { continue };
        if let Some((part, tensor)) = remembered.tensors.iter().find(|(_, tensor)| tensor.shape() != shape) {
            let (entry, found) = (format!("{OPTIMIZER}{name}/{part}"), format!("shape {:?}", tensor.shape()));
            return Err(CheckpointError::entry(path, entry, found, format!("{shape:?}, as of {name}")));
        }
    }
    Ok(())
}

fn in_tiles(error: Error, weight: &str, path: &Path) -> CheckpointError {
    match error {
        Error::State { entry, found, expected } => {
            CheckpointError::entry(path, format!("{TILES}{weight}/{entry}"), found, expected)
        }
        error => CheckpointError::entry(path, format!("{TILES}{weight}"), error, "a valid configuration"),
    }
}
