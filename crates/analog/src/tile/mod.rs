//! Tiles: one logical weight, cut into rectangles that fit a crossbar.

mod mapping;
mod split;

use std::ops::Range;
use std::sync::Arc;

use ohmgrad_autograd::{Param, Var};
use ohmgrad_tensor::{Array, Key, Lowering, Tensor, Window};

use crate::config::{InferenceRpuConfig, NoiseManagement};
use crate::error::Error;
use crate::mvm::{Direction, Pattern};
use crate::op;

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
    /// The logical weight, [out, in, …].
    pub weight: Param,
    /// The learned output scales, if the mapping has them: [input parts, output parts of all groups], or [input parts,
    /// out] if column-wise.
    pub out_scaling: Option<Param>,
    /// The running means of AVERAGE_ABS_MAX, a forward and a backward one per tile, below 0 before the first row; of no
    /// elements where they are not used.
    pub averages: Param,
    pub(crate) tiles: Arc<Vec<Tile>>,
    pub(crate) config: Arc<InferenceRpuConfig>,
    analog_bias: bool,
}

impl TileArray {
    /// Puts a weight [out, in, …] on tiles, together with a bias [out] if the mapping wants it analog and one tile is
    /// enough for the weight (the bias of an array of tiles is always digital, as in the reference).
    ///
    /// In a grouped convolution each group of outputs has tiles of its own; otherwise `groups` is 1. `path` is the weight's
    /// place in its network; together with `key`, the hardware's, it determines the fixed variations, and it tells the
    /// noise of this array from that of others.
    ///
    /// # Errors
    /// If the configuration is not valid.
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
        assert!(
            shape.len() >= 2 && groups > 0 && shape[0].is_multiple_of(groups),
            "tiles: a weight of shape {shape:?} in {groups} groups"
        );
        let (outs_all, ins_all) = (shape[0], shape[1..].iter().product());
        let mapping = &config.mapping;
        let ins = split::split(ins_all, mapping.max_input_size);
        let outs = split::split(outs_all / groups, mapping.max_output_size);
        let single = groups * ins.len() * outs.len() == 1;
        let analog_bias = bias.is_some() && !mapping.digital_bias && single;
        let mut tiles = vec![];
        for group in 0..groups {
            let first = group * (outs_all / groups);
            for ins in &ins {
                for outs in &outs {
                    let place = Key::new(0).fold("site").fold(path).fold(tiles.len());
                    let outs = first + outs.start..first + outs.end;
                    let ins = ins.start..ins.end + usize::from(analog_bias);
                    tiles.push(Tile::new(group, outs, ins, config, place, key));
                }
            }
        }
        let scaling = mapping.learn_out_scaling.then(|| {
            let columns = if mapping.out_scaling_columnwise { outs_all } else { groups * outs.len() };
            Param::new(Tensor::full(&[ins.len(), columns], 1.0))
        });
        let averaging = [config.forward.noise_management, config.backward.noise_management]
            .contains(&NoiseManagement::AverageAbsMax);
        let averages = Tensor::full(&[if averaging { tiles.len() } else { 0 }, 2], -1.0);
        let mut array = Self {
            weight: Param::new(weight),
            out_scaling: scaling,
            averages: Param::new(averages),
            tiles: Arc::new(tiles),
            config: Arc::new(config.clone()),
            analog_bias,
        };
        array.remap(bias);
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
    /// counts as a column of the weight.
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
        self.remap(bias);
    }

    fn remap(&mut self, bias: Option<&Tensor>) {
        let weight = op::with_bias(&op::as_matrix(&self.weight.value), bias.filter(|_| self.analog_bias));
        for tile in Arc::make_mut(&mut self.tiles) {
            let part = weight.slice(0, tile.outs.clone()).slice(1, tile.ins.clone());
            tile.scales = mapping::scales(&self.config.mapping, &part);
        }
    }

    /// The product of rows `x` [batch, in] with the weight, as the tape operation [`AnalogMvm`](crate::AnalogMvm); with an
    /// analog bias that is given here.
    ///
    /// # Panics
    /// If `x` does not fit the weight, or the tiles hold a bias and none is given.
    pub fn forward<'t>(&self, x: Var<'t>, bias: Option<Var<'t>>) -> Var<'t> {
        op::forward(self, Lowering::Rows, x, bias)
    }

    /// The convolution of `x` [batch, in, …] with the weight: one analog read for each patch. Otherwise as
    /// [`forward`](Self::forward).
    ///
    /// # Panics
    /// If `x` and the window do not fit the weight, or the tiles hold a bias and none is given.
    pub fn convolve<'t>(&self, x: Var<'t>, window: Window, bias: Option<Var<'t>>) -> Var<'t> {
        let groups = self.tiles.last().map_or(1, |tile| tile.group + 1);
        op::forward(self, Lowering::patches(window, groups, &x.shape()), x, bias)
    }

    /// The weight and the factor of an analog bias [out] or of nothing: what a digital layer would hold, learned output
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

impl Tile {
    fn new(
        group: usize,
        outs: Range<usize>,
        ins: Range<usize>,
        config: &InferenceRpuConfig,
        place: Key,
        hardware: Key,
    ) -> Self {
        let site = place.to_words()[0];
        let key = hardware.fold(site);
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
