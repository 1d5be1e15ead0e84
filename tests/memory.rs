//! The memory that a convolution takes, counted by the allocator. One test, because all tests of a process share it.

use ohmgrad::prelude::*;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The result of a call, and the bytes that it had allocated at its peak beyond those that were there before.
fn peak<R>(call: impl FnOnce() -> R) -> (R, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = call();
    (result, MEMORY.peak_usage() - before)
}

/// The peaks of forward and backward.
fn peaks(layer: &Conv2d, shape: [usize; 4]) -> [usize; 2] {
    let tape = Tape::train(Key::new(2));
    let x = tape.variable(Tensor::normal(&shape, Key::new(3)));
    let (y, forward) = peak(|| layer.forward(x));
    let d = Tensor::normal(&y.shape(), Key::new(4));
    let (gradients, backward) = peak(|| y.backward_from(d));
    assert!(gradients.wrt(x).is_some() && gradients.of(layer.affine.weight()).is_some());
    [forward, backward]
}

const CHANNELS: usize = 16;
const OUTS: usize = 8;
const KERNEL: usize = 5;
const THREADS: usize = 2;

/// The memory that a thread needs for its blocks: a block of patches, of half a megabyte, and the values computed from
/// it.
const BLOCKS: usize = 2 << 20;

/// Large batches and large images need room for outputs and gradients, but not for their patches: all of them together
/// would be 105 MB.
#[test]
fn patches_in_memory_do_not_grow_with_their_number() {
    let digital = Conv2d::new(CHANNELS, OUTS, [KERNEL; 2], Key::new(1)).with_padding([KERNEL / 2; 2]);
    let analog = |backward: BackwardIoParameters| {
        let mut layer = digital.clone();
        let config = InferenceRpuConfig { backward, ..Default::default() };
        layer.to_analog(&config, Key::new(1)).expect("a valid configuration");
        layer
    };
    let noisy = BackwardIoParameters { is_perfect: false, mask_saturated: true, ..Default::default() };
    let layers = [digital.clone(), analog(BackwardIoParameters::perfect()), analog(noisy)];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().expect("a small pool");
    for layer in &layers {
        for [batch, height, width] in [[64, 32, 32], [1, 256, 256], [2, 128, 256]] {
            let patches = batch * height * width;
            let [inputs, outputs, unfolded] = [CHANNELS, OUTS, CHANNELS * KERNEL * KERNEL].map(|n| 4 * patches * n);
            let [forward, backward] = pool.install(|| peaks(layer, [batch, CHANNELS, height, width]));
            // Forward: the product, and its sum with the bias. Backward: gradients of the input and of the product.
            let allowed = [2 * outputs, inputs + outputs].map(|bytes| bytes + THREADS * BLOCKS);
            assert!(allowed.iter().all(|&bytes| bytes < unfolded / 8));
            for (what, bytes, allowed) in [("forward", forward, allowed[0]), ("backward", backward, allowed[1])] {
                assert!(bytes <= allowed, "{what} of {batch} × {height}×{width}: {bytes} bytes, {allowed} allowed");
            }
        }
    }
}
