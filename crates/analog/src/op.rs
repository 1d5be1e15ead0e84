//! The operation that the project exists for: an analog product on a tape, whose backward consults its parameters.

use std::sync::Arc;

use ohmgrad_autograd::{Back, Id, Op, Var};
use ohmgrad_tensor::{Array, Key, Tensor, product};

use crate::config::{BackwardIoParameters, InferenceRpuConfig, IoParameters};
use crate::mvm::{self, Direction, Mvm};
use crate::tile::{Tile, TileArray};

/// A batch times weights on tiles: one analog read a row.
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
/// The operation looks for a setting of type [`BackwardIoParameters`], so that
/// [`Var::backward_under`](ohmgrad_autograd::Var::backward_under) repeats a backward under other ones.
pub struct AnalogMvm {
    tiles: Arc<Vec<Tile>>,
    config: Arc<InferenceRpuConfig>,
    /// One for each tile: the call's.
    keys: Vec<Key>,
    first_row: usize,
    weight: Id,
    analog_bias: bool,
    averages: Id,
    /// As they were before the forward.
    averages_before: Tensor,
    /// The outputs of each input part before learned scales, if there are any.
    unscaled: Vec<Tensor>,
    /// Which outputs of each input part were saturated, if the recorded backward masks them.
    masks: Option<Vec<Option<Array<bool>>>>,
}

/// How much a backward masked: found in the gradients by [`deposited`](ohmgrad_autograd::Gradients::deposited), one per
/// call of a layer whose backward masks saturated outputs.
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

pub(crate) fn forward<'t>(array: &TileArray, x: Var<'t>, bias: Option<Var<'t>>) -> Var<'t> {
    let tape = x.tape();
    let before = tape.state(array.averages.id(), &array.averages.value);
    let mut op = AnalogMvm {
        tiles: Arc::clone(&array.tiles),
        config: Arc::clone(&array.config),
        keys: array.tiles.iter().map(|tile| tape.call_key(tile.site)).collect(),
        first_row: tape.first_row(),
        weight: array.weight.id(),
        analog_bias: array.has_analog_bias(),
        averages: array.averages.id(),
        averages_before: before.clone(),
        unscaled: vec![],
        masks: None,
    };
    let mut inputs = vec![x, tape.param(&array.weight)];
    if op.analog_bias {
        inputs.push(bias.expect("tiles: the bias is on the tile, and the forward needs it"));
    }
    let bias = inputs.get(BIAS).map(|b| b.value());
    let scaling = array.out_scaling.as_ref().map(|param| tape.param(param));
    inputs.extend(scaling);
    let (x, w) = (x.value(), inputs[W].value());
    let mask = op.config.backward.mask_saturated && tape.is_training();
    let value = if op.config.forward.is_ideal() && scaling.is_none() && !mask {
        op.perfect(&x, &w, bias.as_ref())
    } else {
        let mut averages = before;
        let (mut outputs, masks) = op.read(&x, &w, bias.as_ref(), mask, &mut averages);
        if !averages.is_empty() {
            tape.set_state(op.averages, averages);
        }
        op.masks = mask.then_some(masks);
        if let Some(scaling) = scaling {
            op.unscaled = outputs;
            let scaling = scaling.value();
            outputs = (0..op.unscaled.len()).map(|part| &op.unscaled[part] * &op.scaling(&scaling, part)).collect();
        }
        sum(outputs)
    };
    tape.push(value, &inputs, op)
}

impl Op for AnalogMvm {
    fn name(&self) -> &'static str {
        "analog_mvm"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        let mut said = vec![("forward:", self.config.forward.summary()), ("backward:", self.config.backward.summary())];
        if self.tiles.len() > 1 {
            let parts = self.parts().count();
            said.push(("tiles:", format!("{} × {} (out × in)", self.tiles.len() / parts, parts)));
        }
        said
    }

    fn backward(&self, cx: &mut Back<'_>) {
        let backward = cx.setting::<BackwardIoParameters>().unwrap_or(&self.config.backward);
        let scaling = self.has_scaling().then(|| cx.input(self.scaling_input()));
        if let Some(scaling) = scaling.filter(|_| cx.wants(self.scaling_input())) {
            cx.give(self.scaling_input(), self.scaling_gradient(cx.grad, scaling));
        }
        // The output gradient as each input part sees it: one for all, unless they have learned scales.
        let d: Vec<Tensor> = match scaling {
            None => vec![cx.grad.clone(); self.parts().count()],
            Some(a) => (0..self.parts().count()).map(|part| cx.grad * &self.scaling(a, part)).collect(),
        };
        if cx.wants(W) {
            cx.give(W, self.weight_gradient(&d, cx.input(X), scaling.is_none()));
        }
        if self.analog_bias && cx.wants(BIAS) {
            cx.give(BIAS, d[0].sum_to(cx.input(BIAS).shape()));
        }
        if !cx.wants(X) {
            return;
        }
        let masks = self.masks(cx, backward);
        let plain = scaling.is_none() && masks.is_none();
        let d = match masks {
            Some(masks) => d.iter().zip(&masks).map(|(d, mask)| masked(d, mask.as_ref())).collect(),
            None => d,
        };
        let gradient = if backward.is_ideal() {
            self.perfect_input_gradient(&d, cx.input(W), plain, backward.out_scale)
        } else {
            self.read_back(&d, cx, backward)
        };
        cx.give(X, gradient);
    }
}

impl AnalogMvm {
    /// The tiles that take the same inputs, for each part of the inputs.
    fn parts(&self) -> impl Iterator<Item = &[Tile]> {
        self.tiles.chunk_by(|a, b| a.ins == b.ins)
    }

    /// Whether there are learned output scales.
    fn has_scaling(&self) -> bool {
        !self.unscaled.is_empty()
    }

    fn scaling_input(&self) -> usize {
        BIAS + usize::from(self.analog_bias)
    }

    /// The digital layer's own product, and its bias: equal bit for bit.
    fn perfect(&self, x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let y = product::linear(x, w);
        let y = bias.map_or(y.clone(), |b| &y + b);
        scaled(y, self.config.forward.out_scale)
    }

    /// The outputs of each input part before learned scales, and which of them were saturated, if asked.
    fn read(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        mask: bool,
        averages: &mut Tensor,
    ) -> (Vec<Tensor>, Vec<Option<Array<bool>>>) {
        let io = &self.config.forward;
        let (x_wide, w_wide) = match bias {
            Some(_) if !io.is_ideal() => (with_ones(x), with_bias(w, bias)),
            _ => (x.clone(), w.clone()),
        };
        let mut number = 0;
        let part = |tiles: &[Tile]| {
            let (mut outputs, mut masks) = (vec![], vec![]);
            for tile in tiles {
                let y = if io.is_ideal() {
                    let ins = tile.ins.start..tile.ins.end.min(x.shape()[1]);
                    let y = self.perfect(&x.slice(1, ins.clone()), &w.slice(0, tile.outs.clone()).slice(1, ins), bias);
                    tile.scales.as_ref().map_or(y.clone(), |s| &y / &s.t())
                } else {
                    let mvm = self.mvm(io, &tile.forward, Direction::Forward, number);
                    average(averages, number, 0, |average| {
                        mvm.read(&x_wide.slice(1, tile.ins.clone()), &tile.stored(&w_wide), average)
                    })
                };
                number += 1;
                masks.push(mask.then(|| mvm::saturated(io, &y)).flatten());
                outputs.push(tile.scales.as_ref().map_or(y.clone(), |s| &y * &s.t()));
            }
            let masks: Option<Vec<_>> = masks.into_iter().collect();
            (join(outputs), masks.map(join))
        };
        self.parts().map(part).unzip()
    }

    fn mvm<'a>(&self, io: &'a IoParameters, pattern: &'a mvm::Pattern, direction: Direction, tile: usize) -> Mvm<'a> {
        Mvm { io, pattern, direction, key: self.keys[tile], first_row: self.first_row }
    }

    /// The learned scales of one input part, as a row [out].
    fn scaling(&self, scaling: &Tensor, part: usize) -> Tensor {
        let tiles = self.parts().nth(part).expect("as many parts as scales");
        expand_scaling(scaling, part, tiles, tiles.last().map_or(0, |t| t.outs.end))
    }

    fn scaling_gradient(&self, d: &Tensor, scaling: &Tensor) -> Tensor {
        let columnwise = scaling.shape()[1] == d.shape()[1];
        let row = |(part, tiles): (usize, &[Tile])| {
            let each = (d * &self.unscaled[part]).sum_axes(&[0]);
            let sums = |tile: &Tile| Tensor::from([[each.slice(1, tile.outs.clone()).sum()]]);
            if columnwise { each } else { join(tiles.iter().map(sums).collect()) }
        };
        Array::concat(&self.parts().enumerate().map(row).collect::<Vec<_>>(), 0)
    }

    fn weight_gradient(&self, d: &[Tensor], x: &Tensor, plain: bool) -> Tensor {
        if plain {
            return product::linear_weight_gradient(&d[0], x);
        }
        let inputs = |tiles: &[Tile]| x.slice(1, tiles[0].ins.start..tiles[0].ins.end.min(x.shape()[1]));
        join(self.parts().zip(d).map(|(tiles, d)| product::linear_weight_gradient(d, &inputs(tiles))).collect())
    }

    /// `d·W`: the digital layer's own function where every part sees the same `d`.
    fn perfect_input_gradient(&self, d: &[Tensor], w: &Tensor, plain: bool, out_scale: f32) -> Tensor {
        let gradient = if plain {
            product::linear_input_gradient(&d[0], w)
        } else {
            let inputs = |tiles: &[Tile]| w.slice(1, tiles[0].ins.start..tiles[0].ins.end.min(w.shape()[1]));
            join(self.parts().zip(d).map(|(tiles, d)| product::linear_input_gradient(d, &inputs(tiles))).collect())
        };
        scaled(gradient, out_scale)
    }

    /// Reads of the transposed tiles, driven by `d·s`, under the backward parameters.
    fn read_back(&self, d: &[Tensor], cx: &mut Back<'_>, backward: &BackwardIoParameters) -> Tensor {
        let io = backward.read();
        let bias = self.analog_bias.then(|| cx.input(BIAS));
        let w = with_bias(cx.input(W), bias);
        let mut averages = cx.state(self.averages, &self.averages_before);
        let mut number = 0;
        let mut gradients = vec![];
        for (tiles, d) in self.parts().zip(d) {
            let mut outputs = vec![];
            for tile in tiles {
                let drawn;
                let pattern = if *backward == self.config.backward {
                    &tile.backward
                } else {
                    drawn = tile.draw(&io, Direction::Backward);
                    &drawn
                };
                let driven = d.slice(1, tile.outs.clone());
                let driven = tile.scales.as_ref().map_or(driven.clone(), |s| &driven * &s.t());
                let mvm = self.mvm(&io, pattern, Direction::Backward, number);
                outputs.push(average(&mut averages, number, 1, |average| {
                    mvm.read(&driven, &tile.stored(&w).t(), average)
                }));
                number += 1;
            }
            gradients.push(sum(outputs));
        }
        if !averages.is_empty() {
            cx.set_state(self.averages, averages);
        }
        let gradient = join(gradients);
        if self.analog_bias { gradient.slice(1, 0..cx.input(X).shape()[1]) } else { gradient }
    }

    /// Which outputs of each input part are masked, if the backward masks; says how many there are.
    fn masks(&self, cx: &mut Back<'_>, backward: &BackwardIoParameters) -> Option<Vec<Option<Array<bool>>>> {
        if !backward.mask_saturated {
            return None;
        }
        let masks = self.masks.clone().unwrap_or_else(|| {
            // Recorded without a mask: the forward read is a function of its key, so it can be had again.
            let bias = self.analog_bias.then(|| cx.input(BIAS));
            self.read(cx.input(X), cx.input(W), bias, true, &mut self.averages_before.clone()).1
        });
        let masked = masks.iter().flatten().map(|m| m.iter().filter(|&&m| m).count()).sum();
        cx.deposit(self.weight, Saturation { masked, outputs: cx.grad.len() * masks.len() });
        Some(masks)
    }
}

impl Tile {
    /// What the tile stores of a logical weight: its rectangle over the scales.
    fn stored(&self, weight: &Tensor) -> Tensor {
        let part = weight.slice(0, self.outs.clone()).slice(1, self.ins.clone());
        self.scales.as_ref().map_or(part.clone(), |s| &part / s)
    }
}

/// The weight with an analog bias as its last column.
pub(crate) fn with_bias(w: &Tensor, bias: Option<&Tensor>) -> Tensor {
    bias.map_or(w.clone(), |b| Array::concat(&[w.clone(), b.unsqueeze(1)], 1))
}

/// Rows with the constant input of an analog bias.
fn with_ones(x: &Tensor) -> Tensor {
    Array::concat(&[x.clone(), Tensor::full(&[x.shape()[0], 1], 1.0)], 1)
}

/// The learned scales of one input part as a row [out], from a table with one per tile or one per output.
pub(crate) fn expand_scaling(scaling: &Tensor, part: usize, tiles: &[Tile], outs: usize) -> Tensor {
    let row = scaling.row(part);
    if row.len() == outs {
        return row;
    }
    let each = tiles.iter().enumerate().flat_map(|(i, tile)| std::iter::repeat_n(row[[i]], tile.outs.len()));
    each.collect::<Vec<_>>().into()
}

/// Lets a read advance the running mean of one tile and direction.
fn average<R>(averages: &mut Tensor, tile: usize, column: usize, read: impl FnOnce(&mut mvm::Average) -> R) -> R {
    if averages.is_empty() {
        return read(&mut None);
    }
    let mut average = Some(averages[[tile, column]]).filter(|&mean| mean >= 0.0);
    let result = read(&mut average);
    if let Some(mean) = average {
        averages.make_mut()[2 * tile + column] = mean;
    }
    result
}

fn masked(d: &Tensor, mask: Option<&Array<bool>>) -> Tensor {
    mask.map_or(d.clone(), |mask| d.zip(mask, |d, masked| if masked { 0.0 } else { d }))
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
fn join<T: Clone>(mut parts: Vec<Array<T>>) -> Array<T> {
    if parts.len() == 1 { parts.remove(0) } else { Array::concat(&parts, 1) }
}
