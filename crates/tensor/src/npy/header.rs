//! The header of an array in NumPy's format: a Python dictionary with three keys, as `numpy.lib.format` writes it.
//!
//! `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, in any order of the keys.

use std::io::Read;

/// Headers are a line of text; anything longer than this is not a header.
const MOST_BYTES: usize = 1 << 16;

/// NumPy's own limit of axes; older versions have 32.
const MOST_AXES: usize = 64;

/// The kinds of numbers that are read, and their sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// `f4` or `f8`.
    Float(usize),
    /// `i1`, `i2`, `i4` or `i8`.
    Signed(usize),
    /// `u1`, `u2`, `u4`, `u8`, or `b1` with 0 and 1.
    Unsigned(usize),
}

/// Description of an array in a header.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub kind: Kind,
    pub big_endian: bool,
    pub fortran_order: bool,
    /// The shape of the array, whose elements fit into memory.
    pub shape: Vec<usize>,
}

impl Header {
    /// All bytes before the data, as NumPy writes them: the data begin at a multiple of 64.
    pub fn bytes(&self) -> Vec<u8> {
        let end = if self.big_endian { '>' } else { '<' };
        let kind = match self.kind {
            Kind::Float(size) => format!("f{size}"),
            Kind::Signed(size) => format!("i{size}"),
            Kind::Unsigned(size) => format!("u{size}"),
        };
        let order = if self.fortran_order { "True" } else { "False" };
        let shape: String = self.shape.iter().map(|n| format!("{n}, ")).collect();
        // A tuple of one keeps its comma.
        let shape = if self.shape.len() == 1 { shape.trim_end() } else { shape.trim_end_matches(", ") };
        let mut text = format!("{{'descr': '{end}{kind}', 'fortran_order': {order}, 'shape': ({shape}), }}");
        let start = b"\x93NUMPY\x01\x00\0\0".len();
        let spaces = 63 - (start + text.len()) % 64;
        text.extend(std::iter::repeat_n(' ', spaces).chain(['\n']));
        let length = u16::try_from(text.len()).expect("a header of at most 64 axes is short");
        [&b"\x93NUMPY\x01\x00"[..], &length.to_le_bytes(), text.as_bytes()].concat()
    }

    /// Reads all bytes before the data.
    pub fn read(mut from: impl Read) -> Result<Self, String> {
        let cut_off = |_| "is cut off inside the header".to_owned();
        let mut start = [0; 10];
        from.read_exact(&mut start).map_err(cut_off)?;
        if &start[..6] != b"\x93NUMPY" {
            return Err("does not start with \\x93NUMPY".into());
        }
        let mut length = usize::from(u16::from_le_bytes([start[8], start[9]]));
        match start[6] {
            1 => {}
            2 | 3 => {
                let mut rest = [0; 2];
                from.read_exact(&mut rest).map_err(cut_off)?;
                length += usize::from(u16::from_le_bytes(rest)) << 16;
            }
            other => return Err(format!("is of version {other} of the format; 1, 2 and 3 are read")),
        }
        if length > MOST_BYTES {
            return Err(format!("claims a header of {length} bytes; at most {MOST_BYTES} are allowed"));
        }
        let mut text = vec![0; length];
        from.read_exact(&mut text).map_err(cut_off)?;
        let text = std::str::from_utf8(&text).map_err(|_| "has a header that is not a text".to_owned())?;
        Self::parse(text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut rest = Rest(text);
        let (mut descr, mut order, mut shape) = (None, None, None);
        rest.expect("{")?;
        while !rest.take("}") {
            let key = rest.string()?;
            rest.expect(":")?;
            let twice = match key {
                "descr" => descr.replace(rest.descr()?).is_some(),
                "fortran_order" => order.replace(rest.truth()?).is_some(),
                "shape" => shape.replace(rest.shape()?).is_some(),
                other => return Err(format!("has an unknown key `{}` in its header", shown(other))),
            };
            if twice {
                return Err(format!("has the key `{key}` in its header twice"));
            }
            if !rest.take(",") {
                rest.expect("}")?;
                break;
            }
        }
        if !rest.0.trim_end_matches(['\0', ' ', '\n']).is_empty() {
            return Err("has something behind the dictionary in its header".into());
        }
        let missing = |key: &str| format!("has no `{key}` in its header");
        let (kind, big_endian) = descr.ok_or_else(|| missing("descr"))?;
        let fortran_order = order.ok_or_else(|| missing("fortran_order"))?;
        Ok(Self { kind, big_endian, fortran_order, shape: shape.ok_or_else(|| missing("shape"))? })
    }
}

/// The part of a header that is not read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Takes `what` if it comes next; returns whether it did.
    fn take(&mut self, what: &str) -> bool {
        self.0 = self.0.trim_start();
        self.0.strip_prefix(what).map(|rest| self.0 = rest).is_some()
    }

    fn expect(&mut self, what: &str) -> Result<(), String> {
        if self.take(what) {
            Ok(())
        } else {
            Err(format!("has `{}` in its header, where `{what}` belongs", shown(self.0)))
        }
    }

    /// A string without escapes, in either kind of quotes.
    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.take("'") { '\'' } else { self.expect("\"").map(|()| '"')? };
        let (text, rest) = self.0.split_once(quote).ok_or("has a string without an end in its header")?;
        self.0 = rest;
        Ok(text)
    }

    /// Returns the kind of elements, and `true` if their most significant byte comes first.
    fn descr(&mut self) -> Result<(Kind, bool), String> {
        let other =
            |what: &str| format!("holds {}; numbers f4, f8, i1 to i8, u1 to u8 and b1 are allowed", shown(what));
        if !self.0.trim_start().starts_with(['\'', '"']) {
            return Err(other(self.0.trim_start()));
        }
        let text = self.string()?;
        let kind = match text.get(1..) {
            Some("f4") => Kind::Float(4),
            Some("f8") => Kind::Float(8),
            Some("i1") => Kind::Signed(1),
            Some("i2") => Kind::Signed(2),
            Some("i4") => Kind::Signed(4),
            Some("i8") => Kind::Signed(8),
            Some("u1" | "b1") => Kind::Unsigned(1),
            Some("u2") => Kind::Unsigned(2),
            Some("u4") => Kind::Unsigned(4),
            Some("u8") => Kind::Unsigned(8),
            _ => return Err(other(text)),
        };
        match text.as_bytes()[0] {
            b'<' | b'|' => Ok((kind, false)),
            b'>' => Ok((kind, true)),
            b'=' => Ok((kind, cfg!(target_endian = "big"))),
            _ => Err(other(text)),
        }
    }

    fn truth(&mut self) -> Result<bool, String> {
        match (self.take("True"), self.take("False")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(format!("has `{}` in its header, where True or False belongs", shown(self.0))),
        }
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        self.expect("(")?;
        let mut shape: Vec<usize> = vec![];
        while !self.take(")") {
            self.0 = self.0.trim_start();
            let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = self.0.split_at(digits);
            let size = number.parse().map_err(|_| format!("has no readable shape: `{}`", shown(self.0)))?;
            // Python 2 wrote 3L.
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            shape.push(size);
            if shape.len() > MOST_AXES {
                return Err(format!("has more than {MOST_AXES} axes"));
            }
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        match crate::shape::fits(&shape) {
            true => Ok(shape),
            false => Err("has a shape of more elements than memory can hold".into()),
        }
    }
}

/// The beginning of a text, for an error.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_numpy_are_read() {
        let header = |kind, big_endian, fortran_order, shape: &[usize]| {
            Ok(Header { kind, big_endian, fortran_order, shape: shape.to_vec() })
        };
        for (text, expected) in [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n",
                header(Kind::Float(4), false, false, &[2, 3]),
            ),
            ("{'descr': '>f8', 'fortran_order': True, 'shape': (7,), }", header(Kind::Float(8), true, true, &[7])),
            ("{\"shape\":(),\"descr\":\"<f8\",\"fortran_order\":False}", header(Kind::Float(8), false, false, &[])),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (0L, 5L)}",
                header(Kind::Float(4), false, false, &[0, 5]),
            ),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}", header(Kind::Unsigned(1), false, false, &[5])),
        ] {
            assert_eq!(Header::parse(text), expected);
        }
    }

    /// The first file is NumPy's own, of `numpy.zeros((2, 3), 'f4')`.
    #[test]
    fn written_files_equal_those_of_numpy() {
        let header = |size, shape: &[usize]| Header {
            kind: Kind::Float(size),
            big_endian: false,
            fortran_order: false,
            shape: shape.to_vec(),
        };
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
        let numpy = format!("\x01\x00v\x00{text:117}\n");
        assert_eq!(header(4, &[2, 3]).bytes(), [&b"\x93NUMPY"[..], numpy.as_bytes()].concat());
        for shape in [&[][..], &[7], &[0, 5], &[usize::MAX >> 4], &[1; 64]] {
            let header = header(8, shape);
            let bytes = header.bytes();
            assert_eq!(bytes.len() % 64, 0);
            assert_eq!(Header::read(&bytes[..]), Ok(header));
        }
    }

    #[test]
    fn other_contents_are_named() {
        for (text, complaint) in [
            (
                "{'descr': '<c8', 'fortran_order': False, 'shape': ()}",
                "holds <c8; numbers f4, f8, i1 to i8, u1 to u8 and b1 are allowed",
            ),
            (
                "{'descr': [('a', '<f4')], 'shape': ()}",
                "holds [(\\'a\\', \\'<f4\\')], \\'shape\\': ()}; numbers f4, f8, i1 to i8, u1 to u8 and b1 are allowed",
            ),
            ("{'descr': '<f4', 'descr': '<f8'}", "has the key `descr` in its header twice"),
            ("{'shape': (), 'shape': ()}", "has the key `shape` in its header twice"),
            ("{'descr': '<f4', 'shape': ()}", "has no `fortran_order` in its header"),
            ("{'colour': 1}", "has an unknown key `colour` in its header"),
            ("{'shape': (4294967296, 4294967296)}", "has a shape of more elements than memory can hold"),
            ("{'shape': (0, 18446744073709551615)}", "has a shape of more elements than memory can hold"),
            ("{'shape': (-1,)}", "has no readable shape: `-1,)}`"),
            ("{'fortran_order': Nope}", "has `Nope}` in its header, where True or False belongs"),
            ("{'descr", "has a string without an end in its header"),
            ("{} x", "has something behind the dictionary in its header"),
            ("", "has `` in its header, where `{` belongs"),
        ] {
            assert_eq!(Header::parse(text).unwrap_err(), complaint, "{text}");
        }
    }

    /// The time for nested and repeated headers is linear in their length.
    #[test]
    fn long_headers_are_read_once() {
        for part in ["(", "[", "{", "'", "1,", "{'shape':(", "'descr':"] {
            let text = part.repeat(MOST_BYTES / part.len());
            assert!(Header::parse(&text).is_err());
            assert!(Header::parse(&format!("{{'shape': ({text}")).is_err());
        }
    }
}
