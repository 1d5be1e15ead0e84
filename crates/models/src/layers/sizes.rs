//! Sizes along the axes of a window.

/// A size for each of N axes: one number for all of them, or an array.
pub trait Sizes<const N: usize> {
    /// The sizes.
    fn sizes(self) -> [usize; N];
}

impl<const N: usize> Sizes<N> for usize {
    fn sizes(self) -> [usize; N] {
        [self; N]
    }
}

impl<const N: usize> Sizes<N> for [usize; N] {
    fn sizes(self) -> [usize; N] {
        self
    }
}
