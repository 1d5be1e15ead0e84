//! Attention between the places of sequences.

use ohmgrad_autograd::Var;
use ohmgrad_tensor::{Array, Key, Tensor};

use super::Linear;
use crate::affine::Affine;
use crate::init;
use crate::module::Module;
use crate::visit::Visit;

/// Multi-head attention (Vaswani et al. 2017): `softmax(QKᵀ/√w)·V` for each head of width `w`, for sequences [batch,
/// time, width].
///
/// Q, K and V come from one product with `in_proj_weight` [3·width, width], the heads are joined by `out_proj`. Both
/// weights move onto tiles with the network; the products of Q, K and V with each other, which have no stored weight,
/// stay digital. Parameters are named as in PyTorch's `nn.MultiheadAttention`. Sequences are always batch first;
/// PyTorch's default is time first.
///
/// ```
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_models::{Module, MultiHeadAttention, Network};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let attention = MultiHeadAttention::new(16, 4, Key::new(0)).causal();
/// assert_eq!(
///     attention.parameter_names(),
///     ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
/// );
/// let tape = Tape::eval(Key::new(1));
/// let y = attention.forward(tape.constant(Tensor::normal(&[2, 10, 16], Key::new(2))));
/// assert_eq!(y.shape().as_slice(), [2, 10, 16]);
/// ```
#[derive(Clone, Debug, Visit)]
#[doc(alias = "MultiheadAttention")]
pub struct MultiHeadAttention {
    /// The weights of Q, K and V, one below the other [3·width, width], and their biases.
    pub in_proj: Affine,
    /// The layer behind the joined heads.
    pub out_proj: Linear,
    /// The number of heads; it divides the width.
    #[visit(skip)]
    heads: usize,
    /// `true` if each place attends to itself and to earlier places only.
    #[visit(skip)]
    pub causal: bool,
    /// The probability of dropout on the attention.
    #[visit(skip)]
    pub dropout: f64,
}

impl MultiHeadAttention {
    /// A layer of `heads` heads for vectors of `width`, with PyTorch's default initialisation and biases; without mask
    /// and dropout.
    ///
    /// # Panics
    /// If there is no head, or the width is not a multiple of their number.
    #[track_caller]
    pub fn new(width: usize, heads: usize, key: Key) -> Self {
        assert!(heads > 0 && width.is_multiple_of(heads), "attention: {heads} heads do not divide a width of {width}");
        let zeros = |n: usize| Tensor::full(&[n], 0.0);
        let weight = init::xavier_uniform(&[3 * width, width], key.fold("in_proj_weight"));
        let mut out_proj = Linear::new(width, width, key.fold("out_proj"));
        out_proj.affine.set(out_proj.affine.weight().value.clone(), Some(zeros(width)));
        let in_proj = Affine::new(weight, Some(zeros(3 * width))).suffixed();
        Self { in_proj, out_proj, heads, causal: false, dropout: 0.0 }
    }

    /// The same layer, in which each place attends to itself and to earlier places only.
    pub fn causal(self) -> Self {
        Self { causal: true, ..self }
    }

    /// The same layer with dropout of the attention, with probability `p`.
    ///
    /// # Panics
    /// If `p` is not in 0 ≤ p < 1.
    #[track_caller]
    pub fn with_dropout(self, p: f64) -> Self {
        assert!((0.0..1.0).contains(&p), "attention: dropout {p} is not in 0 ≤ p < 1");
        Self { dropout: p, ..self }
    }

    /// The same layer without biases.
    pub fn without_bias(mut self) -> Self {
        self.in_proj.bias = None;
        self.out_proj = self.out_proj.without_bias();
        self
    }

    /// The output for sequences [batch, time, width], with places hidden where `mask` is `true`. The mask is broadcast
    /// to [batch, heads, time, time]: the axis of the queries, then that of the keys. For padded sequences it is
    /// [batch, 1, 1, time] with `true` at the padding. The output of a place from which all places are hidden is NaN.
    ///
    /// # Panics
    /// If the input is not [batch, time, width], or the mask does not broadcast.
    #[track_caller]
    pub fn forward_masked<'t>(&self, x: Var<'t>, mask: &Array<bool>) -> Var<'t> {
        self.attend(self.split(x), Some(mask))
    }

    /// The output for queries [batch, time, width] that attend to another sequence, the memory [batch, places, width],
    /// as in a decoder: [batch, time, width]. The mask, if any, is broadcast to [batch, heads, time, places]; see
    /// [`forward_masked`](Self::forward_masked). On tiles, queries and memory are each read with the whole `in_proj`,
    /// and only a part of the outputs is used.
    ///
    /// # Panics
    /// If an input has another number of axes, another batch or width, or the mask does not broadcast.
    #[track_caller]
    pub fn forward_cross<'t>(&self, queries: Var<'t>, memory: Var<'t>, mask: Option<&Array<bool>>) -> Var<'t> {
        let (q, kv) = (self.split(queries), self.split(memory));
        self.attend([q[0], kv[1], kv[2]], mask)
    }

    /// Q, K and V for a sequence, each [batch, heads, time, width of a head].
    #[track_caller]
    fn split<'t>(&self, x: Var<'t>) -> [Var<'t>; 3] {
        let (shape, width) = (x.shape(), self.width());
        assert!(
            shape.len() == 3 && shape[2] == width,
            "attention: an input of shape {shape:?} is not [batch, time, {width}]"
        );
        let [batch, time] = [shape[0], shape[1]];
        let all = self.in_proj.forward(x);
        let part = |i: usize| all.slice(2, i * width..(i + 1) * width);
        let by_head = |part: Var<'t>| part.reshape(&[batch, time, self.heads, width / self.heads]).transpose(1, 2);
        [0, 1, 2].map(part).map(by_head)
    }

    /// The layer's output for Q, K and V: the heads' outputs, joined by `out_proj`.
    #[track_caller]
    fn attend<'t>(&self, [q, k, v]: [Var<'t>; 3], mask: Option<&Array<bool>>) -> Var<'t> {
        let shape = q.shape();
        let (time, places) = (shape[2], k.shape()[2]);
        let mut scores = (q * (1.0 / (shape[3] as f32).sqrt())).matmul(k.t());
        if self.causal {
            scores = scores.masked_fill(&Array::from_fn(&[time, places], |at| at[1] > at[0]), f32::NEG_INFINITY);
        }
        if let Some(mask) = mask {
            scores = scores.masked_fill(mask, f32::NEG_INFINITY);
        }
        let heads = scores.softmax(3).dropout(self.dropout).matmul(v);
        self.out_proj.forward(heads.transpose(1, 2).reshape(&[shape[0], time, self.width()]))
    }

    fn width(&self) -> usize {
        self.in_proj.weight().value.shape()[1]
    }
}

impl Module for MultiHeadAttention {
    /// Attention of sequences [batch, time, width] to themselves.
    ///
    /// # Panics
    /// If the input has another shape.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.attend(self.split(x), None)
    }

    fn batch_axis(&self) -> Option<usize> {
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ohmgrad_autograd::Tape;

    const KEY: Key = Key::new(1);

    fn near(a: &Tensor, b: &Tensor) -> bool {
        a.shape() == b.shape() && (a - b).abs().max() < 1e-6
    }

    #[test]
    fn the_future_is_not_seen() {
        let layer = MultiHeadAttention::new(6, 2, KEY).causal();
        let tape = Tape::eval(KEY);
        let x = Tensor::normal(&[2, 5, 6], KEY);
        let y = layer.forward(tape.constant(x.clone())).value();
        for time in 1..5 {
            let past = layer.forward(tape.constant(x.slice(1, 0..time))).value();
            assert!(near(&past, &y.slice(1, 0..time)));
        }
        // The first place attends only to itself: its output is its V.
        let v = layer.in_proj.forward(tape.constant(x.slice(1, 0..1))).slice(2, 12..18);
        assert!(near(&layer.out_proj.forward(v).value(), &y.slice(1, 0..1)));
    }

    #[test]
    fn what_is_masked_has_no_influence() {
        let layer = MultiHeadAttention::new(6, 3, KEY);
        let tape = Tape::eval(KEY);
        let x = Tensor::normal(&[2, 5, 6], KEY);
        let filling = Array::from([[false, false, false, true, true], [false; 5]]).reshape(&[2, 1, 1, 5]);
        let y = layer.forward_masked(tape.constant(x.clone()), &filling).value();
        let short = layer.forward(tape.constant(x.slice(0, 0..1).slice(1, 0..3))).value();
        assert!(near(&short, &y.slice(0, 0..1).slice(1, 0..3)));
        let whole = layer.forward(tape.constant(x.slice(0, 1..2))).value();
        assert!(near(&whole, &y.slice(0, 1..2)));
    }

    #[test]
    fn attention_to_itself_is_a_case_of_attention_to_a_memory() {
        let layer = MultiHeadAttention::new(6, 2, KEY);
        let tape = Tape::eval(KEY);
        let x = tape.constant(Tensor::normal(&[2, 5, 6], KEY));
        assert_eq!(layer.forward_cross(x, x, None).value(), layer.forward(x).value());
        let queries = x.slice(1, 1..4);
        assert!(near(&layer.forward_cross(queries, x, None).value(), &layer.forward(x).slice(1, 1..4).value()));
        // The causal mask counts the places of the memory from its start.
        let hidden = Array::full(&[3, 5], true).triu(1);
        let causal = layer.clone().causal();
        assert_eq!(
            causal.forward_cross(queries, x, None).value(),
            layer.forward_cross(queries, x, Some(&hidden)).value()
        );
    }

    #[test]
    #[should_panic(expected = "attention: an input of shape [2, 5, 4] is not [batch, time, 6]")]
    fn a_wrong_input_names_itself() {
        let tape = Tape::eval(KEY);
        MultiHeadAttention::new(6, 2, KEY).forward(tape.constant(Tensor::full(&[2, 5, 4], 0.0)));
    }

    #[test]
    #[should_panic(expected = "attention: 4 heads do not divide a width of 6")]
    fn heads_divide_the_width() {
        MultiHeadAttention::new(6, 4, KEY);
    }
}
