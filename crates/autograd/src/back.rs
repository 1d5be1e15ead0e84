//! The walk back along the tape, and the interface of operations for it.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use ohmgrad_tensor::{Array, Key, Scalar};

use crate::gradients::Gradients;
use crate::param::Id;
use crate::tape::{Derived, Kind, Node, Tape};
use crate::var::Var;

/// An operation on a tape: a name, its attributes for a trace, and its backward.
///
/// The forward is the function that computes the value and calls [`Tape::push`]. An operation reads its inputs and its
/// output from the tape; its own fields must not share storage with a parameter.
pub trait Op<T: Scalar = f32>: Send {
    /// The name in traces and in messages.
    fn name(&self) -> &'static str;

    /// Attributes that distinguish this operation from others of its name, as pairs for the trace.
    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![]
    }

    /// Computes the gradients of the inputs from the gradient of the output, and [gives](Back::give) them.
    fn backward(&self, cx: &mut Back<'_, T>);
}

/// Arguments of [`Op::backward`]: values, the gradient of the output, and settings.
pub struct Back<'a, T: Scalar = f32> {
    /// The gradient of the output.
    pub grad: &'a Array<T>,
    index: usize,
    nodes: &'a [Node<T>],
    derived: &'a Derived,
    setting: &'a dyn Any,
    asked: &'a Cell<bool>,
    walk: &'a mut Walk<T>,
}

/// The results that a walk collects.
struct Walk<T: Scalar> {
    arrived: Vec<Option<Array<T>>>,
    gradients: Gradients<T>,
}

/// The gradient of the output.
impl<T: Scalar> fmt::Debug for Back<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Back").field("grad", self.grad).finish_non_exhaustive()
    }
}

impl<'a, T: Scalar> Back<'a, T> {
    fn parent(&self, input: usize) -> usize {
        self.nodes[self.index].parents[input]
    }

    /// The value of the operation's n-th input.
    pub fn input(&self, input: usize) -> &'a Array<T> {
        self.nodes[self.parent(input)].value()
    }

    /// The value of the operation's output.
    pub fn output(&self) -> &'a Array<T> {
        self.nodes[self.index].value()
    }

    /// Returns `true` if the gradient of the n-th input is needed. Check this before computing it.
    pub fn wants(&self, input: usize) -> bool {
        self.nodes[self.parent(input)].wants
    }

    /// Hands over the gradient of the n-th input; gradients from several operations are added up.
    ///
    /// # Panics
    /// If the gradient has another shape than the input.
    pub fn give(&mut self, input: usize, gradient: Array<T>) {
        let parent = self.parent(input);
        let shape = &self.nodes[parent].shape;
        assert!(
            gradient.shape() == shape.as_slice(),
            "backward of {}: gradient {:?} for input {input} of shape {shape:?}",
            self.nodes[self.index].name(),
            gradient.shape()
        );
        if !self.nodes[parent].wants {
            return;
        }
        match &mut self.walk.arrived[parent] {
            Some(sum) => *sum += gradient,
            empty => *empty = Some(gradient),
        }
    }

    /// Adds to the gradient of the n-th input in place, beginning with zeros: for operations that use a small part of a
    /// large input, many times.
    pub fn add_into(&mut self, input: usize, add: impl FnOnce(&mut Array<T>)) {
        let parent = self.parent(input);
        if self.wants(input) {
            let shape = &self.nodes[parent].shape;
            add(self.walk.arrived[parent].get_or_insert_with(|| Array::full(shape, T::zero())));
        }
    }

    /// The setting of type `S` under which this walk is repeated; `None` if there is none. See [`Var::backward_under`].
    pub fn setting<S: Any>(&self) -> Option<&'a S> {
        let setting = self.setting.downcast_ref();
        self.asked.set(self.asked.get() || setting.is_some());
        setting
    }

    /// An object that is derived from a parameter; see [`Tape::derived`].
    pub fn derived<V: Any + Send + Sync>(
        &self,
        id: Id,
        fits: impl FnOnce(&V) -> bool,
        make: impl FnOnce() -> V,
    ) -> Arc<V> {
        self.derived.get_or_make(id, fits, make)
    }

    /// Deposits a value for the owner of a parameter. The [`Gradients`] hold it, in order of the forward calls.
    pub fn deposit(&mut self, id: Id, content: impl Any + Send) {
        self.walk.gradients.deposits.push((id, Box::new(content)));
    }

    /// A piece of state as this walk has left it so far; `init` if nothing has changed it. See [`Tape::state`].
    pub fn state(&self, id: Id, init: &Array<T>) -> Array<T> {
        self.walk.gradients.state.get(id).unwrap_or(init).clone()
    }

    /// Replaces a piece of state; the optimizer's step commits it.
    pub fn set_state(&mut self, id: Id, value: Array<T>) {
        self.walk.gradients.state.set(id, value);
    }
}

/// Walks back from `root` with output gradient `d`.
#[track_caller]
pub(crate) fn run<T: Scalar>(root: Var<'_, T>, d: Array<T>, setting: &dyn Any) -> Gradients<T> {
    let tape = root.tape();
    let inner = tape.inner.borrow();
    assert!(tape.is_training(), "backward: this is an evaluation tape, which records nothing");
    assert!(!inner.ended, "backward: an earlier backward has ended this tape");
    let nodes = inner.nodes.as_slice();
    assert!(
        d.shape() == nodes[root.index()].shape.as_slice(),
        "backward: gradient {:?} for a value of shape {:?}",
        d.shape(),
        nodes[root.index()].shape
    );
    let mut arrived: Vec<_> = (0..=root.index()).map(|_| None).collect();
    arrived[root.index()] = Some(d);
    let mut walk = Walk { arrived, gradients: Gradients::new(tape.key(), inner.state.clone()) };
    let asked = Cell::new(setting.is::<()>());
    for index in (0..=root.index()).rev() {
        let node = &nodes[index];
        if !node.wants {
            continue;
        }
        let Some(grad) = walk.arrived[index].take() else { continue };
        if node.keep {
            walk.gradients.kept.push((index, grad.clone()));
        }
        match &node.kind {
            Kind::Op(op) => {
                let derived = &tape.derived;
                op.backward(&mut Back { grad: &grad, index, nodes, derived, setting, asked: &asked, walk: &mut walk })
            }
            Kind::Param(id) => walk.gradients.params.push((*id, grad)),
            _ => {}
        }
    }
    assert!(asked.get(), "backward_under: no operation on this tape asks for a setting of the given type");
    // The walk met the last parameter and the last call first.
    walk.gradients.params.reverse();
    walk.gradients.deposits.reverse();
    walk.gradients
}

/// Ends a tape: releases the parameters and all that shares their storage, and refuses new nodes.
pub(crate) fn end<T: Scalar>(tape: &Tape<T>) {
    tape.derived.clear();
    let mut inner = tape.inner.borrow_mut();
    inner.ended = true;
    let of_params = |node: &mut Node<T>| matches!(node.kind, Kind::Param(_)).then(|| node.value.take()).flatten();
    let released: Vec<_> = inner.nodes.iter_mut().filter_map(of_params).collect();
    for node in &mut inner.nodes {
        if node.value.as_ref().is_some_and(|v| released.iter().any(|r| r.shares_storage(v))) {
            node.value = None;
        }
    }
}

/// The key of the next use of randomness for a purpose on a tape.
pub(crate) fn key_of_call<T: Scalar>(tape: &Tape<T>, purpose: &str) -> Key {
    tape.call_key(Key::new(0).fold(purpose).to_words()[0])
}

impl<T: Scalar> Node<T> {
    pub(crate) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Constant => "constant",
            Kind::Variable => "variable",
            Kind::Param(_) => "param",
            Kind::Op(op) => op.name(),
            Kind::Unrecorded => "value",
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Param, Tape};
    use ohmgrad_tensor::{Key, Tensor};

    #[test]
    fn a_backward_leaves_no_parameter_shared() {
        let w = Param::new(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
        let tape = Tape::train(Key::new(0));
        let y = tape.constant(Tensor::from([[1.0, 1.0]])).matmul(tape.param(&w).t()).sum();
        let _again = y.backward_under(&());
        assert!(w.value.is_shared());
        y.backward();
        assert!(!w.value.is_shared());
        assert_eq!(y.item(), 10.0);
    }

    #[test]
    fn intermediate_gradients_on_request() {
        let tape = Tape::train(Key::new(0));
        let x = tape.variable(Tensor::from([3.0]));
        let (square, forgotten) = ((x * x).keep_gradient(), x * 2.0);
        let gradients = (square * 5.0 + forgotten).sum().backward();
        assert_eq!(gradients.wrt(square).unwrap().item(), 5.0);
        assert_eq!(gradients.wrt(x).unwrap().item(), 32.0);
        assert!(gradients.wrt(forgotten).is_none());
    }

    #[test]
    fn detached_values_pass_no_gradient() {
        let tape = Tape::train(Key::new(0));
        let x = tape.variable(Tensor::from([3.0]));
        let gradients = (x * x.detach()).sum().backward();
        assert_eq!(gradients.wrt(x).unwrap().item(), 3.0);
    }

    #[test]
    #[should_panic(expected = "no operation on this tape asks for a setting of the given type")]
    fn a_setting_that_no_operation_asks_for_panics() {
        Tape::train(Key::new(0)).variable(Tensor::from([1.0])).sum().backward_under(&"perfect");
    }

    #[test]
    #[should_panic(expected = "backward: shape [2] is not a scalar")]
    fn only_scalars_start_a_backward() {
        Tape::train(Key::new(0)).variable(Tensor::from([1.0, 2.0])).backward();
    }
}
