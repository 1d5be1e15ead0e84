//! The parts that training time is made of, one by one, so that a regression can be found.
//!
//! ```text
//! cargo bench --bench parts                 # all
//! cargo bench --bench parts -- mvm          # those with "mvm" in their name
//! RAYON_NUM_THREADS=1 cargo bench --bench parts
//! ```
//!
//! Products against `matrixmultiply`, at every level of vector instructions: `cargo bench -p ohmgrad-tensor`.
//!
//! Rates count multiply-adds for products and reads, elements for passes over rows, operations for the tape, samples
//! for a network, weights for optimizers.

use std::mem::MaybeUninit;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use ohmgrad::analog::mvm::{Direction, Mvm, Pattern};
use ohmgrad::prelude::*;
use ohmgrad::tensor::rows::{self, Quantizer};
use ohmgrad::tensor::{product, random};

fn main() {
    divan::main();
}

/// Sizes of common layers: batch, inputs, outputs.
const LAYERS: [[usize; 3]; 4] = [[32, 128, 128], [64, 784, 256], [256, 512, 512], [2304, 288, 64]];

fn normal(shape: &[usize]) -> Tensor {
    Tensor::normal(shape, Key::new(1))
}

mod products {
    use super::*;

    #[divan::bench(args = LAYERS)]
    fn forward(bencher: Bencher, [batch, ins, outs]: [usize; 3]) {
        let (x, w) = (normal(&[batch, ins]), normal(&[outs, ins]));
        bencher.counter(ItemsCount::new(batch * ins * outs)).bench(|| product::linear(&x, &w));
    }

    #[divan::bench(args = LAYERS)]
    fn input_gradient(bencher: Bencher, [batch, ins, outs]: [usize; 3]) {
        let (d, w) = (normal(&[batch, outs]), normal(&[outs, ins]));
        bencher.counter(ItemsCount::new(batch * ins * outs)).bench(|| product::linear_input_gradient(&d, &w));
    }

    #[divan::bench(args = LAYERS)]
    fn weight_gradient(bencher: Bencher, [batch, ins, outs]: [usize; 3]) {
        let (d, x) = (normal(&[batch, outs]), normal(&[batch, ins]));
        bencher.counter(ItemsCount::new(batch * ins * outs)).bench(|| product::linear_weight_gradient(&d, &x));
    }
}

mod row_passes {
    use super::*;

    const WIDTHS: [usize; 3] = [10, 128, 512];

    fn over_rows(bencher: Bencher, width: usize, pass: impl Fn(usize, &mut [f32]) + Sync) {
        let rows = 65_536 / width;
        let mut data = normal(&[rows, width]).to_vec();
        bencher.counter(ItemsCount::new(rows * width)).bench_local(|| {
            data.chunks_exact_mut(width).enumerate().for_each(|(i, row)| pass(i, row));
        });
    }

    #[divan::bench(args = WIDTHS)]
    fn normals(bencher: Bencher, width: usize) {
        over_rows(bencher, width, |i, row| random::fill_normal(row, Key::new(i as u64)));
    }

    #[divan::bench(args = WIDTHS)]
    fn add_normal(bencher: Bencher, width: usize) {
        over_rows(bencher, width, |i, row| rows::add_normal(row, 1e-9, Key::new(i as u64)));
    }

    #[divan::bench(args = WIDTHS)]
    fn convert(bencher: Bencher, width: usize) {
        let by = Quantizer { step: 1.0 / 63.0, bound: 12.0 };
        over_rows(bencher, width, move |_, row| {
            black_box(rows::convert(row, by));
        });
    }

    /// The DAC: scaling, rounding and cutting inputs.
    #[divan::bench(args = WIDTHS)]
    fn dac(bencher: Bencher, width: usize) {
        let by = Quantizer { step: 1.0 / 63.0, bound: 1.0 };
        let x = normal(&[width]).to_vec();
        let mut buffer = vec![MaybeUninit::uninit(); width];
        let rows = 65_536 / width;
        bencher.counter(ItemsCount::new(rows * width)).bench_local(|| {
            for _ in 0..rows {
                black_box(rows::scale_convert(black_box(&mut buffer), &x, 0.3, by));
            }
        });
    }

    /// The ADC: noise, rounding, cutting and rescaling of outputs.
    #[divan::bench(args = WIDTHS)]
    fn adc(bencher: Bencher, width: usize) {
        let by = Quantizer { step: 12.0 / 254.0, bound: 12.0 };
        over_rows(bencher, width, move |i, row| {
            black_box(rows::add_normal_convert_scale(row, 0.06, Key::new(i as u64), by, 1.0));
        });
    }

    #[divan::bench(args = WIDTHS)]
    fn abs_max(bencher: Bencher, width: usize) {
        over_rows(bencher, width, |_, row| {
            black_box(rows::abs_max(row));
        });
    }
}

mod mvm {
    use super::*;

    fn read(bencher: Bencher, [batch, ins, outs]: [usize; 3], io: IoParameters) {
        let (x, w) = (normal(&[batch, ins]), &normal(&[outs, ins]) * 0.05);
        let pattern = Pattern::draw(&io, outs, ins, Key::new(2));
        bencher.counter(ItemsCount::new(batch * ins * outs)).bench(|| {
            let mvm = Mvm {
                io: &io,
                pattern: &pattern,
                direction: Direction::Forward,
                key: Key::new(3),
                first_row: 0,
                timed: None,
            };
            mvm.read(&x, &w)
        });
    }

    #[divan::bench(args = LAYERS)]
    fn default_io(bencher: Bencher, sizes: [usize; 3]) {
        read(bencher, sizes, IoParameters::default());
    }

    #[divan::bench(args = LAYERS)]
    fn with_weight_noise(bencher: Bencher, sizes: [usize; 3]) {
        let io = IoParameters { w_noise: 0.02, w_noise_type: WeightNoise::AdditiveConstant, ..IoParameters::default() };
        read(bencher, sizes, io);
    }

    #[divan::bench(args = LAYERS)]
    fn two_passes(bencher: Bencher, sizes: [usize; 3]) {
        read(bencher, sizes, IoParameters { mv_type: MvType::PosNegSeparate, ..IoParameters::default() });
    }
}

mod steps {
    use super::*;

    /// The tape's own cost: a chain of operations on a single number, forward and backward.
    #[divan::bench(args = [100])]
    fn tape_nodes(bencher: Bencher, nodes: usize) {
        bencher.counter(ItemsCount::new(nodes)).bench(|| {
            let tape = Tape::train(Key::new(0));
            let x = tape.variable(Tensor::from([1.0]));
            (0..nodes).fold(x, |x, _| x + 1.0).sum().backward()
        });
    }

    #[divan::bench(args = [false, true])]
    fn whole_mlp(bencher: Bencher, analog: bool) {
        let mut net =
            Sequential::new().linear(784, 256).sigmoid().linear(256, 128).sigmoid().linear(128, 10).init(Key::new(1));
        if analog {
            net.to_analog(InferenceRpuConfig::default(), Key::new(2)).expect("the default is valid");
        }
        let (x, labels) = (normal(&[64, 784]), vec![3; 64]);
        let mut sgd = Sgd::new(0.0);
        bencher.counter(ItemsCount::new(64usize)).bench_local(|| {
            let tape = Tape::train(Key::new(3));
            let loss = net.forward(tape.constant(x.clone())).cross_entropy(&labels);
            sgd.step(&mut net, loss.backward());
        });
    }

    /// Forward and backward of a 3 × 3 convolution from 32 to 64 channels, over 64 images of 26 × 26.
    #[divan::bench(args = [false, true])]
    fn convolution(bencher: Bencher, analog: bool) {
        let mut net = Sequential::new().conv2d(32, 64, 3).init(Key::new(1));
        if analog {
            net.to_analog(InferenceRpuConfig::default(), Key::new(2)).expect("the default is valid");
        }
        let x = normal(&[64, 32, 26, 26]);
        bencher.counter(ItemsCount::new(64 * 24 * 24 * 9 * 32 * 64usize)).bench_local(|| {
            let tape = Tape::train(Key::new(3));
            net.forward(tape.variable(x.clone())).sum().backward()
        });
    }

    #[divan::bench]
    fn sgd(bencher: Bencher) {
        let mut param = Param::new(normal(&[512, 512]));
        let mut sgd = Sgd::new(1e-3);
        bencher.counter(ItemsCount::new(512 * 512usize)).bench_local(|| {
            let tape = Tape::train(Key::new(0));
            let gradients = tape.param(&param).sum().backward();
            sgd.step(&mut param, gradients);
        });
    }

    #[divan::bench]
    fn adam(bencher: Bencher) {
        let mut param = Param::new(normal(&[512, 512]));
        let mut adam = Adam::new(1e-3);
        bencher.counter(ItemsCount::new(512 * 512usize)).bench_local(|| {
            let tape = Tape::train(Key::new(0));
            let gradients = tape.param(&param).sum().backward();
            adam.step(&mut param, gradients);
        });
    }
}
