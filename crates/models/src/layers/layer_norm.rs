//! Layer normalisation.

use ohmgrad_autograd::{Param, Var};
use ohmgrad_tensor::Tensor;

use crate::module::Module;
use crate::visit::Visit;

/// Layer norm (Ba et al. 2016): `(x − μ)/√(σ² + ε)·weight + bias`, with mean and (biased) variance over the last axes.
#[derive(Clone, Debug, Visit)]
pub struct LayerNorm {
    /// The shape of the last axes.
    #[visit(skip)]
    shape: Vec<usize>,
    /// The factor of each place, 1 at first.
    pub weight: Option<Param>,
    /// The summand of each place, 0 at first.
    pub bias: Option<Param>,
    /// Added to the variance.
    #[visit(skip)]
    pub eps: f32,
}

impl LayerNorm {
    /// A layer with PyTorch's defaults, over last axes of this shape: eps 1e-5, with weight and bias.
    pub fn new(shape: &[usize]) -> Self {
        let all = |value| Some(Param::new(Tensor::full(shape, value)));
        Self { shape: shape.to_vec(), weight: all(1.0), bias: all(0.0), eps: 1e-5 }
    }

    /// The same layer without weight and bias.
    pub fn without_affine(self) -> Self {
        Self { weight: None, bias: None, ..self }
    }

    /// The same layer without a bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }
}

impl Module for LayerNorm {
    /// # Panics
    /// If the last axes of the input have another shape.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let tape = x.tape();
        assert!(x.shape().ends_with(&self.shape), "layer_norm: {:?} for last axes {:?}", x.shape(), self.shape);
        let [weight, bias] = [&self.weight, &self.bias].map(|param| param.as_ref().map(|param| tape.param(param)));
        x.layer_norm(self.shape.len(), weight, bias, self.eps)
    }
}
