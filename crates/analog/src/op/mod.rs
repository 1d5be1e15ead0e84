//! The analog product on a tape, with a backward under its own parameters.
//!
//! It contains gradients and bookkeeping, no physics: the reads are in `tile/`, the tile array in `array/`.
//! `docs/backward.md` defines the gradients.

mod backward;
mod forward;
mod input;
mod range;
mod straight_through;
mod weight;

use ohmgrad_autograd::{Id, Op, Tape};
use ohmgrad_tensor::{Im2col, Key, Tensor};

use crate::array::TileArray;
use crate::config::WeightModifierParameter;
use crate::tile::{Call, Effective, Hardware, RowScales};
use crate::update::UpdateParameters;

/// A batch times weights on tiles: one analog read for each row, or for each patch of a convolution.
///
/// | gradient | what is computed |
/// |---|---|
/// | input | perfect: `d·W`; analog: a read of `Wᵀ` under the *backward* parameters, with separate noise |
/// | weight | `dᵀ·x`, exact: converters and noise pass straight through; a weight in devices gets none, but x and d are left for the optimizer's step ([`CallPairs`](crate::CallPairs)) |
/// | analog bias | `Σ d`, exact |
/// | learned output scales | `Σ d·y`, with y the output before them; in the other gradients `d` is `scale·d` |
/// | input range | a sum over the inputs beyond it, and its decay; see [`InputRangeParameter`](crate::config::InputRangeParameter) |
///
/// With an input range ±r the x of the weight's gradient is cut to it. A weight modifier changes the weights of both
/// reads, perfect ones too, and has no part in the weight's gradient. With `straight_through` all gradients are those
/// of differentiating the forward read instead.
///
/// Reads of a programmed chip use its weights instead, perfect ones too, and in evaluation its drift compensation
/// scales their outputs. Gradients pass through the chip to the inputs; its weights get none, because no optimizer
/// changes them.
///
/// With `mask_saturated`, `d` is 0 for the input gradient wherever the forward output counts as
/// [saturated](crate::mvm::saturated); the reference always does this.
///
/// The forward read is a function of its inputs and key. The backward repeats it where it needs saturated outputs, or
/// outputs before learned scales, instead of keeping them.
///
/// The operation looks for a setting of type [`BackwardIoParameters`](crate::BackwardIoParameters), so that
/// [`Var::backward_under`](ohmgrad_autograd::Var::backward_under) repeats a backward under other parameters.
#[derive(Debug)]
pub struct AnalogMvm {
    im2col: Im2col,
    hardware: Hardware,
    call: Call,
    weight: Id,
    /// The shape of the weight, [out, in, …].
    weight_shape: Vec<usize>,
    places: Places,
    modifier: Option<Modifier>,
    /// The parameters of the update by pulses, if the weight lives in devices.
    update: Option<UpdateParameters>,
    scales: Option<RowScales>,
    averages: Id,
    observed: bool,
}

/// The number of outputs that a backward masked. [`deposited`](ohmgrad_autograd::Gradients::deposited) gives one for
/// each call of a layer whose backward has a mask and whose input gradient is needed.
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

/// Places of the operation's optional inputs.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    /// An analog bias.
    bias: Option<usize>,
    /// Learned output scales.
    scaling: Option<usize>,
    /// Learned input ranges.
    range: Option<usize>,
    /// The matrix of tile weights after the modifier.
    modified: Option<usize>,
}

/// A modifier that is drawn for each sample of the batch.
#[derive(Debug)]
struct Modifier {
    parameters: WeightModifierParameter,
    /// One for each tile.
    keys: Vec<Key>,
}

impl AnalogMvm {
    /// The effective weight, for the values of the operation's inputs.
    fn effective<'a>(&self, input: impl Fn(usize) -> &'a Tensor) -> Effective {
        match (&self.hardware.chip, self.places.modified, &self.modifier) {
            (Some(_), ..) => Effective::Programmed,
            (_, Some(modified), _) => Effective::Modified(input(modified).clone()),
            (.., Some(Modifier { parameters, keys })) => {
                Effective::PerSample { modifier: parameters.clone(), keys: keys.clone() }
            }
            _ => Effective::Logical,
        }
    }

    /// The attributes of the operation in a trace.
    fn trace_lines(&self) -> Vec<(&'static str, String)> {
        let config = &self.hardware.config;
        let mut lines = vec![("forward:", config.forward.summary()), ("backward:", config.backward.summary())];
        if self.hardware.tiles.len() > 1 {
            lines.push(("tiles:", self.hardware.tiles.len().to_string()));
        }
        lines.extend(self.call.ranges.as_ref().map(|ranges| ("input range:", self.range_summary(ranges))));
        lines.extend(self.update.as_ref().map(|update| ("update:", update.summary())));
        lines.extend(self.modifier.as_ref().map(|modifier| ("modifier:", modifier.parameters.summary())));
        lines
    }

    fn range_summary(&self, ranges: &[f32]) -> String {
        let learned = if self.hardware.config.pre_post.input_range.learn_input_range { ", learned" } else { "" };
        let least = ranges.iter().copied().fold(f32::INFINITY, f32::min);
        let most = ranges.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        match least == most {
            true => format!("±{least}{learned}"),
            false => format!("±{least} … ±{most}{learned}"),
        }
    }
}

/// The effective weights of all tiles under a modifier, a value on the tape. No gradient passes through it:
/// [`AnalogMvm`] gives the gradient of the stored weight directly.
struct Modified(WeightModifierParameter);

impl Op for Modified {
    fn name(&self) -> &'static str {
        "weight_modifier"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("type:", self.0.summary())]
    }

    fn backward(&self, _: &mut ohmgrad_autograd::Back<'_>) {}
}

/// The modifier of the reads on a tape, if there is one.
fn modifier<'a>(array: &'a TileArray, tape: &Tape) -> Option<&'a WeightModifierParameter> {
    let modifier = &array.config().modifier;
    (modifier.is_active() && (tape.is_training() || modifier.enable_during_test)).then_some(modifier)
}
