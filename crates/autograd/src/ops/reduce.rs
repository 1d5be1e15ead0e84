//! Sums, means and maxima over axes.

use ohmgrad_tensor::Scalar;
use ohmgrad_tensor::axis::{self, Signed};
use smallvec::SmallVec;

use crate::back::{Back, Op};
use crate::var::Var;

type Axes = SmallVec<[usize; 4]>;

/// The shape without axes.
const SCALAR: [usize; 0] = [];

fn shown(axes: &Axes) -> Vec<(&'static str, String)> {
    vec![("axes", format!("{:?}", axes.as_slice()))]
}

/// `Σ x` over axes. Gradient: `d`, repeated along them.
struct Sum(Axes);

impl<T: Scalar> Op<T> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        shown(&self.0)
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad.broadcast_to(cx.input(0).shape()));
    }
}

/// The mean of `n` elements over axes. Gradient: `d/n`, repeated along them.
struct Mean(Axes);

impl<T: Scalar> Op<T> for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        shown(&self.0)
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let x = cx.input(0);
        let n = T::of(x.len() as f64 / cx.grad.len() as f64);
        cx.give(0, (cx.grad / n).broadcast_to(x.shape()));
    }
}

/// The largest element over axes. Gradient: `d` to the largest element, in equal parts where several are.
struct Max(Axes);

impl<T: Scalar> Op<T> for Max {
    fn name(&self) -> &'static str {
        "max"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        shown(&self.0)
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let hits = cx.input(0).zip(cx.output(), |x, y| if x == y { T::one() } else { T::zero() });
        let share = cx.grad / &hits.sum_axes(&self.0);
        cx.give(0, &hits * &share);
    }
}

/// The sums of each element and all before it along an axis. Gradient: the sums of each element of `d` and all after
/// it.
struct CumSum {
    axis: usize,
}

impl<T: Scalar> Op<T> for CumSum {
    fn name(&self) -> &'static str {
        "cumsum"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("axis", self.axis.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad.flip(self.axis).cumsum(self.axis).flip(self.axis));
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The sum of all elements, a scalar.
    pub fn sum(self) -> Self {
        self.sum_axes(&self.all_axes()).reshape(&SCALAR)
    }

    /// The mean of all elements, a scalar.
    pub fn mean(self) -> Self {
        self.mean_axes(&self.all_axes()).reshape(&SCALAR)
    }

    /// The sum over the given axes, which stay with size 1.
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn sum_axes(self, axes: &[impl Signed]) -> Self {
        let axes = axis::axes(axes, "sum_axes", &self.shape());
        self.combines_along(&axes).tape().push(self.value().sum_axes(&axes), &[self], Sum(axes))
    }

    /// The mean over the given axes, which stay with size 1.
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn mean_axes(self, axes: &[impl Signed]) -> Self {
        let axes = axis::axes(axes, "mean_axes", &self.shape());
        self.combines_along(&axes).tape().push(self.value().mean_axes(&axes), &[self], Mean(axes))
    }

    /// The largest element over the given axes, which stay with size 1.
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn max_axes(self, axes: &[impl Signed]) -> Self {
        let axes = axis::axes(axes, "max_axes", &self.shape());
        self.combines_along(&axes).tape().push(self.value().max_axes(&axes), &[self], Max(axes))
    }

    /// The sums of each element and all before it along an axis.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn cumsum(self, axis: impl Signed) -> Self {
        let axis = axis::axis(axis, "cumsum", &self.shape());
        self.combines(axis == 0).tape().push(self.value().cumsum(axis), &[self], CumSum { axis })
    }

    fn all_axes(self) -> Axes {
        (0..self.shape().len()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::gradcheck;
    use ohmgrad_tensor::Array;

    /// Values that are far enough apart for finite differences.
    fn distinct(x: &Array<f64>) -> Array<f64> {
        let mut i = 0.0;
        let x = x.unsqueeze(x.rank());
        Array::from_fn(x.shape(), |_| {
            i += 1.0;
            (i * 0.7f64).sin() * 10.0
        })
    }

    gradcheck! {
        sum: |x| x.sum();
        mean: |x| x.mean();
        sum_axes: |x| x.sum_axes(&[0]), on |x: &Array<f64>| x.unsqueeze(x.rank());
        mean_axes: |x| x.mean_axes(&[x.shape().len() - 1]), on |x: &Array<f64>| x.unsqueeze(0);
        max_axes: |x| x.max_axes(&[0]), on distinct;
        cumsum_first: |x| x.cumsum(0) * x, on |x: &Array<f64>| x.unsqueeze(x.rank());
        cumsum_last: |x| x.cumsum(x.shape().len() - 1) * x, on |x: &Array<f64>| x.unsqueeze(0);
    }

    #[test]
    fn ties_share_the_gradient() {
        let tape = crate::Tape::train(ohmgrad_tensor::Key::new(0));
        let x = tape.variable(Array::from([1.0f32, 3.0, 3.0]));
        let gradients = x.max_axes(&[0]).sum().backward();
        assert_eq!(gradients.wrt(x).unwrap().to_vec(), [0.0, 0.5, 0.5]);
    }
}
