//! NumPy's `.npy` and `.npz` files.
//!
//! Reading is linear in the file. Memory grows with the data that is there, never with the size that a header claims.
//! `header.rs` parses the header of an array.

mod header;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zip::write::FileOptions;
use zip::{ZipArchive, ZipWriter};

use self::header::Header;
use crate::array::Array;
use crate::scalar::Scalar;

/// Bytes that are converted together.
const BLOCK: usize = 1 << 16;

/// An archive may unpack to so many times its size…
const MOST_EXPANSION: u64 = 128;

/// … and to this many bytes whatever its size.
const ALWAYS_ALLOWED: u64 = 16 << 20;

/// Errors of `.npy` and `.npz` files.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The file could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The content is not an array of floating-point numbers in NumPy's format, or one that this type can't hold.
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

impl<T: Scalar> Array<T> {
    /// Reads a `.npy` file; `f4` and `f8` are both read, and converted to this element type. NaN and infinities stay what
    /// they are.
    ///
    /// # Errors
    /// If the file can't be read, is not a whole array of floats, or has a finite number that overflows this type.
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Self, NpyError> {
        let path = path.as_ref();
        read(BufReader::new(File::open(path).map_err(NpyError::io(path))?), path)
    }

    /// Writes a `.npy` file. It is replaced as a whole: an interrupted write leaves the old one.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<(), NpyError> {
        let path = path.as_ref();
        ohmgrad_files::replace_with(path, |file| self.write(file)).map_err(NpyError::io(path))
    }

    /// Reads all arrays of a `.npz` archive, in the archive's order. They may unpack to 16 MiB and 128 times the size of the
    /// file; for more there is [`read_npz_within`](Self::read_npz_within).
    ///
    /// # Errors
    /// If the file can't be read, or unpacks to more, has two entries of one name, or an entry that is not a whole array of
    /// floats.
    pub fn read_npz(path: impl AsRef<Path>) -> Result<Vec<(String, Self)>, NpyError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(NpyError::io(path))?;
        let limit = ALWAYS_ALLOWED + MOST_EXPANSION * bytes.len() as u64;
        read_archive(&bytes, path, limit)
    }

    /// As [`read_npz`](Self::read_npz), for archives that may unpack to so many bytes.
    ///
    /// # Errors
    /// As for [`read_npz`](Self::read_npz).
    pub fn read_npz_within(path: impl AsRef<Path>, bytes: u64) -> Result<Vec<(String, Self)>, NpyError> {
        let path = path.as_ref();
        read_archive(&fs::read(path).map_err(NpyError::io(path))?, path, bytes)
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
            &Header { double, big_endian: false, fortran_order: false, shape: self.shape().to_vec() }.bytes(),
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

fn read_archive<T: Scalar>(bytes: &[u8], path: &Path, limit: u64) -> Result<Vec<(String, Array<T>)>, NpyError> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| NpyError::format(path, e))?;
    let (mut arrays, mut names, mut left) = (vec![], BTreeSet::new(), limit.saturating_add(1));
    for i in 0..zip.len() {
        let entry = zip.by_index(i).map_err(|e| NpyError::format(path, e))?;
        let name = entry.name().strip_suffix(".npy").unwrap_or(entry.name()).to_string();
        if !names.insert(name.clone()) {
            return Err(NpyError::format(path, format!("`{name}` is in the archive twice")));
        }
        let mut entry = entry.take(left);
        let array = read(&mut entry, &path.join(&name));
        left = entry.limit();
        if left == 0 {
            return Err(NpyError::format(path, format!("unpacks to more than {limit} bytes")));
        }
        arrays.push((name, array?));
    }
    Ok(arrays)
}

/// Reads one array.
fn read<T: Scalar>(mut from: impl Read, path: &Path) -> Result<Array<T>, NpyError> {
    let Header { double, big_endian, fortran_order, shape } =
        Header::read(&mut from).map_err(|what| NpyError::format(path, what))?;
    let len = shape.iter().product::<usize>();
    let data: Vec<T> = if double {
        collect(from, len, |bytes| {
            let value = if big_endian { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) };
            let converted = T::of(value);
            if value.is_finite() && !converted.is_finite() { Err(value) } else { Ok(converted) }
        })
    } else {
        collect(from, len, |bytes| {
            Ok(T::from_f32(if big_endian { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) }))
        })
    }
    .map_err(|what| NpyError::format(path, what))?;
    if !fortran_order {
        return Ok(Array::from_vec(data, &shape));
    }
    let reversed: Vec<_> = shape.iter().rev().copied().collect();
    let axes: Vec<_> = (0..shape.len()).rev().collect();
    Ok(Array::from_vec(data, &reversed).permute(&axes))
}

/// Reads `len` numbers of N bytes. The vector grows as they arrive.
fn collect<T: Scalar, const N: usize>(
    mut from: impl Read,
    len: usize,
    convert: impl Fn([u8; N]) -> Result<T, f64>,
) -> Result<Vec<T>, String> {
    let mut block = vec![0; BLOCK.min(len.saturating_mul(N))];
    let mut data = Vec::with_capacity(len.min(BLOCK / N));
    while data.len() < len {
        let part = &mut block[..BLOCK.min((len - data.len()) * N)];
        from.read_exact(part)
            .map_err(|error| format!("is cut off or damaged after element {}: {error}", data.len()))?;
        for &bytes in part.as_chunks().0 {
            let index = data.len();
            let value = convert(bytes).map_err(|value| {
                format!("element {index} is {value:e}, beyond the largest number here, {:e}", T::max_value().as_f64())
            })?;
            data.push(value);
        }
    }
    Ok(data)
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
        assert_eq!((read[0].0.as_str(), &read[0].1, &read[1].1), ("w", &a, &a.row(0)));
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
            let end = format!("a.npy: element 1 is {beyond:e}, beyond the largest number here, 3.4028234663852886e38");
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
    fn other_types_are_named() {
        let mut file = bytes(&Tensor::normal(&[2], Key::new(1)));
        let at = file.windows(3).position(|w| w == b"<f4").unwrap();
        file[at..at + 3].copy_from_slice(b"<i4");
        assert!(parse(&file).unwrap_err().to_string().contains("f4 and f8 are allowed"));
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
