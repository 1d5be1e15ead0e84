use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::lanes::{LANES, seed};
use crate::Key;

impl Key {
    /// A generator for crates that draw from a [`rand::Rng`](https://docs.rs/rand), such as `rand_distr`: Xoshiro256++
    /// (Blackman & Vigna 2021). A key gives the same words on every machine; the samples that a crate makes from them
    /// may change with its version.
    ///
    /// ```
    /// use ohmgrad_tensor::Key;
    /// use rand_xoshiro::rand_core::Rng;
    ///
    /// let key = Key::new(42).fold("stuck devices");
    /// assert_eq!(key.rng().next_u64(), key.rng().next_u64());
    /// assert_ne!(key.rng().next_u64(), key.fold(1).rng().next_u64());
    /// ```
    pub fn rng(self) -> impl Rng + Clone {
        generator(self)
    }
}

/// Xoshiro256++, seeded with the words after those of the [`Lanes`](super::Lanes) of the same key.
pub(super) fn generator(key: Key) -> Xoshiro256PlusPlus {
    let [a, b] = key.to_words();
    let mut bytes = [0; 32];
    let next = LANES as u64;
    for (word, bytes) in [seed(a, b, next), seed(a, b, next + 1)].as_flattened().iter().zip(bytes.as_chunks_mut().0) {
        *bytes = word.to_le_bytes();
    }
    Xoshiro256PlusPlus::from_seed(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draws of a user's noise model are part of the promise "same key, same bits".
    #[test]
    fn words_are_pinned() {
        let mut rng = Key::new(42).rng();
        assert_eq!([rng.next_u64(), rng.next_u64()], [0xd5b2_02e1_c910_ec15, 0x88ba_ef9e_550c_0f7c]);
    }
}
