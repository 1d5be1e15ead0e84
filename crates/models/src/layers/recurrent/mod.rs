//! Recurrent layers. All have the same walk over layers, directions and time; the cell computes a step.

mod cell;
mod pass;

use std::array;

use ohmgrad_autograd::{Tape, Var};
use ohmgrad_tensor::{Key, Tensor};

use crate::module::Module;
use crate::visit::{Slot, SlotMut, Visit};
use pass::Pass;

pub use cell::{Cell, GruCell, LstmCell, RnnCell};

/// Layouts of the weights of the gates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gates {
    /// All gates' rows in one weight, as in PyTorch's state dicts: `weight_ih_l0` is [gates·hidden, in].
    #[default]
    Combined,
    /// A weight for each gate, and so tiles with separate scales, converters and noise: `weight_ih_l0_i` is [hidden,
    /// in]. In digital memory the results are the same bits.
    Separate,
}

/// Options of PyTorch's recurrent layers.
///
/// ```
/// use ohmgrad_models::{Lstm, RecurrentOptions};
/// use ohmgrad_tensor::Key;
///
/// let options = RecurrentOptions { layers: 2, batch_first: true, ..Default::default() };
/// let lstm = Lstm::new(28, 64, options, Key::new(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecurrentOptions {
    /// The number of layers; each takes the outputs of the one before.
    pub layers: usize,
    /// Adds biases, one to the product of the inputs and one to that of the outputs.
    pub bias: bool,
    /// Takes sequences as [batch, time, features]; if `false`, as [time, batch, features].
    pub batch_first: bool,
    /// The probability of dropout on the outputs of all layers but the last.
    pub dropout: f64,
    /// Makes each layer also walk the sequence backwards; its output is then twice as wide.
    pub bidirectional: bool,
    /// The width to which the outputs of an LSTM are projected, by a weight `weight_hr_l0` without bias that moves onto
    /// tiles too (Sak et al. 2014); `None`: they are as wide as the memory.
    #[doc(alias = "proj_size")]
    pub projection: Option<usize>,
    /// Layout of the weights of the gates.
    pub gates: Gates,
}

impl Default for RecurrentOptions {
    /// As PyTorch: one layer, forwards, with biases, time first.
    fn default() -> Self {
        Self {
            layers: 1,
            bias: true,
            batch_first: false,
            dropout: 0.0,
            bidirectional: false,
            projection: None,
            gates: Gates::Combined,
        }
    }
}

/// A recurrent layer: a [`Cell`] with N arrays of state, walked along sequences.
///
/// Every weight is in an [`Affine`](crate::Affine), and moves onto tiles with the network. Parameters are named as in
/// PyTorch: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, then `…_l0_reverse`, `…_l1` and so on.
///
/// ```
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_models::{Lstm, Module};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let lstm = Lstm::new(3, 8, Default::default(), Key::new(0));
/// let tape = Tape::eval(Key::new(1));
/// let x = tape.constant(Tensor::normal(&[10, 4, 3], Key::new(2)));
/// let (y, [h, c]) = lstm.forward_with_state(x.slice(0, 0..6), None);
/// let (z, _) = lstm.forward_with_state(x.slice(0, 6..10), Some([h, c]));
/// assert_eq!(tape.concat(&[y, z], 0).value(), lstm.forward(x).value());
/// ```
#[derive(Clone, Debug)]
pub struct Recurrent<C, const N: usize> {
    /// The computation of a step.
    pub cell: C,
    options: RecurrentOptions,
    hidden: usize,
    /// By layer, then by direction.
    passes: Vec<Pass>,
}

/// The plain recurrent layer: [`RnnCell`], `h' = tanh(Wx + b + Uh + c)`.
pub type Rnn = Recurrent<RnnCell, 1>;
/// Long short-term memory: [`LstmCell`]. Its state is `[h, c]`.
pub type Lstm = Recurrent<LstmCell, 2>;
/// The gated recurrent unit: [`GruCell`].
pub type Gru = Recurrent<GruCell, 1>;

impl Rnn {
    /// The same layer with a ReLU in place of the tangent.
    pub fn with_relu(self) -> Self {
        Self { cell: RnnCell::Relu, ..self }
    }
}

impl<C: Cell<N>, const N: usize> Recurrent<C, N> {
    /// A layer with PyTorch's default initialisation: uniform within ±1/√hidden.
    ///
    /// # Panics
    /// If there is no layer, the dropout is not in 0 ≤ p < 1, or the cell's outputs can't be projected to this width.
    #[track_caller]
    pub fn new(ins: usize, hidden: usize, options: RecurrentOptions, key: Key) -> Self {
        assert!(options.layers > 0, "recurrent: there must be at least one layer");
        assert!((0.0..1.0).contains(&options.dropout), "recurrent: dropout {} is not in 0 ≤ p < 1", options.dropout);
        if let Some(width) = options.projection {
            assert!(C::PROJECTS, "recurrent: only an LSTM projects its outputs");
            assert!((1..hidden).contains(&width), "recurrent: a projection to {width} is not below {hidden}");
        }
        let directions = 1 + usize::from(options.bidirectional);
        let pass = |i: usize| {
            let ins = if i < directions { ins } else { options.projection.unwrap_or(hidden) * directions };
            Pass::new(&name(i, directions), C::GATES.len(), ins, hidden, &options, key)
        };
        let passes = (0..options.layers * directions).map(pass).collect();
        Self { cell: C::default(), options, hidden, passes }.with_gates(options.gates)
    }

    /// The same layer with the same weights in another layout, all of them in digital memory.
    pub fn with_gates(mut self, gates: Gates) -> Self {
        self.passes.iter_mut().for_each(|pass| pass.hold(gates, C::GATES.len()));
        self.options.gates = gates;
        self
    }

    /// The options of the layer.
    pub fn options(&self) -> &RecurrentOptions {
        &self.options
    }

    /// The outputs [time, batch, directions·hidden] for sequences [time, batch, in], and the last state of each layer
    /// and direction, [layers·directions, batch, hidden]. With `batch_first`, inputs and outputs have the batch before
    /// the time. The first state is `state`, of the same shape, or zeros. With a projection, outputs and the first
    /// array of a state have its width. One sequence [time, in] has outputs [time, directions·hidden] and states
    /// [layers·directions, hidden].
    ///
    /// # Panics
    /// If the input has another number of axes or features or no time step, or a state has another shape.
    #[track_caller]
    pub fn forward_with_state<'t>(&self, x: Var<'t>, state: Option<[Var<'t>; N]>) -> (Var<'t>, [Var<'t>; N]) {
        if x.shape().len() == 2 {
            return self.forward_one(x, state);
        }
        let (output, last) = self.run(x, state);
        let stack = |n: usize| stack(x.tape(), last.iter().map(|state| state[n]), 0);
        (output, array::from_fn(stack))
    }

    /// The outputs for one sequence [time, in], and states without an axis for the batch.
    #[track_caller]
    fn forward_one<'t>(&self, x: Var<'t>, state: Option<[Var<'t>; N]>) -> (Var<'t>, [Var<'t>; N]) {
        let batch = usize::from(!self.options.batch_first);
        let state = state.map(|parts| parts.map(|part| part.unsqueeze(1)));
        let (output, last) = self.forward_with_state(x.unsqueeze(batch), state);
        (output.squeeze(batch), last.map(|part| part.squeeze(1)))
    }

    /// The outputs, and the last state of each layer and direction.
    #[track_caller]
    fn run<'t>(&self, x: Var<'t>, state: Option<[Var<'t>; N]>) -> (Var<'t>, Vec<[Var<'t>; N]>) {
        let (tape, shape, time) = (x.tape(), x.shape(), usize::from(self.options.batch_first));
        assert!(
            shape.len() == 3 && shape[time] > 0,
            "recurrent: an input of shape {shape:?} is not a batch of sequences"
        );
        let ins = self.passes[0].ins();
        assert!(shape[2] == ins, "recurrent: an input of shape {shape:?} has {} features a step, not {ins}", shape[2]);
        let batch = shape[1 - time];
        let widths: [usize; N] = array::from_fn(|n| self.options.projection.filter(|_| n == 0).unwrap_or(self.hidden));
        for (part, width) in state.iter().flatten().zip(widths) {
            let expected = [self.passes.len(), batch, width];
            assert!(part.shape()[..] == expected, "recurrent: a state {:?}, not {expected:?}", part.shape());
        }
        let first = |pass: usize| match state {
            Some(state) => state.map(|part| part.slice(0, pass..pass + 1).squeeze(0)),
            None => widths.map(|width| tape.constant(Tensor::full(&[batch, width], 0.0))),
        };
        let mut sequence: Vec<_> = (0..shape[time]).map(|t| x.slice(time, t..t + 1).squeeze(time)).collect();
        let mut last = vec![];
        let directions = 1 + usize::from(self.options.bidirectional);
        for (layer, passes) in self.passes.chunks(directions).enumerate() {
            if layer > 0 {
                sequence.iter_mut().for_each(|x| *x = x.dropout(self.options.dropout));
            }
            let mut outputs = vec![];
            for (direction, pass) in passes.iter().enumerate() {
                let (y, state) = pass.run(&self.cell, &sequence, first(last.len()), direction == 1);
                outputs.push(y);
                last.push(state);
            }
            let at = |t: usize| match &outputs[..] {
                [forwards] => forwards[t],
                both => tape.concat(&[both[0][t], both[1][t]], 1),
            };
            sequence = (0..sequence.len()).map(at).collect();
        }
        (stack(tape, sequence, time), last)
    }
}

/// Values side by side along a new axis.
fn stack<'t>(tape: &'t Tape, parts: impl IntoIterator<Item = Var<'t>>, axis: usize) -> Var<'t> {
    let parts: Vec<_> = parts.into_iter().map(|part| part.unsqueeze(axis)).collect();
    tape.concat(&parts, axis)
}

impl<C: Cell<N>, const N: usize> Module for Recurrent<C, N> {
    /// The sequence of outputs, from a state of zeros; see [`forward_with_state`](Recurrent::forward_with_state).
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        match x.shape().len() {
            2 => self.forward_one(x, None).0,
            _ => self.run(x, None).0,
        }
    }

    fn batch_axis(&self) -> Option<usize> {
        Some(usize::from(!self.options.batch_first))
    }
}

impl<C: Cell<N>, const N: usize> Visit for Recurrent<C, N> {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Slot<'a>)) {
        let directions = 1 + usize::from(self.options.bidirectional);
        for (i, pass) in self.passes.iter().enumerate() {
            pass.visit(path, &name(i, directions), C::GATES, f);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'a>)) {
        let directions = 1 + usize::from(self.options.bidirectional);
        for (i, pass) in self.passes.iter_mut().enumerate() {
            pass.visit_mut(path, &name(i, directions), C::GATES, f);
        }
    }
}

/// The name of a pass: `l0`, `l0_reverse`, `l1`, …
fn name(pass: usize, directions: usize) -> String {
    format!("l{}{}", pass / directions, if pass % directions == 1 { "_reverse" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;

    const ALL: RecurrentOptions = RecurrentOptions {
        layers: 2,
        bias: true,
        batch_first: false,
        dropout: 0.0,
        bidirectional: true,
        projection: None,
        gates: Gates::Combined,
    };

    fn output(net: &dyn Module, shape: &[usize]) -> Tensor {
        net.forward(Tape::train(Key::new(0)).constant(Tensor::normal(shape, Key::new(1)))).value()
    }

    #[test]
    fn parameters_have_the_names_of_pytorch() {
        let options = RecurrentOptions { bias: false, ..ALL };
        let net = crate::Sequential::new().gru(3, 4, options).init(Key::new(1));
        let passes = ["l0", "l0_reverse", "l1", "l1_reverse"];
        let names = passes.iter().flat_map(|pass| [format!("0.weight_ih_{pass}"), format!("0.weight_hh_{pass}")]);
        assert_eq!(net.parameter_names(), names.collect::<Vec<_>>());
        let shapes: Vec<_> = net.state_dict().iter().map(|(_, value)| value.shape().to_vec()).collect();
        assert_eq!(shapes[..6], [[12, 3], [12, 4], [12, 3], [12, 4], [12, 8], [12, 4]]);
        assert_eq!(
            Rnn::new(3, 4, Default::default(), Key::new(1)).parameter_names(),
            ["weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0"]
        );
    }

    #[test]
    fn how_gates_are_held_changes_no_digital_bit() {
        let combined = Lstm::new(3, 4, ALL, Key::new(1));
        let separate = Lstm::new(3, 4, RecurrentOptions { gates: Gates::Separate, ..ALL }, Key::new(1));
        assert_eq!(separate.parameter_names()[4..6], ["weight_ih_l0_g", "bias_ih_l0_g"]);
        assert_eq!(output(&combined, &[5, 2, 3]), output(&separate, &[5, 2, 3]));
        assert_eq!(separate.with_gates(Gates::Combined).state_dict(), combined.state_dict());
    }

    #[test]
    fn batch_first_is_another_order_of_the_axes() {
        let time_first = Gru::new(3, 4, ALL, Key::new(1));
        let batch_first = Gru::new(3, 4, RecurrentOptions { batch_first: true, ..ALL }, Key::new(1));
        let tape = Tape::eval(Key::new(0));
        let x = tape.constant(Tensor::normal(&[5, 2, 3], Key::new(1)));
        let ((y, [h]), (z, [k])) =
            (time_first.forward_with_state(x, None), batch_first.forward_with_state(x.transpose(0, 1), None));
        assert_eq!((y.value(), h.value()), (z.transpose(0, 1).value(), k.value()));
        assert_eq!(y.shape().as_slice(), [5, 2, 8]);
    }

    #[test]
    fn one_sequence_is_a_batch_of_one() {
        for batch_first in [false, true] {
            let net = Lstm::new(3, 4, RecurrentOptions { batch_first, ..ALL }, Key::new(1));
            let (tape, axis) = (Tape::eval(Key::new(0)), usize::from(!batch_first));
            let x = tape.constant(Tensor::normal(&[5, 3], Key::new(1)));
            let (y, [h, c]) = net.forward_with_state(x, None);
            let (z, [i, d]) = net.forward_with_state(x.unsqueeze(axis), None);
            assert_eq!((y.value(), h.value()), (z.squeeze(axis).value(), i.squeeze(1).value()));
            assert_eq!(net.forward_with_state(x, Some([h, c])).0.shape().as_slice(), [5, 8]);
            assert_eq!((net.forward(x).value(), c.value()), (y.value(), d.squeeze(1).value()));
        }
    }

    #[test]
    fn a_projection_narrows_outputs_and_later_layers() {
        let net = Lstm::new(3, 5, RecurrentOptions { projection: Some(2), ..ALL }, Key::new(1));
        let shape = |name: &str| {
            let found = net.state_dict().into_iter().find(|(path, _)| path == name);
            found.map(|(_, value)| value.shape().to_vec())
        };
        assert_eq!(shape("weight_hh_l0"), Some(vec![20, 2]));
        assert_eq!(shape("weight_hr_l1_reverse"), Some(vec![2, 5]));
        assert_eq!(shape("weight_ih_l1"), Some(vec![20, 4]));
        assert_eq!(shape("bias_hr_l0"), None);
        let tape = Tape::eval(Key::new(0));
        let (y, [h, c]) = net.forward_with_state(tape.constant(Tensor::normal(&[6, 7, 3], Key::new(1))), None);
        assert_eq!([y.shape(), h.shape(), c.shape()].map(|s| s.to_vec()), [[6, 7, 4], [4, 7, 2], [4, 7, 5]]);
        // Separate gates give the same bits.
        let apart = net.clone().with_gates(Gates::Separate);
        assert_eq!(output(&apart, &[6, 7, 3]), output(&net, &[6, 7, 3]));
    }

    #[test]
    #[should_panic(expected = "recurrent: only an LSTM projects its outputs")]
    fn a_gru_has_no_projection() {
        Gru::new(3, 4, RecurrentOptions { projection: Some(2), ..ALL }, Key::new(1));
    }

    #[test]
    fn dropout_lies_between_layers_alone() {
        let one = RecurrentOptions { dropout: 0.5, layers: 1, ..ALL };
        assert_eq!(
            output(&Rnn::new(3, 4, one, Key::new(1)), &[5, 2, 3]),
            output(&Rnn::new(3, 4, RecurrentOptions { dropout: 0.0, ..one }, Key::new(1)), &[5, 2, 3])
        );
        let two = RecurrentOptions { dropout: 0.5, ..ALL };
        assert_ne!(
            output(&Rnn::new(3, 4, two, Key::new(1)), &[5, 2, 3]),
            output(&Rnn::new(3, 4, ALL, Key::new(1)), &[5, 2, 3])
        );
    }

    #[test]
    #[should_panic(expected = "recurrent: an input of shape [3] is not a batch of sequences")]
    fn a_wrong_input_names_itself() {
        output(&Rnn::new(3, 4, Default::default(), Key::new(1)), &[3]);
    }
}
