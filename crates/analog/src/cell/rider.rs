//! Residual learning with a tracked symmetry point, RIDER and E-RIDER: a reference is subtracted from the fast array,
//! in the weight and in transfers.
//!
//! With the fast array P, the slow array W, choppers c and the reference Q̃ the tile's weight is `W + γ·c·(P − Q̃)`.
//! Gradients reach P with the sign c. After the read of a line, W gets `β·c·(P − Q̃)`, through the buffer of version 4
//! or at once, and the moving average becomes `Q ← (1 − η)Q + ηP`, which tends to the symmetry point. `Q̃ ← Q` follows
//! when the sign of a line changes (E-RIDER), or without choppers after each read of the line (RIDER). Source: Xiao et
//! al., arXiv:2602.21321, Algorithms 2 and 3, tables 3 to 5. There Q̃ is an array that is programmed with Q; here it is
//! exact.

use ohmgrad_tensor::Tensor;

use super::chopped::{Chopped, Options, Reference, options};
use super::config::check_devices;
use super::presets::unmanaged;
use super::transfer::{Rule, places};
use super::transfer_parameters::{Shared, builds};
use super::transfer_rules::check_pair;
use super::{Slice, Slot};
use crate::Error;
use crate::config::IoParameters;
use crate::config::section::{Rules, parameters};
use crate::config::unused::Unused;
use crate::device::{DeviceArray, DeviceConfig, slice};
use crate::update::UpdateParameters;

parameters! {
    /// Residual learning with a tracked symmetry point: E-RIDER, and with `in_chop_prob` 0 RIDER. The weight and
    /// transfers use the fast array minus a reference, which is taken from its moving average (Xiao et al.,
    /// arXiv:2602.21321).
    #[doc(alias("RIDER", "E-RIDER"))]
    pub struct RiderTransferCompound {
        /// The fast array, which receives the gradients, and the slow one.
        unit_cell_devices: Vec<DeviceConfig> = vec![];

        /// Weight of the fast array in the tile weight.
        gamma: f32 = 0.1, [0.0..=1.0];

        /// Period of transfers, in batches or pairs.
        transfer_every: f32 = 1.0, [> 0.0];

        /// Counts periods in batches; `false`: in pairs of input and output gradient.
        units_in_mbatch: bool = true;

        /// Reads columns, driven from the inputs; `false`: rows, driven from the outputs.
        transfer_columns: bool = true;

        /// Rate of updates of the fast array: a factor of the learning rate, or with `scale_fast_lr` off the rate
        /// itself. 0: the learning rate.
        fast_lr: f32 = 0.5, [>= 0.0];

        /// Multiplies the learning rate by `fast_lr`; `false`: `fast_lr` is the rate itself.
        scale_fast_lr: bool = false;

        /// Rate β of transfers.
        transfer_lr: f32 = 0.05, [>= 0.0];

        /// Multiplies the rate of transfers by the learning rate.
        scale_transfer_lr: bool = false;

        /// Share η of a read in the moving average.
        reference_lr: f32 = 0.25, [0.0..=1.0];

        /// Probability that the sign of a line changes after its read; regular changes have a period of 1/probability
        /// passes. 0: no changes, and the reference is the moving average.
        in_chop_prob: f32 = 0.05, [0.0..=1.0];

        /// Changes signs at random; `false`: at regular times.
        in_chop_random: bool = false;

        /// Writes each value at once, in a random number of pulses; `false`: through a buffer.
        no_buffer: bool = false;

        /// Unit of the buffer, in units of the fast array's granularity; 0 means 1.
        buffer_granularity: f32 = 1.0, [>= 0.0];

        /// Above 0: multiplies the unit of the buffer by `auto_granularity`/(number of lines · `transfer_every`).
        auto_granularity: f32 = 1000.0, [>= 0.0];

        /// Rate at which a pulse is written, in units of the granularity.
        step: f32 = 1.0, [> 0.0];

        /// Share of the buffer's value that remains after a write.
        momentum: f32 = 0.0, [0.0..=1.0];

        /// Multiplies the whole value by `momentum` after a write; `false`: the written part is subtracted, except this
        /// share of it.
        forget_buffer: bool = true;

        /// Parameters of the read of a line. Noise management and bound management are off: a unit vector needs none.
        transfer_forward: IoParameters = IoParameters::default();

        /// Parameters of the pulses that write the values to the slow array.
        transfer_update: UpdateParameters = UpdateParameters::single_pulse();
    }
}

impl RiderTransferCompound {
    fn shared(&self) -> Shared {
        Shared {
            devices: self.unit_cell_devices.clone(),
            gamma: vec![self.gamma, 1.0],
            transfer_every: self.transfer_every,
            transfer_every_vec: vec![self.transfer_every, 0.0],
            no_self_transfer: true,
            units_in_mbatch: self.units_in_mbatch,
            reads: 1,
            columns: self.transfer_columns,
            random_selection: false,
            reset_prob: 0.0,
            fast_lr: self.fast_lr,
            scale_fast_lr: self.scale_fast_lr,
            transfer_lr: vec![self.transfer_lr; 2],
            scale_transfer_lr: self.scale_transfer_lr,
            warm_start: 0.0,
            forward: unmanaged(self.transfer_forward),
            update: self.transfer_update,
        }
    }

    fn rule(&self, shape: [usize; 2]) -> Rule {
        let options = Options { no_buffer: self.no_buffer, ..options!(self) };
        let rider = Rider::new(self.reference_lr, self.in_chop_prob == 0.0, shape);
        Rule::Chopped(Box::new(Chopped::new(options, self.transfer_columns, shape, |_, _| Reference::Tracked(rider))))
    }
}

impl Rules for RiderTransferCompound {
    fn rules(&self, at: &str) -> Result<(), Error> {
        check_devices(&self.unit_cell_devices, at)?;
        check_pair(self.unit_cell_devices.len(), at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        unused.note("", &["scale_fast_lr"], self.fast_lr == 0.0, "fast_lr is 0");
        unused.note("", &["in_chop_random"], self.in_chop_prob == 0.0, "in_chop_prob is 0");
        let of_buffer = ["buffer_granularity", "auto_granularity", "step", "momentum", "forget_buffer"];
        unused.note("", &of_buffer, self.no_buffer, "no_buffer is on");
        unused.read_of_lines("transfer_forward", &self.transfer_forward);
    }
}

builds!(RiderTransferCompound);

/// The moving average of the fast array's reads, and the reference that is taken from it.
#[derive(Clone, Debug)]
pub(super) struct Rider {
    eta: f32,
    /// Sets the reference to the average after each read, not only after changes of sign.
    follows: bool,
    mean: Tensor,
    reference: Tensor,
}

impl Rider {
    fn new(eta: f32, follows: bool, shape: [usize; 2]) -> Self {
        Self { eta, follows, mean: Tensor::full(&shape, 0.0), reference: Tensor::full(&shape, 0.0) }
    }

    /// Subtracts the reference from the values of a read, and updates the average.
    pub(super) fn relative(&mut self, values: &mut [f32], line: Slice, shape: [usize; 2]) {
        let (mean, reference) = (self.mean.make_mut(), slice(&self.reference));
        for (at, v) in places(line, shape).zip(values) {
            mean[at] = (1.0 - self.eta) * mean[at] + self.eta * *v;
            *v -= reference[at];
        }
    }

    /// Sets the reference of a line to the average after its read, if its sign changed or the reference follows.
    pub(super) fn was_read(&mut self, line: Slice, turned: bool, shape: [usize; 2]) {
        if turned || self.follows {
            let (mean, reference) = (slice(&self.mean), self.reference.make_mut());
            places(line, shape).for_each(|at| reference[at] = mean[at]);
        }
    }

    /// Computes the tile's weights; `x` and `d` are the choppers of inputs and outputs.
    pub(super) fn reduce(
        &self,
        weights: &mut Tensor,
        devices: &[DeviceArray],
        gamma: &[f32],
        (x, d): (&[f32], &[f32]),
    ) {
        let [fast, slow] = [0, 1].map(|k| slice(devices[k].weights()));
        let reference = slice(&self.reference);
        for (i, w) in weights.make_mut().iter_mut().enumerate() {
            let sign = if d[i / x.len()] != x[i % x.len()] { -1.0 } else { 1.0 };
            *w = gamma[1] * slow[i] + gamma[0] * sign * (fast[i] - reference[i]);
        }
    }

    pub(super) fn state(&mut self, path: &str, f: &mut dyn FnMut(&str, Slot<'_>)) {
        f(&format!("{path}running_mean"), Slot::Array(&mut self.mean));
        f(&format!("{path}reference"), Slot::Array(&mut self.reference));
    }
}
