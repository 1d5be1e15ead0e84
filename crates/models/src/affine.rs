//! The slot of a weight and a bias: the one place that depends on whether a weight is digital or on tiles.

use ohmgrad_analog::config::RpuConfig;
use ohmgrad_analog::{CallPairs, Error, TileArray};
use ohmgrad_autograd::{Gradients, Id, Param, Var};
use ohmgrad_tensor::{ConvWindow, Key, Tensor};

use crate::visit::join;

/// The place of a layer's weight [out, in].
#[derive(Clone, Debug)]
pub enum Weight {
    /// In digital memory.
    Digital(Param),
    /// On analog tiles.
    Analog(Box<TileArray>),
}

/// `y = x·Wᵀ + b`, or a convolution: the weight and bias of a layer, digital or on tiles.
#[derive(Clone, Debug)]
pub struct Affine {
    /// The weight, [out, in] or [out, in/groups, …kernel].
    pub weight: Weight,
    /// The number of groups of channels of a convolution, each with separate tiles; else 1.
    pub groups: usize,
    /// The bias of each output. It is digital and added after the product, unless the tiles hold it as a column.
    pub bias: Option<Param>,
    /// Names of its parameters in a state dict.
    pub(crate) naming: Naming,
}

/// Rules by which the path of a slot becomes that of a parameter in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Naming {
    /// `fc` has `fc.weight` and `fc.bias`.
    #[default]
    Inside,
    /// `rnn.ih_l0` has `rnn.weight_ih_l0` and `rnn.bias_ih_l0`, as PyTorch's recurrent layers.
    Prefixed,
    /// `attn.in_proj` has `attn.in_proj_weight` and `attn.in_proj_bias`, as PyTorch's attention.
    Suffixed,
}

impl Naming {
    /// The path of the parameter `name` in the slot at `path`.
    pub(crate) fn path(self, path: &str, name: &str) -> String {
        match (self, path.rsplit_once('.')) {
            (Self::Inside, _) => join(path, name),
            (Self::Prefixed, Some((layer, slot))) => format!("{layer}.{name}_{slot}"),
            (Self::Prefixed, None) => format!("{name}_{path}"),
            (Self::Suffixed, _) => format!("{path}_{name}"),
        }
    }
}

impl Affine {
    /// A digital weight [out, in, …] and a bias for each output.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self {
            weight: Weight::Digital(Param::new(weight)),
            groups: 1,
            bias: bias.map(Param::new),
            naming: Naming::Inside,
        }
    }

    /// The same with a parameter's name before the slot's: for layers with several slots, as PyTorch's recurrent ones.
    pub(crate) fn prefixed(self) -> Self {
        Self { naming: Naming::Prefixed, ..self }
    }

    /// The same with a parameter's name behind the slot's, as in PyTorch's attention.
    pub(crate) fn suffixed(self) -> Self {
        Self { naming: Naming::Suffixed, ..self }
    }

    /// The logical weight: without learned output scales, as training uses it.
    pub fn weight(&self) -> &Param {
        match &self.weight {
            Weight::Digital(weight) => weight,
            Weight::Analog(tiles) => &tiles.weight,
        }
    }

    /// The tiles, if the weight lives on some.
    pub fn tiles(&self) -> Option<&TileArray> {
        match &self.weight {
            Weight::Digital(_) => None,
            Weight::Analog(tiles) => Some(tiles),
        }
    }

    /// The tiles, for changing them, if the weight lives on some.
    pub fn tiles_mut(&mut self) -> Option<&mut TileArray> {
        match &mut self.weight {
            Weight::Digital(_) => None,
            Weight::Analog(tiles) => Some(tiles),
        }
    }

    /// The product of rows [batch, …, in] with the weight, plus the bias: [batch, …, out].
    ///
    /// # Panics
    /// If the rows do not fit the weight.
    #[track_caller]
    pub fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let mut shape = x.shape();
        let ins = self.weight().value.shape()[1];
        assert!(
            shape.len() >= 2 && shape.last() == Some(&ins),
            "linear: an input of shape {shape:?} is not [batch, …, {ins}]"
        );
        if shape.len() == 2 {
            return self.forward_rows(x, 1);
        }
        let last = shape.len() - 1;
        let (rows, per_sample) = (shape[..last].iter().product(), shape[1..last].iter().product());
        let y = self.forward_rows(x.reshape(&[rows, shape[last]]), per_sample);
        shape[last] = y.shape()[1];
        y.reshape(&shape)
    }

    #[track_caller]
    fn forward_rows<'t>(&self, x: Var<'t>, per_sample: usize) -> Var<'t> {
        let tape = x.tape();
        let bias = || self.bias.as_ref().map(|b| tape.param(b));
        match &self.weight {
            Weight::Analog(tiles) if tiles.has_analog_bias() => tiles.forward_rows(x, per_sample, bias()),
            weight => {
                let y = match weight {
                    Weight::Digital(weight) => x.linear(tape.param(weight)),
                    Weight::Analog(tiles) => tiles.forward_rows(x, per_sample, None),
                };
                bias().map_or(y, |b| y + b)
            }
        }
    }

    /// The convolution of `x` [batch, in, …] with the weight, plus the bias for each output channel.
    ///
    /// # Panics
    /// If the input or the window do not fit the weight.
    #[track_caller]
    pub fn convolve<'t>(&self, x: Var<'t>, window: ConvWindow) -> Var<'t> {
        let (tape, shape) = (x.tape(), x.shape());
        let channels = self.weight().value.shape()[1] * self.groups;
        assert!(
            shape.len() == self.weight().value.rank() && shape[1] == channels,
            "convolution: an input of shape {shape:?} is not [batch, {channels}, …], of {} axes",
            self.weight().value.rank()
        );
        let bias = || self.bias.as_ref().map(|b| tape.param(b));
        match &self.weight {
            Weight::Analog(tiles) if tiles.has_analog_bias() => tiles.convolve(x, window, bias()),
            Weight::Analog(tiles) => {
                let y = tiles.convolve(x, window, None);
                let mut shape = vec![y.shape()[1]];
                shape.resize(y.shape().len() - 1, 1);
                bias().map_or(y, |b| y + b.reshape(&shape))
            }
            Weight::Digital(weight) => x.convolution(tape.param(weight), bias(), window, self.groups),
        }
    }

    /// The same weight and bias on tiles. A weight that is on tiles already is mapped onto new ones, which take over
    /// input ranges and running means.
    ///
    /// # Errors
    /// If the configuration is not valid, the weight is programmed onto a chip, or the new tiles are cut otherwise and
    /// so can't take over input ranges and running means.
    pub fn on_tiles(&self, config: impl Into<RpuConfig>, path: &str, key: Key) -> Result<Self, Error> {
        if self.is_programmed() {
            let reason = "its weight is programmed onto a chip; set_config puts the chip under another configuration, \
                          to_digital takes its weights off";
            return Err(Error::Convert { layer: path.into(), reason: reason.into() });
        }
        let mut digital = self.clone();
        digital.to_digital();
        let bias = digital.bias.as_ref().map(|b| &b.value);
        let mut tiles = TileArray::new(digital.weight().value.clone(), self.groups, bias, config, path, key)?;
        if let Some(old) = self.tiles() {
            tiles.inherit(old).map_err(in_layer(path))?;
        }
        let held = tiles.trains_on_chip().then(|| tiles.effective_weights(bias).1).flatten();
        let mut analog = Self { weight: Weight::Analog(Box::new(tiles)), ..digital };
        if let (Some(bias), Some(held)) = (&mut analog.bias, held) {
            bias.value = held;
        }
        analog.stay_frozen(&self.frozen());
        Ok(analog)
    }

    /// Returns `true` if the weight is programmed onto a chip.
    pub(crate) fn is_programmed(&self) -> bool {
        self.tiles().is_some_and(|tiles| tiles.programmed().is_some())
    }

    /// The effective weight of evaluations, and the bias; see [`TileArray::effective_weights`].
    pub(crate) fn effective(&self) -> (Tensor, Option<Tensor>) {
        let bias = self.bias.as_ref().map(|bias| &bias.value);
        match &self.weight {
            Weight::Digital(weight) => (weight.value.clone(), bias.cloned()),
            Weight::Analog(tiles) => {
                let (weight, of_tile) = tiles.effective_weights(bias);
                (weight, of_tile.or(bias.cloned()))
            }
        }
    }

    /// Moves the weight back into digital memory, learned output scales included. On a chip it is the weight that the
    /// devices hold now, with drift compensation.
    pub fn to_digital(&mut self) {
        if self.tiles().is_none() {
            return;
        }
        let (weight, bias) = self.effective();
        if let (Some(param), Some(value)) = (&mut self.bias, bias) {
            param.value = value;
        }
        self.weight = Weight::Digital(self.weight().with_value(weight));
    }

    /// Moves the weight, and an analog bias, back into digital memory, estimated from reads of the tiles.
    pub(crate) fn read_back(&mut self, key: Key) {
        let Weight::Analog(tiles) = &self.weight else { return };
        let (weight, of_bias) = tiles.read_back(self.bias.as_ref().map(|b| &b.value), key);
        if let (Some(bias), Some(read)) = (&mut self.bias, of_bias) {
            bias.value = read;
        }
        self.weight = Weight::Digital(self.weight().with_value(weight));
    }

    /// Replaces weight and bias; tiles recompute their mapping scales.
    ///
    /// # Panics
    /// If a shape differs from the replaced one, or a bias is given where there is none.
    #[track_caller]
    pub fn set(&mut self, weight: Tensor, bias: Option<Tensor>) {
        if let Some(new) = bias {
            let old = self.bias.as_mut().expect("set: there is no bias");
            assert!(new.shape() == old.value.shape(), "set: bias {:?} for {:?}", new.shape(), old.value.shape());
            old.value = new;
        }
        match &mut self.weight {
            Weight::Digital(old) => {
                assert!(weight.shape() == old.value.shape(), "set: {:?} for {:?}", weight.shape(), old.value.shape());
                old.value = weight;
            }
            Weight::Analog(tiles) => tiles.set_weight(weight, self.bias.as_ref().map(|b| &b.value)),
        }
    }

    /// Every parameter that is trained, with its name in this slot.
    pub(crate) fn params(&self) -> impl Iterator<Item = (&'static str, &Param)> {
        let tiles = self.tiles().into_iter().flat_map(|tiles| tiles.params().filter(|(name, _)| *name != "weight"));
        let bias = self.bias.as_ref().map(|bias| ("bias", bias));
        [("weight", self.weight())].into_iter().chain(bias).chain(tiles)
    }

    /// As [`params`](Self::params), for changing them, then buffers; `true` if trained.
    pub(crate) fn states_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut Param, bool)> {
        let (weight, others) = match &mut self.weight {
            Weight::Digital(weight) => (weight, vec![]),
            Weight::Analog(tiles) => tiles.slots_mut(),
        };
        let bias = self.bias.as_mut().map(|bias| ("bias", bias, true));
        [("weight", weight, true)].into_iter().chain(bias).chain(others)
    }

    /// The identities of all trained parameters, and of the buffers of the tiles.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        self.params().map(|(_, param)| param).chain(self.tile_buffers()).map(Param::id)
    }

    /// Input ranges, their numbers of calls, and running means.
    pub(crate) fn tile_buffers(&self) -> impl Iterator<Item = &Param> {
        self.tiles().into_iter().flat_map(|tiles| {
            let ranges = tiles.input_ranges.as_ref().map(|ranges| [&ranges.values, &ranges.calls]);
            ranges.into_iter().flatten().chain([&tiles.averages])
        })
    }

    /// The names of all parameters, and whether they are frozen; see [`Param::set_frozen`].
    pub(crate) fn frozen(&self) -> Vec<(&'static str, bool)> {
        self.params().map(|(name, param)| (name, param.is_frozen())).collect()
    }

    /// Freezes the parameters that were [frozen](Self::frozen) before the weight moved; new ones are frozen if the
    /// weight is.
    pub(crate) fn stay_frozen(&mut self, before: &[(&str, bool)]) {
        let of = |name: &str| before.iter().find(|(old, _)| *old == name).map(|(_, frozen)| *frozen);
        let of_weight = of("weight").unwrap_or(false);
        self.states_mut().for_each(|(name, param, _)| param.set_frozen(of(name).unwrap_or(of_weight)));
    }

    /// Updates a weight that lives in devices from the deposits of a step's calls, at a learning rate.
    pub(crate) fn update_devices(&mut self, gradients: &Gradients, rate: f32) {
        if let Weight::Analog(tiles) = &mut self.weight
            && tiles.trains_on_chip()
            && !tiles.weight.is_frozen()
        {
            let id = tiles.weight.id();
            let calls = gradients.deposited::<CallPairs>().filter(|(of, _)| *of == id).map(|(_, pairs)| pairs);
            tiles.update(calls, rate, gradients.key(), self.bias.as_mut().map(|bias| &mut bias.value));
        }
    }

    /// Clips and remaps weights after a step of an optimizer, if the tiles' configuration asks for it and they are not
    /// frozen.
    pub(crate) fn after_step(&mut self) {
        if let Weight::Analog(tiles) = &mut self.weight
            && !tiles.weight.is_frozen()
        {
            tiles.after_step(self.bias.as_mut().map(|bias| &mut bias.value));
        }
    }

    /// Remaps the weight; see [`Network::remap_weights`](crate::Network::remap_weights).
    pub(crate) fn remap_weights(&mut self, omega: f32) {
        if let Weight::Analog(tiles) = &mut self.weight {
            tiles.remap_weights(omega, self.bias.as_mut().map(|bias| &mut bias.value));
        }
    }
}

/// For `map_err`: names the layer.
pub(crate) fn in_layer(path: &str) -> impl Fn(Error) -> Error {
    move |error| Error::Convert { layer: path.into(), reason: error.to_string() }
}
