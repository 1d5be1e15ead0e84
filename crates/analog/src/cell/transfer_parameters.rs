//! Configurations of transfer cells: aihwkit `TransferCompound` and its successors, with the shared parameters listed
//! once.

use super::presets::unmanaged;
use crate::Error;
use crate::config::IoParameters;
use crate::config::section::parameters;
use crate::config::unused::Unused;
use crate::device::DeviceConfig;
use crate::update::UpdateParameters;

/// The fields that all transfer cells share, as the state machine takes them.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) devices: Vec<DeviceConfig>,
    /// The weight of each array in the tile weight.
    pub(super) gamma: Vec<f32>,
    pub(super) transfer_every: f32,
    pub(super) transfer_every_vec: Vec<f32>,
    pub(super) no_self_transfer: bool,
    pub(super) units_in_mbatch: bool,
    pub(super) reads: usize,
    pub(super) columns: bool,
    pub(super) random_selection: bool,
    pub(super) reset_prob: f32,
    pub(super) fast_lr: f32,
    pub(super) scale_fast_lr: bool,
    /// The rate of each array's transfer.
    pub(super) transfer_lr: Vec<f32>,
    pub(super) scale_transfer_lr: bool,
    /// Length of the turns of a warm start; 0: none.
    pub(super) warm_start: f32,
    pub(super) forward: IoParameters,
    pub(super) update: UpdateParameters,
}

/// The powers of a base with the exponents n − 1 to 0; 0⁰ is 1.
pub(super) fn powers(base: f32, n: usize) -> Vec<f32> {
    (0..n as i32).rev().map(|exponent| base.powi(exponent)).collect()
}

macro_rules! transfer_parameters {
    (
        $(#[$meta:meta])*
        [$in_batches:literal $scale_fast:literal $write:expr] [$($own_shared:ident)*]
        pub struct $name:ident { $($own:tt)* }
    ) => {
        parameters! {
            $(#[$meta])*
            pub struct $name {
                /// The arrays, from the fast one that receives the gradients to the slow one.
                unit_cell_devices: Vec<DeviceConfig> = vec![];

                /// Base γ of the arrays' weights in the tile weight, from γ^(n−1) for the first to 1 for the last. 0:
                /// the tile weight is the slow array's.
                gamma: f32 = 0.0;

                /// Weights of the arrays in the tile weight, instead of `gamma`.
                gamma_vec: Vec<f32> = vec![];

                /// Period of transfers from the first array, in pairs or batches; 0: none. That of each later
                /// array is longer by the factor (length of a line)/(lines that are read in one event). Below 0, which
                /// versions 3 and 4 allow: the first period is |`transfer_every`| · (states of a device)/(number of
                /// lines), at least 1.
                transfer_every: f32 = 1.0;

                /// Periods of the arrays' transfers, instead of `transfer_every`.
                transfer_every_vec: Vec<f32> = vec![], [>= 0.0];

                /// Leaves the last array without a transfer.
                no_self_transfer: bool = true;

                /// Counts periods in batches; `false`: in pairs of input and output gradient.
                units_in_mbatch: bool = $in_batches;

                /// Reads columns, driven from the inputs; `false`: rows, driven from the outputs.
                transfer_columns: bool = true;

                /// Rate of updates of the first array: a factor of the learning rate, or with `scale_fast_lr` off the
                /// rate itself. 0: the learning rate.
                fast_lr: f32 = 1.0, [>= 0.0];

                /// Multiplies the learning rate by `fast_lr`; `false`, as in the reference's version 1.1: `fast_lr` is
                /// the rate itself.
                scale_fast_lr: bool = $scale_fast;

                /// Rate of transfers.
                transfer_lr: f32 = 1.0;

                /// Rates of the arrays' transfers, instead of `transfer_lr`.
                transfer_lr_vec: Vec<f32> = vec![];

                /// Multiplies the rates of transfers by the learning rate.
                scale_transfer_lr: bool = true;

                /// Parameters of the read of a line. Noise management and bound management are off, as in the
                /// reference: a unit vector needs none.
                transfer_forward: IoParameters = IoParameters::default();

                /// Parameters of the pulses that write the values to the next array.
                transfer_update: UpdateParameters = $write;

                $($own)*
            }
        }

        impl $name {
            /// Notes fields without effect, among those that all transfer cells share.
            pub(super) fn shared_without_effect(&self, unused: &mut Unused<'_>) {
                unused.note("", &["gamma"], !self.gamma_vec.is_empty(), "gamma_vec is given");
                unused.note("", &["transfer_lr"], !self.transfer_lr_vec.is_empty(), "transfer_lr_vec is given");
                unused.note("", &["scale_fast_lr"], self.fast_lr == 0.0, "fast_lr is 0");
                unused.read_of_lines("transfer_forward", &self.transfer_forward);
            }

            pub(super) fn shared(&self) -> Shared {
                let n = self.unit_cell_devices.len();
                let gamma = match self.gamma_vec.as_slice() {
                    [] => powers(self.gamma, n),
                    gamma => gamma.to_vec(),
                };
                let transfer_lr = match self.transfer_lr_vec.as_slice() {
                    [] => vec![self.transfer_lr; n],
                    rates => rates.to_vec(),
                };
                let shared = Shared {
                    devices: self.unit_cell_devices.clone(),
                    gamma,
                    transfer_every: self.transfer_every,
                    transfer_every_vec: self.transfer_every_vec.clone(),
                    no_self_transfer: self.no_self_transfer,
                    units_in_mbatch: self.units_in_mbatch,
                    reads: 1,
                    columns: self.transfer_columns,
                    random_selection: false,
                    reset_prob: 0.0,
                    fast_lr: self.fast_lr,
                    scale_fast_lr: self.scale_fast_lr,
                    transfer_lr,
                    scale_transfer_lr: self.scale_transfer_lr,
                    warm_start: 0.0,
                    forward: unmanaged(self.transfer_forward),
                    update: self.transfer_update,
                };
                $(let shared = self.$own_shared(shared);)*
                shared
            }
        }
    };
}

transfer_parameters! {
    /// Tiki-Taka: gradients go to a fast array, whose lines are read and written to a slow one (Gokmen & Haensch,
    /// Front. Neurosci. 14, 103 (2020)).
    #[doc(alias("Tiki-Taka", "TTv1"))]
    [true true UpdateParameters::default()] [lines]
    pub struct TransferCompound {
        /// Lines that are read in one event, cyclically.
        n_reads_per_transfer: usize = 1;

        /// Begins each event with a random line.
        random_selection: bool = false;

        /// Probability that a column is reset after it was read.
        with_reset_prob: f32 = 0.0, [0.0..=1.0];
    }
}

transfer_parameters! {
    /// Tiki-Taka version 2: reads are summed in a digital buffer; multiples of a threshold are written as
    /// pulses (Gokmen, Front. Artif. Intell. 4, 699148 (2021)).
    #[doc(alias = "TTv2")]
    [true true UpdateParameters::single_pulse()] [lines]
    pub struct BufferedTransferCompound {
        /// Lines that are read in one event, cyclically.
        n_reads_per_transfer: usize = 1;

        /// Begins each event with a random line.
        random_selection: bool = false;

        /// Threshold of the buffer, in units of the slow array's granularity.
        thres_scale: f32 = 1.0, [> 0.0];

        /// Rate at which a pulse is written, in units of the granularity.
        step: f32 = 1.0, [> 0.0];

        /// Share of the buffer's value that remains after a write.
        momentum: f32 = 0.1, [0.0..=1.0];

        /// Multiplies the whole value by `momentum` after a write; `false`: the written part is subtracted, except this
        /// share of it.
        forget_buffer: bool = true;
    }
}

macro_rules! chopped {
    ($(#[$meta:meta])* $random:literal pub struct $name:ident { $($own:tt)* }) => {
        transfer_parameters! {
            $(#[$meta])*
            [false false UpdateParameters::single_pulse()] []
            pub struct $name {
                /// Probability that the sign of a line changes after its read; regular changes have a period of
                /// 1/probability passes.
                in_chop_prob: f32 = 0.1, [0.0..=1.0];

                /// Changes signs at random, in version 4 besides regular changes; `false`: at regular times only.
                in_chop_random: bool = $random;

                /// Unit of the buffer, in units of the fast array's granularity; 0 means 1.
                buffer_granularity: f32 = 1.0, [>= 0.0];

                /// Above 0: multiplies the unit of the buffer by `auto_granularity`/(number of lines ·
                /// `transfer_every`).
                auto_granularity: f32 = 0.0, [>= 0.0];

                /// Rate at which a pulse is written, in units of the granularity.
                step: f32 = 1.0, [> 0.0];

                /// Share of the buffer's value that remains after a write.
                momentum: f32 = 0.0, [0.0..=1.0];

                /// Multiplies the whole value by `momentum` after a write; `false`: the written part is subtracted,
                /// except this share of it.
                forget_buffer: bool = true;

                /// Derives the fast rate from running means of the largest inputs and gradients.
                auto_scale: bool = false;

                /// Momentum of these running means, per batch.
                auto_momentum: f32 = 0.99, [0.0..=1.0];

                /// Divides the rate of transfers by the fast rate, so that they have the size of plain gradients.
                correct_gradient_magnitudes: bool = false;

                $($own)*
            }
        }
    };
}

chopped! {
    /// Tiki-Taka version 3: the signs of lines change from time to time, so that offsets of the fast array
    /// average out; with `in_chop_prob` 0 it is version 2 (Rasch et al., arXiv:2303.04721).
    #[doc(alias("c-TTv2", "TTv3"))]
    true pub struct ChoppedTransferCompound {
        /// Probability of a change of sign after each pass, for the lines that cross those that are read.
        out_chop_prob: f32 = 0.0, [0.0..=1.0];

        /// Writes each value at once, without a sum.
        no_buffer: bool = false;
    }
}

chopped! {
    /// Tiki-Taka version 4, AGAD: as [`ChoppedTransferCompound`], with reads relative to their mean before the last
    /// change of sign, so that no symmetry point needs to be known (Rasch et al., arXiv:2303.04721).
    #[doc(alias("AGAD", "TTv4"))]
    false pub struct DynamicTransferCompound {
        /// Weight of the last reads of a period in its mean: a new read enters with the share
        /// `tail_weightening`/(reads in the period), at most 1.
        tail_weightening: f32 = 5.0, [> 0.0];

        /// Largest magnitude of the buffer after a write, in units of the longest train; 0: no limit.
        buffer_cap: f32 = 0.0, [>= 0.0];

        /// Divides each read by its number in the period, at most by one over the granularity.
        experimental_correct_accumulation: bool = false;
    }
}

impl TransferCompound {
    fn lines(&self, shared: Shared) -> Shared {
        Shared {
            reads: self.n_reads_per_transfer,
            random_selection: self.random_selection,
            reset_prob: self.with_reset_prob,
            ..shared
        }
    }
}

impl BufferedTransferCompound {
    fn lines(&self, shared: Shared) -> Shared {
        Shared { reads: self.n_reads_per_transfer, random_selection: self.random_selection, ..shared }
    }
}

/// [`Compound`] of transfer cells, from their functions `shared` and `rule`.
macro_rules! builds {
    ($($name:ident)*) => { $(
        impl $crate::cell::Compound for $name {
            fn devices(&self) -> &[DeviceConfig] {
                &self.unit_cell_devices
            }

            fn build(
                &self,
                shape: [usize; 2],
                bias: bool,
                key: ohmgrad_tensor::Key,
            ) -> Result<$crate::cell::Cell, Error> {
                let transfer = $crate::cell::transfer::Transfer::new(self.shared(), self.rule(shape), shape, bias, key)?;
                Ok($crate::cell::Cell($crate::cell::Kind::Transfer(Box::new(transfer))))
            }
        }
    )* };
}
pub(super) use builds;

builds!(TransferCompound BufferedTransferCompound ChoppedTransferCompound DynamicTransferCompound);
