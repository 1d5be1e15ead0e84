//! The folder of a run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::recipe::Recipe;

/// The recipe as it was used; also what makes a folder a run.
pub const RECIPE: &str = "recipe.toml";

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder for a run; `runs/NAME`, or the first of `runs/NAME-2`, … that is free, unless `out` names one.
    pub fn create(out: Option<&Path>, name: &str, recipe: &Recipe) -> Outcome<Self> {
        let path = match out {
            Some(path) if path.join(RECIPE).exists() => {
                let path = path.display();
                return Err(Failure::mistake(format!("{path}: has a run already; --resume {path} goes on with it")));
            }
            Some(path) => path.to_owned(),
            None => {
                let numbered = |n: usize| match n {
                    1 => Path::new("runs").join(name),
                    _ => Path::new("runs").join(format!("{name}-{n}")),
                };
                (1..).map(numbered).find(|path| !path.exists()).expect("some number is free")
            }
        };
        fs::create_dir_all(&path).map_err(|error| Failure::file(&path, &error))?;
        let folder = Self(path);
        let (version, seed) = (env!("CARGO_PKG_VERSION"), recipe.training.seed);
        let head = format!("# The recipe of this run as it was used, by ohmgrad {version} with seed {seed}.\n\n");
        folder.write(RECIPE, &(head + &recipe.to_toml()))?;
        Ok(folder)
    }

    /// The folder of a run that exists.
    pub fn open(path: &Path) -> Outcome<Self> {
        match path.join(RECIPE).is_file() {
            true => Ok(Self(path.to_owned())),
            false => Err(Failure::mistake(format!(
                "{}: is no folder of a run: it has no {RECIPE}; `ohmgrad train` makes one",
                path.display()
            ))),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Whether it has a file.
    pub fn has(&self, name: &str) -> bool {
        self.file(name).is_file()
    }

    /// Writes a file as a whole.
    pub fn write(&self, name: &str, text: &str) -> Outcome<()> {
        write(&self.file(name), text)
    }
}

/// Writes a file as a whole.
pub fn write(path: &Path, text: &str) -> Outcome<()> {
    ohmgrad::files::replace(path, text.as_bytes()).map_err(|error| Failure::file(path, &error))
}
