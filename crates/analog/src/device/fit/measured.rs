//! Measured pulse responses.

use super::super::draw::mean_crosspoint;
use super::{DeviceConfig, respond};
use crate::Error;
use crate::config::setting::invalid;
use crate::config::value::Value;

/// A measured response to pulses.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Pulses after each response: above 0 up, below 0 down.
    pub pulses: Vec<i32>,
    /// The weight before each entry of `pulses`; the first one is the start of the device.
    pub responses: Vec<f32>,
    /// The factor on this experiment's differences in a fit.
    pub weight: f32,
}

impl Experiment {
    /// The mean response of a device.
    pub fn simulated(device: &DeviceConfig, pulses: &[i32], start: f32) -> Self {
        let mut responses = Vec::with_capacity(pulses.len());
        respond(device, pulses, start, |w| responses.push(w));
        Self { pulses: pulses.to_vec(), responses, weight: 1.0 }
    }

    /// Reads experiments from a table with commas. Each row is a measurement: the number of pulses so far (pulses down
    /// decrease it), and the conductance of each of one or more devices. A first line that is not all numbers is a
    /// header. Conductances become weights, from −1 for the least to 1 for the greatest of the table.
    ///
    /// ```
    /// use ohmgrad_analog::device::fit::Experiment;
    ///
    /// let table = "pulse,g1,g2\n0,1.0,1.0\n1,2.0,1.5\n2,3.0,2.0\n1,2.5,1.0\n";
    /// let experiments = Experiment::from_csv(table)?;
    /// assert_eq!(experiments.len(), 2);
    /// assert_eq!(experiments[0].pulses, [1, 1, -1, 0]);
    /// assert_eq!(experiments[1].responses, [-1.0, -0.5, 0.0, -1.0]);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a row has another number of columns than the first, or something else than numbers.
    pub fn from_csv(text: &str) -> Result<Vec<Self>, Error> {
        let parse =
            |line: &str| line.split(',').map(|cell| cell.trim().parse::<f32>().ok()).collect::<Option<Vec<_>>>();
        let mut rows: Vec<Vec<f32>> = vec![];
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |allowed: String| invalid(&format!("line {}", i + 1), &Value::Text(line.to_owned()), allowed);
            match parse(line) {
                None if rows.is_empty() && i == 0 => {}
                None => return Err(wrong("numbers, separated by commas".into())),
                Some(row) if row.len() < 2 => return Err(wrong("a number of pulses and a conductance".into())),
                Some(row) if rows.first().is_some_and(|first| first.len() != row.len()) => {
                    return Err(wrong(format!("{} numbers, as in the first row", rows[0].len())));
                }
                Some(row) => rows.push(row),
            }
        }
        let conductances = || rows.iter().flat_map(|row| &row[1..]).copied();
        let (low, high) = (conductances().fold(f32::INFINITY, f32::min), conductances().fold(f32::MIN, f32::max));
        let scale = if high > low { 2.0 / (high - low) } else { 1.0 };
        let mut pulses: Vec<i32> = rows.windows(2).map(|pair| (pair[1][0] - pair[0][0]).round() as i32).collect();
        // Nothing is measured after the last row.
        pulses.push(0);
        let devices = rows.first().map_or(0, |row| row.len() - 1);
        let of_device = |k: usize| rows.iter().map(|row| (row[k + 1] - low) * scale - 1.0).collect();
        let experiments = (0..devices).map(|k| Self { pulses: pulses.clone(), responses: of_device(k), weight: 1.0 });
        let experiments: Vec<Self> = experiments.collect();
        match experiments.is_empty() {
            true => Err(invalid("table", &Value::Text(text.to_owned()), "a table of measurements")),
            false => Ok(experiments),
        }
    }

    /// The mean response of a device to the same pulses.
    pub(super) fn response_of(&self, device: &DeviceConfig) -> Vec<f32> {
        Self::simulated(device, &self.pulses, self.responses[0]).responses
    }

    pub(super) fn check(&self, at: &str) -> Result<(), Error> {
        let (pulses, responses) = (self.pulses.len(), self.responses.len());
        if pulses == responses && pulses >= 2 {
            return Ok(());
        }
        let found = Value::Text(format!("{pulses} numbers of pulses and {responses} responses"));
        Err(invalid(at, &found, "equally many of both, at least two"))
    }
}

/// Noise of a pulse relative to its mean step, and noise of a measurement, estimated from single pulses.
///
/// A measured step differs from the mean step at the measured weight by the noise of the pulse and of two measurements.
/// Neighbouring steps have the noise of one measurement in common, with opposite signs.
pub(super) fn noise(device: &DeviceConfig, experiments: &[Experiment]) -> (f32, f32) {
    let step = device.step();
    let at = mean_crosspoint(step);
    let (low, high) = step.bounds(&at);
    let (mut square, mut product, mut steps) = ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0]);
    for Experiment { pulses, responses, .. } in experiments {
        let mut before: Option<f64> = None;
        for (pair, &n) in responses.windows(2).zip(pulses) {
            if n.abs() != 1 {
                before = None;
                continue;
            }
            let w = pair[0];
            let next = if n > 0 { step.up(w, &at, 0.0) } else { step.down(w, &at, 0.0) };
            let mean = f64::from(next.min(high).max(low) - w);
            let off = f64::from(pair[1] - w) - mean;
            square = [square[0] + off * off, square[1] + 1.0];
            steps = [steps[0] + mean * mean, steps[1] + 1.0];
            if let Some(before) = before {
                product = [product[0] + off * before, product[1] + 1.0];
            }
            before = Some(off);
        }
    }
    let mean = |[sum, n]: [f64; 2]| if n > 0.0 { sum / n } else { 0.0 };
    let read = (-mean(product)).max(0.0);
    let pulse = (mean(square) - 2.0 * read).max(0.0);
    let relative = if mean(steps) > 0.0 { (pulse / mean(steps)).sqrt() } else { 0.0 };
    (relative as f32, read.sqrt() as f32)
}
