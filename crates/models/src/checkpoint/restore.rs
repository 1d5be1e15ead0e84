//! The way of a file's weights into a network.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use ohmgrad_analog::TileArray;
use ohmgrad_autograd::{Id, Param};
use ohmgrad_tensor::Tensor;

use super::Checkpoint;
use super::error::{CheckpointError, Reshaped};
use crate::affine::{Affine, Weight};
use crate::convert::Network;
use crate::optim::Optimizer;
use crate::visit::{Slot, SlotMut, Visit};

/// Whose hardware a restored network has: that of the file, or that of the network as the program built it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiles {
    /// Each weight lives where it lived when it was saved: on the same tiles, with their configuration, scales, running
    /// means, fixed variations and noise, or in digital memory. A training that goes on like this is the same training.
    FromFile,
    /// Each weight lives where the network has it now. The file gives weights, learned output scales included, of a chip
    /// those that its devices hold; and input ranges and running means, where the tiles of both are cut alike. Tiles of the
    /// network recompute their mapping scales and keep everything else. The optimizer forgets what it remembered of output
    /// scales that are in the weights now.
    FromNetwork,
}

/// What a file held of its tiles, and tiles of a network that are cut otherwise or a digital network could not take over;
/// everything else was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// A line for each weight, with its path.
    pub left: Vec<String>,
}

/// Parameters and buffers of a file.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    pub path: PathBuf,
    /// Whether PyTorch or somebody else may have written the file.
    pub foreign: bool,
    /// By their paths; weights on tiles, and what else is trained of those, among them.
    pub parameters: BTreeMap<String, Tensor>,
    /// By the path of the weight.
    pub tiles: BTreeMap<String, OnTiles>,
}

/// The tiles of a weight.
#[derive(Clone, Debug)]
pub(super) struct OnTiles {
    pub array: TileArray,
    /// The paths of what else is trained of them: it goes where they go.
    pub others: Vec<String>,
}

/// What a slot of the network becomes.
enum New {
    Value(Tensor),
    /// A weight where the file has it.
    Moved(Weight, Option<Tensor>),
    /// A weight for wherever the network has it, and the tiles that the file has it on.
    Set(String, Tensor, Option<Tensor>, Option<Box<TileArray>>),
}

/// What every slot of a network becomes, in the order of the walk.
pub(super) struct Plan(Vec<New>);

impl Checkpoint {
    /// Gives a network, built as the saved one was, the parameters and buffers of the file; and the optimizer, if there
    /// is one, its hyper-parameters and memory. All of it happens, or nothing.
    ///
    /// # Errors
    /// If parameters or buffers of the two differ in name or shape (all of them are listed), a weight of the network is
    /// programmed onto a chip and would have to stay there, or the optimizer is of another kind than the saved one.
    pub fn restore(
        &self,
        net: &mut (impl Visit + ?Sized),
        optimizer: Option<&mut dyn Optimizer>,
        tiles: Tiles,
    ) -> Result<Restored, CheckpointError> {
        let plan = self.weights.plan(net, tiles)?;
        if let Some(optimizer) = optimizer {
            self.restore_optimizer(optimizer, tiles)?;
        }
        Ok(plan.carry_out(net))
    }

    fn restore_optimizer(&self, optimizer: &mut dyn Optimizer, tiles: Tiles) -> Result<(), CheckpointError> {
        let Weights { path, parameters, tiles: arrays, .. } = &self.weights;
        let Some(state) = &self.optimizer else {
            return Err(CheckpointError::entry(path, "optimizer", "nothing", optimizer.state().kind));
        };
        let mut state = state.clone();
        if tiles == Tiles::FromNetwork {
            let folded: BTreeSet<&String> = arrays.values().flat_map(|tiles| &tiles.others).collect();
            state.memory.retain(|name, _| parameters.contains_key(name) && !folded.contains(name));
        }
        let result = optimizer.set_state(state);
        result.map_err(|error| CheckpointError::entry(path, error.entry, error.found, error.expected))
    }
}

impl Weights {
    /// What each slot of a network becomes.
    pub fn plan(&self, net: &(impl Visit + ?Sized), tiles: Tiles) -> Result<Plan, CheckpointError> {
        let names = net.names();
        let mut fit = Fit { weights: self, used: BTreeSet::new(), missing: vec![], reshaped: vec![] };
        let mut plan = vec![];
        let (mut without_bias, mut programmed) = (None, None);
        net.visit("", &mut |path, slot| match slot {
            // PyTorch itself loads files without the count, as they were written before it was kept.
            Slot::Buffer(param) if self.foreign && is_count(path) && !self.parameters.contains_key(path) => {
                plan.push(New::Value(param.value.clone()));
            }
            Slot::Param(param) | Slot::Buffer(param) => {
                plan.extend(fit.tensor(path, param.value.shape()).map(New::Value));
            }
            Slot::Affine(affine) => {
                let (weight, bias) = fit.affine(affine, &names);
                let name = &names[&affine.weight().id()];
                let array = self.tiles.get(name).map(|on| &on.array);
                if affine.bias.is_none() && array.is_some_and(TileArray::has_analog_bias) {
                    without_bias = Some(name.clone());
                }
                if affine.is_programmed() && tiles == Tiles::FromNetwork {
                    programmed = Some(name.clone());
                }
                if let Some(weight) = weight.filter(|_| bias.is_some() == affine.bias.is_some()) {
                    plan.push(match tiles {
                        Tiles::FromFile => New::Moved(placed(array, weight), bias),
                        Tiles::FromNetwork => effective(path, array, weight, bias),
                    });
                }
            }
        });
        fit.finish()?;
        let wrong = |name, found, expected| Err(CheckpointError::entry(&self.path, name, found, expected));
        match (without_bias, programmed) {
            (None, None) => Ok(Plan(plan)),
            (Some(name), _) => wrong(name, "a bias on its tiles", "none, as the layer has no bias"),
            (_, Some(name)) => {
                wrong(name, "a weight", "none, as the network's weight is programmed onto a chip; use Tiles::FromFile")
            }
        }
    }
}

impl Plan {
    /// Changes the network that the plan was made for, and says what could not be taken over.
    pub fn carry_out(self, net: &mut (impl Visit + ?Sized)) -> Restored {
        let mut restored = Restored::default();
        let mut plan = self.0.into_iter();
        net.visit_mut("", &mut |_, slot| match (slot, plan.next()) {
            (SlotMut::Param(param) | SlotMut::Buffer(param), Some(New::Value(value))) => param.value = value,
            (SlotMut::Affine(affine), Some(New::Set(path, weight, bias, array))) => {
                affine.set(weight, bias);
                let Some(array) = array else { return };
                let taken = match &mut affine.weight {
                    Weight::Analog(tiles) => tiles.inherit(&array).map_err(|error| error.to_string()),
                    Weight::Digital(_) if array.has_found_inputs() => {
                        Err("input ranges and running means stay behind, as the weight is digital".into())
                    }
                    Weight::Digital(_) => Ok(()),
                };
                restored.left.extend(taken.err().map(|reason| format!("{path}: {reason}")));
            }
            (SlotMut::Affine(affine), Some(New::Moved(weight, bias))) => {
                let frozen = affine.frozen();
                affine.weight = weight;
                affine.stay_frozen(&frozen);
                if let (Some(param), Some(bias)) = (&mut affine.bias, bias) {
                    param.value = bias;
                }
            }
            _ => unreachable!("both walks find the same slots"),
        });
        restored
    }
}

/// Whether a buffer is the number of batches that a batch norm has seen.
pub(super) fn is_count(path: &str) -> bool {
    path.rsplit('.').next() == Some("num_batches_tracked")
}

/// A weight where the file has it: on its tiles, or in digital memory.
fn placed(array: Option<&TileArray>, weight: Tensor) -> Weight {
    match array {
        Some(array) => Weight::Analog(Box::new(array.clone())),
        None => Weight::Digital(Param::new(weight)),
    }
}

/// A weight and a bias as evaluations see them.
fn effective(path: &str, array: Option<&TileArray>, weight: Tensor, bias: Option<Tensor>) -> New {
    let (weight, of_tile) = array.map_or((weight, None), |array| array.effective_weights(bias.as_ref()));
    New::Set(path.into(), weight, of_tile.or(bias), array.cloned().map(Box::new))
}

/// Finds a network's tensors in a file, and remembers what was not as it should be.
struct Fit<'a> {
    weights: &'a Weights,
    used: BTreeSet<String>,
    missing: Vec<String>,
    reshaped: Vec<Reshaped>,
}

impl Fit<'_> {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Option<Tensor> {
        let Some(tensor) = self.weights.parameters.get(name) else {
            self.missing.push(name.into());
            return None;
        };
        self.used.insert(name.into());
        if tensor.shape() == shape {
            return Some(tensor.clone());
        }
        // PyTorch's kernels [out, in, height, width] are the rows of the matrix that lies on tiles.
        if self.weights.foreign
            && let (&[outs, ins], Some((&first, inner))) = (shape, tensor.shape().split_first())
            && (inner.len() > 1 && first == outs && inner.iter().product::<usize>() == ins)
        {
            return Some(tensor.reshape(shape));
        }
        self.reshaped.push(Reshaped { name: name.into(), found: tensor.shape().into(), expected: shape.into() });
        None
    }

    /// The weight and the bias of a slot.
    fn affine(&mut self, affine: &Affine, names: &HashMap<Id, String>) -> (Option<Tensor>, Option<Tensor>) {
        let mut tensor = |param: &Param| self.tensor(&names[&param.id()], param.value.shape());
        let found = (tensor(affine.weight()), affine.bias.as_ref().and_then(tensor));
        if let Some(on) = self.weights.tiles.get(&names[&affine.weight().id()]) {
            self.used.extend(on.others.iter().cloned());
        }
        found
    }

    fn finish(self) -> Result<(), CheckpointError> {
        let Self { weights, used, missing, reshaped } = self;
        let unexpected: Vec<String> = weights.parameters.keys().filter(|name| !used.contains(*name)).cloned().collect();
        if missing.is_empty() && unexpected.is_empty() && reshaped.is_empty() {
            return Ok(());
        }
        Err(CheckpointError::Mismatch { path: weights.path.clone(), missing, unexpected, reshaped })
    }
}

/// Reads weights into a network; see [`Network::load_weights`].
pub(crate) fn load_weights(net: &mut (impl Visit + ?Sized), path: &Path) -> Result<Restored, CheckpointError> {
    Ok(super::read_weights(path)?.plan(net, Tiles::FromNetwork)?.carry_out(net))
}

/// Reads weights of other names into a network; see [`Network::load_weights_as`].
pub(crate) fn load_weights_as(
    net: &mut (impl Visit + ?Sized),
    path: &Path,
    names: &BTreeMap<String, String>,
) -> Result<Restored, CheckpointError> {
    let mut weights = super::read_weights(path)?;
    if let Some(name) = names.keys().find(|name| !weights.parameters.contains_key(*name)) {
        let there: Vec<&str> = weights.parameters.keys().map(String::as_str).collect();
        return Err(CheckpointError::entry(path, name, "no such tensor", format!("one of {}", there.join(", "))));
    }
    let mut new: Vec<&str> = weights.parameters.keys().map(|name| names.get(name).unwrap_or(name).as_str()).collect();
    new.sort_unstable();
    if let Some(twice) = new.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(CheckpointError::entry(path, twice[0], "two tensors of this new name", "one"));
    }
    fn renamed<T>(of: BTreeMap<String, T>, names: &BTreeMap<String, String>) -> BTreeMap<String, T> {
        of.into_iter().map(|(name, value)| (names.get(&name).cloned().unwrap_or(name), value)).collect()
    }
    weights.parameters = renamed(weights.parameters, names);
    weights.tiles = renamed(weights.tiles, names);
    Ok(weights.plan(net, Tiles::FromNetwork)?.carry_out(net))
}
