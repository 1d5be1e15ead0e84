//! The symmetry point of a device: its steps up and down are equal there, and alternating pulses lead to it.

use super::Step;
use super::draw::mean_crosspoint;

/// The symmetry point of the mean device of a configuration: the weight at which its mean steps up and down are equal.
///
/// `None` if they are equal everywhere, or nowhere within the bounds.
///
/// ```
/// use ohmgrad_analog::device::{ConstantStep, SoftBounds, symmetry_point};
///
/// let device = SoftBounds { w_max: 0.6, w_min: -0.3, ..Default::default() };
/// assert!(symmetry_point(&device).unwrap().abs() < 1e-4);
/// let device = SoftBounds { up_down: 0.5, ..Default::default() };
/// assert!((symmetry_point(&device).unwrap() - 0.2).abs() < 1e-4);
/// assert_eq!(symmetry_point(&ConstantStep::default()), None);
/// ```
pub fn symmetry_point(device: &dyn Step) -> Option<f32> {
    let at = mean_crosspoint(device);
    let (low, high) = device.bounds(&at);
    let excess = |w: f32| f64::from(device.up(w, &at, 0.0) - w) + f64::from(device.down(w, &at, 0.0) - w);
    // Steps up and down cross at most once in all devices here, but a measured table may have several crossings: the
    // one nearest to 0 counts.
    const NODES: usize = 1000;
    let mut nearest: Option<(f32, f32)> = None;
    let mut above = None;
    for i in 0..=NODES {
        let w = low + (high - low) * i as f32 / NODES as f32;
        // Steps are differences of weights, whose rounding is not a crossing.
        let rounding = f64::from(4.0 * f32::EPSILON * (w.abs() + at.up.max(at.down)));
        if excess(w) > rounding {
            above = Some(w);
        } else if excess(w) < -rounding {
            let crossing = above.take().map(|above| (above, w));
            let distance = |(a, b): (f32, f32)| (a + b).abs();
            if crossing.is_some_and(|c| nearest.is_none_or(|n| distance(c) < distance(n))) {
                nearest = crossing;
            }
        }
    }
    let (mut a, mut b) = nearest?;
    for _ in 0..40 {
        let middle = 0.5 * (a + b);
        if excess(middle) > 0.0 { a = middle } else { b = middle }
    }
    Some(0.5 * (a + b))
}
