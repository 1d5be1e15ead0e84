//! Features of sequences from those of their steps, as layers.

use ohmgrad::autograd::Var;
use ohmgrad::prelude::*;

/// The features of the last step, [batch, features], of sequences [batch, time, features].
#[derive(Clone, Copy, Debug, Visit)]
pub struct LastStep;

impl Module for LastStep {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let steps = x.shape()[1];
        x.slice(1, steps - 1..steps).squeeze(1)
    }

    fn batch_axis(&self) -> Option<usize> {
        Some(0)
    }
}

/// The mean over time, [batch, features], of sequences [batch, time, features].
#[derive(Clone, Copy, Debug, Visit)]
pub struct MeanStep;

impl Module for MeanStep {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        x.mean_axes(&[1]).squeeze(1)
    }

    fn batch_axis(&self) -> Option<usize> {
        Some(0)
    }
}
