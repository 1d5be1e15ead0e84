//! Steps by linear interpolation of a table over the range of the weight, as measured.
//!
//! The nodes divide [min, max] evenly: up `up·f₊(w)(1 + σξ)`, down `down·f₋(w)(1 + σξ)`. Source: aihwkit
//! `rpu_piecewisestep_device.cpp`. The granularity is the up step at the middle node.

use super::common::device_parameters;
use super::{Common, Crosspoint, Pulses, Step};
use crate::Error;
use crate::config::section::Rules;
use crate::config::setting::{Setting, invalid, join};
use crate::config::unused::Unused;

device_parameters! {
    /// Steps by linear interpolation of a table.
    #[doc(alias = "PiecewiseStepDevice")]
    [steps hidden] pub struct PiecewiseStep {
        /// Size of up steps at the nodes, from the lower to the upper bound, in units of the mean step.
        piecewise_up: Vec<f32> = vec![1.0], [>= 0.0];

        /// Size of down steps at the nodes; as many as of up steps.
        piecewise_down: Vec<f32> = vec![1.0], [>= 0.0];
    }
}

impl Rules for PiecewiseStep {
    fn rules(&self, at: &str) -> Result<(), Error> {
        let (up, down) = (&self.piecewise_up, &self.piecewise_down);
        if up.is_empty() {
            return Err(invalid(&join(at, "piecewise_up"), &up.get(), "a list of at least one number"));
        }
        if up.len() != down.len() {
            let allowed = format!("a list of {} numbers, as piecewise_up", up.len());
            return Err(invalid(&join(at, "piecewise_down"), &down.get(), allowed));
        }
        self.shared().rules(at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared().without_effect(unused);
    }
}

#[inline(always)]
fn interpolate(nodes: &[f32], w: f32, at: &Crosspoint) -> f32 {
    let range = at.max - at.min;
    if nodes.len() == 1 || range <= 0.0 {
        return nodes[0];
    }
    let last = nodes.len() - 1;
    let q = ((w - at.min) / range * last as f32).max(0.0);
    let i = (q as usize).min(last - 1);
    let t = (q - i as f32).min(1.0);
    (1.0 - t) * nodes[i] + t * nodes[i + 1]
}

impl Step for PiecewiseStep {
    fn common(&self) -> Common {
        self.shared()
    }

    fn granularity(&self, _: Pulses) -> f32 {
        self.dw_min * self.piecewise_up[self.piecewise_up.len() / 2]
    }

    #[inline(always)]
    fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        w + at.up * interpolate(&self.piecewise_up, w, at) * (1.0 + noise)
    }

    #[inline(always)]
    fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        w - at.down * interpolate(&self.piecewise_down, w, at) * (1.0 + noise)
    }
}
