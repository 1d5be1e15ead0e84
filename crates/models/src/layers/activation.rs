//! Layers without parameters.

use ohmgrad_autograd::Var;

use crate::module::Module;
use crate::visit::Visit;

/// An elementwise function (or one over the last axis) as a layer.
#[derive(Clone, Copy, Debug, PartialEq, Visit)]
#[visit(skip)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x`, or `slope·x` below 0.
    LeakyRelu(f32),
    /// `x`, or `alpha·(eˣ − 1)` below 0.
    Elu(f32),
    /// `x·Φ(x)`.
    Gelu,
    /// `x·σ(x)`.
    Silu,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// `1/(1 + e⁻ˣ)`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `eˣ/Σeˣ` over the last axis.
    Softmax,
    /// `x − ln Σeˣ` over the last axis.
    LogSoftmax,
}

impl Module for Activation {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let last = || x.shape().len().checked_sub(1).expect("softmax: the input has no axis");
        match *self {
            Self::Relu => x.relu(),
            Self::LeakyRelu(slope) => x.leaky_relu(slope),
            Self::Elu(alpha) => x.elu(alpha),
            Self::Gelu => x.gelu(),
            Self::Silu => x.silu(),
            Self::Softplus => x.softplus(),
            Self::Sigmoid => x.sigmoid(),
            Self::Tanh => x.tanh(),
            Self::Softmax => x.softmax(last()),
            Self::LogSoftmax => x.log_softmax(last()),
        }
    }
}

/// Sets elements to 0 with a probability in training, and scales the others up; does nothing in evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Visit)]
#[visit(skip)]
pub struct Dropout(
    /// The probability, 0 ≤ p < 1.
    pub f64,
);

impl Module for Dropout {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        x.dropout(self.0)
    }
}

/// Joins all axes but the first into one.
#[derive(Clone, Copy, Debug, PartialEq, Visit)]
#[visit(skip)]
pub struct Flatten;

impl Module for Flatten {
    /// # Panics
    /// If the input has no axis.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let shape = x.shape();
        assert!(!shape.is_empty(), "flatten: an input without axes has no first one");
        x.reshape(&[shape[0], shape[1..].iter().product()])
    }
}
