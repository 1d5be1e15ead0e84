//! Networks and their parts.

use ohmgrad_autograd::Var;

use crate::visit::Visit;

/// A network, or a part of one: a function of a tape value with parameters that can be walked.
///
/// Modules have no interior mutability: state that a forward changes goes through the tape and is committed by the
/// optimizer's step. A clone is trained independently.
pub trait Module: Visit + CloneBox + Send + Sync {
    /// The output for an input, recorded on the input's tape.
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t>;

    /// The axis of an input along which samples lie, where the module has a fixed one: 1 for recurrent layers with time
    /// first, else 0. `None`, the default, is for modules that take any; a custom network that takes sequences [time,
    /// batch, …] returns `Some(1)`, so that data sets with another layout are refused.
    fn batch_axis(&self) -> Option<usize> {
        None
    }
}

/// Cloning behind a box; every module that is `Clone` has it.
pub trait CloneBox {
    /// A boxed clone.
    fn clone_box(&self) -> Box<dyn Module>;
}

impl<M: Module + Clone + 'static> CloneBox for M {
    fn clone_box(&self) -> Box<dyn Module> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Module> {
    fn clone(&self) -> Self {
        self.as_ref().clone_box()
    }
}
