//! The elementwise part of a time step of the three recurrent layers.

use ohmgrad_autograd::Var;

/// The elementwise part of a recurrent layer: from the products of a time step and the state, the next state.
///
/// A custom cell is used as [`Recurrent<Cell, N>`](super::Recurrent); its state is N arrays [batch, hidden], of which
/// the first is the output.
pub trait Cell<const N: usize>: Clone + Default + Send + Sync + 'static {
    /// The name of each gate, in the order in which a combined weight holds their rows.
    const GATES: &'static [&'static str];

    /// `true` if the output may be projected to another width after a step, because [`step`](Self::step) does not use
    /// `state[0]`, the last output.
    const PROJECTS: bool = false;

    /// The next state, for the products of the input and of the last output with each gate's weight (and the biases),
    /// [batch, hidden] each.
    fn step<'t>(&self, input: &[Var<'t>], hidden: &[Var<'t>], state: [Var<'t>; N]) -> [Var<'t>; N];
}

/// `h' = tanh(Wx + b + Uh + c)` (Elman 1990), or the same with a ReLU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RnnCell {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// `max(x, 0)`.
    Relu,
}

impl Cell<1> for RnnCell {
    const GATES: &'static [&'static str] = &["h"];

    fn step<'t>(&self, input: &[Var<'t>], hidden: &[Var<'t>], _: [Var<'t>; 1]) -> [Var<'t>; 1] {
        let sum = input[0] + hidden[0];
        match self {
            Self::Tanh => [sum.tanh()],
            Self::Relu => [sum.relu()],
        }
    }
}

/// Long short-term memory (Hochreiter & Schmidhuber 1997; with the forget gate of Gers et al. 2000), as PyTorch's.
///
/// With gates `i, f, o = σ(…)` and `g = tanh(…)`, each of `Wx + b + Uh + c` with different weights:
/// `c' = f·c + i·g`, `h' = o·tanh(c')`; with a projection `h' = R·(o·tanh(c'))`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LstmCell;

impl Cell<2> for LstmCell {
    const GATES: &'static [&'static str] = &["i", "f", "g", "o"];
    const PROJECTS: bool = true;

    fn step<'t>(&self, input: &[Var<'t>], hidden: &[Var<'t>], [_, memory]: [Var<'t>; 2]) -> [Var<'t>; 2] {
        let gate = |n: usize| input[n] + hidden[n];
        let (i, f, g, o) = (gate(0).sigmoid(), gate(1).sigmoid(), gate(2).tanh(), gate(3).sigmoid());
        let memory = f * memory + i * g;
        [o * memory.tanh(), memory]
    }
}

/// The gated recurrent unit (Cho et al. 2014), as PyTorch's.
///
/// `r, z = σ(Wx + b + Uh + c)`, `n = tanh(Wx + b + r·(Uh + c))`, each with different weights; `h' = (1 − z)·n + z·h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GruCell;

impl Cell<1> for GruCell {
    const GATES: &'static [&'static str] = &["r", "z", "n"];

    fn step<'t>(&self, input: &[Var<'t>], hidden: &[Var<'t>], [h]: [Var<'t>; 1]) -> [Var<'t>; 1] {
        let (r, z) = ((input[0] + hidden[0]).sigmoid(), (input[1] + hidden[1]).sigmoid());
        let n = (input[2] + r * hidden[2]).tanh();
        [n + z * (h - n)]
    }
}
