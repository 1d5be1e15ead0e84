//! Pooling: each output is the maximum or the mean of a window of inputs along the last axes.
//!
//! A window is a list of inputs for each axis (a span). Strided, padded and adaptive windows differ in their spans
//! alone and run through the same loops. Work is cut by planes (batch and channels), which are independent, so results
//! do not depend on the number of threads.

use std::ops::Range;

use crate::array::Array;
use crate::parallel;
use crate::scalar::Scalar;
use crate::shape::Dims;
use crate::simd::vectorized;
use crate::storage;

/// The smallest number of inputs that one task handles.
const TASK: usize = 1 << 14;

/// Windows are smaller than this, so that sums of places do not wrap around.
const LARGEST: usize = isize::MAX as usize / 8;

/// Motion of a pooling window along one axis; the fields mean the same as in PyTorch.
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
    /// Distance of neighbouring windows.
    pub stride: usize,
    /// Places before the first and behind the last input that windows may cover.
    pub padding: usize,
    /// Distance of neighbouring places in a window.
    pub dilation: usize,
    /// Allows the last window to reach beyond the padding, if it begins before the padding behind the last input.
    pub ceil_mode: bool,
}

impl PoolWindow {
    /// Windows of `kernel` places side by side: no padding, no dilation.
    pub fn new(kernel: usize) -> Self {
        Self { kernel, stride: kernel, padding: 0, dilation: 1, ceil_mode: false }
    }

    /// The number of windows over `n` inputs: `(n + 2·padding − dilation·(kernel − 1) − 1)/stride + 1`, rounded down,
    /// or up in [`ceil_mode`](Self::ceil_mode), in which the only window may be larger than the axis.
    ///
    /// # Panics
    /// If kernel, stride or dilation is 0, the padding is more than half of the window, or not even one window fits.
    pub fn outputs(self, n: usize) -> usize {
        let Self { kernel, stride, padding, dilation, ceil_mode } = self;
        assert!(kernel > 0 && stride > 0 && dilation > 0, "pool: kernel, stride or dilation of {self:?} is 0");
        let extent = dilation.checked_mul(kernel - 1).filter(|&last| last < LARGEST).map(|last| last + 1);
        let extent = extent.unwrap_or_else(|| panic!("pool: {self:?} is larger than an axis of {n}"));
        assert!(padding <= extent / 2, "pool: the padding of {self:?} is more than half of the window");
        // A larger stride than this makes one output, too.
        let stride = stride.min(LARGEST);
        let free = n + 2 * padding + if ceil_mode { stride - 1 } else { 0 };
        let free = free.checked_sub(extent).unwrap_or_else(|| panic!("pool: {self:?} is larger than an axis of {n}"));
        let outputs = free / stride + 1;
        if ceil_mode && (outputs - 1) * stride >= n + padding { outputs - 1 } else { outputs }
    }

    /// The inputs of each window over `n` inputs; a mean counts places in the padding only if `count_padding` is set.
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

/// The inputs of one window along one axis: `start`, `start + step`, … below `end`; and the number of places that a
/// mean counts.
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
    /// Number of axes before the pooled ones; the last of them is the channels, if there is one.
    batch_axes: usize,
    /// Sizes of the pooled axes of a plane; missing ones have size 1.
    sizes: [usize; 3],
    spans: [Vec<Span>; 3],
}

impl Pooling {
    /// A window for each of the last (up to three) axes of inputs of `shape`; a mean counts padding if `count_padding`
    /// is set.
    ///
    /// # Panics
    /// If the shape has fewer axes, or the windows do not fit.
    pub fn new(shape: &[usize], windows: &[PoolWindow], count_padding: bool) -> Self {
        Self::over(shape, windows.len(), |axis, n| windows[axis].spans(n, count_padding))
    }

    /// Windows that divide the last axes into `outputs` parts: the i-th of m windows over n inputs goes from `⌊i·n/m⌋`
    /// to `⌈(i+1)·n/m⌉`.
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
            batch_axes: outer,
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

    /// The largest input of each window, NaN if one is NaN; and its place in its plane (the first of several equal
    /// ones).
    ///
    /// # Panics
    /// If `x` has another shape.
    pub fn max<T: Scalar>(&self, x: &Array<T>) -> (Array<T>, Array<u32>) {
        let (x, channels) = self.planes(x, &self.input, None);
        let x = x.as_slice().expect("made contiguous above");
        let (ins, outs) = (self.ins() * channels, self.outs() * channels);
        let len = self.output.iter().product();
        let (mut y, mut places) = (storage::filled(len, T::neg_infinity()), storage::filled(len, 0));
        let planes = self.least(channels);
        parallel::for_each_part_of_two((&mut y, planes * outs), (&mut places, planes * outs), |i, y, places| {
            let x = x[i * planes * ins..].chunks_exact(ins);
            for ((x, y), places) in x.zip(y.chunks_exact_mut(outs)).zip(places.chunks_exact_mut(outs)) {
                vectorized(
                    #[inline(always)]
                    || self.max_of_plane(x, channels, y, places),
                );
            }
        });
        (self.of_planes(y, &self.output, channels), self.of_planes(places, &self.output, channels))
    }

    #[inline(always)]
    fn max_of_plane<T: Scalar>(&self, x: &[T], channels: usize, y: &mut [T], places: &mut [u32]) {
        self.each_window(
            #[inline(always)]
            |output: usize, window: [Span; 3]| {
                let range = output * channels..(output + 1) * channels;
                let (y, places) = (&mut y[range.clone()], &mut places[range]);
                // The first input is taken without a comparison, because it may be −∞, as the initial maximum is.
                let mut first = true;
                self.each_input(
                    window,
                    #[inline(always)]
                    |i: usize| {
                        let x = &x[i * channels..(i + 1) * channels];
                        for ((best, place), &x) in y.iter_mut().zip(places.iter_mut()).zip(x) {
                            let better = first | (x > *best) | x.is_nan();
                            *best = if better { x } else { *best };
                            *place = if better { i as u32 } else { *place };
                        }
                        first = false;
                    },
                );
            },
        );
    }

    /// The gradient of [`max`](Self::max): `d` at the places of the largest inputs.
    ///
    /// # Panics
    /// If `d` or `places` is not of the shape of the result.
    pub fn max_gradient<T: Scalar>(&self, d: &Array<T>, places: &Array<u32>) -> Array<T> {
        let (places, channels) = self.planes(places, &self.output, None);
        let (d, _) = self.planes(d, &self.output, Some(channels));
        let places = places.as_slice().expect("made contiguous above");
        let d = d.as_slice().expect("made contiguous above");
        let (ins, outs) = (self.ins() * channels, self.outs() * channels);
        let planes = self.least(channels);
        let gradient = parallel::build_from(self.input.iter().product(), planes * ins, T::zero(), |first, gradient| {
            let from = first / ins * outs;
            let outputs = d[from..].chunks_exact(outs).zip(places[from..].chunks_exact(outs));
            for (gradient, (d, places)) in gradient.chunks_exact_mut(ins).zip(outputs) {
                if channels == 1 {
                    places.iter().zip(d).for_each(|(&place, &d)| gradient[place as usize] += d);
                } else {
                    vectorized(
                        #[inline(always)]
                        || self.max_gradient_of_plane(d, places, channels, gradient),
                    );
                }
            }
        });
        self.of_planes(gradient, &self.input, channels)
    }

    /// Visits all inputs of a window, for interleaved channels: vectors then hold several channels.
    #[inline(always)]
    fn max_gradient_of_plane<T: Scalar>(&self, d: &[T], places: &[u32], channels: usize, gradient: &mut [T]) {
        self.each_window(
            #[inline(always)]
            |output: usize, window: [Span; 3]| {
                let range = output * channels..(output + 1) * channels;
                let (d, places) = (&d[range.clone()], &places[range]);
                self.each_input(
                    window,
                    #[inline(always)]
                    |i: usize| {
                        let inputs = &mut gradient[i * channels..(i + 1) * channels];
                        for ((g, &d), &place) in inputs.iter_mut().zip(d).zip(places) {
                            *g += if place == i as u32 { d } else { T::zero() };
                        }
                    },
                );
            },
        );
    }

    /// The mean of each window.
    ///
    /// # Panics
    /// If `x` has another shape.
    pub fn mean<T: Scalar>(&self, x: &Array<T>) -> Array<T> {
        let (x, channels) = self.planes(x, &self.input, None);
        let x = x.as_slice().expect("made contiguous above");
        let (ins, outs) = (self.ins() * channels, self.outs() * channels);
        let planes = self.least(channels);
        let y = parallel::build_from(self.output.iter().product(), planes * outs, T::zero(), |first, y| {
            for (x, y) in x[first / outs * ins..].chunks_exact(ins).zip(y.chunks_exact_mut(outs)) {
                self.each_window(|output, window| {
                    let y = &mut y[output * channels..(output + 1) * channels];
                    self.each_input(window, |i| {
                        y.iter_mut().zip(&x[i * channels..(i + 1) * channels]).for_each(|(y, &x)| *y += x);
                    });
                    y.iter_mut().for_each(|y| *y /= count(window));
                });
            }
        });
        self.of_planes(y, &self.output, channels)
    }

    /// The gradient of [`mean`](Self::mean): each window's `d` in equal parts to its inputs.
    ///
    /// # Panics
    /// If `d` is not of the shape of the result.
    pub fn mean_gradient<T: Scalar>(&self, d: &Array<T>) -> Array<T> {
        let (d, channels) = self.planes(d, &self.output, None);
        let d = d.as_slice().expect("made contiguous above");
        let (ins, outs) = (self.ins() * channels, self.outs() * channels);
        let planes = self.least(channels);
        let gradient = parallel::build_from(self.input.iter().product(), planes * ins, T::zero(), |first, gradient| {
            for (d, gradient) in d[first / ins * outs..].chunks_exact(outs).zip(gradient.chunks_exact_mut(ins)) {
                self.each_window(|output, window| {
                    let d = &d[output * channels..(output + 1) * channels];
                    self.each_input(window, |i| {
                        let inputs = &mut gradient[i * channels..(i + 1) * channels];
                        inputs.iter_mut().zip(d).for_each(|(g, &d)| *g += d / count(window));
                    });
                });
            }
        });
        self.of_planes(gradient, &self.input, channels)
    }

    /// Inputs of a plane.
    fn ins(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Outputs of a plane.
    fn outs(&self) -> usize {
        self.spans.iter().map(Vec::len).product()
    }

    /// Planes that one task handles.
    fn least(&self, channels: usize) -> usize {
        TASK.div_ceil(self.ins() * channels).max(1)
    }

    /// The order of axes that moves the channels, the axis before the pooled ones, to the end; and the inverse order.
    fn channels_last(&self) -> Option<[Vec<usize>; 2]> {
        let (rank, channel) = (self.input.len(), self.batch_axes.checked_sub(1)?);
        let there = (0..rank).filter(|&axis| axis != channel).chain([channel]).collect();
        let back = (0..channel).chain([rank - 1]).chain(channel..rank - 1).collect();
        Some([there, back])
    }

    /// The elements plane by plane, and the number of channels that a plane has interleaved: `channels` if given; else
    /// all, if they are last in memory, as convolutions leave them; else 1.
    fn planes<U: Clone + Send + Sync>(
        &self,
        x: &Array<U>,
        shape: &[usize],
        channels: Option<usize>,
    ) -> (Array<U>, usize) {
        assert!(x.shape() == shape, "pool: shape {:?} where {shape:?} belongs", x.shape());
        let last = self.channels_last().map(|[there, _]| x.permute(&there));
        let found = || match &last {
            Some(last) if last.is_contiguous() && !x.is_contiguous() => shape[self.batch_axes - 1],
            _ => 1,
        };
        let channels = channels.unwrap_or_else(found);
        (last.filter(|_| channels > 1).as_ref().unwrap_or(x).contiguous(), channels)
    }

    /// An array of a shape from its elements plane by plane.
    fn of_planes<U: Clone + Send + Sync>(&self, data: Vec<U>, shape: &[usize], channels: usize) -> Array<U> {
        match self.channels_last().filter(|_| channels > 1) {
            Some([there, back]) => {
                let shape: Vec<usize> = there.iter().map(|&axis| shape[axis]).collect();
                Array::from_vec(data, &shape).permute(&back)
            }
            None => Array::from_vec(data, shape),
        }
    }

    #[inline(always)]
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
    #[inline(always)]
    fn each_input(&self, [a, b, c]: [Span; 3], mut f: impl FnMut(usize)) {
        let [_, rows, columns] = self.sizes;
        let indices = |span: Span| -> std::iter::StepBy<Range<usize>> { (span.start..span.end).step_by(span.step) };
        for i in indices(a) {
            for j in indices(b) {
                for k in indices(c) {
                    f((i * rows + j) * columns + k);
                }
            }
        }
    }
}

fn count<T: Scalar>(window: [Span; 3]) -> T {
    T::of(window.iter().map(|span| span.places).product::<usize>() as f64)
}

#[cfg(test)]
mod tests;
