//! Tiles: one logical weight, cut into rectangles that fit a crossbar.

mod calibration;
mod chip;
mod clip;
mod input_range;
mod mapping;
mod modifier;
mod read_back;
mod remap;
mod split;
mod state;
mod step;

use std::ops::Range;
use std::sync::Arc;

use ohmgrad_autograd::{Param, Var};
use ohmgrad_tensor::{Array, ConvWindow, Key, Lowering, Tensor};

use crate::config::{InferenceRpuConfig, MappingParameter, NoiseManagement};
use crate::error::Error;
use crate::mvm::{Direction, Pattern};
use crate::op;

pub use calibration::{CalibratedRanges, Calibration, CalibrationMode};
pub use chip::{ProgrammedTile, ProgrammedTiles, WeakReadout};
pub use input_range::InputRanges;
pub(crate) use modifier::Modified;
pub use state::{ProgrammedLayout, TileArrayState, TileLayout, TilePlace};

/// One crossbar of a [`TileArray`]: a rectangle of the logical weight.
#[derive(Clone, Debug)]
pub struct Tile {
    /// The group of channels that it belongs to; 0 but for grouped convolutions.
    pub group: usize,
    /// The outputs that this tile computes.
    pub outs: Range<usize>,
    /// The inputs that it takes.
    pub ins: Range<usize>,
    /// The mapping scales s between logical and stored weight, `w = W/s`: [1, 1] or [outs, 1]; `None` for 1.
    pub scales: Option<Tensor>,
    /// Fixed variations of forward reads.
    pub forward: Pattern,
    /// Fixed variations of backward reads.
    pub backward: Pattern,
    /// What tells this tile's noise from that of all others: a function of its place in the network.
    pub(crate) site: u64,
    /// What fixed variations are drawn from.
    pub(crate) key: Key,
}

/// A weight [out, in], or that of a convolution [out, in, …kernel], that lives on analog tiles.
///
/// A kernel's entries are inputs of their own: the tiles hold the matrix [out, in · kernel]. The logical weight W is one parameter: optimizers, and everything that is exact, see it whole. Its tiles are
/// rectangles of it with mapping scales, fixed variations and noise of their own, which only analog reads consult.
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
/// assert_eq!(tiles.to_digital().0, w);
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
    /// The running means of AVERAGE_ABS_MAX, a forward and a backward one per tile, below 0 before the first row; of no
    /// elements where they are not used.
    pub averages: Param,
    /// The input range of each tile, if the configuration has them.
    pub input_ranges: Option<InputRanges>,
    pub(crate) tiles: Arc<Vec<Tile>>,
    pub(crate) config: Arc<InferenceRpuConfig>,
    analog_bias: bool,
    calibrating: Option<Box<calibration::Calibrating>>,
    /// What the chip that the weight was programmed onto has made of it.
    pub(crate) programmed: Option<Arc<ProgrammedTiles>>,
}

impl TileArray {
    /// Puts a weight [out, in, …] on tiles, together with its bias if the mapping wants it analog and one tile is
    /// enough for the weight. The bias of an array of tiles is always digital, as in the reference, where also a mapping
    /// that limits one size and not the other makes an array.
    ///
    /// In a grouped convolution each group of outputs has tiles of its own; otherwise `groups` is 1. `path` is the weight's
    /// place in its network; together with `key`, the hardware's, it determines the fixed variations, and it tells the
    /// noise of this array from that of others.
    ///
    /// # Errors
    /// If the configuration is not valid, or the bias is analog and there is an input range, which would scale it, or a
    /// straight-through backward.
    ///
    /// # Panics
    /// If the weight has fewer than two axes, its outputs can't be grouped so, or the bias does not have one element per
    /// output.
    pub fn new(
        weight: Tensor,
        groups: usize,
        bias: Option<&Tensor>,
        config: &InferenceRpuConfig,
        path: &str,
        key: Key,
    ) -> Result<Self, Error> {
        config.validate()?;
        let shape = weight.shape();
        check_columns(config, shape)?;
        assert!(
            shape.len() >= 2 && groups > 0 && shape[0].is_multiple_of(groups),
            "tiles: a weight of shape {shape:?} in {groups} groups"
        );
        let analog_bias = bias.is_some() && may_hold_bias(config, shape, groups);
        if analog_bias {
            refuse_analog_bias(config)
                .map_err(|reason| Error::Convert { layer: path.into(), reason: reason.into() })?;
        }
        let tile = |(i, Rectangle { group, outs, ins })| {
            let place = Key::new(0).fold("site").fold(path).fold(i);
            Tile::new(group, outs, ins.start..ins.end + usize::from(analog_bias), config, place, key)
        };
        let tiles: Vec<Tile> = rectangles(config, shape, groups).into_iter().enumerate().map(tile).collect();
        let scaling = scaling_shape(config, shape, groups).map(|shape| Param::new(Tensor::full(&shape, 1.0)));
        let averages = Tensor::full(&averages_shape(config, tiles.len()), -1.0);
        let mut array = Self {
            weight: Param::new(weight),
            out_scaling: scaling,
            averages: Param::new(averages),
            input_ranges: InputRanges::new(config, tiles.len()),
            tiles: Arc::new(tiles),
            config: Arc::new(config.clone()),
            analog_bias,
            calibrating: None,
            programmed: None,
        };
        array.map_anew(bias, &config.mapping);
        Ok(array)
    }

    /// The tiles, ordered by group, by the inputs that they take, then by the outputs that they compute.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The tiles, for replacing their fixed variations.
    pub fn tiles_mut(&mut self) -> &mut [Tile] {
        Arc::<Vec<Tile>>::make_mut(&mut self.tiles)
    }

    /// The configuration.
    pub fn config(&self) -> &InferenceRpuConfig {
        &self.config
    }

    /// Whether the bias is a column of the (single) tile.
    pub fn has_analog_bias(&self) -> bool {
        self.analog_bias
    }

    /// Replaces the logical weight, recomputes the mapping scales, and sets learned output scales to 1. An analog bias
    /// counts as a column of the weight. Tiles that were programmed are so no more.
    ///
    /// # Panics
    /// If the shape differs from that of the weight so far.
    pub fn set_weight(&mut self, weight: Tensor, bias: Option<&Tensor>) {
        let old = self.weight.value.shape();
        assert!(weight.shape() == old, "set_weight: shape {:?}, the tiles hold {old:?}", weight.shape());
        self.weight.value = weight;
        if let Some(scaling) = &mut self.out_scaling {
            scaling.value = Tensor::full(scaling.value.shape(), 1.0);
        }
        let config = Arc::clone(&self.config);
        self.map_anew(bias, &config.mapping);
    }

    fn map_anew(&mut self, bias: Option<&Tensor>, mapping: &MappingParameter) {
        self.programmed = None;
        let weight = op::with_bias(&op::as_matrix(&self.weight.value), bias.filter(|_| self.analog_bias));
        for tile in Arc::make_mut(&mut self.tiles) {
            tile.scales = mapping::scales(mapping, &tile.rectangle(&weight));
        }
    }

    /// The product of rows `x` [batch, in] with the weight, as the tape operation [`AnalogMvm`](crate::AnalogMvm); with an
    /// analog bias that is given here.
    ///
    /// # Panics
    /// If `x` does not fit the weight, or the tiles hold a bias and none is given.
    pub fn forward<'t>(&self, x: Var<'t>, bias: Option<Var<'t>>) -> Var<'t> {
        self.forward_rows(x, 1, bias)
    }

    /// As [`forward`](Self::forward), for inputs that have so many rows for each sample of the batch: in evaluation the
    /// noise of a row depends on its sample's number in the data set, and on its own in the sample.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_rows<'t>(&self, x: Var<'t>, per_sample: usize, bias: Option<Var<'t>>) -> Var<'t> {
        op::forward(self, Lowering::Rows { per_sample }, x, bias)
    }

    /// The convolution of `x` [batch, in, …] with the weight: one analog read for each patch. Otherwise as
    /// [`forward`](Self::forward).
    ///
    /// # Panics
    /// If `x` and the window do not fit the weight, or the tiles hold a bias and none is given.
    pub fn convolve<'t>(&self, x: Var<'t>, window: ConvWindow, bias: Option<Var<'t>>) -> Var<'t> {
        let (shape, weight) = (x.shape(), self.weight.value.shape());
        assert!(
            shape.len() == weight.len() && weight[2..] == window.kernel[(5 - shape.len().min(5))..],
            "tiles: a window of {:?} over {shape:?} with a weight of {weight:?}",
            window.kernel
        );
        op::forward(self, Lowering::patches(window, self.groups(), &shape), x, bias)
    }

    /// Groups of channels: 1 but for grouped convolutions.
    pub(crate) fn groups(&self) -> usize {
        self.tiles.last().map_or(1, |tile| tile.group + 1)
    }

    /// The weight, and the factor of an analog bias if there is one: what a digital layer would hold, learned output
    /// scales included.
    pub fn to_digital(&self) -> (Tensor, Option<Tensor>) {
        let weight = &self.weight.value;
        let Some(scaling) = &self.out_scaling else { return (weight.clone(), None) };
        let matrix = op::as_matrix(weight);
        let (outs, ins) = (matrix.shape()[0], matrix.shape()[1]);
        let lists: Vec<&[Tile]> = self.tiles.chunk_by(Tile::same_inputs).collect();
        let per_group = lists.len() / lists.last().map_or(1, |tiles| tiles[0].group + 1);
        let factor = |(i, tiles): (usize, &&[Tile])| {
            op::learned_row(&scaling.value, outs, i % per_group, i / per_group, tiles).t()
        };
        let factors: Vec<Tensor> = lists.iter().enumerate().map(factor).collect();
        let rows: Vec<Tensor> = lists
            .chunks(per_group)
            .zip(factors.chunks(per_group))
            .map(|(lists, factors)| {
                let columns: Vec<Tensor> = lists
                    .iter()
                    .zip(factors)
                    .map(|(tiles, factor)| {
                        let outs = tiles[0].outs.start..tiles[tiles.len() - 1].outs.end;
                        &matrix.slice(0, outs).slice(1, tiles[0].digital_ins(ins)) * factor
                    })
                    .collect();
                Array::concat(&columns, 1)
            })
            .collect();
        let of_bias = self.analog_bias.then(|| factors[0].reshape(&[outs]));
        (Array::concat(&rows, 0).reshape(weight.shape()), of_bias)
    }
}

/// The place of a tile in a logical weight.
struct Rectangle {
    group: usize,
    outs: Range<usize>,
    ins: Range<usize>,
}

/// How many parts a weight [out, in, …] is cut into: along the inputs, and along the outputs of a group.
fn parts(config: &InferenceRpuConfig, weight: &[usize], groups: usize) -> [usize; 2] {
    let mapping = &config.mapping;
    let ins = split::parts(weight[1..].iter().product(), mapping.max_input_size);
    [ins, split::parts(weight[0] / groups, mapping.max_output_size)]
}

/// The tiles of a weight [out, in, …], ordered by group, inputs, outputs.
fn rectangles(config: &InferenceRpuConfig, weight: &[usize], groups: usize) -> Vec<Rectangle> {
    let (mapping, per_group) = (&config.mapping, weight[0] / groups);
    let all_ins = split::split(weight[1..].iter().product(), mapping.max_input_size);
    let all_outs = split::split(per_group, mapping.max_output_size);
    let mut rectangles = vec![];
    for group in 0..groups {
        let first = group * per_group;
        for ins in &all_ins {
            for outs in &all_outs {
                let outs = first + outs.start..first + outs.end;
                rectangles.push(Rectangle { group, outs, ins: ins.clone() });
            }
        }
    }
    rectangles
}

/// The devices in a column of a tile with so many inputs: unused ones lie before and behind.
pub(crate) fn column(config: &InferenceRpuConfig, ins: usize) -> usize {
    match config.mapping.max_input_size {
        0 => ins,
        limit => limit,
    }
}

/// A column without a limit is as long as the tile has inputs, and only then is it known whether segments fit.
fn check_columns(config: &InferenceRpuConfig, weight: &[usize]) -> Result<(), Error> {
    let ins = weight[1..].iter().product();
    match config.forward.ir_drop_t.filter(|_| !config.forward.is_ideal()) {
        Some(timed) if !column(config, ins).is_multiple_of(timed.ir_drop_segments as usize) => {
            Err(timed.indivisible("forward", format!("the tile's {ins} inputs")))
        }
        _ => Ok(()),
    }
}

/// Whether a bias may be a column of the tile: there is but one, and the mapping does not say digital. As in the
/// reference, one limit of 0 alone makes an array, if of one tile.
fn may_hold_bias(config: &InferenceRpuConfig, weight: &[usize], groups: usize) -> bool {
    let mapping = &config.mapping;
    let array = (mapping.max_input_size == 0) != (mapping.max_output_size == 0);
    !mapping.digital_bias && !array && groups == 1 && parts(config, weight, groups) == [1, 1]
}

/// Why a bias can't be a column of a tile under a configuration.
fn refuse_analog_bias(config: &InferenceRpuConfig) -> Result<(), &'static str> {
    if config.pre_post.input_range.enable {
        return Err("an analog bias with an input range would be scaled by it; say mapping.digital_bias = true");
    }
    if config.backward.straight_through {
        return Err("an analog bias has no straight-through gradient; say mapping.digital_bias = true");
    }
    Ok(())
}

/// The shape of the running means of AVERAGE_ABS_MAX.
fn averages_shape(config: &InferenceRpuConfig, tiles: usize) -> [usize; 2] {
    let averaging =
        [config.forward.noise_management, config.backward.noise_management].contains(&NoiseManagement::AverageAbsMax);
    [if averaging { tiles } else { 0 }, 2]
}

/// The shape of the learned output scales of a weight [out, in, …], if the mapping has them.
fn scaling_shape(config: &InferenceRpuConfig, weight: &[usize], groups: usize) -> Option<[usize; 2]> {
    let mapping = &config.mapping;
    let [ins, outs] = parts(config, weight, groups);
    mapping.learn_out_scaling.then_some([ins, if mapping.out_scaling_columnwise { weight[0] } else { groups * outs }])
}

impl Tile {
    fn new(
        group: usize,
        outs: Range<usize>,
        ins: Range<usize>,
        config: &InferenceRpuConfig,
        place: Key,
        hardware: Key,
    ) -> Self {
        // Another chip has other noise, also where both are used on one tape.
        let [site, _] = hardware.fold(place.to_words()[0]).to_words();
        let key = hardware.fold("variations").fold(site);
        let none = Pattern::default;
        let mut tile = Self { group, outs, ins, scales: None, forward: none(), backward: none(), site, key };
        tile.forward = tile.draw(&config.forward, Direction::Forward);
        tile.backward = tile.draw(&config.backward.read(), Direction::Backward);
        tile
    }

    /// Whether two neighbouring tiles take the same inputs of the same group.
    pub(crate) fn same_inputs(&self, other: &Self) -> bool {
        self.group == other.group && self.ins == other.ins
    }

    /// The inputs without the constant one of an analog bias, for a weight with `ins` columns.
    pub(crate) fn digital_ins(&self, ins: usize) -> Range<usize> {
        self.ins.start..self.ins.end.min(ins)
    }

    /// Draws this tile's fixed variations under given parameters.
    pub(crate) fn draw(&self, io: &crate::IoParameters, direction: Direction) -> Pattern {
        match direction {
            Direction::Forward => Pattern::draw(io, self.outs.len(), self.ins.len(), self.key.fold("forward")),
            Direction::Backward => Pattern::draw(io, self.ins.len(), self.outs.len(), self.key.fold("backward")),
        }
    }
}
