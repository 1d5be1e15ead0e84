//! The folder of a run.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lock::Lock;
use crate::failure::{Failure, Outcome};
use crate::ranks::Ranks;
use crate::recipe::Recipe;

/// The recipe as it was used; a folder with this file is a run.
pub const RECIPE: &str = "recipe.toml";
/// The file that is locked by the process that writes the folder.
const LOCK: &str = ".lock";

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    /// The lock, in the process that writes.
    _lock: Option<Arc<Lock>>,
}

impl Folder {
    /// A new folder for a run, to be written by this process; `runs/NAME`, or the first of `runs/NAME-2`, … that is
    /// free, unless `out` names one.
    pub fn create(out: Option<&Path>, name: &str, recipe: &Recipe) -> Outcome<Self> {
        let path = match out {
            Some(path) => fs::create_dir_all(path).map(|()| path.to_owned()),
            None => claim(name),
        };
        let path = path.map_err(|error| Failure::file(out.unwrap_or(Path::new("runs")), &error))?;
        let folder = Self::locked(path)?;
        if folder.has(RECIPE) {
            let path = folder.path.display();
            return Err(Failure::mistake(format!("{path}: has a run already; --resume {path} goes on with it")));
        }
        let (version, seed) = (env!("CARGO_PKG_VERSION"), recipe.training.seed);
        let head = format!("# The recipe of this run as it was used, by ohmgrad {version} with seed {seed}.\n\n");
        folder.write(RECIPE, &(head + &recipe.to_toml()))?;
        Ok(folder)
    }

    /// The folder of a run that exists, to be read.
    pub fn open(path: &Path) -> Outcome<Self> {
        match path.join(RECIPE).is_file() {
            true => Ok(Self { path: path.to_owned(), _lock: None }),
            false => Err(Failure::mistake(format!(
                "{}: is not a folder of a run: it has no {RECIPE}; `ohmgrad train` makes one",
                path.display()
            ))),
        }
    }

    /// The folder of a run that exists, to be written by this process.
    pub fn reopen(path: &Path) -> Outcome<Self> {
        Self::locked(Self::open(path)?.path)
    }

    /// Returns at all ranks the folder that rank 0 makes or opens; rank 0 alone writes it.
    pub fn of_all(ranks: Ranks, make: impl FnOnce() -> Outcome<Self>) -> Outcome<Self> {
        let mut own = None;
        let path = ranks.share(|| {
            let folder = own.insert(make()?);
            Ok(folder.path.to_string_lossy().into_owned().into_bytes())
        })?;
        Ok(own.unwrap_or_else(|| Self { path: String::from_utf8_lossy(&path).into_owned().into(), _lock: None }))
    }

    fn locked(path: PathBuf) -> Outcome<Self> {
        let lock = Lock::take(&path.join(LOCK), &path)?;
        Ok(Self { path, _lock: Some(Arc::new(lock)) })
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns `true` if the folder has a file.
    pub fn has(&self, name: &str) -> bool {
        self.file(name).is_file()
    }

    /// Writes a file as a whole.
    pub fn write(&self, name: &str, text: &str) -> Outcome<()> {
        write(&self.file(name), text)
    }
}

/// Makes the first folder `runs/NAME`, `runs/NAME-2`, … that does not exist.
fn claim(name: &str) -> io::Result<PathBuf> {
    fs::create_dir_all("runs")?;
    for n in 1.. {
        let path = Path::new("runs").join(if n == 1 { name.to_owned() } else { format!("{name}-{n}") });
        match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path),
        }
    }
    unreachable!("some number is free")
}

/// Writes a file as a whole.
pub fn write(path: &Path, text: &str) -> Outcome<()> {
    ohmgrad::files::replace(path, text.as_bytes()).map_err(|error| Failure::file(path, &error))
}
