//! Choices between elements by a mask.

use ohmgrad_tensor::{Array, Scalar};

use super::arithmetic::give;
use crate::back::{Back, Op};
use crate::var::Var;

/// `x`, or a constant where a mask is `true`. Gradient: `d`, 0 where the mask is `true`.
struct MaskedFill<T> {
    mask: Array<bool>,
    value: T,
}

impl<T: Scalar> Op<T> for MaskedFill<T> {
    fn name(&self) -> &'static str {
        "masked_fill"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("value", self.value.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad.masked_fill(&self.mask, T::zero()));
    }
}

/// `a` where a condition is `true`, else `b`. Gradients: `d` where the condition chose the operand, else 0, summed over
/// broadcast axes.
struct Where {
    condition: Array<bool>,
}

impl<T: Scalar> Op<T> for Where {
    fn name(&self) -> &'static str {
        "where"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let chosen = |d: &Array<T>, operand: bool| {
            d.zip(&self.condition, |d, condition| if condition == operand { d } else { T::zero() })
        };
        give(cx, 0, |cx| chosen(cx.grad, true));
        give(cx, 1, |cx| chosen(cx.grad, false));
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The elements, replaced by `value` where `mask` is `true`; used for scores before a softmax. The mask is
    /// broadcast to this shape.
    ///
    /// ```
    /// # use ohmgrad_autograd::Tape;
    /// # use ohmgrad_tensor::{Array, Key, Tensor};
    /// let tape = Tape::eval(Key::new(0));
    /// let scores = tape.constant(Tensor::from([[1.0, 5.0], [2.0, 2.0]]));
    /// let future = Array::full(&[2, 2], true).triu(1);
    /// let attention = scores.masked_fill(&future, f32::NEG_INFINITY).softmax(1);
    /// assert_eq!(attention.value().to_vec(), [1.0, 0.0, 0.5, 0.5]);
    /// ```
    ///
    /// # Panics
    /// If the mask does not broadcast to this shape.
    #[track_caller]
    pub fn masked_fill(self, mask: &Array<bool>, value: T) -> Self {
        let op = MaskedFill { mask: mask.clone(), value };
        self.tape().push(self.value().masked_fill(mask, value), &[self], op)
    }

    /// The elements of this value where `condition` is `true`, those of `other` elsewhere; all three are broadcast.
    ///
    /// # Panics
    /// If the shapes do not broadcast to a common one.
    #[doc(alias = "where")]
    #[track_caller]
    pub fn where_(self, condition: &Array<bool>, other: Self) -> Self {
        let value = self.value().where_(condition, &other.value());
        self.tape().push(value, &[self, other], Where { condition: condition.clone() })
    }

    /// The lower triangle of a matrix, or of each matrix of a batch: zeros above the diagonal of the given number (0
    /// the main one, 1 the one above it).
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn tril(self, diagonal: isize) -> Self {
        let mask = self.whole("tril").triu(diagonal + 1);
        self.combines(self.shape().len() == 2).masked_fill(&mask, T::zero())
    }

    /// The upper triangle of a matrix, or of each matrix of a batch: zeros below the diagonal of the given number (0
    /// the main one, 1 the one above it).
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn triu(self, diagonal: isize) -> Self {
        let mask = self.whole("triu").tril(diagonal - 1);
        self.combines(self.shape().len() == 2).masked_fill(&mask, T::zero())
    }

    /// `true` for each element of the last two axes.
    #[track_caller]
    fn whole(self, operation: &str) -> Array<bool> {
        let shape = self.shape();
        assert!(shape.len() >= 2, "{operation}: shape {shape:?} has fewer than two axes");
        Array::full(&shape[shape.len() - 2..], true)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{gradcheck, gradcheck_pairs};
    use ohmgrad_tensor::{Array, Key};

    /// A mask that does not change with the values.
    fn mask(shape: &[usize]) -> Array<bool> {
        Array::<f64>::uniform(shape, Key::new(7)).map(|u| u < 0.4)
    }

    fn matrix(x: &Array<f64>) -> Array<f64> {
        x.unsqueeze(0).unsqueeze(0).broadcast_to(&[&[3, 2][..], x.shape()].concat())
    }

    gradcheck! {
        masked_fill: |x| x.masked_fill(&mask(&x.shape()), 2.0) * x;
        masked_fill_of_rows: |x| x.masked_fill(&mask(&x.shape()[1..]), 2.0) * x, on matrix;
        tril: |x| x.tril(0) * x, on matrix;
        triu: |x| x.triu(-1) * x, on matrix;
    }

    gradcheck_pairs! {
        where_: |x, y| x.where_(&mask(&(x + y).shape()), y);
        where_of_another_shape: |x, y| (x * x).where_(&mask(&[2, 1, 1, 1]), y * x);
    }

    #[test]
    fn triangles_of_values_are_those_of_arrays() {
        let x = Array::<f64>::normal(&[2, 3, 4], Key::new(1));
        let tape = crate::Tape::eval(Key::new(0));
        let var = tape.constant(x.clone());
        for diagonal in -3..4 {
            assert_eq!(var.tril(diagonal).value(), x.tril(diagonal));
            assert_eq!(var.triu(diagonal).value(), x.triu(diagonal));
        }
    }
}
