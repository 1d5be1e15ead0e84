//! Features of sequences from those of their steps, as layers.

use ohmgrad::autograd::Var;
use ohmgrad::prelude::*;

/// Of sequences [batch, time, features] the last features, [batch, features].
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

/// Of sequences [batch, time, features] the mean over time, [batch, features].
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
