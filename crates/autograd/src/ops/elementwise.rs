//! Functions of single elements: exponentials, roots, powers, cuts.

use ohmgrad_tensor::Scalar;

use crate::back::{Back, Op};
use crate::var::Var;

/// `eˣ`. Gradient: `d·y`.
struct Exp;

impl<T: Scalar> Op<T> for Exp {
    fn name(&self) -> &'static str {
        "exp"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad * cx.output());
    }
}

/// `ln x`. Gradient: `d/x`.
struct Ln;

impl<T: Scalar> Op<T> for Ln {
    fn name(&self) -> &'static str {
        "ln"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad / cx.input(0));
    }
}

/// `√x`. Gradient: `d/(2y)`.
struct Sqrt;

impl<T: Scalar> Op<T> for Sqrt {
    fn name(&self) -> &'static str {
        "sqrt"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let d = cx.grad.zip(cx.output(), |d, y| d / (y + y));
        cx.give(0, d);
    }
}

/// `xᵖ` for a constant p. Gradient: `d·p·xᵖ⁻¹`, 0 for p = 0.
struct Powf<T>(T);

impl<T: Scalar> Op<T> for Powf<T> {
    fn name(&self) -> &'static str {
        "powf"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("exponent", self.0.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let p = self.0;
        let slope = |x: T| if p == T::zero() { p } else { p * x.powf(p - T::one()) };
        let d = cx.grad.zip(cx.input(0), |d, x| d * slope(x));
        cx.give(0, d);
    }
}

/// `|x|`. Gradient: `d·sign(x)`, 0 at 0.
struct Abs;

impl<T: Scalar> Op<T> for Abs {
    fn name(&self) -> &'static str {
        "abs"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad * &cx.input(0).sign());
    }
}

/// `x` cut to a range. Gradient: `d` inside of the range and on its ends, 0 outside.
struct Clamp<T> {
    low: T,
    high: T,
}

impl<T: Scalar> Op<T> for Clamp<T> {
    fn name(&self) -> &'static str {
        "clamp"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("range", format!("{} … {}", self.low, self.high))]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let (low, high) = (self.low, self.high);
        let d = cx.grad.zip(cx.input(0), |d, x| if x < low || x > high { T::zero() } else { d });
        cx.give(0, d);
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// Elementwise `eˣ`.
    pub fn exp(self) -> Self {
        self.tape().push(self.value().exp(), &[self], Exp)
    }

    /// Elementwise natural logarithm.
    pub fn ln(self) -> Self {
        self.tape().push(self.value().ln(), &[self], Ln)
    }

    /// Elementwise square root.
    pub fn sqrt(self) -> Self {
        self.tape().push(self.value().sqrt(), &[self], Sqrt)
    }

    /// Elementwise power with a constant exponent.
    pub fn powf(self, exponent: T) -> Self {
        self.tape().push(self.value().powf(exponent), &[self], Powf(exponent))
    }

    /// Elementwise absolute value.
    pub fn abs(self) -> Self {
        self.tape().push(self.value().abs(), &[self], Abs)
    }

    /// Each element cut to the range from `low` to `high`; NaN stays NaN.
    ///
    /// ```
    /// # use ohmgrad_autograd::Tape;
    /// # use ohmgrad_tensor::{Key, Tensor};
    /// let tape = Tape::train(Key::new(0));
    /// let x = tape.variable(Tensor::from([-2.0, 0.5]));
    /// let gradients = x.clamp(-1.0, 1.0).sum().backward();
    /// assert_eq!(gradients.wrt(x).unwrap().to_vec(), [0.0, 1.0]);
    /// ```
    pub fn clamp(self, low: T, high: T) -> Self {
        self.tape().push(self.value().clamp(low, high), &[self], Clamp { low, high })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{gradcheck, off_zero};
    use ohmgrad_tensor::Array;

    fn positive(x: &Array<f64>) -> Array<f64> {
        off_zero(x).abs()
    }

    gradcheck! {
        exp: |x| x.exp();
        ln: |x| x.ln(), on positive_enough;
        sqrt: |x| x.sqrt(), on positive_enough;
        powf: |x| x.powf(2.5), on positive;
        abs: |x| x.abs(), on off_zero;
        clamp: |x| x.clamp(0.0, 1e9), on off_zero;
    }

    fn positive_enough(x: &Array<f64>) -> Array<f64> {
        &x.abs() + 0.3
    }
}
