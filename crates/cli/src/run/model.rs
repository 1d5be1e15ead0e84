//! Networks from files: those of a run, and weights of PyTorch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ohmgrad::prelude::*;

use super::folder::{Folder, RECIPE};
use super::training::{Phase, on_tiles};
use crate::data::Data;
use crate::failure::{Failure, Outcome};
use crate::recipe::Recipe;

/// A trained network with the recipe and the data that it belongs to.
pub struct Model {
    /// The recipe of its run.
    pub recipe: Recipe,
    /// Its data.
    pub data: Data,
    /// The network as the file has it: digital, or on the tiles that it was trained on.
    pub net: Sequential,
    /// What it is called in tables.
    pub title: String,
    /// The folder that results belong into.
    pub folder: PathBuf,
}

impl Model {
    /// Reads a model: the folder of a run, whose last training is taken, or a file of weights with a recipe beside it or given.
    pub fn read(path: &Path, recipe: Option<&Path>, sets: &[String]) -> Outcome<Self> {
        let (file, beside) = match path.is_dir() {
            true => (last_network(&Folder::open(path)?)?, path),
            false if path.is_file() => (path.to_owned(), path.parent().unwrap_or(Path::new(""))),
            false => {
                let path = path.display();
                return Err(Failure::mistake(format!("{path}: is neither the folder of a run nor a file of weights")));
            }
        };
        let recipe = recipe.map_or_else(|| beside.join(RECIPE), Path::to_owned);
        if !recipe.is_file() {
            let (file, recipe) = (file.display(), recipe.display());
            return Err(Failure::mistake(format!(
                "{file}: needs the recipe of its network; there is no {recipe}, and --recipe names another"
            )));
        }
        let recipe = Recipe::read(&recipe, sets)?;
        let data = Data::read(&recipe.data)?;
        let mut net = recipe.network.build(&data.sample, data.outputs, recipe.key().fold("weights"))?;
        if !restored(&mut net, &file)? {
            load_foreign(&mut net, &file, &recipe.network.names)?;
        }
        let name = file.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let title = match name.as_str() {
            "digital" => recipe.title(Phase::Digital).into(),
            "hardware_aware" => recipe.title(Phase::HardwareAware).into(),
            _ => name,
        };
        Ok(Self { recipe, data, net, title, folder: beside.to_owned() })
    }

    /// The network in digital memory.
    pub fn digital(&self) -> Sequential {
        let mut net = self.net.clone();
        net.to_digital();
        net
    }

    /// The network on the tiles of its recipe, mapped anew.
    pub fn on_tiles(&self) -> Outcome<Sequential> {
        let mut net = self.net.clone();
        on_tiles(&mut net, &self.recipe, self.recipe.key())?;
        Ok(net)
    }
}

/// The network that a run begins with.
pub fn start(recipe: &Recipe, data: &Data) -> Outcome<Sequential> {
    let mut net = recipe.network.build(&data.sample, data.outputs, recipe.key().fold("weights"))?;
    if let Some(file) = &recipe.network.weights {
        load_foreign(&mut net, file, &recipe.network.names)?;
    }
    Ok(net)
}

/// Restores a checkpoint of this program into a network; `false` if the file is none.
pub fn restored(net: &mut Sequential, file: &Path) -> Outcome<bool> {
    match Checkpoint::load(file) {
        Ok(checkpoint) => {
            checkpoint.restore(net, None, Tiles::FromFile)?;
            Ok(true)
        }
        Err(ohmgrad::models::CheckpointError::NoCheckpoint { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The file of the last network of a run.
pub fn last_network(folder: &Folder) -> Outcome<PathBuf> {
    let files = [Phase::HardwareAware, Phase::Digital].map(|phase| format!("{}.safetensors", phase.name()));
    match files.iter().find(|file| folder.has(file)) {
        Some(file) => Ok(folder.file(file)),
        None => {
            let path = folder.path().display();
            Err(Failure::mistake(format!(
                "{path}: no training of this run is over; `ohmgrad train --resume {path}` goes on with it"
            )))
        }
    }
}

/// Loads weights whose tensors may have other names.
pub fn load_foreign(net: &mut Sequential, file: &Path, names: &BTreeMap<String, String>) -> Outcome<()> {
    if names.is_empty() {
        net.load_weights(file)?;
        return Ok(());
    }
    let bytes = std::fs::read(file).map_err(|error| Failure::file(file, &error))?;
    let renamed = renamed(&bytes, names).map_err(|what| Failure::mistake(format!("{}: {what}", file.display())))?;
    let copy = std::env::temp_dir().join(format!("ohmgrad-{}.safetensors", std::process::id()));
    ohmgrad::files::replace(&copy, &renamed).map_err(|error| Failure::file(&copy, &error))?;
    let loaded = net.load_weights(&copy).map(drop);
    // The copy is of no use any more, whether it can be removed or not.
    let _ = std::fs::remove_file(&copy);
    loaded
        .map_err(|error| Failure::failed(error.to_string().replace(&*copy.to_string_lossy(), &file.to_string_lossy())))
}

/// The bytes of a safetensors file with other names in its header: eight bytes of its length, JSON, then the data.
fn renamed(bytes: &[u8], names: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
    let broken = || "is not a safetensors file".to_owned();
    let length = bytes.first_chunk::<8>().map(|n| u64::from_le_bytes(*n)).ok_or_else(broken)?;
    let end = usize::try_from(length)
        .ok()
        .and_then(|n| n.checked_add(8))
        .filter(|&end| end <= bytes.len())
        .ok_or_else(broken)?;
    let header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&bytes[8..end]).map_err(|_| broken())?;
    if let Some(name) = names.keys().find(|name| !header.contains_key(*name)) {
        let there: Vec<&str> = header.keys().map(String::as_str).filter(|name| *name != "__metadata__").collect();
        return Err(format!("has no tensor `{name}`, which network.names has; it has {}", there.join(", ")));
    }
    let mut with_names = serde_json::Map::new();
    for (name, value) in header {
        let name = names.get(&name).cloned().unwrap_or(name);
        if with_names.insert(name.clone(), value).is_some() {
            return Err(format!("has two tensors that network.names calls `{name}`"));
        }
    }
    let header = with_names;
    let mut text = serde_json::to_vec(&header).map_err(|error| error.to_string())?;
    // The data begin at a multiple of eight bytes.
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok([&(text.len() as u64).to_le_bytes(), text.as_slice(), &bytes[end..]].concat())
}
