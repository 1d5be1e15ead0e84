//! Files that are replaced as a whole: whoever reads one, at any moment, finds the old content or the new.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Replaces the content of `path`.
///
/// The content goes into `<path>.part`, reaches the disk, and is moved. A process that is killed leaves at most that
/// file behind, and the next write uses it again.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "names no file"))?;
    let mut part = name.to_owned();
    part.push(".part");
    let part = path.with_file_name(part);
    let mut file = claim(&part)?;
    let moved = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&part, path))
        // A full disk should not stay full of half a checkpoint.
        .inspect_err(|_| drop(fs::remove_file(&part)));
    moved.and_then(|()| sync_directory(path))
}

/// Opens a file for writing from its start, for this writer alone.
fn claim(part: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(part)?;
        // File systems without locks remain: there, two writers at once are not kept apart.
        while file.lock().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {}
        // Whoever held the lock has moved the file to its place meanwhile: then it is a checkpoint, not ours to write.
        if is_at(&file, part)? {
            file.set_len(0)?;
            return Ok(file);
        }
    }
}

/// Whether `path` still leads to this file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let here = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// Lets the move itself reach the disk.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_writer_left_is_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.safetensors");
        fs::write(directory.path().join("a.safetensors.part"), [7; 1000]).unwrap();
        replace(&path, b"first").unwrap();
        replace(&path, b"2nd").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2nd");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("occupied");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"content").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(replace(Path::new("/"), b"").is_err());
    }

    #[test]
    fn writers_at_once_leave_one_whole_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shared");
        replace(&path, &[0; 5000]).unwrap();
        std::thread::scope(|scope| {
            let write = |byte: u8| (0..30).for_each(|_| replace(&path, &vec![byte; 5000 + usize::from(byte)]).unwrap());
            let writers: Vec<_> = (1..4).map(|byte| scope.spawn(move || write(byte))).collect();
            while writers.iter().any(|writer| !writer.is_finished()) {
                let content = fs::read(&path).unwrap();
                assert_eq!(content, vec![content[0]; 5000 + usize::from(content[0])]);
            }
        });
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
