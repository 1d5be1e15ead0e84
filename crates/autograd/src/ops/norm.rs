//! Normalisation: layer norm and batch norm, which are one operation over different axes.

use ohmgrad_tensor::axis::{self, Signed};
use ohmgrad_tensor::{Array, Dims, Scalar};
use smallvec::SmallVec;

use crate::back::{Back, Op};
use crate::var::Var;

/// `y = (x − μ)/√(σ² + ε)` with mean and (biased) variance over axes.
///
/// Gradient: `(d − mean(d) − y·mean(d·y))/√(σ² + ε)`.
struct Standardize<T: Scalar> {
    axes: SmallVec<[usize; 4]>,
    eps: T,
    deviation: Array<T>,
}

impl<T: Scalar> Op<T> for Standardize<T> {
    fn name(&self) -> &'static str {
        "standardize"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("axes", format!("{:?}", self.axes.as_slice())), ("eps", self.eps.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let y = cx.output();
        let along = (cx.grad * y).mean_axes(&self.axes);
        let centred = cx.grad - &cx.grad.mean_axes(&self.axes);
        cx.give(0, &(&centred - &(y * &along)) / &self.deviation);
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The value with mean 0 and variance 1 (but for `eps`, added to the variance) over the given axes.
    ///
    /// # Panics
    /// If an axis does not exist.
    #[track_caller]
    pub fn standardize(self, axes: &[impl Signed], eps: T) -> Self {
        self.standardize_with(&axis::axes(axes, "standardize", &self.shape()), eps).0
    }

    /// As [`standardize`](Self::standardize), with the mean and the variance that were found: they keep the axes, with
    /// size 1.
    fn standardize_with(self, axes: &[usize], eps: T) -> (Self, Array<T>, Array<T>) {
        let x = self.value();
        let mean = x.mean_axes(axes);
        let centred = &x - &mean;
        let variance = centred.square().mean_axes(axes);
        let deviation = variance.map(|v| (v + eps).sqrt());
        let op = Standardize { axes: axes.into(), eps, deviation: deviation.clone() };
        (self.combines_along(axes).tape().push(&centred / &deviation, &[self], op), mean, variance)
    }

    /// Layer norm (Ba et al. 2016): `(x − μ)/√(σ² + ε)·w + b`, with mean and variance over the last `axes` axes; weight
    /// and bias have the shape of these axes.
    ///
    /// ```
    /// # use ohmgrad_autograd::Tape;
    /// # use ohmgrad_tensor::{Key, Tensor};
    /// let tape = Tape::eval(Key::new(0));
    /// let x = tape.constant(Tensor::from([[1.0, 3.0], [10.0, 30.0]]));
    /// assert_eq!(x.layer_norm(1, None, None, 0.0).value().to_vec(), [-1.0, 1.0, -1.0, 1.0]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer axes, or weight or bias does not fit.
    #[track_caller]
    pub fn layer_norm(self, axes: usize, weight: Option<Self>, bias: Option<Self>, eps: T) -> Self {
        let shape = self.shape();
        let Some(outer) = shape.len().checked_sub(axes) else {
            panic!("layer_norm: shape {shape:?} has fewer than {axes} axes")
        };
        for part in [weight, bias].into_iter().flatten() {
            assert!(part.shape()[..] == shape[outer..], "layer_norm: weight or bias {:?} for {shape:?}", part.shape());
        }
        self.standardize(&(outer..shape.len()).collect::<Dims>(), eps).scaled(weight, bias)
    }

    /// Batch norm with the batch's own statistics (Ioffe & Szegedy 2015): `(x − μ)/√(σ² + ε)·w + b` for values [batch,
    /// channels, …]. Each channel has its mean and variance over all other axes, a weight and a bias. Also returns the
    /// channels' means and (biased) variances.
    ///
    /// # Panics
    /// If there are fewer than two axes, or weight or bias does not fit.
    #[track_caller]
    pub fn batch_norm(self, weight: Option<Self>, bias: Option<Self>, eps: T) -> (Self, Array<T>, Array<T>) {
        let channels = self.channels();
        let axes: Dims = (0..self.shape().len()).filter(|&axis| axis != 1).collect();
        let (y, mean, variance) = self.standardize_with(&axes, eps);
        let flat = |of: Array<T>| of.reshape(&[channels]);
        (y.scaled_channels(weight, bias), flat(mean), flat(variance))
    }

    /// Batch norm with given statistics of the channels, as in evaluation: an affine function of each element.
    ///
    /// # Panics
    /// If there are fewer than two axes, or a statistic, weight or bias does not fit.
    #[track_caller]
    pub fn batch_norm_with(
        self,
        mean: &Array<T>,
        variance: &Array<T>,
        weight: Option<Self>,
        bias: Option<Self>,
        eps: T,
    ) -> Self {
        let constant = |of: Array<T>| self.along_channels(self.tape().constant(of));
        let deviation = constant(variance.map(|v| (v + eps).sqrt()));
        ((self - constant(mean.clone())) / deviation).scaled_channels(weight, bias)
    }

    #[track_caller]
    fn scaled(self, weight: Option<Self>, bias: Option<Self>) -> Self {
        let y = if let Some(weight) = weight { self * weight } else { self };
        if let Some(bias) = bias { y + bias } else { y }
    }

    #[track_caller]
    #[expect(clippy::manual_map, reason = "a panic in a closure would name the closure's line, not the caller's")]
    fn scaled_channels(self, weight: Option<Self>, bias: Option<Self>) -> Self {
        let weight = if let Some(weight) = weight { Some(self.along_channels(weight)) } else { None };
        let bias = if let Some(bias) = bias { Some(self.along_channels(bias)) } else { None };
        self.scaled(weight, bias)
    }

    #[track_caller]
    fn channels(self) -> usize {
        let shape = self.shape();
        assert!(shape.len() >= 2, "batch_norm: shape {shape:?} is not [batch, channels, …]");
        shape[1]
    }

    /// A value [channels], reshaped so that it broadcasts to this one.
    #[track_caller]
    fn along_channels(self, value: Self) -> Self {
        let (channels, all) = (self.channels(), self.shape());
        assert!(value.shape()[..] == [channels], "batch_norm: {:?} for the channels of {all:?}", value.shape());
        let mut shape: Dims = SmallVec::from_elem(1, all.len() - 1);
        shape[0] = channels;
        value.reshape(&shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::array;
    use crate::{Tape, gradcheck};
    use ohmgrad_tensor::{Array, Key};
    use proptest::prelude::*;

    /// An input, and a weight and a bias of another shape.
    fn inputs(shape: &[usize], of: &[usize], seed: u64, layouts: [u8; 2]) -> [Array<f64>; 3] {
        let key = Key::new(seed);
        // Not a broadcast array: at a variance of 0 finite differences fail.
        let x = array(shape, key.fold("x"), layouts[0] % 3);
        [x, array(of, key.fold("weight"), layouts[1]), Array::normal(of, key.fold("bias"))]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn layer_norm(shape in prop::collection::vec(2usize..4, 1..4), axes in 1usize..4, seed: u64, layouts: [u8; 2]) {
            let axes = axes.min(shape.len());
            let inputs = inputs(&shape, &shape[shape.len() - axes..], seed, layouts);
            let check = gradcheck(|v| v[0].layer_norm(axes, Some(v[1]), Some(v[2]), 0.1), &inputs);
            prop_assert!(check.is_ok(), "{}", check.unwrap_err());
        }

        #[test]
        fn batch_norm(shape in prop::collection::vec(2usize..4, 2..5), seed: u64, layouts: [u8; 2]) {
            let inputs = inputs(&shape, &shape[1..2], seed, layouts);
            let (mean, variance) = (inputs[2].clone(), inputs[1].square());
            for check in [
                gradcheck(|v| v[0].batch_norm(Some(v[1]), Some(v[2]), 0.1).0, &inputs),
                gradcheck(|v| v[0].batch_norm(None, None, 0.1).0, &inputs),
                gradcheck(|v| v[0].batch_norm_with(&mean, &variance, Some(v[1]), Some(v[2]), 0.1), &inputs),
            ] {
                prop_assert!(check.is_ok(), "{}", check.unwrap_err());
            }
        }

        /// Statistics of a batch give the same result when they are passed as fixed statistics.
        #[test]
        fn statistics_are_those_of_the_batch(shape in prop::collection::vec(2usize..4, 2..5), seed: u64, layouts: [u8; 2]) {
            let tape = Tape::eval(Key::new(0));
            let [x, weight, bias] = inputs(&shape, &shape[1..2], seed, layouts).map(|x| tape.constant(x));
            let (y, mean, variance) = x.batch_norm(Some(weight), Some(bias), 0.1);
            let z = x.batch_norm_with(&mean, &variance, Some(weight), Some(bias), 0.1);
            prop_assert!((&y.value() - &z.value()).abs().max() < 1e-12);
        }
    }

    #[test]
    #[should_panic(expected = "batch_norm: [3] for the channels of [2, 4]")]
    fn a_wrong_weight_names_itself() {
        let tape = Tape::eval(Key::new(0));
        let [x, weight] = [[2, 4].as_slice(), &[3]].map(|shape| tape.constant(Array::full(shape, 1.0f32)));
        x.batch_norm(Some(weight), None, 0.1);
    }
}
