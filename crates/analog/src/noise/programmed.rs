//! A tile's weights on devices.

use ohmgrad_tensor::{Key, Tensor};

use super::NoiseModel;
use crate::Error;

/// Tile weights after programming, with the data of their drift.
///
/// ```
/// use ohmgrad_analog::noise::{Pcm, Programmed};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let (model, key) = (Pcm::default(), Key::new(1));
/// let w = Tensor::from([[0.5, -1.0], [0.0, 0.25]]);
/// let chip = Programmed::new(&model, &w, key.fold("programming"));
/// let (now, later) = (chip.at(&model, 0.0, key.fold("read"))?, chip.at(&model, 3.15e7, key.fold("read"))?);
/// assert!(later.abs().sum() < now.abs().sum());
/// assert_eq!(chip.at(&model, 0.0, key.fold("read"))?, now); // times in any order
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Programmed {
    /// The programmed weights, in units and shape of the tile weights: those that are read before any drift.
    pub weights: Tensor,
    /// The target conductances of each device of the unit cell, in µS.
    pub targets: Vec<Tensor>,
    /// The drift coefficients of each device, where the model has any.
    pub coefficients: Vec<Option<Tensor>>,
}

impl Programmed {
    /// Programs tile weights w, [out, in] or of any other shape.
    pub fn new(model: &dyn NoiseModel, w: &Tensor, key: Key) -> Self {
        let converter = model.converter();
        let (targets, scales) = converter.to_conductances(w);
        let (programming, drift) = (key.fold("programming noise"), key.fold("drift coefficients"));
        let each = || targets.iter().enumerate();
        let conductances: Vec<_> = each().map(|(i, target)| model.program(target, programming.fold(i))).collect();
        let coefficients = each().map(|(i, target)| model.drift_coefficients(target, drift.fold(i))).collect();
        let weights = converter.to_weights(&conductances, &scales);
        Self { weights, targets, coefficients }
    }

    /// The tile weights that are read `t` seconds after programming.
    ///
    /// Drift always starts from the programmed weights, so times may come in any order. Read noise depends on key and
    /// time: for another read at the same time, give another key. The programmed weights are converted to conductances
    /// anew, as in the reference: they are scaled so that the largest *noisy* weight has the largest conductance, and
    /// one device of a pair carries the errors of both.
    ///
    /// # Errors
    /// If the model has no data for this time ([`Error::Time`]).
    pub fn at(&self, model: &dyn NoiseModel, t: f32, key: Key) -> Result<Tensor, Error> {
        let converter = model.converter();
        let (programmed, scales) = converter.to_conductances(&self.weights);
        assert!(
            programmed.len() == self.targets.len(),
            "drift: weights were programmed on {} devices each, this model has {}",
            self.targets.len(),
            programmed.len()
        );
        let key = key.fold("drift").fold(t.to_bits());
        let mut read = Vec::with_capacity(programmed.len());
        for (i, ((g, target), coefficients)) in programmed.iter().zip(&self.targets).zip(&self.coefficients).enumerate()
        {
            read.push(model.drift(g, target, coefficients.as_ref(), t, key.fold(i))?);
        }
        Ok(converter.to_weights(&read, &scales))
    }
}
