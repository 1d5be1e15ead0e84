//! IDX, the file format of MNIST and its relatives.
//!
//! Two zero bytes, a byte for the type of the elements, a byte for the rank, one big-endian `u32`
//! per dimension, then the elements in row-major order. Images of bytes begin with `00 00 08 03`,
//! labels with `00 00 08 01`. Source: LeCun, Cortes, Burges, *The MNIST database*.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::DataError;

/// No file may hold more than 1 GiB of elements; MNIST has 47 MB.
const MAX_BYTES: u64 = 1 << 30;

/// Bytes that each compressed byte may unpack to, beyond [`ALWAYS_ALLOWED`].
const MOST_EXPANSION: u64 = 128;

/// Unpacked bytes that are always allowed in addition.
const ALWAYS_ALLOWED: u64 = 16 << 20;

/// Bytes that are unpacked between two checks of their number.
const BLOCK: u64 = 1 << 20;

const U8: u8 = 0x08;

/// The content of an IDX file of bytes.
///
/// ```
/// use ohmgrad_models::data::Idx;
///
/// let labels = Idx { shape: vec![3], data: vec![7, 2, 1] };
/// let mut file = Vec::new();
/// labels.write(&mut file)?;
/// assert_eq!(file, [0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]);
/// assert_eq!(Idx::read(&file[..], "labels")?, labels);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The dimensions, at least one.
    pub shape: Vec<usize>,
    /// The elements in row-major order.
    pub data: Vec<u8>,
}

impl Idx {
    /// Reads a file, plain or gzip.
    ///
    /// # Errors
    ///
    /// As [`Idx::read`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        Self::read(File::open(path).map_err(DataError::io(path))?, path)
    }

    /// Reads to the end of `reader`, plain or gzip, told apart by the first two bytes.
    ///
    /// `name` is the file's name in errors. Memory grows with what is read, never with what a header claims; gzip may
    /// unpack to 16 MiB plus 128 times its size.
    ///
    /// # Errors
    ///
    /// [`DataError::Format`] if the content is no IDX of `u8`, is damaged, too short or too long,
    /// or has more than 1 GiB; [`DataError::Io`] if reading fails.
    pub fn read(reader: impl Read, name: impl AsRef<Path>) -> Result<Self, DataError> {
        let name = name.as_ref();
        // Twice, for headers and gzip that does not compress; this also ends streams that yield no content.
        let mut reader = reader.take(2 * MAX_BYTES);
        let mut start = Vec::new();
        reader.by_ref().take(2).read_to_end(&mut start).map_err(DataError::io(name))?;
        let taken = Cell::new(0);
        let whole = Counted { reader: start.as_slice().chain(reader), taken: &taken };

        let mut data = Vec::new();
        let shape = match start[..] {
            [0x1f, 0x8b] => Source { reader: MultiGzDecoder::new(whole), name, packed: Some(&taken) }.idx(&mut data)?,
            _ => Source { reader: whole, name, packed: None }.idx(&mut data)?,
        };
        Ok(Idx { shape, data })
    }

    /// Writes the plain format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if `data` does not fill `shape`, or [`Idx::read`] would refuse
    /// the shape; else the error of `writer`.
    pub fn write(&self, mut writer: impl Write) -> io::Result<()> {
        let invalid = || {
            let what = format!("{} bytes cannot be an IDX of shape {:?}", self.data.len(), self.shape);
            io::Error::new(ErrorKind::InvalidInput, what)
        };
        if elements(&self.shape) != Some(self.data.len() as u64) {
            return Err(invalid());
        }
        let rank = u8::try_from(self.shape.len()).map_err(|_| invalid())?;
        writer.write_all(&[0, 0, U8, rank])?;
        for &d in &self.shape {
            writer.write_all(&u32::try_from(d).map_err(|_| invalid())?.to_be_bytes())?;
        }
        writer.write_all(&self.data)?;
        writer.flush()
    }
}

/// The number of elements of a shape; `None` without dimensions, or if it is too large.
///
/// The product of the dimensions that are not 0 is bounded too, so that the product of a part of the shape does not
/// overflow.
fn elements(shape: &[usize]) -> Option<u64> {
    let bound = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d.max(1) as u64))?;
    let fits = !shape.is_empty() && bound <= MAX_BYTES;
    fits.then(|| if shape.contains(&0) { 0 } else { bound })
}

fn type_name(code: u8) -> &'static str {
    match code {
        U8 => "u8",
        0x09 => "i8",
        0x0b => "i16",
        0x0c => "i32",
        0x0d => "f32",
        0x0e => "f64",
        _ => "unknown",
    }
}

/// Uncompressed bytes, and the file's name for errors.
struct Source<'a, R> {
    reader: R,
    name: &'a Path,
    /// The number of compressed bytes that have been read, if the file is compressed.
    packed: Option<&'a Cell<u64>>,
}

/// Counts what is read.
struct Counted<'a, R> {
    reader: R,
    taken: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(to)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

impl<R: Read> Source<'_, R> {
    /// Reads the whole file: elements into `data`, returns the shape.
    fn idx(&mut self, data: &mut Vec<u8>) -> Result<Vec<usize>, DataError> {
        let mut magic = Vec::new();
        self.read(&mut magic, 4, "magic number")?;
        let (code, rank) = match magic[..] {
            [0, 0, code, rank] => (code, rank),
            _ => {
                let what = format!("expected an IDX file, 00 00 08 .., found {magic:02x?}");
                return Err(DataError::format(self.name, what));
            }
        };
        if code != U8 {
            let kind = type_name(code);
            let what = format!("expected elements of u8 (08), found {kind} ({code:02x})");
            return Err(DataError::format(self.name, what));
        }

        let mut dimensions = Vec::new();
        self.read(&mut dimensions, 4 * u64::from(rank), "dimensions")?;
        let (dimensions, _) = dimensions.as_chunks();
        let shape: Vec<_> = dimensions.iter().map(|&d| u32::from_be_bytes(d) as usize).collect();
        let Some(len) = elements(&shape) else {
            let what = format!("expected at most 1 GiB in 1 or more dimensions, found {shape:?}");
            return Err(DataError::format(self.name, what));
        };

        self.read(data, len, "data")?;
        // Reading past the last byte makes gzip compare its own checksum.
        let mut rest = Vec::new();
        self.read_up_to(&mut rest, 1)?;
        if !rest.is_empty() {
            let what = format!("expected the end after the {len} bytes of {shape:?}, found more");
            return Err(DataError::format(self.name, what));
        }
        Ok(shape)
    }

    fn read(&mut self, to: &mut Vec<u8>, len: u64, part: &str) -> Result<(), DataError> {
        match self.read_up_to(to, len)? {
            found if found == len => Ok(()),
            found => {
                let what = format!("expected {len} bytes of {part}, found {found}");
                Err(DataError::format(self.name, what))
            }
        }
    }

    fn read_up_to(&mut self, to: &mut Vec<u8>, len: u64) -> Result<u64, DataError> {
        let mut found = 0;
        while found < len {
            let allowed = self.packed.map(|packed| ALWAYS_ALLOWED + MOST_EXPANSION * packed.get());
            if let Some(allowed) = allowed.filter(|&allowed| found > allowed) {
                let what =
                    format!("unpacks to more than {allowed} bytes, {MOST_EXPANSION} times what was read and 16 MiB");
                return Err(DataError::format(self.name, what));
            }
            match self.read_block(to, BLOCK.min(len - found))? {
                0 => break,
                more => found += more,
            }
        }
        Ok(found)
    }

    fn read_block(&mut self, to: &mut Vec<u8>, len: u64) -> Result<u64, DataError> {
        match self.reader.by_ref().take(len).read_to_end(to) {
            Ok(found) => Ok(found as u64),
            Err(e) => Err(match e.kind() {
                // Errors of the gzip decoder about the content.
                ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                    DataError::format(self.name, format!("damaged gzip: {e}"))
                }
                _ => DataError::io(self.name)(e),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn file(magic: [u8; 4], dimensions: &[u32], data: &[u8]) -> Vec<u8> {
        let dimensions = dimensions.iter().flat_map(|d| d.to_be_bytes());
        magic.into_iter().chain(dimensions).chain(data.iter().copied()).collect()
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn complaint(content: &[u8]) -> String {
        let error = Idx::read(content, "digits").unwrap_err();
        assert!(matches!(error, DataError::Format { .. }), "{error:?}");
        error.to_string()
    }

    fn small() -> Vec<u8> {
        file([0, 0, 8, 3], &[2, 1, 3], &[1, 2, 3, 4, 5, 6])
    }

    #[test]
    fn content_decides_about_gzip_not_the_name() {
        let expected = Idx { shape: vec![2, 1, 3], data: vec![1, 2, 3, 4, 5, 6] };
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in [("plain.gz", small()), ("compressed", gzip(&small()))] {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            assert_eq!(Idx::open(path).unwrap(), expected);
        }
        let error = Idx::open(dir.path().join("absent")).unwrap_err();
        assert!(matches!(&error, DataError::Io { path, .. } if path.ends_with("absent")));
    }

    #[test]
    fn gzip_in_several_members_is_one_file() {
        let (head, tail) = (&small()[..9], &small()[9..]);
        let members = [gzip(head), gzip(&[]), gzip(tail)].concat();
        assert_eq!(Idx::read(&members[..], "digits").unwrap().data, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn every_truncation_is_an_error() {
        for content in [small(), gzip(&small())] {
            for len in 0..content.len() {
                complaint(&content[..len]);
            }
        }
        assert_eq!(complaint(&small()[..20]), "digits: expected 6 bytes of data, found 4");
        assert_eq!(complaint(&small()[..7]), "digits: expected 12 bytes of dimensions, found 3");
    }

    #[test]
    fn a_flipped_bit_in_gzip_changes_no_digit() {
        let good = gzip(&small());
        // After the ten bytes of the gzip header, of which some have no effect.
        for bit in 80..8 * good.len() {
            let mut content = good.clone();
            content[bit / 8] ^= 1 << (bit % 8);
            // A few bits pad a byte and have no effect.
            match Idx::read(&content[..], "digits") {
                Ok(idx) => assert_eq!(idx.data, [1, 2, 3, 4, 5, 6]),
                Err(error) => assert!(matches!(error, DataError::Format { .. }), "{error:?}"),
            }
        }
    }

    #[test]
    fn trailing_bytes_are_an_error() {
        let more = [small(), vec![0]].concat();
        let expected = "digits: expected the end after the 6 bytes of [2, 1, 3], found more";
        assert_eq!(complaint(&more), expected);
        assert_eq!(complaint(&gzip(&more)), expected);
        complaint(&[gzip(&small()), vec![0]].concat());
    }

    #[test]
    fn unpacked_gzip_is_bounded() {
        let zeros = |bytes: u32| Idx::read(&gzip(&file([0, 0, 8, 1], &[bytes], &vec![0; bytes as usize]))[..], "zeros");
        assert_eq!(zeros(16 << 20).unwrap().data.len(), 16 << 20);
        let error = zeros(64 << 20).unwrap_err().to_string();
        assert!(error.starts_with("zeros: unpacks to more than"), "{error}");
    }

    /// Unpacking stops as soon as there are more bytes than the header says.
    #[test]
    fn a_gzip_bomb_is_not_unpacked() {
        let bomb = [gzip(&small()), gzip(&[0; 1_000_000]).repeat(200)].concat();
        let mut source = Source { reader: MultiGzDecoder::new(&bomb[..]), name: "bomb".as_ref(), packed: None };
        let mut data = Vec::new();
        assert!(source.idx(&mut data).is_err());
        assert!(data.capacity() < 4096);
        let unread = source.reader.into_inner().len();
        assert!(unread > bomb.len() / 2, "{unread} of {}", bomb.len());
    }

    #[test]
    fn a_header_allocates_nothing() {
        let top = u32::MAX;
        let hostile: [&[u32]; 6] = [&[top], &[top; 3], &[top; 255], &[0, top, top], &[1 << 30], &[1 << 15, 1 << 15]];
        for dimensions in hostile {
            let content = file([0, 0, 8, dimensions.len() as u8], dimensions, &[1, 2, 3]);
            complaint(&content);
            complaint(&gzip(&content));
            let mut data = Vec::new();
            let mut source = Source { reader: &content[..], name: "hostile".as_ref(), packed: None };
            assert!(source.idx(&mut data).is_err());
            assert!(data.capacity() < 4096, "{} bytes for {dimensions:?}", data.capacity());
        }
    }

    #[test]
    fn other_files_are_named() {
        let expected = "digits: expected elements of u8 (08), found f32 (0d)";
        assert_eq!(complaint(&file([0, 0, 13, 1], &[1], &[0; 4])), expected);
        assert!(complaint(&file([0, 0, 9, 1], &[1], &[0])).contains("i8 (09)"));
        assert!(complaint(&file([0, 0, 7, 1], &[1], &[0])).contains("unknown (07)"));
        assert!(complaint(&file([0, 0, 8, 0], &[], &[0])).contains("1 or more dimensions"));
        let png = complaint(b"\x89PNG\r\n");
        assert_eq!(png, "digits: expected an IDX file, 00 00 08 .., found [89, 50, 4e, 47]");
        assert!(complaint(&gzip(&gzip(&small()))).contains("[1f, 8b,"));
    }

    #[test]
    fn states_that_cannot_be_read_are_not_written() {
        for shape in [vec![], vec![2], vec![1; 256], vec![usize::MAX, 2]] {
            let mut out = Vec::new();
            let error = Idx { shape, data: vec![1] }.write(&mut out).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(out.is_empty());
        }
    }

    fn idx() -> impl Strategy<Value = Idx> {
        prop::collection::vec(0..5usize, 1..5).prop_flat_map(|shape| {
            let len = shape.iter().product::<usize>();
            let data = prop::collection::vec(any::<u8>(), len);
            data.prop_map(move |data| Idx { shape: shape.clone(), data })
        })
    }

    proptest! {
        #[test]
        fn writing_and_reading_is_the_identity(idx in idx()) {
            let mut content = Vec::new();
            idx.write(&mut content).unwrap();
            prop_assert_eq!(&Idx::read(&content[..], "plain").unwrap(), &idx);
            prop_assert_eq!(&Idx::read(&gzip(&content)[..], "gzip").unwrap(), &idx);
        }

        /// Random bytes, also behind a valid beginning, give an IDX whose data fit its shape, or an error.
        #[test]
        fn random_bytes_never_panic(
            start in prop::sample::select(vec![
                &[][..], &[0x1f, 0x8b], &[0x1f, 0x8b, 8, 0], &[0, 0], &[0, 0, 8],
                &[0, 0, 8, 1, 0, 0, 0], &[0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0],
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..64),
            compress in any::<bool>(),
        ) {
            let content = [start, &rest].concat();
            let content = if compress { gzip(&content) } else { content };
            if let Ok(idx) = Idx::read(&content[..], "random") {
                prop_assert_eq!(idx.shape.iter().product::<usize>(), idx.data.len());
            }
        }
    }
}
