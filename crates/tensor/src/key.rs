//! Keys name random samples: the samples of a key are the same wherever and in whatever order they are drawn.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A 128-bit name for a stream of random samples.
///
/// Randomness here has no state that advances. A program starts from one `Key::new(seed)` and derives a key for each
/// purpose with [`fold`](Key::fold); equal paths of folds give equal keys, on every machine, in every thread and in any
/// order. Different integers under one parent always give different keys, except a negative one and one of at least
/// 2³²; these, and any two other paths, collide with at most the probability of two random 64-bit numbers. Not for
/// cryptography.
///
/// ```
/// use ohmgrad_tensor::Key;
///
/// let step = Key::new(42).fold("training").fold(17);
/// let noise = step.fold("output noise"); // once, outside the loop over rows
/// let rows: Vec<Key> = (0..3_u32).map(|row| noise.fold(row)).collect();
///
/// assert_eq!(rows[2], Key::new(42).fold("training").fold(17).fold("output noise").fold(2));
/// assert_ne!(rows[2], noise.fold("2")); // integers and strings never meet
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    a: u64,
    b: u64,
}

impl Key {
    /// The root key of a seed. Different seeds give different keys.
    #[inline]
    pub const fn new(seed: u64) -> Self {
        let a = mix(seed ^ ROOT);
        Self { a, b: mix(a.wrapping_add(ROOT)) }
    }

    /// The key named `with` under this one; see [`Fold`] for what a key can be folded with.
    ///
    /// Costs a few nanoseconds. In a loop over rows, fold everything that does not depend on the row before the loop.
    #[inline]
    #[must_use = "folding gives a new key; the old one stays as it is"]
    pub fn fold(self, with: impl Fold) -> Self {
        with.fold_into(self)
    }

    /// The key as two words, for a checkpoint.
    #[inline]
    pub const fn to_words(self) -> [u64; 2] {
        [self.a, self.b]
    }

    /// The inverse of [`to_words`](Key::to_words). Any two words are a valid key.
    #[inline]
    pub const fn from_words([a, b]: [u64; 2]) -> Self {
        Self { a, b }
    }

    /// Absorbs one word. For a fixed word it is a bijection of all keys. For a fixed key it is an injection of all
    /// words of a domain, so two words of a domain never give the same key.
    #[inline]
    const fn absorb(self, word: u64, domain: u64) -> Self {
        let a = mix(self.a ^ mix(word ^ domain));
        Self { a, b: mix(self.b.wrapping_add(a)) }
    }
}

/// 32 hexadecimal digits, the words of [`to_words`](Key::to_words) in order.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.a, self.b)
    }
}

/// A text that is no [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a key is 32 hexadecimal digits")]
pub struct ParseKeyError;

/// Reads what `Display` writes.
///
/// ```
/// use ohmgrad_tensor::Key;
///
/// let key = Key::new(42);
/// assert_eq!(key.to_string().parse(), Ok(key));
/// assert!("42".parse::<Key>().is_err());
/// ```
impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        // from_str_radix would take a sign.
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ParseKeyError);
        }
        let word = |digits| u64::from_str_radix(digits, 16).map_err(|_| ParseKeyError);
        Ok(Self { a: word(&text[..16])?, b: word(&text[16..])? })
    }
}

/// Values that a [`Key`] can be folded with: integers and strings.
///
/// Integers of any type agree where their values do, negative ones included; strings are a separate domain, so
/// `fold(1)` and `fold("1")` differ. Another type implements it by folding its parts:
///
/// ```
/// use ohmgrad_tensor::{Fold, Key};
///
/// struct Site<'a> { path: &'a str, tile: usize }
///
/// impl Fold for Site<'_> {
///     fn fold_into(self, key: Key) -> Key {
///         key.fold(self.path).fold(self.tile)
///     }
/// }
///
/// let key = Key::new(0);
/// assert_eq!(key.fold(Site { path: "conv1", tile: 3 }), key.fold("conv1").fold(3));
/// ```
pub trait Fold {
    /// The key named `self` under `key`.
    fn fold_into(self, key: Key) -> Key;
}

impl Fold for u64 {
    #[inline]
    fn fold_into(self, key: Key) -> Key {
        key.absorb(self, INTEGER)
    }
}

impl Fold for u32 {
    #[inline]
    fn fold_into(self, key: Key) -> Key {
        key.absorb(u64::from(self), INTEGER)
    }
}

impl Fold for usize {
    #[inline]
    fn fold_into(self, key: Key) -> Key {
        key.absorb(self as u64, INTEGER)
    }
}

// The type of a bare literal: without it `fold(1)` would not compile.
impl Fold for i32 {
    #[inline]
    fn fold_into(self, key: Key) -> Key {
        // Sign extension alone would make -1 the same as u64::MAX.
        key.absorb(i64::from(self) as u64, if self < 0 { NEGATIVE } else { INTEGER })
    }
}

impl Fold for &str {
    #[inline]
    fn fold_into(self, key: Key) -> Key {
        let words = self.as_bytes().chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        // The length ends the string. Without it "ab" then "c" could give the key of "abc", and "a" that of "a\0".
        words.fold(key, |key, word| key.absorb(word, STRING)).absorb(self.len() as u64, LENGTH)
    }
}

impl Fold for &String {
    #[inline]
    fn fold_into(self, key: Key) -> Key {
        self.as_str().fold_into(key)
    }
}

// Arbitrary odd constants: digits of π, nothing up the sleeve.
const ROOT: u64 = 0x243f_6a88_85a3_08d3;
const INTEGER: u64 = 0x1319_8a2e_0370_7345;
const NEGATIVE: u64 = 0xa409_3822_299f_31d1;
const STRING: u64 = 0x082e_fa98_ec4e_6c89;
const LENGTH: u64 = 0x4528_21e6_38d0_1377;

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014, with Stafford's variant 13): a bijection in which every bit
/// of the input moves every bit of the output.
#[inline]
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn integers_agree_where_their_values_do() {
        let key = Key::new(1);
        assert_eq!(key.fold(7), key.fold(7u32));
        assert_eq!(key.fold(7), key.fold(7u64));
        assert_eq!(key.fold(7), key.fold(7usize));
        assert_ne!(key.fold(-1), key.fold(u64::MAX));
        assert_ne!(key.fold(-1), key.fold(u32::MAX));
    }

    #[test]
    fn different_names_give_different_keys() {
        let key = Key::new(2);
        let names = ["", "\0", "0", "1", "a", "a\0", "ab", "abcdefgh", "abcdefgh\0", "abcdefghi", "ä"];
        let mut keys: HashSet<Key> = names.iter().map(|&name| key.fold(name)).collect();
        keys.extend((0..100).map(|n| key.fold(n)));
        keys.extend([key, key.fold("a").fold("b"), key.fold("b").fold("a"), key.fold(1).fold(2), key.fold(2).fold(1)]);
        keys.extend((0..100).map(Key::new));
        assert_eq!(keys.len(), names.len() + 100 + 5 + 99, "only Key::new(2) is among them twice");
        assert_eq!(key.fold(&String::from("ab")), key.fold("ab"));
    }

    /// Flips each bit of the parent and of the integer: every bit of the child should flip in half of the cases.
    ///
    /// 20,480 frequencies in 1000 cases each: one of them beyond 6σ for 1 root in 24,000. This root is fixed.
    #[test]
    fn every_bit_moves_every_bit() {
        let bits = |key: Key| {
            let [a, b] = key.to_words();
            u128::from(a) << 64 | u128::from(b)
        };
        let cases = 1000u32;
        let mut flips = vec![[0u32; 128]; 192];
        for case in 0..cases {
            let (key, n) = (Key::new(3).fold(case), u64::from(case) * 0x1_0000_0001);
            let [a, b] = key.to_words();
            let child = bits(key.fold(n));
            for (i, flips) in flips.iter_mut().enumerate() {
                let other = match i / 64 {
                    0 => Key::from_words([a ^ 1 << (i % 64), b]).fold(n),
                    1 => Key::from_words([a, b ^ 1 << (i % 64)]).fold(n),
                    _ => key.fold(n ^ 1 << (i % 64)),
                };
                for (j, count) in flips.iter_mut().enumerate() {
                    *count += (bits(other) >> j ^ child >> j) as u32 & 1;
                }
            }
        }
        let bound = 6.0 * (f64::from(cases) / 4.0).sqrt();
        for (i, flips) in flips.iter().enumerate() {
            for (j, &count) in flips.iter().enumerate() {
                // The word b enters after a is done.
                if i / 64 == 1 && j >= 64 {
                    assert_eq!(count, 0);
                } else {
                    assert!((f64::from(count) - f64::from(cases) / 2.0).abs() < bound, "{i} {j} {count}");
                }
            }
        }
    }

    #[test]
    fn keys_are_pinned() {
        let key = Key::new(42);
        assert_eq!(key.to_string(), "60bb4d5392b97d06dc2aaf5625668d86");
        assert_eq!(key.fold(0).to_string(), "4f57e0e8d5d08193304d2c130ca45e4f");
        assert_eq!(key.fold(-1).to_string(), "c7ef18eb01e9f7beee426b4f441f2b67");
        assert_eq!(key.fold("training").fold(17).to_string(), "1c6b18cdd94a8a84f5318ad7ae494449");
        assert_eq!(key.fold("output noise").to_string(), "c7cc1ae9238bbea89372c1a41224f630");
        assert_eq!(Key::from_words(key.to_words()), key);
        const { assert!(Key::new(42).to_words()[0] != 0) };
    }

    #[test]
    fn invalid_texts_are_no_keys() {
        let digits = Key::new(42).to_string();
        assert_eq!(digits.to_uppercase().parse(), Ok(Key::new(42)));
        let wrong = [
            "",
            "60bb",
            "+0bb4d5392b97d06dc2aaf5625668d86",
            "60bb4d5392b97d06dc2aaf5625668d8g",
            "ä0bb4d5392b97d06dc2aaf5625668d8",
        ];
        wrong.iter().for_each(|text| assert_eq!(text.parse::<Key>(), Err(ParseKeyError), "{text}"));
        assert!(format!("{digits}0").parse::<Key>().is_err());
    }
}
