//! Convolutions over one, two or three axes.

use ohmgrad_tensor::{Array, ConvWindow, Im2col, Scalar};

use crate::back::{Back, Op};
use crate::var::Var;

/// The products of all patches of `x` with a weight, and a bias: `y[n, o, p] = Σ w[o, …]·patch(x, n, p) + b[o]`.
///
/// Gradients: `d·w` for each patch, added up where patches overlap; `Σ dᵀ·patch`; and `Σ d` for each output.
struct Convolution {
    im2col: Im2col,
    has_bias: bool,
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The convolution (cross-correlation, as everywhere in deep learning) of this value [batch, channels, …] with a
    /// weight [out, channels/groups, …kernel], over as many axes as the kernel has, plus a bias \[out\], if there is
    /// one. In memory the result has its channels last.
    ///
    /// ```
    /// # use ohmgrad_autograd::Tape;
    /// # use ohmgrad_tensor::{Key, Tensor, ConvWindow};
    /// let tape = Tape::eval(Key::new(0));
    /// let x = tape.constant(Tensor::from([[[1.0, 2.0, 3.0, 4.0]]]));
    /// let difference = tape.constant(Tensor::from([[[-1.0, 1.0]]]));
    /// let window = ConvWindow { kernel: [1, 1, 2], stride: [1; 3], padding: [0; 3], dilation: [1; 3] };
    /// assert_eq!(x.convolution(difference, None, window, 1).value().to_vec(), [1.0; 3]);
    /// ```
    ///
    /// # Panics
    /// If the shapes, the window and the groups do not fit.
    #[track_caller]
    pub fn convolution(self, weight: Self, bias: Option<Self>, window: ConvWindow, groups: usize) -> Self {
        let (x, w, b) = (self.value(), weight.value(), bias.map(|bias| bias.value()));
        let im2col = Im2col::patches(window, groups, x.shape());
        let fits = w.rank() == x.rank()
            && w.shape()[0].is_multiple_of(groups)
            && w.shape()[1] * groups == x.shape()[1]
            && w.shape()[2..] == window.kernel[5 - x.rank()..];
        assert!(
            fits,
            "convolution: input {:?}, weight {:?}, window {:?}, {groups} groups do not fit",
            x.shape(),
            w.shape(),
            window.kernel
        );
        let y = im2col.linear(&x, &as_matrix(&w), b.as_ref());
        let inputs: Vec<Self> = [self, weight].into_iter().chain(bias).collect();
        // Each row of the result uses the whole weight.
        weight.combines(true).tape().push(y, &inputs, Convolution { im2col, has_bias: bias.is_some() })
    }
}

impl<T: Scalar> Op<T> for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let (x, w) = (cx.input(0), cx.input(1));
        if cx.wants(1) {
            cx.give(1, self.im2col.linear_weight_gradient(cx.grad, x).reshape(w.shape()));
        }
        if cx.wants(0) {
            cx.give(0, self.im2col.linear_input_gradient(cx.grad, &as_matrix(w)));
        }
        if self.has_bias && cx.wants(2) {
            let outs = w.shape()[0];
            let mut shape = vec![outs];
            shape.resize(w.rank() - 1, 1);
            cx.give(2, cx.grad.sum_to(&shape).reshape(&[outs]));
        }
    }
}

/// A weight [out, …] as [out, in].
fn as_matrix<T: Scalar>(w: &Array<T>) -> Array<T> {
    w.reshape(&[w.shape()[0], w.shape()[1..].iter().product()])
}

#[cfg(test)]
mod tests {
    use crate::gradcheck;
    use crate::testing::array;
    use ohmgrad_tensor::{ConvWindow, Key};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn convolution(
            rank in 1usize..4, kernel in 1usize..3, stride in 1usize..3, padding in 0usize..2, dilation in 1usize..3,
            groups in 1usize..3, seed: u64, layouts: [u8; 2]
        ) {
            let last = |value: usize, other: usize| [0, 1, 2].map(|axis| if axis + rank < 3 { other } else { value });
            let window = ConvWindow {
                kernel: last(kernel, 1), stride: last(stride, 1), padding: last(padding, 0), dilation: last(dilation, 1)
            };
            let key = Key::new(seed);
            let x = array(&[&[2, groups][..], &[4, 3, 3][3 - rank..]].concat(), key.fold("x"), layouts[0]);
            let w = array(&[&[2 * groups, 1][..], &vec![kernel; rank]].concat(), key.fold("w"), layouts[1]);
            let bias = array(&[2 * groups], key.fold("bias"), 0);
            let check = gradcheck(|v| v[0].convolution(v[1], Some(v[2]), window, groups), &[x, w, bias]);
            prop_assert!(check.is_ok(), "{}", check.unwrap_err());
        }
    }
}
