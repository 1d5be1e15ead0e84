//! Stochastic gradient descent.

use ohmgrad_autograd::Gradients;
use ohmgrad_tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::state::{OptimizerState, Remembered, StateError, finite};
use super::{Memory, Optimizer, tell_what_devices_ignore, update};
use crate::visit::Visit;

/// Stochastic gradient descent with momentum, as PyTorch's `SGD`.
///
/// `g ← g + weight_decay·w`, `v ← momentum·v + g` (v = g at first), `w ← w − lr·v`; with Nesterov
/// `w ← w − lr·(g + momentum·v)` (Sutskever et al. 2013). Weights that live in devices are updated by pulses at the
/// rate lr.
#[derive(Clone, Debug)]
pub struct Sgd {
    /// The learning rate.
    pub lr: f32,
    /// The share of the last velocity that stays; 0 for none.
    pub momentum: f32,
    /// Steps along `g + momentum·v` instead of `v` (Nesterov).
    pub nesterov: bool,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f32,
    velocities: Memory<Option<Tensor>>,
    told: bool,
}

impl Sgd {
    /// Plain descent with a learning rate.
    pub fn new(lr: f32) -> Self {
        Self { lr, momentum: 0.0, nesterov: false, weight_decay: 0.0, velocities: Memory::new(), told: false }
    }

    /// Sets a momentum.
    pub fn with_momentum(self, momentum: f32) -> Self {
        Self { momentum, ..self }
    }

    /// Sets Nesterov's momentum.
    pub fn with_nesterov(self, momentum: f32) -> Self {
        Self { momentum, nesterov: true, ..self }
    }

    /// Sets an L2 penalty.
    pub fn with_weight_decay(self, weight_decay: f32) -> Self {
        Self { weight_decay, ..self }
    }

    /// One step; see [`Optimizer::step`].
    pub fn step(&mut self, net: &mut dyn Visit, gradients: Gradients) {
        let &mut Self { lr, momentum, nesterov, weight_decay, ref mut velocities, ref mut told } = self;
        let settings = [("momentum", momentum != 0.0), ("weight_decay", weight_decay != 0.0)];
        tell_what_devices_ignore(told, net, &settings);
        update(net, &gradients, lr, velocities, |param, gradient, velocity| {
            let penalised;
            let gradient = if weight_decay == 0.0 {
                gradient
            } else {
                penalised = gradient.zip(&param.value, |g, w| g + weight_decay * w);
                &penalised
            };
            if momentum == 0.0 {
                param.value.zip_mut(gradient, |w, g| *w -= lr * g);
                return;
            }
            match velocity {
                Some(v) => v.zip_mut(gradient, |v, g| *v = momentum * *v + g),
                None => *velocity = Some(gradient.contiguous()),
            }
            let velocity = velocity.as_ref().expect("set above");
            if nesterov {
                let ahead = gradient.zip(velocity, |g, v| g + momentum * v);
                param.value.zip_mut(&ahead, |w, s| *w -= lr * s);
            } else {
                param.value.zip_mut(velocity, |w, v| *w -= lr * v);
            }
        });
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, net: &mut dyn Visit, gradients: Gradients) {
        Sgd::step(self, net, gradients);
    }

    fn lr(&self) -> f32 {
        self.lr
    }

    fn set_lr(&mut self, lr: f32) {
        self.lr = lr;
    }

    fn state(&self) -> OptimizerState {
        let &Self { lr, momentum, nesterov, weight_decay, ref velocities, .. } = self;
        let settings = Settings { lr, momentum, nesterov, weight_decay };
        let velocity = |(path, v): (&String, &Option<Tensor>)| Some((path.clone(), v.as_ref()?.clone()));
        let memory =
            velocities.iter().filter_map(velocity).map(|(path, v)| (path, Remembered::new(0, [("momentum", v)])));
        OptimizerState::new(KIND, settings, memory.collect())
    }

    fn set_state(&mut self, state: OptimizerState) -> Result<(), StateError> {
        let Settings { lr, momentum, nesterov, weight_decay } = state.settings(KIND)?;
        let velocity = |(path, remembered): (String, Remembered)| {
            let [velocity] = remembered.take(&path, ["momentum"])?;
            Ok((path, Some(velocity)))
        };
        let velocities = state.memory.into_iter().map(velocity).collect::<Result<_, _>>()?;
        *self = Self { lr, momentum, nesterov, weight_decay, velocities, told: false };
        Ok(())
    }
}

const KIND: &str = "sgd";

/// Hyper-parameters as a checkpoint has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(deserialize_with = "finite")]
    lr: f32,
    #[serde(deserialize_with = "finite")]
    momentum: f32,
    nesterov: bool,
    #[serde(deserialize_with = "finite")]
    weight_decay: f32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ohmgrad_autograd::{Param, Tape};
    use ohmgrad_tensor::Key;

    /// Three steps on ½w² from w = 1, so that the gradient is w.
    fn path(mut sgd: Sgd) -> f32 {
        let mut w = Param::new(Tensor::from([1.0]));
        for _ in 0..3 {
            let tape = Tape::train(Key::new(0));
            let v = tape.param(&w);
            sgd.step(&mut w, (v * v * 0.5).sum().backward());
        }
        w.value.item()
    }

    /// By hand from the formulas in exact fractions.
    #[test]
    fn each_variant_follows_its_formula() {
        assert!((path(Sgd::new(0.5)) - 0.125).abs() < 1e-7);
        assert!((path(Sgd::new(0.5).with_momentum(0.5)) + 0.25).abs() < 1e-7);
        assert!((path(Sgd::new(0.5).with_weight_decay(0.5)) - 0.015625).abs() < 1e-7);
        assert!((path(Sgd::new(0.5).with_nesterov(0.5)) + 0.109375).abs() < 1e-7);
    }

    #[test]
    fn a_step_copies_no_weight() {
        let mut w = Param::new(Tensor::full(&[100], 1.0));
        let before = w.value.as_slice().unwrap().as_ptr();
        let tape = Tape::train(Key::new(0));
        let v = tape.param(&w);
        Sgd::new(0.1).step(&mut w, (v * v).sum().backward());
        assert_eq!(w.value.as_slice().unwrap().as_ptr(), before);
    }
}
