//! Losses: scalars, the mean over all elements (or over all labels), as PyTorch's defaults.

use ohmgrad_tensor::{Array, Scalar};

use crate::back::{Back, Op};
use crate::var::Var;

/// The mean of `ℓ(x − t)`. Gradients: `d·ℓ′(x − t)/n` and its negative.
struct Residual<T> {
    name: &'static str,
    slope: Box<dyn Fn(T) -> T + Send + Sync>,
}

impl<T: Scalar> Op<T> for Residual<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let n = T::of(cx.input(0).len() as f64);
        let factor = cx.grad.item() / n;
        let d = cx.input(0).zip(cx.input(1), |x, t| factor * (self.slope)(x - t));
        if cx.wants(1) {
            cx.give(1, -&d);
        }
        cx.give(0, d);
    }
}

/// The mean of `−x[i, labelᵢ]`. Gradient: `−d/n` at the labels.
struct Nll {
    labels: Vec<usize>,
}

impl<T: Scalar> Op<T> for Nll {
    fn name(&self) -> &'static str {
        "nll"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let n = self.labels.len();
        let share = -cx.grad.item() / T::of(n as f64);
        cx.give(0, Array::scatter(&Array::full(&[n], share), &self.labels, cx.input(0).shape()[1]));
    }
}

/// The mean of `−ln softmax(x)[i, labelᵢ]`. Gradient: `d·(softmax(x) − onehot)/n`.
struct CrossEntropy<T: Scalar> {
    log_p: Array<T>,
    labels: Vec<usize>,
}

impl<T: Scalar> Op<T> for CrossEntropy<T> {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let (n, classes) = (self.labels.len(), self.log_p.shape()[1]);
        let factor = cx.grad.item() / T::of(n as f64);
        let mut d = self.log_p.map(|l| l.exponential() * factor);
        d.zip_mut(&Array::scatter(&Array::full(&[n], factor), &self.labels, classes), |d, one| *d -= one);
        cx.give(0, d);
    }
}

/// The mean of `x.soft_plus() − x·t`. Gradients: `d·(σ(x) − t)/n` and `−d·x/n`.
struct BceWithLogits;

impl<T: Scalar> Op<T> for BceWithLogits {
    fn name(&self) -> &'static str {
        "bce_with_logits"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let factor = cx.grad.item() / T::of(cx.input(0).len() as f64);
        if cx.wants(0) {
            cx.give(0, cx.input(0).zip(cx.input(1), |x, t| factor * (x.logistic() - t)));
        }
        if cx.wants(1) {
            cx.give(1, cx.input(0) * -factor);
        }
    }
}

/// Panics unless each row of a matrix has one label and each label is a column.
#[track_caller]
fn check_labels(operation: &str, shape: &[usize], labels: &[usize]) {
    assert!(
        shape.len() == 2,
        "{operation}: scores of shape {shape:?} are not a matrix [rows, classes]; reshape(&[-1, classes]) makes rows of \
         sequences"
    );
    assert!(
        shape[0] == labels.len(),
        "{operation}: {} labels for the {} rows of scores {shape:?}",
        labels.len(),
        shape[0]
    );
    if let Some((row, label)) = labels.iter().enumerate().find(|&(_, &label)| label >= shape[1]) {
        let classes = shape[1];
        panic!("{operation}: label {label} of row {row} is none of the {classes} classes 0 … {}", classes.max(1) - 1);
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The mean squared difference to a target.
    ///
    /// # Panics
    /// If the shapes differ (as in all losses: a broadcast target is nearly always a mistake).
    #[track_caller]
    pub fn mse(self, target: Self) -> Self {
        self.residual("mse", target, |r| r * r, |r| r + r)
    }

    /// The mean absolute difference to a target.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn l1(self, target: Self) -> Self {
        let sign = |r: T| if r == T::zero() { r } else { r.signum() };
        self.residual("l1", target, T::abs, sign)
    }

    /// The mean of `r²/2` for differences up to `delta`, of `delta·(|r| − delta/2)` beyond (Huber 1964).
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn huber(self, target: Self, delta: T) -> Self {
        let half = T::of(0.5);
        let loss = move |r: T| match r.abs() {
            a if a <= delta => half * r * r,
            a => delta * (a - half * delta),
        };
        self.residual("huber", target, loss, move |r: T| if r.abs() <= delta { r } else { delta * r.signum() })
    }

    #[track_caller]
    fn residual(
        self,
        name: &'static str,
        target: Self,
        loss: impl Fn(T) -> T + Sync,
        slope: impl Fn(T) -> T + Send + Sync + 'static,
    ) -> Self {
        let (x, t) = (self.value(), target.value());
        assert!(
            x.shape() == t.shape(),
            "{name}: shapes {:?} and {:?} of value and target differ",
            x.shape(),
            t.shape()
        );
        let value = x.zip(&t, |x, t| loss(x - t)).mean();
        self.tape().push(Array::scalar(value), &[self, target], Residual { name, slope: Box::new(slope) })
    }

    /// The mean negative log-likelihood of class labels, from log-probabilities [batch, classes].
    ///
    /// # Panics
    /// If this is not a matrix with one row per label, or a label is not a column.
    #[track_caller]
    pub fn nll(self, labels: &[usize]) -> Self {
        let log_p = self.value();
        check_labels("nll", log_p.shape(), labels);
        let value = -log_p.pick(labels).mean();
        self.tape().push(Array::scalar(value), &[self], Nll { labels: labels.to_vec() })
    }

    /// The mean cross-entropy of class labels, from scores [batch, classes] before any softmax.
    ///
    /// ```
    /// # use ohmgrad_autograd::Tape;
    /// # use ohmgrad_tensor::{Key, Tensor};
    /// let tape = Tape::eval(Key::new(0));
    /// let scores = tape.constant(Tensor::from([[0.0, 0.0], [9.0, -9.0]]));
    /// assert!((scores.cross_entropy(&[1, 0]).item() - 2f32.ln() / 2.0).abs() < 1e-6);
    /// ```
    ///
    /// # Panics
    /// If this is not a matrix with one row per label, or a label is not a column.
    #[track_caller]
    pub fn cross_entropy(self, labels: &[usize]) -> Self {
        let scores = self.value();
        check_labels("cross_entropy", scores.shape(), labels);
        let log_p = scores.log_softmax(1);
        let value = -log_p.pick(labels).mean();
        self.tape().push(Array::scalar(value), &[self], CrossEntropy { log_p, labels: labels.to_vec() })
    }

    /// The mean binary cross-entropy of targets between 0 and 1, from scores before any sigmoid; no overflow.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn bce_with_logits(self, target: Self) -> Self {
        let (x, t) = (self.value(), target.value());
        assert!(
            x.shape() == t.shape(),
            "bce_with_logits: shapes {:?} and {:?} of value and target differ",
            x.shape(),
            t.shape()
        );
        let value = x.zip(&t, |x, t| x.soft_plus() - x * t).mean();
        self.tape().push(Array::scalar(value), &[self, target], BceWithLogits)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{gradcheck, gradcheck_pairs};
    use crate::{Tape, gradcheck};
    use ohmgrad_tensor::{Array, Key, Tensor};
    use proptest::prelude::*;

    gradcheck_pairs! {
        mse: |x, y| { let sum = x + y; sum.mse(sum * sum) };
        bce_with_logits: |x, y| { let sum = x + y; sum.bce_with_logits(sum * 0.3) };
    }

    gradcheck! {
        l1: |x| x.l1(x * x + 1.0), on |x: &Array<f64>| x.map(f64::abs);
        huber_near: |x| x.huber(x * 0.5, 100.0);
        huber_far: |x| (x * 9.0 + 50.0).huber(x, 1.5);
    }

    proptest! {
        #[test]
        fn labels(rows in 1usize..5, classes in 1usize..5, seed: u64) {
            let x = Array::<f64>::normal(&[rows, classes], Key::new(seed));
            let labels: Vec<_> = (0..rows).map(|i| (i * 7 + seed as usize % 5) % classes).collect();
            let x = [x];
            for check in [
                gradcheck(|v| v[0].nll(&labels), &x),
                gradcheck(|v| v[0].cross_entropy(&labels), &x),
            ] {
                prop_assert!(check.is_ok(), "{}", check.unwrap_err());
            }
            let tape = Tape::eval(Key::new(0));
            let [x] = x.map(|x| tape.constant(x));
            prop_assert!((x.cross_entropy(&labels).item() - x.log_softmax(1).nll(&labels).item()).abs() < 1e-12);
        }
    }

    #[test]
    #[should_panic(expected = "mse: shapes [2, 1] and [2] of value and target differ")]
    fn a_broadcast_target_is_refused() {
        let tape = Tape::eval(Key::new(0));
        tape.constant(Tensor::from([[1.0], [2.0]])).mse(tape.constant(Tensor::from([1.0, 2.0])));
    }

    #[test]
    fn extreme_scores_do_not_overflow() {
        let tape = Tape::eval(Key::new(0));
        let x = tape.constant(Tensor::from([1000.0, -1000.0]));
        assert_eq!(x.bce_with_logits(tape.constant(Tensor::from([1.0, 0.0]))).item(), 0.0);
        assert_eq!(x.unsqueeze(0).cross_entropy(&[1]).item(), 2000.0);
    }
}
