//! The gradients of a whole network checked against central differences.

use std::fmt;

use ohmgrad_autograd::{Param, Tape};
use ohmgrad_tensor::{Key, Tensor};

use crate::module::Module;

/// The largest number of entries of a parameter that are checked.
const ENTRIES: usize = 32;

/// The step of the differences, at which the errors of rounding to 32 bits and of curvature are about equal.
const STEP: f32 = 1e-2;

/// The largest deviation, relative to the largest gradient of the parameter, that counts as rounding.
const TOLERANCE: f64 = 1e-2;

/// Place and size of a deviation of a network's gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct ModuleMismatch {
    /// The path of the parameter.
    pub parameter: String,
    /// The index of the entry, in row-major order.
    pub element: usize,
    /// The derivative that the backward gave.
    pub analytic: f64,
    /// The derivative by central differences.
    pub numeric: f64,
}

impl fmt::Display for ModuleMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, element, analytic, numeric } = self;
        write!(f, "{parameter}, element {element}: backward gives {analytic}, central differences give {numeric}")
    }
}

impl std::error::Error for ModuleMismatch {}

/// Compares the gradients of a network's parameters at an input with central differences, to 1 % of the largest entry
/// of each gradient (networks compute in `f32`). At most 32 entries of a parameter are checked, which `key` chooses.
///
/// The output is weighted with random numbers of `key` and summed. Forwards are those of training, with randomness of
/// `key`, so dropout drops the same elements every time. Networks with kinks (ReLU, pooling) or converters have no
/// derivative at some inputs; a network of smooth functions, digital or on perfect tiles, passes at all inputs. Frozen
/// parameters are left out.
///
/// ```
/// use ohmgrad_models::{Sequential, gradcheck_module};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let mut net = Sequential::new().linear(4, 8).tanh().linear(8, 3).init(Key::new(1));
/// gradcheck_module(&mut net, &Tensor::normal(&[5, 4], Key::new(2)), Key::new(3))?;
/// # Ok::<(), ohmgrad_models::ModuleMismatch>(())
/// ```
///
/// # Errors
/// The first entry that deviates by more. The network does not change in either case.
pub fn gradcheck_module<M: Module + ?Sized>(net: &mut M, x: &Tensor, key: Key) -> Result<(), ModuleMismatch> {
    let tape = Tape::train(key.fold("step"));
    let y = net.forward(tape.constant(x.clone()));
    let weights = Tensor::normal(&y.shape(), key.fold("weights"));
    let gradients = y.backward_from(weights.clone());
    let run = |net: &M| {
        let tape = Tape::train(key.fold("step"));
        let y = net.forward(tape.constant(x.clone())).value();
        y.iter().zip(weights.iter()).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum::<f64>()
    };
    let of = |(number, (path, param)): (usize, (String, &Param))| {
        let gradient = gradients.of(param).cloned().unwrap_or_else(|| Tensor::full(param.value.shape(), 0.0));
        (!param.is_frozen()).then(|| (number, path, param.value.clone(), gradient))
    };
    let parameters: Vec<_> = net.parameters().into_iter().enumerate().filter_map(of).collect();
    for (number, parameter, value, gradient) in parameters {
        let set = |net: &mut M, value: &Tensor| net.parameters_mut()[number].1.value = value.clone();
        let scale = f64::from(gradient.abs().max().max(1e-3));
        let gradient = gradient.to_vec();
        let order = ohmgrad_tensor::random::permutation(value.len(), key.fold("entries").fold(number));
        for element in order.into_iter().take(ENTRIES) {
            let mut at = |sign: f32| {
                let mut moved = value.to_vec();
                moved[element] += sign * STEP;
                set(net, &Tensor::from_vec(moved, value.shape()));
                run(net)
            };
            let numeric = (at(1.0) - at(-1.0)) / f64::from(2.0 * STEP);
            set(net, &value);
            let analytic = f64::from(gradient[element]);
            if (analytic - numeric).abs().total_cmp(&(TOLERANCE * scale)).is_gt() {
                return Err(ModuleMismatch { parameter, element, analytic, numeric });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LearnedPositions, Network, Sequential, TransformerEncoderLayer};
    use ohmgrad_analog::{InferenceRpuConfig, IoParameters};
    use ohmgrad_autograd::Var;

    fn transformer(key: Key) -> Sequential {
        let block = TransformerEncoderLayer::new(4, 2, 6, key).causal().with_dropout(0.2).with_norm_first();
        let block = block.with_activation(crate::Activation::Gelu);
        Sequential::new().embedding(5, 4).layer(LearnedPositions::new(6, 4, key)).layer(block).linear(4, 3).init(key)
    }

    #[test]
    fn a_transformer_has_the_gradients_of_its_forward_digitally_and_on_perfect_tiles() {
        let key = Key::new(1);
        let x = Tensor::uniform(&[3, 6], key).map(|u| (5.0 * u).floor());
        let mut net = transformer(key);
        let before = net.state_dict();
        gradcheck_module(&mut net, &x, key).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(net.state_dict(), before);
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        net.to_analog(&InferenceRpuConfig { forward, ..Default::default() }, key).unwrap();
        gradcheck_module(&mut net, &x, key).unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    /// A layer whose weight gets only half of its gradient.
    #[derive(Clone, crate::Visit)]
    struct Half {
        inner: crate::Linear,
    }

    impl Module for Half {
        fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
            let y = self.inner.forward(x);
            (y + y.detach()) * 0.5
        }
    }

    #[test]
    fn a_wrong_gradient_is_found_and_named() {
        let mut net = Half { inner: crate::Linear::new(3, 2, Key::new(1)) };
        let wrong = gradcheck_module(&mut net, &Tensor::normal(&[5, 3], Key::new(2)), Key::new(3)).unwrap_err();
        assert_eq!(wrong.parameter, "inner.weight");
        assert!((wrong.numeric / wrong.analytic - 2.0).abs() < 0.1, "{wrong}");
    }
}
