//! Convolutions on tiles against digital ones, as properties over random windows and configurations.

mod common;

use common::{bits, config, io, mapping};
use ohmgrad::prelude::*;
use proptest::prelude::*;

/// A random convolution over two axes, and an input for it.
#[derive(Clone, Debug)]
struct Case {
    layer: Conv2d,
    x: Tensor,
    key: Key,
}

fn cases() -> impl Strategy<Value = Case> {
    let pair = |low: usize, high: usize| prop::array::uniform2(low..high);
    let window = (pair(1, 4), pair(1, 3), pair(0, 3), pair(1, 3));
    (window, [1usize..4, 1usize..4, 1usize..4], 1usize..4, pair(5, 9), any::<u64>()).prop_map(
        |((kernel, stride, padding, dilation), [groups, ins, outs], batch, size, seed)| {
            let key = Key::new(seed);
            let layer = Conv2d::grouped(groups * ins, groups * outs, kernel, groups, key.fold("weights"))
                .with_stride(stride)
                .with_padding(padding)
                .with_dilation(dilation);
            Case { layer, x: Tensor::normal(&[batch, groups * ins, size[0], size[1]], key.fold("x")), key }
        },
    )
}

impl Case {
    fn on_tiles(&self, config: &InferenceRpuConfig) -> Conv2d {
        let mut layer = self.layer.clone();
        layer.to_analog(config, self.key.fold("hardware")).expect("the strategies give valid configurations");
        layer
    }

    /// The output, and the gradients of input, weight and bias, as bits.
    fn run(&self, layer: &Conv2d) -> [Vec<u32>; 4] {
        let tape = Tape::train(self.key);
        let x = tape.variable(self.x.clone());
        let y = layer.forward(x);
        let value = y.value();
        let d = Tensor::normal(value.shape(), self.key.fold("d"));
        let gradients = y.backward_from(d);
        let bias = layer.affine.bias.as_ref().expect("the layer has a bias");
        let [input, weight, bias] = [gradients.wrt(x), gradients.of(layer.affine.weight()), gradients.of(bias)]
            .map(|g| bits(g.expect("wanted")));
        [bits(&value), input, weight, bias]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever the forward does, a perfect backward is the digital gradient.
    #[test]
    fn a_perfect_backward_is_the_digital_gradient(case in cases(), config in config()) {
        let (analog, digital) = (case.run(&case.on_tiles(&config)), case.run(&case.layer));
        prop_assert_eq!(&analog[1..], &digital[1..]);
    }

    /// A convolution on perfect tiles is the digital convolution.
    #[test]
    fn perfect_tiles_are_the_digital_convolution(case in cases(), mapping in mapping()) {
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let config = InferenceRpuConfig { forward, mapping, ..Default::default() };
        prop_assert_eq!(case.run(&case.on_tiles(&config)), case.run(&case.layer));
    }

    /// Noise, masks and running means do not depend on the number of threads.
    #[test]
    fn threads_change_nothing(case in cases(), config in config(), backward in io(), mask_saturated: bool) {
        let backward = BackwardIoParameters { mask_saturated, ..backward.into() };
        let layer = case.on_tiles(&InferenceRpuConfig { backward, ..config });
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
            pool.install(|| case.run(&layer))
        };
        prop_assert_eq!(on(1), on(3));
    }

    /// Each patch has noise of its own, which does not depend on how a data set is cut into batches.
    #[test]
    fn batches_change_no_noise(case in cases(), config in config(), cut: prop::sample::Index) {
        prop_assume!(config.forward.noise_management != NoiseManagement::AverageAbsMax);
        let layer = case.on_tiles(&config);
        let (batch, read) = (case.x.shape()[0], |from: usize, to: usize| {
            let tape = Tape::eval(case.key).rows_from(from);
            bits(&layer.forward(tape.constant(case.x.slice(0, from..to))).value())
        });
        let cut = cut.index(batch);
        prop_assert_eq!(read(0, batch), [read(0, cut), read(cut, batch)].concat());
    }

    /// Onto tiles and back is the identity, learned scales of 1 included.
    #[test]
    fn there_and_back_is_the_identity(case in cases(), config in config(), learn: [bool; 2]) {
        let mut config = config;
        [config.mapping.learn_out_scaling, config.mapping.out_scaling_columnwise] = learn;
        let mut layer = case.on_tiles(&config);
        case.run(&layer);
        layer.to_digital();
        prop_assert_eq!(layer.state_dict(), case.layer.state_dict());
    }
}
