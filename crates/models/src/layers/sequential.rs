//! Layers one after the other.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use ohmgrad_autograd::Var;
use ohmgrad_tensor::Key;

use super::{
    Activation, AdaptiveAvgPool, AvgPool, BatchNorm, Conv2d, Dropout, Embedding, Flatten, Gru, LayerNorm, Linear, Lstm,
    MaxPool, RecurrentOptions, Rnn, Sizes,
};
use crate::convert::Network;
use crate::module::Module;
use crate::visit::{Slot, SlotMut, Visit, join};

/// A network of layers one after the other, as PyTorch's; each is named by its place, or by
/// [`named`](SequentialBuilder::named).
#[derive(Clone)]
pub struct Sequential {
    layers: Vec<Box<dyn Module>>,
    /// By the place of a layer.
    names: BTreeMap<usize, String>,
}

/// Prints the number of layers and all paths.
impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.layers.len();
        f.debug_struct("Sequential").field("layers", &layers).field("parameters", &self.parameter_names()).finish()
    }
}

/// A function that makes a layer from its key.
type Init = Box<dyn FnOnce(Key) -> Box<dyn Module>>;

/// A list of layers that are yet to be initialised; it has no forward before [`init`](Self::init).
///
/// Common layers have a function with their usual arguments. [`layer`](Self::layer) takes any finished layer,
/// [`layer_with`](Self::layer_with) a function that makes one from a key, and [`named`](Self::named) such a function
/// and a name, so that layers can have all their options:
///
/// ```
/// use ohmgrad_models::{Conv2d, MaxPool2d, Network, Rnn, Sequential};
/// use ohmgrad_tensor::Key;
///
/// let net = Sequential::new()
///     .named("stem", |key| Conv2d::grouped(4, 8, 3, 2, key).with_stride(2).with_padding(1))
///     .layer(MaxPool2d::new(3).with_stride(2).with_padding(1))
///     .flatten()
///     .layer_with(|key| Rnn::new(128, 32, Default::default(), key).with_relu())
///     .init(Key::new(42));
/// assert_eq!(net.parameter_names()[..3], ["stem.weight", "stem.bias", "3.weight_ih_l0"]);
/// ```
#[derive(Default)]
pub struct SequentialBuilder {
    layers: Vec<(Option<String>, Init)>,
}

/// Prints the names of the layers.
impl fmt::Debug for SequentialBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.layers.iter().map(|(name, _)| name).collect();
        f.debug_struct("SequentialBuilder").field("layers", &names).finish()
    }
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

    /// The layers, for exchanging some. A name stays at its place.
    pub fn layers_mut(&mut self) -> &mut Vec<Box<dyn Module>> {
        &mut self.layers
    }
}

impl SequentialBuilder {
    fn add<M: Module + 'static>(mut self, name: Option<&str>, layer: impl FnOnce(Key) -> M + 'static) -> Self {
        self.layers.push((name.map(str::to_owned), Box::new(|key| Box::new(layer(key)))));
        self
    }

    /// Any module.
    pub fn layer(self, module: impl Module + 'static) -> Self {
        self.add(None, |_| module)
    }

    /// Any module that is made from a key: that of [`init`](Self::init), folded with its place.
    pub fn layer_with<M: Module + 'static>(self, layer: impl FnOnce(Key) -> M + 'static) -> Self {
        self.add(None, layer)
    }

    /// Any module under a name. The paths of its parameters begin with the name, so that weights of a PyTorch module of
    /// that name load. A name may have several components, as `features.0`. The module's key is folded with the name,
    /// and so does not depend on its place:
    ///
    /// ```
    /// use ohmgrad_models::{Conv2d, Linear, Network, Sequential};
    /// use ohmgrad_tensor::Key;
    ///
    /// let net = Sequential::new()
    ///     .named("conv1", |key| Conv2d::new(1, 4, 3, key).with_padding(1))
    ///     .relu()
    ///     .flatten()
    ///     .named("fc", |key| Linear::new(64, 10, key))
    ///     .init(Key::new(42));
    /// assert_eq!(net.parameter_names(), ["conv1.weight", "conv1.bias", "fc.weight", "fc.bias"]);
    /// assert_eq!(net.state_dict()[2].1, Linear::new(64, 10, Key::new(42).fold("fc")).affine.weight().value);
    /// ```
    ///
    /// # Panics
    /// If the name is empty, or another layer has it.
    pub fn named<M: Module + 'static>(self, name: &str, layer: impl FnOnce(Key) -> M + 'static) -> Self {
        let is_free = self.layers.iter().all(|(other, _)| other.as_deref() != Some(name));
        assert!(is_free && !name.is_empty(), "sequential: `{name}` is empty or the name of another layer");
        self.add(Some(name), layer)
    }

    /// A fully connected layer with a bias.
    pub fn linear(self, ins: usize, outs: usize) -> Self {
        self.layer_with(move |key| Linear::new(ins, outs, key))
    }

    /// A convolution over two axes, with a window of `kernel` (or `[rows, columns]`), stride 1, no padding, and a bias;
    /// one with other options is [`layer_with`](Self::layer_with)`(|key| Conv2d::new(…, key).with_stride(…))`.
    pub fn conv2d(self, ins: usize, outs: usize, kernel: impl Sizes<2>) -> Self {
        let kernel = kernel.sizes();
        self.layer_with(move |key| Conv2d::new(ins, outs, kernel, key))
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

    /// The largest element of each window of `kernel` over the last axis. With another stride, padding or dilation:
    /// [`layer`](Self::layer)`(MaxPool1d::new(kernel).with_stride(…))`, and so for the other pools.
    pub fn max_pool1d(self, kernel: usize) -> Self {
        self.layer(MaxPool::<1>::new(kernel))
    }

    /// The largest element of each window of `kernel` (or `[rows, columns]`) over the last two axes.
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

    /// The means of `output` parts of the last axis, of about equal size.
    pub fn adaptive_avg_pool1d(self, output: usize) -> Self {
        self.layer(AdaptiveAvgPool::<1>::new(output))
    }

    /// The means of parts of the last two axes, of about equal size: `output` (or `[rows, columns]`) along the axes.
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

    /// A table of `count` rows of `width`; the input has row numbers.
    pub fn embedding(self, count: usize, width: usize) -> Self {
        self.layer_with(move |key| Embedding::new(count, width, key))
    }

    /// A plain recurrent layer; it passes on the whole sequence of outputs.
    pub fn rnn(self, ins: usize, hidden: usize, options: RecurrentOptions) -> Self {
        self.layer_with(move |key| Rnn::new(ins, hidden, options, key))
    }

    /// An LSTM; it passes on the whole sequence of outputs.
    pub fn lstm(self, ins: usize, hidden: usize, options: RecurrentOptions) -> Self {
        self.layer_with(move |key| Lstm::new(ins, hidden, options, key))
    }

    /// A GRU; it passes on the whole sequence of outputs.
    pub fn gru(self, ins: usize, hidden: usize, options: RecurrentOptions) -> Self {
        self.layer_with(move |key| Gru::new(ins, hidden, options, key))
    }

    /// Joins all axes but the first into one.
    pub fn flatten(self) -> Self {
        self.layer(Flatten)
    }

    /// The network. Each layer gets `key`, folded with the layer's name or, without one, its place.
    pub fn init(self, key: Key) -> Sequential {
        let (mut layers, mut names) = (vec![], BTreeMap::new());
        for (i, (name, layer)) in self.layers.into_iter().enumerate() {
            layers.push(layer(name.as_ref().map_or_else(|| key.fold(i), |name| key.fold(name.as_str()))));
            names.extend(name.map(|name| (i, name)));
        }
        Sequential { layers, names }
    }
}

impl Module for Sequential {
    /// # Panics
    /// If a layer refuses its input; the message names the layer.
    #[track_caller]
    fn forward<'t>(&self, mut x: Var<'t>) -> Var<'t> {
        for (place, layer) in self.layers.iter().enumerate() {
            x = match panic::catch_unwind(AssertUnwindSafe(|| layer.forward(x))) {
                Ok(y) => y,
                Err(reason) => refuse(&path_of("", place, &self.names), reason),
            };
        }
        x
    }

    /// The batch axis of the first layer that has one.
    fn batch_axis(&self) -> Option<usize> {
        self.layers.iter().find_map(|layer| layer.batch_axis())
    }
}

/// The path of the layer at a place.
fn path_of(path: &str, place: usize, names: &BTreeMap<usize, String>) -> String {
    names.get(&place).map_or_else(|| join(path, &place.to_string()), |name| join(path, name))
}

/// Panics with a layer's message behind the layer's path, such as `2.0` in a network in a network.
#[track_caller]
fn refuse(layer: &str, reason: Box<dyn Any + Send>) -> ! {
    let text = reason.downcast_ref::<String>().map(String::as_str).or(reason.downcast_ref::<&str>().copied());
    match text.map(|text| (text, text.strip_prefix("layer "))) {
        Some((_, Some(inner))) => panic!("layer {layer}.{inner}"),
        Some((text, None)) => panic!("layer {layer}: {text}"),
        None => panic::resume_unwind(reason),
    }
}

impl Visit for Sequential {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Slot<'a>)) {
        for (i, layer) in self.layers.iter().enumerate() {
            layer.visit(&path_of(path, i, &self.names), f);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, SlotMut<'a>)) {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            layer.visit_mut(&path_of(path, i, &self.names), f);
        }
    }
}
