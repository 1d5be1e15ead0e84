//! NumPy's `.npy` and `.npz` files.
//!
//! Reading is linear in the file. Memory grows with the data that is there, never with the size that a header claims.
//! `header.rs` parses the header of an array, `element.rs` converts its numbers.

mod element;
mod header;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zip::write::FileOptions;
use zip::{ZipArchive, ZipWriter};

pub use self::element::NpyElement;
use self::header::{Header, Kind};
use crate::array::Array;
use crate::scalar::Scalar;

/// Bytes that are converted together.
const BLOCK: usize = 1 << 16;

/// An archive may unpack to this multiple of its size, plus [`ALWAYS_ALLOWED`].
const MOST_EXPANSION: u64 = 128;

/// Bytes to which an archive of any size may unpack.
const ALWAYS_ALLOWED: u64 = 16 << 20;

/// Errors of `.npy` and `.npz` files.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The file could not be opened, read or written.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The content is not an array of numbers in NumPy's format, or has one that this type can't hold.
    #[error("{}: {what}", path.display())]
    Format {
        /// The file, with the entry of an archive.
        path: PathBuf,
        /// The content that was found, and the content that is allowed.
        what: String,
    },
}

impl NpyError {
    fn format(path: &Path, what: impl ToString) -> Self {
        Self::Format { path: path.into(), what: what.to_string() }
    }

    fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.into(), source }
    }
}

impl<T: NpyElement> Array<T> {
    /// Reads a `.npy` file of floats (`f4`, `f8`) or whole numbers (`i1` to `i8`, `u1` to `u8`, `b1`), and converts
    /// them to this element type: to `f32` or `f64`, or whole numbers, such as labels, to `usize`. NaN and infinities
    /// are kept.
    ///
    /// ```no_run
    /// use ohmgrad_tensor::{Array, Tensor};
    /// let x = Tensor::read_npy("x.npy")?;
    /// let labels: Vec<usize> = Array::<usize>::read_npy("labels.npy")?.to_vec();
    /// # Ok::<(), ohmgrad_tensor::NpyError>(())
    /// ```
    ///
    /// # Errors
    /// If the file can't be read, is not a complete array of numbers, or has a number that this type can't hold: a
    /// finite float that overflows, a whole number that a float would round, for `usize` a float or a negative number.
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Self, NpyError> {
        let path = path.as_ref();
        read(BufReader::new(File::open(path).map_err(NpyError::io(path))?), path)
    }

    /// Reads all arrays of a `.npz` archive by their names, with numbers converted as by [`read_npy`](Self::read_npy).
    /// They may unpack to 16 MiB plus 128 times the size of the file; [`read_npz_within`](Self::read_npz_within) allows
    /// more.
    ///
    /// ```no_run
    /// let arrays = ohmgrad_tensor::Tensor::read_npz("weights.npz")?;
    /// println!("{:?} of {:?}", arrays["fc"].shape(), arrays.keys());
    /// # Ok::<(), ohmgrad_tensor::NpyError>(())
    /// ```
    ///
    /// # Errors
    /// If the file can't be read, or unpacks to more, has two entries of one name, or an entry that
    /// [`read_npy`](Self::read_npy) would refuse.
    pub fn read_npz(path: impl AsRef<Path>) -> Result<BTreeMap<String, Self>, NpyError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(NpyError::io(path))?;
        read_archive(&bytes, path, usual_limit(&bytes), |_| true)
    }

    /// As [`read_npz`](Self::read_npz), for archives that may unpack to `bytes` bytes.
    ///
    /// # Errors
    /// As for [`read_npz`](Self::read_npz).
    pub fn read_npz_within(path: impl AsRef<Path>, bytes: u64) -> Result<BTreeMap<String, Self>, NpyError> {
        let path = path.as_ref();
        read_archive(&fs::read(path).map_err(NpyError::io(path))?, path, bytes, |_| true)
    }

    /// Reads one array of a `.npz` archive, such as one with floats and labels, which have different element types.
    ///
    /// ```no_run
    /// use ohmgrad_tensor::{Array, Tensor};
    /// let x = Tensor::read_npz_array("digits.npz", "x")?;
    /// let labels: Vec<usize> = Array::<usize>::read_npz_array("digits.npz", "y")?.to_vec();
    /// # Ok::<(), ohmgrad_tensor::NpyError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`read_npz`](Self::read_npz), or if there is no array of the name.
    pub fn read_npz_array(path: impl AsRef<Path>, name: &str) -> Result<Self, NpyError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(NpyError::io(path))?;
        let mut names = vec![];
        let array = read_archive(&bytes, path, usual_limit(&bytes), |other| {
            names.push(other.to_owned());
            other == name
        })?;
        let missing = || NpyError::format(path, format!("has no array `{name}`; it has {}", names.join(", ")));
        array.into_values().next().ok_or_else(missing)
    }
}

impl<T: Scalar> Array<T> {
    /// Writes a `.npy` file. It is replaced as a whole: an interrupted write leaves the old one.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<(), NpyError> {
        let path = path.as_ref();
        ohmgrad_files::replace_with(path, |file| self.write(file)).map_err(NpyError::io(path))
    }

    /// Writes named arrays as a `.npz` archive, which is replaced as a whole.
    ///
    /// # Errors
    /// If the file can't be written, or two arrays have one name.
    pub fn write_npz(path: impl AsRef<Path>, arrays: &[(&str, &Self)]) -> Result<(), NpyError> {
        let path = path.as_ref();
        let mut names = BTreeSet::new();
        if let Some((name, _)) = arrays.iter().find(|(name, _)| !names.insert(name)) {
            return Err(NpyError::format(path, format!("`{name}` is given twice")));
        }
        ohmgrad_files::replace_with(path, |file| {
            let mut archive = ZipWriter::new(file);
            for (name, array) in arrays {
                // 4 GiB and more need wider fields in front of the data.
                let large = size_of::<T>() * array.len() >= u32::MAX as usize / 2;
                archive.start_file(format!("{name}.npy"), FileOptions::default().large_file(large))?;
                array.write(&mut archive)?;
            }
            archive.finish()?;
            Ok(())
        })
        .map_err(NpyError::io(path))
    }

    fn write(&self, mut to: impl Write) -> io::Result<()> {
        let double = size_of::<T>() == 8;
        to.write_all(
            &Header {
                kind: Kind::Float(size_of::<T>()),
                big_endian: false,
                fortran_order: false,
                shape: self.shape().to_vec(),
            }
            .bytes(),
        )?;
        let mut block = Vec::with_capacity(BLOCK);
        for &x in self.iter() {
            match double {
                true => block.extend(x.as_f64().to_le_bytes()),
                false => block.extend((x.as_f64() as f32).to_le_bytes()),
            }
            if block.len() >= BLOCK {
                to.write_all(&block)?;
                block.clear();
            }
        }
        to.write_all(&block)
    }
}

/// Bytes to which an archive may unpack by default.
fn usual_limit(archive: &[u8]) -> u64 {
    ALWAYS_ALLOWED + MOST_EXPANSION * archive.len() as u64
}

/// Reads the arrays of an archive whose names are wanted.
fn read_archive<T: NpyElement>(
    bytes: &[u8],
    path: &Path,
    limit: u64,
    mut wanted: impl FnMut(&str) -> bool,
) -> Result<BTreeMap<String, Array<T>>, NpyError> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| NpyError::format(path, e))?;
    let (mut arrays, mut names, mut left) = (BTreeMap::new(), BTreeSet::new(), limit.saturating_add(1));
    for i in 0..zip.len() {
        let entry = zip.by_index(i).map_err(|e| NpyError::format(path, e))?;
        let name = entry.name().strip_suffix(".npy").unwrap_or(entry.name()).to_string();
        if !names.insert(name.clone()) {
            return Err(NpyError::format(path, format!("`{name}` is in the archive twice")));
        }
        if !wanted(&name) {
            continue;
        }
        let mut entry = entry.take(left);
        let array = read(&mut entry, &path.join(&name));
        left = entry.limit();
        if left == 0 {
            return Err(NpyError::format(path, format!("unpacks to more than {limit} bytes")));
        }
        arrays.insert(name, array?);
    }
    Ok(arrays)
}

/// Reads one array.
fn read<T: NpyElement>(mut from: impl Read, path: &Path) -> Result<Array<T>, NpyError> {
    let header = Header::read(&mut from).map_err(|what| NpyError::format(path, what))?;
    let Header { fortran_order, ref shape, .. } = header;
    let data = element::read_all(from, &header).map_err(|what| NpyError::format(path, what))?;
    if !fortran_order {
        return Ok(Array::from_vec(data, shape));
    }
    let reversed: Vec<_> = shape.iter().rev().copied().collect();
    let axes: Vec<_> = (0..shape.len()).rev().collect();
    Ok(Array::from_vec(data, &reversed).permute(&axes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, Tensor};
    use proptest::prelude::*;

    fn bytes(array: &Tensor) -> Vec<u8> {
        let mut bytes = vec![];
        array.write(&mut bytes).unwrap();
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Tensor, NpyError> {
        read(bytes, Path::new("test.npy"))
    }

    #[test]
    fn files_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let a = Tensor::normal(&[3, 4], Key::new(1));
        let path = dir.path().join("a.npy");
        a.t().write_npy(&path).unwrap();
        assert_eq!(Tensor::read_npy(&path).unwrap(), a.t());
        assert_eq!(Array::<f64>::read_npy(&path).unwrap()[[1, 2]], f64::from(a[[2, 1]]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let path = dir.path().join("a.npz");
        Tensor::write_npz(&path, &[("w", &a), ("b", &a.row(0))]).unwrap();
        let read = Tensor::read_npz(&path).unwrap();
        assert_eq!((read.len(), &read["w"], &read["b"]), (2, &a, &a.row(0)));
        assert_eq!(Tensor::read_npz_array(&path, "b").unwrap(), a.row(0));
        let error = Tensor::read_npz_array(&path, "c").unwrap_err().to_string();
        assert!(error.ends_with("a.npz: has no array `c`; it has w, b"), "{error}");
    }

    #[test]
    fn every_truncation_is_a_typed_error() {
        let whole = bytes(&Tensor::normal(&[2, 3], Key::new(1)));
        for n in 0..whole.len() {
            assert!(matches!(parse(&whole[..n]), Err(NpyError::Format { .. })), "{n} of {} bytes", whole.len());
        }
    }

    #[test]
    fn hostile_headers_allocate_nothing() {
        let mut huge = bytes(&Tensor::normal(&[2, 3], Key::new(1)));
        let at = huge.windows(5).position(|w| w == b"(2, 3").unwrap();
        huge[at..at + 5].copy_from_slice(b"(9999");
        assert!(parse(&huge).is_err());
        assert!(parse(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}").unwrap_err().to_string().contains("header of"));
        assert!(parse(b"\x93NUMPY\x04\x00\xff\xff\xff\xff{}").unwrap_err().to_string().contains("version 4"));
    }

    #[test]
    fn numbers_beyond_the_type_are_an_error_and_nan_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let large = Array::<f64>::from([1.0, f64::NAN, f64::NEG_INFINITY, f64::from(f32::MAX), 1e-300]);
        large.write_npy(&path).unwrap();
        let read = Tensor::read_npy(&path).unwrap().to_vec();
        assert!(read[1].is_nan() && read[2] == f32::NEG_INFINITY && (read[3], read[4]) == (f32::MAX, 0.0));
        for beyond in [1e39, -1e300] {
            Array::<f64>::from([0.0, beyond]).write_npy(&path).unwrap();
            let error = Tensor::read_npy(&path).unwrap_err().to_string();
            let end = format!("a.npy: element 1 is {beyond:e}, which f32 can't hold");
            assert!(error.ends_with(&end), "{error}");
            assert_eq!(Array::<f64>::read_npy(&path).unwrap().to_vec(), [0.0, beyond]);
        }
    }

    #[test]
    fn archives_unpack_to_a_bounded_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zeros.npz");
        let zeros = Tensor::full(&[8 << 20], 0.0); // 32 MiB
        Tensor::write_npz(&path, &[("a", &zeros), ("b", &zeros)]).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < 1 << 18);
        let error = Tensor::read_npz(&path).unwrap_err().to_string();
        assert!(error.contains("zeros.npz: unpacks to more than"), "{error}");
        let whole = 2 * (4 * (8 << 20) + 128);
        assert_eq!(Tensor::read_npz_within(&path, whole).unwrap().len(), 2);
        assert!(Tensor::read_npz_within(&path, whole - 1).is_err());
        let error = Tensor::write_npz(&path, &[("a", &zeros), ("a", &zeros)]).unwrap_err().to_string();
        assert!(error.ends_with("zeros.npz: `a` is given twice"), "{error}");
    }

    #[test]
    fn whole_numbers_are_labels_or_floats() {
        let file = |descr: &str, data: &[u8], len: usize| {
            let mut file = bytes(&Tensor::full(&[len], 0.0));
            let at = file.windows(3).position(|w| w == b"<f4").unwrap();
            file[at..at + 3].copy_from_slice(descr.as_bytes());
            file.truncate(file.len() - 4 * len);
            file.extend(data);
            file
        };
        let labels = |bytes: &[u8]| read::<usize>(bytes, Path::new("y.npy")).map(|labels| labels.to_vec());
        let i64s: Vec<u8> = [7i64, 0, 255].iter().flat_map(|v| v.to_le_bytes()).collect();
        let i16s: Vec<u8> = [7i16, 0, 255].iter().flat_map(|v| v.to_be_bytes()).collect();
        for file in [file("<i8", &i64s, 3), file(">i2", &i16s, 3), file("|u1", &[7, 0, 255], 3)] {
            assert_eq!(labels(&file).unwrap(), [7, 0, 255]);
            assert_eq!(parse(&file).unwrap().to_vec(), [7.0, 0.0, 255.0]);
        }
        assert_eq!(labels(&file("|b1", &[1, 0], 2)).unwrap(), [1, 0]);
        let error = |bytes: Vec<u8>| labels(&bytes).unwrap_err().to_string();
        assert_eq!(error(file("|i1", &[3, 0xff], 2)), "y.npy: element 1 is -1, which usize can't hold");
        assert_eq!(error(bytes(&Tensor::full(&[2], 1.0))), "y.npy: holds floats, where whole numbers belong");
        let large = file("<i4", &((1i32 << 24) + 1).to_le_bytes(), 1);
        let error = parse(&large).unwrap_err().to_string();
        assert_eq!(error, "test.npy: element 0 is 16777217, which f32 can't hold");
        assert!(parse(&file("<c8", &[0; 8], 1)).unwrap_err().to_string().contains("holds <c8; numbers f4, f8, i1"));
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0usize..152, value: u8) {
            let mut file = bytes(&Tensor::normal(&[2, 3], Key::new(1)));
            if let Some(byte) = file.get_mut(at) {
                *byte = value;
            }
            let _ = parse(&file);
        }
    }
}
