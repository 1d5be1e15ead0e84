//! Optimizers and learning-rate schedules, and the parts of a custom optimizer.
//!
//! An optimizer is an [`Optimizer`]: a step, a learning rate, and a state that checkpoints store. [`update`] is the
//! walk of a step: it commits running means, refuses gradients of another network, passes each parameter with its
//! gradient and its memory to the optimizer, and clips and remaps weights on tiles. The example `own_optimizer` is all
//! of Lion (Chen et al. 2023), with a checkpoint from which its training goes on bit for bit.

mod adam;
mod schedule;
mod sgd;
mod state;

use std::collections::{BTreeMap, HashSet};

use ohmgrad_autograd::{Gradients, Id, Param};
use ohmgrad_tensor::Tensor;

use crate::alike::{self, alike};
use crate::convert::Network;
use crate::visit::{Visit, owned};

pub use adam::Adam;
pub use schedule::Schedule;
pub use sgd::Sgd;
pub use state::{OptimizerState, Remembered, StateError, finite};

/// An optimizer, which changes a network's parameters along their gradients.
pub trait Optimizer {
    /// One step: commits the state that the step's forwards changed, changes every parameter that has a gradient, and
    /// clips and remaps tiles, if their configuration asks for it. [`update`] does the parts that all optimizers share.
    ///
    /// # Panics
    /// If a gradient belongs to no parameter of the network; see [`update`].
    fn step(&mut self, net: &mut dyn Visit, gradients: Gradients);

    /// The learning rate.
    fn lr(&self) -> f32;

    /// Sets the learning rate, as from a [`Schedule`].
    fn set_lr(&mut self, lr: f32);

    /// The whole state of the optimizer: hyper-parameters, and its memory of each parameter.
    fn state(&self) -> OptimizerState;

    /// Restores the result of [`state`](Self::state).
    ///
    /// # Errors
    /// If the state is of another optimizer or not whole; this one is then as it was.
    fn set_state(&mut self, state: OptimizerState) -> Result<(), StateError>;
}

/// The memory of an optimizer for each parameter, by its path, so that it survives cloning and conversion of the
/// network.
pub type Memory<M> = BTreeMap<String, M>;

/// The common part of all optimizers' steps: commits the state that the step's forwards changed, and calls `update`
/// with each parameter that has a gradient, the gradient, and the memory of the parameter. Weights on tiles are then
/// clipped and remapped, if their configuration asks for it. Weights that live in devices have no gradient: they are
/// updated by pulses at the learning rate `rate`. The example `own_optimizer` uses it.
///
/// The first step, which has no memory yet, prints on standard error which layers were made from one key and so begin
/// alike.
///
/// # Panics
/// If a gradient, a deposit or a piece of state belongs to no parameter of the network, but to another network, to a
/// clone (which has other parameters), or to a layer that the network's [`Visit`] skips. Nothing is changed then. A
/// step of a part of a network takes [its gradients](Network::take_gradients); parameters that shall not change are
/// [frozen](Network::freeze).
pub fn update<M: Default>(
    net: &mut dyn Visit,
    gradients: &Gradients,
    rate: f32,
    memory: &mut Memory<M>,
    mut update: impl FnMut(&mut Param, &Tensor, &mut M),
) {
    refuse_others(net, gradients);
    // Before the first step weights are as their keys made them. Weights in devices have neither gradients nor a
    // memory.
    let is_first = memory.is_empty() && gradients.iter().next().is_some();
    let pairs = if is_first { alike(&*net) } else { vec![] };
    // An input range may change twice: in the forward, from data, and in the step.
    net.apply(gradients.state());
    for (path, param) in net.parameters_mut() {
        if let Some(gradient) = gradients.get(param.id()) {
            update(param, gradient, memory.entry(path).or_default());
        }
    }
    pairs.iter().for_each(|pair| eprintln!("note: {}", alike::say(pair)));
    for (_, affine) in net.affines_mut() {
        affine.update_devices(gradients, rate);
        affine.after_step();
    }
}

/// Prints once on standard error the settings of an optimizer that have no effect on weights in devices: pulses follow
/// each gradient as it is.
pub(crate) fn tell_what_devices_ignore(told: &mut bool, net: &dyn Visit, settings: &[(&str, bool)]) {
    if !*told {
        ignored_by_devices(net, settings).iter().for_each(|note| eprintln!("note: {note}"));
    }
    *told = true;
}

/// A note on settings that are set and have no effect on weights in devices, if there are any.
fn ignored_by_devices(net: &dyn Visit, settings: &[(&str, bool)]) -> Option<String> {
    let ignored: Vec<&str> = settings.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    let (layer, _) = net.tile_arrays().into_iter().find(|(_, tiles)| tiles.trains_on_chip())?;
    let note =
        || format!("{} has no effect on weights that live in devices, as those of layer `{layer}`", ignored.join(", "));
    (!ignored.is_empty()).then(note)
}

/// Panics if a gradient, a deposit or a piece of state belongs to no parameter of the network, with the likely cause.
fn refuse_others(net: &dyn Visit, gradients: &Gradients) {
    let owned = owned(net);
    if gradients.owners().all(|id| owned.contains(&id)) {
        return;
    }
    let given: HashSet<Id> = gradients.owners().collect();
    let others = given.difference(&owned).count();
    let is_other = |(id, value): (Id, &Tensor)| (!owned.contains(&id)).then(|| value.shape().to_vec());
    let shapes: Vec<_> = gradients.iter().filter_map(is_other).collect();
    let (mut with, mut without) = (vec![], vec![]);
    for (path, param) in net.parameters() {
        match given.contains(&param.id()) {
            true => with.push(path),
            false if param.is_frozen() => {}
            false => without.push((path, param.value.shape().to_vec())),
        }
    }
    let mut left = shapes.clone();
    for (_, shape) in &without {
        if let Some(i) = left.iter().position(|other| other == shape) {
            left.remove(i);
        }
    }
    let without: Vec<String> = without.into_iter().map(|(path, _)| path).collect();
    let meant = if without.is_empty() {
        format!(
            "all of its own have theirs ({}), so its Visit leaves out a layer that the forward uses",
            with.join(", ")
        )
    } else if left.is_empty() && !shapes.is_empty() {
        format!(
            "{} have these shapes and no gradient: is this a clone of the network that made them?",
            without.join(", ")
        )
    } else {
        format!(
            "{} have no gradient: are these another network's, or does its Visit leave out a layer?",
            without.join(", ")
        )
    };
    panic!(
        "step: {others} parameters or buffers that have been trained are not in this network (gradients of shapes \
         {shapes:?}); {meant}. A part of a network takes its own with take_gradients; freeze keeps parameters as they are"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Linear, Module, Sequential};
    use ohmgrad_analog::config::{InputRangeParameter, NoiseManagement, PrePostProcessingParameter};
    use ohmgrad_analog::{InferenceRpuConfig, IoParameters, MappingParameter};
    use ohmgrad_autograd::Tape;
    use ohmgrad_tensor::Key;

    fn gradients(net: &dyn Module, x: &[usize]) -> Gradients {
        let tape = Tape::train(Key::new(1));
        let y = net.forward(tape.constant(Tensor::normal(x, Key::new(2))));
        (y * y).mean().backward()
    }

    #[derive(Clone, Visit)]
    struct Forgetful {
        #[visit(skip)]
        hidden: Linear,
        out: Linear,
    }

    impl Module for Forgetful {
        fn forward<'t>(&self, x: ohmgrad_autograd::Var<'t>) -> ohmgrad_autograd::Var<'t> {
            self.out.forward(self.hidden.forward(x))
        }
    }

    #[test]
    #[should_panic(
        expected = "step: 2 parameters or buffers that have been trained are not in this network (gradients of \
                    shapes [[4, 3], [4]]); all of its own have theirs (out.weight, out.bias), so its Visit leaves out a \
                    layer that the forward uses. A part of a network takes its own with take_gradients"
    )]
    fn a_layer_that_is_skipped_is_said() {
        let mut net = Forgetful { hidden: Linear::new(3, 4, Key::new(1)), out: Linear::new(4, 2, Key::new(2)) };
        let gradients = gradients(&net, &[5, 3]);
        Sgd::new(0.1).step(&mut net, gradients);
    }

    #[test]
    #[should_panic(
        expected = "(gradients of shapes [[2, 3], [2]]); 0.weight, 0.bias have these shapes and no gradient: is this a \
                    clone of the network that made them?"
    )]
    fn a_clone_does_not_take_the_gradients_of_its_original() {
        let net = Sequential::new().linear(3, 2).init(Key::new(1));
        Adam::new(0.1).step(&mut net.clone(), gradients(&net, &[5, 3]));
    }

    #[test]
    #[should_panic(
        expected = "(gradients of shapes [[4, 3], [4]]); 0.weight, 0.bias have no gradient: are these another network's"
    )]
    fn another_network_is_told_from_a_clone() {
        let [net, mut other] = [4, 2].map(|outs| Sequential::new().linear(3, outs).init(Key::new(1)));
        Sgd::new(0.1).step(&mut other, gradients(&net, &[5, 3]));
    }

    /// Weights in devices have no gradient, but deposits for their update.
    #[test]
    #[should_panic(expected = "all of its own have theirs (0.weight, 0.bias), so its Visit leaves out a layer")]
    fn weights_in_devices_have_theirs() {
        let mut net = Sequential::new().linear(3, 2).init(Key::new(1));
        net.to_analog(ohmgrad_analog::config::SingleRpuConfig::default(), Key::new(2)).unwrap();
        let forgotten = Linear::new(2, 2, Key::new(3));
        let tape = Tape::train(Key::new(1));
        let y = forgotten.forward(net.forward(tape.constant(Tensor::normal(&[5, 3], Key::new(2)))));
        Sgd::new(0.1).step(&mut net, (y * y).mean().backward());
    }

    /// A batch norm outside of the network, which has only state.
    #[test]
    #[should_panic(expected = "step: 3 parameters or buffers")]
    fn running_means_are_not_lost_without_an_error() {
        let mut net = Sequential::new().linear(3, 2).init(Key::new(1));
        let norm = crate::BatchNorm1d::new(2).without_affine();
        let tape = Tape::train(Key::new(1));
        let y = norm.forward(net.forward(tape.constant(Tensor::normal(&[5, 3], Key::new(2)))));
        Sgd::new(0.1).step(&mut net, (y * y).mean().backward());
    }

    #[test]
    fn settings_that_devices_ignore_are_said() {
        let mut net = Sequential::new().linear(3, 2).tanh().linear(2, 2).init(Key::new(1));
        let note =
            |net: &Sequential, momentum| ignored_by_devices(net, &[("momentum", momentum), ("weight_decay", false)]);
        assert_eq!(note(&net, true), None);
        let on_chip = ohmgrad_analog::config::RpuConfig::from(ohmgrad_analog::config::SingleRpuConfig::default());
        let second = |path: &str| (path == "2").then_some(&on_chip);
        net.to_analog_with(Key::new(2), second).unwrap();
        let said = "momentum has no effect on weights that live in devices, as those of layer `2`";
        assert_eq!(note(&net, true).as_deref(), Some(said));
        assert_eq!(note(&net, false), None);
    }

    /// The parameters that a step changes, on tiles with all kinds of trained parameters.
    #[test]
    fn frozen_layers_stay_through_conversion_and_clipping() {
        let input_range = InputRangeParameter { enable: true, init_from_data: 0, ..Default::default() };
        let config = InferenceRpuConfig {
            forward: IoParameters { noise_management: NoiseManagement::None, ..Default::default() },
            mapping: MappingParameter { learn_out_scaling: true, weight_scaling_omega: 1.0, ..Default::default() },
            pre_post: PrePostProcessingParameter { input_range },
            clip: ohmgrad_analog::config::WeightClipParameter {
                kind: ohmgrad_analog::config::WeightClip::FixedValue,
                fixed_value: 0.1,
                ..Default::default()
            },
            ..Default::default()
        };
        let mut net = Sequential::new().linear(3, 4).tanh().linear(4, 2).init(Key::new(1));
        net.parameters_mut().into_iter().for_each(|(path, param)| param.set_frozen(path.starts_with("0.")));
        let step = |net: &mut Sequential| {
            let before = net.state_dict();
            let of_all = gradients(net, &[5, 3]);
            Sgd::new(0.1).step(net, of_all);
            let pairs: Vec<_> = before.into_iter().zip(net.state_dict()).collect();
            pairs.into_iter().filter(|(old, new)| old != new).map(|((path, _), _)| path).collect::<Vec<_>>()
        };
        assert_eq!(step(&mut net), ["2.weight", "2.bias"]);
        net.to_analog(&config, Key::new(3)).unwrap();
        let trained = ["2.weight", "2.bias", "2.out_scaling", "2.input_range"];
        assert_eq!(step(&mut net), trained);
        assert_eq!(step(&mut net.clone()), trained);
        net.unfreeze();
        assert_eq!(step(&mut net).len(), 8);
        net.freeze();
        net.to_digital();
        assert_eq!(step(&mut net), [""; 0]);
    }
}
