//! Activation functions.
//!
//! GELU, SiLU and softplus share the struct [`Activation`], which holds their derivative.

use ohmgrad_tensor::Scalar;

use crate::back::{Back, Op};
use crate::var::Var;

/// `f(x)`, element by element. Gradient: `d·f′(x)`.
struct Activation<F> {
    name: &'static str,
    slope: F,
}

impl<T: Scalar, F: Fn(T) -> T + Send + Sync> Op<T> for Activation<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let d = cx.grad.zip(cx.input(0), |d, x| d * (self.slope)(x));
        cx.give(0, d);
    }
}

/// `max(x, 0)`. Gradient: `d` where `x > 0`, else 0.
struct Relu;

impl<T: Scalar> Op<T> for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let d = cx.grad.zip(cx.output(), |d, y| if y > T::zero() { d } else { T::zero() });
        cx.give(0, d);
    }
}

/// `tanh x`. Gradient: `d·(1 − y²)`.
struct Tanh;

impl<T: Scalar> Op<T> for Tanh {
    fn name(&self) -> &'static str {
        "tanh"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let d = cx.grad.zip(cx.output(), |d, y| d * (T::one() - y * y));
        cx.give(0, d);
    }
}

/// `1/(1 + e⁻ˣ)`. Gradient: `d·y·(1 − y)`.
struct Sigmoid;

impl<T: Scalar> Op<T> for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let d = cx.grad.zip(cx.output(), |d, y| d * y * (T::one() - y));
        cx.give(0, d);
    }
}

/// `x` for `x > 0`, else `slope·x`. Gradient: `d` or `slope·d`.
struct LeakyRelu<T>(T);

impl<T: Scalar> Op<T> for LeakyRelu<T> {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("slope", self.0.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let d = cx.grad.zip(cx.input(0), |d, x| if x > T::zero() { d } else { d * self.0 });
        cx.give(0, d);
    }
}

/// `x` for `x > 0`, else `α(eˣ − 1)` (Clevert et al. 2016). Gradient: `d` or `d·α·eˣ`.
struct Elu<T>(T);

impl<T: Scalar> Op<T> for Elu<T> {
    fn name(&self) -> &'static str {
        "elu"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("alpha", self.0.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let d = cx.grad.zip(cx.input(0), |d, x| if x > T::zero() { d } else { d * self.0 * x.exponential() });
        cx.give(0, d);
    }
}

/// The density of the standard normal distribution.
fn normal_density<T: Scalar>(x: T) -> T {
    (x * x * T::of(-0.5)).exponential() * T::of(0.3989422804014327)
}

/// The distribution function of the standard normal distribution.
fn normal_cdf<T: Scalar>(x: T) -> T {
    T::of(0.5) * (T::one() + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

impl<'t, T: Scalar> Var<'t, T> {
    /// `max(x, 0)`; the slope at 0 is 0.
    pub fn relu(self) -> Self {
        self.tape().push(self.value().relu(), &[self], Relu)
    }

    /// The hyperbolic tangent.
    pub fn tanh(self) -> Self {
        self.tape().push(self.value().tanh(), &[self], Tanh)
    }

    /// The logistic function, `1/(1 + e⁻ˣ)`.
    pub fn sigmoid(self) -> Self {
        self.tape().push(self.value().sigmoid(), &[self], Sigmoid)
    }

    /// `x` for positive x, else `slope·x`.
    pub fn leaky_relu(self, slope: T) -> Self {
        let y = self.value().map(|x| if x > T::zero() { x } else { x * slope });
        self.tape().push(y, &[self], LeakyRelu(slope))
    }

    /// `x` for positive x, else `alpha·(eˣ − 1)`.
    pub fn elu(self, alpha: T) -> Self {
        let y = self.value().map(|x| if x > T::zero() { x } else { alpha * x.exp_m1() });
        self.tape().push(y, &[self], Elu(alpha))
    }

    /// `x·Φ(x)` with the exact normal distribution function (Hendrycks & Gimpel 2016). Slope: `Φ(x) + x·φ(x)`.
    pub fn gelu(self) -> Self {
        let op = Activation { name: "gelu", slope: |x| normal_cdf(x) + x * normal_density(x) };
        self.tape().push(self.value().map(|x| x * normal_cdf(x)), &[self], op)
    }

    /// `x·σ(x)`, also called swish (Elfwing et al. 2018). Slope: `σ + x·σ·(1 − σ)`.
    pub fn silu(self) -> Self {
        let slope = |x: T| {
            let s = x.logistic();
            s + x * s * (T::one() - s)
        };
        self.tape().push(self.value().map(|x| x * x.logistic()), &[self], Activation { name: "silu", slope })
    }

    /// `ln(1 + eˣ)`, a smooth ReLU; large `x` give `x`, not infinity. Slope: `σ(x)`.
    ///
    /// ```
    /// # use ohmgrad_autograd::Tape;
    /// # use ohmgrad_tensor::{Key, Tensor};
    /// let tape = Tape::eval(Key::new(0));
    /// let y = tape.constant(Tensor::from([0.0, 100.0])).softplus();
    /// assert_eq!(y.value().to_vec(), [2f32.ln(), 100.0]);
    /// ```
    pub fn softplus(self) -> Self {
        let op = Activation { name: "softplus", slope: T::logistic };
        self.tape().push(self.value().softplus(), &[self], op)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{gradcheck, off_zero};

    gradcheck! {
        relu: |x| x.relu(), on off_zero;
        tanh: |x| x.tanh();
        sigmoid: |x| x.sigmoid();
        leaky_relu: |x| x.leaky_relu(0.1), on off_zero;
        elu: |x| x.elu(1.3), on off_zero;
        gelu: |x| x.gelu();
        silu: |x| x.silu();
        softplus: |x| x.softplus();
    }
}
