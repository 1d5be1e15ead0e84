//! Restoring the weights of a file into a network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ohmgrad_analog::TileArray;
use ohmgrad_autograd::Param;
use ohmgrad_tensor::Tensor;

use super::Checkpoint;
use super::error::{CheckpointError, Reshaped};
use crate::affine::{Affine, Weight};
use crate::optim::Optimizer;
use crate::visit::{SlotMut, Visit, join};

/// Choice of the hardware of a restored network: that of the file, or that of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiles {
    /// Each weight is where it was when it was saved: on the same tiles, with their configuration, scales, running
    /// means, fixed variations and noise, or in digital memory. A training that goes on from it is the same training.
    FromFile,
    /// Each weight stays where the network has it now. Weights come with their learned output scales; of a chip they
    /// are those that its devices hold. Input ranges and running means come along if the tiles of both are cut alike.
    /// Tiles of the network recompute their mapping scales and keep everything else. The optimizer drops its memory of
    /// the file's learned scales and input ranges.
    FromNetwork,
}

/// Input ranges and running means of a file that were not restored, because the network's tiles are cut otherwise or
/// the weight is digital; everything else was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// A line for each weight, with its path.
    pub left: Vec<String>,
}

/// Parameters and buffers of a file.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    pub path: PathBuf,
    /// `true` if PyTorch or another program may have written the file.
    pub foreign: bool,
    /// By their paths; weights on tiles, learned scales and learned input ranges included.
    pub parameters: BTreeMap<String, Tensor>,
    /// By the path of the weight.
    pub tiles: BTreeMap<String, OnTiles>,
}

/// The tiles of a weight.
#[derive(Clone, Debug)]
pub(super) struct OnTiles {
    pub array: TileArray,
    /// The paths of their learned scales and input ranges.
    pub others: Vec<String>,
}

/// The new content of a slot of the network.
enum Change<'a> {
    Value(&'a mut Param, Tensor),
    /// A weight and bias that move to their place in the file.
    Moved(&'a mut Affine, Weight, Option<Tensor>),
    /// A weight and bias that stay at their place in the network, and the file's tiles.
    Set(&'a mut Affine, String, Tensor, Option<Tensor>, Option<&'a TileArray>),
}

/// The new content of every slot of a network.
pub(super) struct Plan<'a>(Vec<Change<'a>>);

impl Checkpoint {
    /// Restores the parameters and buffers of a network, built as the saved one was, and the hyper-parameters and
    /// memory of the optimizer, if there is one. On an error nothing changes.
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
        Ok(plan.carry_out())
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
    /// The new content of each slot of a network.
    pub fn plan<'a>(&'a self, net: &'a mut (impl Visit + ?Sized), tiles: Tiles) -> Result<Plan<'a>, CheckpointError> {
        let mut fit = Fit { weights: self, used: BTreeSet::new(), missing: vec![], reshaped: vec![] };
        let (mut changes, mut refused) = (vec![], None);
        for (path, slot) in net.slots_mut() {
            let affine = match slot {
                SlotMut::Affine(affine) => affine,
                // As PyTorch, this takes files without the count: early versions did not keep it.
                SlotMut::Buffer(_) if self.foreign && is_count(&path) && !self.parameters.contains_key(&path) => {
                    continue;
                }
                SlotMut::Param(param) | SlotMut::Buffer(param) => {
                    let value = fit.tensor(&path, param.value.shape());
                    changes.extend(value.map(|value| Change::Value(param, value)));
                    continue;
                }
            };
            let name = affine.naming.path(&path, "weight");
            let (weight, bias) = fit.affine(affine, &path, &name);
            let array = self.tiles.get(&name).map(|on| &on.array);
            let refuse = |found, expected| Some(CheckpointError::entry(&self.path, &name, found, expected));
            if affine.bias.is_none() && array.is_some_and(TileArray::has_analog_bias) {
                refused = refused.or_else(|| refuse("a bias on its tiles", "none, as the layer has no bias"));
            }
            if affine.is_programmed() && tiles == Tiles::FromNetwork {
                let expected = "none, as the network's weight is programmed onto a chip; use Tiles::FromFile";
                refused = refused.or_else(|| refuse("a weight", expected));
            }
            if let Some(weight) = weight.filter(|_| bias.is_some() == affine.bias.is_some()) {
                changes.push(match tiles {
                    Tiles::FromFile => Change::Moved(affine, placed(array, weight), bias),
                    Tiles::FromNetwork => effective(affine, path, array, weight, bias),
                });
            }
        }
        fit.finish()?;
        refused.map_or(Ok(Plan(changes)), Err)
    }
}

impl Plan<'_> {
    /// Changes the network that the plan was made for; returns what could not be restored.
    pub fn carry_out(self) -> Restored {
        let mut restored = Restored::default();
        for change in self.0 {
            match change {
                Change::Value(param, value) => param.value = value,
                Change::Set(affine, path, weight, bias, array) => {
                    affine.set(weight, bias);
                    let Some(array) = array else { continue };
                    let taken = match affine.tiles_mut() {
                        Some(tiles) => tiles.inherit(array).map_err(|error| error.to_string()),
                        None if array.has_found_inputs() => {
                            Err("input ranges and running means stay behind, as the weight is digital".into())
                        }
                        None => Ok(()),
                    };
                    restored.left.extend(taken.err().map(|reason| format!("{path}: {reason}")));
                }
                Change::Moved(affine, weight, bias) => {
                    let frozen = affine.frozen();
                    affine.weight = weight;
                    affine.stay_frozen(&frozen);
                    if let (Some(param), Some(bias)) = (&mut affine.bias, bias) {
                        param.value = bias;
                    }
                }
            }
        }
        restored
    }
}

/// Returns `true` if a buffer is the number of batches that a batch norm has processed.
pub(super) fn is_count(path: &str) -> bool {
    path.rsplit('.').next() == Some("num_batches_tracked")
}

/// A weight at its place in the file: on its tiles, or in digital memory.
fn placed(array: Option<&TileArray>, weight: Tensor) -> Weight {
    match array {
        Some(array) => Weight::Analog(Box::new(array.clone())),
        None => Weight::Digital(Param::new(weight)),
    }
}

/// The change to the file's effective weight and bias.
fn effective<'a>(
    affine: &'a mut Affine,
    path: String,
    array: Option<&'a TileArray>,
    weight: Tensor,
    bias: Option<Tensor>,
) -> Change<'a> {
    let (weight, of_tile) = array.map_or((weight, None), |array| array.effective_weights(bias.as_ref()));
    Change::Set(affine, path, weight, of_tile.or(bias), array)
}

/// A search for a network's tensors in a file, with the differences found so far.
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

    /// The weight, which is called `name`, and the bias of a slot.
    fn affine(&mut self, affine: &Affine, path: &str, name: &str) -> (Option<Tensor>, Option<Tensor>) {
        let weight = self.tensor(name, affine.weight().value.shape());
        let bias = affine.bias.as_ref();
        let bias = bias.and_then(|bias| self.tensor(&affine.naming.path(path, "bias"), bias.value.shape()));
        if let Some(on) = self.weights.tiles.get(name) {
            self.used.extend(on.others.iter().cloned());
        }
        (weight, bias)
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

impl Weights {
    /// Renames tensors: `names` maps a name in the file, or leading components of names, to those of the network.
    fn rename(&mut self, names: &BTreeMap<String, String>) -> Result<(), CheckpointError> {
        let wrong = |name, found, expected: String| Err(CheckpointError::entry(&self.path, name, found, expected));
        let there = || self.parameters.keys();
        if let Some(first) = names.keys().find(|first| there().all(|name| below(name, first).is_none())) {
            let names: Vec<&str> = there().map(String::as_str).collect();
            return wrong(first, "no such tensor", format!("one of {}, or their leading components", names.join(", ")));
        }
        let here = |name: &str| {
            let fits = names.iter().filter_map(|(first, here)| Some((first.len(), here, below(name, first)?)));
            match fits.max_by_key(|(length, ..)| *length) {
                Some((_, here, "")) => here.clone(),
                Some((_, here, rest)) => join(here, rest),
                None => name.to_owned(),
            }
        };
        let mut seen = BTreeSet::new();
        if let Some(name) = there().map(|name| here(name)).find(|name| !seen.insert(name.clone())) {
            return wrong(&name, "two tensors that get this name", "one".into());
        }
        let renamed = |on: OnTiles| OnTiles { others: on.others.iter().map(|name| here(name)).collect(), ..on };
        self.parameters = std::mem::take(&mut self.parameters).into_iter().map(|(name, t)| (here(&name), t)).collect();
        self.tiles = std::mem::take(&mut self.tiles).into_iter().map(|(name, on)| (here(&name), renamed(on))).collect();
        Ok(())
    }
}

/// The rest of a name after its leading components `first`; empty if these are the whole name.
fn below<'a>(name: &'a str, first: &str) -> Option<&'a str> {
    match name.strip_prefix(first)? {
        rest if rest.is_empty() || first.is_empty() => Some(rest),
        rest => rest.strip_prefix('.'),
    }
}

/// Reads weights of other names into a network; see [`Network::load_weights_as`](crate::Network::load_weights_as).
pub(crate) fn load_weights_as(
    net: &mut (impl Visit + ?Sized),
    path: &Path,
    names: &BTreeMap<String, String>,
) -> Result<Restored, CheckpointError> {
    let mut weights = super::read_weights(path)?;
    weights.rename(names)?;
    Ok(weights.plan(net, Tiles::FromNetwork)?.carry_out())
}
