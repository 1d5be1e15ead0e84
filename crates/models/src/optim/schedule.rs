//! Learning rates over the steps of a training.

use std::f32::consts::PI;

use serde::{Deserialize, Serialize};

use super::finite;

/// The learning rate as a pure function of the step's number, so that a resumed training goes on exactly.
///
/// ```
/// use ohmgrad_models::{Adam, Schedule};
///
/// let schedule = Schedule::one_cycle(2e-3, 1000);
/// let mut adam = Adam::new(0.0);
/// for step in 0..1000 {
///     adam.lr = schedule.at(step);
/// }
/// assert!(adam.lr < 1e-7);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// Always the same.
    Constant {
        /// The learning rate.
        #[serde(deserialize_with = "finite")]
        lr: f32,
    },
    /// `lr`, multiplied by `gamma` after every `every` steps.
    Step {
        /// The first learning rate.
        #[serde(deserialize_with = "finite")]
        lr: f32,
        /// Steps between changes.
        every: usize,
        /// The factor.
        #[serde(deserialize_with = "finite")]
        gamma: f32,
    },
    /// From `lr` to `floor` along half a cosine over `steps` (Loshchilov & Hutter 2017), then `floor`.
    Cosine {
        /// The first learning rate.
        #[serde(deserialize_with = "finite")]
        lr: f32,
        /// The last one.
        #[serde(deserialize_with = "finite")]
        floor: f32,
        /// Steps from one to the other.
        steps: usize,
    },
    /// The first rate of another schedule times a factor that grows linearly from `1/steps` to 1 over `steps`; then
    /// that schedule, from its step 0.
    WarmUp {
        /// Steps of the warm-up.
        steps: usize,
        /// The schedule that follows.
        then: Box<Schedule>,
    },
    /// Up from `peak/25` and down to `peak/250 000` along half cosines, with the peak at 30 % of `steps` (Smith & Topin
    /// 2018; PyTorch's `OneCycleLR`).
    OneCycle {
        /// The largest learning rate.
        #[serde(deserialize_with = "finite")]
        peak: f32,
        /// The length of the cycle.
        steps: usize,
    },
}

impl Schedule {
    /// Always `lr`.
    pub fn constant(lr: f32) -> Self {
        Self::Constant { lr }
    }

    /// `lr`, multiplied by `gamma` after every `every` steps.
    pub fn step(lr: f32, every: usize, gamma: f32) -> Self {
        Self::Step { lr, every, gamma }
    }

    /// From `lr` to 0 along half a cosine over `steps`.
    pub fn cosine(lr: f32, steps: usize) -> Self {
        Self::Cosine { lr, floor: 0.0, steps }
    }

    /// One cycle over `steps` with the given peak.
    pub fn one_cycle(peak: f32, steps: usize) -> Self {
        Self::OneCycle { peak, steps }
    }

    /// This schedule after a linear warm-up over `steps`.
    pub fn after_warm_up(self, steps: usize) -> Self {
        Self::WarmUp { steps, then: Box::new(self) }
    }

    /// The learning rate of a step, counted from 0.
    pub fn at(&self, step: usize) -> f32 {
        match *self {
            Self::Constant { lr } => lr,
            Self::Step { lr, every, gamma } => lr * gamma.powi((step / every.max(1)) as i32),
            Self::Cosine { lr, floor, steps } => between(lr, floor, step as f32 / steps.max(1) as f32),
            Self::WarmUp { steps, ref then } if step >= steps => then.at(step - steps),
            Self::WarmUp { steps, ref then } => then.at(0) * (step + 1) as f32 / steps as f32,
            Self::OneCycle { peak, steps } => {
                let (start, end) = (peak / 25.0, peak / 250_000.0);
                let top = 0.3 * steps as f32 - 1.0;
                let (step, last) = (step as f32, steps as f32 - 1.0);
                if step <= top {
                    between(start, peak, step / top)
                } else {
                    between(peak, end, (step - top) / (last - top))
                }
            }
        }
    }
}

/// From `a` to `b` along half a cosine, for a share of the way from 0 to 1.
fn between(a: f32, b: f32, share: f32) -> f32 {
    b + (a - b) * 0.5 * (1.0 + (PI * share.clamp(0.0, 1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_where_they_should_be() {
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{a} {b}");
        near(Schedule::step(1.0, 10, 0.5).at(25), 0.25);
        let cosine = Schedule::cosine(2.0, 100);
        [(0, 2.0), (50, 1.0), (100, 0.0), (900, 0.0)].iter().for_each(|&(step, lr)| near(cosine.at(step), lr));
        let warm = cosine.after_warm_up(4);
        [(0, 0.5), (3, 2.0), (4, 2.0), (54, 1.0)].iter().for_each(|&(step, lr)| near(warm.at(step), lr));
        // The formula of torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=100) in f64.
        let cycle = Schedule::one_cycle(1.0, 100);
        for (step, lr) in [(0, 0.04), (29, 1.0), (99, 4e-6), (10, 0.29516), (60, 0.58928)] {
            assert!((cycle.at(step) - lr).abs() < 1e-4, "{step}: {}", cycle.at(step));
        }
    }

    #[test]
    fn short_cycles_are_finite() {
        for steps in 1..6 {
            let cycle = Schedule::one_cycle(1.0, steps);
            assert!((0..steps + 2).all(|step| cycle.at(step).is_finite()), "{steps}");
        }
    }
}
