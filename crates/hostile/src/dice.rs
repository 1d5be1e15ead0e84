//! Random numbers of the mutations.

use std::ops::Range;

use ohmgrad_tensor::Key;

/// A sequence of choices that is a function of a key.
#[derive(Clone, Debug)]
pub struct Dice {
    key: Key,
    thrown: u64,
}

impl Dice {
    /// The sequence of a key.
    pub fn new(key: Key) -> Self {
        Self { key, thrown: 0 }
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.thrown += 1;
        (self.key.fold(self.thrown).to_words()[0] % n.max(1) as u64) as usize
    }

    /// One of some items.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// The numbers of the cases that a test runs: `usual`, or instead `FIRST..LAST` from the environment variable
/// `OHMGRAD_FUZZ`, such as a range after the usual one.
///
/// # Panics
/// If the variable is no such range.
pub fn cases(usual: Range<usize>) -> Range<usize> {
    std::env::var("OHMGRAD_FUZZ").map_or(usual, |range| {
        let ends = range.split_once("..").and_then(|(first, last)| Some(first.parse().ok()?..last.parse().ok()?));
        ends.unwrap_or_else(|| panic!("OHMGRAD_FUZZ = {range}: must be FIRST..LAST, as 600..10000"))
    })
}
