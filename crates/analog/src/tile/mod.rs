//! Tiles: one logical weight, cut into rectangles that fit a crossbar.

mod mapping;
mod split;
mod state;

use std::ops::Range;
use std::sync::Arc;

use ohmgrad_autograd::{Param, Var};
use ohmgrad_tensor::{Array, Key, Tensor};

use crate::config::{InferenceRpuConfig, NoiseManagement};
use crate::error::Error;
use crate::mvm::{Direction, Pattern};
use crate::op;

pub use state::{TileArrayState, TileLayout, TilePlace};

/// One crossbar of a [`TileArray`]: a rectangle of the logical weight.
#[derive(Clone, Debug)]
pub struct Tile {
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

/// A weight [out, in] that lives on analog tiles.
///
/// The logical weight W is one parameter: optimizers, and everything that is exact, see it whole. Its tiles are
/// rectangles of it with mapping scales, fixed variations and noise of their own, which only analog reads consult.
///
/// ```
/// use ohmgrad_analog::{InferenceRpuConfig, TileArray};
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let w = Tensor::normal(&[3, 1000], Key::new(1));
/// let tiles = TileArray::new(w.clone(), None, &InferenceRpuConfig::default(), "fc", Key::new(2))?;
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
    /// The logical weight, [out, in].
    pub weight: Param,
    /// The learned output scales, if the mapping has them: [input parts, output parts], or [input parts, out] if
    /// column-wise.
    pub out_scaling: Option<Param>,
    /// The running means of AVERAGE_ABS_MAX, a forward and a backward one per tile, below 0 before the first row; of no
    /// elements where they are not used.
    pub averages: Param,
    pub(crate) tiles: Arc<Vec<Tile>>,
    pub(crate) config: Arc<InferenceRpuConfig>,
    analog_bias: bool,
}

impl TileArray {
    /// Puts a weight [out, in] on tiles, together with a bias [out] if the mapping wants it analog and one tile is enough
    /// for the weight (the bias of an array of tiles is always digital, as in the reference).
    ///
    /// `path` is the weight's place in its network; together with `key`, the hardware's, it determines the fixed
    /// variations, and it tells the noise of this array from that of others.
    ///
    /// # Errors
    /// If the configuration is not valid.
    ///
    /// # Panics
    /// If the weight is no matrix, or the bias does not have one element per output.
    pub fn new(
        weight: Tensor,
        bias: Option<&Tensor>,
        config: &InferenceRpuConfig,
        path: &str,
        key: Key,
    ) -> Result<Self, Error> {
        config.validate()?;
        assert!(weight.rank() == 2, "tiles: a weight of shape {:?} is no matrix", weight.shape());
        let mapping = &config.mapping;
        let ins = split::split(weight.shape()[1], mapping.max_input_size);
        let outs = split::split(weight.shape()[0], mapping.max_output_size);
        let single = ins.len() * outs.len() == 1;
        let analog_bias = bias.is_some() && !mapping.digital_bias && single;
        let mut tiles = vec![];
        for ins in &ins {
            for outs in &outs {
                let place = Key::new(0).fold("site").fold(path).fold(tiles.len());
                tiles.push(Tile::new(outs.clone(), ins.clone(), analog_bias, config, place, key));
            }
        }
        let scaling = scaling_shape(config, weight.shape()).map(|shape| Param::new(Tensor::full(&shape, 1.0)));
        let averages = Tensor::full(&averages_shape(config, tiles.len()), -1.0);
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

    /// The tiles, ordered by the inputs that they take, then by the outputs that they compute.
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
        let weight = op::with_bias(&self.weight.value, bias.filter(|_| self.analog_bias));
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
        op::forward(self, x, bias)
    }

    /// The weight and the factor of an analog bias [out] or of nothing: what a digital layer would hold, learned output
    /// scales included.
    pub fn to_digital(&self) -> (Tensor, Option<Tensor>) {
        let Some(scaling) = &self.out_scaling else { return (self.weight.value.clone(), None) };
        let outs = self.weight.value.shape()[0];
        let columns: Vec<Tensor> = self
            .input_parts()
            .enumerate()
            .map(|(part, tiles)| {
                let ins = tiles[0].ins.start..tiles[0].ins.end.min(self.weight.value.shape()[1]);
                let factor = op::expand_scaling(&scaling.value, part, tiles, outs).unsqueeze(1);
                &self.weight.value.slice(1, ins) * &factor
            })
            .collect();
        let of_bias = self.analog_bias.then(|| op::expand_scaling(&scaling.value, 0, &self.tiles, outs));
        (Array::concat(&columns, 1), of_bias)
    }

    /// The tiles that take the same inputs, for each part of the inputs.
    fn input_parts(&self) -> impl Iterator<Item = &[Tile]> {
        self.tiles.chunk_by(|a, b| a.ins == b.ins)
    }
}

/// The shape of the running means of AVERAGE_ABS_MAX.
fn averages_shape(config: &InferenceRpuConfig, tiles: usize) -> [usize; 2] {
    let averaging =
        [config.forward.noise_management, config.backward.noise_management].contains(&NoiseManagement::AverageAbsMax);
    [if averaging { tiles } else { 0 }, 2]
}

/// The shape of the learned output scales of a weight [out, in], if the mapping has them.
fn scaling_shape(config: &InferenceRpuConfig, weight: &[usize]) -> Option<[usize; 2]> {
    let mapping = &config.mapping;
    let parts = split::parts(weight[1], mapping.max_input_size);
    let columns =
        if mapping.out_scaling_columnwise { weight[0] } else { split::parts(weight[0], mapping.max_output_size) };
    mapping.learn_out_scaling.then_some([parts, columns])
}

impl Tile {
    fn new(
        outs: Range<usize>,
        ins: Range<usize>,
        analog_bias: bool,
        config: &InferenceRpuConfig,
        place: Key,
        hardware: Key,
    ) -> Self {
        let ins = ins.start..ins.end + usize::from(analog_bias);
        let site = place.to_words()[0];
        let key = hardware.fold(site);
        let mut tile =
            Self { outs, ins, scales: None, forward: Pattern::default(), backward: Pattern::default(), site, key };
        tile.forward = tile.draw(&config.forward, Direction::Forward);
        tile.backward = tile.draw(&config.backward.read(), Direction::Backward);
        tile
    }

    /// Draws this tile's fixed variations under given parameters.
    pub(crate) fn draw(&self, io: &crate::IoParameters, direction: Direction) -> Pattern {
        match direction {
            Direction::Forward => Pattern::draw(io, self.outs.len(), self.ins.len(), self.key.fold("forward")),
            Direction::Backward => Pattern::draw(io, self.ins.len(), self.outs.len(), self.key.fold("backward")),
        }
    }
}
