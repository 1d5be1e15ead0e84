//! A programmed chip: a network whose weights are stored in devices.

use std::fmt;

use ohmgrad_analog::config::NoiseModelConfig;
use ohmgrad_analog::{Error, WeakReadout};
use ohmgrad_autograd::Var;
use ohmgrad_tensor::Key;

use crate::affine::{Affine, Weight};
use crate::module::Module;
use crate::visit::Visit;

/// A network after [`program`](crate::Network::program): one chip, at one time.
///
/// It is a [`Module`], so that `accuracy(&chip, …)` and `predict(&chip, …)` work. Programming does not change the
/// network that it came from, and a clone drifts independently. Two chips from equal networks and equal keys are equal,
/// at every time.
///
/// Digital parts (biases, batch norm) can be trained further on the chip; its programmed weights get no gradients.
/// Operations that would lose the programming are errors: [`to_analog`](crate::Network::to_analog),
/// [`remap_weights`](crate::Network::remap_weights), [`load_weights`](crate::Network::load_weights).
/// [`set_config`](crate::Network::set_config) gives the same chip other converters, noise or management;
/// [`effective_weights`](crate::Network::effective_weights) gives the weights that its devices hold now, and
/// [`to_digital`](Self::to_digital) a digital network with these.
///
/// A [`Checkpoint`](crate::Checkpoint) holds a chip with the state of its devices. To read it, restore it into a
/// network with [`Tiles::FromFile`](crate::Tiles::FromFile):
///
/// ```
/// use ohmgrad_analog::InferenceRpuConfig;
/// use ohmgrad_models::{Checkpoint, Chip, Network, Sequential, Tiles, TrainingState, predict};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let network = || Sequential::new().linear(6, 3).init(Key::new(1));
/// let mut net = network();
/// net.to_analog(&InferenceRpuConfig::default(), Key::new(2))?;
/// let mut chip = net.program(Key::new(3))?;
/// chip.drift_to(3600.0)?;
///
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("chip.safetensors");
/// Checkpoint::save(&file, &chip, None, &TrainingState::new(Key::new(4)))?;
/// let mut read = network();
/// Checkpoint::load(&file)?.restore(&mut read, None, Tiles::FromFile)?;
/// let mut read = Chip::from_programmed(read)?;
///
/// let x = Tensor::normal(&[2, 6], Key::new(5));
/// assert_eq!(read.time(), Some(3600.0));
/// assert_eq!(predict(&read, &x, Key::new(6)), predict(&chip, &x, Key::new(6)));
/// read.drift_to(60.0)?; // and on, or back
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Visit)]
pub struct Chip<N> {
    #[visit(flatten)]
    net: N,
}

/// A tile whose drift compensation measures noise rather than weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Weak {
    /// The layer's path in the network.
    pub layer: String,
    /// The tile, and the strength of its readout.
    pub readout: WeakReadout,
}

impl fmt::Display for Weak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer `{}`, {}", self.layer, self.readout)
    }
}

impl<N: Visit> Chip<N> {
    pub(crate) fn program(mut net: N, model: Option<&NoiseModelConfig>, key: Key) -> Result<Self, Error> {
        let mut arrays = vec![];
        for (path, affine) in net.affines_mut() {
            let Affine { weight: Weight::Analog(tiles), bias, .. } = affine else { continue };
            if tiles.trains_on_chip() {
                let reason = "its weight lives in devices already; there is no chip to program".into();
                return Err(Error::Convert { layer: path, reason });
            }
            arrays.push((tiles, bias.as_ref().map(|bias| &bias.value)));
        }
        if arrays.is_empty() {
            return Err(Error::NoAnalogWeights { missing: "lives on tiles: call to_analog first" });
        }
        for (tiles, bias) in arrays {
            match model {
                Some(model) => tiles.program_with(model.clone(), bias, key)?,
                None => tiles.program(bias, key),
            }
        }
        Ok(Self { net })
    }

    /// A network that a checkpoint of a chip was restored into.
    ///
    /// # Errors
    /// If none of its weights is programmed.
    pub fn from_programmed(net: N) -> Result<Self, Error> {
        match net.tile_arrays().iter().any(|(_, tiles)| tiles.programmed().is_some()) {
            true => Ok(Self { net }),
            false => {
                Err(Error::NoAnalogWeights { missing: "was programmed: call program, or restore Tiles::FromFile" })
            }
        }
    }

    /// Lets all devices drift to `t` seconds after programming, in any order of times: the state at a time does not
    /// depend on earlier times. Then measures the drift compensation anew.
    ///
    /// The read noise of the devices is drawn once for each time, from the chip's key; the noise of converters is
    /// new in each forward, from the tape's key.
    ///
    /// # Errors
    /// If a noise model has no data for the time, or nothing is programmed (the network was taken off the chip); the
    /// chip is then as it was.
    pub fn drift_to(&mut self, t: f32) -> Result<(), Error> {
        let arrays = self.net.tile_arrays_mut();
        let states = arrays.iter().map(|(_, tiles)| tiles.drifted(t)).collect::<Result<Vec<_>, _>>()?;
        if states.iter().all(Option::is_none) {
            return Err(Error::NoAnalogWeights { missing: "is programmed: program the network again" });
        }
        for ((_, tiles), state) in arrays.into_iter().zip(states) {
            if let Some(state) = state {
                tiles.set_programmed(state);
            }
        }
        Ok(())
    }

    /// The time drifted to, in seconds since programming; `None` until the first drift.
    pub fn time(&self) -> Option<f32> {
        self.net.tile_arrays().into_iter().find_map(|(_, tiles)| tiles.programmed()?.time())
    }

    /// The tiles whose drift compensation measures noise rather than weights, with what to do about it.
    ///
    /// The readout of a tile carries its output noise. Where the mean magnitude of the weights is below three times
    /// that of the noise, α stays near 1 for any decay of the weights.
    pub fn warnings(&self) -> Vec<Weak> {
        let mut weak = vec![];
        for (layer, tiles) in self.net.tile_arrays() {
            let readouts = tiles.programmed().map_or(vec![], |chip| chip.warnings());
            weak.extend(readouts.into_iter().map(|readout| Weak { layer: layer.clone(), readout }));
        }
        weak
    }

    /// The network, its weights on programmed tiles; [`TileArray::programmed`](ohmgrad_analog::TileArray::programmed)
    /// has the state of each.
    pub fn network(&self) -> &N {
        &self.net
    }

    /// A digital network of the weights that the chip's devices hold now, with drift compensation and learned output
    /// scales; the chip stays as it is.
    pub fn to_digital(&self) -> N
    where
        N: Clone,
    {
        let mut net = self.net.clone();
        crate::convert::Network::to_digital(&mut net);
        net
    }

    /// Returns the network, with its weights programmed.
    pub fn into_network(self) -> N {
        self.net
    }
}

impl<N: Module + Clone + 'static> Module for Chip<N> {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.net.forward(x)
    }

    fn batch_axis(&self) -> Option<usize> {
        self.net.batch_axis()
    }
}
