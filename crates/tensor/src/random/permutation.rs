use rand_xoshiro::rand_core::Rng;

use super::generator::generator;
use crate::Key;

/// A permutation of `0..n`, each of the n! with the same probability (Fisher–Yates).
///
/// A pure function of `n` and the key, the same on every machine.
///
/// ```
/// use ohmgrad_tensor::{Key, random};
///
/// let mut order = random::permutation(60_000, Key::new(7).fold("shuffle").fold(3));
/// order.sort();
/// assert!(order.into_iter().eq(0..60_000));
/// ```
pub fn permutation(n: usize, key: Key) -> Vec<usize> {
    let mut rng = generator(key);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, below(i as u64 + 1, || rng.next_u64()) as usize);
    }
    order
}

/// Uniform in `0..n`, without bias (Lemire 2019).
// Not rand's own: its samples may change from version to version.
fn below(n: u64, mut draw: impl FnMut() -> u64) -> u64 {
    loop {
        let wide = u128::from(draw()) * u128::from(n);
        // Of the 2⁶⁴ words every result keeps ⌊2⁶⁴/n⌋; the 2⁶⁴ mod n words left over are drawn again.
        if wide as u64 >= n.wrapping_neg() % n {
            return (wide >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_permutation_of_any_length() {
        for n in [0, 1, 2, 3, 100, 4097] {
            let mut order = permutation(n, Key::new(n as u64));
            order.sort();
            assert!(order.into_iter().eq(0..n));
        }
    }

    /// χ² over the six orders of three, 5 degrees of freedom: above 35 once in 700,000 keys. This key is fixed.
    #[test]
    fn all_orders_of_three_are_equally_likely() {
        let (key, draws) = (Key::new(6), 60_000);
        let mut counts = [0u32; 9];
        for i in 0..draws {
            let order = permutation(3, key.fold(i));
            counts[order[0] * 3 + order[1]] += 1;
        }
        let expected = f64::from(draws) / 6.0;
        let orders = counts.iter().filter(|&&count| count > 0);
        assert_eq!(orders.clone().count(), 6);
        let chi2: f64 = orders.map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        assert!(chi2 < 35.0, "{chi2}");
    }

    /// Words on either side of each border between two results, and words that are drawn again.
    #[test]
    fn below_draws_leftover_words_again() {
        let n = 3;
        let third = u64::MAX / 3; // 2⁶⁴ mod 3 = 1: only the word 0 is left over
        for (word, result) in [(1, 0), (third, 0), (third + 1, 1), (2 * third, 1), (2 * third + 1, 2), (u64::MAX, 2)] {
            let mut words = [0, word].into_iter();
            assert_eq!(below(n, || words.next().unwrap()), result, "{word}");
            assert_eq!(words.next(), None);
        }
    }

    #[test]
    fn the_order_is_pinned() {
        assert_eq!(permutation(10, Key::new(42)), [3, 7, 1, 5, 9, 6, 2, 0, 4, 8]);
    }
}
