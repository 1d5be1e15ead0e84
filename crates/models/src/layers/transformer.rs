//! The encoder block of transformers.

use ohmgrad_autograd::Var;
use ohmgrad_tensor::Key;

use super::{Activation, LayerNorm, Linear, MultiHeadAttention};
use crate::module::Module;
use crate::visit::Visit;

/// Attention, then a pair of fully connected layers (Vaswani et al. 2017), for sequences [batch, time, width]. The
/// attention is added to its input and followed by a layer norm, and so is the pair.
///
/// Parameters are named as in PyTorch's `nn.TransformerEncoderLayer`. All four weights move onto tiles with the
/// network.
///
/// ```
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_models::{Module, TransformerEncoderLayer};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let block = TransformerEncoderLayer::new(16, 4, 64, Key::new(0));
/// let tape = Tape::eval(Key::new(1));
/// let y = block.forward(tape.constant(Tensor::normal(&[2, 10, 16], Key::new(2))));
/// assert_eq!(y.shape().as_slice(), [2, 10, 16]);
/// ```
#[derive(Clone, Debug, Visit)]
pub struct TransformerEncoderLayer {
    /// The attention.
    pub self_attn: MultiHeadAttention,
    /// The first fully connected layer, width → hidden.
    pub linear1: Linear,
    /// The second fully connected layer, hidden → width.
    pub linear2: Linear,
    /// The norm of the attention.
    pub norm1: LayerNorm,
    /// The norm of the fully connected layers.
    pub norm2: LayerNorm,
    /// The function between the fully connected layers.
    #[visit(skip)]
    pub activation: Activation,
    /// `true` if norms come before the layers that they belong to, `false` if behind the sums.
    #[visit(skip)]
    pub norm_first: bool,
    /// The probability of dropout behind the attention and behind each fully connected layer.
    #[visit(skip)]
    pub dropout: f64,
}

impl TransformerEncoderLayer {
    /// A block for vectors of `width`, with `heads` heads and `hidden` values between the fully connected layers; with
    /// a ReLU, norms behind the sums, and, unlike PyTorch, no dropout.
    ///
    /// # Panics
    /// If there is no head, or the width is not a multiple of their number.
    pub fn new(width: usize, heads: usize, hidden: usize, key: Key) -> Self {
        Self {
            self_attn: MultiHeadAttention::new(width, heads, key.fold("self_attn")),
            linear1: Linear::new(width, hidden, key.fold("linear1")),
            linear2: Linear::new(hidden, width, key.fold("linear2")),
            norm1: LayerNorm::new(&[width]),
            norm2: LayerNorm::new(&[width]),
            activation: Activation::Relu,
            norm_first: false,
            dropout: 0.0,
        }
    }

    /// The same block, in which each place attends to itself and to earlier places only.
    pub fn causal(self) -> Self {
        Self { self_attn: self.self_attn.causal(), ..self }
    }

    /// The same block with norms before the layers that they belong to.
    pub fn with_norm_first(self) -> Self {
        Self { norm_first: true, ..self }
    }

    /// The same block with another function between the fully connected layers.
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// The same block with dropout of probability `p`: of the attention, behind it, and behind each fully connected
    /// layer.
    ///
    /// # Panics
    /// If `p` is not in 0 ≤ p < 1.
    pub fn with_dropout(self, p: f64) -> Self {
        Self { self_attn: self.self_attn.with_dropout(p), dropout: p, ..self }
    }

    #[track_caller]
    fn attended<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.self_attn.forward(x).dropout(self.dropout)
    }

    #[track_caller]
    fn connected<'t>(&self, x: Var<'t>) -> Var<'t> {
        let hidden = self.activation.forward(self.linear1.forward(x)).dropout(self.dropout);
        self.linear2.forward(hidden).dropout(self.dropout)
    }
}

impl Module for TransformerEncoderLayer {
    /// # Panics
    /// If the input is not [batch, time, width].
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        if self.norm_first {
            let x = x + self.attended(self.norm1.forward(x));
            x + self.connected(self.norm2.forward(x))
        } else {
            let x = self.norm1.forward(x + self.attended(x));
            self.norm2.forward(x + self.connected(x))
        }
    }

    fn batch_axis(&self) -> Option<usize> {
        Some(0)
    }
}
