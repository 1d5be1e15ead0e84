//! Where a device's steps up and down are equal: alternating pulses end there.

use super::Step;
use super::draw::mean_crosspoint;

/// The symmetry point of the mean device of a configuration: the weight at which its mean steps up and down are equal.
///
/// `None` where they are equal everywhere, or nowhere within the bounds.
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
    // Steps cross once in all devices here; those measured may cross more often, and the crossing nearest 0 counts.
    const CELLS: usize = 1000;
    let w = |i: usize| low + (high - low) * i as f32 / CELLS as f32;
    let crossings = (0..CELLS).filter(|&i| excess(w(i)) > 0.0 && excess(w(i + 1)) <= 0.0);
    let nearest = crossings.min_by(|&i, &j| w(i).abs().total_cmp(&w(j).abs()))?;
    let (mut a, mut b) = (w(nearest), w(nearest + 1));
    for _ in 0..40 {
        let middle = 0.5 * (a + b);
        if excess(middle) > 0.0 { a = middle } else { b = middle }
    }
    Some(0.5 * (a + b))
}
