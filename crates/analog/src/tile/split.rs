//! How a matrix is cut into tiles.

use std::ops::Range;

/// How many parts [`split`] makes.
pub(crate) fn parts(size: usize, max: usize) -> usize {
    if max == 0 { 1 } else { size.div_ceil(max).max(1) }
}

/// The parts of one dimension: `n = ⌈size/max⌉` parts whose sizes differ by at most one, larger ones first; one part
/// where `max` is 0. Source: aihwkit `array.py`.
pub(crate) fn split(size: usize, max: usize) -> Vec<Range<usize>> {
    let parts = parts(size, max);
    let (each, longer) = (size / parts, size % parts);
    let mut start = 0;
    (0..parts)
        .map(|part| {
            let end = start + each + usize::from(part < longer);
            std::mem::replace(&mut start, end)..end
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sizes(size: usize, max: usize) -> Vec<usize> {
        split(size, max).iter().map(|r| r.len()).collect()
    }

    #[test]
    fn parts_are_nearly_equal() {
        assert_eq!(sizes(784, 512), [392, 392]);
        assert_eq!(sizes(513, 256), [171, 171, 171]);
        assert_eq!(sizes(700, 512), [350, 350]);
        assert_eq!(sizes(5, 2), [2, 2, 1]);
        assert_eq!(sizes(5, 0), [5]);
    }

    proptest! {
        #[test]
        fn every_index_is_in_one_part(size in 1usize..3000, max in 0usize..600) {
            let parts = split(size, max);
            prop_assert!(parts.windows(2).all(|w| w[0].end == w[1].start && w[0].len() >= w[1].len()));
            prop_assert_eq!((parts[0].start, parts.last().unwrap().end), (0, size));
            prop_assert!(parts.iter().all(|p| !p.is_empty() && (max == 0 || p.len() <= max)));
        }
    }
}
