//! The commands of the program, a file each.

pub mod compare;
pub mod device;
pub mod drift;
pub mod evaluate;
pub mod explain;
pub mod import;
pub mod init;
pub mod inspect;
pub mod programming;
pub mod scaling;
pub mod shell;
pub mod sweep;
pub mod train;

use std::path::PathBuf;

use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::recipe::{ChipsRecipe, time};
use crate::run::model::Model;

/// A trained network, and changes of its recipe.
#[derive(Args)]
pub struct ModelArgs {
    /// The folder of a run, or a safetensors file with a recipe.toml beside it.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// The recipe that the network of a safetensors file belongs to [default: recipe.toml beside it].
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Set a field of the recipe, as hardware.forward.out_noise=0.1; can be given several times.
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

impl ModelArgs {
    /// The model.
    pub fn read(&self) -> Outcome<Model> {
        Model::read(&self.model, self.recipe.as_deref(), &self.set)
    }
}

/// The number of chips, and the times of their evaluation.
#[derive(Args)]
pub struct ChipsArgs {
    /// Times since programming, as 1s, 1h, 1d, 1mo, 10y [default: those of the recipe].
    #[arg(long, value_delimiter = ',', value_name = "TIMES", value_parser = parse_time)]
    times: Vec<f64>,
    /// Chips [default: as many as in the recipe, or 10].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    chips: Option<u32>,
}

impl ChipsArgs {
    /// The number of chips, and the times; where they are not given, those of a recipe.
    pub fn of(&self, recipe: &ChipsRecipe) -> Outcome<(usize, Vec<f64>)> {
        let times = if self.times.is_empty() { recipe.times.clone() } else { self.times.clone() };
        if times.is_empty() {
            return Err(Failure::mistake("--times: must be given, as chips.times of the recipe is empty"));
        }
        let count = self.chips.map_or(if recipe.count > 0 { recipe.count } else { 10 }, |n| n as usize);
        Ok((count, times))
    }
}

/// A time of the command line.
fn parse_time(text: &str) -> Result<f64, String> {
    time::seconds(text).ok_or_else(|| format!("must be {}", time::ALLOWED))
}
