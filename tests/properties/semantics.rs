//! Properties of gradients, noise and bits over random networks and configurations.

use crate::common::{bits, config, io, mapping};
use ohmgrad::prelude::*;
use proptest::prelude::*;

/// Batch, inputs, outputs of a layer.
fn sizes() -> impl Strategy<Value = [usize; 3]> {
    [1usize..9, 1usize..20, 1usize..12]
}

/// A layer, its twin on tiles, an input, and the gradient of the output.
fn twins(sizes: [usize; 3], config: &InferenceRpuConfig, key: Key) -> (Linear, Linear, Tensor, Tensor) {
    let [batch, ins, outs] = sizes;
    let digital = Linear::new(ins, outs, key.fold("weights"));
    let mut analog = digital.clone();
    analog.to_analog(config, key.fold("hardware")).expect("the strategies give valid configurations");
    (digital, analog, Tensor::normal(&[batch, ins], key.fold("x")), Tensor::normal(&[batch, outs], key.fold("d")))
}

/// The gradients of input, weight and bias for an output gradient, as bits.
fn gradients(layer: &Linear, x: &Tensor, d: &Tensor, key: Key) -> [Vec<u32>; 3] {
    let tape = Tape::train(key);
    let x = tape.variable(x.clone());
    let gradients = layer.forward(x).backward_from(d.clone());
    let bias = layer.affine.bias.as_ref().expect("the layer has a bias");
    [gradients.wrt(x), gradients.of(layer.affine.weight()), gradients.of(bias)]
        .map(|g| bits(g.expect("all are asked for")))
}

/// `Σ d·y`, whose gradient for y is d.
fn weighed<'t>(y: Var<'t>, d: &Tensor) -> Var<'t> {
    (y * y.tape().constant(d.clone())).sum()
}

/// A short training; every loss and every final weight, as bits.
#[derive(Clone, Debug)]
struct Training {
    sizes: [usize; 3],
    hidden: usize,
    adam: bool,
    key: Key,
}

fn trainings() -> impl Strategy<Value = Training> {
    (sizes(), 1usize..20, any::<bool>(), any::<u64>()).prop_map(|(sizes, hidden, adam, seed)| Training {
        sizes,
        hidden,
        adam,
        key: Key::new(seed),
    })
}

impl Training {
    fn run(&self, config: Option<&InferenceRpuConfig>) -> Vec<u32> {
        let (key, [batch, ins, outs]) = (self.key, self.sizes);
        let mut net =
            Sequential::new().linear(ins, self.hidden).tanh().linear(self.hidden, outs).init(key.fold("weights"));
        if let Some(config) = config {
            net.to_analog(config, key.fold("hardware")).expect("the strategies give valid configurations");
        }
        let (mut sgd, mut adam) = (Sgd::new(0.1).with_momentum(0.5), Adam::new(0.01));
        let mut record = vec![];
        for step in 0..4 {
            let tape = Tape::train(key.fold("step").fold(step));
            let x = tape.constant(Tensor::normal(&[batch, ins], key.fold("x").fold(step)));
            let y = tape.constant(Tensor::normal(&[batch, outs], key.fold("y").fold(step)));
            let loss = net.forward(x).mse(y);
            record.push(loss.item().to_bits());
            let optimizer: &mut dyn Optimizer = if self.adam { &mut adam } else { &mut sgd };
            optimizer.step(&mut net, loss.backward());
        }
        net.to_digital();
        record.extend(net.state_dict().iter().flat_map(|(_, value)| bits(value)));
        record
    }
}

proptest! {
    /// With any forward, a perfect backward is the digital gradient.
    #[test]
    fn a_perfect_backward_is_the_digital_gradient(sizes in sizes(), config in config(), seed: u64) {
        let key = Key::new(seed);
        let (digital, analog, x, d) = twins(sizes, &config, key);
        prop_assert_eq!(gradients(&analog, &x, &d, key), gradients(&digital, &x, &d, key));
    }

    /// The question that started the project.
    #[test]
    fn setting_is_perfect_by_hand_changes_nothing(training in trainings(), config in config()) {
        let mut by_hand = config.clone();
        by_hand.backward.is_perfect = true;
        prop_assert_eq!(training.run(Some(&config)), training.run(Some(&by_hand)));
    }

    /// A perfect configuration is the digital network, over whole trainings.
    #[test]
    fn a_perfect_configuration_is_the_digital_network(training in trainings(), mapping in mapping()) {
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let config = InferenceRpuConfig { forward, mapping, ..Default::default() };
        prop_assert_eq!(training.run(Some(&config)), training.run(None));
    }

    /// Another backward changes no forward sample, and a backward repeated under it equals one that was recorded with
    /// it.
    #[test]
    fn the_backward_changes_no_forward(
        sizes in sizes(), config in config(), backward in io(), mask_saturated: bool, seed: u64
    ) {
        let key = Key::new(seed);
        let backward = BackwardIoParameters { mask_saturated, ..backward.into() };
        let other = InferenceRpuConfig { backward, ..config.clone() };
        let (_, one, x, d) = twins(sizes, &config, key);
        let (_, two, _, _) = twins(sizes, &other, key);
        let (tape_one, tape_two) = (Tape::train(key), Tape::train(key));
        let inputs = [tape_one.variable(x.clone()), tape_two.variable(x)];
        let (y_one, y_two) = (one.forward(inputs[0]), two.forward(inputs[1]));
        prop_assert_eq!(bits(&y_one.value()), bits(&y_two.value()));
        let repeated = weighed(y_one, &d).backward_under(&backward);
        let recorded = weighed(y_two, &d).backward().wrt(inputs[1]).map(bits);
        prop_assert_eq!(repeated.wrt(inputs[0]).map(bits), recorded);
    }

    /// Onto tiles and back is the identity.
    #[test]
    fn there_and_back_is_the_identity(sizes in sizes(), config in config(), learn: [bool; 2], seed: u64) {
        let mut config = config;
        [config.mapping.learn_out_scaling, config.mapping.out_scaling_columnwise] = learn;
        let (digital, mut analog, ..) = twins(sizes, &config, Key::new(seed));
        analog.to_digital();
        prop_assert_eq!(analog.state_dict(), digital.state_dict());
    }

    /// Without noise, an input times 2ⁿ gives an output times 2ⁿ, exactly: noise management is scale-free.
    #[test]
    fn powers_of_two_pass_through(sizes in sizes(), config in config(), n in -20i32..20, seed: u64) {
        let mut config = config;
        config.forward = IoParameters {
            noise_management: NoiseManagement::AbsMax,
            out_noise: 0.0,
            out_noise_std: 0.0,
            inp_noise: 0.0,
            w_noise: 0.0,
            inp_sto_round: false,
            out_sto_round: false,
            ..config.forward
        };
        config.mapping.digital_bias = true;
        let key = Key::new(seed);
        let (_, mut analog, x, _) = twins(sizes, &config, key);
        analog.affine.bias = None;
        let factor = 2f32.powi(n);
        let read = |x: Tensor| analog.forward(Tape::eval(key).constant(x)).value();
        prop_assert_eq!(&read(x.clone()) * factor, read(&x * factor));
    }

    /// A value that is not a number, or extreme, affects only its row; nothing panics or hangs.
    #[test]
    fn not_a_number_stays_in_its_row(
        sizes in sizes(), config in config(), backward in io(), at: prop::sample::Index,
        bad in prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE]),
        seed: u64
    ) {
        let key = Key::new(seed);
        let mut config = InferenceRpuConfig { backward: backward.into(), ..config };
        // The running mean is the one thing that rows share.
        for nm in [&mut config.forward.noise_management, &mut config.backward.noise_management] {
            if *nm == NoiseManagement::AverageAbsMax {
                *nm = NoiseManagement::AbsMax;
            }
        }
        let (_, analog, x, d) = twins(sizes, &config, key);
        let place = at.index(x.len());
        let mut spoilt = x.clone();
        spoilt.make_mut()[place] = bad;
        let read = |x: &Tensor| {
            let tape = Tape::train(key);
            let x = tape.variable(x.clone());
            let y = analog.forward(x);
            let values = y.value();
            let gradients = y.backward_from(d.clone());
            (values, gradients.wrt(x).expect("asked for").clone())
        };
        let ((clean, _), (dirty, _)) = (read(&x), read(&spoilt));
        let row = place / sizes[1];
        for i in (0..sizes[0]).filter(|&i| i != row) {
            prop_assert_eq!(bits(&clean.row(i)), bits(&dirty.row(i)));
        }
        if bad.is_nan() {
            prop_assert!(dirty.row(row).iter().all(|y| y.is_nan()));
        }
        let mut d_spoilt = d.clone();
        d_spoilt.make_mut()[0] = bad;
        let tape = Tape::train(key);
        let x = tape.variable(x);
        analog.forward(x).backward_from(d_spoilt);
    }

    /// Evaluation does not depend on how a data set is cut into batches.
    #[test]
    fn batches_change_no_noise(sizes in sizes(), config in config(), cut: prop::sample::Index, seed: u64) {
        let key = Key::new(seed);
        let mut config = config;
        if config.forward.noise_management == NoiseManagement::AverageAbsMax {
            config.forward.noise_management = NoiseManagement::AbsMax;
        }
        let (_, analog, x, _) = twins(sizes, &config, key);
        let cut = cut.index(sizes[0]);
        let read = |from: usize, to: usize| {
            let tape = Tape::eval(key).rows_from(from);
            bits(&analog.forward(tape.constant(x.slice(0, from..to))).value())
        };
        prop_assert_eq!(read(0, sizes[0]), [read(0, cut), read(cut, sizes[0])].concat());
    }

    /// The input's gradient is the digital one without saturated outputs; those of weight and bias have no mask.
    #[test]
    fn the_mask_removes_gradients_of_saturated_outputs(sizes in sizes(), bound in 0.1f32..1.0, seed: u64) {
        let key = Key::new(seed);
        let config = InferenceRpuConfig {
            forward: IoParameters { is_perfect: true, out_bound: bound, ..Default::default() },
            backward: BackwardIoParameters { mask_saturated: true, ..BackwardIoParameters::perfect() },
            ..Default::default()
        };
        let (digital, analog, x, d) = twins(sizes, &config, key);
        let product = x.matmul(&digital.affine.weight().value.t());
        let heard = d.zip(&product, |d, y| if y.abs() >= 0.999 * bound { 0.0 } else { d });
        let [input, weight, bias] = gradients(&analog, &x, &d, key);
        prop_assert_eq!(input, gradients(&digital, &x, &heard, key)[0].clone());
        let [_, unmasked_weight, unmasked_bias] = gradients(&digital, &x, &d, key);
        prop_assert_eq!((weight, bias), (unmasked_weight, unmasked_bias));
    }
}

proptest! {
    // Fewer cases, of layers large enough to be cut among threads.
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Bits do not depend on the number of threads.
    #[test]
    fn threads_change_nothing(
        hidden in 60usize..150, batch in 1usize..200, config in config(), backward in io(), seed: u64
    ) {
        let training = Training { sizes: [batch, 100, 70], hidden, adam: true, key: Key::new(seed) };
        let mut config = InferenceRpuConfig { backward: backward.into(), ..config };
        config.mapping.max_input_size *= 20;
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
            pool.install(|| training.run(Some(&config)))
        };
        let one = on(1);
        prop_assert_eq!(&one, &on(2));
        prop_assert_eq!(&one, &on(4));
    }
}

/// Learned output scales get the gradient of an ordinary factor, and scale the gradients of the other parameters.
#[test]
fn learned_scales_are_ordinary_factors() {
    for (columnwise, max) in [(false, 0), (true, 0), (false, 3), (true, 3)] {
        let mapping = MappingParameter {
            learn_out_scaling: true,
            out_scaling_columnwise: columnwise,
            max_input_size: max,
            max_output_size: max,
            ..Default::default()
        };
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let config = InferenceRpuConfig { forward, mapping, ..Default::default() };
        let (_, mut analog, x, d) = twins([4, 7, 5], &config, Key::new(1));
        for (path, param) in analog.parameters_mut() {
            if path == "out_scaling" {
                param.value = Tensor::from_fn(param.value.shape(), |i| 1.0 + 0.25 * (i[0] + 2 * i[1]) as f32);
            }
        }
        let loss = |analog: &Linear| {
            let tape = Tape::train(Key::new(2));
            let x = tape.variable(x.clone());
            (analog.forward(x) * tape.constant(d.clone())).sum().item()
        };
        let tape = Tape::train(Key::new(2));
        let input = tape.variable(x.clone());
        let gradients = analog.forward(input).backward_from(d.clone());
        for (path, param) in analog.parameters() {
            let gradient = gradients.of(param).expect("all are trained");
            let at = gradient.len() / 2;
            let moved = |by: f32| {
                let mut moved = analog.clone();
                let (_, param) = moved.parameters_mut().into_iter().find(|(name, _)| *name == path).expect("a clone");
                param.value.make_mut()[at] += by;
                loss(&moved)
            };
            let numeric = (moved(0.125) - moved(-0.125)) / 0.25;
            let analytic = gradient.to_vec()[at];
            assert!((numeric - analytic).abs() < 1e-3 * (1.0 + analytic.abs()), "{path}: {numeric} {analytic}");
        }
        // Back in digital memory the scales are part of the weights.
        let before = analog.forward(Tape::eval(Key::new(0)).constant(x.clone())).value();
        analog.to_digital();
        let after = analog.forward(Tape::eval(Key::new(0)).constant(x.clone())).value();
        assert!((&before - &after).abs().max() < 1e-5);
    }
}

/// Time steps of a sequence are rows of their sample: their noise does not depend on how samples are batched.
#[test]
fn steps_of_a_sequence_belong_to_their_sample() {
    let (_, layer, ..) = twins([1, 5, 3], &InferenceRpuConfig::default(), Key::new(1));
    let x = Tensor::normal(&[300, 4, 5], Key::new(2));
    let together = layer.forward(Tape::eval(Key::new(3)).constant(x.clone())).value();
    assert_eq!(predict(&layer, &x, Key::new(3)), together);
}

/// Evaluation scales every row by the trained running mean.
#[test]
fn evaluation_keeps_to_the_trained_mean() {
    let forward = IoParameters { noise_management: NoiseManagement::AverageAbsMax, ..Default::default() };
    let config = InferenceRpuConfig { forward, ..Default::default() };
    let (_, mut layer, ..) = twins([1, 5, 3], &config, Key::new(1));
    let x = Tensor::normal(&[300, 5], Key::new(2));
    let tape = Tape::train(Key::new(3));
    layer.forward(tape.constant(x.clone()));
    let state = tape.into_state();
    layer.apply(&state);
    let together = layer.forward(Tape::eval(Key::new(4)).constant(x.clone())).value();
    assert_eq!(predict(&layer, &x, Key::new(4)), together);
}

/// Measured variations, one per output, are used whatever the spread in the parameters.
#[test]
fn measured_variations_replace_drawn_ones() {
    let forward = IoParameters { out_noise: 0.0, out_res: -1.0, inp_res: -1.0, ..Default::default() };
    let config = InferenceRpuConfig { forward, ..Default::default() };
    let (_, mut layer, x, _) = twins([2, 5, 3], &config, Key::new(1));
    let read = |layer: &Linear| {
        layer.affine.tiles().expect("on tiles").forward(Tape::eval(Key::new(2)).constant(x.clone()), None).value()
    };
    let before = read(&layer);
    let ohmgrad::models::Weight::Analog(tiles) = &mut layer.affine.weight else { unreachable!("on tiles") };
    tiles.tiles_mut()[0].forward.out_nonlinearity = vec![0.0, 0.0, 0.5];
    let after = read(&layer);
    assert_eq!(after.slice(1, 0..2), before.slice(1, 0..2));
    assert!(after[[0, 2]].abs() < before[[0, 2]].abs());
}

/// Inputs that do not fit are refused on tiles as they are in digital layers.
#[test]
fn inputs_that_do_not_fit_are_refused() {
    let (digital, analog, ..) = twins([2, 5, 3], &InferenceRpuConfig::default(), Key::new(1));
    for layer in [digital, analog] {
        let read = std::panic::catch_unwind(|| {
            layer.forward(Tape::eval(Key::new(2)).constant(Tensor::full(&[2, 6], 1.0)));
        });
        assert!(read.is_err());
    }
}

/// Running means are taken in order without a lock: with many threads there is no deadlock.
#[test]
fn running_means_of_a_convolution_do_not_block_threads() {
    for averaging_forward in [false, true] {
        let averaging = NoiseManagement::AverageAbsMax;
        let other = NoiseManagement::AbsMax;
        let (forward, backward) = if averaging_forward { (averaging, other) } else { (other, averaging) };
        let config = InferenceRpuConfig {
            forward: IoParameters { noise_management: forward, ..Default::default() },
            backward: BackwardIoParameters { noise_management: backward, ..BackwardIoParameters::default() },
            ..Default::default()
        };
        let mut layer = Conv2d::new(16, 16, [3, 3], Key::new(1));
        layer.to_analog(&config, Key::new(2)).expect("valid");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("a small pool");
        pool.install(|| {
            let tape = Tape::train(Key::new(3));
            let x = tape.variable(Tensor::normal(&[16, 16, 12, 12], Key::new(4)));
            layer.forward(x).sum().backward();
        });
    }
}

/// Rows of only subnormal numbers give zeros; in the reference, zero times an infinite factor makes them NaN.
#[test]
fn vanishing_rows_give_zeros() {
    let config = InferenceRpuConfig { backward: BackwardIoParameters::default(), ..Default::default() };
    let (_, layer, ..) = twins([1, 3, 2], &config, Key::new(1));
    let tape = Tape::train(Key::new(2));
    let x = tape.variable(Tensor::from([[1e-40, 0.0, -1e-41]]));
    let y = layer.affine.tiles().expect("on tiles").forward(x, None);
    assert_eq!(y.value().to_vec(), [0.0; 2]);
    let gradients = y.backward_from(Tensor::from([[0.0, 1e-41]]));
    assert_eq!(gradients.wrt(x).expect("asked for").to_vec(), [0.0; 3]);
}

/// A training step writes weights in place, without copy on write, in all layers, digital and on tiles.
#[test]
fn a_step_copies_no_weight() {
    let mut digital = Sequential::new().linear(30, 20).relu().linear(20, 5).init(Key::new(1));
    let mut analog = digital.clone();
    // A clone shares storage until it is written, so each network gets separate storage before counting.
    for net in [&mut digital, &mut analog] {
        for (_, param) in net.parameters_mut() {
            param.value.make_mut();
        }
    }
    analog.to_analog(InferenceRpuConfig::default(), Key::new(2)).expect("the default is valid");
    for net in [&mut digital, &mut analog] {
        let places = |net: &Sequential| {
            let place = |(_, param): &(String, &Param)| param.value.as_slice().expect("weights are whole").as_ptr();
            net.parameters().iter().map(place).collect::<Vec<_>>()
        };
        let mut adam = Adam::new(1e-3);
        let before = places(net);
        for step in 0..3 {
            let tape = Tape::train(Key::new(3).fold(step));
            let x = tape.constant(Tensor::normal(&[8, 30], Key::new(4)));
            let loss = net.forward(x).cross_entropy(&[0, 1, 2, 3, 4, 0, 1, 2]);
            adam.step(net, loss.backward());
        }
        let copies = places(net).iter().zip(&before).filter(|(a, b)| a != b).count();
        assert_eq!(copies, 0);
    }
}

/// The running mean of AVERAGE_ABS_MAX is state: training changes it, evaluation does not, nor does a backward change
/// the forward's.
#[test]
fn running_means_are_committed_by_steps_alone() {
    let config = InferenceRpuConfig {
        forward: IoParameters { noise_management: NoiseManagement::AverageAbsMax, ..Default::default() },
        backward: BackwardIoParameters {
            noise_management: NoiseManagement::AverageAbsMax,
            ..BackwardIoParameters::default()
        },
        ..Default::default()
    };
    let (_, mut layer, x, _) = twins([4, 6, 3], &config, Key::new(1));
    let means = |layer: &Linear| layer.affine.tiles().expect("on tiles").averages.value.to_vec();
    assert_eq!(means(&layer), [-1.0, -1.0]);
    layer.forward(Tape::eval(Key::new(2)).constant(x.clone()));
    assert_eq!(means(&layer), [-1.0, -1.0]);
    let tape = Tape::train(Key::new(2));
    let gradients = layer.forward(tape.variable(x.clone())).sum().backward();
    Sgd::new(0.0).step(&mut layer, gradients);
    let after = means(&layer);
    assert!(after[0] > 0.0 && after[1] == 1.0, "{after:?}");
    let tape = Tape::train(Key::new(3));
    layer.forward(tape.constant(x));
    let state = tape.into_state();
    layer.apply(&state);
    assert!(means(&layer)[0] != after[0] && means(&layer)[1] == after[1]);
}

/// Wires have resistance only in evaluation.
#[test]
fn ir_drop_over_time_does_not_change_a_training() {
    use ohmgrad::analog::config::IrDropT;
    let key = Key::new(11);
    let read = |ir_drop_t: Option<IrDropT>, tape: Tape| {
        let forward = IoParameters { ir_drop_t, ..Default::default() };
        let config = InferenceRpuConfig { forward, ..Default::default() };
        let weight = Tensor::normal(&[5, 40], key.fold("weight"));
        let tiles = TileArray::new(weight, 1, None, &config, "fc", key.fold("hardware")).unwrap();
        tiles.forward(tape.constant(Tensor::normal(&[3, 40], key.fold("x"))), None).value()
    };
    let timed = Some(IrDropT::default());
    assert_eq!(read(timed, Tape::train(key)), read(None, Tape::train(key)));
    assert_ne!(read(timed, Tape::eval(key)), read(None, Tape::eval(key)));
}
