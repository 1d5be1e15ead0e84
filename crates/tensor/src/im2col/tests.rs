use super::*;
use crate::{Key, Tensor, product};
use proptest::prelude::*;

fn windows() -> impl Strategy<Value = (ConvWindow, usize)> {
    let three = |low: usize, high: usize| prop::array::uniform3(low..high);
    (three(1, 4), three(1, 3), three(0, 3), three(1, 3), 1usize..4).prop_map(
        |(kernel, stride, padding, dilation, groups)| (ConvWindow { kernel, stride, padding, dilation }, groups),
    )
}

/// The convolution as its definition says.
fn naive(x: &Tensor, w: &Tensor, window: &ConvWindow, groups: usize) -> Tensor {
    let (s, k) = (x.shape(), window.kernel);
    let places = [0, 1, 2].map(|i| window.places(i, s[2 + i]).unwrap());
    let (per_in, per_out) = (s[1] / groups, w.shape()[0] / groups);
    Array::from_fn(&[s[0], w.shape()[0], places[0], places[1], places[2]], |at| {
        let mut sum = 0.0;
        for c in 0..per_in {
            for e in 0..k.iter().product() {
                let e3 = [e / (k[1] * k[2]), e / k[2] % k[1], e % k[2]];
                let index = [0, 1, 2].map(|i| {
                    (at[2 + i] * window.stride[i] + e3[i] * window.dilation[i]).wrapping_sub(window.padding[i])
                });
                if (0..3).all(|i| index[i] < s[2 + i]) {
                    let v = x[[at[0], at[1] / per_out * per_in + c, index[0], index[1], index[2]]];
                    sum += v * w[[at[1], c * k.iter().product::<usize>() + e]];
                }
            }
        }
        sum
    })
}

/// The product of the patches is the convolution, and its gradients are the transposes.
fn check(window: ConvWindow, groups: usize, shape: &[usize], seed: u64) {
    let key = Key::new(seed);
    let x = Tensor::normal(shape, key.fold("x"));
    let x = if seed.is_multiple_of(2) { x.permute(&[0, 2, 3, 4, 1]).contiguous().permute(&[0, 4, 1, 2, 3]) } else { x };
    let ins = shape[1] / groups * window.kernel.iter().product::<usize>();
    let w = Tensor::normal(&[3 * groups, ins], key.fold("w"));
    let part = |group: usize| w.slice(0, 3 * group..3 * group + 3);
    let im2col = Im2col::patches(window, groups, shape);
    let y = im2col.forward(&x, 3 * groups, |g, rows, _| product::linear(rows, &part(g)));
    let by_hand = naive(&x, &w, &window, groups);
    assert_eq!(y.shape(), by_hand.shape());
    assert!((&y - &by_hand).abs().max() < 1e-4);

    // Σ d·conv(x, w) is linear in x and in w; in f64, as there may be many terms.
    let d = Tensor::normal(y.shape(), key.fold("d"));
    let gx = im2col.input_gradient(&d, &x, |g, d, _, _| product::linear_input_gradient(d, &part(g)));
    let gw = im2col.weight_gradient(&d, &x, |_, d, rows, _| product::linear_weight_gradient(d, rows));
    assert_eq!((gx.shape(), gw.shape()), (x.shape(), w.shape()));
    let dot = |a: &Tensor, b: &Tensor| a.iter().zip(b.iter()).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let (total, scale) = (dot(&d, &y), 1.0 + f64::from((&d * &y).abs().sum()));
    assert!((dot(&gx, &x) - total).abs() < 1e-5 * scale);
    assert!((dot(&gw, &w) - total).abs() < 1e-5 * scale);

    // The products without rows have the same bits.
    assert_eq!(im2col.linear(&x, &w, None), y);
    let bias = Tensor::normal(&[3 * groups], key.fold("bias"));
    assert_eq!(im2col.linear(&x, &w, Some(&bias)), &y + &bias.reshape(&[3 * groups, 1, 1, 1]));
    assert_eq!(im2col.linear_input_gradient(&d, &w), gx);
    assert_eq!(im2col.linear_weight_gradient(&d, &x), gw);
}

proptest! {
    #[test]
    fn lowered_products_are_convolutions(
        (window, groups) in windows(), sizes in prop::array::uniform3(1usize..6), batch in 1usize..4, seed: u64
    ) {
        prop_assume!((0..3).all(|i| window.places(i, sizes[i]).is_some()));
        check(window, groups, &[batch, 2 * groups, sizes[0], sizes[1], sizes[2]], seed);
    }
}

/// One sample is more than a block.
#[test]
fn parts_of_large_samples_are_convolutions() {
    let window = ConvWindow { kernel: [1, 3, 2], stride: [1, 1, 2], padding: [0, 1, 1], dilation: [1, 2, 1] };
    let shape = [2, 4, 1, 181, 201];
    let Im2col::Patches(patches) = Im2col::patches(window, 2, &shape) else { unreachable!() };
    let blocks = patches.blocks(0..2);
    assert!(blocks.len() > 2 && blocks.iter().all(|range| range.len() * patches.row_len() <= BLOCK));
    check(window, 2, &shape, 1);
    check(window, 2, &shape, 2);
}

#[test]
fn windows_and_paddings_beyond_all_numbers_have_no_place() {
    let window = ConvWindow { kernel: [1, 1, 3], stride: [1; 3], padding: [0; 3], dilation: [1; 3] };
    let max = usize::MAX;
    let with = |kernel, stride, padding, dilation| {
        let set = |mut all: [usize; 3], n| (all[2] = n, all).1;
        let window = ConvWindow {
            kernel: set(window.kernel, kernel),
            stride: set(window.stride, stride),
            padding: set(window.padding, padding),
            dilation: set(window.dilation, dilation),
        };
        (window.places(2, 8), std::panic::catch_unwind(|| Im2col::patches(window, 1, &[1, 1, 8])).is_ok())
    };
    assert_eq!(with(3, 1, 0, 1), (Some(6), true));
    assert_eq!(with(3, max, 0, 1), (Some(1), true));
    for window in [(3, 1, 0, max), (3, 1, 0, max / 2 + 1), (max, 1, 0, 2), (3, 1, max, 1), (3, 1, max / 2, 1)] {
        assert_eq!(with(window.0, window.1, window.2, window.3), (None, false), "{window:?}");
    }
    assert_eq!([with(0, 1, 0, 1), with(3, 0, 0, 1)], [(None, false); 2]);
    // These sizes fit into `usize`, but not into memory.
    assert!(!with(3, 1, 1 << 61, 1).1 && !with(1 << 61, 1 << 61, 1 << 61, 1).1);
}

#[test]
#[should_panic(expected = "convolution: a window of [5] has no place in shape [1, 1, 3]")]
fn a_window_without_a_place_is_named() {
    let window = ConvWindow { kernel: [1, 1, 5], stride: [1; 3], padding: [0; 3], dilation: [1; 3] };
    Im2col::patches(window, 1, &[1, 1, 3]);
}

/// Where nearly all that windows reach is padding, no copy of it is made.
#[test]
fn windows_may_be_far_apart() {
    let wide = ConvWindow { kernel: [1, 1, 2], stride: [1; 3], padding: [0; 3], dilation: [1; 3] };
    for far in [1 << 12, 1 << 33, 1 << 50] {
        let strided = ConvWindow { stride: [1, 1, far], padding: [0, 0, far], ..wide };
        let dilated = ConvWindow { dilation: [1, 1, far], padding: [0, 0, far / 2], ..wide };
        for (i, window) in [strided, dilated].into_iter().enumerate() {
            check(window, 1, &[2, 2, 1, 1, 5], i as u64);
            check(window, 2, &[2, 4, 1, 2, 3], i as u64);
        }
    }
}
