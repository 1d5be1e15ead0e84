//! NumPy's `.npy` and `.npz` files.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use npyz::{DType, Order, WriterBuilder};
use thiserror::Error;

use crate::array::Array;
use crate::scalar::Scalar;

/// Headers are a line of text; anything longer than this is no header.
const MAX_HEADER: usize = 1 << 16;

/// What can be wrong with a `.npy` or `.npz` file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The file could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content is not an array of floating-point numbers in NumPy's format.
    #[error("{}: {what}", path.display())]
    Format {
        /// The file, with the entry of an archive.
        path: PathBuf,
        /// What was found, and what is allowed.
        what: String,
    },
}

impl NpyError {
    fn format(path: &Path, what: impl ToString) -> Self {
        Self::Format { path: path.into(), what: what.to_string() }
    }
}

impl<T: Scalar> Array<T> {
    /// Reads a `.npy` file; `f4` and `f8` are both read, and converted to this element type.
    ///
    /// # Errors
    /// If the file can't be read, or is not a whole array of floats.
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Self, NpyError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| NpyError::Io { path: path.into(), source })?;
        read(BufReader::new(file), path)
    }

    /// Writes a `.npy` file, through a temporary file, so that an interrupted write leaves the old one.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<(), NpyError> {
        replace(path.as_ref(), |file| self.write(file))
    }

    /// Reads all arrays of a `.npz` archive, in the archive's order.
    ///
    /// # Errors
    /// If the file can't be read, or an entry is not a whole array of floats.
    pub fn read_npz(path: impl AsRef<Path>) -> Result<Vec<(String, Self)>, NpyError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| NpyError::Io { path: path.into(), source })?;
        let mut archive = npyz::npz::NpzArchive::new(BufReader::new(file)).map_err(|e| NpyError::format(path, e))?;
        let zip = archive.zip_archive();
        let mut arrays = vec![];
        for i in 0..zip.len() {
            let entry = zip.by_index(i).map_err(|e| NpyError::format(path, e))?;
            let name = entry.name().trim_end_matches(".npy").to_string();
            let array = read(entry, &path.join(&name))?;
            arrays.push((name, array));
        }
        Ok(arrays)
    }

    /// Writes named arrays as a `.npz` archive, through a temporary file.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_npz(path: impl AsRef<Path>, arrays: &[(&str, &Self)]) -> Result<(), NpyError> {
        replace(path.as_ref(), |file| {
            let mut archive = npyz::npz::NpzWriter::new(file);
            for (name, array) in arrays {
                let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
                let mut writer = archive.array(name, Default::default())?.default_dtype().shape(&shape).begin_nd()?;
                writer.extend(array.iter())?;
                writer.finish()?;
            }
            archive.zip_writer().finish()?;
            Ok(())
        })
    }

    fn write(&self, to: impl Write) -> io::Result<()> {
        let shape: Vec<u64> = self.shape().iter().map(|&n| n as u64).collect();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(to).begin_nd()?;
        writer.extend(self.iter())?;
        writer.finish()
    }
}

/// Writes a file beside `path` and moves it there when it is whole.
fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), NpyError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let temporary = PathBuf::from(temporary);
    File::create(&temporary)
        .and_then(|file| {
            let mut file = BufWriter::new(file);
            write(&mut file)?;
            file.into_inner()?.sync_all()
        })
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(|source| NpyError::Io { path: path.into(), source })
}

/// Reads one array. Nothing is allocated on the word of a header: data grow as they arrive.
fn read<T: Scalar>(mut from: impl Read, path: &Path) -> Result<Array<T>, NpyError> {
    let format = |what: String| NpyError::format(path, what);
    let truncated = |_| format("is cut off inside the header".into());
    let mut start = vec![0; 10];
    from.read_exact(&mut start).map_err(truncated)?;
    if &start[..6] != b"\x93NUMPY" {
        return Err(format("does not start with \\x93NUMPY".into()));
    }
    let mut length = usize::from(u16::from_le_bytes([start[8], start[9]]));
    if start[6] >= 2 {
        let mut rest = [0; 2];
        from.read_exact(&mut rest).map_err(truncated)?;
        length += usize::from(u16::from_le_bytes(rest)) << 16;
        start.extend(rest);
    }
    if length > MAX_HEADER {
        return Err(format(format!("claims a header of {length} bytes; at most {MAX_HEADER} are allowed")));
    }
    let text = start.len();
    start.resize(text + length, 0);
    from.read_exact(&mut start[text..]).map_err(truncated)?;
    let shape = shape_in_header(&start[text..])
        .ok_or_else(|| format("has no readable shape, or one of more elements than memory can hold".into()))?;
    let header = npyz::NpyHeader::from_reader(Cursor::new(&start)).map_err(|e| format(e.to_string()))?;
    let len = shape.iter().product::<usize>();
    let data: Vec<T> = match &header.dtype() {
        DType::Plain(t) if t.to_string().ends_with("f4") => collect::<f32, T>(header.clone(), from, len, T::from_f32),
        DType::Plain(t) if t.to_string().ends_with("f8") => collect::<f64, T>(header.clone(), from, len, T::of),
        other => return Err(format(format!("holds {}; f4 and f8 are allowed", other.descr()))),
    }
    .map_err(|e| format(format!("is cut off or damaged: {e}")))?;
    Ok(match header.order() {
        Order::C => Array::from_vec(data, &shape),
        Order::Fortran => {
            let reversed: Vec<_> = shape.iter().rev().copied().collect();
            let axes: Vec<_> = (0..shape.len()).rev().collect();
            Array::from_vec(data, &reversed).permute(&axes)
        }
    })
}

/// The shape that a header states, read before the header is interpreted: its product must not overflow there.
fn shape_in_header(header: &[u8]) -> Option<Vec<usize>> {
    let text = std::str::from_utf8(header).ok()?;
    let list = text.split("'shape':").nth(1)?.split_once('(')?.1.split_once(')')?.0;
    let sizes = list.split(',').map(str::trim).filter(|s| !s.is_empty());
    let shape: Vec<usize> = sizes.map(|s| s.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?;
    let bytes = shape.iter().try_fold(8usize, |n, &size| n.checked_mul(size.max(1)))?;
    (bytes <= isize::MAX as usize).then_some(shape)
}

fn collect<F: npyz::Deserialize, T>(
    header: npyz::NpyHeader,
    from: impl Read,
    len: usize,
    convert: impl Fn(F) -> T,
) -> io::Result<Vec<T>> {
    let file = npyz::NpyFile::with_header(header, from);
    let reader = file.data::<F>().map_err(|e| io::Error::other(e.to_string()))?;
    let mut data = Vec::with_capacity(len.min(MAX_HEADER));
    for item in reader {
        data.push(convert(item?));
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
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }";
        for shape in [header.to_string(), header.replace("4294967296, ", ""), header.replace("False", "Nope")] {
            let mut file = b"\x93NUMPY\x01\x00".to_vec();
            file.extend((shape.len() as u16).to_le_bytes());
            file.extend(shape.as_bytes());
            assert!(matches!(parse(&file), Err(NpyError::Format { .. })), "{shape}");
        }
        assert!(parse(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}").unwrap_err().to_string().contains("header of"));
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
