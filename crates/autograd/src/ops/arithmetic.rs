//! Sums, differences, products and quotients, with NumPy's broadcasting.

use std::ops::{Add, Div, Mul, Neg, Sub};

use ohmgrad_tensor::{Array, Scalar};

use crate::back::{Back, Op};
use crate::var::Var;

/// `a + b`. Gradients: `d` and `d`, summed over broadcast axes (as for all operations here).
struct AddOp;

impl<'t, T: Scalar> Add for Var<'t, T> {
    type Output = Self;

    #[track_caller]
    fn add(self, other: Self) -> Self {
        self.tape().push(&self.value() + &other.value(), &[self, other], AddOp)
    }
}

impl<T: Scalar> Op<T> for AddOp {
    fn name(&self) -> &'static str {
        "add"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        give(cx, 0, |cx| cx.grad.clone());
        give(cx, 1, |cx| cx.grad.clone());
    }
}

/// `a − b`. Gradients: `d` and `−d`.
struct SubOp;

impl<'t, T: Scalar> Sub for Var<'t, T> {
    type Output = Self;

    #[track_caller]
    fn sub(self, other: Self) -> Self {
        self.tape().push(&self.value() - &other.value(), &[self, other], SubOp)
    }
}

impl<T: Scalar> Op<T> for SubOp {
    fn name(&self) -> &'static str {
        "sub"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        give(cx, 0, |cx| cx.grad.clone());
        give(cx, 1, |cx| -cx.grad);
    }
}

/// `a · b`, element by element. Gradients: `d·b` and `d·a`.
struct MulOp;

impl<'t, T: Scalar> Mul for Var<'t, T> {
    type Output = Self;

    #[track_caller]
    fn mul(self, other: Self) -> Self {
        self.tape().push(&self.value() * &other.value(), &[self, other], MulOp)
    }
}

impl<T: Scalar> Op<T> for MulOp {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        give(cx, 0, |cx| cx.grad * cx.input(1));
        give(cx, 1, |cx| cx.grad * cx.input(0));
    }
}

/// `a / b`. Gradients: `d/b` and `−d·y/b` with `y = a/b`.
struct DivOp;

impl<'t, T: Scalar> Div for Var<'t, T> {
    type Output = Self;

    #[track_caller]
    fn div(self, other: Self) -> Self {
        self.tape().push(&self.value() / &other.value(), &[self, other], DivOp)
    }
}

impl<T: Scalar> Op<T> for DivOp {
    fn name(&self) -> &'static str {
        "div"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        give(cx, 0, |cx| cx.grad / cx.input(1));
        give(cx, 1, |cx| -&(&(cx.grad * cx.output()) / cx.input(1)));
    }
}

/// `factor · a` for a constant. Gradient: `factor · d`.
struct Scale<T>(T);

impl<'t, T: Scalar> Mul<T> for Var<'t, T> {
    type Output = Self;

    fn mul(self, factor: T) -> Self {
        self.tape().push(&self.value() * factor, &[self], Scale(factor))
    }
}

impl<'t, T: Scalar> Div<T> for Var<'t, T> {
    type Output = Self;

    fn div(self, divisor: T) -> Self {
        self.tape().push(&self.value() / divisor, &[self], Scale(divisor.recip()))
    }
}

impl<'t, T: Scalar> Neg for Var<'t, T> {
    type Output = Self;

    fn neg(self) -> Self {
        self * -T::one()
    }
}

impl<T: Scalar> Op<T> for Scale<T> {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("by", self.0.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad * self.0);
    }
}

/// `a + constant`. Gradient: `d`.
struct Shift;

impl<'t, T: Scalar> Add<T> for Var<'t, T> {
    type Output = Self;

    fn add(self, shift: T) -> Self {
        self.tape().push(&self.value() + shift, &[self], Shift)
    }
}

impl<'t, T: Scalar> Sub<T> for Var<'t, T> {
    type Output = Self;

    fn sub(self, shift: T) -> Self {
        self + -shift
    }
}

impl<T: Scalar> Op<T> for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad.clone());
    }
}

/// `number / a` for a constant. Gradient: `−d·y/a`.
struct Over<T>(T);

impl<T: Scalar> Op<T> for Over<T> {
    fn name(&self) -> &'static str {
        "over"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("number", self.0.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, -(cx.grad * cx.output() / cx.input(0)));
    }
}

/// Numbers on the left.
macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl<'t> Add<Var<'t, $number>> for $number {
            type Output = Var<'t, $number>;

            fn add(self, x: Var<'t, $number>) -> Self::Output {
                x + self
            }
        }

        impl<'t> Sub<Var<'t, $number>> for $number {
            type Output = Var<'t, $number>;

            fn sub(self, x: Var<'t, $number>) -> Self::Output {
                -x + self
            }
        }

        impl<'t> Mul<Var<'t, $number>> for $number {
            type Output = Var<'t, $number>;

            fn mul(self, x: Var<'t, $number>) -> Self::Output {
                x * self
            }
        }

        impl<'t> Div<Var<'t, $number>> for $number {
            type Output = Var<'t, $number>;

            fn div(self, x: Var<'t, $number>) -> Self::Output {
                x.tape().push(self / x.value(), &[x], Over(self))
            }
        }
    )*};
}

numbers!(f32, f64);

/// Arrays on either side, as constants.
macro_rules! arrays {
    ($trait:ident, $method:ident, $array:ty) => {
        impl<'t, T: Scalar> $trait<$array> for Var<'t, T> {
            type Output = Self;

            #[track_caller]
            fn $method(self, constant: $array) -> Self {
                self.$method(self.tape().constant(constant.clone()))
            }
        }

        impl<'t, T: Scalar> $trait<Var<'t, T>> for $array {
            type Output = Var<'t, T>;

            #[track_caller]
            fn $method(self, x: Var<'t, T>) -> Var<'t, T> {
                x.tape().constant(self.clone()).$method(x)
            }
        }
    };
    ($($trait:ident, $method:ident;)*) => {
        $(arrays!($trait, $method, Array<T>); arrays!($trait, $method, &Array<T>);)*
    };
}

arrays! {
    Add, add;
    Sub, sub;
    Mul, mul;
    Div, div;
}

/// Gives a gradient of the output's shape to an input that may have been broadcast.
pub(super) fn give<T: Scalar>(cx: &mut Back<'_, T>, input: usize, gradient: impl Fn(&Back<'_, T>) -> Array<T>) {
    if cx.wants(input) {
        let gradient = gradient(cx).sum_to(cx.input(input).shape());
        cx.give(input, gradient);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{gradcheck, gradcheck_pairs, off_zero};
    use crate::{Tape, Var};
    use ohmgrad_tensor::{Array, Key, Tensor};

    fn fixed(x: Var<'_, f64>) -> Array<f64> {
        Array::normal(&x.shape(), Key::new(1))
    }

    gradcheck_pairs! {
        add: |x, y| x + y;
        sub: |x, y| x - y;
        mul: |x, y| x * y;
        div: |x, y| x / y, on |y: &_| &off_zero(y) + 3.0;
    }

    gradcheck! {
        scale: |x| x * 3.0;
        over: |x| x / 3.0;
        neg: |x| -x;
        shift: |x| x - 2.0 + 5.0;
        numbers_on_the_left: |x| 2.0 * x + (1.0 - x) * (3.0 + x) / 4.0;
        number_over: |x| 2.0 / x, on |x: &Array<f64>| off_zero(&x.abs()) + 1.0;
        arrays_are_constants: |x| x * fixed(x) - Array::scalar(2.0) * x + fixed(x) / (x * x + 1.0);
        the_same_operand_twice: |x| x * x - x;
    }

    #[test]
    fn mixed_operands_compute_what_arrays_do() {
        let (a, b) = (Tensor::from([1.0, 2.0]), Tensor::from([[3.0], [4.0]]));
        let tape = Tape::eval(Key::new(0));
        let x = tape.constant(a.clone());
        let equal = |y: Var<'_>, expected: Tensor| assert_eq!(y.value(), expected);
        equal(x + &b, &a + &b);
        equal(&b - x, &b - &a);
        equal(b.clone() * x, &b * &a);
        equal(x / b.clone(), &a / &b);
        equal(1.0 - x, 1.0 - &a);
        equal(1.0 / x, 1.0 / &a);
    }
}
