//! Batch normalisation, and the running statistics that it keeps.

use ohmgrad_autograd::{Param, Var};
use ohmgrad_tensor::Tensor;

use crate::module::Module;
use crate::visit::Visit;

/// Batch norm (Ioffe & Szegedy 2015) of [batch, features, …] with N axes behind the features:
/// `(x − μ)/√(σ² + ε)·weight + bias` for each feature.
///
/// On a training tape μ and σ² are the batch's, and running means of them are kept: `r ← (1 − momentum)·r +
/// momentum·batch`, with the unbiased variance, as in PyTorch. Without a momentum they are the plain means over all
/// batches so far. They are state: a step of the optimizer commits them (or [`Network::apply`](crate::Network::apply)).
/// On an evaluation tape, or if it is [`frozen`](Self::frozen), the layer uses the running means and changes nothing.
#[derive(Clone, Debug, Visit)]
pub struct BatchNorm<const N: usize> {
    /// The factor of each feature, 1 at first.
    pub weight: Option<Param>,
    /// The summand of each feature, 0 at first.
    pub bias: Option<Param>,
    /// The running statistics; without them the batch's are used in evaluation too.
    #[visit(flatten)]
    pub running: Option<Running>,
    /// The share of a new batch in the running statistics; `None` if all batches count equally: the n-th has a share of
    /// 1/n.
    #[visit(skip)]
    pub momentum: Option<f32>,
    /// Added to the variance.
    #[visit(skip)]
    pub eps: f32,
    /// Uses the running statistics in training too, and leaves them as they are.
    #[visit(skip)]
    pub frozen: bool,
}

/// Means over past batches, one for each feature.
#[derive(Clone, Debug, Visit)]
pub struct Running {
    /// The mean, 0 at first.
    #[visit(buffer, rename = "running_mean")]
    pub mean: Param,
    /// The unbiased variance, 1 at first.
    #[visit(buffer, rename = "running_var")]
    pub var: Param,
    /// The number of batches so far, a single number: PyTorch's `num_batches_tracked`. Exact up to 2²⁴ batches.
    #[visit(buffer, rename = "num_batches_tracked")]
    pub batches: Param,
}

/// [`BatchNorm`] of [batch, features] or [batch, features, length].
pub type BatchNorm1d = BatchNorm<1>;
/// [`BatchNorm`] of [batch, features, rows, columns].
pub type BatchNorm2d = BatchNorm<2>;
/// [`BatchNorm`] of [batch, features, depth, rows, columns].
pub type BatchNorm3d = BatchNorm<3>;

impl<const N: usize> BatchNorm<N> {
    /// A layer with PyTorch's defaults: momentum 0.1, eps 1e-5, with weight, bias and running statistics.
    pub fn new(features: usize) -> Self {
        let all = |value| Param::new(Tensor::full(&[features], value));
        Self {
            weight: Some(all(1.0)),
            bias: Some(all(0.0)),
            running: Some(Running { mean: all(0.0), var: all(1.0), batches: Param::new(Tensor::scalar(0.0)) }),
            momentum: Some(0.1),
            eps: 1e-5,
            frozen: false,
        }
    }

    /// The same layer without weight and bias.
    pub fn without_affine(self) -> Self {
        Self { weight: None, bias: None, ..self }
    }

    /// The same layer without running statistics.
    pub fn without_running(self) -> Self {
        Self { running: None, ..self }
    }

    /// The same layer with running statistics that are the plain means over all batches so far: PyTorch's
    /// `momentum=None`.
    ///
    /// ```
    /// use ohmgrad_autograd::Tape;
    /// use ohmgrad_models::{BatchNorm1d, Module, Network};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let mut layer = BatchNorm1d::new(1).with_cumulative_average();
    /// for mean in [1.0, 2.0, 6.0] {
    ///     let tape = Tape::train(Key::new(0));
    ///     layer.forward(tape.constant(Tensor::from([[mean - 1.0], [mean + 1.0]])));
    ///     let state = tape.into_state();
    ///     layer.apply(&state);
    /// }
    /// let running = layer.running.expect("kept unless told otherwise");
    /// assert!((running.mean.value.item() - 3.0).abs() < 1e-6);
    /// assert_eq!(running.batches.value.item(), 3.0);
    /// ```
    pub fn with_cumulative_average(self) -> Self {
        Self { momentum: None, ..self }
    }

    /// The same layer with statistics that stay as they are, as for fine-tuning.
    pub fn frozen(self) -> Self {
        Self { frozen: true, ..self }
    }
}

impl Running {
    /// Moves the statistics towards those of a batch, as state of the tape; an empty batch changes nothing.
    fn follow(&self, x: Var<'_>, mean: &Tensor, biased: &Tensor, momentum: Option<f32>) {
        let tape = x.tape();
        let n = (x.shape().iter().product::<usize>() / mean.len().max(1)) as f32;
        if n == 0.0 {
            return;
        }
        assert!(n > 1.0, "batch_norm: shape {:?} has one value a feature, which has no variance", x.shape());
        let var = biased * (n / (n - 1.0));
        let batches = tape.state(self.batches.id(), &self.batches.value).map(|batches| batches + 1.0);
        let momentum = momentum.unwrap_or_else(|| 1.0 / batches.item());
        tape.set_state(self.batches.id(), batches);
        for (running, batch) in [(&self.mean, mean), (&self.var, &var)] {
            let old = tape.state(running.id(), &running.value);
            tape.set_state(running.id(), old.zip(batch, |old, new| (1.0 - momentum) * old + momentum * new));
        }
    }
}

impl<const N: usize> Module for BatchNorm<N> {
    /// # Panics
    /// If the input has another number of axes or features, or running statistics follow a batch with one value per
    /// feature.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let (tape, rank) = (x.tape(), x.shape().len());
        assert!(rank == N + 2 || (N == 1 && rank == 2), "batch_norm{N}d: an input of shape {:?}", x.shape());
        let [weight, bias] = [&self.weight, &self.bias].map(|param| param.as_ref().map(|param| tape.param(param)));
        match &self.running {
            Some(running) if self.frozen || !tape.is_training() => {
                let [mean, var] = [&running.mean, &running.var].map(|param| tape.state(param.id(), &param.value));
                x.batch_norm_with(&mean, &var, weight, bias, self.eps)
            }
            running => {
                let (y, mean, var) = x.batch_norm(weight, bias, self.eps);
                if let Some(running) = running {
                    running.follow(x, &mean, &var, self.momentum);
                }
                y
            }
        }
    }

    fn batch_axis(&self) -> Option<usize> {
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;
    use ohmgrad_autograd::Tape;
    use ohmgrad_tensor::Key;

    #[test]
    fn running_statistics_come_to_those_of_the_data() {
        let mut layer = BatchNorm1d::new(3);
        let x = &(&Tensor::normal(&[64, 3], Key::new(1)) * 2.0) + 5.0;
        for _ in 0..200 {
            let tape = Tape::train(Key::new(0));
            layer.forward(tape.constant(x.clone()));
            let state = tape.into_state();
            layer.apply(&state);
        }
        let running = layer.running.as_ref().unwrap();
        assert_eq!(running.batches.value.item(), 200.0);
        assert!((&running.mean.value - &x.mean_axes(&[0]).row(0)).abs().max() < 1e-4);
        assert!((&running.var.value - &x.var_axes(&[0], 1).row(0)).abs().max() < 1e-4);
        assert_eq!(
            layer.state_dict().into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
        );
    }

    #[test]
    fn frozen_statistics_stay_and_are_used() {
        let layer = BatchNorm2d::new(2).frozen();
        let x = Tensor::normal(&[3, 2, 4, 4], Key::new(1));
        let (train, eval) = (Tape::train(Key::new(0)), Tape::eval(Key::new(0)));
        let values = [&train, &eval].map(|tape| layer.forward(tape.constant(x.clone())).value());
        assert_eq!(values[0], values[1]);
        assert_eq!(train.into_state().iter().count(), 0);
    }

    #[test]
    #[should_panic(expected = "batch_norm2d: an input of shape [3, 2]")]
    fn a_wrong_input_names_itself() {
        BatchNorm2d::new(2).forward(Tape::eval(Key::new(0)).constant(Tensor::full(&[3, 2], 0.0)));
    }
}
