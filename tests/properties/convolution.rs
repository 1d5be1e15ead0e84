//! Convolutions on tiles against digital ones, as properties over random windows and configurations.

use crate::common::{bits, config, io, mapping};
use ohmgrad::models::Conv;
use ohmgrad::prelude::*;
use proptest::prelude::*;

/// A random convolution, and an input for it.
#[derive(Clone, Debug)]
struct Case<const AXES: usize> {
    layer: Conv<AXES>,
    x: Tensor,
    key: Key,
}

/// Convolutions with inputs that hold every window.
fn cases<const AXES: usize>() -> impl Strategy<Value = Case<AXES>> {
    let each = |low: usize, high: usize| {
        prop::collection::vec(low..high, AXES).prop_map(|sizes| <[usize; AXES]>::try_from(sizes).expect("one an axis"))
    };
    let window = (each(1, 4), each(1, 3), each(0, 3), each(1, 3));
    (window, [1usize..4, 1usize..4, 1usize..4], 1usize..4, each(5, 9), any::<u64>()).prop_map(
        |((kernel, stride, padding, dilation), [groups, ins, outs], batch, size, seed)| {
            let key = Key::new(seed);
            let layer = Conv::grouped(groups * ins, groups * outs, kernel, groups, key.fold("weights"))
                .with_stride(stride)
                .with_padding(padding)
                .with_dilation(dilation);
            let shape = [&[batch, groups * ins][..], &size].concat();
            Case { layer, x: Tensor::normal(&shape, key.fold("x")), key }
        },
    )
}

impl<const AXES: usize> Case<AXES> {
    fn on_tiles(&self, config: &InferenceRpuConfig) -> Conv<AXES> {
        let mut layer = self.layer.clone();
        layer.to_analog(config, self.key.fold("hardware")).expect("the strategies give valid configurations");
        layer
    }

    /// The output, and the gradients of input, weight and bias, as bits.
    fn run(&self, layer: &Conv<AXES>) -> [Vec<u32>; 4] {
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

    /// With any forward, a perfect backward is the digital gradient.
    #[test]
    fn a_perfect_backward_is_the_digital_gradient(
        line in cases::<1>(), image in cases::<2>(), volume in cases::<3>(), config in config()
    ) {
        fn check<const AXES: usize>(case: Case<AXES>, config: &InferenceRpuConfig) -> Result<(), TestCaseError> {
            let (analog, digital) = (case.run(&case.on_tiles(config)), case.run(&case.layer));
            prop_assert_eq!(&analog[1..], &digital[1..]);
            Ok(())
        }
        check(line, &config)?;
        check(image, &config)?;
        check(volume, &config)?;
    }

    /// A convolution on perfect tiles is the digital convolution.
    #[test]
    fn perfect_tiles_are_the_digital_convolution(
        line in cases::<1>(), image in cases::<2>(), volume in cases::<3>(), mapping in mapping()
    ) {
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let config = InferenceRpuConfig { forward, mapping, ..Default::default() };
        prop_assert_eq!(line.run(&line.on_tiles(&config)), line.run(&line.layer));
        prop_assert_eq!(image.run(&image.on_tiles(&config)), image.run(&image.layer));
        prop_assert_eq!(volume.run(&volume.on_tiles(&config)), volume.run(&volume.layer));
    }

    /// Noise, masks and running means do not depend on the number of threads.
    #[test]
    fn threads_change_nothing(case in cases::<2>(), config in config(), backward in io(), mask_saturated: bool) {
        let backward = BackwardIoParameters { mask_saturated, ..backward.into() };
        let layer = case.on_tiles(&InferenceRpuConfig { backward, ..config });
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
            pool.install(|| case.run(&layer))
        };
        prop_assert_eq!(on(1), on(3));
    }

    /// Each patch has different noise, which does not depend on how a data set is cut into batches.
    #[test]
    fn batches_change_no_noise(case in cases::<2>(), config in config(), cut: prop::sample::Index) {
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
    fn there_and_back_is_the_identity(case in cases::<2>(), config in config(), learn: [bool; 2]) {
        let mut config = config;
        [config.mapping.learn_out_scaling, config.mapping.out_scaling_columnwise] = learn;
        let mut layer = case.on_tiles(&config);
        case.run(&layer);
        layer.to_digital();
        prop_assert_eq!(layer.state_dict(), case.layer.state_dict());
    }
}
