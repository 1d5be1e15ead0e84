//! The operation that the project exists for: an analog product on a tape, whose backward consults its parameters.

mod gradients;
mod input_range;
mod operands;
mod parts;
mod straight_through;

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ohmgrad_autograd::{Back, Id, Op, Tape, Var};
use ohmgrad_tensor::{Array, Key, Lowering, Tensor, product};

use crate::config::{
    BackwardIoParameters, InferenceRpuConfig, IoParameters, IrDropT, NoiseManagement, WeightModifierParameter,
};
use crate::mvm::{self, Direction, Mvm, Pattern, TimedArray};
use crate::observed::Counting;
use crate::tile::{self, Modified, ProgrammedTiles, Tile, TileArray};
use operands::Operands;
use parts::{join, paste, scaled, sum};

pub(crate) use parts::{as_matrix, learned_row, with_bias, with_ones};

/// A batch times weights on tiles: one analog read for each row, or for each patch of a convolution.
///
/// | gradient | what is computed |
/// |---|---|
/// | input | perfect: `d·W`; analog: a read of `Wᵀ` under the *backward* parameters, with noise of its own |
/// | weight | `dᵀ·x`, exact: converters and noise pass straight through |
/// | analog bias | `Σ d`, exact |
/// | learned output scales | `Σ d·y`, with y the output before them; in the other gradients `d` is `scale·d` |
/// | input range | what the inputs beyond it would gain, and its decay; see [`InputRangeParameter`](crate::config::InputRangeParameter) |
///
/// With an input range ±r the x of the weight's gradient is cut to it. A weight modifier changes the weights that both
/// reads see, perfect ones too, and has no part in the weight's gradient. With `straight_through` all gradients are those
/// of differentiating the forward read instead.
///
/// Reads of a programmed chip see its weights instead, perfect ones too, and in evaluation its drift compensation scales
/// their outputs. Gradients go through it to the inputs; its weights, which no optimizer reaches, get none.
///
/// With `mask_saturated`, `d` is 0 for the input gradient wherever the forward output counts as
/// [saturated](mvm::saturated), as it always is in the reference.
///
/// The forward read is a function of its inputs and key. What a backward needs of it beyond the output (which outputs were
/// saturated; the outputs before learned scales) it reads again instead of keeping it.
///
/// The operation looks for a setting of type [`BackwardIoParameters`], so that
/// [`Var::backward_under`](ohmgrad_autograd::Var::backward_under) repeats a backward under other ones.
pub struct AnalogMvm {
    lowering: Lowering,
    tiles: Arc<Vec<Tile>>,
    config: Arc<InferenceRpuConfig>,
    chip: Option<Arc<ProgrammedTiles>>,
    /// One for each tile: the call's.
    keys: Vec<Key>,
    first_row: usize,
    weight: Id,
    places: Places,
    /// The input range of each tile at this call.
    ranges: Option<Vec<f32>>,
    /// A modifier that each sample of the batch has a draw of its own of.
    per_sample: Option<PerSample>,
    averages: Id,
    /// The running means as they were before the forward.
    averages_before: Tensor,
    training: bool,
    observed: bool,
}

/// How much a backward masked: found in the gradients by [`deposited`](ohmgrad_autograd::Gradients::deposited), one for
/// each call of a layer whose backward masks and whose input gradient is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saturation {
    /// Outputs of tiles that were masked.
    pub masked: usize,
    /// Outputs of tiles.
    pub outputs: usize,
}

/// Places of the operation's inputs that are always there.
const X: usize = 0;
const W: usize = 1;

/// Places of those that may be.
#[derive(Clone, Copy, Default)]
struct Places {
    /// An analog bias.
    bias: Option<usize>,
    /// Learned output scales.
    scaling: Option<usize>,
    /// Learned input ranges.
    range: Option<usize>,
    /// The tile weights that reads see instead of the stored ones, as one matrix [out, in].
    seen: Option<usize>,
}

struct PerSample {
    modifier: WeightModifierParameter,
    /// One for each tile.
    keys: Vec<Key>,
}

pub(crate) fn forward<'t>(array: &TileArray, lowering: Lowering, x: Var<'t>, bias: Option<Var<'t>>) -> Var<'t> {
    let tape = x.tape();
    let before = tape.state(array.averages.id(), &array.averages.value);
    // What is on a chip is no parameter: devices do not follow gradients.
    let chip = array.programmed.clone();
    let weight = match &chip {
        None => tape.param(&array.weight),
        Some(chip) if tape.is_training() => tape.constant(array.programmed_weight(chip)),
        Some(_) => tape.constant(array.weight.value.clone()),
    };
    let mut inputs = vec![x, weight];
    let mut place = |input: Option<Var<'t>>| {
        inputs.extend(input);
        input.map(|_| inputs.len() - 1)
    };
    let bias = array.has_analog_bias().then(|| bias.expect("tiles: the bias is on the tile, and the forward needs it"));
    let bias = bias.map(|bias| if chip.is_some() { tape.constant(bias.value()) } else { bias });
    let modifier = array.modifier(tape).filter(|_| chip.is_none());
    let seen = modifier.filter(|modifier| !modifier.per_batch_sample);
    let places = Places {
        bias: place(bias),
        scaling: place(array.out_scaling.as_ref().map(|param| tape.param(param))),
        range: place(array.learned_range().map(|param| tape.param(param))),
        seen: place(seen.map(|modifier| modified(array, modifier, tape, bias))),
    };
    let keys: Vec<Key> = array.tiles.iter().map(|tile| tape.call_key(tile.site)).collect();
    let per_sample = modifier.filter(|modifier| modifier.per_batch_sample).map(|modifier| PerSample {
        modifier: modifier.clone(),
        keys: array.tiles.iter().map(|tile| modifier_key(tape, tile)).collect(),
    });
    let op = AnalogMvm {
        first_row: tape.first_row() * lowering.rows_per_sample(),
        ranges: array.ranges(tape, &lowering, &x.value(), &keys),
        lowering,
        tiles: Arc::clone(&array.tiles),
        config: Arc::clone(&array.config),
        chip,
        keys,
        weight: array.weight.id(),
        places,
        per_sample,
        averages: array.averages.id(),
        averages_before: before.clone(),
        training: tape.is_training(),
        observed: tape.is_observed(),
    };
    let values: Vec<Tensor> = inputs.iter().map(|input| input.value()).collect();
    let mut operands = op.operands(|input| &values[input]);
    operands.forward_counting = op.observed.then(|| Counting::new(op.tiles.len()));
    op.check(&operands);
    let averages = Mutex::new(before);
    let y = op.lowering.forward(operands.x, operands.w.shape()[0], op.averages_forward(), |group, rows, first| {
        if op.config.forward.is_ideal() && operands.scaling.is_none() && !op.each_tile_differs() {
            let (w, bias) = operands.exact(&op.tiles);
            return op.perfect(rows, &op.part(w, group), bias);
        }
        sum(op.scaled_parts(&operands, group, op.read(&operands, group, rows, first, &averages)))
    });
    let averages = averages.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !averages.is_empty() {
        tape.set_state(op.averages, averages);
    }
    if let Some(counting) = operands.forward_counting.take() {
        tape.observe(op.weight, counting.finish(Direction::Forward));
    }
    drop(operands);
    tape.push(y, &inputs, op)
}

/// The tile weights that reads on this tape see, made by the first of them.
fn modified<'t>(
    array: &TileArray,
    modifier: &WeightModifierParameter,
    tape: &'t Tape,
    bias: Option<Var<'t>>,
) -> Var<'t> {
    tape.once(array.weight.id(), || {
        let weight = tape.param(&array.weight);
        let bias_value = bias.map(|bias| bias.value());
        let w = with_bias(&as_matrix(&weight.value()), bias_value.as_ref());
        let mut seen = Tensor::full(w.shape(), 0.0);
        for tile in array.tiles.iter() {
            paste(&mut seen, tile, &modifier.apply(&tile.stored(&w), modifier_key(tape, tile)));
        }
        let parents: Vec<Var<'t>> = [weight].into_iter().chain(bias).collect();
        tape.push(seen, &parents, Modified(modifier.clone()))
    })
}

/// All batches of an evaluation have one key, and so see the same weights.
fn modifier_key(tape: &Tape, tile: &Tile) -> Key {
    tape.key().fold(tile.site).fold("modifier")
}

impl Op for AnalogMvm {
    fn name(&self) -> &'static str {
        "analog_mvm"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        let mut said = vec![("forward:", self.config.forward.summary()), ("backward:", self.config.backward.summary())];
        if self.tiles.len() > 1 {
            said.push(("tiles:", self.tiles.len().to_string()));
        }
        said.extend(self.ranges.as_ref().map(|ranges| ("input range:", self.said_of(ranges))));
        said.extend(self.per_sample.as_ref().map(|each| ("modifier:", each.modifier.summary())));
        said
    }

    fn backward(&self, cx: &mut Back<'_>) {
        let backward = cx.setting::<BackwardIoParameters>().unwrap_or(&self.config.backward);
        let (d, mut operands) = (cx.grad, self.operands(|input| cx.input(input)));
        if backward.straight_through {
            return self.straight_through(cx, &operands);
        }
        if cx.wants(W) {
            cx.give(W, self.weight_gradient(&operands, d).reshape(cx.input(W).shape()));
        }
        if let Some(bias) = self.places.bias.filter(|&bias| cx.wants(bias)) {
            cx.give(bias, self.bias_gradient(&operands, d));
        }
        self.give_scaling(cx, &operands);
        let range = self.places.range.filter(|&range| cx.wants(range));
        if cx.wants(X) || range.is_some() {
            let averages = cx.state(self.averages, &self.averages_before);
            operands.backward_counting =
                (self.observed && !backward.is_ideal()).then(|| Counting::new(self.tiles.len()));
            let input = self.input_gradient(&operands, d, backward, averages, range.is_some());
            if !input.averages.is_empty() {
                cx.set_state(self.averages, input.averages);
            }
            if backward.mask_saturated {
                cx.deposit(self.weight, input.saturation);
            }
            if let Some(range) = range {
                cx.give(range, self.range_gradient(&input.range_sums));
            }
            if cx.wants(X) {
                cx.give(X, input.gradient);
            }
            if let Some(counting) = operands.backward_counting.take() {
                cx.deposit(self.weight, counting.finish(Direction::Backward));
            }
        }
    }
}

impl AnalogMvm {
    fn operands<'a>(&'a self, input: impl Fn(usize) -> &'a Tensor) -> Operands<'a> {
        Operands {
            x: input(X),
            w: as_matrix(input(W)),
            bias: self.places.bias.map(&input),
            scaling: self.places.scaling.map(&input),
            seen: self.places.seen.map(&input),
            chip: self.chip.as_deref(),
            stored: OnceLock::new(),
            timed: OnceLock::new(),
            exact: OnceLock::new(),
            forward_counting: None,
            backward_counting: None,
        }
    }

    fn check(&self, operands: &Operands<'_>) {
        let (x, w) = (operands.x.shape(), operands.w.shape());
        let groups = self.tiles.last().map_or(1, |tile| tile.group + 1);
        let fits = matches!(self.lowering, Lowering::Patches(_)) || x.len() == 2;
        assert!(
            fits && groups == self.lowering.groups() && self.lowering.row_len(x) == w[1],
            "tiles: an input of {x:?} does not fit a weight of {w:?} in {groups} groups"
        );
    }

    /// Whether a product over the whole weight is not the sum of what its tiles compute, even if they are perfect.
    fn each_tile_differs(&self) -> bool {
        self.ranges.is_some() || self.per_sample.is_some() || self.chip.is_some()
    }

    /// The rows of the weight that a group has.
    fn part(&self, w: &Tensor, group: usize) -> Tensor {
        let outs = w.shape()[0] / self.lowering.groups();
        w.slice(0, group * outs..(group + 1) * outs)
    }

    /// The tiles of a group with their numbers, in lists of those that take the same inputs.
    fn input_parts(&self, group: usize) -> impl Iterator<Item = (usize, &[Tile])> {
        let mut number = 0;
        self.tiles
            .chunk_by(Tile::same_inputs)
            .map(move |tiles| {
                number += tiles.len();
                (number - tiles.len(), tiles)
            })
            .filter(move |(_, tiles)| tiles[0].group == group)
    }

    fn averages_forward(&self) -> bool {
        self.config.forward.noise_management == NoiseManagement::AverageAbsMax
    }

    /// The digital layer's own product, and its bias: equal bit for bit.
    fn perfect(&self, rows: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let y = product::linear(rows, w);
        let y = bias.map_or(y.clone(), |b| &y + b);
        scaled(y, self.config.forward.out_scale)
    }

    /// What the tiles of a group put out, before any scale: for each part of the inputs [n, out of the group].
    fn read(
        &self,
        operands: &Operands<'_>,
        group: usize,
        rows: &Tensor,
        first: usize,
        averages: &Mutex<Tensor>,
    ) -> Vec<Tensor> {
        let io = &self.config.forward;
        let rows = if operands.bias.is_some() { &with_ones(rows) } else { rows };
        let tile = |number: usize, tile: &Tile| {
            let rows = self.ranged(number, rows.slice(1, tile.ins.clone()));
            let (n, stored) = (rows.shape()[0], operands.stored(&self.tiles, number));
            let counters = Counting::of(operands.forward_counting.as_ref(), number);
            self.averaged(io, averages, number, Direction::Forward, |io, mean| {
                self.by_sample(number, n, first, stored, |part, w| {
                    let mvm = self.mvm(io, &tile.forward, Direction::Forward, number, first + part.start);
                    let rows = rows.slice(0, part);
                    if self.per_sample.is_some() {
                        let timed = self.timed_array(tile, w);
                        return Mvm { timed: timed.as_ref(), ..mvm }.read_counted(&rows, w, mean, counters);
                    }
                    Mvm { timed: self.timed(operands, number), ..mvm }.read_counted(&rows, w, mean, counters)
                })
            })
        };
        self.input_parts(group)
            .map(|(start, tiles)| join(tiles.iter().enumerate().map(|(i, t)| tile(start + i, t)).collect()))
            .collect()
    }

    /// A tile whose reads are followed over time, if they are; prepared when the first block is read.
    fn timed<'a>(&self, operands: &'a Operands<'_>, number: usize) -> Option<&'a TimedArray> {
        timed_parameters(&self.config, !self.training)?;
        let all = || {
            let tile = |(number, tile)| self.timed_array(tile, operands.stored(&self.tiles, number));
            self.tiles.iter().enumerate().filter_map(tile).collect()
        };
        Some(&operands.timed.get_or_init(all)[number])
    }

    fn timed_array(&self, tile: &Tile, stored: &Tensor) -> Option<TimedArray> {
        timed_array(&self.config, tile, stored, !self.training)
    }

    /// Rows `n` of a tile, joined from reads of those of each sample, if samples see weights of their own, or of all at once.
    fn by_sample(
        &self,
        tile: usize,
        n: usize,
        first: usize,
        stored: &Tensor,
        mut read: impl FnMut(Range<usize>, &Tensor) -> Tensor,
    ) -> Tensor {
        let Some(PerSample { modifier, keys }) = self.per_sample.as_ref().filter(|_| n > 0) else {
            return read(0..n, stored);
        };
        let (rows, mut parts, mut start) = (self.lowering.rows_per_sample(), vec![], 0);
        while start < n {
            // A block may begin or end inside of a sample.
            let sample = (self.first_row + first + start) / rows;
            let end = n.min((sample + 1) * rows - self.first_row - first);
            parts.push(read(start..end, &modifier.apply(stored, keys[tile].fold(sample))));
            start = end;
        }
        Array::concat(&parts, 0)
    }

    fn mvm<'a>(
        &self,
        io: &'a IoParameters,
        pattern: &'a Pattern,
        direction: Direction,
        tile: usize,
        first: usize,
    ) -> Mvm<'a> {
        Mvm { io, pattern, direction, key: self.keys[tile], first_row: self.first_row + first, timed: None }
    }

    /// Lets a read advance the running mean of one tile and direction, where its parameters ask for one. Evaluation keeps
    /// to the mean that training has found.
    fn averaged<R>(
        &self,
        io: &IoParameters,
        averages: &Mutex<Tensor>,
        tile: usize,
        direction: Direction,
        read: impl FnOnce(&IoParameters, &mut mvm::Average) -> R,
    ) -> R {
        let averages = || averages.lock().unwrap_or_else(PoisonError::into_inner);
        // The lock is not held during a read: it may run on other threads that wait for the same lock.
        if io.noise_management != NoiseManagement::AverageAbsMax || averages().is_empty() {
            return read(io, &mut None);
        }
        let column = direction as usize;
        let mut average = Some(averages()[[tile, column]]).filter(|&mean| mean >= 0.0);
        if !self.training && average.is_some_and(|mean| mean > 0.0) {
            let constant = evaluation_io(io, &averages(), tile, direction);
            return read(&constant, &mut None);
        }
        let result = read(io, &mut average);
        if let Some(mean) = average {
            averages().make_mut()[2 * tile + column] = mean;
        }
        result
    }

    /// Outputs of a group times mapping scales and learned scales.
    fn scaled_parts(&self, operands: &Operands<'_>, group: usize, parts: Vec<Tensor>) -> Vec<Tensor> {
        let scale = |(part, y): (usize, Tensor)| {
            let y = self.mapped(group, part, y);
            self.learned_row(operands, group, part).map_or(y.clone(), |a| &y * &a)
        };
        parts.into_iter().enumerate().map(scale).collect()
    }

    /// Outputs of a group times mapping scales and input ranges, for one part of the inputs.
    fn mapped(&self, group: usize, part: usize, y: Tensor) -> Tensor {
        let (start, tiles) = self.input_parts(group).nth(part).expect("as many parts as outputs");
        let factors: Option<Vec<_>> = tiles.iter().enumerate().map(|(i, tile)| self.factors(start + i, tile)).collect();
        factors.map_or(y.clone(), |factors| &y * &join(factors))
    }

    /// What a tile's outputs are multiplied with, as a row: mapping scales, input range, and in evaluation the drift
    /// compensation of a chip.
    fn factors(&self, number: usize, tile: &Tile) -> Option<Tensor> {
        let row = |s: &Tensor| s.broadcast_to(&[tile.outs.len(), 1]).t();
        let chip = self.chip.as_ref().filter(|_| !self.training);
        let all = [
            tile.scales.as_ref().map(row),
            self.ranges.as_ref().map(|r| Tensor::full(&[1, tile.outs.len()], r[number])),
            chip.and_then(|chip| chip.tiles()[number].alpha_row(tile)),
        ];
        all.into_iter().flatten().reduce(|a, b| &a * &b)
    }

    /// The learned scales of a group's outputs as a row, for one part of the inputs.
    fn learned_row(&self, operands: &Operands<'_>, group: usize, part: usize) -> Option<Tensor> {
        let (_, tiles) = self.input_parts(group).nth(part)?;
        Some(learned_row(operands.scaling?, operands.w.shape()[0], part, group, tiles))
    }

    /// Output gradients of a group as each part of the inputs sees them: times learned scales.
    fn heard(&self, operands: &Operands<'_>, group: usize, d: &Tensor) -> Vec<Tensor> {
        (0..self.input_parts(group).count())
            .map(|part| self.learned_row(operands, group, part).map_or(d.clone(), |a| d * &a))
            .collect()
    }
}

/// A tile of weights [outs, ins] whose reads are followed over time, if the configuration asks for it.
pub(crate) fn timed_array(
    config: &InferenceRpuConfig,
    tile: &Tile,
    w: &Tensor,
    evaluation: bool,
) -> Option<TimedArray> {
    let devices = tile::column(config, tile.ins.len());
    let parameters = timed_parameters(config, evaluation)?;
    let model = config.noise_model.model().expect("checked with the configuration");
    Some(TimedArray::new(parameters, w, devices, model.converter(), evaluation))
}

/// How reads are followed over time, if that differs from plain reads.
fn timed_parameters(config: &InferenceRpuConfig, evaluation: bool) -> Option<IrDropT> {
    let plain = |timed: &IrDropT| config.forward.is_ideal() || !evaluation && timed.trains_plainly();
    config.forward.ir_drop_t.filter(|timed| !plain(timed))
}

/// The parameters of a tile's evaluation: under AVERAGE_ABS_MAX the running mean that training has found is a constant.
pub(crate) fn evaluation_io(io: &IoParameters, averages: &Tensor, tile: usize, direction: Direction) -> IoParameters {
    let averaging = io.noise_management == NoiseManagement::AverageAbsMax && !averages.is_empty();
    match averaging.then(|| averages[[tile, direction as usize]]).filter(|&mean| mean > 0.0) {
        Some(mean) => IoParameters { noise_management: NoiseManagement::Constant, nm_thres: mean, ..*io },
        None => *io,
    }
}

impl TileArray {
    /// The modifier that reads on a tape are under, if there is one.
    fn modifier(&self, tape: &Tape) -> Option<&WeightModifierParameter> {
        let modifier = &self.config.modifier;
        (modifier.is_active() && (tape.is_training() || modifier.enable_during_test)).then_some(modifier)
    }
}
