//! Networks from files: those of a run, and weights of PyTorch.

use std::path::{Path, PathBuf};

use ohmgrad::prelude::*;

use super::folder::{Folder, RECIPE};
use super::training::{Phase, on_tiles};
use crate::data::Data;
use crate::failure::{Failure, Outcome};
use crate::ranks::Ranks;
use crate::recipe::Recipe;

/// A trained network with the recipe and the data that it belongs to.
pub struct Model {
    /// The recipe of its run.
    pub recipe: Recipe,
    /// Its data.
    pub data: Data,
    /// The network as the file has it: digital, or on the tiles that it was trained on.
    pub net: Sequential,
    /// The name of the model in tables.
    pub title: String,
    /// The folder for results.
    pub folder: PathBuf,
    /// The file of the network.
    pub file: PathBuf,
}

impl Model {
    /// Reads a model: the folder of a run, whose last training is taken, or a file of weights with a recipe beside it
    /// or given.
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
            net.load_weights_as(&file, &recipe.network.names)?;
        }
        let name = file.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let title = match name.as_str() {
            "digital" => recipe.title(Phase::Digital).into(),
            "hardware_aware" => recipe.title(Phase::HardwareAware).into(),
            _ => name,
        };
        Ok(Self { recipe, data, net, title, folder: beside.to_owned(), file })
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
        net.load_weights_as(file, &recipe.network.names)?;
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

/// Restores a network at all ranks from a checkpoint that rank 0 reads.
pub fn restore_at_all(net: &mut Sequential, file: &Path, ranks: Ranks) -> Outcome<()> {
    let bytes = ranks.share(|| std::fs::read(file).map_err(|error| Failure::file(file, &error)))?;
    Checkpoint::from_bytes(&bytes, file)?.restore(net, None, Tiles::FromFile)?;
    Ok(())
}

/// The file of the last network of a run.
pub fn last_network(folder: &Folder) -> Outcome<PathBuf> {
    let files = [Phase::HardwareAware, Phase::Digital].map(Phase::file);
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
