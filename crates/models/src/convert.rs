//! Operations on a whole network: naming, counting, moving it onto tiles and back.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ohmgrad_analog::Error;
use ohmgrad_analog::config::{NoiseModelConfig, RpuConfig};
use ohmgrad_autograd::{Gradients, Id, State};
use ohmgrad_tensor::{Key, Tensor};

use crate::affine::{Affine, in_layer};
use crate::alike::alike;
use crate::checkpoint::{self, CheckpointError, Restored};
use crate::chip::Chip;
use crate::summary::Summary;
use crate::visit::{Slot, Visit, owned, states_mut};

/// Operations on every network that implements [`Visit`].
pub trait Network: Visit {
    /// Freezes every parameter of a network or of a part of it: training leaves them as they are, also where clipping
    /// or remapping would change weights on tiles. Moving onto tiles and back, cloning and restoring keep them frozen.
    /// Buffers, such as the running means of a batch norm, still change.
    ///
    /// ```
    /// use ohmgrad_autograd::Tape;
    /// use ohmgrad_models::{Linear, Module, Network, Sgd, Visit};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// #[derive(Visit)]
    /// struct Net {
    ///     body: Linear,
    ///     head: Linear,
    /// }
    ///
    /// let mut net = Net { body: Linear::new(3, 4, Key::new(1)), head: Linear::new(4, 2, Key::new(2)) };
    /// net.body.freeze();
    /// let before = net.state_dict();
    /// let tape = Tape::train(Key::new(3));
    /// let y = net.head.forward(net.body.forward(tape.constant(Tensor::normal(&[8, 3], Key::new(4)))).tanh());
    /// Sgd::new(0.1).step(&mut net, (y * y).mean().backward());
    /// let after = net.state_dict();
    /// assert_eq!(before[..2], after[..2]);
    /// assert_ne!(before[2..], after[2..]);
    /// ```
    fn freeze(&mut self) {
        self.parameters_mut().into_iter().for_each(|(_, param)| param.set_frozen(true));
    }

    /// Lets training change every [frozen](Self::freeze) parameter again.
    fn unfreeze(&mut self) {
        self.parameters_mut().into_iter().for_each(|(_, param)| param.set_frozen(false));
    }

    /// Splits the gradients of this part of a network off those of the whole, with the deposits and the state of its
    /// parameters and buffers. For parts that have separate optimizers.
    ///
    /// ```
    /// use ohmgrad_autograd::Tape;
    /// use ohmgrad_models::{Adam, Linear, Module, Network, Sgd};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let (mut body, mut head) = (Linear::new(3, 4, Key::new(1)), Linear::new(4, 2, Key::new(2)));
    /// let tape = Tape::train(Key::new(3));
    /// let y = head.forward(body.forward(tape.constant(Tensor::normal(&[8, 3], Key::new(4)))).tanh());
    /// let mut gradients = (y * y).mean().backward();
    /// let of_head = head.take_gradients(&mut gradients);
    /// Adam::new(1e-3).step(&mut head, of_head);
    /// Sgd::new(0.1).step(&mut body, gradients);
    /// ```
    fn take_gradients(&self, gradients: &mut Gradients) -> Gradients {
        let owned = owned(self);
        gradients.split_off(|id| owned.contains(&id))
    }

    /// The paths of all parameters, in order.
    fn parameter_names(&self) -> Vec<String> {
        self.parameters().into_iter().map(|(path, _)| path).collect()
    }

    /// The number of elements of all parameters.
    fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|(_, param)| param.value.len()).sum()
    }

    /// The paths of all parameters by their identity, for [`Trace::named`](ohmgrad_autograd::Trace::named).
    fn names(&self) -> HashMap<Id, String> {
        self.parameters().into_iter().map(|(path, param)| (param.id(), path)).collect()
    }

    /// All parameters, then all buffers, with their paths, like a PyTorch state dict. The values are those that
    /// training set: for a chip the weights that were programmed. [`effective_weights`](Self::effective_weights) gives
    /// those that its devices hold.
    fn state_dict(&self) -> Vec<(String, Tensor)> {
        let states = self.parameters().into_iter().chain(self.buffers());
        states.map(|(path, param)| (path, param.value.clone())).collect()
    }

    /// Moves every weight onto tiles, in place: all of them, or none if one can't be moved.
    ///
    /// Fixed variations from device to device are drawn from `key`, the hardware's. The configuration may be of any
    /// kind; under one that trains on the chip, weights live in devices and are limited to their bounds.
    ///
    /// ```
    /// use ohmgrad_analog::InferenceRpuConfig;
    /// use ohmgrad_models::{Network, Sequential};
    /// use ohmgrad_tensor::Key;
    ///
    /// let key = Key::new(1);
    /// let mut net = Sequential::new().linear(784, 10).init(key.fold("weights"));
    /// net.to_analog(&InferenceRpuConfig::default(), key.fold("hardware"))?;
    /// assert!(net.is_analog());
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// A weight that is on tiles already is mapped onto new ones, which take over input ranges and running means;
    /// [`set_config`](Self::set_config) keeps the tiles.
    ///
    /// # Errors
    /// If the configuration is not valid, a weight is programmed onto a chip, or new tiles are cut otherwise than those
    /// whose input ranges they would take over; the network is then as it was.
    fn to_analog(&mut self, config: impl Into<RpuConfig>, key: Key) -> Result<(), Error> {
        let config = config.into();
        self.to_analog_with(key, |_| Some(&config))
    }

    /// Moves weights onto tiles under a configuration that `pick` chooses by the path of their layer; those for which
    /// it chooses none stay where they are. All chosen weights move, or none if one can't be moved.
    ///
    /// ```
    /// use ohmgrad_analog::{InferenceRpuConfig, MappingParameter};
    /// use ohmgrad_models::{Network, Sequential};
    /// use ohmgrad_tensor::Key;
    ///
    /// let mut net = Sequential::new().linear(784, 256).relu().linear(256, 10).init(Key::new(1));
    /// let config = InferenceRpuConfig::default();
    /// // The last layer stays digital.
    /// net.to_analog_with(Key::new(2), |path| (path != "2").then_some(&config))?;
    /// assert_eq!(net.summary().layers.iter().map(|l| l.tiles).collect::<Vec<_>>(), [2, 0]);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`to_analog`](Self::to_analog).
    fn to_analog_with<C: Into<RpuConfig>>(&mut self, key: Key, pick: impl Fn(&str) -> Option<C>) -> Result<(), Error> {
        let affines = self.affines_mut();
        let on_tiles = |(path, affine): &(String, &mut Affine)| {
            pick(path).map(|config| affine.on_tiles(config, path, key)).transpose()
        };
        let moved = affines.iter().map(on_tiles).collect::<Result<Vec<_>, _>>()?;
        for ((_, affine), moved) in affines.into_iter().zip(moved) {
            if let Some(moved) = moved {
                *affine = moved;
            }
        }
        Ok(())
    }

    /// Gives all tiles another configuration, in place. They keep scales, input ranges, running means, the variations
    /// of each direction whose spreads stay the same, and on a chip programmed weights and drift; see
    /// [`TileArray::set_config`](ohmgrad_analog::TileArray::set_config). Digital weights stay where they are.
    ///
    /// ```
    /// use ohmgrad_analog::InferenceRpuConfig;
    /// use ohmgrad_models::{Network, Sequential, predict};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let mut net = Sequential::new().linear(64, 10).init(Key::new(1));
    /// let mut config = InferenceRpuConfig::default();
    /// net.to_analog(&config, Key::new(2))?;
    /// let mut chip = net.program(Key::new(3))?;
    /// // One chip, read by coarser and coarser converters.
    /// for steps in [510.0, 254.0, 126.0, 62.0] {
    ///     config.forward.out_res = steps;
    ///     chip.set_config(&config)?;
    ///     let y = predict(&chip, &Tensor::normal(&[5, 64], Key::new(4)), Key::new(5));
    /// #   assert_eq!(y.shape(), [5, 10]);
    /// }
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the configuration is not valid, or does not fit one of the tiles: it has another cut or mapping, other
    /// devices that train by pulses, or on a chip another noise model or drift compensation. The network is then as it
    /// was.
    fn set_config(&mut self, config: impl Into<RpuConfig>) -> Result<(), Error> {
        let config = config.into();
        self.set_config_with(|_| Some(&config))
    }

    /// As [`set_config`](Self::set_config), with a configuration that `pick` chooses by the path of a layer; tiles for
    /// which it chooses none stay as they are.
    ///
    /// # Errors
    /// As for [`set_config`](Self::set_config).
    fn set_config_with<C: Into<RpuConfig>>(&mut self, pick: impl Fn(&str) -> Option<C>) -> Result<(), Error> {
        let mut chosen = vec![];
        for (path, tiles) in self.tile_arrays_mut() {
            if let Some(config) = pick(&path).map(Into::into) {
                tiles.check_config(&config).map_err(in_layer(&path))?;
                chosen.push((path, tiles, config));
            }
        }
        chosen.into_iter().try_for_each(|(path, tiles, config)| tiles.set_config(config).map_err(in_layer(&path)))
    }

    /// Moves every weight back into digital memory, in place, learned output scales included. On a chip these are the
    /// weights that its devices hold now, with drift compensation. Input ranges, running means, mapping scales and
    /// devices are dropped with the tiles.
    fn to_digital(&mut self) {
        self.affines_mut().into_iter().for_each(|(_, affine)| affine.to_digital());
    }

    /// The exact effective weights and biases of evaluations, with all other parameters and buffers of layers, like a
    /// PyTorch state dict: learned output scales are in the weights, and weights of a chip are those that its devices
    /// hold now, with drift compensation.
    fn effective_weights(&self) -> Vec<(String, Tensor)> {
        let (mut dict, mut buffers) = (vec![], vec![]);
        for (path, slot) in self.slots() {
            match slot {
                Slot::Param(param) => dict.push((path, param.value.clone())),
                Slot::Buffer(param) => buffers.push((path, param.value.clone())),
                Slot::Affine(affine) => {
                    let (weight, bias) = affine.effective();
                    dict.push((affine.naming.path(&path, "weight"), weight));
                    dict.extend(bias.map(|bias| (affine.naming.path(&path, "bias"), bias)));
                }
            }
        }
        dict.extend(buffers);
        dict
    }

    /// Remaps every weight on tiles: the largest tile weight of each tile (of each output with
    /// `weight_scaling_columnwise`) becomes `omega`. For use after training, when weights have left the range that they
    /// were mapped to. Learned output scales move into the weights and become 1; input ranges, running means and fixed
    /// variations stay. The reference's default for `omega` is 1.
    ///
    /// ```
    /// use ohmgrad_analog::InferenceRpuConfig;
    /// use ohmgrad_models::{Network, Sequential};
    /// use ohmgrad_tensor::Key;
    ///
    /// let mut net = Sequential::new().linear(784, 10).init(Key::new(1));
    /// net.to_analog(&InferenceRpuConfig::default(), Key::new(2))?; // weights as they are
    /// net.remap_weights(1.0)?;
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `omega` is negative or not finite, or a weight is programmed onto a chip; the network is then as it was.
    fn remap_weights(&mut self, omega: f32) -> Result<(), Error> {
        if !(omega >= 0.0 && omega.is_finite()) {
            let (field, value) = ("omega".into(), omega.to_string());
            return Err(Error::InvalidField { field, value, allowed: "at least 0 and finite".into() });
        }
        if let Some((layer, _)) = self.tile_arrays().into_iter().find(|(_, tiles)| tiles.programmed().is_some()) {
            let reason =
                "its weight is programmed onto a chip, and this maps weights that are not on devices yet".into();
            return Err(Error::Convert { layer, reason });
        }
        self.affines_mut().into_iter().for_each(|(_, affine)| affine.remap_weights(omega));
        Ok(())
    }

    /// As [`to_digital`](Self::to_digital), but with weights that are estimated from reads of random inputs, with all
    /// noise of the reads ([`TileArray::read_back`](ohmgrad_analog::TileArray::read_back)). On a chip these are the
    /// drifted weights, drift compensation included. Everything else is dropped with the tiles.
    #[doc(alias = "realistic")]
    fn to_digital_realistic(&mut self, key: Key) {
        self.affines_mut().into_iter().for_each(|(path, affine)| affine.read_back(key.fold(path.as_str())));
    }

    /// Programs every weight on tiles onto the devices of its configuration's noise model and returns the chip; the
    /// network does not change. The chip has the network's input ranges, running means, learned scales and fixed
    /// variations. Its devices are functions of `key`, the chip's, and of the time.
    ///
    /// ```
    /// use ohmgrad_analog::{InferenceRpuConfig, MappingParameter};
    /// use ohmgrad_models::{Network, Sequential, predict};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let key = Key::new(1);
    /// let mut net = Sequential::new().linear(64, 10).init(key.fold("weights"));
    /// let mapping = MappingParameter { weight_scaling_omega: 1.0, ..Default::default() };
    /// net.to_analog(&InferenceRpuConfig { mapping, ..Default::default() }, key.fold("hardware"))?;
    ///
    /// let mut chip = net.program(key.fold("chip 0"))?;
    /// chip.drift_to(3600.0)?; // seconds
    /// let after_an_hour = predict(&chip, &Tensor::normal(&[5, 64], key.fold("x")), key.fold("read"));
    /// # assert_eq!(after_an_hour.shape(), [5, 10]);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    /// If no weight is on tiles.
    fn program(&self, key: Key) -> Result<Chip<Self>, Error>
    where
        Self: Clone,
    {
        Chip::program(self.clone(), None, key)
    }

    /// As [`program`](Self::program), on devices of another noise model than the configuration's.
    ///
    /// ```
    /// use ohmgrad_analog::{InferenceRpuConfig, noise::Pcm};
    /// use ohmgrad_models::{Network, Sequential};
    /// use ohmgrad_tensor::Key;
    ///
    /// let mut net = Sequential::new().linear(64, 10).init(Key::new(1));
    /// net.to_analog(&InferenceRpuConfig::default(), Key::new(2))?;
    /// let precise = net.program_with(Pcm { prog_noise_scale: 0.1, ..Default::default() }, Key::new(3))?;
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    /// If no weight is on tiles, or the model's parameters are not valid.
    fn program_with(&self, model: impl Into<NoiseModelConfig>, key: Key) -> Result<Chip<Self>, Error>
    where
        Self: Clone,
    {
        Chip::program(self.clone(), Some(&model.into()), key)
    }

    /// Reads weights from a safetensors file, as PyTorch writes a state dict: parameters and buffers by their paths, in
    /// `f32`, or converted from `f64`, `f16` or `bf16`. All of them are read, or none if one does not fit. Weights on
    /// tiles are replaced there, as by [`Affine::set`]. Input ranges and running means of a checkpoint's tiles are
    /// restored if the network's tiles are cut alike; the result lists those that were not.
    ///
    /// In Python `safetensors.torch.save_file(net.state_dict(), "weights.safetensors")` writes such a file; then
    ///
    /// ```no_run
    /// use ohmgrad_analog::InferenceRpuConfig;
    /// use ohmgrad_models::{Network, Sequential};
    /// use ohmgrad_tensor::Key;
    ///
    /// let mut net = Sequential::new().linear(784, 256).relu().linear(256, 10).init(Key::new(0));
    /// net.load_weights("weights.safetensors")?; // 0.weight, 0.bias, 2.weight, 2.bias
    /// net.to_analog(&InferenceRpuConfig::default(), Key::new(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file can't be read or holds no floats, parameters or buffers differ in name or shape (all of those are
    /// listed), or a weight of the network is programmed onto a chip.
    fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<Restored, CheckpointError> {
        self.load_weights_as(path, &BTreeMap::new())
    }

    /// As [`load_weights`](Self::load_weights), from a file whose tensors have other names. `names` maps a name in the
    /// file, or its leading components, to those of the network. The longest entry that fits a name is used. An empty
    /// entry fits all names; components that map to an empty name are left out.
    ///
    /// ```no_run
    /// use ohmgrad_models::{Conv2d, Linear, Network, Sequential};
    /// use ohmgrad_tensor::Key;
    ///
    /// let mut net = Sequential::new()
    ///     .named("conv1", |key| Conv2d::new(1, 4, [3, 3], key))
    ///     .flatten()
    ///     .named("head", |key| Linear::new(16, 10, key))
    ///     .init(Key::new(0));
    /// // module.conv1.weight is conv1.weight here, module.fc.bias is head.bias.
    /// let names = [("module", ""), ("module.fc", "head")].map(|(there, here)| (there.into(), here.into()));
    /// net.load_weights_as("weights.safetensors", &names.into())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`load_weights`](Self::load_weights), and if an entry of `names` fits no name in the file, or two tensors
    /// get one name.
    fn load_weights_as(
        &mut self,
        path: impl AsRef<Path>,
        names: &BTreeMap<String, String>,
    ) -> Result<Restored, CheckpointError> {
        checkpoint::load_weights_as(self, path.as_ref(), names)
    }

    /// Returns `true` if a weight is on tiles.
    fn is_analog(&self) -> bool {
        !self.tile_arrays().is_empty()
    }

    /// The weights of the network, with their places and the share of their tiles that they fill.
    fn summary(&self) -> Summary {
        let mut summary = Summary { alike: alike(self), ..Default::default() };
        for (path, slot) in self.slots() {
            match slot {
                Slot::Affine(affine) => summary.add_affine(&path, affine),
                Slot::Param(param) => summary.add_param(&path, param),
                Slot::Buffer(_) => {}
            }
        }
        summary
    }

    /// Commits state that forwards have changed (running means), as an optimizer's step does.
    fn apply(&mut self, state: &State) {
        for (_, param, _) in states_mut(self) {
            if let Some(value) = state.get(param.id()) {
                param.value = value.clone();
            }
        }
    }
}

impl<V: Visit + ?Sized> Network for V {}

#[cfg(test)]
mod tests;
