//! Pooling: each output is the maximum or the mean of a window of inputs along the last axes.
//!
//! A window is a list of inputs per axis (a span), and what kind of pooling it belongs to is decided there: strided
//! and padded windows and adaptive ones run through the same loops. Work is cut by planes (batch and channels), which do
//! not meet, so results do not depend on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::array::Array;
use crate::scalar::Scalar;
use crate::shape::Dims;

/// Inputs that one task handles at least.
const TASK: usize = 1 << 14;

/// How a pooling window moves along one axis; the words mean what they mean in PyTorch.
///
/// ```
/// use ohmgrad_tensor::pool::PoolWindow;
/// assert_eq!(PoolWindow::new(3).outputs(9), 3);
/// assert_eq!(PoolWindow { stride: 2, padding: 1, ..PoolWindow::new(3) }.outputs(6), 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolWindow {
    /// Places in a window.
    pub kernel: usize,
    /// From one window to the next.
    pub stride: usize,
    /// Places before the first and behind the last input that windows may cover.
    pub padding: usize,
    /// From one place in a window to the next.
    pub dilation: usize,
    /// Whether a last window may reach beyond the padding, as long as it begins before it.
    pub ceil_mode: bool,
}

impl PoolWindow {
    /// Windows of `kernel` places side by side: no padding, no dilation.
    pub fn new(kernel: usize) -> Self {
        Self { kernel, stride: kernel, padding: 0, dilation: 1, ceil_mode: false }
    }

    /// The number of windows over `n` inputs: `(n + 2·padding − dilation·(kernel − 1) − 1)/stride + 1`, rounded down, or
    /// up in [`ceil_mode`](Self::ceil_mode).
    ///
    /// # Panics
    /// If kernel, stride or dilation is 0, or not even one window fits.
    pub fn outputs(self, n: usize) -> usize {
        let Self { kernel, stride, padding, dilation, ceil_mode } = self;
        assert!(kernel > 0 && stride > 0 && dilation > 0, "pool: kernel, stride or dilation of {self:?} is 0");
        let free = (n + 2 * padding).checked_sub(dilation * (kernel - 1) + 1);
        let free = free.unwrap_or_else(|| panic!("pool: {self:?} is larger than an axis of {n}"));
        let outputs = if ceil_mode { free.div_ceil(stride) } else { free / stride } + 1;
        if ceil_mode && (outputs - 1) * stride >= n + padding { outputs - 1 } else { outputs }
    }

    /// The inputs of each window over `n` inputs; a mean counts places in the padding only if asked.
    fn spans(self, n: usize, count_padding: bool) -> Vec<Span> {
        let Self { kernel, stride, padding, dilation, .. } = self;
        let span = |output: usize| {
            // Places are counted from the beginning of the padding.
            let first = output * stride;
            let hidden = padding.saturating_sub(first).div_ceil(dilation);
            let start = (first + hidden * dilation).saturating_sub(padding);
            let end = (first + (kernel - 1) * dilation + 1).saturating_sub(padding).min(n);
            assert!(start < end, "pool: {self:?} has a window in the padding alone, on an axis of {n}");
            let places = match count_padding {
                true => kernel.min((n + 2 * padding - first).div_ceil(dilation)),
                false => (end - start).div_ceil(dilation),
            };
            Span { start, end, step: dilation, places }
        };
        (0..self.outputs(n)).map(span).collect()
    }
}

/// The inputs of one window along one axis: `start`, `start + step`, … below `end`; and what they count in a mean.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    step: usize,
    places: usize,
}

/// The windows of a pooling over inputs of one shape; axes before the pooled ones are all batch.
#[derive(Clone, Debug)]
pub struct Pooling {
    input: Dims,
    output: Dims,
    /// Of a plane, the pooled axes; those that are missing have size 1.
    sizes: [usize; 3],
    spans: [Vec<Span>; 3],
}

impl Pooling {
    /// A window for each of the last (up to three) axes of inputs of `shape`; a mean counts padding only if asked.
    ///
    /// # Panics
    /// If the shape has fewer axes, or the windows do not fit.
    pub fn new(shape: &[usize], windows: &[PoolWindow], count_padding: bool) -> Self {
        Self::over(shape, windows.len(), |axis, n| windows[axis].spans(n, count_padding))
    }

    /// Windows that divide the last axes into `outputs` parts: the i-th of m windows over n inputs goes from `⌊i·n/m⌋` to
    /// `⌈(i+1)·n/m⌉`.
    ///
    /// # Panics
    /// If the shape has fewer axes, or a size is 0.
    pub fn adaptive(shape: &[usize], outputs: &[usize]) -> Self {
        Self::over(shape, outputs.len(), |axis, n| {
            let m = outputs[axis];
            assert!(n > 0 && m > 0, "pool: {n} inputs cannot be divided among {m} outputs");
            let span = |i: usize| {
                let (start, end) = (i * n / m, ((i + 1) * n).div_ceil(m));
                Span { start, end, step: 1, places: end - start }
            };
            (0..m).map(span).collect()
        })
    }

    fn over(shape: &[usize], pooled: usize, spans: impl Fn(usize, usize) -> Vec<Span>) -> Self {
        assert!(
            (1..=3).contains(&pooled) && pooled <= shape.len(),
            "pool: {pooled} windows for an input of shape {shape:?}"
        );
        let outer = shape.len() - pooled;
        let mut pooling = Self {
            input: shape.into(),
            output: shape.into(),
            sizes: [1; 3],
            spans: std::array::from_fn(|_| vec![Span { start: 0, end: 1, step: 1, places: 1 }]),
        };
        for axis in 0..pooled {
            let n = shape[outer + axis];
            let spans = spans(axis, n);
            pooling.output[outer + axis] = spans.len();
            pooling.sizes[3 - pooled + axis] = n;
            pooling.spans[3 - pooled + axis] = spans;
        }
        assert!(u32::try_from(pooling.ins()).is_ok(), "pool: a plane of {shape:?} is too large");
        pooling
    }

    /// The shape of the result.
    pub fn output(&self) -> &[usize] {
        &self.output
    }

    /// The largest input of each window, NaN if one is NaN; and where in its plane it lies (the first of several).
    ///
    /// # Panics
    /// If `x` has another shape.
    pub fn max<T: Scalar>(&self, x: &Array<T>) -> (Array<T>, Array<u32>) {
        let x = self.checked(x, &self.input);
        let source = x.as_slice().expect("made contiguous above");
        let (ins, outs) = (self.ins(), self.outs());
        let mut y = vec![T::zero(); self.output.iter().product()];
        let mut places = vec![0; y.len()];
        let planes = y.par_chunks_exact_mut(outs).zip(places.par_chunks_exact_mut(outs)).zip(source.par_chunks(ins));
        planes.with_min_len(self.least()).for_each(|((y, places), x)| {
            self.each_window(|output, window| {
                let (mut best, mut place) = (T::neg_infinity(), None);
                self.each_input(window, |i| {
                    if place.is_none() || x[i] > best || x[i].is_nan() {
                        (best, place) = (x[i], Some(i));
                    }
                });
                (y[output], places[output]) = (best, place.unwrap_or_default() as u32);
            });
        });
        (Array::from_vec(y, &self.output), Array::from_vec(places, &self.output))
    }

    /// The gradient of [`max`](Self::max): `d` where the largest inputs lay.
    ///
    /// # Panics
    /// If `d` or `places` is not of the shape of the result.
    pub fn max_gradient<T: Scalar>(&self, d: &Array<T>, places: &Array<u32>) -> Array<T> {
        let (d, places) = (self.checked(d, &self.output), self.checked(places, &self.output));
        let d = d.as_slice().expect("made contiguous above").par_chunks(self.outs());
        let places = places.as_slice().expect("made contiguous above").par_chunks(self.outs());
        let mut gradient = vec![T::zero(); self.input.iter().product()];
        let planes = gradient.par_chunks_exact_mut(self.ins()).zip(d).zip(places);
        planes.with_min_len(self.least()).for_each(|((gradient, d), places)| {
            for (&d, &place) in d.iter().zip(places) {
                gradient[place as usize] += d;
            }
        });
        Array::from_vec(gradient, &self.input)
    }

    /// The mean of each window.
    ///
    /// # Panics
    /// If `x` has another shape.
    pub fn mean<T: Scalar>(&self, x: &Array<T>) -> Array<T> {
        let x = self.checked(x, &self.input);
        let source = x.as_slice().expect("made contiguous above");
        let mut y = vec![T::zero(); self.output.iter().product()];
        let planes = y.par_chunks_exact_mut(self.outs()).zip(source.par_chunks(self.ins()));
        planes.with_min_len(self.least()).for_each(|(y, x)| {
            self.each_window(|output, window| {
                let mut sum = T::zero();
                self.each_input(window, |i| sum += x[i]);
                y[output] = sum / count(window);
            });
        });
        Array::from_vec(y, &self.output)
    }

    /// The gradient of [`mean`](Self::mean): each window's `d` in equal parts to its inputs.
    ///
    /// # Panics
    /// If `d` is not of the shape of the result.
    pub fn mean_gradient<T: Scalar>(&self, d: &Array<T>) -> Array<T> {
        let d = self.checked(d, &self.output);
        let d = d.as_slice().expect("made contiguous above").par_chunks(self.outs());
        let mut gradient = vec![T::zero(); self.input.iter().product()];
        let planes = gradient.par_chunks_exact_mut(self.ins()).zip(d);
        planes.with_min_len(self.least()).for_each(|(gradient, d)| {
            self.each_window(|output, window| {
                let share = d[output] / count(window);
                self.each_input(window, |i| gradient[i] += share);
            });
        });
        Array::from_vec(gradient, &self.input)
    }

    /// Inputs of a plane.
    fn ins(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Outputs of a plane.
    fn outs(&self) -> usize {
        self.spans.iter().map(Vec::len).product()
    }

    /// Planes that one task handles at least.
    fn least(&self) -> usize {
        TASK.div_ceil(self.ins())
    }

    fn checked<U: Clone>(&self, x: &Array<U>, shape: &[usize]) -> Array<U> {
        assert!(x.shape() == shape, "pool: shape {:?} where {shape:?} belongs", x.shape());
        x.contiguous()
    }

    fn each_window(&self, mut f: impl FnMut(usize, [Span; 3])) {
        let [a, b, c] = &self.spans;
        let mut output = 0;
        for &a in a {
            for &b in b {
                for &c in c {
                    f(output, [a, b, c]);
                    output += 1;
                }
            }
        }
    }

    /// Calls `f` with the place in its plane of each input of a window.
    fn each_input(&self, [a, b, c]: [Span; 3], mut f: impl FnMut(usize)) {
        let [_, rows, columns] = self.sizes;
        let indices = |span: Span| -> std::iter::StepBy<Range<usize>> { (span.start..span.end).step_by(span.step) };
        for i in indices(a) {
            for j in indices(b) {
                indices(c).for_each(|k| f((i * rows + j) * columns + k));
            }
        }
    }
}

fn count<T: Scalar>(window: [Span; 3]) -> T {
    T::of(window.iter().map(|span| span.places).product::<usize>() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, Tensor};
    use proptest::prelude::*;

    /// Over an input that is really padded, and longer still where a window reaches beyond.
    fn naive(x: &Tensor, by: PoolWindow, count_padding: bool) -> [Vec<f32>; 2] {
        let (n, p) = (x.len() as isize, by.padding as isize);
        let windows = (0..by.outputs(x.len())).map(|o| {
            let places = (0..by.kernel).map(move |j| (o * by.stride + j * by.dilation) as isize - p);
            let inputs: Vec<f32> = places.clone().filter(|i| (0..n).contains(i)).map(|i| x[[i as usize]]).collect();
            let counted = if count_padding { places.filter(|&i| i < n + p).count() } else { inputs.len() };
            (inputs.iter().copied().fold(f32::NEG_INFINITY, f32::max), inputs.iter().sum::<f32>() / counted as f32)
        });
        let (max, mean) = windows.unzip();
        [max, mean]
    }

    proptest! {
        #[test]
        fn windows_are_those_of_the_definition(
            n in 4usize..20, kernel in 1usize..5, stride in 1usize..5, dilation in 1usize..3, padding in 0usize..3,
            options: [bool; 2], seed: u64
        ) {
            let [ceil_mode, count_padding] = options;
            let window = PoolWindow { kernel, stride, dilation, padding: padding.min(kernel / 2), ceil_mode };
            prop_assume!(dilation * (kernel - 1) < n && (dilation == 1 || window.padding == 0));
            let x = Tensor::normal(&[n], Key::new(seed));
            let pooling = Pooling::new(&[n], &[window], count_padding);
            let [max, mean] = naive(&x, window, count_padding);
            prop_assert_eq!(pooling.max(&x).0.to_vec(), max);
            prop_assert_eq!(pooling.mean(&x).to_vec(), mean);
        }

        /// Pooling several axes at once is pooling one after the other, and other axes are batch.
        #[test]
        fn axes_are_pooled_independently(sizes in [1usize..4, 4usize..9, 4usize..9], outs in [1usize..6, 1usize..6], seed: u64) {
            let x = Array::<f64>::normal(&sizes, Key::new(seed));
            let both = Pooling::adaptive(&sizes, &outs).mean(&x);
            let rows = x.transpose(1, 2);
            let rows = Pooling::adaptive(rows.shape(), &outs[..1]).mean(&rows).transpose(1, 2);
            let then = Pooling::adaptive(rows.shape(), &outs[1..]).mean(&rows);
            prop_assert!((&both - &then).abs().max() < 1e-12);
        }
    }

    #[test]
    fn a_global_mean_and_three_axes() {
        let x = Tensor::from_fn(&[2, 2, 4, 4], |i| i.iter().sum::<usize>() as f32);
        assert_eq!(Pooling::adaptive(x.shape(), &[1, 1, 1]).mean(&x).to_vec(), [3.5, 4.5]);
        let pooling = Pooling::new(x.shape(), &[PoolWindow::new(2); 3], true);
        assert_eq!(pooling.max(&x).0.to_vec(), [3.0, 5.0, 5.0, 7.0, 4.0, 6.0, 6.0, 8.0]);
    }

    #[test]
    fn not_a_number_is_the_largest_and_ties_go_to_the_first() {
        let (y, places) = Pooling::new(&[4], &[PoolWindow::new(2)], true).max(&Tensor::from([1.0, f32::NAN, 2.0, 2.0]));
        assert!(y[[0]].is_nan());
        assert_eq!(places.to_vec(), [1, 2]);
    }

    #[test]
    fn threads_do_not_matter() {
        let x = Tensor::normal(&[40, 7, 33, 31], Key::new(1));
        let pooling = Pooling::new(x.shape(), &[PoolWindow { stride: 2, padding: 1, ..PoolWindow::new(3) }; 2], true);
        let run = || {
            let (y, places) = pooling.max(&x);
            [pooling.max_gradient(&y, &places), pooling.mean_gradient(&pooling.mean(&x))]
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(run), run());
    }

    #[test]
    #[should_panic(expected = "is larger than an axis of 2")]
    fn a_window_that_does_not_fit_names_itself() {
        Pooling::new(&[2], &[PoolWindow::new(3)], true);
    }
}
