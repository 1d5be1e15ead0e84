//! Convolutions over one, two and three axes.

use ohmgrad_autograd::Var;
use ohmgrad_tensor::{ConvWindow, Key};

use super::Sizes;
use crate::affine::Affine;
use crate::init;
use crate::module::Module;
use crate::visit::Visit;

/// A convolution over `AXES` axes, digital or on tiles: input [batch, in, …], output [batch, out, …].
///
/// On tiles each patch of the input is one analog read, and each group of channels has separate tiles.
///
/// ```
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_models::{Conv2d, Module};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let layer = Conv2d::new(3, 8, 5, Key::new(1)).with_stride(2).with_padding(2);
/// let tape = Tape::eval(Key::new(0));
/// let y = layer.forward(tape.constant(Tensor::normal(&[4, 3, 28, 28], Key::new(2))));
/// assert_eq!(y.shape().as_slice(), [4, 8, 14, 14]);
/// ```
#[derive(Clone, Debug, Visit)]
pub struct Conv<const AXES: usize> {
    /// The weight [out, in/groups, …kernel] and the bias of each output channel.
    #[visit(flatten)]
    pub affine: Affine,
    #[visit(skip)]
    window: ConvWindow,
}

/// A convolution of [batch, channels, length].
pub type Conv1d = Conv<1>;
/// A convolution of [batch, channels, height, width].
pub type Conv2d = Conv<2>;
/// A convolution of [batch, channels, depth, height, width].
pub type Conv3d = Conv<3>;

/// `values` for the last of three axes, `other` for the axes before them.
fn last<const AXES: usize>(values: [usize; AXES], other: usize) -> [usize; 3] {
    [0, 1, 2].map(|axis| (axis + AXES).checked_sub(3).map_or(other, |i| values[i]))
}

impl<const AXES: usize> Conv<AXES> {
    /// A layer with PyTorch's default initialisation: uniform within `±1/√(in · kernel)`. The stride is 1, without
    /// padding. One number stands for equal sizes along all axes, also in the options.
    ///
    /// # Panics
    /// If a size is 0.
    pub fn new(ins: usize, outs: usize, kernel: impl Sizes<AXES>, key: Key) -> Self {
        Self::grouped(ins, outs, kernel, 1, key)
    }

    /// As [`new`](Self::new), with the channels in groups that do not mix.
    ///
    /// # Panics
    /// If a size is 0, or `groups` does not divide `ins` and `outs`.
    pub fn grouped(ins: usize, outs: usize, kernel: impl Sizes<AXES>, groups: usize, key: Key) -> Self {
        let kernel = kernel.sizes();
        const { assert!(AXES >= 1 && AXES <= 3, "one to three axes") };
        assert!(
            ![ins, outs, groups].iter().chain(&kernel).any(|&size| size == 0)
                && ins.is_multiple_of(groups)
                && outs.is_multiple_of(groups),
            "convolution: {ins} → {outs} channels, kernel {kernel:?}, {groups} groups"
        );
        let shape = [&[outs, ins / groups][..], &kernel].concat();
        // A weight with too many elements is refused where it is drawn.
        let fan_in = shape[1..].iter().fold(1, |fan: usize, &size| fan.saturating_mul(size));
        let weight = init::torch_default(&shape, fan_in, key.fold("weight"));
        let bias = init::torch_default(&[outs], fan_in, key.fold("bias"));
        let window = ConvWindow { kernel: last(kernel, 1), stride: [1; 3], padding: [0; 3], dilation: [1; 3] };
        Self { affine: Affine { groups, ..Affine::new(weight, Some(bias)) }, window }
    }

    /// Sets the distance between neighbouring windows.
    ///
    /// # Panics
    /// If a stride is 0.
    pub fn with_stride(mut self, stride: impl Sizes<AXES>) -> Self {
        let stride = stride.sizes();
        assert!(!stride.contains(&0), "convolution: stride {stride:?}");
        self.window.stride = last(stride, 1);
        self
    }

    /// Sets the number of zeros around the input.
    pub fn with_padding(mut self, padding: impl Sizes<AXES>) -> Self {
        self.window.padding = last(padding.sizes(), 0);
        self
    }

    /// Sets the distance between neighbouring entries of the window.
    ///
    /// # Panics
    /// If a dilation is 0.
    pub fn with_dilation(mut self, dilation: impl Sizes<AXES>) -> Self {
        let dilation = dilation.sizes();
        assert!(!dilation.contains(&0), "convolution: dilation {dilation:?}");
        self.window.dilation = last(dilation, 1);
        self
    }

    /// Removes the bias.
    pub fn without_bias(mut self) -> Self {
        self.affine.bias = None;
        self
    }
}

impl<const AXES: usize> Module for Conv<AXES> {
    /// An input without a batch axis, [in, …], is one sample.
    ///
    /// # Panics
    /// If the input has another number of axes or channels, or is smaller than the window.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        if x.shape().len() == AXES + 1 {
            return self.affine.convolve(x.unsqueeze(0), self.window).squeeze(0);
        }
        assert!(
            x.shape().len() == AXES + 2,
            "convolution over {AXES} axes: an input of shape {:?} is neither [batch, channels, …] nor [channels, …]",
            x.shape()
        );
        self.affine.convolve(x, self.window)
    }

    fn batch_axis(&self) -> Option<usize> {
        Some(0)
    }
}
