//! Properties of layers with several slots or with state: recurrent layers and batch norm.

use crate::common::bits;
use ohmgrad::autograd::{Back, Op};
use ohmgrad::models::{Cell, Recurrent, SequentialBuilder};
use ohmgrad::prelude::*;
use proptest::prelude::*;

/// Noisy forward parameters with converters.
fn io() -> impl Strategy<Value = IoParameters> {
    let bound = prop::sample::select(vec![-1.0, 0.4, 12.0]);
    (bound, any::<[bool; 2]>(), 0.0f32..0.2, 0.0f32..0.2, 0.0f32..0.1).prop_map(
        |(out_bound, [inp_sto_round, one_pass], out_noise, inp_noise, w_noise)| IoParameters {
            out_bound,
            inp_sto_round,
            mv_type: if one_pass { MvType::OnePass } else { MvType::PosNegSeparate },
            out_noise,
            inp_noise,
            w_noise,
            w_noise_type: WeightNoise::AdditiveConstant,
            ..Default::default()
        },
    )
}

fn mapping() -> impl Strategy<Value = MappingParameter> {
    (any::<bool>(), prop::sample::select(vec![0.0, 0.6]), 0usize..8, 0usize..8).prop_map(
        |(digital_bias, weight_scaling_omega, max_input_size, max_output_size)| MappingParameter {
            digital_bias,
            weight_scaling_omega,
            max_input_size,
            max_output_size,
            ..Default::default()
        },
    )
}

fn options() -> impl Strategy<Value = RecurrentOptions> {
    (1usize..3, any::<[bool; 4]>()).prop_map(|(layers, [bias, bidirectional, separate, batch_first])| {
        let gates = if separate { Gates::Separate } else { Gates::Combined };
        RecurrentOptions { layers, bias, bidirectional, gates, batch_first, ..Default::default() }
    })
}

/// Time steps, batch, inputs, hidden.
fn sizes() -> impl Strategy<Value = [usize; 4]> {
    [1usize..5, 1usize..4, 1usize..6, 1usize..5]
}

fn transformer(words: usize, width: usize, heads: usize, key: Key) -> SequentialBuilder {
    let block = TransformerEncoderLayer::new(width, heads, 2 * width, key.fold("block")).causal().with_dropout(0.2);
    Sequential::new().embedding(words, width).layer(SinusoidalPositions).layer(block).linear(width, 3)
}

/// Replaces the value of a digital product; the backward is that of the product.
struct Instead;

impl Op for Instead {
    fn name(&self) -> &'static str {
        "instead"
    }

    fn backward(&self, cx: &mut Back<'_>) {
        let d = cx.grad.clone();
        cx.give(0, d);
    }
}

fn slots(net: &dyn Visit) -> Vec<Affine> {
    net.affines().into_iter().map(|(_, affine)| affine.clone()).collect()
}

/// A recurrent layer over [time, batch, in], step by step, with digital products that have the values of tiles' reads.
fn by_hand<'t, C: Cell<N>, const N: usize>(
    cell: C,
    [digital, analog]: [&[Affine]; 2],
    reads: &Tape,
    x: Var<'t>,
    hidden: usize,
) -> Var<'t> {
    let (tape, shape) = (x.tape(), x.shape());
    let half = digital.len() / 2;
    let product = |i: usize, x: Var<'t>| {
        let read = analog[i].forward(reads.constant(x.value())).value();
        tape.push(read, &[digital[i].forward(x)], Instead)
    };
    // A projection is the last weight, behind an even number of weights for inputs and outputs.
    let projection = (digital.len() % 2 == 1).then_some(digital.len() - 1);
    let products = |first: usize, x: Var<'t>| {
        let gates = C::GATES.len();
        let all: Vec<_> = (first..first + half).map(|i| product(i, x)).collect();
        match all[..] {
            [y] if gates > 1 => (0..gates).map(|g| y.slice(1, g * hidden..(g + 1) * hidden)).collect(),
            _ => all,
        }
    };
    let steps: Vec<_> = (0..shape[0]).map(|t| x.slice(0, t..t + 1).squeeze(0)).collect();
    let zeros = |width: usize| tape.constant(Tensor::full(&[shape[1], width], 0.0));
    let mut state = [zeros(hidden); N];
    if let Some(projection) = projection {
        state[0] = zeros(digital[projection].weight().value.shape()[0]);
    }
    let mut outputs = vec![];
    for x in steps {
        state = cell.step(&products(0, x), &products(half, state[0]), state);
        if let Some(projection) = projection {
            state[0] = product(projection, state[0]);
        }
        outputs.push(state[0]);
    }
    let outputs: Vec<_> = outputs.into_iter().map(|y| y.unsqueeze(0)).collect();
    tape.concat(&outputs, 0)
}

/// The gradients of a layer on tiles with a perfect backward, and those of digital products at the same values.
fn both_ways<C: Cell<N>, const N: usize>(
    net: Recurrent<C, N>,
    [steps, batch, ins, hidden]: [usize; 4],
    config: &InferenceRpuConfig,
    key: Key,
) -> [Vec<Vec<u32>>; 2] {
    let mut analog = net.clone();
    analog.to_analog(config, key.fold("hardware")).expect("the strategies give valid configurations");
    let x = Tensor::normal(&[steps, batch, ins], key.fold("x"));
    let d = Tensor::normal(&[steps, batch, net.options().projection.unwrap_or(hidden)], key.fold("d"));

    let tape = Tape::train(key);
    let input = tape.variable(x.clone());
    let y = analog.forward(input);
    let output = bits(&y.value());
    let gradients = y.backward_from(d.clone());
    let mut on_tiles = vec![output, bits(gradients.wrt(input).expect("asked for"))];
    on_tiles.extend(analog.parameters().iter().map(|(_, param)| bits(gradients.of(param).expect("all are used"))));

    let (digital, analog, tape, reads) = (slots(&net), slots(&analog), Tape::train(key), Tape::train(key));
    let input = tape.variable(x);
    let y = by_hand(net.cell, [&digital, &analog], &reads, input, hidden);
    let output = bits(&y.value());
    let gradients = y.backward_from(d);
    let mut by_hand = vec![output, bits(gradients.wrt(input).expect("asked for"))];
    for slot in &digital {
        let params = [Some(slot.weight()), slot.bias.as_ref()];
        by_hand.extend(params.into_iter().flatten().map(|param| bits(gradients.of(param).expect("all are used"))));
    }
    [on_tiles, by_hand]
}

/// Every loss and every final weight of a short training, as bits.
fn train(mut net: Sequential, x: &Tensor, key: Key) -> Vec<u32> {
    let mut adam = Adam::new(0.01);
    let mut record = vec![];
    for step in 0..4 {
        let tape = Tape::train(key.fold(step));
        let y = net.forward(tape.constant(x.clone()));
        let target = tape.constant(Tensor::normal(&y.shape(), key.fold("target")));
        let loss = y.mse(target);
        record.push(loss.item().to_bits());
        adam.step(&mut net, loss.backward());
    }
    net.to_digital();
    record.extend(net.state_dict().iter().flat_map(|(_, value)| bits(value)));
    record
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// With any forward, a perfect backward is the digital gradient at the values that were read.
    #[test]
    fn a_perfect_backward_is_the_digital_gradient(
        sizes in sizes(), options in options(), forward in io(), mapping in mapping(), seed: u64
    ) {
        let key = Key::new(seed);
        let config = InferenceRpuConfig { forward, mapping, ..Default::default() };
        let options = RecurrentOptions { layers: 1, bidirectional: false, batch_first: false, ..options };
        let [_, _, ins, hidden] = sizes;
        let check = |[on_tiles, by_hand]: [Vec<Vec<u32>>; 2]| {
            prop_assert_eq!(on_tiles, by_hand);
            Ok(())
        };
        check(both_ways(Rnn::new(ins, hidden, options, key), sizes, &config, key))?;
        check(both_ways(Rnn::new(ins, hidden, options, key).with_relu(), sizes, &config, key))?;
        check(both_ways(Lstm::new(ins, hidden, options, key), sizes, &config, key))?;
        if hidden > 1 {
            let options = RecurrentOptions { projection: Some(hidden - 1), ..options };
            check(both_ways(Lstm::new(ins, hidden, options, key), sizes, &config, key))?;
        }
        check(both_ways(Gru::new(ins, hidden, options, key), sizes, &config, key))?;
    }

    /// On perfect tiles an LSTM is the digital one, over whole trainings, in either layout of its gates.
    #[test]
    fn perfect_tiles_are_the_digital_network(
        sizes in sizes(), options in options(), projection in 0usize..5, mapping in mapping(), seed: u64
    ) {
        let ([steps, batch, ins, hidden], key) = (sizes, Key::new(seed));
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let config = InferenceRpuConfig { forward, mapping, ..Default::default() };
        let projection = (1..hidden).contains(&projection).then_some(projection);
        let options = RecurrentOptions { projection, ..options };
        let wide = projection.unwrap_or(hidden) * (1 + usize::from(options.bidirectional));
        let digital = Sequential::new().lstm(ins, hidden, options).linear(wide, 2).init(key.fold("weights"));
        let mut analog = digital.clone();
        analog.to_analog(&config, key.fold("hardware")).expect("the strategies give valid configurations");
        let x = Tensor::normal(&[steps, batch, ins], key.fold("x"));
        prop_assert_eq!(train(analog, &x, key), train(digital, &x, key));
    }

    /// On perfect tiles a transformer is the digital one, over whole trainings.
    #[test]
    fn perfect_tiles_are_the_digital_transformer(
        steps in 1usize..5, batch in 1usize..4, heads in 1usize..4, mapping in mapping(), seed: u64
    ) {
        let key = Key::new(seed);
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let config = InferenceRpuConfig { forward, mapping, ..Default::default() };
        let digital = transformer(7, 2 * heads, heads, key).init(key.fold("weights"));
        let mut analog = digital.clone();
        analog.to_analog(&config, key.fold("hardware")).expect("the strategies give valid configurations");
        let x = Tensor::uniform(&[batch, steps], key.fold("x")).map(|u| (u * 7.0).floor());
        prop_assert_eq!(train(analog, &x, key), train(digital, &x, key));
    }

    /// Evaluation does not depend on how a data set of sequences is cut into batches.
    #[test]
    fn batches_change_no_noise(sizes in sizes(), options in options(), forward in io(), cut: prop::sample::Index, seed: u64) {
        let ([steps, batch, ins, hidden], key) = (sizes, Key::new(seed));
        let config = InferenceRpuConfig { forward, ..Default::default() };
        let mut gru = Gru::new(ins, hidden, RecurrentOptions { batch_first: true, ..options }, key);
        gru.to_analog(&config, key).expect("the strategies give valid configurations");
        let mut attention = MultiHeadAttention::new(ins, 1, key);
        attention.to_analog(&config, key).expect("the strategies give valid configurations");
        let x = Tensor::normal(&[batch, steps, ins], key.fold("x"));
        let cut = cut.index(batch);
        for net in [&gru as &dyn Module, &attention] {
            let read = |from: usize, to: usize| {
                let tape = Tape::eval(key).rows_from(from);
                let y = bits(&net.forward(tape.constant(x.slice(0, from..to))).value());
                assert!(!tape.combines_rows());
                y
            };
            let parts = if cut == 0 { vec![] } else { read(0, cut) };
            prop_assert_eq!(read(0, batch), [parts, read(cut, batch)].concat());
        }
    }

    /// Running statistics are state: forwards leave them as they are, and a step commits them.
    #[test]
    fn running_statistics_are_committed_by_steps_alone(batch in 2usize..6, features in 1usize..4, seed: u64) {
        let key = Key::new(seed);
        let mut net = BatchNorm2d::new(features);
        let running = |net: &BatchNorm2d| {
            let running = net.running.as_ref().expect("kept unless told otherwise");
            [running.mean.value.clone(), running.var.value.clone()]
        };
        let x = &(&Tensor::normal(&[batch, features, 3, 2], key) * 3.0) + 1.0;
        let before = running(&net);
        let tape = Tape::eval(key);
        net.forward(tape.constant(x.clone()));
        let state = tape.into_state();
        net.apply(&state);
        prop_assert_eq!(&running(&net), &before);

        let tape = Tape::train(key);
        // Twice on one tape: the second forward goes on from the first.
        let sum = (net.forward(tape.constant(x.clone())) + net.forward(tape.constant(x.clone()))).sum();
        prop_assert_eq!(&running(&net), &before);
        Sgd::new(0.0).step(&mut net, sum.backward());
        let [mean, var] = [x.mean_axes(&[0, 2, 3]), x.var_axes(&[0, 2, 3], 1)].map(|of| of.reshape(&[features]));
        for ((after, before), batch) in running(&net).iter().zip(&before).zip([mean, var]) {
            let expected = &(before * 0.81) + &(&batch * 0.19);
            prop_assert!((after - &expected).abs().max() < 1e-5 * expected.abs().max().max(1.0));
        }
    }
}

/// Layers used with convolutions, a recurrent layer with several options, and a transformer.
fn networks(key: Key) -> [(Sequential, Tensor); 3] {
    let options = RecurrentOptions { layers: 2, bidirectional: true, dropout: 0.3, ..Default::default() };
    let images = Sequential::new().batch_norm2d(3).max_pool2d(2).avg_pool2d([2, 1]).flatten().linear(3 * 7 * 15, 5);
    let words = Sequential::new().embedding(50, 40).layer_norm(&[40]).lstm(40, 70, options).linear(140, 5);
    let numbers = Tensor::uniform(&[9, 30], key.fold("numbers")).map(|u| (u * 50.0).floor());
    [
        (images.init(key.fold("images")), Tensor::normal(&[80, 3, 30, 31], key.fold("x"))),
        (words.init(key.fold("words")), numbers.clone()),
        (transformer(50, 40, 4, key).init(key.fold("transformer")), numbers),
    ]
}

#[test]
fn threads_change_nothing() {
    for (net, x) in networks(Key::new(1)) {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
            pool.install(|| train(net.clone(), &x, Key::new(2)))
        };
        assert_eq!(on(1), on(4));
    }
}

#[test]
fn clones_are_independent() {
    for (net, x) in networks(Key::new(1)) {
        let before: Vec<_> = net.state_dict().iter().map(|(_, value)| bits(value)).collect();
        let (once, again) = (train(net.clone(), &x, Key::new(2)), train(net.clone(), &x, Key::new(2)));
        assert_eq!(once, again);
        let after: Vec<_> = net.state_dict().iter().map(|(_, value)| bits(value)).collect();
        assert_eq!(before, after);
    }
}
