//! Properties of hardware-aware training under every configuration: modifiers, clipping, remapping, input ranges, the
//! straight-through backward.

use crate::common::{bits, config, io, mapping};
use ohmgrad::prelude::*;
use proptest::prelude::*;

fn modifier() -> impl Strategy<Value = WeightModifierParameter> {
    (prop::sample::select(WeightModifier::ALL), 0.0f32..0.5, 0.0f32..0.5, any::<[bool; 4]>()).prop_map(
        |(kind, std_dev, res, [each, rel_to_actual_wmax, sto_round, copy_last_column])| {
            let normal = [WeightModifier::AddNormal, WeightModifier::MultNormal].contains(&kind);
            WeightModifierParameter {
                kind,
                std_dev,
                res,
                pdrop: 0.1,
                per_batch_sample: each && normal,
                rel_to_actual_wmax,
                sto_round,
                copy_last_column,
                ..Default::default()
            }
        },
    )
}

fn sizes() -> impl Strategy<Value = [usize; 3]> {
    [1usize..7, 1usize..20, 1usize..12]
}

fn layer([_, ins, outs]: [usize; 3], config: &InferenceRpuConfig, key: Key) -> Linear {
    let mut layer = Linear::new(ins, outs, key.fold("weights"));
    layer.to_analog(config, key.fold("hardware")).expect("the strategies give valid configurations");
    layer
}

/// The effective weight, from a read of the identity.
fn seen(layer: &Linear, tape: &Tape) -> Tensor {
    let ins = layer.affine.weight().value.shape()[1];
    let identity = Tensor::from_fn(&[ins, ins], |at| f32::from(u8::from(at[0] == at[1])));
    layer.affine.tiles().expect("on tiles").forward(tape.constant(identity), None).value().t().contiguous()
}

proptest! {
    /// Modifiers change neither the stored weights nor the weight's gradient.
    #[test]
    fn modifiers_are_for_reads_alone(
        sizes in sizes(), config in config(), modifier in modifier(), backward in io(), seed: u64
    ) {
        let key = Key::new(seed);
        let mut config = InferenceRpuConfig { modifier, backward: backward.into(), ..config };
        config.mapping.digital_bias = true;
        let analog = layer(sizes, &config, key);
        let digital = { let mut layer = analog.clone(); layer.to_digital(); layer };
        let before = bits(&analog.affine.weight().value);
        let (x, d) = (Tensor::normal(&[sizes[0], sizes[1]], key.fold("x")), Tensor::normal(&[sizes[0], sizes[2]], key));
        let weight_gradient = |layer: &Linear| {
            let tape = Tape::train(key);
            let gradients = layer.forward(tape.variable(x.clone())).backward_from(d.clone());
            bits(gradients.of(layer.affine.weight()).expect("a weight has a gradient"))
        };
        prop_assert_eq!(weight_gradient(&analog), weight_gradient(&digital));
        prop_assert_eq!(bits(&analog.affine.weight().value), before);
    }

    /// A perfect backward uses the effective weights of the forward.
    #[test]
    fn forward_and_backward_see_the_same_weights(sizes in sizes(), mapping in mapping(), modifier in modifier(), seed: u64) {
        let key = Key::new(seed);
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let modifier = WeightModifierParameter { per_batch_sample: false, ..modifier };
        let mapping = MappingParameter { digital_bias: true, ..mapping };
        let layer = layer(sizes, &InferenceRpuConfig { forward, modifier, mapping, ..Default::default() }, key);
        let tape = Tape::train(key);
        let seen = seen(&layer, &tape);
        let x = tape.variable(Tensor::normal(&[sizes[0], sizes[1]], key.fold("x")));
        let d = Tensor::normal(&[sizes[0], sizes[2]], key.fold("d"));
        let gradients = layer.affine.tiles().expect("on tiles").forward(x, None).backward_from(d.clone());
        let expected = d.matmul(&seen);
        let far = (gradients.wrt(x).expect("asked for") - &expected).abs().max();
        prop_assert!(far <= 1e-5 * (1.0 + expected.abs().max()), "{far}");
    }

    /// A perfect tile array equals one perfect tile.
    #[test]
    fn perfect_tiles_are_one(sizes in sizes(), mapping in mapping(), seed: u64) {
        let key = Key::new(seed);
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let many = layer(sizes, &InferenceRpuConfig { forward, mapping, ..Default::default() }, key);
        let whole = MappingParameter { max_input_size: 0, max_output_size: 0, ..mapping };
        let one = layer(sizes, &InferenceRpuConfig { forward, mapping: whole, ..Default::default() }, key);
        prop_assert_eq!(one.affine.tiles().unwrap().tiles().len(), 1);
        let tape = Tape::eval(key);
        let x = tape.constant(Tensor::normal(&[sizes[0], sizes[1]], key.fold("x")));
        prop_assert_eq!(bits(&many.forward(x).value()), bits(&one.forward(x).value()));
    }

    /// The tiles cover every weight once.
    #[test]
    fn tiles_cover_every_weight_once(sizes in sizes(), mapping in mapping()) {
        let mapping = MappingParameter { digital_bias: true, ..mapping };
        let layer = layer(sizes, &InferenceRpuConfig { mapping, ..Default::default() }, Key::new(1));
        let [_, ins, outs] = sizes;
        let mut count = vec![0; ins * outs];
        for tile in layer.affine.tiles().unwrap().tiles() {
            tile.outs.clone().for_each(|o| tile.ins.clone().for_each(|i| count[o * ins + i] += 1));
        }
        prop_assert!(count.iter().all(|&count| count == 1));
    }

    /// All options at once, also on layers of a single row or column and on tiles of a single device.
    #[test]
    fn every_shape_trains(
        sizes in sizes(),
        limits in [0usize..6, 0usize..6],
        modifier in modifier(),
        clip in prop::sample::select(WeightClip::ALL),
        remap in prop::sample::select(WeightRemap::ALL),
        [straight_through, learn_out_scaling, out_scaling_columnwise]: [bool; 3],
        seed: u64,
    ) {
        let key = Key::new(seed);
        let mapping = MappingParameter {
            weight_scaling_omega: 0.6,
            max_input_size: limits[0],
            max_output_size: limits[1],
            learn_out_scaling,
            out_scaling_columnwise,
            weight_scaling_lr_compensation: true,
            ..Default::default()
        };
        let input_range = InputRangeParameter { enable: true, init_from_data: 2, ..Default::default() };
        let config = InferenceRpuConfig {
            forward: IoParameters { noise_management: NoiseManagement::None, ..Default::default() },
            backward: if straight_through { BackwardIoParameters::straight_through() } else { BackwardIoParameters::default() },
            mapping,
            modifier,
            clip: WeightClipParameter { kind: clip, fixed_value: 0.5, ..Default::default() },
            remap: WeightRemapParameter { kind: remap, ..Default::default() },
            pre_post: PrePostProcessingParameter { input_range },
            ..Default::default()
        };
        let mut net = layer(sizes, &config, key);
        for step in 0..3 {
            let tape = Tape::train(key.fold(step));
            let y = net.forward(tape.constant(Tensor::normal(&[sizes[0], sizes[1]], key.fold("x").fold(step))));
            let loss = (y * y).mean();
            prop_assert!(loss.item().is_finite());
            Sgd::new(0.1).step(&mut net, loss.backward());
        }
        prop_assert!(net.state_dict().iter().all(|(_, value)| value.iter().all(|v| v.is_finite())));
    }

    /// A backward repeated as straight through equals one that was recorded so.
    #[test]
    fn a_backward_can_be_repeated_straight_through(sizes in sizes(), forward in io(), mapping in mapping(), seed: u64) {
        let key = Key::new(seed);
        let mapping = MappingParameter { digital_bias: true, ..mapping };
        let forward = IoParameters {
            mv_type: MvType::OnePass,
            noise_management: match forward.noise_management {
                NoiseManagement::AverageAbsMax | NoiseManagement::AbsMaxNpSum => NoiseManagement::AbsMax,
                other => other,
            },
            bound_management: match forward.bound_management {
                BoundManagement::IterativeWorstCase => BoundManagement::Iterative,
                other => other,
            },
            ir_drop: 0.0,
            r_series: 0.0,
            v_offset_std: 0.0,
            out_nonlinearity: 0.0,
            ..forward
        };
        let config = InferenceRpuConfig { forward, mapping, ..Default::default() };
        let straight = InferenceRpuConfig { backward: BackwardIoParameters::straight_through(), ..config.clone() };
        let run = |config: &InferenceRpuConfig| {
            let layer = layer(sizes, config, key);
            let tape = Tape::train(key);
            let x = tape.variable(Tensor::normal(&[sizes[0], sizes[1]], key.fold("x")));
            let y = layer.forward(x);
            let gradients = (y * y).sum().backward_under(&BackwardIoParameters::straight_through());
            let of_weight = gradients.of(layer.affine.weight()).expect("a weight has a gradient");
            [bits(gradients.wrt(x).expect("asked for")), bits(of_weight), bits(&y.value())]
        };
        prop_assert_eq!(run(&config), run(&straight));
    }
}

fn noisy() -> InferenceRpuConfig {
    let modifier = WeightModifierParameter { kind: WeightModifier::AddNormal, std_dev: 0.1, ..Default::default() };
    let forward = IoParameters { is_perfect: true, ..Default::default() };
    InferenceRpuConfig { forward, modifier, ..Default::default() }
}

#[test]
fn a_tape_has_one_draw_and_shows_it() {
    let layer = layer([1, 5, 4], &noisy(), Key::new(1));
    let tape = Tape::train(Key::new(2));
    let first = seen(&layer, &tape);
    assert_eq!(first, seen(&layer, &tape));
    assert_ne!(first, layer.affine.weight().value);
    assert_ne!(first, seen(&layer, &Tape::train(Key::new(3))));
    let trace = tape.trace().to_string();
    assert_eq!(trace.matches("weight_modifier").count(), 1, "{trace}");
    assert!(trace.contains("type: ADD_NORMAL, std_dev 0.1"), "{trace}");
}

#[test]
fn evaluation_uses_clean_weights_by_default() {
    let mut config = noisy();
    let clean = layer([1, 5, 4], &config, Key::new(1));
    assert_eq!(seen(&clean, &Tape::eval(Key::new(2))), clean.affine.weight().value);
    config.modifier.enable_during_test = true;
    let modified = layer([1, 5, 4], &config, Key::new(1));
    let (one, two) = (Tape::eval(Key::new(2)), Tape::eval(Key::new(2)).rows_from(256));
    assert_eq!(seen(&modified, &one), seen(&modified, &two));
    assert_ne!(seen(&modified, &one), modified.affine.weight().value);
}

#[test]
fn each_sample_can_have_a_different_draw() {
    let mut config = noisy();
    config.modifier.per_batch_sample = true;
    let layer = layer([1, 5, 4], &config, Key::new(1));
    let tape = Tape::train(Key::new(2));
    let row = Tensor::normal(&[1, 1, 5], Key::new(3));
    let x = tape.variable(row.broadcast_to(&[3, 2, 5]).contiguous());
    let y = layer.forward(x);
    let rows = y.value();
    assert_eq!(rows.slice(1, 0..1), rows.slice(1, 1..2)); // the rows of one sample
    assert_ne!(rows.slice(0, 0..1), rows.slice(0, 1..2));
    let trace = tape.trace().to_string();
    assert!(trace.contains("modifier: ADD_NORMAL, std_dev 0.1, for each sample"), "{trace}");
    // The gradient uses the weights of each sample: d·W' of a linear layer is the derivative of d·y.
    let gradients = y.sum().backward();
    let of_x = gradients.wrt(x).unwrap();
    let bias = layer.affine.bias.as_ref().unwrap().value.sum();
    for sample in 0..3 {
        let slope = (&of_x.slice(0, sample..sample + 1).slice(1, 0..1) * &row).sum();
        let output = rows.slice(0, sample..sample + 1).slice(1, 0..1).sum() - bias;
        assert!((slope - output).abs() < 1e-5, "{slope} {output}");
    }
}

#[test]
fn compensation_scales_the_gradient_by_the_mean_scale() {
    let gradient = |weight_scaling_lr_compensation| {
        let mapping = MappingParameter {
            weight_scaling_omega: 0.6,
            weight_scaling_columnwise: true,
            weight_scaling_lr_compensation,
            ..Default::default()
        };
        let layer = layer([1, 5, 4], &InferenceRpuConfig { mapping, ..Default::default() }, Key::new(1));
        let tape = Tape::train(Key::new(2));
        let y = layer.forward(tape.constant(Tensor::normal(&[3, 5], Key::new(3))));
        let scale = layer.affine.tiles().unwrap().tiles()[0].scales.as_ref().unwrap().mean();
        (y.sum().backward().of(layer.affine.weight()).unwrap().clone(), scale)
    };
    let ((plain, scale), (compensated, _)) = (gradient(false), gradient(true));
    assert!((&(&plain * scale) - &compensated).abs().max() < 1e-6);
}

#[test]
fn the_weights_gradient_has_the_range_in_it() {
    let input_range = InputRangeParameter { enable: true, init_from_data: 0, init_value: 2.0, ..Default::default() };
    let pre_post = PrePostProcessingParameter { input_range };
    let layer = layer([1, 2, 1], &InferenceRpuConfig { pre_post, ..Default::default() }, Key::new(1));
    let tape = Tape::train(Key::new(2));
    let y = layer.forward(tape.constant(Tensor::from([[5.0, -1.0]])));
    let gradients = y.sum().backward();
    assert_eq!(gradients.of(layer.affine.weight()).unwrap().to_vec(), [2.0, -1.0]);
}

#[test]
fn an_analog_bias_has_no_input_range() {
    let mapping = MappingParameter { digital_bias: false, ..Default::default() };
    let input_range = InputRangeParameter { enable: true, ..Default::default() };
    let pre_post = PrePostProcessingParameter { input_range };
    let mut net = Sequential::new().linear(3, 2).init(Key::new(1));
    let error =
        net.to_analog(&InferenceRpuConfig { mapping, pre_post, ..Default::default() }, Key::new(2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer `0`: an analog bias with an input range would be scaled by it; say mapping.digital_bias = true"
    );
    assert!(!net.is_analog());
}

/// Inputs beyond the range make training enlarge it.
#[test]
fn a_range_that_cuts_too_much_grows() {
    let input_range = InputRangeParameter { enable: true, init_from_data: 0, init_value: 0.5, ..Default::default() };
    let forward = IoParameters { noise_management: NoiseManagement::None, ..Default::default() };
    let pre_post = PrePostProcessingParameter { input_range };
    let mut net = layer([1, 8, 8], &InferenceRpuConfig { forward, pre_post, ..Default::default() }, Key::new(1));
    let target = Linear::new(8, 8, Key::new(2));
    let mut adam = Adam::new(0.02);
    for step in 0..150 {
        let tape = Tape::train(Key::new(3).fold(step));
        let x = tape.constant(Tensor::normal(&[32, 8], Key::new(4).fold(step)));
        let loss = net.forward(x).mse(target.forward(x).detach());
        adam.step(&mut net, loss.backward());
    }
    let range = net.affine.tiles().unwrap().input_ranges.as_ref().unwrap().values.value.item();
    assert!(range > 1.2, "{range}");
}

/// In a training that diverges or gets a NaN input, also while ranges are found, the loss becomes and stays NaN, and no
/// step panics under any remapping.
#[test]
fn a_training_that_diverges_becomes_nan() {
    let optimizers: [fn() -> Box<dyn Optimizer>; 3] = [
        || Box::new(Sgd::new(1e20)),
        || Box::new(Sgd::new(1e20).with_momentum(0.9).with_weight_decay(0.1)),
        || Box::new(Adam::new(1e30)),
    ];
    let ranges = [(0, 0.01, false, true), (3, 0.0, true, true), (2, 0.01, true, false)].map(
        |(init_from_data, decay, manage_output_clipping, gradient_relative)| InputRangeParameter {
            enable: true,
            init_from_data,
            decay,
            manage_output_clipping,
            gradient_relative,
            ..Default::default()
        },
    );
    let backwards =
        [BackwardIoParameters::perfect(), BackwardIoParameters::default(), BackwardIoParameters::straight_through()];
    for (number, input_range) in ranges.into_iter().enumerate() {
        for (backward, optimizer) in backwards.into_iter().zip(optimizers) {
            for &remap in WeightRemap::ALL {
                for nan_input in [false, true] {
                    let config = InferenceRpuConfig {
                        forward: IoParameters {
                            noise_management: NoiseManagement::None,
                            bound_management: BoundManagement::None,
                            ..Default::default()
                        },
                        backward,
                        mapping: MappingParameter {
                            weight_scaling_omega: 1.0,
                            learn_out_scaling: true,
                            ..Default::default()
                        },
                        remap: WeightRemapParameter { kind: remap, ..Default::default() },
                        pre_post: PrePostProcessingParameter { input_range },
                        ..Default::default()
                    };
                    if backward.straight_through && input_range.manage_output_clipping {
                        continue;
                    }
                    let mut net = Sequential::new().linear(6, 8).linear(8, 2).init(Key::new(1));
                    net.to_analog(&config, Key::new(2)).unwrap();
                    let mut optimizer = optimizer();
                    let mut losses = vec![];
                    for step in 0..12 {
                        let tape = Tape::train(Key::new(3).fold(step));
                        let mut x = Tensor::normal(&[5, 6], Key::new(4).fold(step));
                        if nan_input && step == 1 {
                            x.make_mut()[7] = f32::NAN;
                        }
                        let y = net.forward(tape.constant(x));
                        let loss = (y * y).mean();
                        losses.push(loss.item());
                        optimizer.step(&mut net, loss.backward());
                    }
                    let what = format!("range {number}, {backward}, remap {remap}, NaN input {nan_input}: {losses:?}");
                    assert!(losses[0].is_finite() && losses[10].is_nan() && losses[11].is_nan(), "{what}");
                    let tape = Tape::eval(Key::new(5));
                    let y = net.forward(tape.constant(Tensor::normal(&[5, 6], Key::new(6)))).value();
                    assert!(y.iter().all(|y| y.is_nan()), "{what}: {y:?}");
                }
            }
        }
    }
}
