//! Shapes, strides and broadcasting: the index arithmetic under every array.

use smallvec::SmallVec;

/// Sizes or strides of the axes of an array; up to four axes need no allocation.
pub type Dims = SmallVec<[usize; 4]>;

/// The number of elements of a shape.
///
/// # Panics
/// If there are more than memory can hold, because pointers are computed from this number. Sizes of 0 count as 1.
#[track_caller]
pub(crate) fn len(shape: &[usize]) -> usize {
    assert!(fits(shape), "shape {shape:?} has more elements than memory can hold");
    shape.iter().product()
}

/// Returns `true` if memory can hold an array of this shape; sizes of 0 count as 1, because strides are computed from
/// all sizes. Arrays of other shapes panic, so readers of files check first.
pub fn fits(shape: &[usize]) -> bool {
    let len = shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size.max(1)));
    len.is_some_and(|len| len <= isize::MAX as usize / 8)
}

/// Row-major strides of a shape.
pub(crate) fn row_major(shape: &[usize]) -> Dims {
    let mut strides: Dims = SmallVec::from_elem(1, shape.len());
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}

/// Returns `true` if a view holds each element of one gapless stretch of storage exactly once, in any order of the
/// axes.
pub(crate) fn is_dense(shape: &[usize], strides: &[usize]) -> bool {
    let mut axes: SmallVec<[(usize, usize); 4]> =
        strides.iter().copied().zip(shape.iter().copied()).filter(|&(_, n)| n != 1).collect();
    axes.sort_unstable();
    let mut expected = 1;
    shape.contains(&0)
        || axes.iter().all(|&(stride, n)| {
            let fits = stride == expected;
            expected *= n;
            fits
        })
}

/// The order of axes that is the inverse of an order.
pub(crate) fn inverse(order: &[usize]) -> Dims {
    let mut inverse: Dims = SmallVec::from_elem(0, order.len());
    order.iter().enumerate().for_each(|(i, &axis)| inverse[axis] = i);
    inverse
}

/// The common shape of two operands under NumPy's rules, or `None`.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Option<Dims> {
    let rank = a.len().max(b.len());
    let size = |s: &[usize], axis: usize| if axis + s.len() < rank { 1 } else { s[axis + s.len() - rank] };
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (n, m) if n == m => Some(n),
            (1, n) | (n, 1) => Some(n),
            _ => None,
        })
        .collect()
}

/// Strides that show a view of `shape` and `strides` under the larger shape `to`, or `None` if it does not fit.
pub(crate) fn broadcast_strides(shape: &[usize], strides: &[usize], to: &[usize]) -> Option<Dims> {
    let new = to.len().checked_sub(shape.len())?;
    let mut out: Dims = SmallVec::from_elem(0, to.len());
    for axis in 0..shape.len() {
        if shape[axis] == to[new + axis] {
            out[new + axis] = strides[axis];
        } else if shape[axis] != 1 {
            return None;
        }
    }
    Some(out)
}

/// Strides that show the same elements, in the same row-major order, under another shape without moving them.
pub(crate) fn reshape_strides(shape: &[usize], strides: &[usize], to: &[usize]) -> Option<Dims> {
    if to.contains(&0) {
        return Some(row_major(to));
    }
    let mut axes = shape.iter().zip(strides).filter(|&(&n, _)| n != 1).map(|(&n, &s)| (n, s)).rev().peekable();
    let mut out: Dims = SmallVec::from_elem(1, to.len());
    // `run` elements at distance `stride` are known to follow each other; new axes are cut from them, last axis first.
    let (mut run, mut stride) = (1, 1);
    for axis in (0..to.len()).rev() {
        if to[axis] == 1 {
            continue;
        }
        if run == 1 {
            (run, stride) = axes.next()?;
        }
        while run % to[axis] != 0 {
            let (n, s) = axes.next()?;
            if s != stride * run {
                return None;
            }
            run *= n;
        }
        out[axis] = stride;
        stride *= to[axis];
        run /= to[axis];
    }
    Some(out)
}

/// Calls `visit` with the offset of each innermost row of `N` views of one shape, in row-major order.
///
/// The last axis is left to the caller; a shape without axes counts as one row.
/// Always inlined, so that it can be part of a loop that is compiled for the widest vectors.
#[inline(always)]
pub(crate) fn for_each_row<const N: usize>(shape: &[usize], strides: [&[usize]; N], mut visit: impl FnMut([usize; N])) {
    if shape.contains(&0) {
        return;
    }
    let outer = shape.len().saturating_sub(1);
    let mut index: Dims = SmallVec::from_elem(0, outer);
    let mut offset = [0; N];
    loop {
        visit(offset);
        let mut axis = outer;
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            for (o, s) in offset.iter_mut().zip(strides) {
                *o += s[axis];
            }
            if index[axis] < shape[axis] {
                break;
            }
            for (o, s) in offset.iter_mut().zip(strides) {
                *o -= s[axis] * shape[axis];
            }
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        assert_eq!(broadcast(&[4, 1, 3], &[5, 1]).unwrap().as_slice(), [4, 5, 3]);
        assert_eq!(broadcast(&[], &[2]).unwrap().as_slice(), [2]);
        assert_eq!(broadcast(&[0], &[1]).unwrap().as_slice(), [0]);
        assert!(broadcast(&[2], &[3]).is_none());
    }

    #[test]
    fn density_ignores_the_order_of_axes() {
        assert!(is_dense(&[2, 3], &[3, 1]));
        assert!(is_dense(&[3, 2], &[1, 3]));
        assert!(is_dense(&[2, 1, 3], &[3, 99, 1]));
        assert!(!is_dense(&[2, 3], &[6, 2]));
        assert!(!is_dense(&[2, 3], &[0, 1]));
    }

    #[test]
    fn reshape_keeps_strides_where_it_can() {
        assert_eq!(reshape_strides(&[2, 6], &[6, 1], &[3, 4]).unwrap().as_slice(), [4, 1]);
        assert_eq!(reshape_strides(&[4, 3], &[6, 1], &[2, 2, 3]).unwrap().as_slice(), [12, 6, 1]);
        assert_eq!(reshape_strides(&[2, 3], &[0, 0], &[6]).unwrap().as_slice(), [0]);
        assert!(reshape_strides(&[2, 3], &[1, 0], &[6]).is_none());
        assert!(reshape_strides(&[3, 2], &[1, 3], &[6]).is_none());
    }

    #[test]
    fn rows_come_in_order() {
        let mut seen = vec![];
        for_each_row(&[2, 2, 5], [&[10, 5, 1]], |[o]| seen.push(o));
        assert_eq!(seen, [0, 5, 10, 15]);
        seen.clear();
        for_each_row(&[], [&[]], |[o]| seen.push(o));
        assert_eq!(seen, [0]);
    }
}
