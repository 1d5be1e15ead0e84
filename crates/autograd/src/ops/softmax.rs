//! Softmax and its logarithm.

use ohmgrad_tensor::Scalar;
use ohmgrad_tensor::axis::{self, Signed};

use crate::back::{Back, Op};
use crate::var::Var;

/// `y = eˣ/Σeˣ` along an axis. Gradient: `y·(d − Σ d·y)`.
struct Softmax {
    axis: usize,
}

impl<T: Scalar> Op<T> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("axis", self.axis.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let y = cx.output();
        let dy = cx.grad * y;
        cx.give(0, &dy - &(y * &dy.sum_axes(&[self.axis])));
    }
}

/// `y = x − ln Σeˣ` along an axis. Gradient: `d − eʸ·Σ d`.
struct LogSoftmax {
    axis: usize,
}

impl<T: Scalar> Op<T> for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("axis", self.axis.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let sum = cx.grad.sum_axes(&[self.axis]);
        cx.give(0, cx.grad - &(&cx.output().exp() * &sum));
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// `eˣ/Σeˣ` along one axis, without overflow.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn softmax(self, axis: impl Signed) -> Self {
        let axis = axis::axis(axis, "softmax", &self.shape());
        self.combines(axis == 0).tape().push(self.value().softmax(axis), &[self], Softmax { axis })
    }

    /// `x − ln Σeˣ` along one axis, without overflow.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn log_softmax(self, axis: impl Signed) -> Self {
        let axis = axis::axis(axis, "log_softmax", &self.shape());
        self.combines(axis == 0).tape().push(self.value().log_softmax(axis), &[self], LogSoftmax { axis })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::gradcheck;
    use ohmgrad_tensor::Array;

    fn with_an_axis(x: &Array<f64>) -> Array<f64> {
        x.unsqueeze(x.rank())
    }

    gradcheck! {
        softmax_first: |x| x.softmax(0), on with_an_axis;
        softmax_last: |x| x.softmax(x.shape().len() - 1), on |x: &Array<f64>| x.unsqueeze(0);
        log_softmax_first: |x| x.log_softmax(0), on with_an_axis;
        log_softmax_last: |x| x.log_softmax(x.shape().len() - 1), on |x: &Array<f64>| x.unsqueeze(0);
    }
}
