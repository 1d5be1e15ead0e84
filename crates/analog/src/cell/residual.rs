//! Residual learning over several arrays, for devices of few states: each array corrects the error of those of larger
//! weight.
//!
//! With arrays W⁽⁰⁾ … W⁽ᴺ⁾, which the configuration lists from the last to the first, the tile's weight is `Σ γⁿ·W⁽ⁿ⁾`.
//! Gradients reach W⁽ᴺ⁾; after each period of W⁽ⁿ⁺¹⁾ a line of it is read and written to W⁽ⁿ⁾, as in version 1
//! (`transfer.rs`), with periods that grow and rates that shrink towards W⁽⁰⁾. A warm start writes the lines of W⁽ᴺ⁾ to
//! W⁽⁰⁾ alone, then to W⁽¹⁾, and so on to W⁽ᴺ⁻¹⁾. Source: Li et al., arXiv:2510.02516, Algorithm 1 and appendix K.

use super::Slot;
use super::config::{check_devices, two_or_more};
use super::presets::unmanaged;
use super::transfer::Rule;
use super::transfer_parameters::{Shared, builds, powers};
use crate::Error;
use crate::config::IoParameters;
use crate::config::section::{Rules, parameters};
use crate::config::unused::Unused;
use crate::device::DeviceConfig;
use crate::update::UpdateParameters;

parameters! {
    /// Residual learning over several arrays: gradients go to the array of the least weight, whose lines are read and
    /// written to the next one, and so on, so that the weight has more states than a device (Li et al.,
    /// arXiv:2510.02516).
    #[doc(alias("multi-tile residual learning", "ResL"))]
    pub struct ResidualTransferCompound {
        /// The arrays: the first receives the gradients and has the least weight, the last has weight 1.
        unit_cell_devices: Vec<DeviceConfig> = vec![];

        /// Weight of each array relative to the next; should be somewhat above 1/(number of states of a device). 0: the
        /// tile's weight is that of the last array.
        gamma: f32 = 0.5, [0.0..=1.0];

        /// Period of transfers from the first array, in batches or pairs.
        transfer_every: f32 = 2.0, [> 0.0];

        /// Factor from the period of one array to that of the next.
        transfer_every_growth: f32 = 5.0, [> 0.0];

        /// Counts periods in batches; `false`: in pairs of input and output gradient.
        units_in_mbatch: bool = true;

        /// Reads columns, driven from the inputs; `false`: rows, driven from the outputs.
        transfer_columns: bool = true;

        /// Rate of updates of the first array: a factor of the learning rate, or with `scale_fast_lr` off the rate
        /// itself. 0: the learning rate.
        fast_lr: f32 = 0.0, [>= 0.0];

        /// Multiplies the learning rate by `fast_lr`; `false`: `fast_lr` is the rate itself.
        scale_fast_lr: bool = true;

        /// Base of the rates of transfers; the transfer to the last array has the rate
        /// `transfer_lr · transfer_lr_growth`.
        transfer_lr: f32 = 0.1, [>= 0.0];

        /// Factor from the rate of one array's transfers to that of the array before it.
        transfer_lr_growth: f32 = 1.2, [> 0.0];

        /// Multiplies the rates of transfers by the learning rate.
        scale_transfer_lr: bool = false;

        /// Length of each turn of the warm start, in batches or pairs; each turn writes to another array. 0: no warm
        /// start. `advance_warm_start` ends a turn earlier.
        warm_start: f32 = 0.0, [>= 0.0];

        /// Parameters of the read of a line. Noise management and bound management are off: a unit vector needs none.
        transfer_forward: IoParameters = IoParameters::default();

        /// Parameters of the pulses that write the values to the next array.
        transfer_update: UpdateParameters = UpdateParameters::default();
    }
}

impl ResidualTransferCompound {
    fn shared(&self) -> Shared {
        let n = self.unit_cell_devices.len();
        Shared {
            devices: self.unit_cell_devices.clone(),
            gamma: powers(self.gamma, n),
            transfer_every: self.transfer_every,
            transfer_every_vec: (0..n)
                .map(|k| self.transfer_every * self.transfer_every_growth.powi(k as i32))
                .collect(),
            no_self_transfer: true,
            units_in_mbatch: self.units_in_mbatch,
            reads: 1,
            columns: self.transfer_columns,
            random_selection: false,
            reset_prob: 0.0,
            fast_lr: self.fast_lr,
            scale_fast_lr: self.scale_fast_lr,
            transfer_lr: powers(self.transfer_lr_growth, n).into_iter().map(|power| self.transfer_lr * power).collect(),
            scale_transfer_lr: self.scale_transfer_lr,
            warm_start: self.warm_start,
            forward: unmanaged(self.transfer_forward),
            update: self.transfer_update,
        }
    }

    fn rule(&self, _: [usize; 2]) -> Rule {
        Rule::Direct
    }
}

impl Rules for ResidualTransferCompound {
    fn rules(&self, at: &str) -> Result<(), Error> {
        two_or_more(self.unit_cell_devices.len(), at)?;
        check_devices(&self.unit_cell_devices, at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        unused.note("", &["scale_fast_lr"], self.fast_lr == 0.0, "fast_lr is 0");
        let pair = self.unit_cell_devices.len() == 2;
        unused.note("", &["transfer_every_growth"], pair, "only one of two arrays is transferred");
        unused.read_of_lines("transfer_forward", &self.transfer_forward);
    }
}

builds!(ResidualTransferCompound);

/// The beginning of a training, in which lines of the first array are written to one other array at a time.
#[derive(Clone, Debug)]
pub(super) struct WarmStart {
    /// Length of a turn, in batches or pairs.
    length: f32,
    arrays: usize,
    /// Arrays whose turns are over.
    done: u64,
    /// Batches or pairs before the turn.
    since: u64,
}

impl WarmStart {
    pub(super) fn new(length: f32, arrays: usize) -> Option<Self> {
        (length > 0.0).then_some(Self { length, arrays, done: 0, since: 0 })
    }

    /// The array that is written to; `None` after the warm start.
    pub(super) fn target(&self) -> Option<usize> {
        (self.arrays - 1).checked_sub(self.done as usize).filter(|&target| target > 0)
    }

    /// Begins the turn of the next array; returns `false` if the warm start was over. `now` counts batches or pairs.
    pub(super) fn advance(&mut self, now: u64) -> bool {
        let is_on = self.target().is_some();
        if is_on {
            (self.done, self.since) = (self.done + 1, now);
        }
        is_on
    }

    /// Begins the turn of the next array if the length of a turn has passed.
    pub(super) fn pass(&mut self, now: u64) {
        if (now - self.since) as f32 >= self.length {
            self.advance(now);
        }
    }

    pub(super) fn restart(&mut self) {
        (self.done, self.since) = (0, 0);
    }

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        f(&format!("{path}warm_arrays"), Slot::Count(&mut self.done));
        f(&format!("{path}warm_since"), Slot::Count(&mut self.since));
    }
}

/// Detector of plateaus of a loss, by which the source ends the turns of a warm start.
///
/// Each of the first four turns ends after an epoch whose loss is above that of the epoch before. A later turn ends
/// when at least two of the last five changes of the loss are increases. Losses before the turn do not count.
///
/// ```
/// use ohmgrad_analog::cell::LossPlateau;
///
/// let mut plateau = LossPlateau::default();
/// let ends: Vec<bool> = [0.9, 0.5, 0.6, 0.7, 0.4, 0.5].into_iter().map(|loss| plateau.is_reached(loss)).collect();
/// assert_eq!(ends, [false, false, true, false, false, true]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct LossPlateau {
    turns: usize,
    losses: Vec<f32>,
}

impl LossPlateau {
    /// Takes the loss of an epoch; `true` ends a turn.
    pub fn is_reached(&mut self, loss: f32) -> bool {
        self.losses.push(loss);
        let (changes, increases) = if self.turns < 4 { (1, 1) } else { (5, 2) };
        if self.losses.len() <= changes {
            return false;
        }
        let last = &self.losses[self.losses.len() - 1 - changes..];
        let reached = last.windows(2).filter(|pair| pair[1] > pair[0]).count() >= increases;
        if reached {
            self.turns += 1;
            self.losses.clear();
        }
        reached
    }
}
