//! Running sums along an axis.

use crate::array::Array;
use crate::axis::{self, Signed};
use crate::scalar::Scalar;

impl<T: Scalar> Array<T> {
    /// The sums of each element and all before it along an axis.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// let a = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(a.cumsum(1).to_vec(), [1.0, 3.0, 3.0, 7.0]);
    /// assert_eq!(a.cumsum(0).to_vec(), [1.0, 2.0, 4.0, 6.0]);
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn cumsum(&self, axis: impl Signed) -> Self {
        let axis = axis::axis(axis, "cumsum", &self.shape);
        let mut turned = self.transpose(axis, self.rank() - 1);
        let n = self.shape[axis].max(1);
        for run in turned.make_mut().chunks_exact_mut(n) {
            let mut sum = T::zero();
            for x in run {
                sum += *x;
                *x = sum;
            }
        }
        turned.transpose(axis, self.rank() - 1)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Key, Tensor};

    #[test]
    fn the_last_sum_is_the_sum_of_all() {
        let x = Tensor::normal(&[3, 4, 5], Key::new(1)).map(|v| (8.0 * v).round());
        for axis in 0..3 {
            let n = x.shape()[axis];
            for x in [x.clone(), x.transpose(0, 2).contiguous().transpose(0, 2)] {
                let sums = x.cumsum(axis);
                assert_eq!(sums.slice(axis, n - 1..n), x.sum_axes(&[axis]));
                assert_eq!(sums.slice(axis, 0..1), x.slice(axis, 0..1));
            }
        }
        assert_eq!(Tensor::full(&[2, 0], 1.0).cumsum(1).shape(), [2, 0]);
    }
}
