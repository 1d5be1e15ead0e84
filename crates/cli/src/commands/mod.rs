//! The commands of the program, a file each.

pub mod compare;
pub mod drift;
pub mod evaluate;
pub mod explain;
pub mod import;
pub mod init;
pub mod inspect;
pub mod shell;
pub mod sweep;
pub mod train;

use std::path::PathBuf;

use clap::Args;

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
