//! Archives and headers: mutations of their content with correct lengths and checksums, so that a reader reaches the
//! mutation.

use std::io::{Cursor, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use zip::write::FileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::Dice;

/// The entries of a gzip or zip file, with their names.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut content = vec![];
        MultiGzDecoder::new(bytes).read_to_end(&mut content).ok()?;
        return Some(vec![(String::new(), content)]);
    }
    if !bytes.starts_with(b"PK") {
        return None;
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let count = archive.len();
    let entry = |i: usize| {
        let mut file = archive.by_index(i).ok()?;
        let mut content = vec![];
        file.read_to_end(&mut content).ok()?;
        Some((file.name().to_owned(), content))
    };
    (0..count).map(entry).collect()
}

/// Entries as a file: gzip if the only one has no name, else zip, compressed or not.
pub(crate) fn pack(entries: &[(String, Vec<u8>)], dice: &mut Dice) -> Vec<u8> {
    if let [(name, content)] = entries
        && name.is_empty()
    {
        let mut gzip = GzEncoder::new(vec![], Compression::fast());
        gzip.write_all(content).expect("memory can be written");
        return gzip.finish().expect("memory can be written");
    }
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    for (name, content) in entries {
        let method = *dice.pick(&[CompressionMethod::Stored, CompressionMethod::Deflated]);
        // Entries whose names can't be written are left out.
        if archive.start_file(name, FileOptions::default().compression_method(method)).is_ok() {
            archive.write_all(content).expect("memory can be written");
        }
    }
    archive.finish().expect("memory can be written").into_inner()
}

/// Puts the length of the header right in a `.npy` or safetensors file.
pub(crate) fn right_lengths(bytes: &mut [u8]) {
    if bytes.starts_with(b"\x93NUMPY") && bytes.len() > 10 {
        if let Some(end) = bytes[10..].iter().position(|&byte| byte == b'\n') {
            bytes[8..10].copy_from_slice(&((end + 1) as u16).to_le_bytes());
        }
    } else if bytes.len() > 8 && bytes[8] == b'{' {
        // The header ends where its braces do.
        let (mut depth, mut inside) = (0, false);
        for i in 8..bytes.len() {
            match bytes[i] {
                b'"' if bytes[i - 1] != b'\\' => inside = !inside,
                b'{' if !inside => depth += 1,
                b'}' if !inside => depth -= 1,
                _ => continue,
            }
            if depth == 0 && !inside {
                // The length includes the spaces that pad the header.
                let spaces = bytes[i + 1..].iter().take_while(|byte| **byte == b' ').count();
                bytes[..8].copy_from_slice(&((i - 7 + spaces) as u64).to_le_bytes());
                return;
            }
        }
    }
}
