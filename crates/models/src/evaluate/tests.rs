use super::*;
use crate::data::Dataset;
use crate::*;
use ohmgrad_analog::config::{
    BoundManagement, InputRangeParameter, MvType, NoiseManagement, PrePostProcessingParameter, WeightModifier,
    WeightModifierParameter,
};
use ohmgrad_analog::{InferenceRpuConfig, IoParameters, MappingParameter};
use ohmgrad_autograd::Var;
use proptest::prelude::*;

/// A custom network: from sequences [batch, time, features] to the last output of a layer with time first.
#[derive(Clone, Visit)]
struct LastOutput {
    rnn: Gru,
    out: Linear,
    /// `true` if it takes [time, batch, features] as they are.
    #[visit(skip)]
    time_first: bool,
}

impl Module for LastOutput {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let x = if self.time_first { x } else { x.transpose(0, 1) };
        let last = x.shape()[0] - 1;
        self.out.forward(self.rnn.forward(x).slice(0, last..last + 1).squeeze(0))
    }

    fn batch_axis(&self) -> Option<usize> {
        Some(usize::from(self.time_first))
    }
}

/// Attention of all rows to each other, made of plain operations.
#[derive(Clone, Visit)]
struct Mixing(Linear);

impl Module for Mixing {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let y = self.0.forward(x);
        (y.matmul(y.t()).softmax(1)).matmul(y)
    }
}

/// Networks of all layers, each with the shape of an input of `rows` rows.
fn networks(rows: usize) -> Vec<(&'static str, Sequential, Vec<usize>)> {
    let key = Key::new(1);
    let new = Sequential::new;
    let options = |batch_first, bidirectional| RecurrentOptions { batch_first, bidirectional, ..Default::default() };
    let projected = RecurrentOptions { projection: Some(2), layers: 2, ..options(true, true) };
    let last = |time_first| {
        let (rnn, out) = (Gru::new(3, 4, options(false, false), key), Linear::new(4, 2, key.fold("out")));
        LastOutput { rnn, out, time_first }
    };
    let statistics = BatchNorm1d::new(4);
    vec![
        ("linear", new().linear(3, 4).relu().linear(4, 2).init(key), vec![rows, 3]),
        ("linear over [batch, time]", new().linear(3, 4).tanh().linear(4, 2).init(key), vec![rows, 5, 3]),
        ("softmax", new().linear(3, 4).layer(Activation::Softmax).init(key), vec![rows, 3]),
        ("softmax of a vector", new().layer(Activation::LogSoftmax).init(key), vec![rows]),
        ("conv1d", new().layer(Conv1d::new(2, 3, [3], key).with_padding([1])).init(key), vec![rows, 2, 6]),
        ("conv2d", new().conv2d(2, 4, 3).relu().max_pool2d(2).flatten().linear(4, 2).init(key), vec![rows, 2, 5, 4]),
        ("conv3d", new().layer(Conv3d::new(1, 2, [2; 3], key)).init(key), vec![rows, 1, 3, 2, 2]),
        ("pools", new().avg_pool1d(2).adaptive_avg_pool1d(2).init(key), vec![rows, 2, 6]),
        ("a pool over all axes", new().layer(MaxPool2d::new(2)).init(key), vec![rows, 6]),
        ("batch norm", new().linear(3, 4).layer(statistics.clone()).init(key), vec![rows, 3]),
        ("batch norm of batches", new().linear(3, 4).layer(statistics.without_running()).init(key), vec![rows, 3]),
        ("layer norm", new().linear(3, 4).layer_norm(&[4]).dropout(0.5).linear(4, 2).init(key), vec![rows, 3]),
        ("embedding", new().embedding(7, 3).lstm(3, 4, options(true, false)).init(key), vec![rows, 5]),
        ("embedding, time first", new().embedding(7, 3).gru(3, 4, options(false, true)).init(key), vec![rows, 5]),
        ("rnn", new().rnn(3, 4, options(true, true)).linear(8, 2).init(key), vec![rows, 5, 3]),
        ("rnn, time first", new().rnn(3, 4, options(false, false)).linear(4, 2).init(key), vec![rows, 5, 3]),
        ("lstm, projected", new().lstm(3, 4, projected).init(key), vec![rows, 5, 3]),
        ("lstm, time first", new().lstm(3, 4, options(false, true)).linear(8, 2).init(key), vec![rows, 5, 3]),
        ("last output", new().layer(last(false)).init(key), vec![rows, 5, 3]),
        ("last output, time first", new().layer(last(true)).init(key), vec![rows, 5, 3]),
        ("attention", new().layer(Mixing(Linear::new(3, 4, key))).linear(4, 2).init(key), vec![rows, 3]),
    ]
}

fn config() -> impl Strategy<Value = Option<InferenceRpuConfig>> {
    let kinds = (
        prop::sample::select(NoiseManagement::ALL),
        prop::sample::select(BoundManagement::ALL),
        prop::sample::select(MvType::ALL),
        any::<[bool; 4]>(),
    );
    kinds.prop_map(|(noise_management, bound_management, mv_type, [analog, ranges, modified, digital_bias])| {
        let forward =
            IoParameters { noise_management, bound_management, mv_type, out_bound: 2.0, ..Default::default() };
        let input_range = InputRangeParameter { enable: ranges, ..Default::default() };
        let config = InferenceRpuConfig {
            forward: if ranges { IoParameters { noise_management: NoiseManagement::None, ..forward } } else { forward },
            mapping: MappingParameter { digital_bias: digital_bias || ranges, max_input_size: 3, ..Default::default() },
            modifier: WeightModifierParameter {
                kind: if modified { WeightModifier::AddNormal } else { WeightModifier::None },
                std_dev: if modified { 0.1 } else { 0.0 },
                enable_during_test: modified,
                per_batch_sample: modified && digital_bias,
                ..Default::default()
            },
            pre_post: PrePostProcessingParameter { input_range },
            ..Default::default()
        };
        analog.then_some(config)
    })
}

fn whole(net: &dyn Module, x: &Tensor, key: Key) -> Tensor {
    net.forward(Tape::eval(key).constant(x.clone())).value()
}

fn bits(x: &Tensor) -> (Vec<usize>, Vec<u32>) {
    (x.shape().to_vec(), x.iter().map(|v| v.to_bits()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// For every layer and layout, any hardware and any size of blocks, evaluation equals one forward over the whole.
    #[test]
    fn blocks_are_one_forward(rows in 1usize..14, size in 1usize..14, config in config(), seed: u64) {
        for (name, mut net, shape) in networks(rows) {
            let key = Key::new(seed);
            if let Some(config) = &config
                && net.to_analog(config, key.fold("hardware")).is_err()
            {
                continue;
            }
            let x = Tensor::normal(&shape, key.fold("x"));
            let x = if name.starts_with("embedding") { x.map(|v| (v.abs() * 3.0).floor().min(6.0)) } else { x };
            if name == "a pool over all axes" && rows.min(size) < 2 {
                continue;
            }
            let mut outputs = vec![];
            in_blocks(&net, &x, || Tape::eval(key), size, |_, y| outputs.push(y));
            let whole = bits(&whole(&net, &x, key));
            prop_assert_eq!(bits(&joined(outputs)), whole.clone(), "{} in blocks of {}", name, size);
            let (rows, cut) = (shape[0], size.min(shape[0].saturating_sub(2)));
            if cut > 1 {
                let parts = [0..cut, cut..rows].map(|part| predict_rows(&net, &x, part, key));
                prop_assert_eq!(parts[0].is_some(), parts[1].is_some(), "{}", name);
                if let [Some(first), Some(last)] = parts {
                    prop_assert_eq!(bits(&joined(vec![first, last])), whole, "{} cut at {}", name, cut);
                }
            }
        }
    }
}

/// Networks that do not combine rows are computed in blocks, the others at once.
#[test]
fn networks_with_the_batch_first_are_cut() {
    let at_once = ["softmax of a vector", "a pool over all axes", "batch norm of batches", "last output", "attention"];
    for (name, net, shape) in networks(9) {
        let (mut blocks, x) = (0, Tensor::full(&shape, 1.0));
        in_blocks(&net, &x, || Tape::eval(Key::new(0)), 4, |_, _| blocks += 1);
        let combined = at_once.contains(&name) || name.contains("time first");
        assert_eq!(blocks, if combined { 1 } else { 3 }, "{name}");
    }
}

#[test]
fn accuracy_is_that_of_one_forward_for_either_layout() {
    let key = Key::new(4);
    for (name, mut net, shape) in networks(2 * BATCH + 40) {
        net.to_analog(InferenceRpuConfig::default(), Key::new(2)).unwrap();
        let x = Tensor::normal(&shape, Key::new(3));
        if !["linear", "last output", "attention"].contains(&name) {
            continue;
        }
        let labels = whole(&net, &x, key).argmax(1);
        let counts = confusion_matrix(&net, &Dataset::new(x.clone(), labels.clone()), key);
        assert_eq!((0..2).map(|i| counts[i][i]).sum::<usize>(), labels.len(), "{name}");
        assert_eq!(accuracy(&net, &Dataset::new(x, labels), key), 1.0);
    }
    let (_, net, _) = networks(5).into_iter().find(|(name, ..)| *name == "last output, time first").unwrap();
    let x = Tensor::normal(&[7, 300, 3], Key::new(3));
    let labels = whole(&net, &x, key).argmax(1);
    assert_eq!(accuracy(&net, &Dataset::time_first(x, labels), key), 1.0);
}

#[test]
#[should_panic(
    expected = "the network takes its batch along axis 1 of an input, the data set has its samples along axis 0"
)]
fn accuracy_refuses_another_layout() {
    let (_, net, _) = networks(5).into_iter().find(|(name, ..)| *name == "last output, time first").unwrap();
    accuracy(&net, &Dataset::new(Tensor::normal(&[5, 5, 3], Key::new(3)), vec![0; 5]), Key::new(0));
}

#[test]
fn diagnostics_count_the_reads_of_one_forward() {
    for (name, mut net, shape) in networks(BATCH + 30) {
        net.to_analog(InferenceRpuConfig::default(), Key::new(2)).unwrap();
        if name.starts_with("embedding") || name.contains("conv") {
            continue;
        }
        let (x, key) = (Tensor::normal(&shape, Key::new(3)), Key::new(4));
        let tape = Tape::eval(key).observed();
        net.forward(tape.constant(x.clone()));
        let mut at_once = Diagnostics::of(&net);
        at_once.add(&tape);
        assert_eq!(diagnose(&net, &x, key).to_json(), at_once.to_json(), "{name}");
    }
}
