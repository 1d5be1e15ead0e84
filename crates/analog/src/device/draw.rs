//! The crosspoints of an array, drawn once.
//!
//! With ξ a normal sample of the crosspoint for each parameter: bounds `w_max(1 + w_max_dtod·ξ)`; one factor
//! `G = 1 + dw_min_dtod·ξ` (or its exponential) for both directions and `r = up_down_dtod·ξ`, which give the steps
//! `dw_min(G + r + min(up_down, 0))` up and `dw_min(G − r − max(up_down, 0))` down. Source: aihwkit
//! `rpu_pulsed_device.cpp`.

use ohmgrad_tensor::{Key, Scalar, random};

use super::{Common, Crosspoint, Step};

/// The crosspoints of an array [rows, columns] while they are drawn; lists hold them row by row.
#[derive(Debug)]
pub struct Draw {
    key: Key,
    rows: usize,
    columns: usize,
    /// `true` if all samples are 0.
    silent: bool,
    /// Upper bounds.
    pub max: Vec<f32>,
    /// Lower bounds.
    pub min: Vec<f32>,
    /// Mean steps up.
    pub up: Vec<f32>,
    /// Mean steps down, as magnitudes.
    pub down: Vec<f32>,
    /// Arrays of the device's own, in the order of [`Step::arrays`](super::Step::arrays).
    pub own: Vec<Vec<f32>>,
}

impl Draw {
    /// Draws what all devices have in common.
    pub(super) fn new(c: &Common, rows: usize, columns: usize, key: Key) -> Self {
        let nothing = || vec![];
        let (max, min, up, down, own) = (nothing(), nothing(), nothing(), nothing(), vec![]);
        let mut draw = Self { key, rows, columns, silent: false, max, min, up, down, own };
        let spread = |draw: &Self, name, mean: f32, dtod: f32| draw.values(name, |xi| mean * (1.0 + dtod * xi));
        draw.max = spread(&draw, "w_max", c.w_max, c.w_max_dtod);
        draw.min = spread(&draw, "w_min", c.w_min, c.w_min_dtod);
        let factors = draw.values("dw_min", |xi| match c.dw_min_dtod_log_normal {
            true => (c.dw_min_dtod * xi).exponential(),
            false => 1.0 + c.dw_min_dtod * xi,
        });
        let apart = draw.values("up_down", |xi| c.up_down_dtod * xi);
        let steps = |sign: f32, bias: f32| -> Vec<f32> {
            factors.iter().zip(&apart).map(|(g, r)| c.dw_min * (g + sign * r + bias)).collect()
        };
        draw.up = steps(1.0, c.up_down.min(0.0));
        draw.down = steps(-1.0, -c.up_down.max(0.0));
        draw.make_consistent(c.enforce_consistency);
        if c.corrupt_devices_prob > 0.0 {
            draw.corrupt(c);
        }
        if c.perfect_bias {
            for i in (0..rows).map(|row| row * columns + columns - 1) {
                (draw.up[i], draw.down[i]) = (c.dw_min, c.dw_min);
                (draw.max[i], draw.min[i]) = (100.0 * c.w_max, 100.0 * c.w_min);
            }
        }
        draw
    }

    /// A single crosspoint that does not vary: all its samples are 0.
    fn mean(c: &Common) -> Self {
        let same = Common { dw_min_dtod: 0.0, up_down_dtod: 0.0, w_max_dtod: 0.0, w_min_dtod: 0.0, ..*c };
        let common = Common { corrupt_devices_prob: 0.0, perfect_bias: false, ..same };
        Self { silent: true, ..Self::new(&common, 1, 1, Key::new(0)) }
    }

    /// The number of crosspoints.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Returns `true` if there are no crosspoints.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A value for each crosspoint: `f` of a normal sample.
    pub fn values(&self, name: &str, f: impl Fn(f32) -> f32) -> Vec<f32> {
        self.filled(name, random::fill_normal, f)
    }

    fn filled(&self, name: &str, fill: impl Fn(&mut [f32], Key), f: impl Fn(f32) -> f32) -> Vec<f32> {
        let (mut values, key) = (vec![0.0; self.len()], self.key.fold(name));
        for (row, values) in values.chunks_exact_mut(self.columns.max(1)).enumerate() {
            if !self.silent {
                fill(values, key.fold(row));
            }
            values.iter_mut().for_each(|v| *v = f(*v));
        }
        values
    }

    fn make_consistent(&mut self, enforce: bool) {
        for (max, min) in self.max.iter_mut().zip(&mut self.min) {
            if enforce {
                (*max, *min) = (max.max(*min).abs(), -max.min(*min).abs());
            } else if *min > *max {
                let middle = *max + (*min - *max) / 2.0;
                (*max, *min) = (middle, middle);
            }
        }
        if enforce {
            self.up.iter_mut().chain(&mut self.down).for_each(|step| *step = step.abs());
        }
    }

    /// Makes some devices stuck at a value near 0.
    fn corrupt(&mut self, c: &Common) {
        let corrupt = self.filled("corrupt", random::fill_uniform, |u| u);
        let at = self.filled("corrupt at", random::fill_uniform, |u| u);
        let range = c.corrupt_devices_range;
        for i in (0..self.len()).filter(|&i| corrupt[i] < c.corrupt_devices_prob) {
            let (low, high) = (self.max[i].min(self.min[i]).max(-range), self.max[i].max(self.min[i]).min(range));
            let value = low + (high - low) * at[i];
            (self.max[i], self.min[i], self.up[i], self.down[i]) = (value, value, 0.0, 0.0);
        }
    }
}

/// The crosspoint of a device without spread.
pub(super) fn mean_crosspoint(step: &(impl Step + ?Sized)) -> Crosspoint {
    let mut draw = Draw::mean(&step.common());
    step.draw(&mut draw);
    let own = std::array::from_fn(|k| draw.own.get(k).map_or(0.0, |values| values[0]));
    Crosspoint { max: draw.max[0], min: draw.min[0], up: draw.up[0], down: draw.down[0], own }
}
