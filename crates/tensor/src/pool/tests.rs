use super::*;
use crate::{Key, Tensor};
use proptest::prelude::*;

/// The maxima and means by definition: no place beyond the padding counts.
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
        n in 1usize..20, kernel in 1usize..5, stride in 1usize..5, dilation in 1usize..3, padding in 0usize..3,
        options: [bool; 2], seed: u64
    ) {
        let [ceil_mode, count_padding] = options;
        let window = PoolWindow { kernel, stride, dilation, padding: padding.min(kernel / 2), ceil_mode };
        let reach = n + 2 * window.padding + if ceil_mode { stride - 1 } else { 0 };
        prop_assume!(dilation * (kernel - 1) < reach && (dilation == 1 || window.padding == 0));
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

/// The results of PyTorch's `max_pool1d` and `avg_pool1d`.
#[test]
fn in_ceil_mode_a_window_may_be_larger_than_the_axis() {
    let x = Tensor::from([1.0, 3.0]);
    let window = PoolWindow { ceil_mode: true, ..PoolWindow::new(3) };
    let pool = |window| {
        let pooling = Pooling::new(&[2], &[window], true);
        [pooling.max(&x).0.to_vec(), pooling.mean(&x).to_vec()]
    };
    assert_eq!(pool(window), [[3.0], [2.0]]);
    assert_eq!(pool(PoolWindow { kernel: 4, stride: 5, padding: 1, ..window }), [[3.0], [1.0]]);
    assert_eq!(PoolWindow { stride: 1, ..window }.outputs(3), 1);
    let refused = |window: PoolWindow, n| std::panic::catch_unwind(|| window.outputs(n)).is_err();
    assert!(refused(PoolWindow { stride: 1, ..window }, 2) && refused(PoolWindow { kernel: 5, ..window }, 2));
}

#[test]
fn windows_beyond_all_numbers_are_refused() {
    let window = PoolWindow::new(3);
    for window in [
        PoolWindow { padding: usize::MAX, ..window },
        PoolWindow { padding: 2, ..window },
        PoolWindow { dilation: usize::MAX, ceil_mode: true, stride: usize::MAX, ..window },
        PoolWindow { kernel: usize::MAX, ceil_mode: true, stride: usize::MAX, ..window },
    ] {
        assert!(std::panic::catch_unwind(|| Pooling::new(&[4], &[window], true)).is_err(), "{window:?}");
    }
    assert_eq!(PoolWindow { stride: usize::MAX, ceil_mode: true, ..window }.outputs(4), 1);
}

#[test]
#[should_panic(expected = "is larger than an axis of 2")]
fn a_window_that_does_not_fit_names_itself() {
    Pooling::new(&[2], &[PoolWindow::new(3)], true);
}
