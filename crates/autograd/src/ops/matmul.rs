//! Matrix products.

use ohmgrad_tensor::{Scalar, product};

use crate::back::{Back, Op};
use crate::var::Var;

/// `a · b` over the last two axes. Gradients: `d·bᵀ` and `aᵀ·d`, summed over broadcast batches.
struct MatMul;

impl<'t, T: Scalar> Var<'t, T> {
    /// The matrix product over the last two axes; leading axes are batches and broadcast.
    ///
    /// # Panics
    /// If an operand has fewer than two axes, the inner dimensions differ, or the batches do not broadcast.
    #[track_caller]
    pub fn matmul(self, other: Self) -> Self {
        // Rows of the right operand are summed over, unless they are a batch of matrices.
        other.combines(other.shape().len() == 2);
        self.tape().push(self.value().matmul(&other.value()), &[self, other], MatMul)
    }
}

impl<T: Scalar> Op<T> for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let (a, b) = (cx.input(0), cx.input(1));
        if cx.wants(0) {
            cx.give(0, cx.grad.matmul(&b.t()).sum_to(a.shape()));
        }
        if cx.wants(1) {
            cx.give(1, a.t().matmul(cx.grad).sum_to(b.shape()));
        }
    }
}

/// `x·wᵀ` for rows `x` [batch, in] and a weight `w` [out, in]. Gradients: `d·w` and `dᵀ·x`.
///
/// The three products are those of [`product`], which perfect tiles call too.
struct Linear;

impl<'t, T: Scalar> Var<'t, T> {
    /// The product of a layer: these rows [batch, in] times a weight [out, in] transposed.
    ///
    /// # Panics
    /// If an operand is not a matrix, or the inner dimensions differ.
    #[track_caller]
    pub fn linear(self, weight: Self) -> Self {
        let (x, w) = (self.value(), weight.value());
        let (rows, weight_shape) = (x.shape(), w.shape());
        assert!(
            rows.len() == 2 && weight_shape.len() == 2,
            "linear: {rows:?} × {weight_shape:?}ᵀ: both must be matrices"
        );
        assert!(
            rows[1] == weight_shape[1],
            "linear: {rows:?} × {weight_shape:?}ᵀ: {} and {} inputs differ",
            rows[1],
            weight_shape[1]
        );
        // Each row of the result uses all rows of the weight.
        weight.combines(true).tape().push(product::linear(&x, &w), &[self, weight], Linear)
    }
}

impl<T: Scalar> Op<T> for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let (x, w) = (cx.input(0), cx.input(1));
        if cx.wants(0) {
            cx.give(0, product::linear_input_gradient(cx.grad, w));
        }
        if cx.wants(1) {
            cx.give(1, product::linear_weight_gradient(cx.grad, x));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::gradcheck;
    use crate::testing::array;
    use ohmgrad_tensor::Key;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn matmul(m in 1usize..4, k in 1usize..4, n in 1usize..4, batch in 1usize..3, seed: u64, layouts: [u8; 2]) {
            let key = Key::new(seed);
            let a = array(&[batch, 1, m, k], key.fold("a"), layouts[0]);
            let b = array(&[2, k, n], key.fold("b"), layouts[1]);
            let check = gradcheck(|v| v[0].matmul(v[1]), &[a, b]);
            prop_assert!(check.is_ok(), "{}", check.unwrap_err());
        }

        #[test]
        fn linear(batch in 1usize..4, n_in in 1usize..4, n_out in 1usize..4, seed: u64, layouts: [u8; 2]) {
            let key = Key::new(seed);
            let x = array(&[batch, n_in], key.fold("x"), layouts[0]);
            let w = array(&[n_out, n_in], key.fold("w"), layouts[1]);
            let check = gradcheck(|v| v[0].linear(v[1]), &[x, w]);
            prop_assert!(check.is_ok(), "{}", check.unwrap_err());
        }
    }
}
