//! Windows of any size in the public layers: the result is right, or a panic with a message of ours. Sums that wrapped
//! around would read before or behind an array.

use ohmgrad::models::{AvgPool1d, Conv, MaxPool2d, MaxPool3d};
use ohmgrad::prelude::*;

use crate::panics;

/// Sizes around those at which sums, products and signed numbers wrap.
const EXTREMES: [usize; 14] = [
    usize::MAX,
    usize::MAX - 1,
    usize::MAX - 4,
    usize::MAX / 2 + 1,
    usize::MAX / 2,
    usize::MAX / 2 - 3,
    usize::MAX / 3 + 1,
    1 << 62,
    1 << 60,
    (1 << 60) - 7,
    1 << 59,
    1 << 58,
    1 << 33,
    1 << 32,
];

/// The largest number of elements of an array.
const MOST: i128 = (isize::MAX / 8) as i128;

/// Choices that are a function of a key.
struct Draw(Key, u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.1 += 1;
        (self.0.fold(self.1).to_words()[0] % n as u64) as usize
    }

    /// A small size, from `least` on, or an extreme one.
    fn size(&mut self, least: usize) -> usize {
        match self.below(2) {
            0 => least + self.below(3),
            _ => EXTREMES[self.below(EXTREMES.len())],
        }
    }
}

/// A convolution over one axis, in numbers that can't wrap.
#[derive(Debug)]
struct Window {
    n: i128,
    kernel: i128,
    stride: i128,
    padding: i128,
    dilation: i128,
}

impl Window {
    /// The number of places; none if the window does not fit.
    fn places(&self) -> Option<i128> {
        let free = self.n + 2 * self.padding - self.dilation * (self.kernel - 1) - 1;
        (free >= 0).then(|| free / self.stride + 1)
    }

    /// The input under an entry of the window at a place, if it is not padding.
    fn input(&self, place: i128, entry: i128) -> Option<usize> {
        let i = place * self.stride + entry * self.dilation - self.padding;
        (0..self.n).contains(&i).then_some(i as usize)
    }
}

/// One channel by definition: outputs, and the gradient of the inputs for output gradients of 1.
fn by_definition(window: &Window, x: &[f32], weight: &[f32], bias: f32) -> (Vec<f32>, Vec<f32>) {
    let (mut y, mut gradient) = (vec![], vec![0.0; x.len()]);
    for place in 0..window.places().unwrap_or(0) {
        let mut sum = 0.0;
        for entry in 0..window.kernel {
            if let Some(i) = window.input(place, entry) {
                sum += weight[entry as usize] * x[i];
                gradient[i] += weight[entry as usize];
            }
        }
        y.push(sum + bias);
    }
    (y, gradient)
}

fn near(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
}

#[test]
fn convolutions_are_right_or_say_why_not() {
    panics::note();
    let (mut right, mut refused) = (0, 0);
    for case in 0..4000 {
        let mut draw = Draw(Key::new(1).fold(case), 0);
        let (n, kernel) = (1 + draw.below(5), 1 + draw.below(3));
        let [stride, padding, dilation] = [1, 0, 1].map(|least| draw.size(least));
        let [wide, k, s, p, d] = [n, kernel, stride, padding, dilation].map(|size| size as i128);
        let window = Window { n: wide, kernel: k, stride: s, padding: p, dilation: d };
        let places = window.places();
        let fits = places.is_some_and(|places| places * k <= MOST && wide + 2 * p <= MOST);
        if fits && places > Some(1000) {
            // Valid, but perhaps larger than this machine's memory.
            continue;
        }
        let layer = Conv1d::new(1, 1, [kernel], Key::new(2).fold(case));
        let mut layer = layer.with_stride([stride]).with_padding([padding]).with_dilation([dilation]);
        if draw.below(4) == 0 {
            let perfect = IoParameters { is_perfect: true, ..Default::default() };
            layer.to_analog(&InferenceRpuConfig { forward: perfect, ..Default::default() }, Key::new(3)).unwrap();
        }
        let x = Tensor::normal(&[1, 1, n], Key::new(4).fold(case));
        let outcome = panics::caught(|| {
            let tape = Tape::train(Key::new(5));
            let input = tape.variable(x.clone());
            let y = layer.forward(input);
            let value = y.value();
            let gradients = y.sum().backward();
            (value.to_vec(), gradients.wrt(input).expect("of a variable").to_vec())
        });
        match (fits, outcome) {
            (true, Ok((y, gradient))) => {
                let bias = layer.affine.bias.as_ref().expect("a bias").value.item();
                let expected = by_definition(&window, &x.to_vec(), &layer.affine.weight().value.to_vec(), bias);
                assert!(near(&y, &expected.0) && near(&gradient, &expected.1), "{window:?}: {y:?}, {expected:?}");
                right += 1;
            }
            (false, Err(panic)) => {
                assert!(panics::is_own(&panic) && panic.contains("convolution: "), "{window:?}: {panic}");
                refused += 1;
            }
            (_, outcome) => panic!("{window:?}: {outcome:?}"),
        }
    }
    assert!(right > 300 && refused > 300, "{right} right, {refused} refused");
}

/// Over two and three axes, outputs are finite and as many as there are places, or the panic is ours.
#[test]
fn convolutions_of_more_axes_are_refused_in_our_own_words() {
    fn check<const AXES: usize>(case: usize) -> bool {
        let mut draw = Draw(Key::new(6).fold(AXES).fold(case), 0);
        let mut sizes = |least| -> [usize; AXES] { std::array::from_fn(|_| draw.size(least)) };
        let [stride, padding, dilation] = [1, 0, 1].map(&mut sizes);
        let kernel: [usize; AXES] = std::array::from_fn(|axis| 1 + (case + axis) % 3);
        let mut sizes = vec![];
        for axis in 0..AXES {
            let [k, s, p, d] = [kernel[axis], stride[axis], padding[axis], dilation[axis]].map(|size| size as i128);
            let window = Window { n: 4, kernel: k, stride: s, padding: p, dilation: d };
            sizes.push(window.places().unwrap_or(0));
        }
        // A product beyond 128 bits is of a result that no memory holds: it is tried.
        let places = sizes.iter().try_fold(1i128, |places, &size| places.checked_mul(size));
        if places.is_some_and(|places| places > 10_000) && sizes.iter().all(|&places| places <= MOST) {
            return false;
        }
        let layer = Conv::<AXES>::new(2, 2, kernel, Key::new(7));
        let layer = layer.with_stride(stride).with_padding(padding).with_dilation(dilation);
        let shape = [&[1, 2][..], &[4; AXES]].concat();
        let outcome = panics::caught(|| {
            let tape = Tape::train(Key::new(8));
            let x = tape.variable(Tensor::normal(&shape, Key::new(9)));
            let y = layer.forward(x);
            let value = y.value();
            assert!(y.sum().backward().wrt(x).expect("of a variable").iter().all(|g| g.is_finite()));
            value
        });
        match outcome {
            Ok(y) => {
                assert_eq!(y.len() as i128, 2 * sizes.iter().product::<i128>());
                assert!(y.iter().all(|y| y.is_finite()));
                true
            }
            Err(panic) => {
                let what = format!("stride {stride:?}, padding {padding:?}, dilation {dilation:?}: {panic}");
                assert!(panics::is_own(&panic) && panic.contains("convolution: "), "{what}");
                false
            }
        }
    }
    panics::note();
    assert!((0..2000).filter(|&case| check::<2>(case)).count() > 50);
    assert!((0..2000).filter(|&case| check::<3>(case)).count() > 10);
}

#[test]
fn kernels_that_no_memory_holds_are_refused() {
    panics::note();
    for kernel in [usize::MAX, usize::MAX / 2 + 1, 1 << 61] {
        let one = panics::caught(|| Conv1d::new(1, 1, [kernel], Key::new(1)));
        let two = panics::caught(|| Conv2d::new(2, 2, [kernel, 2], Key::new(1)));
        for panic in [one.map(|_| ()), two.map(|_| ())] {
            let panic = panic.unwrap_err();
            assert!(panics::is_own(&panic) && panic.contains("more elements than memory can hold"), "{panic}");
        }
    }
}

#[test]
fn pools_are_refused_in_our_own_words() {
    panics::note();
    let mut worked = 0;
    for case in 0..3000 {
        let mut draw = Draw(Key::new(10).fold(case), 0);
        let [kernel, stride, dilation] = [1, 1, 1].map(|least| draw.size(least));
        let padding = draw.size(0);
        let image = MaxPool2d::new(kernel).with_stride(stride).with_padding(padding).with_dilation(dilation);
        let volume = MaxPool3d::new([kernel, 1, 1]).with_stride([stride, 1, 1]).with_padding([padding, 0, 0]);
        let means = AvgPool1d::new(kernel).with_stride(stride).with_padding(padding);
        let (image, volume, means) = match draw.below(2) {
            0 => (image.with_ceil_mode(), volume.with_ceil_mode(), means.with_ceil_mode()),
            _ => (image, volume, means),
        };
        let layers: [(&dyn Module, &[usize]); 3] =
            [(&image, &[1, 1, 4, 5]), (&volume, &[1, 1, 4, 2, 2]), (&means, &[1, 1, 5])];
        for (layer, shape) in layers {
            let outcome = panics::caught(|| {
                let tape = Tape::train(Key::new(11));
                let x = tape.variable(Tensor::normal(shape, Key::new(12)));
                let y = layer.forward(x);
                let value = y.value();
                y.sum().backward();
                value
            });
            match outcome {
                Ok(y) => {
                    assert!(y.len() <= 2 * 5 * 6 && y.iter().all(|y| y.is_finite()), "{y:?}");
                    worked += 1;
                }
                Err(panic) => assert!(panics::is_own(&panic) && panic.contains("pool: "), "{panic}"),
            }
        }
    }
    assert!(worked > 500, "{worked}");
}
