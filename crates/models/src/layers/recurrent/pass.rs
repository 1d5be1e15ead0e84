//! The weights of one layer in one direction, and their walk along a sequence.

use ohmgrad_autograd::Var;
use ohmgrad_tensor::{Array, Key, Tensor};

use super::cell::Cell;
use super::{Gates, RecurrentOptions};
use crate::affine::Affine;
use crate::init;
use crate::visit::{Slot, SlotMut, join};

/// The weights for the inputs and for the outputs of the step before, each in one slot or in one per gate; and that of
/// the projection.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    input: Vec<Affine>,
    hidden: Vec<Affine>,
    projection: Option<Affine>,
}

impl Pass {
    /// Weights [gates·hidden, ins], [gates·hidden, outs] and [outs, hidden], and biases of the first two, uniform
    /// within ±1/√hidden as in PyTorch.
    pub fn new(name: &str, gates: usize, ins: usize, hidden: usize, options: &RecurrentOptions, key: Key) -> Self {
        let draw = |what: &str, slot: &str, shape: &[usize]| {
            init::torch_default(shape, hidden, key.fold(format!("{what}_{slot}_{name}").as_str()))
        };
        let affine = |slot: &str, ins: usize| {
            let weight = draw("weight", slot, &[gates * hidden, ins]);
            let bias = options.bias.then(|| draw("bias", slot, &[gates * hidden]));
            vec![Affine::new(weight, bias).prefixed()]
        };
        let outs = options.projection.unwrap_or(hidden);
        let projection =
            options.projection.map(|outs| Affine::new(draw("weight", "hr", &[outs, hidden]), None).prefixed());
        Self { input: affine("ih", ins), hidden: affine("hh", outs), projection }
    }

    /// The number of features of an input.
    pub fn ins(&self) -> usize {
        self.input[0].weight().value.shape()[1]
    }

    /// Moves the weights into digital memory, in a layout of `count` gates.
    pub fn hold(&mut self, gates: Gates, count: usize) {
        for slots in [&mut self.input, &mut self.hidden] {
            slots.iter_mut().for_each(Affine::to_digital);
            match gates {
                Gates::Combined if slots.len() > 1 => *slots = vec![combined(slots)],
                Gates::Separate if slots.len() < count => *slots = separated(&slots[0], count),
                _ => {}
            }
        }
        self.projection.iter_mut().for_each(Affine::to_digital);
    }

    /// Walks along a sequence of [batch, ins], backwards if `reverse`; returns the outputs in the sequence's order, and
    /// the last state.
    pub fn run<'t, C: Cell<N>, const N: usize>(
        &self,
        cell: &C,
        sequence: &[Var<'t>],
        mut state: [Var<'t>; N],
        reverse: bool,
    ) -> (Vec<Var<'t>>, [Var<'t>; N]) {
        let gates = C::GATES.len();
        // One product per time step, not one for all: a read's noise depends on the sample's row and the step's call,
        // so that it does not depend on how a data set is cut into batches.
        let mut step = |x: &Var<'t>| {
            state = cell.step(&products(&self.input, *x, gates), &products(&self.hidden, state[0], gates), state);
            if let Some(projection) = &self.projection {
                state[0] = projection.forward(state[0]);
            }
            state[0]
        };
        let mut outputs: Vec<_> =
            if reverse { sequence.iter().rev().map(&mut step).collect() } else { sequence.iter().map(step).collect() };
        if reverse {
            outputs.reverse();
        }
        (outputs, state)
    }

    pub fn visit<'a>(&'a self, path: &str, name: &str, gates: &[&str], f: &mut dyn FnMut(&str, Slot<'a>)) {
        for (what, slots) in [("ih", &self.input), ("hh", &self.hidden)] {
            for (i, affine) in slots.iter().enumerate() {
                f(&slot(path, what, name, slots.len(), gates[i]), Slot::Affine(affine));
            }
        }
        if let Some(projection) = &self.projection {
            f(&slot(path, "hr", name, 1, ""), Slot::Affine(projection));
        }
    }

    pub fn visit_mut<'a>(&'a mut self, path: &str, name: &str, gates: &[&str], f: &mut dyn FnMut(&str, SlotMut<'a>)) {
        for (what, slots) in [("ih", &mut self.input), ("hh", &mut self.hidden)] {
            let count = slots.len();
            for (i, affine) in slots.iter_mut().enumerate() {
                f(&slot(path, what, name, count, gates[i]), SlotMut::Affine(affine));
            }
        }
        if let Some(projection) = &mut self.projection {
            f(&slot(path, "hr", name, 1, ""), SlotMut::Affine(projection));
        }
    }
}

/// The path of a slot: `ih_l0`, or `ih_l0_f` where each gate has one.
fn slot(path: &str, what: &str, name: &str, count: usize, gate: &str) -> String {
    let end = if count > 1 { format!("_{gate}") } else { String::new() };
    join(path, &format!("{what}_{name}{end}"))
}

/// The product with each gate's weight.
fn products<'t>(slots: &[Affine], x: Var<'t>, gates: usize) -> Vec<Var<'t>> {
    match slots {
        [combined] if gates > 1 => {
            let y = combined.forward(x);
            let width = y.shape()[1] / gates;
            (0..gates).map(|gate| y.slice(1, gate * width..(gate + 1) * width)).collect()
        }
        _ => slots.iter().map(|slot| slot.forward(x)).collect(),
    }
}

fn combined(slots: &[Affine]) -> Affine {
    let weights: Vec<_> = slots.iter().map(|slot| slot.weight().value.clone()).collect();
    let biases: Option<Vec<Tensor>> =
        slots.iter().map(|slot| slot.bias.as_ref().map(|bias| bias.value.clone())).collect();
    Affine::new(Array::concat(&weights, 0), biases.map(|biases| Array::concat(&biases, 0))).prefixed()
}

fn separated(slot: &Affine, count: usize) -> Vec<Affine> {
    let width = slot.weight().value.shape()[0] / count;
    // Separate storage: training writes weights in place.
    let part = |of: &Tensor, gate: usize| {
        let part = of.slice(0, gate * width..(gate + 1) * width);
        Tensor::from_vec(part.to_vec(), part.shape())
    };
    let gate = |gate: usize| {
        let bias = slot.bias.as_ref().map(|bias| part(&bias.value, gate));
        Affine::new(part(&slot.weight().value, gate), bias).prefixed()
    };
    (0..count).map(gate).collect()
}
