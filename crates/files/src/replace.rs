//! Files that are replaced as a whole: a reader finds, at any moment, the old content or the new.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Error, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Ending of the names of temporary files.
const PART: &str = ".part";

/// The largest number of links in a row that are followed, as in the kernel.
const MOST_LINKS: usize = 40;

/// Replaces the content of the file at `path` by `content`; see [`replace_with`].
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("report.json");
/// ohmgrad_files::replace(&path, b"{}")?;
/// assert_eq!(std::fs::read(&path)?, b"{}");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// As for [`replace_with`].
pub fn replace(path: impl AsRef<Path>, content: &[u8]) -> io::Result<()> {
    replace_with(path, |file| file.write_all(content))
}

/// Replaces the content of the file at `path` by what `write` writes, or creates it.
///
/// The content goes into a temporary file `.NAME.….part` in the folder of the target, reaches the disk, and is moved.
/// If this fails, the target is as it was and the temporary file is gone. A process that is killed may leave its
/// temporary file; the next write to the same path removes it.
///
/// - The permissions of an existing file stay, and on Unix its owner and group, if the process may set them. A new file
///   has `rw-rw-rw-` without the bits of the process' umask. Further hard links keep the old content.
/// - Symbolic links stay: the file that they lead to is replaced, or created.
/// - A device or a FIFO, such as `/dev/stdout`, is not replaced: the content is written to it once it is whole. Opening
///   a FIFO waits for a reader.
///
/// # Errors
/// If `write` fails, `path` names a folder or no file, an existing file may not be written by this process, or the
/// system refuses.
pub fn replace_with(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    match Target::at(path.as_ref())? {
        Target::File(path) => {
            let part = fill(claim(&path)?, write)?;
            keep_attributes(part.as_file(), &path)?;
            part.as_file().sync_all()?;
            part.persist(&path).map_err(|error| error.error)?;
            sync_folder(&path)
        }
        Target::Stream(mut stream) => {
            let mut whole = fill(NamedTempFile::new()?, write)?;
            whole.seek(SeekFrom::Start(0))?;
            io::copy(&mut whole, &mut stream)?;
            stream.flush()
        }
    }
}

fn fill(part: NamedTempFile, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<NamedTempFile> {
    let mut file = BufWriter::new(part.as_file().try_clone()?);
    write(&mut file)?;
    file.into_inner().map_err(|error| error.into_error())?;
    Ok(part)
}

/// The destination of the content.
enum Target {
    /// The path of a regular file, behind all links; it may not exist yet.
    File(PathBuf),
    /// A device or a FIFO, opened for writing.
    Stream(File),
}

impl Target {
    fn at(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(there) if there.is_dir() => Err(Error::new(ErrorKind::IsADirectory, "is a folder")),
            Ok(there) if there.is_file() => {
                // Moving a file over one that may not be written would succeed.
                OpenOptions::new().write(true).open(path)?;
                Ok(Self::File(fs::canonicalize(path)?))
            }
            Ok(_) => Ok(Self::Stream(OpenOptions::new().write(true).open(path)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::File(behind_links(path)?)),
            Err(error) => Err(error),
        }
    }
}

/// The path at the end of a chain of links, where no file exists.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = folder(&path).join(next),
            Err(_) if path.file_name().is_some() => return Ok(path),
            Err(_) => break,
        }
    }
    Err(Error::new(ErrorKind::InvalidInput, "names no file"))
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new temporary file beside `path`, locked; those that killed processes left there are removed.
fn claim(path: &Path) -> io::Result<NamedTempFile> {
    let name = path.file_name().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "names no file"))?.to_string_lossy();
    // A name has 255 bytes at most.
    let start: String = name.chars().take(40).collect();
    let prefix = format!(".{start}.");
    remove_abandoned(folder(path), &prefix);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(PART);
    // By default only the user may access temporary files; the umask applies to this mode, too.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let part = builder.tempfile_in(folder(path)).map_err(|error| error.kind_and_text())?;
        // Fails on file systems without locks, where the files of killed processes stay.
        let _ = part.as_file().lock();
        // Between its creation and the lock another process may have removed it as abandoned.
        if part.path().try_exists()? {
            return Ok(part);
        }
    }
}

/// Removes temporary files that are not locked: their processes are gone.
fn remove_abandoned(folder: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_part = name.to_str().is_some_and(|name| name.starts_with(prefix) && name.ends_with(PART));
        if is_part
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            // Another process may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
}

trait KindAndText {
    fn kind_and_text(self) -> Error;
}

impl KindAndText for Error {
    /// The same error without the name of the temporary file, which says nothing to a user.
    fn kind_and_text(self) -> Error {
        self.raw_os_error().map_or_else(|| Error::from(self.kind()), Error::from_raw_os_error)
    }
}

/// Gives the new file the permissions and, as far as possible, the owner of the one that it replaces.
fn keep_attributes(part: &File, path: &Path) -> io::Result<()> {
    let old = match fs::metadata(path) {
        Ok(old) => old,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let new = part.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            // Only root may give files away.
            let _ = fchown(part, Some(old.uid()), Some(old.gid()));
        }
    }
    part.set_permissions(old.permissions())
}

/// Lets the move itself reach the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    File::open(folder(path))?.sync_all()
}

#[cfg(test)]
mod tests;
