//! A lock for files that only one process may write: a file that the system locks until its process ends, in any way.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::failure::{Failure, Outcome};

/// A lock, held until it is dropped or its process is gone.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock in the file `path`, which is not removed later; errors name `what`, which the lock protects.
    ///
    /// On file systems without locks, nothing is locked.
    pub fn take(path: &Path, what: &Path) -> Outcome<Self> {
        let failed = |error| Failure::file(path, &error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let mut holder = String::new();
            // The message is only less helpful without the holder, so an error is ignored.
            let _ = file.read_to_string(&mut holder);
            let (what, holder) = (what.display(), holder.trim());
            return Err(Failure::failed(format!(
                "{what}: is being written by another process{}{holder}; wait until that has ended",
                if holder.is_empty() { "" } else { ", " }
            )));
        }
        let holder = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let (path, run) = (folder.path().join(".lock"), Path::new("runs/a"));
        let held = Lock::take(&path, run).unwrap();
        let message = Lock::take(&path, run).unwrap_err().message;
        let expected =
            format!("runs/a: is being written by another process, {}; wait until that has ended", std::process::id());
        assert_eq!(message, expected);
        drop(held);
        Lock::take(&path, run).unwrap();
    }
}
