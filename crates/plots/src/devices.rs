//! Figures of pulsed devices.

use crate::axis::{Axis, Scale};
use crate::figures::{area, mean_of};
use crate::{Corner, Figure, Mark, Series};

/// Lines of single devices that are drawn beside their mean.
const LINES: usize = 1;

/// The weights of devices over the pulses that they receive: their mean and, if there are several, an area of one
/// standard deviation and a single device. `fit` is the response of a model to the same pulses.
///
/// # Panics
/// If the devices have different numbers of weights.
///
/// ```
/// use ohmgrad_plots::pulse_response;
///
/// let figure = pulse_response(&[vec![0.0, 0.1, 0.2], vec![0.0, 0.3, 0.4]], Some(&[0.0, 0.2, 0.3]));
/// // The spread around the mean has its name, and comes before it.
/// let mean = figure.series.iter().rfind(|series| series.name == "mean ± standard deviation of 2 devices").unwrap();
/// assert!((mean.points[1].1 - 0.2).abs() < 1e-6);
/// ```
pub fn pulse_response(devices: &[Vec<f32>], fit: Option<&[f32]>) -> Figure {
    let pulses = devices.first().map_or(0, Vec::len);
    assert!(
        devices.iter().all(|device| device.len() == pulses),
        "a response: devices with other than {pulses} weights"
    );
    let n = devices.len().max(1) as f64;
    let at = |i: usize| {
        let mean = devices.iter().map(|device| f64::from(device[i])).sum::<f64>() / n;
        let square = devices.iter().map(|device| (f64::from(device[i]) - mean).powi(2)).sum::<f64>() / n;
        [i as f64, mean, square.sqrt()]
    };
    let points: Vec<[f64; 3]> = (0..pulses).map(at).collect();
    let line = |weights: &[f32]| weights.iter().enumerate().map(|(i, &w)| (i as f64, f64::from(w))).collect();
    let name = if devices.len() > 1 { mean_of(&format!("{} devices", devices.len())) } else { "mean".into() };
    let mut series = vec![];
    if devices.len() > 1 {
        series.push(area(&name, &points));
        series.extend(devices.iter().take(LINES).map(|device| Series::new("single devices", Mark::Line, line(device))));
    }
    series.push(Series::new(name, Mark::Line, points.iter().map(|&[i, mean, _]| (i, mean)).collect()));
    series.extend(fit.map(|fit| Series::new("fit", Mark::Line, line(fit))));
    Figure {
        x: Axis::new("pulse", Scale::Linear),
        y: Axis::new("weight", Scale::Linear),
        series,
        legend: Corner::LowerRight,
    }
}

/// Mean steps up and down, as magnitudes, over the weight; a vertical line at the symmetry point, where both are equal.
///
/// # Panics
/// If there are not as many steps as weights.
///
/// ```
/// use ohmgrad_plots::step_sizes;
///
/// let figure = step_sizes(&[-1.0, 0.0, 1.0], &[0.02, 0.01, 0.0], &[0.0, 0.01, 0.02], Some(0.0));
/// assert_eq!(figure.series.len(), 3);
/// ```
pub fn step_sizes(weights: &[f32], up: &[f32], down: &[f32], symmetry_point: Option<f32>) -> Figure {
    assert!(
        weights.len() == up.len() && weights.len() == down.len(),
        "{} weights, {} steps up, {} steps down",
        weights.len(),
        up.len(),
        down.len()
    );
    let line = |name: &str, steps: &[f32]| {
        let points = weights.iter().zip(steps).map(|(&w, &step)| (w.into(), step.into())).collect();
        Series::new(name, Mark::Line, points)
    };
    let highest = up.iter().chain(down).fold(0.0f32, |a, &b| a.max(b));
    let symmetry = symmetry_point.map(|w| vec![(w.into(), 0.0), (w.into(), highest.into())]);
    let mut series: Vec<Series> =
        symmetry.map(|line| Series::new("symmetry point", Mark::Guide, line)).into_iter().collect();
    series.extend([line("up", up), line("down", down)]);
    Figure {
        x: Axis::new("weight", Scale::Linear),
        y: Axis::new("mean step", Scale::Linear),
        series,
        legend: Corner::LowerLeft,
    }
}

/// The number of pulses that crosspoints received, as a density for each set.
pub fn wear(sets: &[(&str, &[f32])]) -> Figure {
    crate::histogram("pulses per crosspoint", sets)
}
