//! The tape: the record of one computation, in order.

use std::any::Any;
use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ohmgrad_tensor::{Array, Dims, Key, Scalar, Signed};
use smallvec::SmallVec;

use crate::back::Op;
use crate::gradients::State;
use crate::param::{Id, Param};
use crate::var::Var;

/// A record of operations on arrays: values forward, gradients back.
///
/// A training tape lives for one step. It carries the step's key, from which every random number of the step is
/// derived. [`Var::backward`] ends it: the parameters are released, so that the optimizer can write them in place, and
/// no operation can be added; other values and the [`trace`](Self::trace) stay readable.
///
/// An evaluation tape records values alone: no operations, no gradients, and state is not committed.
pub struct Tape<T: Scalar = f32> {
    key: Key,
    training: bool,
    first_row: usize,
    observed: bool,
    /// `true` if rows may have been combined.
    pub(crate) combined: Cell<bool>,
    pub(crate) inner: RefCell<Inner<T>>,
    pub(crate) derived: Derived,
}

/// The key and the number of values.
impl<T: Scalar> fmt::Debug for Tape<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.inner.try_borrow().map(|inner| inner.nodes.len()).ok();
        f.debug_struct("Tape").field("key", &self.key).field("values", &values).finish_non_exhaustive()
    }
}

/// Values derived from parameters, made once per tape. They are not on the tape, and a backward that ends it drops
/// them.
#[derive(Default)]
pub(crate) struct Derived(RefCell<HashMap<Id, Arc<dyn Any + Send + Sync>>>);

impl Derived {
    pub fn get_or_make<V: Any + Send + Sync>(
        &self,
        id: Id,
        fits: impl FnOnce(&V) -> bool,
        make: impl FnOnce() -> V,
    ) -> Arc<V> {
        let known = self.0.borrow().get(&id).cloned().and_then(|known| known.downcast().ok());
        known.filter(|known: &Arc<V>| fits(known)).unwrap_or_else(|| {
            let made = Arc::new(make());
            self.0.borrow_mut().insert(id, Arc::<V>::clone(&made));
            made
        })
    }

    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

pub(crate) struct Inner<T: Scalar> {
    pub nodes: Vec<Node<T>>,
    pub ended: bool,
    pub state: State<T>,
    leaves: HashMap<Id, usize>,
    made: HashMap<Id, usize>,
    calls: HashMap<u64, u64>,
    observations: Vec<(Id, Box<dyn Any + Send>)>,
}

pub(crate) struct Node<T: Scalar> {
    /// `None` once a backward has released it.
    pub value: Option<Array<T>>,
    pub shape: Dims,
    pub parents: SmallVec<[usize; 3]>,
    pub kind: Kind<T>,
    /// `true` if a gradient that arrives here is needed.
    pub wants: bool,
    /// Keeps the gradient for [`Gradients::wrt`](crate::Gradients::wrt).
    pub keep: bool,
    /// The number of entries of the first axis that are pieces of one row of data; 0 if the value depends on parameters
    /// alone.
    pub pieces: usize,
}

pub(crate) enum Kind<T: Scalar> {
    Constant,
    Variable,
    Param(Id),
    Op(Box<dyn Op<T>>),
    /// The value of an operation on an evaluation tape.
    Unrecorded,
}

impl<T: Scalar> Tape<T> {
    /// A tape for one training step, with the key that all randomness of the step is derived from.
    pub fn train(key: Key) -> Self {
        Self::new(key, true)
    }

    /// A tape for evaluation: nothing is recorded and nothing that a forward changes is committed.
    pub fn eval(key: Key) -> Self {
        Self::new(key, false)
    }

    fn new(key: Key, training: bool) -> Self {
        let inner = Inner {
            nodes: vec![],
            ended: false,
            state: State::default(),
            leaves: HashMap::new(),
            made: HashMap::new(),
            calls: HashMap::new(),
            observations: vec![],
        };
        let (inner, derived) = (RefCell::new(inner), Derived::default());
        Self { key, training, first_row: 0, observed: false, combined: Cell::new(false), inner, derived }
    }

    /// States that the first row of this tape's batch is row `first` of a larger data set, so that the noise of a row
    /// does not depend on how the set was cut into batches.
    pub fn rows_from(mut self, first: usize) -> Self {
        self.first_row = first;
        self
    }

    /// The number of the batch's first row in its data set; see [`rows_from`](Self::rows_from).
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// Makes operations record observations, which [`observations`](Self::observations) reads. It changes no value.
    pub fn observed(mut self) -> Self {
        self.observed = true;
        self
    }

    /// Returns `true` if operations record observations; see [`observed`](Self::observed).
    pub fn is_observed(&self) -> bool {
        self.observed
    }

    /// Records an observation about a parameter.
    pub fn observe(&self, id: Id, content: impl Any + Send) {
        self.inner.borrow_mut().observations.push((id, Box::new(content)));
    }

    /// Calls `f` with every observation of one type and the parameter that it is about, in the order in which they were
    /// made. They stay when a backward ends the tape.
    pub fn observations<O: Any>(&self, mut f: impl FnMut(Id, &O)) {
        for (id, content) in &self.inner.borrow().observations {
            content.downcast_ref().into_iter().for_each(|content| f(*id, content));
        }
    }

    /// The key of this step.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Returns `true` if this is a training tape.
    pub fn is_training(&self) -> bool {
        self.training
    }

    /// A value that gets no gradient.
    ///
    /// # Panics
    /// If a backward has ended this tape. All functions here that add a node panic then.
    #[track_caller]
    pub fn constant(&self, value: Array<T>) -> Var<'_, T> {
        self.add(Node::leaf(value, Kind::Constant, false))
    }

    /// A value whose gradient is computed, to be read with [`Gradients::wrt`](crate::Gradients::wrt).
    #[track_caller]
    pub fn variable(&self, value: Array<T>) -> Var<'_, T> {
        self.add(Node::leaf(value, Kind::Variable, self.training))
    }

    /// The value of a parameter, which gets a gradient unless it is frozen. A parameter is one node per tape, however
    /// often it is asked for.
    #[track_caller]
    pub fn param(&self, param: &Param<T>) -> Var<'_, T> {
        let known = self.inner.borrow().leaves.get(&param.id()).copied();
        if let Some(index) = known {
            return Var::new(self, index);
        }
        let var =
            self.add(Node::leaf(param.value.clone(), Kind::Param(param.id()), self.training && !param.is_frozen()));
        self.inner.borrow_mut().leaves.insert(param.id(), var.index());
        var
    }

    /// A value that is derived from a parameter and is the same for every call of its layer. The first request under
    /// this identity makes it; later ones on this tape get the same value.
    ///
    /// ```
    /// use ohmgrad_autograd::{Param, Tape};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let w = Param::new(Tensor::from([2.0]));
    /// let tape = Tape::train(Key::new(0));
    /// let squares = [(); 2].map(|()| tape.once(w.id(), || tape.param(&w) * tape.param(&w)));
    /// assert_eq!(tape.trace().to_string().matches("mul").count(), 1);
    /// assert_eq!((squares[0] + squares[1]).sum().backward().of(&w).unwrap().item(), 8.0);
    /// ```
    pub fn once<'t>(&'t self, id: Id, make: impl FnOnce() -> Var<'t, T>) -> Var<'t, T> {
        let known = self.inner.borrow().made.get(&id).copied();
        if let Some(index) = known {
            return Var::new(self, index);
        }
        let var = make();
        self.inner.borrow_mut().made.insert(id, var.index());
        var
    }

    /// An object that is derived from a parameter and is not a value on the tape. The first forward or backward that
    /// requests it under the parameter's identity makes it; later requests get the same object if `fits` accepts it. A
    /// backward that ends the tape drops it, so it may share storage with the parameter.
    ///
    /// ```
    /// use ohmgrad_autograd::{Param, Tape};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let w = Param::new(Tensor::from([3.0, -4.0]));
    /// let tape = Tape::<f32>::eval(Key::new(0));
    /// let top = tape.derived(w.id(), |_| true, || w.value.abs().max());
    /// assert_eq!(*tape.derived(w.id(), |_: &f32| true, || unreachable!()), *top);
    /// ```
    pub fn derived<V: Any + Send + Sync>(
        &self,
        id: Id,
        fits: impl FnOnce(&V) -> bool,
        make: impl FnOnce() -> V,
    ) -> Arc<V> {
        self.derived.get_or_make(id, fits, make)
    }

    /// Records an operation with its result. Other crates record their operations with it, too.
    ///
    /// # Panics
    /// If a parent is on another tape.
    #[track_caller]
    pub fn push(&self, value: Array<T>, parents: &[Var<'_, T>], op: impl Op<T> + 'static) -> Var<'_, T> {
        assert!(parents.iter().all(|p| std::ptr::eq(p.tape(), self)), "{}: an operand is on another tape", op.name());
        let mut node = Node::leaf(value, Kind::Unrecorded, false);
        {
            let nodes = &self.inner.borrow().nodes;
            node.pieces = parents.iter().map(|p| nodes[p.index()].pieces).max().unwrap_or(1);
            node.wants = self.training && parents.iter().any(|p| nodes[p.index()].wants);
        }
        if self.training {
            node.parents = parents.iter().map(|p| p.index()).collect();
            node.kind = Kind::Op(Box::new(op));
        }
        self.add(node)
    }

    #[track_caller]
    fn add(&self, node: Node<T>) -> Var<'_, T> {
        let mut inner = self.inner.borrow_mut();
        assert!(!inner.ended, "a backward has ended this tape: start another one for the next step");
        inner.nodes.push(node);
        Var::new(self, inner.nodes.len() - 1)
    }

    /// The key of the next call at a site (a tile, a layer): a function of the step's key, the site, and the number of
    /// calls that the site has had on this tape; of nothing else.
    pub fn call_key(&self, site: u64) -> Key {
        let mut inner = self.inner.borrow_mut();
        let call = inner.calls.entry(site).or_insert(0);
        *call += 1;
        self.key.fold(site).fold(*call - 1)
    }

    /// A piece of state (a running mean, a counter) as the forwards on this tape have left it; `init` if none has.
    pub fn state(&self, id: Id, init: &Array<T>) -> Array<T> {
        self.inner.borrow().state.get(id).unwrap_or(init).clone()
    }

    /// Replaces a piece of state for the rest of this tape. It reaches the network when the optimizer steps or when the
    /// network applies [`Tape::into_state`]; evaluation commits nothing.
    pub fn set_state(&self, id: Id, value: Array<T>) {
        self.inner.borrow_mut().state.set(id, value);
    }

    /// The state that forwards on this tape have changed; empty for an evaluation tape.
    pub fn into_state(self) -> State<T> {
        if self.training { self.inner.into_inner().state } else { State::default() }
    }

    /// Several variables joined along an existing axis.
    ///
    /// # Panics
    /// If there are none, the axis does not exist, or their shapes differ in another axis.
    #[track_caller]
    pub fn concat(&self, parts: &[Var<'_, T>], axis: impl Signed) -> Var<'_, T> {
        crate::ops::shape::concat(self, parts, axis)
    }

    pub(crate) fn nodes(&self) -> Ref<'_, [Node<T>]> {
        Ref::map(self.inner.borrow(), |inner| inner.nodes.as_slice())
    }
}

impl<T: Scalar> Node<T> {
    fn leaf(value: Array<T>, kind: Kind<T>, wants: bool) -> Self {
        let keep = wants && matches!(kind, Kind::Variable);
        let shape = value.shape().into();
        let pieces = usize::from(!matches!(kind, Kind::Param(_)));
        Self { value: Some(value), shape, parents: SmallVec::new(), kind, wants, keep, pieces }
    }

    #[track_caller]
    pub(crate) fn value(&self) -> &Array<T> {
        self.value.as_ref().expect("a backward has released this parameter: read it from the network instead")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ohmgrad_tensor::Tensor;

    #[test]
    fn call_keys_depend_on_the_calls_of_their_own_site() {
        let tape = Tape::<f32>::train(Key::new(1));
        let (a, b, c) = (tape.call_key(1), tape.call_key(2), tape.call_key(1));
        let other = Tape::<f32>::train(Key::new(1));
        assert_eq!((other.call_key(2), other.call_key(1), other.call_key(1)), (b, a, c));
        assert_ne!(a, c);
    }

    #[test]
    fn a_shared_parameter_is_one_node() {
        let w = Param::new(Tensor::from([3.0]));
        let tape = Tape::train(Key::new(0));
        let y = tape.param(&w) * tape.param(&w);
        assert_eq!(y.sum().backward().of(&w).unwrap().to_vec(), [6.0]);
    }

    #[test]
    fn evaluation_records_and_commits_nothing() {
        let tape = Tape::eval(Key::new(0));
        let id = Id::unique();
        tape.set_state(id, Tensor::from([1.0]));
        assert_eq!(tape.state(id, &Tensor::from([0.0])).to_vec(), [1.0]);
        let y = tape.variable(Tensor::from([1.0])).exp();
        assert!(matches!(tape.nodes()[y.index()].kind, Kind::Unrecorded));
        assert_eq!(tape.into_state().iter().count(), 0);
    }

    #[test]
    fn observations_are_found_by_their_type() {
        let tape = Tape::<f32>::train(Key::new(0)).observed();
        assert!(tape.is_observed() && !Tape::<f32>::eval(Key::new(0)).is_observed());
        let id = Id::unique();
        tape.observe(id, 1_u8);
        tape.observe(id, "other");
        tape.observe(id, 2_u8);
        let mut found = vec![];
        tape.observations(|about, number: &u8| found.push((about, *number)));
        assert_eq!(found, [(id, 1), (id, 2)]);
    }

    #[test]
    #[should_panic(expected = "a backward has ended this tape")]
    fn an_ended_tape_refuses_operations() {
        let tape = Tape::train(Key::new(0));
        let x = tape.variable(Tensor::from([1.0]));
        x.sum().backward();
        x.exp();
    }
}
