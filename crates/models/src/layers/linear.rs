//! The fully connected layer.

use ohmgrad_autograd::Var;
use ohmgrad_tensor::{Key, Tensor};

use crate::affine::Affine;
use crate::init;
use crate::module::Module;
use crate::visit::Visit;

/// `y = x·Wᵀ + b` over the last axis, digital or on tiles.
#[derive(Clone, Debug, Visit)]
pub struct Linear {
    /// The weight [out, in] and the bias of each output.
    #[visit(flatten)]
    pub affine: Affine,
}

impl Linear {
    /// A layer with PyTorch's default initialisation: uniform within ±1/√in. Each layer needs a separate key,
    /// `key.fold("hidden")`, `key.fold("out")`: two layers from one key begin alike, as
    /// [`summary`](crate::Network::summary) and an optimizer's first step report.
    pub fn new(ins: usize, outs: usize, key: Key) -> Self {
        let weight = init::torch_default(&[outs, ins], ins, key.fold("weight"));
        let bias = init::torch_default(&[outs], ins, key.fold("bias"));
        Self { affine: Affine::new(weight, Some(bias)) }
    }

    /// A layer with a given weight [out, in] and a bias for each output.
    pub fn from_weight(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { affine: Affine::new(weight, bias) }
    }

    /// The same layer without a bias.
    pub fn without_bias(mut self) -> Self {
        self.affine.bias = None;
        self
    }
}

impl Module for Linear {
    /// The first axis counts samples, and all axes but the last count rows; an input with one axis is one row.
    ///
    /// # Panics
    /// If the length of the last axis is not the layer's number of inputs.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        match x.shape().len() {
            1 => self.affine.forward(x.unsqueeze(0)).squeeze(0),
            _ => self.affine.forward(x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ohmgrad_autograd::Tape;

    #[test]
    #[should_panic(expected = "linear: an input of shape [4, 5] is not [batch, …, 3]")]
    fn a_wrong_input_names_itself() {
        Linear::new(3, 2, Key::new(1)).forward(Tape::eval(Key::new(0)).constant(Tensor::full(&[4, 5], 0.0)));
    }

    #[test]
    fn leading_axes_are_batch() {
        let layer = Linear::new(3, 2, Key::new(1));
        let x = Tensor::normal(&[4, 5, 3], Key::new(2));
        let tape = Tape::eval(Key::new(0));
        let y = layer.forward(tape.constant(x.clone()));
        assert_eq!(y.shape().as_slice(), [4, 5, 2]);
        let flat = layer.forward(tape.constant(x.reshape(&[20, 3])));
        assert_eq!(y.value().reshape(&[20, 2]), flat.value());
        let row = layer.forward(tape.constant(x.row(1).row(2)));
        assert_eq!(row.value(), y.value().row(1).row(2));
    }
}
