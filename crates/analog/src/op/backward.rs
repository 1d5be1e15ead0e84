//! The backward of the operation: the choice of the gradients and of their computation.

use std::sync::Arc;

use ohmgrad_autograd::{Back, Op};
use ohmgrad_tensor::Tensor;

use super::{AnalogMvm, W, X};
use crate::config::BackwardIoParameters;
use crate::tile::{Contents, Reader, Transposed};

impl Op for AnalogMvm {
    fn name(&self) -> &'static str {
        "analog_mvm"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        self.trace_lines()
    }

    fn backward(&self, cx: &mut Back<'_>) {
        let how = *cx.setting::<BackwardIoParameters>().unwrap_or(&self.hardware.config.backward);
        let contents = self.contents(cx);
        let call = self.call_backward(cx, &contents);
        give(cx, self.places.scaling, || call.scaling_gradient());
        if how.straight_through {
            return call.straight_through(cx);
        }
        match self.update.is_some() {
            true => call.deposit_pairs(cx), // devices follow pulses
            false => call.give_weight(cx),
        }
        let range = self.places.range.filter(|&range| cx.wants(range));
        if cx.wants(X) || range.is_some() {
            let transposed = match how.is_ideal() {
                true => Transposed::perfect(&call.reader, how.out_scale), // d·W, the digital gradient
                false => Transposed::under(&call.reader, &how),           // a read of Wᵀ, with separate noise
            };
            let found = call.input_gradient(cx, transposed, how.mask_saturated, range.is_some());
            give(cx, range, || call.range_gradient(&found.range_sums));
            give(cx, Some(X), || found.gradient);
        }
    }
}

/// Inputs of the gradients of one call.
pub(super) struct CallBackward<'a> {
    pub op: &'a AnalogMvm,
    /// The input.
    pub x: &'a Tensor,
    /// The gradient of the output.
    pub d: &'a Tensor,
    /// Learned output scales, if there are any.
    pub scaling: Option<&'a Tensor>,
    pub reader: Reader<'a>,
}

/// Gives the gradient of an input of the operation, if there is such an input and its gradient is needed.
pub(super) fn give(cx: &mut Back<'_>, input: Option<usize>, gradient: impl FnOnce() -> Tensor) {
    if let Some(input) = input.filter(|&input| cx.wants(input)) {
        let gradient = gradient();
        cx.give(input, gradient);
    }
}

impl AnalogMvm {
    /// The contents of the tiles, which the forward left on the tape.
    fn contents(&self, cx: &Back<'_>) -> Arc<Contents> {
        let bias = self.places.bias.map(|bias| cx.input(bias));
        cx.derived(
            self.weight,
            |known: &Contents| known.fits(&self.hardware, bias),
            || {
                let effective = self.effective(|input| cx.input(input));
                Contents::new(self.hardware.clone(), cx.input(W).clone(), bias.cloned(), effective, true)
            },
        )
    }

    fn call_backward<'a>(&'a self, cx: &Back<'a>, contents: &'a Contents) -> CallBackward<'a> {
        let scaling = self.places.scaling.map(|scaling| cx.input(scaling));
        let mut reader = Reader::new(&self.hardware, contents, &self.call, scaling);
        reader.scales = self.scales.clone();
        CallBackward { op: self, x: cx.input(X), d: cx.grad, scaling, reader }
    }
}
