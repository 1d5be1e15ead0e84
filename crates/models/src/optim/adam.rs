//! Adam and AdamW.

use ohmgrad_autograd::Gradients;
use ohmgrad_tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::state::{OptimizerState, Remembered, StateError, finite};
use super::{Memory, Optimizer, tell_what_devices_ignore, update};
use crate::visit::Visit;

/// Adam (Kingma & Ba 2015), and AdamW (Loshchilov & Hutter 2019), with PyTorch's defaults.
///
/// `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `w ← w − lr·m̂/(√v̂ + ε)` with `m̂ = m/(1−β₁ᵗ)`, `v̂ = v/(1−β₂ᵗ)`, t the
/// number of steps of that parameter. Weights that live in devices are updated by pulses at the rate lr alone.
#[derive(Clone, Debug)]
pub struct Adam {
    /// The learning rate.
    pub lr: f32,
    /// Decay of the running mean of gradients, and of their squares.
    pub betas: (f32, f32),
    /// Added to the root of the mean square.
    pub eps: f32,
    /// L2 penalty: added to the gradient in Adam, taken off the weight itself in AdamW.
    pub weight_decay: f32,
    decoupled: bool,
    moments: Memory<Moments>,
    told: bool,
}

#[derive(Clone, Debug, Default)]
struct Moments {
    step: i32,
    means: Option<(Tensor, Tensor)>,
}

impl Adam {
    /// Adam with a learning rate.
    pub fn new(lr: f32) -> Self {
        Self {
            lr,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            moments: Memory::new(),
            told: false,
        }
    }

    /// AdamW with a learning rate and a weight decay of 0.01: each step multiplies weights by `1 − lr·weight_decay`.
    #[doc(alias = "AdamW")]
    pub fn decoupled(lr: f32) -> Self {
        Self { weight_decay: 0.01, decoupled: true, ..Self::new(lr) }
    }

    /// Sets the decay rates.
    pub fn with_betas(self, first: f32, second: f32) -> Self {
        Self { betas: (first, second), ..self }
    }

    /// Sets an L2 penalty.
    pub fn with_weight_decay(self, weight_decay: f32) -> Self {
        Self { weight_decay, ..self }
    }

    /// One step; see [`Optimizer::step`].
    pub fn step(&mut self, net: &mut dyn Visit, gradients: Gradients) {
        let &mut Self { lr, betas: (b1, b2), eps, weight_decay, decoupled, ref mut moments, ref mut told } = self;
        tell_what_devices_ignore(
            told,
            net,
            &[("Adam's scale of gradients", true), ("weight_decay", weight_decay != 0.0)],
        );
        update(net, &gradients, lr, moments, |param, gradient, moments| {
            let penalised;
            let gradient = if weight_decay == 0.0 || decoupled {
                gradient
            } else {
                penalised = gradient.zip(&param.value, |g, w| g + weight_decay * w);
                &penalised
            };
            if decoupled {
                param.value.map_mut(|w| *w *= 1.0 - lr * weight_decay);
            }
            moments.step = moments.step.saturating_add(1);
            let zeros = || Tensor::full(gradient.shape(), 0.0);
            let (mean, square) = moments.means.get_or_insert_with(|| (zeros(), zeros()));
            mean.zip_mut(gradient, |m, g| *m = b1 * *m + (1.0 - b1) * g);
            square.zip_mut(gradient, |v, g| *v = b2 * *v + (1.0 - b2) * g * g);
            let rate = lr / (1.0 - b1.powi(moments.step));
            let correction = (1.0 - b2.powi(moments.step)).sqrt();
            let step = mean.zip(square, |m, v| rate * m / (v.sqrt() / correction + eps));
            param.value.zip_mut(&step, |w, s| *w -= s);
        });
    }
}

impl Optimizer for Adam {
    fn step(&mut self, net: &mut dyn Visit, gradients: Gradients) {
        Adam::step(self, net, gradients);
    }

    fn lr(&self) -> f32 {
        self.lr
    }

    fn set_lr(&mut self, lr: f32) {
        self.lr = lr;
    }

    fn state(&self) -> OptimizerState {
        let &Self { lr, betas: (beta1, beta2), eps, weight_decay, decoupled, ref moments, .. } = self;
        let settings = Settings { lr, beta1, beta2, eps, weight_decay, decoupled };
        let remembered = |(path, moments): (&String, &Moments)| {
            let (mean, square) = moments.means.clone()?;
            Some((path.clone(), Remembered::new(moments.step, [("mean", mean), ("square", square)])))
        };
        OptimizerState::new(KIND, settings, moments.iter().filter_map(remembered).collect())
    }

    fn set_state(&mut self, state: OptimizerState) -> Result<(), StateError> {
        let Settings { lr, beta1, beta2, eps, weight_decay, decoupled } = state.settings(KIND)?;
        let moments = |(path, remembered): (String, Remembered)| {
            let step = remembered.steps;
            let [mean, square] = remembered.take(&path, ["mean", "square"])?;
            Ok((path, Moments { step, means: Some((mean, square)) }))
        };
        let moments = state.memory.into_iter().map(moments).collect::<Result<_, _>>()?;
        *self = Self { lr, betas: (beta1, beta2), eps, weight_decay, decoupled, moments, told: false };
        Ok(())
    }
}

const KIND: &str = "adam";

/// Hyper-parameters as a checkpoint has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(deserialize_with = "finite")]
    lr: f32,
    #[serde(deserialize_with = "finite")]
    beta1: f32,
    #[serde(deserialize_with = "finite")]
    beta2: f32,
    #[serde(deserialize_with = "finite")]
    eps: f32,
    #[serde(deserialize_with = "finite")]
    weight_decay: f32,
    decoupled: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ohmgrad_autograd::{Param, Tape};
    use ohmgrad_tensor::Key;

    fn steps(mut adam: Adam, n: usize) -> f32 {
        let mut w = Param::new(Tensor::from([1.0]));
        for _ in 0..n {
            let tape = Tape::train(Key::new(0));
            let v = tape.param(&w);
            adam.step(&mut w, (v * v).sum().backward());
        }
        w.value.item()
    }

    #[test]
    fn the_first_step_is_the_learning_rate() {
        assert!((steps(Adam::new(0.1), 1) - 0.9).abs() < 1e-6);
        assert!((steps(Adam::decoupled(0.1), 1) - 0.899).abs() < 1e-6);
    }

    /// Against the recursion in f64.
    #[test]
    fn ten_steps_follow_the_recursion() {
        let (mut w, mut m, mut v) = (1f64, 0f64, 0f64);
        for t in 1..=10 {
            let g = 2.0 * w + 0.3 * w;
            (m, v) = (0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g);
            w -= 0.1 * (m / (1.0 - 0.9f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
        }
        assert!((f64::from(steps(Adam::new(0.1).with_weight_decay(0.3), 10)) - w).abs() < 1e-5);
    }
}
