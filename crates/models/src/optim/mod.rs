//! Optimizers and learning-rate schedules.

mod adam;
mod schedule;
mod sgd;
mod state;

use std::collections::BTreeMap;

use ohmgrad_autograd::{Gradients, Param};
use ohmgrad_tensor::Tensor;

use crate::affine::Affine;
use crate::convert::{Network, each_affine, each_slot};
use crate::visit::Visit;

pub use adam::Adam;
pub use schedule::Schedule;
pub use sgd::Sgd;
pub(crate) use state::finite;
pub use state::{OptimizerState, Remembered, StateError};

/// What changes a network's parameters along their gradients.
pub trait Optimizer {
    /// One step: commits the state that the step's forwards changed, changes every parameter that has a gradient, and does
    /// what tiles ask for after a step (clipping, remapping).
    fn step(&mut self, net: &mut dyn Visit, gradients: Gradients);

    /// The learning rate.
    fn lr(&self) -> f32;

    /// Sets the learning rate, as from a [`Schedule`].
    fn set_lr(&mut self, lr: f32);

    /// Everything that the optimizer is: hyper-parameters, and what it remembers of each parameter.
    fn state(&self) -> OptimizerState;

    /// Becomes what [`state`](Self::state) wrote down.
    ///
    /// # Errors
    /// If the state is of another optimizer or not whole; this one is then as it was.
    fn set_state(&mut self, state: OptimizerState) -> Result<(), StateError>;
}

/// What an optimizer remembers of each parameter, by its path.
type Memory<M> = BTreeMap<String, M>;

/// Commits the state that the step's forwards changed, and calls `update` with each parameter that has a gradient, the
/// gradient, and what is remembered of the parameter. Weights on tiles are then cut and mapped anew, if their configuration
/// says so.
fn update<M: Default>(
    net: &mut dyn Visit,
    gradients: &Gradients,
    memory: &mut Memory<M>,
    mut update: impl FnMut(&mut Param, &Tensor, &mut M),
) {
    // An input range may be both: found from the data by the forward, then stepped.
    net.apply(gradients.state());
    each_slot(net, |path, param, trained| {
        let Some(gradient) = gradients.get(param.id()).filter(|_| trained) else { return };
        if !memory.contains_key(path) {
            memory.insert(path.into(), M::default());
        }
        update(param, gradient, memory.get_mut(path).expect("inserted above"));
    });
    each_affine(net, Affine::after_step);
}
