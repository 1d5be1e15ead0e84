//! Softmax, its logarithm, and indexing by class labels.

use crate::array::Array;
use crate::axis::{self, Signed};
use crate::scalar::Scalar;

impl<T: Scalar> Array<T> {
    /// `eˣ / Σ eˣ` along one axis; the largest element is subtracted first, so nothing overflows.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn softmax(&self, axis: impl Signed) -> Self {
        let axis = axis::axis(axis, "softmax", self.shape());
        let e = self.zip(&self.max_axes(&[axis]), |x, m| (x - m).exponential());
        &e / &e.sum_axes(&[axis])
    }

    /// `x − ln Σ eˣ` along one axis; the largest element is subtracted first, so nothing overflows.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// let x = Tensor::from([[1000.0, 0.0]]);
    /// assert_eq!(x.log_softmax(1).to_vec(), [0.0, -1000.0]);
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn log_softmax(&self, axis: impl Signed) -> Self {
        let axis = axis::axis(axis, "log_softmax", self.shape());
        let shifted = self - &self.max_axes(&[axis]);
        let log_sum = shifted.exp().sum_axes(&[axis]).ln();
        &shifted - &log_sum
    }

    /// The element of each row of a matrix that its label names: `out[i] = a[i, labels[i]]`.
    ///
    /// # Panics
    /// If this is not a matrix, there is not one label per row, or a label is not a column.
    pub fn pick(&self, labels: &[usize]) -> Self {
        self.check_labels("pick", labels);
        labels.iter().enumerate().map(|(row, &label)| self[[row, label]]).collect::<Vec<_>>().into()
    }

    /// A matrix of zeros with `values[i]` at `[i, labels[i]]`: the gradient of [`pick`](Self::pick).
    ///
    /// # Panics
    /// If `values` is not a row with one element per label, or a label is not below `columns`.
    pub fn scatter(values: &Self, labels: &[usize], columns: usize) -> Self {
        let mut out = Self::full(&[labels.len(), columns], T::zero());
        out.check_labels("scatter", labels);
        assert!(values.shape() == [labels.len()], "scatter: {:?} values for {} labels", values.shape(), labels.len());
        let data = out.make_mut();
        for (row, (&label, &value)) in labels.iter().zip(values.iter()).enumerate() {
            data[row * columns + label] = value;
        }
        out
    }

    fn check_labels(&self, operation: &str, labels: &[usize]) {
        let shape = self.shape();
        assert!(
            shape.len() == 2 && shape[0] == labels.len(),
            "{operation}: {} labels for shape {shape:?}; needs one label per row",
            labels.len()
        );
        if let Some(label) = labels.iter().find(|&&label| label >= shape[1]) {
            panic!("{operation}: label {label} is not below the {} columns of {shape:?}", shape[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Array, Key, Tensor};

    #[test]
    fn rows_sum_to_one_and_logarithms_agree() {
        let x = &Array::<f64>::normal(&[4, 7], Key::new(3)) * 200.0;
        let p = x.softmax(1);
        assert!((&p.sum_axes(&[1]) - 1.0).abs().max() < 1e-12);
        assert!((&x.log_softmax(1).exp() - &p).abs().max() < 1e-12);
        assert_eq!(x.t().softmax(0).t(), p);
    }

    #[test]
    fn pick_and_scatter_are_transposes() {
        let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(x.pick(&[1, 0]).to_vec(), [2.0, 3.0]);
        assert_eq!(Tensor::scatter(&x.pick(&[1, 0]), &[1, 0], 2).to_vec(), [0.0, 2.0, 3.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "pick: label 2 is not below the 2 columns of [2, 2]")]
    fn a_wrong_label_names_itself() {
        Tensor::from([[1.0, 2.0], [3.0, 4.0]]).pick(&[0, 2]);
    }
}
