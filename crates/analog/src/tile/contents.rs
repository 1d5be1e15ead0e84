//! Contents of tiles during the calls of one tape: made by the first call, used by all others and by their backwards.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use ohmgrad_tensor::{Array, Key, Tensor};

use super::grid::Grid;
use super::{ProgrammedTiles, Tile};
use crate::config::{InferenceRpuConfig, IrDropT, WeightModifierParameter};
use crate::mvm::{Prepared, TimedArray};

/// The state of a tile array besides its weight and other parameters.
#[derive(Clone, Debug)]
pub(crate) struct Hardware {
    pub grid: Arc<Grid>,
    pub tiles: Arc<Vec<Tile>>,
    pub config: Arc<InferenceRpuConfig>,
    /// The chip that the weight was programmed onto, if it was.
    pub chip: Option<Arc<ProgrammedTiles>>,
}

impl Hardware {
    fn is(&self, other: &Self) -> bool {
        let same_chip = match (&self.chip, &other.chip) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        same_chip && Arc::ptr_eq(&self.tiles, &other.tiles) && Arc::ptr_eq(&self.config, &other.config)
    }

    /// A tile of weights [outs, ins] whose reads are simulated over time, if configured.
    pub fn timed_array(&self, number: usize, w: &Tensor, training: bool) -> Option<TimedArray> {
        let ins = self.tiles[number].ins.len();
        let parameters = self.timed_parameters(training)?;
        let model = self.config.noise_model.model().expect("checked with the configuration");
        let devices = column_length(&self.config, ins);
        Some(TimedArray::new(parameters, w, devices, model.converter(), !training))
    }

    /// The parameters of reads over time, if those differ from plain reads.
    fn timed_parameters(&self, training: bool) -> Option<IrDropT> {
        let forward = &self.config.forward;
        let plain = |timed: &IrDropT| forward.is_ideal() || training && timed.trains_plainly();
        forward.ir_drop_t.filter(|timed| !plain(timed))
    }
}

/// The number of devices in a column of a tile with `ins` inputs; unused ones lie before and behind the others.
pub(crate) fn column_length(config: &InferenceRpuConfig, ins: usize) -> usize {
    match config.mapping.max_input_size {
        0 => ins,
        limit => limit,
    }
}

/// Effective weights.
#[derive(Clone, Debug)]
pub(crate) enum Effective {
    /// The logical weight, divided by the mapping scales.
    Logical,
    /// Tile weights that a modifier has changed, as one matrix.
    Modified(Tensor),
    /// Tile weights that a modifier changes for each sample of the batch anew.
    PerSample {
        modifier: WeightModifierParameter,
        /// The modifier's key for each tile.
        keys: Vec<Key>,
    },
    /// The weights of the hardware's chip after programming and drift.
    Programmed,
    /// The weights of each tile's devices.
    Pulsed(Vec<Tensor>),
}

/// The key of a tile's modifier, derived from the key of a tape. All batches of an evaluation have the same key, and so
/// the same weights.
pub(crate) fn modifier_key(key: Key, tile: &Tile) -> Key {
    key.fold(tile.site).fold("modifier")
}

/// The contents of the tiles of a tile array.
pub(crate) struct Contents {
    hardware: Hardware,
    weight: Tensor,
    bias: Option<Tensor>,
    effective: Effective,
    training: bool,
    tiles: OnceLock<Vec<Tensor>>,
    logical: OnceLock<(Tensor, Option<Tensor>)>,
    timed: OnceLock<Vec<TimedArray>>,
    /// The prepared weights of each tile: for the first forward read, and for later reads if the first did not pack
    /// them.
    prepared: Vec<[OnceLock<Prepared>; 2]>,
}

impl Contents {
    /// The contents of tiles with a weight [out, in, …] and, if the tiles hold it, a bias.
    pub fn new(hardware: Hardware, weight: Tensor, bias: Option<Tensor>, effective: Effective, training: bool) -> Self {
        let (tiles, logical, timed) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let prepared = hardware.tiles.iter().map(|_| [OnceLock::new(), OnceLock::new()]).collect();
        Self { hardware, weight, bias, effective, training, tiles, logical, timed, prepared }
    }

    /// Returns `true` if these are the contents of tiles of that hardware and bias.
    pub fn fits(&self, hardware: &Hardware, bias: Option<&Tensor>) -> bool {
        let same_bias = match (&self.bias, bias) {
            (None, None) => true,
            (Some(a), Some(b)) => a.shares_storage(b),
            _ => false,
        };
        same_bias && self.hardware.is(hardware)
    }

    /// The weights of a tile, [outs, ins]; before the modifier, if that is drawn per sample.
    pub fn weights(&self, number: usize) -> &Tensor {
        let Hardware { grid, tiles, chip, .. } = &self.hardware;
        let all = || match &self.effective {
            Effective::Logical | Effective::PerSample { .. } => {
                let matrix = grid.matrix(&self.weight, self.bias.as_ref());
                tiles.iter().map(|tile| tile.stored(&matrix)).collect()
            }
            Effective::Modified(matrix) => tiles.iter().map(|tile| tile.rectangle(matrix)).collect(),
            Effective::Pulsed(weights) => weights.clone(),
            Effective::Programmed => {
                let chip = chip.as_ref().expect("programmed weights are on a chip");
                chip.tiles.iter().map(|on| on.present.clone()).collect()
            }
        };
        &self.tiles.get_or_init(all)[number]
    }

    /// The weight [outs, ins] and an analog bias that perfect reads use. If a modifier is drawn per sample, they are
    /// those before the modifier.
    pub fn logical(&self) -> (&Tensor, Option<&Tensor>) {
        let Hardware { grid, tiles, .. } = &self.hardware;
        let (w, bias) = self.logical.get_or_init(|| match self.effective {
            Effective::Logical | Effective::PerSample { .. } | Effective::Pulsed(_) => {
                (self.weight.reshape(&[grid.outs, grid.ins]), self.bias.clone())
            }
            Effective::Modified(_) | Effective::Programmed => {
                grid.weight_and_bias(grid.assemble(|i| tiles[i].logical(self.weights(i))))
            }
        });
        (w, bias.as_ref())
    }

    /// Returns `true` if the perfect reads of all tiles are together one product with the whole logical weight.
    pub fn is_one_matrix(&self) -> bool {
        match self.effective {
            Effective::Logical | Effective::Modified(_) | Effective::Pulsed(_) => true,
            Effective::PerSample { .. } | Effective::Programmed => false,
        }
    }

    /// Returns `true` if each sample has effective weights that differ from those of others.
    pub fn is_per_sample(&self) -> bool {
        matches!(self.effective, Effective::PerSample { .. })
    }

    /// The weights of a tile, prepared for a forward read of `rows` rows, if all samples have the same weights.
    pub fn prepared(&self, number: usize, rows: usize) -> &Prepared {
        let (io, pattern) = (&self.hardware.config.forward, &self.hardware.tiles[number].forward);
        let [first, others] = &self.prepared[number];
        let (w, mut is_first) = (self.weights(number), false);
        let prepared = first.get_or_init(|| {
            is_first = true;
            Prepared::for_once(w, io, pattern, rows)
        });
        if is_first || prepared.is_packed() { prepared } else { others.get_or_init(|| Prepared::new(w, io, pattern)) }
    }

    /// The tile for reads that are simulated over time, if configured; for weights that all samples share.
    pub fn timed(&self, number: usize) -> Option<&TimedArray> {
        self.hardware.timed_parameters(self.training)?;
        let all = || {
            let tile = |i| self.hardware.timed_array(i, self.weights(i), self.training);
            (0..self.hardware.tiles.len()).filter_map(tile).collect()
        };
        Some(&self.timed.get_or_init(all)[number])
    }

    /// Calls `read` for all rows of a tile at once, or sample by sample if samples have different weights, and joins
    /// the results. `rows` are the rows' numbers in the data set, `rows_per_sample` to a sample. `read` gets places
    /// among the rows, and the tile's weights for them.
    pub fn read_by_sample(
        &self,
        number: usize,
        rows: Range<usize>,
        rows_per_sample: usize,
        mut read: impl FnMut(Range<usize>, &Tensor) -> Tensor,
    ) -> Tensor {
        let w = self.weights(number);
        let (modifier, keys) = match &self.effective {
            Effective::PerSample { modifier, keys } if !rows.is_empty() => (modifier, keys),
            _ => return read(0..rows.len(), w),
        };
        let (mut parts, mut start) = (vec![], rows.start);
        while start < rows.end {
            // A block may begin or end inside of a sample.
            let sample = start / rows_per_sample;
            let end = rows.end.min((sample + 1) * rows_per_sample);
            parts.push(read(start - rows.start..end - rows.start, &modifier.apply(w, keys[number].fold(sample))));
            start = end;
        }
        Array::concat(&parts, 0)
    }
}
