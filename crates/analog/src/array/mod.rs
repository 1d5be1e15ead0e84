//! The tile array of one weight, and its changes between calls: mapping, programming, calibration, other
//! configurations, updates by pulses, clipping, remapping. Reads without a tape are here too.

mod calibration;
mod chip;
mod clip;
mod device_summary;
mod input_range;
mod mapping;
mod out_scaling;
mod reconfigure;
mod remap;
mod step;
mod tapeless;
mod update;
mod weights;

use std::sync::Arc;

use ohmgrad_autograd::Param;
use ohmgrad_tensor::{Key, Tensor};

use crate::config::{InferenceRpuConfig, MappingParameter, RpuConfig};
use crate::error::Error;
use crate::tile::{self, Grid, Hardware, Tile, column_length, grid, running_mean};

pub use calibration::CalibratedRanges;
pub(crate) use chip::check_time;
pub use device_summary::DeviceSummary;
pub use input_range::InputRanges;
pub(crate) use update::Pulsed;
pub use update::{CallPairs, UpdateStatistics};

/// A weight [out, in], or that of a convolution [out, in, …kernel], on analog tiles.
///
/// The entries of a kernel are inputs: the tiles hold the matrix [out, in · kernel]. The logical weight W is one
/// parameter: optimizers, and all exact computations, use it whole. Its tiles are rectangles of it with mapping scales,
/// fixed variations and noise, which only analog reads use.
///
/// ```
/// use ohmgrad_analog::{InferenceRpuConfig, TileArray};
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let w = Tensor::normal(&[3, 1000], Key::new(1));
/// let tiles = TileArray::new(w.clone(), 1, None, &InferenceRpuConfig::default(), "fc", Key::new(2))?;
/// assert_eq!(tiles.tiles().len(), 2);
///
/// let tape = Tape::eval(Key::new(3));
/// let y = tiles.forward(tape.constant(Tensor::normal(&[5, 1000], Key::new(4))), None);
/// assert_eq!(y.shape().as_slice(), [5, 3]);
/// assert_eq!(tiles.effective_weights(None).0, w);
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TileArray {
    /// The logical weight, [out, in, …]. Training writes it in place; to put another weight on the tiles, use
    /// [`set_weight`](Self::set_weight), which maps it anew.
    pub weight: Param,
    /// The learned output scales, if the mapping has them: [input parts, output parts of all groups], or [input parts,
    /// out] if column-wise.
    pub out_scaling: Option<Param>,
    /// The running means of AVERAGE_ABS_MAX, [tiles, 2], forward and backward: below 0 before the first row; without
    /// elements if neither this configuration nor an earlier one uses them.
    pub averages: Param,
    /// The input range of each tile, if this configuration or an earlier one has them.
    pub input_ranges: Option<InputRanges>,
    pub(crate) hardware: Hardware,
    /// The devices, if the weight trains by pulses.
    pub(crate) pulsed: Option<Box<Pulsed>>,
    pub(crate) calibrating: Option<Box<calibration::Calibrating>>,
}

impl TileArray {
    /// Puts a weight [out, in, …] on tiles, together with its bias if the mapping makes the bias analog and one tile
    /// holds the weight. As in the reference, the bias is digital with several tiles, and with one tile if the mapping
    /// limits only one of its two sizes.
    ///
    /// In a grouped convolution each group of outputs has separate tiles; otherwise `groups` is 1. `path` is the
    /// weight's place in its network, and `key` is the key of the hardware. Both determine the fixed variations and the
    /// sites, by which the noise of these tiles differs from that of others.
    ///
    /// Under a configuration that trains on the chip, devices are drawn and set to the weight as far as their bounds
    /// allow: `weight` then holds the weight of the devices, and [`effective_weights`](Self::effective_weights) returns
    /// their bias too.
    ///
    /// # Errors
    /// If the configuration is not valid, or the bias is analog and there is an input range (which would scale it) or a
    /// straight-through backward.
    ///
    /// # Panics
    /// If the weight has fewer than two axes, its outputs can't be divided into `groups`, or the bias does not have one
    /// element per output.
    pub fn new(
        weight: Tensor,
        groups: usize,
        bias: Option<&Tensor>,
        config: impl Into<RpuConfig>,
        path: &str,
        key: Key,
    ) -> Result<Self, Error> {
        let rpu = config.into();
        rpu.validate()?;
        let config = &rpu.reads();
        let shape = weight.shape();
        assert!(
            shape.len() >= 2 && groups > 0 && shape[0].is_multiple_of(groups),
            "tiles: a weight of shape {shape:?} in {groups} groups"
        );
        check_columns(config, shape)?;
        let has_bias = bias.is_some() && grid::may_hold_bias(&config.mapping, shape, groups);
        if has_bias {
            refuse_analog_bias(config)
                .map_err(|reason| Error::Convert { layer: path.into(), reason: reason.into() })?;
        }
        let (grid, rectangles) = Grid::cut(&config.mapping, shape, groups, has_bias);
        let tile = |(i, rectangle)| Tile::new(rectangle, config, Key::new(0).fold("site").fold(path).fold(i), key);
        let tiles: Vec<Tile> = rectangles.into_iter().enumerate().map(tile).collect();
        let scaling = tile::out_scaling::shape(&config.mapping, shape, groups);
        let pulsed = Pulsed::new(&rpu, &grid, &tiles)?.map(Box::new);
        let mut array = Self {
            weight: Param::new(weight),
            out_scaling: scaling.map(|shape| Param::new(Tensor::full(&shape, 1.0))),
            averages: Param::new(Tensor::full(&running_mean::shape(config, tiles.len()), -1.0)),
            input_ranges: InputRanges::new(config, tiles.len()),
            hardware: Hardware {
                grid: Arc::new(grid),
                tiles: Arc::new(tiles),
                config: Arc::new(config.clone()),
                chip: None,
            },
            pulsed,
            calibrating: None,
        };
        array.map_anew(bias, &config.mapping);
        Ok(array)
    }

    /// The tiles, ordered by group, by the inputs that they take, then by the outputs that they compute.
    pub fn tiles(&self) -> &[Tile] {
        &self.hardware.tiles
    }

    /// The tiles, for replacing their fixed variations.
    pub fn tiles_mut(&mut self) -> &mut [Tile] {
        Arc::<Vec<Tile>>::make_mut(&mut self.hardware.tiles)
    }

    /// The configuration.
    pub fn config(&self) -> &InferenceRpuConfig {
        &self.hardware.config
    }

    /// Returns `true` if the bias is a column of the (single) tile.
    pub fn has_analog_bias(&self) -> bool {
        self.hardware.grid.has_bias
    }

    /// Replaces the logical weight, recomputes the mapping scales, and sets learned output scales to 1. An analog bias
    /// counts as a column of the weight. Programmed tiles are no longer programmed afterwards.
    ///
    /// # Panics
    /// If the shape differs from that of the weight so far.
    pub fn set_weight(&mut self, weight: Tensor, bias: Option<&Tensor>) {
        let old = self.weight.value.shape();
        assert!(weight.shape() == old, "set_weight: shape {:?}, the tiles hold {old:?}", weight.shape());
        self.weight.value = weight;
        self.reset_out_scaling();
        let config = Arc::clone(&self.hardware.config);
        self.map_anew(bias, &config.mapping);
    }

    fn map_anew(&mut self, bias: Option<&Tensor>, mapping: &MappingParameter) {
        let hardware = &mut self.hardware;
        hardware.chip = None;
        let matrix = hardware.grid.matrix(&self.weight.value, bias);
        for tile in Arc::make_mut(&mut hardware.tiles) {
            tile.scales = mapping::scales(mapping, &tile.rectangle(&matrix));
        }
        self.set_devices(matrix);
    }
}

impl TileArray {
    /// The parameters of the array, by their names in a [`TileArrayState`](crate::TileArrayState).
    pub fn params(&self) -> impl Iterator<Item = (&'static str, &Param)> {
        let scaling = self.out_scaling.as_ref().map(|scaling| ("out_scaling", scaling));
        let range = self.learned_range().map(|range| ("input_range", range));
        [("weight", &self.weight)].into_iter().chain(scaling).chain(range)
    }

    /// The weight, and other tensors that training changes: name, tensor, and `true` if an optimizer trains it (in the
    /// order of [`params`](Self::params)), `false` for state.
    pub fn slots_mut(&mut self) -> (&mut Param, Vec<(&'static str, &mut Param, bool)>) {
        let learned = self.learned_range().is_some();
        let mut others = vec![];
        others.extend(self.out_scaling.as_mut().map(|param| ("out_scaling", param, true)));
        let mut buffers = vec![];
        if let Some(ranges) = &mut self.input_ranges {
            others.push(("input_range", &mut ranges.values, learned));
            buffers.push(("input_range_calls", &mut ranges.calls, false));
        }
        if !self.averages.value.is_empty() {
            buffers.push(("averages", &mut self.averages, false));
        }
        others.extend(buffers);
        (&mut self.weight, others)
    }
}

/// Checks that the number of IR-drop segments divides the number of devices in a column: `max_input_size`, or without
/// it the tile's inputs.
pub(crate) fn check_columns(config: &InferenceRpuConfig, weight: &[usize]) -> Result<(), Error> {
    let ins = weight[1..].iter().product();
    match config.forward.ir_drop_t.filter(|_| !config.forward.is_ideal()) {
        Some(timed) if !column_length(config, ins).is_multiple_of(timed.ir_drop_segments as usize) => {
            Err(timed.indivisible("forward", format!("the tile's {ins} inputs")))
        }
        _ => Ok(()),
    }
}

/// The reason why a bias can't be a column of a tile under a configuration.
pub(crate) fn refuse_analog_bias(config: &InferenceRpuConfig) -> Result<(), &'static str> {
    if config.pre_post.input_range.enable {
        return Err("an analog bias with an input range would be scaled by it; say mapping.digital_bias = true");
    }
    if config.backward.straight_through {
        return Err("an analog bias has no straight-through gradient; say mapping.digital_bias = true");
    }
    Ok(())
}
