//! The walk through a network: all that conversion, optimizers and checkpoints need of it.

use std::collections::HashSet;

use ohmgrad_analog::TileArray;
use ohmgrad_autograd::{Id, Param};

use crate::affine::{Affine, Weight};

/// What a walk finds in a network.
#[derive(Clone, Copy)]
pub enum Slot<'a> {
    /// A parameter that is always digital.
    Param(&'a Param),
    /// A weight and bias that may live on tiles.
    Affine(&'a Affine),
    /// State that forwards change and that gets no gradient.
    Buffer(&'a Param),
}

/// What a walk finds in a network, for changing it.
pub enum SlotMut<'a> {
    /// A parameter that is always digital.
    Param(&'a mut Param),
    /// A weight and bias that may live on tiles.
    Affine(&'a mut Affine),
    /// State that forwards change and that gets no gradient.
    Buffer(&'a mut Param),
}

/// A walk over parameters, weight slots and buffers, in a fixed order and with paths like those of a PyTorch state dict.
///
/// For a struct of layers [`visit!`](crate::visit!) writes both functions.
pub trait Visit {
    /// Calls `f` with the path and the content of each slot; `path` is the network's own, empty for the outermost.
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>));

    /// As [`visit`](Self::visit), in the same order, for changing the slots.
    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'_>));
}

/// A path one step down.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

/// Implements [`Visit`] for a struct: the named fields are walked in the given order, under their names.
///
/// ```
/// use ohmgrad_autograd::Var;
/// use ohmgrad_models::{Linear, Module, Network, visit};
/// use ohmgrad_tensor::Key;
///
/// #[derive(Clone)]
/// struct Net {
///     hidden: Linear,
///     out: Linear,
/// }
///
/// visit!(Net { hidden, out });
///
/// impl Module for Net {
///     fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
///         self.out.forward(self.hidden.forward(x).tanh())
///     }
/// }
///
/// let key = Key::new(0);
/// let net = Net { hidden: Linear::new(4, 8, key.fold("hidden")), out: Linear::new(8, 2, key.fold("out")) };
/// assert_eq!(net.parameter_names(), ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]);
/// ```
///
/// A generic struct says first, in brackets, what an `impl` of it says in `<…>`:
///
/// ```
/// use ohmgrad_autograd::Var;
/// use ohmgrad_models::{Linear, Module, Network, visit};
/// use ohmgrad_tensor::Key;
///
/// #[derive(Clone)]
/// struct Repeated<M, const TIMES: usize> {
///     inner: M,
/// }
///
/// visit!([M: Module, const TIMES: usize] Repeated<M, TIMES> { inner });
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
#[macro_export]
macro_rules! visit {
    ($name:ident { $($field:ident),* $(,)? }) => {
        $crate::visit!([] $name { $($field),* });
    };
    ([$($generics:tt)*] $name:ty { $($field:ident),* $(,)? }) => {
        impl<$($generics)*> $crate::Visit for $name {
            #[allow(unused_variables, reason = "a struct may have no fields to visit")]
            fn visit(&self, path: &str, f: &mut dyn FnMut(&str, $crate::Slot<'_>)) {
                $($crate::Visit::visit(&self.$field, &$crate::join(path, stringify!($field)), f);)*
            }

            #[allow(unused_variables, reason = "a struct may have no fields to visit")]
            fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, $crate::SlotMut<'_>)) {
                $($crate::Visit::visit_mut(&mut self.$field, &$crate::join(path, stringify!($field)), f);)*
            }
        }
    };
}

impl<V: Visit> Visit for Vec<V> {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.iter().enumerate().for_each(|(i, v)| v.visit(&join(path, &i.to_string()), f));
    }

    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'_>)) {
        self.iter_mut().enumerate().for_each(|(i, v)| v.visit_mut(&join(path, &i.to_string()), f));
    }
}

impl<V: Visit> Visit for Option<V> {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.iter().for_each(|v| v.visit(path, f));
    }

    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'_>)) {
        self.iter_mut().for_each(|v| v.visit_mut(path, f));
    }
}

impl<V: Visit + ?Sized> Visit for Box<V> {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.as_ref().visit(path, f);
    }

    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'_>)) {
        self.as_mut().visit_mut(path, f);
    }
}

/// A parameter of its own in a user's layer.
impl Visit for Param {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        f(path, Slot::Param(self));
    }

    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'_>)) {
        f(path, SlotMut::Param(self));
    }
}

/// The identities of all parameters and buffers, those of tiles among them.
pub(crate) fn owned<V: Visit + ?Sized>(net: &V) -> HashSet<Id> {
    let mut owned = HashSet::new();
    net.visit("", &mut |_, slot| match slot {
        Slot::Param(param) | Slot::Buffer(param) => drop(owned.insert(param.id())),
        Slot::Affine(affine) => owned.extend(affine.ids()),
    });
    owned
}

/// Calls `f` with the path of each parameter and buffer, and with whether it is trained.
pub(crate) fn each_slot<V: Visit + ?Sized>(net: &mut V, mut f: impl FnMut(&str, &mut Param, bool)) {
    net.visit_mut("", &mut |path, slot| match slot {
        SlotMut::Param(param) => f(path, param, true),
        SlotMut::Buffer(param) => f(path, param, false),
        SlotMut::Affine(affine) => {
            let naming = affine.naming;
            affine.slots_mut().for_each(|(name, param, trained)| f(&naming.path(path, name), param, trained));
        }
    });
}

/// Calls `f` with each weight and bias that may live on tiles.
pub(crate) fn each_affine<V: Visit + ?Sized>(net: &mut V, mut f: impl FnMut(&mut Affine)) {
    net.visit_mut("", &mut |_, slot| {
        if let SlotMut::Affine(affine) = slot {
            f(affine);
        }
    });
}

/// Calls `f` with the path and the tiles of each weight that lives on tiles.
pub(crate) fn each_array<V: Visit + ?Sized>(net: &V, mut f: impl FnMut(&str, &TileArray)) {
    net.visit("", &mut |path, slot| {
        if let Slot::Affine(Affine { weight: Weight::Analog(tiles), .. }) = slot {
            f(path, tiles);
        }
    });
}

/// What `f` finds of the first weight on tiles of which it finds something.
pub(crate) fn find_array<V: Visit + ?Sized, R>(net: &V, mut f: impl FnMut(&str, &TileArray) -> Option<R>) -> Option<R> {
    let mut found = None;
    each_array(net, |path, tiles| {
        if found.is_none() {
            found = f(path, tiles);
        }
    });
    found
}
