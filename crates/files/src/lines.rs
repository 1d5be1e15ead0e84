//! Files that grow by lines, such as metrics.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::replace;

/// A file of lines that is appended to.
///
/// A line and its end are one write at the end of the file, so a killed process breaks at most the last line, and lines
/// of several processes do not mix. [`Lines::keep`] removes a line that a killed process broke.
///
/// ```
/// use ohmgrad_files::Lines;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("metrics.jsonl");
/// let lines = Lines::at(&path);
/// lines.append("{\"epoch\":1}")?;
/// lines.append("{\"epoch\":2}")?;
/// lines.keep(|line| line.contains("1"))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "{\"epoch\":1}\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    path: PathBuf,
}

impl Lines {
    /// The lines of the file at `path`; nothing is opened yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line; the file is created if there is none.
    ///
    /// # Errors
    /// If the line has a line break in it, or the file can't be written.
    pub fn append(&self, line: &str) -> io::Result<()> {
        if line.contains(['\n', '\r']) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "a line break inside of a line"));
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(format!("{line}\n").as_bytes())
    }

    /// The first line, if there is a whole one.
    ///
    /// # Errors
    /// If the file can't be read, or is not a text.
    pub fn first(&self) -> io::Result<Option<String>> {
        let text = self.read()?;
        Ok(text.split_once('\n').map(|(first, _)| first.to_owned()))
    }

    /// Returns `true` if there is a regular file that is not empty.
    pub fn is_there(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|there| there.is_file() && there.len() > 0)
    }

    /// Keeps the lines for which `wanted` returns `true`; removes the others and an incomplete last line.
    ///
    /// # Errors
    /// If the file can't be read or written, or is not a text; the file is then unchanged.
    pub fn keep(&self, mut wanted: impl FnMut(&str) -> bool) -> io::Result<()> {
        if !self.is_there() {
            return Ok(());
        }
        let text = self.read()?;
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let kept: String = whole.filter(|line| wanted(line.trim_end_matches(['\n', '\r']))).collect();
        if kept == text { Ok(()) } else { replace(&self.path, kept.as_bytes()) }
    }

    /// Moves the file to the first free of the names `NAME.1.EXTENSION`, `NAME.2.EXTENSION`, …; returns the new path.
    ///
    /// # Errors
    /// If it can't be moved.
    pub fn set_aside(&self) -> io::Result<PathBuf> {
        let name = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let (stem, extension) = (name(self.path.file_stem()), name(self.path.extension()));
        for number in 1.. {
            let name =
                if extension.is_empty() { format!("{stem}.{number}") } else { format!("{stem}.{number}.{extension}") };
            let aside = self.path.with_file_name(name);
            // A link fails if the name exists, so nothing is lost if two processes set files aside at once.
            match std::fs::hard_link(&self.path, &aside) {
                Ok(()) => return std::fs::remove_file(&self.path).map(|()| aside),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // File systems without hard links.
                Err(_) if !aside.try_exists()? => return std::fs::rename(&self.path, &aside).map(|()| aside),
                Err(_) => {}
            }
        }
        unreachable!("some number is free")
    }

    fn read(&self) -> io::Result<String> {
        let mut bytes = vec![];
        File::open(&self.path)?.read_to_end(&mut bytes)?;
        // A killed process may have broken a letter of the last line.
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let (text, rest) = bytes.split_at(whole);
        let text = std::str::from_utf8(text).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(format!("{text}{}", String::from_utf8_lossy(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_broken_line_is_mended_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let lines = Lines::at(folder.path().join("m.csv"));
        assert!(!lines.is_there());
        lines.keep(|_| false).unwrap();
        ["epoch", "1", "2"].iter().for_each(|line| lines.append(line).unwrap());
        assert_eq!(lines.first().unwrap().as_deref(), Some("epoch"));
        let whole = fs::read(lines.path()).unwrap();
        // A file cut off anywhere is mended to its whole lines.
        for length in 0..=whole.len() {
            // With half a letter behind it.
            fs::write(lines.path(), [&whole[..length], &"§".as_bytes()[..1]].concat()).unwrap();
            lines.keep(|_| true).unwrap();
            let ends = whole[..length].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            assert_eq!(fs::read(lines.path()).unwrap(), &whole[..ends], "{length}");
        }
        fs::write(lines.path(), &whole).unwrap();
        lines.keep(|line| line != "2").unwrap();
        assert_eq!(fs::read_to_string(lines.path()).unwrap(), "epoch\n1\n");
        assert!(lines.append("a\nb").is_err());
        fs::write(lines.path(), b"\xff\xff\n").unwrap();
        assert_eq!(lines.keep(|_| true).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn files_set_aside_have_new_names() {
        let folder = tempfile::tempdir().unwrap();
        for (name, aside) in [("m.csv", ["m.1.csv", "m.2.csv"]), ("m", ["m.1", "m.2"])] {
            let lines = Lines::at(folder.path().join(name));
            for (run, aside) in aside.iter().enumerate() {
                lines.append(&run.to_string()).unwrap();
                assert_eq!(lines.set_aside().unwrap(), folder.path().join(aside));
                assert_eq!(fs::read_to_string(folder.path().join(aside)).unwrap(), format!("{run}\n"));
            }
            assert!(!lines.is_there());
        }
    }
}
