//! The operation that the project exists for: an analog product on a tape, whose backward consults its parameters.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ohmgrad_autograd::{Back, Id, Op, Var};
use ohmgrad_tensor::{Array, Entries, Key, Lowering, Tensor, product};

use crate::config::{BackwardIoParameters, InferenceRpuConfig, IoParameters, NoiseManagement};
use crate::mvm::{self, Direction, Mvm, Pairs, Pattern, TimedArray};
use crate::tile::{self, Tile, TileArray};

/// A batch times weights on tiles: one analog read for each row, or for each patch of a convolution.
///
/// | gradient | what is computed |
/// |---|---|
/// | input | perfect: `d·W`; analog: a read of `Wᵀ` under the *backward* parameters, with noise of its own |
/// | weight | `dᵀ·x`, exact: converters and noise pass straight through |
/// | analog bias | `Σ d`, exact |
/// | learned output scales | `Σ d·y`, with y the output before them; in the other gradients `d` is `scale·d` |
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
    /// One for each tile: the call's.
    keys: Vec<Key>,
    first_row: usize,
    weight: Id,
    analog_bias: bool,
    learned_scales: bool,
    averages: Id,
    /// The running means as they were before the forward.
    averages_before: Tensor,
    training: bool,
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

/// Places of the operation's inputs.
const X: usize = 0;
const W: usize = 1;
const BIAS: usize = 2;

pub(crate) fn forward<'t>(array: &TileArray, lowering: Lowering, x: Var<'t>, bias: Option<Var<'t>>) -> Var<'t> {
    let tape = x.tape();
    let before = tape.state(array.averages.id(), &array.averages.value);
    let op = AnalogMvm {
        first_row: tape.first_row() * lowering.rows_per_sample(),
        lowering,
        tiles: Arc::clone(&array.tiles),
        config: Arc::clone(&array.config),
        keys: array.tiles.iter().map(|tile| tape.call_key(tile.site)).collect(),
        weight: array.weight.id(),
        analog_bias: array.has_analog_bias(),
        learned_scales: array.out_scaling.is_some(),
        averages: array.averages.id(),
        averages_before: before.clone(),
        training: tape.is_training(),
    };
    let mut inputs = vec![x, tape.param(&array.weight)];
    if op.analog_bias {
        inputs.push(bias.expect("tiles: the bias is on the tile, and the forward needs it"));
    }
    inputs.extend(array.out_scaling.as_ref().map(|param| tape.param(param)));
    let values: Vec<Tensor> = inputs.iter().map(|input| input.value()).collect();
    let operands = op.operands(|input| &values[input]);
    op.check(&operands);
    let averages = Mutex::new(before);
    let y = op.lowering.forward(operands.x, operands.w.shape()[0], op.averages_forward(), |group, rows, first| {
        if op.config.forward.is_ideal() && operands.scaling.is_none() {
            return op.perfect(rows, &op.part(&operands.w, group), operands.bias);
        }
        sum(op.scaled_parts(&operands, group, op.read(&operands, group, rows, first, &averages)))
    });
    let averages = averages.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !averages.is_empty() {
        tape.set_state(op.averages, averages);
    }
    tape.push(y, &inputs, op)
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
        said
    }

    fn backward(&self, cx: &mut Back<'_>) {
        let backward = cx.setting::<BackwardIoParameters>().unwrap_or(&self.config.backward);
        let (d, operands) = (cx.grad, self.operands(|input| cx.input(input)));
        if cx.wants(W) {
            let outer = |group: usize, d: &Tensor, rows: &Tensor, _| self.weight_gradient(&operands, group, d, rows);
            let gradient = self.lowering.weight_gradient(d, operands.x, false, self.entries(), outer);
            cx.give(W, gradient.reshape(cx.input(W).shape()));
        }
        if self.analog_bias && cx.wants(BIAS) {
            cx.give(BIAS, self.bias_gradient(&operands, d));
        }
        if self.learned_scales && cx.wants(self.scaling_input()) {
            cx.give(self.scaling_input(), self.scaling_gradient(&operands, d));
        }
        if cx.wants(X) {
            let averages = cx.state(self.averages, &self.averages_before);
            let (gradient, averages, saturation) = self.input_gradient(&operands, d, backward, averages);
            if !averages.is_empty() {
                cx.set_state(self.averages, averages);
            }
            if backward.mask_saturated {
                cx.deposit(self.weight, saturation);
            }
            cx.give(X, gradient);
        }
    }
}

/// The values of the operation's inputs.
struct Operands<'a> {
    x: &'a Tensor,
    /// As a matrix [out, in].
    w: Tensor,
    bias: Option<&'a Tensor>,
    scaling: Option<&'a Tensor>,
    /// What each tile stores, made when the first block is read.
    stored: OnceLock<Vec<Tensor>>,
    /// The same tiles, where reads are followed over time.
    timed: OnceLock<Vec<TimedArray<'a>>>,
}

impl Operands<'_> {
    fn stored(&self, tiles: &[Tile], number: usize) -> &Tensor {
        let all = || {
            let w = with_bias(&self.w, self.bias);
            tiles.iter().map(|tile| tile.stored(&w)).collect()
        };
        &self.stored.get_or_init(all)[number]
    }
}

impl AnalogMvm {
    fn operands<'a>(&self, input: impl Fn(usize) -> &'a Tensor) -> Operands<'a> {
        Operands {
            x: input(X),
            w: as_matrix(input(W)),
            bias: self.analog_bias.then(|| input(BIAS)),
            scaling: self.learned_scales.then(|| input(self.scaling_input())),
            stored: OnceLock::new(),
            timed: OnceLock::new(),
        }
    }

    /// The order of a row's entries where the tiles' places do not matter.
    fn entries(&self) -> Entries {
        if self.learned_scales { Entries::ByChannel } else { Entries::ByPlace }
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

    fn scaling_input(&self) -> usize {
        BIAS + usize::from(self.analog_bias)
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
            let (rows, stored) = (rows.slice(1, tile.ins.clone()), operands.stored(&self.tiles, number));
            self.averaged(io, averages, number, Direction::Forward, |io, mean| {
                let mvm = self.mvm(io, &tile.forward, Direction::Forward, number, first);
                Mvm { timed: self.timed(operands, number), ..mvm }.read(&rows, stored, mean)
            })
        };
        self.input_parts(group)
            .map(|(start, tiles)| join(tiles.iter().enumerate().map(|(i, t)| tile(start + i, t)).collect()))
            .collect()
    }

    /// A tile whose reads are followed over time, if they are; prepared when the first block is read.
    fn timed<'a>(&self, operands: &'a Operands<'_>, number: usize) -> Option<&'a TimedArray<'a>> {
        let parameters = self.config.forward.ir_drop_t?;
        let all = || {
            let tile = |(number, tile): (usize, &Tile)| {
                let stored = operands.stored(&self.tiles, number);
                let devices = tile::column(&self.config, tile.ins.len());
                TimedArray::new(parameters, stored, devices, &single_pair, !self.training)
            };
            self.tiles.iter().enumerate().map(tile).collect()
        };
        Some(&operands.timed.get_or_init(all)[number])
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
        if let Some(mean) = average.filter(|&mean| mean > 0.0 && !self.training) {
            let constant = IoParameters { noise_management: NoiseManagement::Constant, nm_thres: mean, ..*io };
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

    /// Outputs of a group times mapping scales, for one part of the inputs.
    fn mapped(&self, group: usize, part: usize, y: Tensor) -> Tensor {
        let (_, tiles) = self.input_parts(group).nth(part).expect("as many parts as outputs");
        let row = |tile: &Tile| Some(tile.scales.as_ref()?.broadcast_to(&[tile.outs.len(), 1]).t());
        let scales: Option<Vec<_>> = tiles.iter().map(row).collect();
        scales.map_or(y.clone(), |scales| &y * &join(scales))
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

    fn weight_gradient(&self, operands: &Operands<'_>, group: usize, d: &Tensor, rows: &Tensor) -> Tensor {
        if operands.scaling.is_none() {
            return product::linear_weight_gradient(d, rows);
        }
        let columns = self.input_parts(group).zip(self.heard(operands, group, d)).map(|((_, tiles), d)| {
            product::linear_weight_gradient(&d, &rows.slice(1, tiles[0].digital_ins(rows.shape()[1])))
        });
        join(columns.collect())
    }

    /// `Σ d` by the very sum that a digital bias takes.
    fn bias_gradient(&self, operands: &Operands<'_>, d: &Tensor) -> Tensor {
        let outs = operands.w.shape()[0];
        let mut shape = vec![outs];
        shape.resize(d.rank() - 1, 1);
        let gradient = d.sum_to(&shape).reshape(&[outs]);
        let learned = self.learned_row(operands, 0, 0).map(|a| a.reshape(&[outs]));
        learned.map_or(gradient.clone(), |a| &gradient * &a)
    }

    fn scaling_gradient(&self, operands: &Operands<'_>, d: &Tensor) -> Tensor {
        let scaling = operands.scaling.expect("asked for where there are learned scales");
        let columnwise = scaling.shape()[1] == operands.w.shape()[0];
        let averages = Mutex::new(self.averages_before.clone());
        let outer = |group: usize, d: &Tensor, rows: &Tensor, first: usize| {
            let outputs = self.read(operands, group, rows, first, &averages).into_iter().enumerate();
            let part = |(part, y): (usize, Tensor)| {
                let y = self.mapped(group, part, y);
                let each = (d * &y).sum_axes(&[0]).t();
                let (_, tiles) = self.input_parts(group).nth(part).expect("as many parts as outputs");
                let of_tile = |tile: &Tile| each.slice(0, tile.outs_in(tiles)).sum_axes(&[0]);
                if columnwise { each } else { Array::concat(&tiles.iter().map(of_tile).collect::<Vec<_>>(), 0) }
            };
            join(outputs.map(part).collect())
        };
        self.lowering
            .weight_gradient(d, operands.x, self.averages_forward(), Entries::ByChannel, outer)
            .t()
            .contiguous()
    }

    /// The input gradient, the running means after it, and how much was masked.
    fn input_gradient(
        &self,
        operands: &Operands<'_>,
        d: &Tensor,
        backward: &BackwardIoParameters,
        averages: Tensor,
    ) -> (Tensor, Tensor, Saturation) {
        let io = backward.read();
        let in_order = self.averages_forward() || io.noise_management == NoiseManagement::AverageAbsMax;
        let (forward_again, averages) = (Mutex::new(self.averages_before.clone()), Mutex::new(averages));
        let (masked, outputs) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let plain = operands.scaling.is_none() && !backward.mask_saturated;
        let entries = if io.is_ideal() && plain { Entries::ByPlace } else { Entries::ByChannel };
        let by_place = (entries == Entries::ByPlace).then(|| self.lowering.by_place(&operands.w));
        let gradient = self.lowering.input_gradient(d, operands.x, in_order, entries, |group, d, rows, first| {
            let mut heard = self.heard(operands, group, d);
            if backward.mask_saturated {
                for (d, y) in heard.iter_mut().zip(self.read(operands, group, &rows(), first, &forward_again)) {
                    outputs.fetch_add(y.len(), Ordering::Relaxed);
                    if let Some(mask) = mvm::saturated(&self.config.forward, &y) {
                        masked.fetch_add(mask.iter().filter(|&&m| m).count(), Ordering::Relaxed);
                        *d = d.zip(&mask, |d, masked| if masked { 0.0 } else { d });
                    }
                }
            }
            if io.is_ideal() {
                let w = self.part(by_place.as_ref().unwrap_or(&operands.w), group);
                scaled(self.perfect_input_gradient(&w, group, &heard, plain), io.out_scale)
            } else {
                self.read_back(operands, group, &heard, &io, first, &averages)
            }
        });
        let saturation = Saturation { masked: masked.into_inner(), outputs: outputs.into_inner() };
        (gradient, averages.into_inner().unwrap_or_else(PoisonError::into_inner), saturation)
    }

    /// `d·W`: the digital layer's own function where every part of the inputs sees the same `d`.
    fn perfect_input_gradient(&self, w: &Tensor, group: usize, heard: &[Tensor], plain: bool) -> Tensor {
        if plain {
            return product::linear_input_gradient(&heard[0], w);
        }
        let columns = self
            .input_parts(group)
            .zip(heard)
            .map(|((_, tiles), d)| product::linear_input_gradient(d, &w.slice(1, tiles[0].digital_ins(w.shape()[1]))));
        join(columns.collect())
    }

    /// Reads of the transposed tiles, driven by `d·s`, under the backward parameters.
    fn read_back(
        &self,
        operands: &Operands<'_>,
        group: usize,
        heard: &[Tensor],
        io: &IoParameters,
        first: usize,
        averages: &Mutex<Tensor>,
    ) -> Tensor {
        let recorded = self.config.backward.read();
        let parts = self.input_parts(group).zip(heard).map(|((start, tiles), d)| {
            let outputs = tiles.iter().enumerate().map(|(i, tile)| {
                let drawn = (!Pattern::same_variations(io, &recorded)).then(|| tile.draw(io, Direction::Backward));
                let pattern = drawn.as_ref().unwrap_or(&tile.backward);
                let driven = d.slice(1, tile.outs_in(tiles));
                let driven = tile.scales.as_ref().map_or(driven.clone(), |s| &driven * &s.t());
                let stored = operands.stored(&self.tiles, start + i).t();
                self.averaged(io, averages, start + i, Direction::Backward, |io, mean| {
                    self.mvm(io, pattern, Direction::Backward, start + i, first).read(&driven, &stored, mean)
                })
            });
            sum(outputs.collect())
        });
        let gradient = join(parts.collect());
        if self.analog_bias { gradient.slice(1, 0..operands.w.shape()[1]) } else { gradient }
    }
}

fn single_pair(w: &Tensor) -> Pairs {
    let scale = 25.0 / w.abs().max().max(1e-7);
    let pair = [w.map(|w| (w * scale).max(0.0).min(25.0)), w.map(|w| (-w * scale).max(0.0).min(25.0))];
    Pairs { pairs: vec![(1.0, pair)], scale }
}

impl Tile {
    /// What the tile stores of a logical weight: its rectangle over the scales.
    fn stored(&self, weight: &Tensor) -> Tensor {
        let part = weight.slice(0, self.outs.clone()).slice(1, self.ins.clone());
        self.scales.as_ref().map_or(part.clone(), |s| &part / s)
    }

    /// The place of this tile's outputs among those of its list of tiles.
    fn outs_in(&self, tiles: &[Tile]) -> std::ops::Range<usize> {
        self.outs.start - tiles[0].outs.start..self.outs.end - tiles[0].outs.start
    }
}

/// A weight [out, …] as a matrix.
pub(crate) fn as_matrix(w: &Tensor) -> Tensor {
    w.reshape(&[w.shape()[0], w.shape()[1..].iter().product()])
}

/// The weight with an analog bias as its last column.
pub(crate) fn with_bias(w: &Tensor, bias: Option<&Tensor>) -> Tensor {
    bias.map_or(w.clone(), |b| Array::concat(&[w.clone(), b.unsqueeze(1)], 1))
}

/// Rows with the constant input of an analog bias.
fn with_ones(rows: &Tensor) -> Tensor {
    Array::concat(&[rows.clone(), Tensor::full(&[rows.shape()[0], 1], 1.0)], 1)
}

/// The learned scales of some tiles' outputs as a row, from a table with one per tile or one per output.
pub(crate) fn learned_row(scaling: &Tensor, outs: usize, part: usize, group: usize, tiles: &[Tile]) -> Tensor {
    let row = scaling.slice(0, part..part + 1);
    if row.shape()[1] == outs {
        return row.slice(1, tiles[0].outs.start..tiles[tiles.len() - 1].outs.end);
    }
    let of_tile = |(i, tile): (usize, &Tile)| {
        let column = group * tiles.len() + i;
        row.slice(1, column..column + 1).broadcast_to(&[1, tile.outs.len()])
    };
    join(tiles.iter().enumerate().map(of_tile).collect())
}

fn scaled(x: Tensor, factor: f32) -> Tensor {
    if factor == 1.0 { x } else { &x * factor }
}

fn sum(parts: Vec<Tensor>) -> Tensor {
    let add = |mut sum: Tensor, part: Tensor| {
        sum.add_assign(&part);
        sum
    };
    parts.into_iter().reduce(add).expect("an array has tiles")
}

/// Columns side by side.
fn join(mut parts: Vec<Tensor>) -> Tensor {
    if parts.len() == 1 { parts.remove(0) } else { Array::concat(&parts, 1) }
}
