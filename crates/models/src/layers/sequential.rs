//! Layers one after the other.

use ohmgrad_autograd::Var;
use ohmgrad_tensor::Key;

use super::{
    Activation, AdaptiveAvgPool, AvgPool, BatchNorm, Conv2d, Dropout, Embedding, Flatten, Gru, LayerNorm, Linear, Lstm,
    MaxPool, RecurrentOptions, Rnn, Sizes,
};
use crate::module::Module;
use crate::visit::Visit;

/// A network of layers one after the other; each is named by its place, as in PyTorch.
#[derive(Clone, Visit)]
pub struct Sequential {
    #[visit(flatten)]
    layers: Vec<Box<dyn Module>>,
}

/// What makes a layer from its key.
type Init = Box<dyn FnOnce(Key) -> Box<dyn Module>>;

/// A list of layers that are yet to be initialised; it has no forward before [`init`](Self::init).
#[derive(Default)]
pub struct SequentialBuilder {
    layers: Vec<Init>,
}

impl Sequential {
    /// Starts a list of layers.
    ///
    /// ```
    /// use ohmgrad_autograd::Tape;
    /// use ohmgrad_models::{Module, Sequential};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let net = Sequential::new().linear(6, 128).softplus().linear(128, 3).init(Key::new(42));
    /// let tape = Tape::eval(Key::new(0));
    /// let y = net.forward(tape.constant(Tensor::normal(&[32, 6], Key::new(1))));
    /// assert_eq!(y.shape().as_slice(), [32, 3]);
    /// ```
    #[allow(clippy::new_ret_no_self, reason = "a list of layers is begun; the network is what init gives")]
    pub fn new() -> SequentialBuilder {
        SequentialBuilder::default()
    }

    /// The layers.
    pub fn layers(&self) -> &[Box<dyn Module>] {
        &self.layers
    }

    /// The layers, for exchanging some.
    pub fn layers_mut(&mut self) -> &mut Vec<Box<dyn Module>> {
        &mut self.layers
    }
}

impl SequentialBuilder {
    fn add(mut self, layer: impl FnOnce(Key) -> Box<dyn Module> + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// Any module.
    pub fn layer(self, module: impl Module + 'static) -> Self {
        self.add(|_| Box::new(module))
    }

    /// A fully connected layer with a bias.
    pub fn linear(self, ins: usize, outs: usize) -> Self {
        self.add(move |key| Box::new(Linear::new(ins, outs, key)))
    }

    /// A convolution over two axes with a square kernel, stride 1, no padding, and a bias.
    pub fn conv2d(self, ins: usize, outs: usize, kernel: usize) -> Self {
        self.add(move |key| Box::new(Conv2d::new(ins, outs, [kernel; 2], key)))
    }

    /// `max(x, 0)`.
    pub fn relu(self) -> Self {
        self.layer(Activation::Relu)
    }

    /// `ln(1 + eˣ)`.
    pub fn softplus(self) -> Self {
        self.layer(Activation::Softplus)
    }

    /// The logistic function.
    pub fn sigmoid(self) -> Self {
        self.layer(Activation::Sigmoid)
    }

    /// The hyperbolic tangent.
    pub fn tanh(self) -> Self {
        self.layer(Activation::Tanh)
    }

    /// Dropout with probability `p`.
    pub fn dropout(self, p: f64) -> Self {
        self.layer(Dropout(p))
    }

    /// The largest of each window of `kernel` over the last axis.
    pub fn max_pool1d(self, kernel: usize) -> Self {
        self.layer(MaxPool::<1>::new(kernel))
    }

    /// The largest of each window of `kernel` (or `[rows, columns]`) over the last two axes.
    pub fn max_pool2d(self, kernel: impl Sizes<2>) -> Self {
        self.layer(MaxPool::new(kernel))
    }

    /// The mean of each window of `kernel` over the last axis.
    pub fn avg_pool1d(self, kernel: usize) -> Self {
        self.layer(AvgPool::<1>::new(kernel))
    }

    /// The mean of each window of `kernel` (or `[rows, columns]`) over the last two axes.
    pub fn avg_pool2d(self, kernel: impl Sizes<2>) -> Self {
        self.layer(AvgPool::new(kernel))
    }

    /// The means of as many parts of the last axis as `output` says.
    pub fn adaptive_avg_pool1d(self, output: usize) -> Self {
        self.layer(AdaptiveAvgPool::<1>::new(output))
    }

    /// The means of as many parts of the last two axes as `output` (or `[rows, columns]`) says.
    pub fn adaptive_avg_pool2d(self, output: impl Sizes<2>) -> Self {
        self.layer(AdaptiveAvgPool::new(output))
    }

    /// Batch norm of [batch, features] or [batch, features, length].
    pub fn batch_norm1d(self, features: usize) -> Self {
        self.layer(BatchNorm::<1>::new(features))
    }

    /// Batch norm of images [batch, features, rows, columns].
    pub fn batch_norm2d(self, features: usize) -> Self {
        self.layer(BatchNorm::<2>::new(features))
    }

    /// Layer norm over the last axes, which have this shape.
    pub fn layer_norm(self, shape: &[usize]) -> Self {
        self.layer(LayerNorm::new(shape))
    }

    /// A table of `count` rows of `width`, which the input numbers.
    pub fn embedding(self, count: usize, width: usize) -> Self {
        self.add(move |key| Box::new(Embedding::new(count, width, key)))
    }

    /// A plain recurrent layer; it passes on the whole sequence of outputs.
    pub fn rnn(self, ins: usize, hidden: usize, options: RecurrentOptions) -> Self {
        self.add(move |key| Box::new(Rnn::new(ins, hidden, options, key)))
    }

    /// An LSTM; it passes on the whole sequence of outputs.
    pub fn lstm(self, ins: usize, hidden: usize, options: RecurrentOptions) -> Self {
        self.add(move |key| Box::new(Lstm::new(ins, hidden, options, key)))
    }

    /// A GRU; it passes on the whole sequence of outputs.
    pub fn gru(self, ins: usize, hidden: usize, options: RecurrentOptions) -> Self {
        self.add(move |key| Box::new(Gru::new(ins, hidden, options, key)))
    }

    /// All axes but the first become one.
    pub fn flatten(self) -> Self {
        self.layer(Flatten)
    }

    /// The network, with weights drawn from `key` under the number of their layer.
    pub fn init(self, key: Key) -> Sequential {
        let layers = self.layers.into_iter().enumerate().map(|(i, layer)| layer(key.fold(i))).collect();
        Sequential { layers }
    }
}

impl Module for Sequential {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.layers.iter().fold(x, |x, layer| layer.forward(x))
    }

    /// That of the first layer which has one.
    fn batch_axis(&self) -> Option<usize> {
        self.layers.iter().find_map(|layer| layer.batch_axis())
    }
}
