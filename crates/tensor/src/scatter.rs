//! Sums into parts of an array: the gradients of slices and of row look-ups.

use crate::array::Array;
use crate::scalar::Scalar;
use crate::simd::vectorized;

impl<T: Scalar> Array<T> {
    /// Adds `part` at the indices `start`, `start + step`, … of one axis: the gradient of
    /// [`slice_step`](Self::slice_step), summed up.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// let mut a = Tensor::from([1.0, 2.0, 3.0, 4.0]);
    /// a.add_slice(0, 1, 2, &Tensor::from([10.0, 20.0]));
    /// assert_eq!(a.to_vec(), [1.0, 12.0, 3.0, 24.0]);
    /// ```
    ///
    /// # Panics
    /// If `part` does not fit there.
    pub fn add_slice(&mut self, axis: usize, start: usize, step: usize, part: &Self) {
        let (shape, n) = (self.shape.clone(), part.shape.get(axis).copied().unwrap_or(0));
        let fits = shape.len() == part.rank()
            && axis < shape.len()
            && (0..shape.len()).all(|a| a == axis || shape[a] == part.shape[a])
            && (n == 0 || start + (n - 1) * step < shape[axis]);
        assert!(fits, "add_slice: {:?} from {start} in steps of {step} of axis {axis} of {shape:?}", part.shape);
        let part = part.contiguous();
        let source = part.as_slice().expect("made contiguous above");
        let run: usize = shape[axis + 1..].iter().product();
        // Neighbouring indices are added in one run.
        let (pieces, length) = if step == 1 { (1, n * run) } else { (n, run) };
        let target = self.make_mut();
        vectorized(
            #[inline(always)]
            || {
                for block in 0..shape[..axis].iter().product() {
                    for i in 0..pieces {
                        let (from, to) = (block * n * run + i * length, (block * shape[axis] + start + i * step) * run);
                        add(&mut target[to..to + length], &source[from..from + length]);
                    }
                }
            },
        );
    }

    /// Adds `part[i]` to row `rows[i]` (first-axis entry), in order: the gradient of [`take_rows`](Self::take_rows),
    /// summed up.
    ///
    /// # Panics
    /// If a row does not exist, or `part` does not have one row of the same shape for each of `rows`.
    pub fn add_rows(&mut self, rows: &[usize], part: &Self) {
        let fits = self.rank() > 0 && part.rank() > 0 && part.shape[0] == rows.len();
        assert!(
            fits && part.shape[1..] == self.shape[1..],
            "add_rows: {:?} for {} rows of {:?}",
            part.shape,
            rows.len(),
            self.shape
        );
        let part = part.contiguous();
        let source = part.as_slice().expect("made contiguous above");
        let (count, run) = (self.shape[0], self.shape[1..].iter().product::<usize>());
        let target = self.make_mut();
        for (i, &row) in rows.iter().enumerate() {
            assert!(row < count, "add_rows: row {row} is not below {count}");
            add(&mut target[row * run..(row + 1) * run], &source[i * run..(i + 1) * run]);
        }
    }
}

#[inline(always)]
fn add<T: Scalar>(target: &mut [T], source: &[T]) {
    for (t, &s) in target.iter_mut().zip(source) {
        *t += s;
    }
}

#[cfg(test)]
mod tests {
    use crate::{Array, Key};
    use proptest::prelude::*;

    proptest! {
        /// `⟨slice(x), d⟩ = ⟨x, add_slice(0, d)⟩`, and the same of rows.
        #[test]
        fn sums_are_the_transposes_of_views(
            shape in prop::collection::vec(1usize..5, 3), axis in 0usize..3, step in 1usize..3, seed: u64, turned: bool
        ) {
            let key = Key::new(seed);
            let x = Array::<f64>::normal(&shape, key.fold("x"));
            let start = seed as usize % shape[axis];
            let view = x.slice_step(axis, start..shape[axis], step);
            let d = Array::<f64>::normal(view.shape(), key.fold("d"));
            let d = if turned { d.transpose(0, 2).contiguous().transpose(0, 2) } else { d };
            let mut sum = Array::full(&shape, 0.0);
            sum.add_slice(axis, start, step, &d);
            prop_assert!(((&view * &d).sum() - (&x * &sum).sum()).abs() < 1e-12);

            let rows: Vec<usize> = (0..4).map(|i| (i * 3 + start) % shape[0]).collect();
            let d = Array::<f64>::normal(&[4, shape[1], shape[2]], key.fold("rows"));
            let mut sum = Array::full(&shape, 0.0);
            sum.add_rows(&rows, &d);
            prop_assert!(((&x.take_rows(&rows) * &d).sum() - (&x * &sum).sum()).abs() < 1e-12);
        }
    }

    #[test]
    #[should_panic(expected = "add_slice: [3] from 2 in steps of 1 of axis 0 of [4]")]
    fn a_part_that_does_not_fit_names_itself() {
        Array::<f64>::full(&[4], 0.0).add_slice(0, 2, 1, &Array::full(&[3], 1.0));
    }
}
