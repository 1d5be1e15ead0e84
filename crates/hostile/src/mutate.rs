//! Changes of a file at one place: bytes, numbers, names, fields, lines and nesting.

use std::ops::Range;

use crate::Dice;

/// Insertions into texts: numbers (NaN, infinite, negative, too large, too small), special characters and `null`.
const TOKENS: [&[u8]; 22] = [
    b"NaN",
    b"nan",
    b"-inf",
    b"1e999",
    b"-1",
    b"18446744073709551615",
    b"4294967296",
    b"1e-50",
    b"\"",
    b"'",
    b"{",
    b"[",
    b"(",
    b"]",
    b"}",
    b"\\u0000",
    b"\n",
    b",",
    b"=",
    b":",
    b"null",
    b"\xff\xfe",
];

/// The number of tokens, from the first on, that are numbers.
const NUMBERS: usize = 8;

/// Changes `bytes` at a random place; parts of `others` may be copied into them.
pub(crate) fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    if bytes.is_empty() {
        return;
    }
    let at = dice.below(bytes.len());
    let end = bytes.len().min(at + 1 + dice.below(80));
    match dice.below(16) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.below(256) as u8,
        2 => bytes.truncate(at),
        // A stretch is doubled, removed, or replaced by one from another file.
        3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
        4 => drop(bytes.drain(at..end)),
        5 => {
            let other = dice.pick(others);
            let from = dice.below(other.len());
            bytes.splice(at..end, other[from..other.len().min(from + 80)].to_vec());
        }
        6 => {
            let token = *dice.pick(&TOKENS);
            bytes.splice(at..at, token.iter().copied());
        }
        7 => {
            let token = dice.pick(&TOKENS).repeat(dice.below(3000));
            bytes.splice(at..at, token);
        }
        8 => number(bytes, at, dice),
        9 => field(bytes, at),
        10 => binary_field(bytes, at, dice),
        11..=13 => group(bytes, at, dice),
        _ => line(bytes, at, dice),
    }
}

/// A number in the text becomes another.
fn number(bytes: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = bytes[at..].iter().position(digit).map(|i| at + i) else { return };
    let end = bytes[start..].iter().position(|byte| !digit(byte)).map_or(bytes.len(), |i| start + i);
    let token = *dice.pick(&TOKENS[..NUMBERS]);
    bytes.splice(start..end, token.iter().copied());
}

/// A key and its value are given twice.
fn field(bytes: &mut Vec<u8>, at: usize) {
    let quote = |byte: &u8| [b'"', b'\'', b','].contains(byte);
    let Some(start) = bytes[at..].iter().position(quote).map(|i| at + i) else { return };
    let end = bytes[start + 1..].iter().position(|&byte| byte == b',').map_or(bytes.len(), |i| start + 2 + i);
    bytes.splice(start..start, bytes[start..end].to_vec());
}

/// Overwrites two, four or eight bytes with a number, as in a field of a binary format.
fn binary_field(bytes: &mut [u8], at: usize, dice: &mut Dice) {
    let value = *dice.pick(&[0, 1, 0x7f, 0xff, 0xffff, 1 << 31, u64::from(u32::MAX), 1 << 62, u64::MAX]);
    let width = *dice.pick(&[2, 4, 8]);
    bytes[at..].iter_mut().zip(value.to_le_bytes()).take(width).for_each(|(byte, new)| *byte = new);
}

/// Doubles, empties, removes, nests or replaces the text between two brackets, with the brackets.
fn group(bytes: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let Some(range) = balanced(bytes, at) else { return };
    let whole = bytes[range.clone()].to_vec();
    let (open, close) = (whole[0], whole[whole.len() - 1]);
    let new = match dice.below(6) {
        0 => [&whole[..], b",", &whole].concat(),
        1 => vec![open, close],
        2 => vec![],
        3 => {
            let depth = 1 + dice.below(300);
            [vec![open; depth], whole, vec![close; depth]].concat()
        }
        4 => {
            let start = dice.below(bytes.len());
            balanced(bytes, start).map_or(whole, |other| bytes[other].to_vec())
        }
        _ => {
            let inner = whole[1..whole.len() - 1].to_vec();
            [&[open][..], &inner, b",", &inner, &[close]].concat()
        }
    };
    bytes.splice(range, new);
}

/// The range of the first text in brackets from `at` on, with the brackets.
fn balanced(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at + bytes[at..].iter().position(|byte| b"{[(".contains(byte))?;
    let (open, mut depth) = (bytes[start], 0_usize);
    let close = if open == b'(' { b')' } else { open + 2 };
    let end = bytes[start..].iter().position(|&byte| {
        depth += usize::from(byte == open);
        depth -= usize::from(byte == close);
        depth == 0
    })?;
    Some(start..start + end + 1)
}

/// A line is doubled, lost, or moves.
fn line(bytes: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |i| i + 1);
    let end = bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |i| at + i + 1);
    let line = bytes[start..end].to_vec();
    match dice.below(3) {
        0 => drop(bytes.drain(start..end)),
        1 => drop(bytes.splice(start..start, line)),
        _ => {
            bytes.drain(start..end);
            let to = dice.below(bytes.len() + 1);
            let to = bytes[..to].iter().rposition(|&byte| byte == b'\n').map_or(0, |i| i + 1);
            bytes.splice(to..to, line);
        }
    }
}
