//! Pooling over the last axes.

use ohmgrad_tensor::pool::{PoolWindow, Pooling};
use ohmgrad_tensor::{Array, Scalar};

use crate::back::{Back, Op};
use crate::var::Var;

/// The largest input of each window. Gradient: `d` to that input, or to the first of several equal ones.
struct MaxPool {
    pooling: Pooling,
    windows: Vec<PoolWindow>,
    places: Array<u32>,
}

impl<T: Scalar> Op<T> for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        shown(&self.windows)
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, self.pooling.max_gradient(cx.grad, &self.places));
    }
}

/// The mean of each window. Gradient: `d/n` to each of its n inputs, where padding may count among the n.
struct AvgPool {
    pooling: Pooling,
    windows: Vec<PoolWindow>,
}

impl<T: Scalar> Op<T> for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        shown(&self.windows)
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, self.pooling.mean_gradient(cx.grad));
    }
}

/// The attribute for windows; none for adaptive windows, which follow from the shapes.
fn shown(windows: &[PoolWindow]) -> Vec<(&'static str, String)> {
    let word = |w: &PoolWindow| {
        let mut text = format!("{}", w.kernel);
        let fields = [(w.stride, w.kernel, "stride"), (w.padding, 0, "padding"), (w.dilation, 1, "dilation")];
        fields
            .iter()
            .filter(|(value, usual, _)| value != usual)
            .for_each(|(v, _, name)| text += &format!(" {name} {v}"));
        text
    };
    match windows {
        [] => vec![],
        _ => vec![("window", windows.iter().map(word).collect::<Vec<_>>().join(" × "))],
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The largest element of each window over the last axes, one window an axis (up to three); earlier axes are batch.
    /// NaN if one element is NaN.
    ///
    /// ```
    /// # use ohmgrad_autograd::Tape;
    /// # use ohmgrad_tensor::{pool::PoolWindow, Key, Tensor};
    /// let tape = Tape::eval(Key::new(0));
    /// let x = tape.constant(Tensor::from([[1.0, 5.0, 2.0, 3.0]]));
    /// assert_eq!(x.max_pool(&[PoolWindow::new(2)]).value().to_vec(), [5.0, 3.0]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer axes than windows, or a window does not fit.
    #[track_caller]
    pub fn max_pool(self, windows: &[PoolWindow]) -> Self {
        let pooling = Pooling::new(&self.shape(), windows, true);
        let (y, places) = pooling.max(&self.value());
        self.combines(windows.len() == self.shape().len()).tape().push(
            y,
            &[self],
            MaxPool { pooling, windows: windows.to_vec(), places },
        )
    }

    /// The mean of each window over the last axes, one window an axis (up to three); earlier axes are batch. Padding
    /// counts as zeros if `count_padding`, else not at all.
    ///
    /// # Panics
    /// If there are fewer axes than windows, or a window does not fit.
    #[track_caller]
    pub fn avg_pool(self, windows: &[PoolWindow], count_padding: bool) -> Self {
        self.combines(windows.len() == self.shape().len());
        self.mean_of(Pooling::new(&self.shape(), windows, count_padding), windows)
    }

    /// The means of windows that divide the last axes into `outputs` parts (up to three axes).
    ///
    /// # Panics
    /// If there are fewer axes, or a size is 0.
    #[track_caller]
    pub fn adaptive_avg_pool(self, outputs: &[usize]) -> Self {
        self.combines(outputs.len() == self.shape().len());
        self.mean_of(Pooling::adaptive(&self.shape(), outputs), &[])
    }

    #[track_caller]
    fn mean_of(self, pooling: Pooling, windows: &[PoolWindow]) -> Self {
        let y = pooling.mean(&self.value());
        self.tape().push(y, &[self], AvgPool { pooling, windows: windows.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck;
    use crate::testing::array;
    use ohmgrad_tensor::Key;
    use proptest::prelude::*;

    fn window() -> impl Strategy<Value = PoolWindow> {
        (1usize..4, 1usize..4, 0usize..2, 1usize..3, any::<bool>()).prop_map(
            |(kernel, stride, padding, dilation, ceil_mode)| {
                let padding = if dilation == 1 { padding.min(kernel / 2) } else { 0 };
                PoolWindow { kernel, stride, padding, dilation, ceil_mode }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pools(
            windows in prop::collection::vec(window(), 1..3), sizes in [1usize..3, 5usize..7, 5usize..7],
            outputs in prop::collection::vec(1usize..8, 1..3), count_padding: bool, seed: u64, layout in 0u8..3
        ) {
            let x = array(&sizes, Key::new(seed), layout);
            // Far enough apart for finite differences: a window's largest element stays the largest.
            let mut order: Vec<usize> = (0..x.len()).collect();
            let values = x.to_vec();
            order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
            let mut ranks = Array::full(x.shape(), 0.0);
            order.iter().enumerate().for_each(|(rank, &i)| ranks.make_mut()[i] = rank as f64);
            for check in [
                gradcheck(|v| v[0].max_pool(&windows), &[ranks]),
                gradcheck(|v| v[0].avg_pool(&windows, count_padding), std::slice::from_ref(&x)),
                gradcheck(|v| v[0].adaptive_avg_pool(&outputs), &[x]),
            ] {
                prop_assert!(check.is_ok(), "{}", check.unwrap_err());
            }
        }
    }
}
