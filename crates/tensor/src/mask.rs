//! Choices between elements by a mask, and the triangles of matrices.

use crate::array::Array;
use crate::shape;

impl<T: Copy + Send + Sync> Array<T> {
    /// The elements, replaced by `value` where `mask` is `true`. The mask is broadcast to this shape.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// let a = Tensor::from([[1.0, -2.0], [-3.0, 4.0]]);
    /// assert_eq!(a.masked_fill(&a.map(|x| x < 0.0), 9.0).to_vec(), [1.0, 9.0, 9.0, 4.0]);
    /// ```
    ///
    /// # Panics
    /// If the mask does not broadcast to this shape.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Array<bool>, value: T) -> Self {
        assert!(
            shape::broadcast(&self.shape, &mask.shape).as_ref() == Some(&self.shape),
            "masked_fill: a mask of shape {:?} does not broadcast to {:?}",
            mask.shape,
            self.shape
        );
        self.zip(mask, |x, masked| if masked { value } else { x })
    }

    /// The elements of this array where `condition` is `true`, those of `other` elsewhere; all three are broadcast.
    ///
    /// ```
    /// use ohmgrad_tensor::{Array, Tensor};
    /// let (a, b) = (Tensor::from([1.0, 2.0]), Tensor::from([10.0, 20.0]));
    /// assert_eq!(a.where_(&Array::from([true, false]), &b).to_vec(), [1.0, 20.0]);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not broadcast to a common one.
    #[doc(alias = "where")]
    #[track_caller]
    pub fn where_(&self, condition: &Array<bool>, other: &Self) -> Self {
        let conditional = self.zip_named("where_", condition, |x, here| (x, here));
        conditional.zip_named("where_", other, |(x, here), y| if here { x } else { y })
    }
}

impl<T: Copy + Default + Send + Sync> Array<T> {
    /// The lower triangle of a matrix, or of each matrix of a batch: zeros above the diagonal of the given number. 0 is
    /// the main diagonal, 1 the one above it, −1 the one below.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// let a = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(a.tril(0).to_vec(), [1.0, 0.0, 3.0, 4.0]);
    /// assert_eq!(a.tril(-1).to_vec(), [0.0, 0.0, 3.0, 0.0]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn tril(&self, diagonal: isize) -> Self {
        self.triangle("tril", |above| above <= diagonal)
    }

    /// The upper triangle of a matrix, or of each matrix of a batch: zeros below the diagonal of the given number,
    /// which is counted as for [`tril`](Self::tril). An array of `bool` gives a mask, such as the causal one:
    ///
    /// ```
    /// use ohmgrad_tensor::Array;
    /// let future = Array::full(&[3, 3], true).triu(1);
    /// assert_eq!(future.row(1).to_vec(), [false, false, true]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn triu(&self, diagonal: isize) -> Self {
        self.triangle("triu", |above| above >= diagonal)
    }

    /// The elements, with zeros on the diagonals for which `keep` returns `false`.
    #[track_caller]
    fn triangle(&self, operation: &str, keep: impl Fn(isize) -> bool) -> Self {
        let [.., rows, columns] = self.shape[..] else {
            panic!("{operation}: shape {:?} has fewer than two axes", self.shape)
        };
        let kept = Array::from_fn(&[rows, columns], |i| keep(i[1] as isize - i[0] as isize));
        self.zip(&kept, |x, kept| if kept { x } else { T::default() })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Array, Tensor};

    #[test]
    fn conditions_broadcast() {
        let (a, b) = (Tensor::from([[1.0], [2.0]]), Tensor::from([10.0, 20.0, 30.0]));
        let chosen = a.where_(&Array::from([true, false, true]), &b);
        assert_eq!((chosen.shape(), chosen.to_vec()), (&[2, 3][..], vec![1.0, 20.0, 1.0, 2.0, 20.0, 2.0]));
        assert_eq!(a.masked_fill(&Array::scalar(true), 5.0).to_vec(), [5.0; 2]);
    }

    #[test]
    fn triangles_share_the_diagonal_alone() {
        let a = Tensor::from_fn(&[2, 3, 4], |i| (i[0] * 12 + i[1] * 4 + i[2] + 1) as f32);
        for diagonal in -4..5 {
            assert_eq!(&a.tril(diagonal) + &a.triu(diagonal + 1), a);
        }
        assert_eq!(a.row(1).tril(1).triu(1).to_vec(), [0.0, 14.0, 0.0, 0.0, 0.0, 0.0, 19.0, 0.0, 0.0, 0.0, 0.0, 24.0]);
    }

    #[test]
    #[should_panic(expected = "masked_fill: a mask of shape [3, 2] does not broadcast to [2]")]
    fn a_mask_makes_nothing_larger() {
        Tensor::from([1.0, 2.0]).masked_fill(&Array::full(&[3, 2], true), 0.0);
    }
}
