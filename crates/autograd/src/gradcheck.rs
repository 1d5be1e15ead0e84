//! Gradients checked against central differences.

use std::fmt;

use ohmgrad_tensor::{Array, Key};

use crate::tape::Tape;
use crate::var::Var;

/// Place and size of a deviation of a gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The number of the input.
    pub input: usize,
    /// The index of the element, in row-major order.
    pub element: usize,
    /// The derivative that the backward gave.
    pub analytic: f64,
    /// The derivative by central differences.
    pub numeric: f64,
    /// The largest deviation over all elements, relative to the largest gradient entry (at least 1).
    pub relative: f64,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "gradient of input {}, element {}: backward gives {}, central differences give {} ({:.1e} off)",
            self.input, self.element, self.analytic, self.numeric, self.relative
        )
    }
}

impl std::error::Error for Mismatch {}

/// Compares the gradients of `f` at `inputs` with central differences, to 1e-6 of the largest entry (at least 1).
///
/// The output of `f` is weighted with fixed random numbers and summed. Randomness inside of `f` is the same at every
/// evaluation, because it depends on the tape's key alone.
///
/// ```
/// use ohmgrad_autograd::gradcheck;
/// use ohmgrad_tensor::{Array, Key};
///
/// let x = Array::normal(&[2, 3], Key::new(1));
/// gradcheck(|v| v[0].exp() * v[0], &[x])?;
/// # Ok::<(), ohmgrad_autograd::Mismatch>(())
/// ```
///
/// # Errors
/// The element with the largest deviation, if that exceeds the tolerance.
pub fn gradcheck(f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>, inputs: &[Array<f64>]) -> Result<(), Mismatch> {
    gradcheck_surrogate(&f, &f, inputs)
}

/// As [`gradcheck`], for a backward that intentionally gives the gradient of another function, the surrogate: compares
/// gradients of `f` with central differences of `surrogate`, which has outputs of the same shape.
///
/// A rounding whose backward passes the gradient straight through has the identity as its surrogate:
///
/// ```
/// use ohmgrad_autograd::{Back, Op, Var, gradcheck, gradcheck_surrogate};
/// use ohmgrad_tensor::{Array, Key};
///
/// struct Round;
///
/// impl Op<f64> for Round {
///     fn name(&self) -> &'static str {
///         "round"
///     }
///
///     fn backward(&self, cx: &mut Back<'_, f64>) {
///         cx.give(0, cx.grad.clone());
///     }
/// }
///
/// fn round(x: Var<'_, f64>) -> Var<'_, f64> {
///     x.tape().push(x.value().map(f64::round), &[x], Round)
/// }
///
/// let x = [Array::normal(&[2, 3], Key::new(1))];
/// gradcheck_surrogate(|v| round(v[0]), |v| v[0] * 1.0, &x)?;
/// assert!(gradcheck(|v| round(v[0]), &x).is_err());
/// # Ok::<(), ohmgrad_autograd::Mismatch>(())
/// ```
///
/// # Errors
/// The element with the largest deviation, if that exceeds the tolerance.
///
/// # Panics
/// If the outputs of the two functions differ in shape.
pub fn gradcheck_surrogate(
    f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
    surrogate: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
    inputs: &[Array<f64>],
) -> Result<(), Mismatch> {
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 1e-6;
    let key = Key::new(0).fold("gradcheck");
    let tape = Tape::train(key.fold("tape"));
    let vars: Vec<_> = inputs.iter().map(|input| tape.variable(input.clone())).collect();
    let y = f(&vars);
    let weights = Array::normal(&y.shape(), key.fold("weights"));
    let gradients = y.backward_from(weights.clone());
    let gradients: Vec<_> = vars
        .iter()
        .zip(inputs)
        .map(|(var, input)| gradients.wrt(*var).cloned().unwrap_or_else(|| Array::full(input.shape(), 0.0)))
        .collect();
    let total = |inputs: &[Array<f64>]| {
        let tape = Tape::train(key.fold("tape"));
        let vars: Vec<_> = inputs.iter().map(|input| tape.variable(input.clone())).collect();
        let y = surrogate(&vars).value();
        let (found, expected) = (y.shape(), weights.shape());
        assert!(found == expected, "gradcheck: the surrogate has an output {found:?}, not {expected:?}");
        (y * &weights).sum()
    };
    let scale = gradients.iter().flat_map(|g| g.to_vec()).fold(1.0, |m: f64, g| m.max(g.abs()));
    let mut worst: Option<Mismatch> = None;
    for (input, gradient) in gradients.iter().enumerate() {
        for (element, &analytic) in gradient.iter().enumerate() {
            let at = |sign: f64| {
                let mut moved = inputs.to_vec();
                let mut values = inputs[input].to_vec();
                values[element] += sign * STEP;
                moved[input] = Array::from_vec(values, inputs[input].shape());
                total(&moved)
            };
            let numeric = (at(1.0) - at(-1.0)) / (2.0 * STEP);
            let relative = (analytic - numeric).abs() / scale;
            if relative.is_nan() || relative > worst.as_ref().map_or(TOLERANCE, |w| w.relative) {
                worst = Some(Mismatch { input, element, analytic, numeric, relative });
            }
        }
    }
    worst.map_or(Ok(()), Err)
}

/// Checks of operations over random shapes, strides and broadcasts, one line per operation.
#[cfg(test)]
pub(crate) mod testing {
    use ohmgrad_tensor::{Array, Key};
    use proptest::prelude::*;

    /// A random array; `layout` selects its strides.
    pub fn array(shape: &[usize], key: Key, layout: u8) -> Array<f64> {
        match layout % 4 {
            1 if shape.len() > 1 => {
                let mut swapped = shape.to_vec();
                swapped.swap(0, shape.len() - 1);
                Array::normal(&swapped, key).transpose(0, shape.len() - 1)
            }
            2 if !shape.is_empty() => {
                let mut wide = shape.to_vec();
                wide[0] *= 2;
                Array::normal(&wide, key).slice_step(0, 0..wide[0], 2)
            }
            3 if !shape.is_empty() => {
                let mut narrow = shape.to_vec();
                narrow[0] = 1;
                Array::normal(&narrow, key).broadcast_to(shape)
            }
            _ => Array::normal(shape, key),
        }
    }

    /// One array of up to three axes.
    pub fn one() -> impl Strategy<Value = Array<f64>> {
        (prop::collection::vec(1usize..4, 0..4), any::<u64>(), any::<u8>())
            .prop_map(|(shape, seed, layout)| array(&shape, Key::new(seed), layout))
    }

    /// Two arrays that broadcast to a common shape.
    pub fn two() -> impl Strategy<Value = (Array<f64>, Array<f64>)> {
        let shape = prop::collection::vec((1usize..4, 0u8..4), 0..4);
        (shape, 0usize..3, any::<bool>(), any::<u64>(), any::<[u8; 2]>()).prop_map(
            |(axes, missing, swap, seed, layouts)| {
                let side = |one: u8| axes.iter().map(|&(n, s)| if s == one { 1 } else { n }).collect::<Vec<_>>();
                let (a, b) = (side(0), side(1));
                let b = &b[missing.min(b.len())..];
                let key = Key::new(seed);
                let (a, b) = (array(&a, key.fold("a"), layouts[0]), array(b, key.fold("b"), layouts[1]));
                if swap { (b, a) } else { (a, b) }
            },
        )
    }

    /// Moves values away from 0, where functions such as `|x|` have no derivative.
    pub fn off_zero(x: &Array<f64>) -> Array<f64> {
        x.map(|v| v + if v < 0.0 { -0.05 } else { 0.05 })
    }

    macro_rules! gradcheck {
        ($($name:ident: |$x:ident| $f:expr $(, on $domain:expr)?;)*) => {
            $(proptest::proptest! {
                #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
                #[test]
                fn $name(x in crate::testing::one()) {
                    $(let x = ($domain)(&x);)?
                    let check = crate::gradcheck(|v| { let $x = v[0]; $f }, &[x]);
                    proptest::prop_assert!(check.is_ok(), "{}", check.unwrap_err());
                }
            })*
        };
    }

    macro_rules! gradcheck_pairs {
        ($($name:ident: |$x:ident, $y:ident| $f:expr $(, on $domain:expr)?;)*) => {
            $(proptest::proptest! {
                #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
                #[test]
                fn $name((x, y) in crate::testing::two()) {
                    $(let y = ($domain)(&y);)?
                    let check = crate::gradcheck(|v| { let ($x, $y) = (v[0], v[1]); $f }, &[x, y]);
                    proptest::prop_assert!(check.is_ok(), "{}", check.unwrap_err());
                }
            })*
        };
    }

    pub(crate) use {gradcheck, gradcheck_pairs};

    #[test]
    fn a_wrong_gradient_is_found_and_placed() {
        let x = Array::from([1.0, 2.0]);
        let wrong = crate::gradcheck(|v| v[0] * v[0].detach(), &[x]).unwrap_err();
        assert_eq!((wrong.input, wrong.numeric > wrong.analytic.abs()), (0, true));
        assert!(wrong.to_string().contains("gradient of input 0, element"), "{wrong}");
    }
}
