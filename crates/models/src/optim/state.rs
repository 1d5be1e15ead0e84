//! The whole state of an optimizer as plain data, which checkpoints store.

use std::collections::BTreeMap;

use ohmgrad_tensor::Tensor;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};

/// Hyper-parameters of an optimizer, and its memory of each parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    /// The kind of the optimizer: `sgd`, `adam`.
    pub kind: String,
    /// Its hyper-parameters by name: finite numbers, flags, texts.
    pub(crate) settings: serde_json::Value,
    /// The memory of the optimizer, by the path of the parameter.
    pub memory: BTreeMap<String, Remembered>,
}

/// The memory of an optimizer for one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// The number of steps that the parameter has taken, for optimizers that count them.
    pub steps: i32,
    /// Tensors of the parameter's shape by name: `momentum`; `mean`, `square`.
    pub tensors: BTreeMap<String, Tensor>,
}

/// The error of a state that is of another optimizer or not whole.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{entry}: found {found}, expected {expected}")]
pub struct StateError {
    /// The entry that does not fit: a tensor, or the settings.
    pub entry: String,
    /// The value that was found.
    pub found: String,
    /// The value that is allowed.
    pub expected: String,
}

impl OptimizerState {
    /// A state; `settings` are a struct of numbers and flags.
    pub fn new(kind: &str, settings: impl Serialize, memory: BTreeMap<String, Remembered>) -> Self {
        let settings = serde_json::to_value(settings).expect("settings are a struct of numbers and flags");
        Self { kind: kind.into(), settings, memory }
    }

    /// The hyper-parameters of an optimizer of a given kind.
    ///
    /// # Errors
    /// If the state is of another kind, or the settings do not fit the kind.
    pub fn settings<S: DeserializeOwned>(&self, kind: &str) -> Result<S, StateError> {
        if self.kind != kind {
            return Err(StateError { entry: "optimizer".into(), found: self.kind.clone(), expected: kind.into() });
        }
        S::deserialize(&self.settings).map_err(|error| StateError {
            entry: "optimizer.settings".into(),
            found: error.to_string(),
            expected: format!("the settings of {kind}"),
        })
    }
}

impl Remembered {
    /// A number of steps and named tensors.
    pub fn new<const N: usize>(steps: i32, tensors: [(&str, Tensor); N]) -> Self {
        Self { steps, tensors: tensors.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect() }
    }

    /// The tensors of the given names, all of one shape, and no others.
    ///
    /// # Errors
    /// If one is missing, too many, or of another shape, or the number of steps is negative; `path` is the parameter's.
    pub fn take<const N: usize>(mut self, path: &str, names: [&str; N]) -> Result<[Tensor; N], StateError> {
        let wrong = |name: &str, found: String, expected: String| {
            Err(StateError { entry: format!("optimizer/{path}/{name}"), found, expected })
        };
        if self.steps < 0 {
            return wrong("steps", self.steps.to_string(), "at least 0".into());
        }
        let mut taken = Vec::with_capacity(N);
        for name in names {
            match self.tensors.remove(name) {
                Some(tensor) => taken.push(tensor),
                None => return wrong(name, "nothing".into(), "a tensor".into()),
            }
        }
        if let Some(name) = self.tensors.keys().next() {
            return wrong(name, "a tensor".into(), "nothing of that name".into());
        }
        if let Some((tensor, name)) = taken.iter().zip(names).find(|(tensor, _)| tensor.shape() != taken[0].shape()) {
            return wrong(name, format!("shape {:?}", tensor.shape()), format!("shape {:?}", taken[0].shape()));
        }
        Ok(taken.try_into().expect("one for each name"))
    }
}

/// Deserializes a number that is finite as an `f32`, too: JSON has no NaN, but it has 1e300. For `deserialize_with` of
/// the settings of an optimizer.
///
/// # Errors
/// If the number is not finite.
pub fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let number = f32::deserialize(deserializer)?;
    if number.is_finite() { Ok(number) } else { Err(D::Error::custom("not a finite number (32-bit)")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Adam, Optimizer, Sgd};
    use serde_json::json;

    #[test]
    fn hyper_parameters_come_back_bit_for_bit() {
        for lr in [0.1f32, 1e-3, 1.0 / 3.0, f32::MIN_POSITIVE, 16_777_216.0] {
            let adam = Adam::decoupled(lr).with_betas(0.95, 0.9999);
            let mut state = adam.state();
            state.settings = serde_json::from_str(&state.settings.to_string()).unwrap();
            let mut other = Adam::new(0.0);
            other.set_state(state).unwrap();
            assert_eq!((other.lr, other.betas, other.weight_decay), (lr, (0.95, 0.9999), 0.01));
            assert_eq!(other.state(), adam.state());
        }
    }

    #[test]
    fn a_state_that_does_not_fit_is_refused() {
        let mut sgd = Sgd::new(0.5).with_momentum(0.9);
        let refused = |sgd: &mut Sgd, state| sgd.set_state(state).unwrap_err().to_string();
        assert_eq!(refused(&mut sgd, Adam::new(0.1).state()), "optimizer: found adam, expected sgd");
        let mut state = sgd.state();
        state.settings["lr"] = json!(1e300);
        assert_eq!(
            refused(&mut sgd, state),
            "optimizer.settings: found not a finite number (32-bit), expected the settings of sgd"
        );
        let mut state = sgd.state();
        state.memory.insert("0.weight".into(), Remembered::new(0, [("mean", Tensor::from([1.0]))]));
        assert_eq!(refused(&mut sgd, state), "optimizer/0.weight/momentum: found nothing, expected a tensor");
        let pair = |steps, square| Remembered::new(steps, [("mean", Tensor::from([1.0])), ("square", square)]);
        let mut adam = Adam::new(0.1);
        for (wrong, message) in [
            (pair(-1, Tensor::from([1.0])), "optimizer/w/steps: found -1, expected at least 0"),
            (pair(1, Tensor::from([1.0, 2.0])), "optimizer/w/square: found shape [2], expected shape [1]"),
        ] {
            let mut state = adam.state();
            state.memory.insert("w".into(), wrong);
            assert_eq!(adam.set_state(state).unwrap_err().to_string(), message);
        }
    }
}
