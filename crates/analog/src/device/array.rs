//! An array of pulsed devices: its state, and its changes other than pulses.

use ohmgrad_tensor::{Key, Tensor, random, rows};

use super::changed::Changed;
use super::drift::Clocks;
use super::{Common, DeviceConfig, Draw, Pulses};
use crate::config::setting::{Setting, invalid};
use crate::update::{Job, Side, Trains, clip, count_pulses};
use crate::{Error, cell};

/// Devices at the crosspoints of a tile, [out, in].
///
/// Pulses change the hidden weights; where writes have noise, reads use other weights.
#[derive(Clone, Debug)]
pub struct DeviceArray {
    config: DeviceConfig,
    common: Common,
    shape: [usize; 2],
    /// The weights that pulses change.
    w: Tensor,
    /// The weights that reads use, where writes have noise.
    visible: Option<Tensor>,
    /// The upper and the lower bound, the step up and the step down of each crosspoint, [out, in, 4]; empty for ideal
    /// devices. Side by side, they are on one cache line when a pulse needs them.
    crosspoints: Tensor,
    own: Vec<Tensor>,
    /// The share of a weight that remains after one step of decay; `None` without decay.
    decay: Option<Tensor>,
    /// The standard deviation of diffusion; `None` without diffusion.
    diffusion: Option<Tensor>,
    /// The weight after a reset; `None` if it is 0 everywhere.
    reset: Option<Tensor>,
    clocks: Option<Clocks>,
    /// Pulses so far, where they are counted.
    wear: Option<Tensor>,
    changed: Changed,
}

impl DeviceArray {
    /// Draws an array with weights 0. `bias` is `true` if the last column is a bias.
    ///
    /// # Errors
    /// If a field of the configuration has an invalid value, or `perfect_bias` is set without a bias.
    pub fn new(config: &DeviceConfig, [rows, columns]: [usize; 2], bias: bool, key: Key) -> Result<Self, Error> {
        config.validate()?;
        let step = config.step();
        let c = step.common();
        if c.perfect_bias && !bias {
            let allowed = "false unless the bias is analog (mapping.digital_bias = false)";
            return Err(invalid("device.perfect_bias", &c.perfect_bias.get(), allowed));
        }
        let shape = [rows, columns];
        let array = |values: Vec<f32>| Tensor::from_vec(values, &shape);
        let zeros = Tensor::full(&shape, 0.0);
        let mut draw = Draw::new(&c, rows, columns, key);
        step.draw(&mut draw);
        let some = |on: bool, values: &dyn Fn() -> Vec<f32>| on.then(|| array(values()));
        let decay = some(c.lifetime > 0.0, &|| {
            draw.values("lifetime", |xi| {
                let lifetime = c.lifetime * (1.0 + c.lifetime_dtod * xi);
                if lifetime > 1.0 { 1.0 - 1.0 / lifetime } else { 0.0 }
            })
        });
        let diffusion = some(c.diffusion > 0.0, &|| {
            draw.values("diffusion", |xi| (c.diffusion * (1.0 + c.diffusion_dtod * xi)).abs())
        });
        let reset =
            some(c.reset != 0.0 || c.reset_dtod > 0.0, &|| draw.values("reset", |xi| c.reset + c.reset_dtod * xi));
        let drift = c.drift;
        let clocks = (drift.nu != 0.0 || drift.w_noise_std > 0.0 || drift.nu_k != 0.0)
            .then(|| Clocks::new(draw.values("drift", |xi| drift.nu * (1.0 + drift.nu_dtod * xi)), &shape));
        let Draw { max, min, up, down, own, .. } = draw;
        let crosspoints = match step.is_ideal() {
            true => Tensor::full(&[0, 0, 4], 0.0),
            false => {
                let values = (0..max.len()).flat_map(|i| [max[i], min[i], up[i], down[i]]).collect();
                Tensor::from_vec(values, &[rows, columns, 4])
            }
        };
        let mut devices = Self {
            common: c,
            shape,
            w: zeros.clone(),
            visible: (c.write_noise() > 0.0).then(|| zeros.clone()),
            crosspoints,
            own: own.into_iter().map(array).collect(),
            decay,
            diffusion,
            reset,
            clocks,
            wear: None,
            changed: Changed::all(shape),
            config: config.clone(),
        };
        devices.set(&zeros, key.fold("set"));
        Ok(devices)
    }

    /// The weights that reads use, [out, in].
    pub fn weights(&self) -> &Tensor {
        self.visible.as_ref().unwrap_or(&self.w)
    }

    /// The hidden weights, [out, in], which pulses change. Reads use them too, unless writes have noise.
    pub fn hidden_weights(&self) -> &Tensor {
        &self.w
    }

    /// The configuration of the devices.
    pub fn config(&self) -> &DeviceConfig {
        &self.config
    }

    /// The granularity: the weight change of a pulse, from which numbers of pulses are computed.
    pub fn granularity(&self, pulses: Pulses) -> f32 {
        self.config.step().granularity(pulses)
    }

    /// Begins to count the pulses of each crosspoint, from 0.
    pub fn count_pulses(&mut self) {
        self.wear = Some(Tensor::full(&self.shape, 0.0));
    }

    /// The number of pulses that each crosspoint has received, [out, in]; `None` if they are not counted.
    pub fn pulses(&self) -> Option<&Tensor> {
        self.wear.as_ref()
    }

    /// Takes the record of the weights that may have changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Changed {
        std::mem::replace(&mut self.changed, Changed::none(self.shape[0]))
    }

    /// Rows and columns.
    pub(crate) fn size(&self) -> [usize; 2] {
        self.shape
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    /// Returns `true` if updates are exact.
    pub(crate) fn is_ideal(&self) -> bool {
        self.config.step().is_ideal()
    }

    /// Sets weights as far as the bounds allow: a write for all crosspoints.
    ///
    /// # Panics
    /// If `w` has another shape.
    pub fn set(&mut self, w: &Tensor, key: Key) {
        assert!(w.shape() == self.shape, "set weights: {:?} on devices {:?}", w.shape(), self.shape);
        self.w = w.contiguous();
        self.changed = Changed::all(self.shape);
        self.clip();
        if self.common.apply_write_noise_on_set {
            self.show(key);
        } else if let Some(visible) = &mut self.visible {
            *visible = self.w.clone();
        }
    }

    /// Sets all weights to 0, or as near as the bounds allow.
    pub(crate) fn set_zero(&mut self, key: Key) {
        self.set(&Tensor::full(&self.shape, 0.0), key);
    }

    /// Applies diffusion, then decay, where they are configured; called after each step of the optimizer.
    pub fn after_step(&mut self, key: Key) {
        if self.common.diffusion > 0.0 {
            self.diffuse(key.fold("diffusion"));
        }
        if self.common.lifetime > 0.0 {
            self.decay(1.0, key.fold("decay"));
        }
    }

    /// A step of a random walk.
    pub fn diffuse(&mut self, key: Key) {
        self.changed = Changed::all(self.shape);
        if let Some(diffusion) = &self.diffusion {
            let (sigmas, columns) = (slice(diffusion), self.shape[1]);
            rows::for_each_row(self.w.make_mut(), columns, |row, w| {
                rows::add_normal_each(w, &sigmas[row * columns..(row + 1) * columns], key.fold(row));
            });
        }
        self.clip();
        self.show(key);
    }

    /// Decay towards the weights after a reset: `alpha` steps of it, to first order.
    pub fn decay(&mut self, alpha: f32, key: Key) {
        self.changed = Changed::all(self.shape);
        if let Some(decay) = &self.decay {
            let (reset, decay) = (self.reset.as_ref().map(slice), slice(decay));
            for (i, w) in self.w.make_mut().iter_mut().enumerate() {
                let towards = reset.map_or(0.0, |reset| reset[i]);
                *w = (*w - towards) * (1.0 + alpha * (decay[i] - 1.0)) + towards;
            }
        }
        self.clip();
        self.show(key);
    }

    /// Resets the crosspoints of `count` columns (`None`: all) from `start` on, cyclically, each with a probability.
    pub fn reset_columns(&mut self, start: usize, count: Option<usize>, probability: f32, key: Key) {
        let columns = self.shape[1];
        let count = count.unwrap_or(columns).min(columns);
        let mut u = vec![0.0; columns];
        let (reset, chance) = (key.fold("reset"), key.fold("chance"));
        self.reset_where(reset, |row, mask| {
            if probability < 1.0 {
                random::fill_uniform(&mut u, chance.fold(row));
            }
            for (j, (reset, u)) in mask.iter_mut().zip(&u).enumerate() {
                *reset = (j + columns - start % columns) % columns < count && (probability >= 1.0 || *u < probability);
            }
        });
    }

    /// Resets the crosspoints that `which` marks in each row: to their weight after a reset, with its noise.
    pub(crate) fn reset_where(&mut self, key: Key, mut which: impl FnMut(usize, &mut [bool])) {
        self.changed = Changed::all(self.shape);
        let columns = self.shape[1];
        let (mut xi, mut mask) = (vec![0.0; columns], vec![false; columns]);
        let (reset, sigma) = (self.reset.as_ref().map(slice), self.common.reset_std);
        let crosspoints = by_crosspoint(&self.crosspoints);
        for (row, w) in self.w.make_mut().chunks_exact_mut(columns.max(1)).enumerate() {
            which(row, &mut mask);
            if !mask.contains(&true) {
                continue;
            }
            random::fill_normal(&mut xi, key.fold(row));
            for (j, w) in w.iter_mut().enumerate().filter(|(j, w)| mask[*j] && !w.is_nan()) {
                let i = row * columns + j;
                let new = reset.map_or(0.0, |reset| reset[i]) + sigma * xi[j];
                *w = within(crosspoints, i, new);
            }
        }
        self.show(key.fold("written"));
    }

    /// Lets weights drift for the time `delta_t`, if drift is configured.
    pub fn drift(&mut self, delta_t: f32, key: Key) {
        let Some(mut clocks) = self.clocks.take() else { return };
        self.changed = Changed::all(self.shape);
        let crosspoints = by_crosspoint(&self.crosspoints);
        let cut = |i, w| within(crosspoints, i, w);
        clocks.advance(&self.common.drift, &mut self.w, delta_t, cut, key.fold("drift"));
        self.clocks = Some(clocks);
        self.show(key.fold("written"));
    }

    /// Applies pulses.
    pub(crate) fn pulse(&mut self, trains: &Trains, side: Side, key: Key) {
        if trains.is_empty() {
            return;
        }
        trains.mark(&mut self.changed);
        if let Some(wear) = &mut self.wear {
            count_pulses(trains, side, wear.make_mut());
        }
        let mut own: [&[f32]; 3] = [&[]; 3];
        for (slot, array) in own.iter_mut().zip(&self.own) {
            *slot = slice(array);
        }
        let job = Job {
            trains,
            side,
            w: self.w.make_mut(),
            visible: self.visible.as_mut().map(|v| (v.make_mut(), self.common.write_noise())),
            crosspoints: by_crosspoint(&self.crosspoints),
            own,
            sigma: self.common.dw_min_std,
            key,
        };
        self.config.step().pulse(job);
    }

    /// The exact update of an ideal device.
    pub(crate) fn add(&mut self, change: &Tensor) {
        self.changed = Changed::all(self.shape);
        self.w += change;
    }

    /// Visits all pieces of the array's state, each under its name.
    pub(crate) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, cell::Slot<'_>)) {
        // A visit may replace any array.
        self.changed = Changed::all(self.shape);
        let mut piece = |name: &str, slot: cell::Slot<'_>| f(&format!("{path}{name}"), slot);
        let names = self.config.step().arrays();
        piece("weight", cell::Slot::Array(&mut self.w));
        for (k, name) in ["max", "min", "up", "down"].into_iter().enumerate() {
            let view = self.crosspoints.select(2, k);
            // Copied in any case, so that a visitor's array is known to be another by its storage.
            let values = Tensor::from_vec(view.to_vec(), view.shape());
            let mut visited = values.clone();
            piece(name, cell::Slot::NeverNan(&mut visited));
            if !visited.shares_storage(&values) {
                let crosspoints = self.crosspoints.make_mut().as_chunks_mut::<4>().0;
                crosspoints.iter_mut().zip(visited.iter()).for_each(|(crosspoint, value)| crosspoint[k] = *value);
            }
        }
        names.iter().zip(&mut self.own).for_each(|(name, tensor)| piece(name, cell::Slot::NeverNan(tensor)));
        self.visible.iter_mut().for_each(|tensor| piece("visible", cell::Slot::Array(tensor)));
        let drawn = [("decay", &mut self.decay), ("diffusion", &mut self.diffusion), ("reset", &mut self.reset)];
        for (name, tensor) in drawn {
            tensor.iter_mut().for_each(|tensor| piece(name, cell::Slot::NeverNan(tensor)));
        }
        self.wear.iter_mut().for_each(|tensor| piece("pulses", cell::Slot::Array(tensor)));
        if let Some(clocks) = &mut self.clocks {
            piece("drift.nu", cell::Slot::NeverNan(&mut clocks.nu));
            piece("drift.start", cell::Slot::Array(&mut clocks.start));
            piece("drift.previous", cell::Slot::Array(&mut clocks.previous));
            piece("drift.since", cell::Slot::Array(&mut clocks.since));
            f(&format!("{path}drift.time"), cell::Slot::Number(&mut clocks.time));
            f(&format!("{path}drift.started"), cell::Slot::Count(&mut clocks.started));
        }
    }

    fn clip(&mut self) {
        let crosspoints = by_crosspoint(&self.crosspoints);
        if !crosspoints.is_empty() {
            self.w.make_mut().iter_mut().zip(crosspoints).for_each(|(w, [max, min, ..])| *w = clip(*w, *min, *max));
        }
    }

    /// Writes all crosspoints: the weights that reads use get new noise.
    fn show(&mut self, key: Key) {
        let (sigma, columns) = (self.common.write_noise(), self.shape[1]);
        if let Some(visible) = &mut self.visible {
            let key = key.fold("write noise");
            let w = slice(&self.w);
            rows::for_each_row(visible.make_mut(), columns, |row, v| {
                v.copy_from_slice(&w[row * columns..(row + 1) * columns]);
                rows::add_normal(v, sigma, key.fold(row));
            });
        }
    }
}

/// The bounds and steps of each crosspoint.
fn by_crosspoint(crosspoints: &Tensor) -> &[[f32; 4]] {
    slice(crosspoints).as_chunks().0
}

/// A weight within the bounds of crosspoint `i`.
fn within(crosspoints: &[[f32; 4]], i: usize, w: f32) -> f32 {
    crosspoints.get(i).map_or(w, |&[max, min, ..]| clip(w, min, max))
}

pub(crate) fn slice(t: &Tensor) -> &[f32] {
    t.as_slice().expect("arrays of a tile are contiguous")
}
