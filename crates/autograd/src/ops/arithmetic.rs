//! Sums, differences, products and quotients, with NumPy's broadcasting.

use std::ops::{Add, Div, Mul, Neg, Sub};

use ohmgrad_tensor::{Array, Scalar};

use crate::back::{Back, Op};
use crate::var::Var;

/// `a + b`. Gradients: `d` and `d`, summed over broadcast axes (as for all operations here).
struct AddOp;

impl<'t, T: Scalar> Add for Var<'t, T> {
    type Output = Self;

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

/// Gives a gradient of the output's shape to an input that may have been broadcast.
fn give<T: Scalar>(cx: &mut Back<'_, T>, input: usize, gradient: impl Fn(&Back<'_, T>) -> Array<T>) {
    if cx.wants(input) {
        let gradient = gradient(cx).sum_to(cx.input(input).shape());
        cx.give(input, gradient);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{gradcheck, gradcheck_pairs, off_zero};

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
        the_same_operand_twice: |x| x * x - x;
    }
}
