//! The walk through a network, which conversion, optimizers and checkpoints are based on.

use std::collections::HashSet;

use ohmgrad_analog::TileArray;
use ohmgrad_autograd::{Id, Param};

use crate::affine::Affine;

pub use ohmgrad_derive::Visit;

/// A part of a network that a walk finds.
#[derive(Clone, Copy, Debug)]
pub enum Slot<'a> {
    /// A parameter that is always digital.
    Param(&'a Param),
    /// A weight and bias that may live on tiles.
    Affine(&'a Affine),
    /// State that forwards change and that gets no gradient.
    Buffer(&'a Param),
}

/// A part of a network that a walk finds, for changing it.
#[derive(Debug)]
pub enum SlotMut<'a> {
    /// A parameter that is always digital.
    Param(&'a mut Param),
    /// A weight and bias that may live on tiles.
    Affine(&'a mut Affine),
    /// State that forwards change and that gets no gradient.
    Buffer(&'a mut Param),
}

/// A walk over parameters, weight slots and buffers, in a fixed order and with paths like those of a PyTorch state
/// dict.
///
/// It is derived. Every field of a struct is visited under its name; an attribute skips a field without parameters:
///
/// ```
/// use ohmgrad_autograd::Var;
/// use ohmgrad_models::{Linear, Module, Network, Visit};
/// use ohmgrad_tensor::Key;
///
/// #[derive(Clone, Visit)]
/// struct Net {
///     hidden: Vec<Linear>,
///     out: Option<Linear>,
///     #[visit(skip)]
///     steps: usize,
/// }
///
/// impl Module for Net {
///     fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
///         let x = (0..self.steps).fold(x, |x, _| self.hidden.iter().fold(x, |x, layer| layer.forward(x).tanh()));
///         self.out.iter().fold(x, |x, layer| layer.forward(x))
///     }
/// }
///
/// let key = Key::new(0);
/// let hidden = vec![Linear::new(4, 4, key.fold("hidden"))];
/// let net = Net { hidden, out: Some(Linear::new(4, 2, key.fold("out"))), steps: 3 };
/// assert_eq!(net.parameter_names(), ["hidden.0.weight", "hidden.0.bias", "out.weight", "out.bias"]);
/// ```
///
/// Without the attribute, the compiler refuses the field `steps`:
///
/// ```compile_fail
/// use ohmgrad_models::{Linear, Visit};
///
/// #[derive(Visit)]
/// struct Net {
///     hidden: Linear,
///     steps: usize, // error: `usize` has no parameters that can be visited
/// }
/// ```
///
/// A generic struct needs a bound where it is used, not where it is defined:
///
/// ```
/// use ohmgrad_autograd::Var;
/// use ohmgrad_models::{Linear, Module, Network, Visit};
/// use ohmgrad_tensor::Key;
///
/// #[derive(Clone, Visit)]
/// struct Repeated<M, const TIMES: usize> {
///     inner: M,
/// }
///
/// impl<M: Module + Clone + 'static, const TIMES: usize> Module for Repeated<M, TIMES> {
///     fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
///         (0..TIMES).fold(x, |x, _| self.inner.forward(x))
///     }
/// }
///
/// let net = Repeated::<_, 3> { inner: Linear::new(4, 4, Key::new(0)) };
/// assert_eq!(net.parameter_names(), ["inner.weight", "inner.bias"]);
/// ```
///
/// Slots live as long as the borrow of the network, so that a walk can be a loop:
///
/// ```
/// use ohmgrad_models::{Sequential, Slot, Visit};
/// use ohmgrad_tensor::Key;
///
/// let net = Sequential::new().linear(4, 3).batch_norm1d(3).init(Key::new(0));
/// for (path, slot) in net.slots() {
///     match slot {
///         Slot::Affine(affine) => println!("{path}: a weight {:?}", affine.weight().value.shape()),
///         Slot::Param(param) => println!("{path}: {:?}", param.value),
///         Slot::Buffer(state) => println!("{path}: {:?} of past batches", state.value),
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no parameters that can be visited",
    label = "not a layer: `Visit` is not implemented for it",
    note = "a field without parameters is left out by `#[visit(skip)]`, one that holds state by `#[visit(buffer)]`",
    note = "a struct of layers has `#[derive(Visit)]`"
)]
pub trait Visit {
    /// Calls `f` with the path and the content of each slot; `path` is the path of this part, empty for the whole
    /// network.
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Slot<'a>));

    /// As [`visit`](Self::visit), in the same order, for changing the slots.
    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'a>));

    /// All slots, with their paths.
    fn slots(&self) -> Vec<(String, Slot<'_>)> {
        let mut slots = vec![];
        self.visit("", &mut |path, slot| slots.push((path.to_owned(), slot)));
        slots
    }

    /// All slots, with their paths, for changing them.
    fn slots_mut(&mut self) -> Vec<(String, SlotMut<'_>)> {
        let mut slots = vec![];
        self.visit_mut("", &mut |path, slot| slots.push((path.to_owned(), slot)));
        slots
    }

    /// Each parameter that is trained, with its path.
    fn parameters(&self) -> Vec<(String, &Param)> {
        let mut parameters = vec![];
        for (path, slot) in self.slots() {
            match slot {
                Slot::Param(param) => parameters.push((path, param)),
                Slot::Affine(affine) => {
                    parameters.extend(affine.params().map(|(name, param)| (affine.naming.path(&path, name), param)));
                }
                Slot::Buffer(_) => {}
            }
        }
        parameters
    }

    /// Each parameter that is trained, with its path, for changing it.
    fn parameters_mut(&mut self) -> Vec<(String, &mut Param)> {
        let states = states_mut(self).into_iter();
        states.filter_map(|(path, param, is_trained)| is_trained.then_some((path, param))).collect()
    }

    /// Each buffer of a layer, such as a running mean, with its path.
    fn buffers(&self) -> Vec<(String, &Param)> {
        let buffer = |(path, slot)| match slot {
            Slot::Buffer(param) => Some((path, param)),
            Slot::Param(_) | Slot::Affine(_) => None,
        };
        self.slots().into_iter().filter_map(buffer).collect()
    }

    /// Each weight and bias that may live on tiles, with its path.
    fn affines(&self) -> Vec<(String, &Affine)> {
        let affine = |(path, slot)| match slot {
            Slot::Affine(affine) => Some((path, affine)),
            Slot::Param(_) | Slot::Buffer(_) => None,
        };
        self.slots().into_iter().filter_map(affine).collect()
    }

    /// Each weight and bias that may live on tiles, with its path, for changing it.
    fn affines_mut(&mut self) -> Vec<(String, &mut Affine)> {
        let affine = |(path, slot)| match slot {
            SlotMut::Affine(affine) => Some((path, affine)),
            SlotMut::Param(_) | SlotMut::Buffer(_) => None,
        };
        self.slots_mut().into_iter().filter_map(affine).collect()
    }

    /// The tile array of each weight on tiles, with the weight's path.
    fn tile_arrays(&self) -> Vec<(String, &TileArray)> {
        self.affines().into_iter().filter_map(|(path, affine)| Some((path, affine.tiles()?))).collect()
    }

    /// The tile array of each weight on tiles, with the weight's path, for changing it.
    fn tile_arrays_mut(&mut self) -> Vec<(String, &mut TileArray)> {
        let affines = self.affines_mut().into_iter();
        affines.filter_map(|(path, affine)| Some((path, affine.tiles_mut()?))).collect()
    }
}

/// The path of `name` below `path`.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

impl<V: Visit> Visit for [V] {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Slot<'a>)) {
        self.iter().enumerate().for_each(|(i, v)| v.visit(&join(path, &i.to_string()), f));
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'a>)) {
        self.iter_mut().enumerate().for_each(|(i, v)| v.visit_mut(&join(path, &i.to_string()), f));
    }
}

impl<V: Visit> Visit for Vec<V> {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Slot<'a>)) {
        self.as_slice().visit(path, f);
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'a>)) {
        self.as_mut_slice().visit_mut(path, f);
    }
}

impl<V: Visit, const N: usize> Visit for [V; N] {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Slot<'a>)) {
        self.as_slice().visit(path, f);
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'a>)) {
        self.as_mut_slice().visit_mut(path, f);
    }
}

impl<V: Visit + ?Sized> Visit for Box<V> {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Slot<'a>)) {
        self.as_ref().visit(path, f);
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'a>)) {
        self.as_mut().visit_mut(path, f);
    }
}

impl<V: Visit> Visit for Option<V> {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Slot<'a>)) {
        self.iter().for_each(|v| v.visit(path, f));
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'a>)) {
        self.iter_mut().for_each(|v| v.visit_mut(path, f));
    }
}

/// A parameter of a custom layer that is in no sublayer.
impl Visit for Param {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Slot<'a>)) {
        f(path, Slot::Param(self));
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'a>)) {
        f(path, SlotMut::Param(self));
    }
}

impl Visit for Affine {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Slot<'a>)) {
        f(path, Slot::Affine(self));
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'a>)) {
        f(path, SlotMut::Affine(self));
    }
}

/// Each parameter and buffer, those of tiles among them, with its path and whether it is trained.
pub(crate) fn states_mut<V: Visit + ?Sized>(net: &mut V) -> Vec<(String, &mut Param, bool)> {
    let mut states = vec![];
    for (path, slot) in net.slots_mut() {
        match slot {
            SlotMut::Param(param) => states.push((path, param, true)),
            SlotMut::Buffer(param) => states.push((path, param, false)),
            SlotMut::Affine(affine) => {
                let naming = affine.naming;
                let named = |(name, param, is_trained)| (naming.path(&path, name), param, is_trained);
                states.extend(affine.states_mut().map(named));
            }
        }
    }
    states
}

/// The identities of all parameters and buffers, those of tiles among them.
pub(crate) fn owned<V: Visit + ?Sized>(net: &V) -> HashSet<Id> {
    let mut owned = HashSet::new();
    for (_, slot) in net.slots() {
        match slot {
            Slot::Param(param) | Slot::Buffer(param) => drop(owned.insert(param.id())),
            Slot::Affine(affine) => owned.extend(affine.ids()),
        }
    }
    owned
}
