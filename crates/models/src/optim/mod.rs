//! Optimizers and learning-rate schedules, and what an optimizer of one's own is made of.
//!
//! An optimizer is an [`Optimizer`]: a step, a learning rate, and a state that checkpoints write down. [`update`] is the walk
//! that a step consists of: it commits running means, refuses gradients of another network, hands over each parameter with
//! its gradient and what is remembered of it, and has weights on tiles clipped and mapped anew. This is Lion (Chen et al.
//! 2023), whole:
//!
//! ```
//! use ohmgrad_autograd::Gradients;
//! use ohmgrad_models::optim::{Memory, Optimizer, OptimizerState, Remembered, StateError, finite, update};
//! use ohmgrad_models::Visit;
//! use ohmgrad_tensor::Tensor;
//! use serde::{Deserialize, Serialize};
//!
//! /// `w ← w − lr·sign(β₁m + (1−β₁)g)`, `m ← β₂m + (1−β₂)g`.
//! struct Lion {
//!     lr: f32,
//!     betas: [f32; 2],
//!     means: Memory<Option<Tensor>>,
//! }
//!
//! /// Hyper-parameters as a checkpoint has them.
//! #[derive(Serialize, Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     #[serde(deserialize_with = "finite")]
//!     lr: f32,
//!     betas: [f32; 2],
//! }
//!
//! impl Optimizer for Lion {
//!     fn step(&mut self, net: &mut dyn Visit, gradients: Gradients) {
//!         let &mut Self { lr, betas: [b1, b2], ref mut means } = self;
//!         update(net, &gradients, lr, means, |param, gradient, mean| {
//!             let mean = mean.get_or_insert_with(|| Tensor::full(gradient.shape(), 0.0));
//!             let step = mean.zip(gradient, |m, g| lr * (b1 * m + (1.0 - b1) * g).signum());
//!             param.value.zip_mut(&step, |w, s| *w -= s);
//!             mean.zip_mut(gradient, |m, g| *m = b2 * *m + (1.0 - b2) * g);
//!         });
//!     }
//!
//!     fn lr(&self) -> f32 {
//!         self.lr
//!     }
//!
//!     fn set_lr(&mut self, lr: f32) {
//!         self.lr = lr;
//!     }
//!
//!     fn state(&self) -> OptimizerState {
//!         let of = |(path, mean): (&String, &Option<Tensor>)| {
//!             Some((path.clone(), Remembered::new(0, [("mean", mean.clone()?)])))
//!         };
//!         let settings = Settings { lr: self.lr, betas: self.betas };
//!         OptimizerState::new("lion", settings, self.means.iter().filter_map(of).collect())
//!     }
//!
//!     fn set_state(&mut self, state: OptimizerState) -> Result<(), StateError> {
//!         let Settings { lr, betas } = state.settings("lion")?;
//!         let of = |(path, remembered): (String, Remembered)| {
//!             let [mean] = remembered.take(&path, ["mean"])?;
//!             Ok((path, Some(mean)))
//!         };
//!         let means = state.memory.into_iter().map(of).collect::<Result<_, _>>()?;
//!         *self = Self { lr, betas, means };
//!         Ok(())
//!     }
//! }
//!
//! # use ohmgrad_analog::InferenceRpuConfig;
//! # use ohmgrad_autograd::Tape;
//! # use ohmgrad_models::{Checkpoint, Module, Network, Sequential, Tiles, TrainingState};
//! # use ohmgrad_tensor::Key;
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("run.safetensors");
//! // It trains tiles, and checkpoints hold it.
//! let network = || Sequential::new().linear(4, 8).tanh().linear(8, 2).init(Key::new(1));
//! let lion = || Lion { lr: 1e-3, betas: [0.9, 0.99], means: Memory::new() };
//! let step = |net: &mut Sequential, lion: &mut Lion, step: usize| {
//!     let tape = Tape::train(Key::new(2).fold(step));
//!     let y = net.forward(tape.constant(Tensor::normal(&[16, 4], Key::new(3).fold(step))));
//!     lion.step(net, (y * y).mean().backward());
//! };
//! let (mut net, mut optimizer) = (network(), lion());
//! net.to_analog(&InferenceRpuConfig::default(), Key::new(4))?;
//! step(&mut net, &mut optimizer, 0);
//! Checkpoint::save(&file, &net, Some(&optimizer), &TrainingState::new(Key::new(2)))?;
//!
//! let (mut resumed, mut again) = (network(), lion());
//! Checkpoint::load(&file)?.restore(&mut resumed, Some(&mut again), Tiles::FromFile)?;
//! step(&mut net, &mut optimizer, 1);
//! step(&mut resumed, &mut again, 1);
//! assert_eq!(resumed.state_dict(), net.state_dict());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adam;
mod schedule;
mod sgd;
mod state;

use std::collections::{BTreeMap, HashSet};

use ohmgrad_autograd::{Gradients, Id, Param};
use ohmgrad_tensor::Tensor;

use crate::convert::Network;
use crate::visit::Visit;
use crate::visit::{each_affine, each_slot, find_array, owned};

pub use adam::Adam;
pub use schedule::Schedule;
pub use sgd::Sgd;
pub use state::{OptimizerState, Remembered, StateError, finite};

/// What changes a network's parameters along their gradients.
pub trait Optimizer {
    /// One step: commits the state that the step's forwards changed, changes every parameter that has a gradient, and does
    /// what tiles ask for after a step (clipping, remapping). [`update`] does the parts that all optimizers share.
    ///
    /// # Panics
    /// If a gradient belongs to no parameter of the network; see [`update`].
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

/// What an optimizer remembers of each parameter, by its path: so it survives cloning and conversion of the network.
pub type Memory<M> = BTreeMap<String, M>;

/// What every step of an optimizer consists of: commits the state that the step's forwards changed, and calls `update` with
/// each parameter that has a gradient, the gradient, and what is remembered of the parameter. Weights on tiles are then
/// clipped and mapped anew, if their configuration says so. Weights that live in devices have no gradient: they are updated by
/// pulses at the learning rate `rate`. The [module's documentation](self) has an example.
///
/// # Panics
/// If a gradient, a deposit or a piece of state belongs to nothing in the network: it is another network's, a clone's (which
/// has parameters of its own), or of a layer that the network's [`visit!`](crate::visit!) leaves out. Nothing is changed then.
/// A part of a network is stepped with [its gradients](Network::take_gradients), parameters that shall stay are
/// [frozen](Network::freeze).
pub fn update<M: Default>(
    net: &mut dyn Visit,
    gradients: &Gradients,
    rate: f32,
    memory: &mut Memory<M>,
    mut update: impl FnMut(&mut Param, &Tensor, &mut M),
) {
    refuse_others(net, gradients);
    // An input range may be both: found from the data by the forward, then stepped.
    net.apply(gradients.state());
    each_slot(net, |path, param, trained| {
        let Some(gradient) = gradients.get(param.id()).filter(|_| trained) else { return };
        if !memory.contains_key(path) {
            memory.insert(path.into(), M::default());
        }
        update(param, gradient, memory.get_mut(path).expect("inserted above"));
    });
    each_affine(net, |affine| {
        affine.update_devices(gradients, rate);
        affine.after_step();
    });
}

/// Says once on standard error which settings of an optimizer weights that live in devices do not have: pulses follow each
/// gradient as it is.
pub(crate) fn tell_what_devices_ignore(told: &mut bool, net: &dyn Visit, settings: &[(&str, bool)]) {
    if !*told {
        ignored_by_devices(net, settings).iter().for_each(|note| eprintln!("note: {note}"));
    }
    *told = true;
}

/// Which of the settings that are set have no effect on weights that live in devices, if there are any.
fn ignored_by_devices(net: &dyn Visit, settings: &[(&str, bool)]) -> Option<String> {
    let ignored: Vec<&str> = settings.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    let layer = find_array(net, |path, tiles| tiles.trains_on_chip().then(|| path.to_owned()))?;
    let note =
        || format!("{} has no effect on weights that live in devices, as those of layer `{layer}`", ignored.join(", "));
    (!ignored.is_empty()).then(note)
}

/// Panics if something of the gradients is for nothing in the network, and names what may be meant.
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
    net.each_parameter(|path, param| match given.contains(&param.id()) {
        true => with.push(path.to_owned()),
        false if param.is_frozen() => {}
        false => without.push((path.to_owned(), param.value.shape().to_vec())),
    });
    let mut left = shapes.clone();
    without
        .iter()
        .for_each(|(_, shape)| left.iter().position(|other| other == shape).map_or((), |i| drop(left.remove(i))));
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
    use crate::{Linear, Module, Sequential, visit};
    use ohmgrad_analog::config::{InputRangeParameter, NoiseManagement, PrePostProcessingParameter};
    use ohmgrad_analog::{InferenceRpuConfig, IoParameters, MappingParameter};
    use ohmgrad_autograd::Tape;
    use ohmgrad_tensor::Key;

    fn gradients(net: &dyn Module, x: &[usize]) -> Gradients {
        let tape = Tape::train(Key::new(1));
        let y = net.forward(tape.constant(Tensor::normal(x, Key::new(2))));
        (y * y).mean().backward()
    }

    #[derive(Clone)]
    struct Forgetful {
        hidden: Linear,
        out: Linear,
    }

    visit!(Forgetful { out });

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
    fn a_field_that_visit_forgets_is_said() {
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

    /// Weights in devices have no gradient, but what they are pulsed with.
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

    /// A batch norm that visit! forgets has state and nothing else.
    #[test]
    #[should_panic(expected = "step: 3 parameters or buffers")]
    fn running_means_go_nowhere_in_silence_neither() {
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

    /// All that a step changes, of a layer on tiles with everything that can be trained.
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
        net.each_parameter_mut(|path, param| param.set_frozen(path.starts_with("0.")));
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
