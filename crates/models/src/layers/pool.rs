//! Pooling layers, in one, two and three dimensions.

use ohmgrad_autograd::Var;
use ohmgrad_tensor::pool::PoolWindow;

use super::Sizes;
use crate::module::Module;
use crate::visit::Visit;

/// Adjacent windows of sizes `kernel`.
fn windows<const N: usize>(kernel: impl Sizes<N>) -> [PoolWindow; N] {
    kernel.sizes().map(PoolWindow::new)
}

fn set<const N: usize>(windows: &mut [PoolWindow; N], sizes: impl Sizes<N>, field: fn(&mut PoolWindow) -> &mut usize) {
    windows.iter_mut().zip(sizes.sizes()).for_each(|(window, size)| *field(window) = size);
}

/// The largest element of each window over the last N axes, [batch, channels, …].
///
/// ```
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_models::{MaxPool2d, Module};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let tape = Tape::eval(Key::new(0));
/// let x = tape.constant(Tensor::normal(&[8, 3, 28, 28], Key::new(1)));
/// assert_eq!(MaxPool2d::new(2).forward(x).shape().as_slice(), [8, 3, 14, 14]);
/// assert_eq!(MaxPool2d::new([3, 1]).with_stride(2).with_padding([1, 0]).forward(x).shape().as_slice(), [8, 3, 14, 14]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Visit)]
#[visit(skip)]
pub struct MaxPool<const N: usize> {
    /// The windows, one per axis.
    pub windows: [PoolWindow; N],
}

/// [`MaxPool`] over the last axis.
pub type MaxPool1d = MaxPool<1>;
/// [`MaxPool`] over the last two axes.
pub type MaxPool2d = MaxPool<2>;
/// [`MaxPool`] over the last three axes.
pub type MaxPool3d = MaxPool<3>;

impl<const N: usize> MaxPool<N> {
    /// Adjacent windows of sizes `kernel`.
    pub fn new(kernel: impl Sizes<N>) -> Self {
        Self { windows: windows(kernel) }
    }

    /// Sets the distances between windows.
    pub fn with_stride(mut self, stride: impl Sizes<N>) -> Self {
        set(&mut self.windows, stride, |window| &mut window.stride);
        self
    }

    /// Pads the input on both sides with places that are never the largest.
    pub fn with_padding(mut self, padding: impl Sizes<N>) -> Self {
        set(&mut self.windows, padding, |window| &mut window.padding);
        self
    }

    /// Sets the distances between the places of a window.
    pub fn with_dilation(mut self, dilation: impl Sizes<N>) -> Self {
        set(&mut self.windows, dilation, |window| &mut window.dilation);
        self
    }

    /// Lets the last window reach beyond the input and its padding.
    pub fn with_ceil_mode(mut self) -> Self {
        self.windows.iter_mut().for_each(|window| window.ceil_mode = true);
        self
    }
}

impl<const N: usize> Module for MaxPool<N> {
    /// # Panics
    /// If the input has fewer axes than windows, or a window does not fit.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        x.max_pool(&self.windows)
    }
}

/// The mean of each window over the last N axes, [batch, channels, …].
#[derive(Clone, Copy, Debug, PartialEq, Visit)]
#[visit(skip)]
pub struct AvgPool<const N: usize> {
    /// The windows, one per axis.
    pub windows: [PoolWindow; N],
    /// Counts padding as zeros; if `false`, means are over the inputs alone.
    pub count_include_pad: bool,
}

/// [`AvgPool`] over the last axis.
pub type AvgPool1d = AvgPool<1>;
/// [`AvgPool`] over the last two axes.
pub type AvgPool2d = AvgPool<2>;
/// [`AvgPool`] over the last three axes.
pub type AvgPool3d = AvgPool<3>;

impl<const N: usize> AvgPool<N> {
    /// Adjacent windows of sizes `kernel`.
    pub fn new(kernel: impl Sizes<N>) -> Self {
        Self { windows: windows(kernel), count_include_pad: true }
    }

    /// Sets the distances between windows.
    pub fn with_stride(mut self, stride: impl Sizes<N>) -> Self {
        set(&mut self.windows, stride, |window| &mut window.stride);
        self
    }

    /// Pads the input before and behind with zeros.
    pub fn with_padding(mut self, padding: impl Sizes<N>) -> Self {
        set(&mut self.windows, padding, |window| &mut window.padding);
        self
    }

    /// Lets the last window reach beyond the input and its padding.
    pub fn with_ceil_mode(mut self) -> Self {
        self.windows.iter_mut().for_each(|window| window.ceil_mode = true);
        self
    }

    /// Takes means over the inputs of a window alone, without its padding.
    pub fn without_padding_counted(self) -> Self {
        Self { count_include_pad: false, ..self }
    }
}

impl<const N: usize> Module for AvgPool<N> {
    /// # Panics
    /// If the input has fewer axes than windows, or a window does not fit.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        x.avg_pool(&self.windows, self.count_include_pad)
    }
}

/// The means of a number of about equal parts of the last N axes: 1 is the mean over whole images.
#[derive(Clone, Copy, Debug, PartialEq, Visit)]
#[visit(skip)]
pub struct AdaptiveAvgPool<const N: usize> {
    /// The sizes of the last axes of the result.
    pub output: [usize; N],
}

/// [`AdaptiveAvgPool`] over the last axis.
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
/// [`AdaptiveAvgPool`] over the last two axes.
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;
/// [`AdaptiveAvgPool`] over the last three axes.
pub type AdaptiveAvgPool3d = AdaptiveAvgPool<3>;

impl<const N: usize> AdaptiveAvgPool<N> {
    /// A pool with a result of these sizes.
    pub fn new(output: impl Sizes<N>) -> Self {
        Self { output: output.sizes() }
    }
}

impl<const N: usize> Module for AdaptiveAvgPool<N> {
    /// # Panics
    /// If the input has fewer axes, or a size is 0.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        x.adaptive_avg_pool(&self.output)
    }
}
