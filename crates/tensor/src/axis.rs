//! Axes that are counted from the end, and sizes that follow from the others: both are negative numbers.

use crate::shape::Dims;

/// A number of an axis, or a size, that may be negative: `usize`, `isize`, or `i32`, the type of a plain literal.
///
/// Axis −1 is the last, −2 the one before it. A size of −1 is computed from the other sizes.
///
/// ```
/// use ohmgrad_tensor::Tensor;
/// let a = Tensor::full(&[2, 3, 4], 1.0);
/// assert_eq!(a.sum_axes(&[-1]).shape(), [2, 3, 1]);
/// assert_eq!(a.reshape(&[2, -1]).shape(), [2, 12]);
/// ```
pub trait Signed: Copy {
    /// The number; `isize::MAX` for a `usize` that is larger.
    fn signed(self) -> isize;
}

impl Signed for usize {
    fn signed(self) -> isize {
        isize::try_from(self).unwrap_or(isize::MAX)
    }
}

impl Signed for isize {
    fn signed(self) -> isize {
        self
    }
}

impl Signed for i32 {
    fn signed(self) -> isize {
        self as isize
    }
}

/// The axis of a shape, counted from the first.
///
/// # Panics
/// If the axis does not exist; the message begins with the name of the operation.
#[track_caller]
pub fn axis(axis: impl Signed, operation: &str, shape: &[usize]) -> usize {
    let (axis, rank) = (axis.signed(), shape.len() as isize);
    assert!((-rank..rank).contains(&axis), "{operation}: axis {axis} is outside of shape {shape:?}");
    (if axis < 0 { axis + rank } else { axis }) as usize
}

/// The place at which an operation inserts an axis into a shape; −1 is behind the last axis.
///
/// # Panics
/// If the place does not exist; the message begins with the name of the operation.
#[track_caller]
pub fn new_axis(axis: impl Signed, operation: &str, shape: &[usize]) -> usize {
    let (axis, rank) = (axis.signed(), shape.len() as isize);
    assert!((-rank - 1..=rank).contains(&axis), "{operation}: a new axis {axis} is outside of shape {shape:?}");
    (if axis < 0 { axis + rank + 1 } else { axis }) as usize
}

/// Axes of a shape, counted from the first.
///
/// # Panics
/// If one does not exist; the message begins with the name of the operation.
#[track_caller]
pub fn axes(axes: &[impl Signed], operation: &str, shape: &[usize]) -> Dims {
    let mut all = Dims::new();
    for &one in axes {
        all.push(axis(one, operation, shape));
    }
    all
}

/// The sizes of a new shape for the elements of `shape`; one may be −1.
///
/// # Panics
/// If several are negative, one is less than −1, or the others do not divide the number of elements.
#[track_caller]
pub(crate) fn sizes(sizes: &[impl Signed], shape: &[usize]) -> Dims {
    let signed = sizes.iter().map(|size| size.signed());
    let Some(open) = signed.clone().position(|size| size < 0) else {
        return signed.map(|size| size as usize).collect();
    };
    let shown = || signed.clone().collect::<Vec<_>>();
    let others = signed.clone().enumerate().filter(|&(i, _)| i != open);
    assert!(
        signed.clone().nth(open) == Some(-1) && others.clone().all(|(_, size)| size >= 0),
        "reshape: {:?} has a negative size that is not one −1",
        shown()
    );
    let (len, known) = (shape.iter().product::<usize>(), others.map(|(_, size)| size as usize).product::<usize>());
    assert!(
        known > 0 && len.is_multiple_of(known),
        "reshape: {shape:?} holds {len} elements, which {:?} does not divide",
        shown()
    );
    signed.map(|size| if size < 0 { len / known } else { size as usize }).collect()
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn negative_axes_are_counted_from_the_end() {
        let a = Tensor::from_fn(&[2, 3, 4], |i| (i[0] * 12 + i[1] * 4 + i[2]) as f32);
        assert_eq!(a.sum_axes(&[-1, 0]), a.sum_axes(&[2, 0]));
        assert_eq!(a.transpose(0, -1), a.transpose(0, 2));
        assert_eq!(a.permute(&[-1, 0, 1]), a.permute(&[2, 0, 1]));
        assert_eq!(a.slice(-2, 1..3), a.slice(1, 1..3));
        assert_eq!(a.select(-1, 2), a.select(2, 2));
        assert_eq!(a.unsqueeze(-1).shape(), [2, 3, 4, 1]);
        assert_eq!(a.unsqueeze(-4).squeeze(-4), a);
        assert_eq!(Tensor::stack(&[a.clone(), a.clone()], -1).shape(), [2, 3, 4, 2]);
        assert_eq!(Tensor::concat(&[a.clone(), a.clone()], -1).shape(), [2, 3, 8]);
        assert_eq!((a.softmax(-1), a.cumsum(-3), a.flip(-1)), (a.softmax(2), a.cumsum(0), a.flip(2)));
        assert_eq!(a.argmax(-1), [3; 6]);
    }

    #[test]
    fn one_size_follows_from_the_others() {
        let a = Tensor::full(&[2, 3, 4], 1.0);
        assert_eq!(a.reshape(&[-1]).shape(), [24]);
        assert_eq!(a.reshape(&[4, -1, 2]).shape(), [4, 3, 2]);
        assert_eq!(a.flatten(1).shape(), [2, 12]);
        assert_eq!(a.flatten(-2).shape(), [2, 12]);
        assert_eq!(Tensor::full(&[0, 3], 1.0).reshape(&[3, -1]).shape(), [3, 0]);
    }

    #[test]
    #[should_panic(expected = "softmax: axis -4 is outside of shape [2, 3, 4]")]
    fn an_axis_before_the_first_names_itself() {
        Tensor::full(&[2, 3, 4], 1.0).softmax(-4);
    }

    #[test]
    #[should_panic(expected = "reshape: [2, 3] holds 6 elements, which [4, -1] does not divide")]
    fn sizes_that_do_not_divide_name_themselves() {
        Tensor::full(&[2, 3], 1.0).reshape(&[4, -1]);
    }

    #[test]
    #[should_panic(expected = "reshape: [-1, -1] has a negative size that is not one −1")]
    fn two_open_sizes_are_refused() {
        Tensor::full(&[2, 3], 1.0).reshape(&[-1, -1]);
    }
}
