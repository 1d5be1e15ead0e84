//! State that networks keep when their hardware changes, and changes that chips refuse.

use crate::common::{bits, full_config};
use ohmgrad::analog::config::{InputRangeParameter, NoiseManagement, PrePostProcessingParameter};
use ohmgrad::prelude::*;
use proptest::prelude::*;

fn with_ranges() -> InferenceRpuConfig {
    let input_range = InputRangeParameter { enable: true, init_from_data: 3, ..Default::default() };
    let forward = IoParameters { noise_management: NoiseManagement::None, ..Default::default() };
    InferenceRpuConfig { forward, pre_post: PrePostProcessingParameter { input_range }, ..Default::default() }
}

fn net(key: Key) -> Sequential {
    Sequential::new().linear(6, 8).tanh().linear(8, 3).init(key)
}

/// A network on tiles after some steps.
fn trained(config: &InferenceRpuConfig, key: Key) -> Sequential {
    let mut net = net(key.fold("weights"));
    net.to_analog(config, key.fold("hardware")).unwrap();
    let mut sgd = Sgd::new(0.05);
    for step in 0..5 {
        let tape = Tape::train(key.fold("step").fold(step));
        let x = tape.constant(Tensor::normal(&[16, 6], key.fold("x").fold(step)));
        let y = net.forward(x);
        sgd.step(&mut net, (y * y).mean().backward());
    }
    net
}

fn ranges(net: &impl Network) -> Vec<Vec<f32>> {
    let ranges = net.tile_arrays().into_iter().filter_map(|(_, tiles)| tiles.input_ranges.as_ref());
    ranges.map(|ranges| ranges.values.value.to_vec()).collect()
}

fn outputs(net: &dyn Module) -> Vec<u32> {
    bits(&predict(net, &Tensor::normal(&[9, 6], Key::new(77)), Key::new(78)))
}

/// A network of one of the kinds of layers that tiles take, and the shape of a batch for it.
fn network(kind: usize, key: Key) -> (Sequential, &'static [usize]) {
    let options = RecurrentOptions { batch_first: true, ..Default::default() };
    let (layers, shape): (_, &[usize]) = match kind {
        0 => (Sequential::new().linear(36, 8).tanh().linear(8, 3), &[4, 36]),
        1 => (Sequential::new().conv2d(1, 4, 3).tanh().flatten().linear(64, 3), &[4, 1, 6, 6]),
        _ => (Sequential::new().lstm(6, 5, options).flatten().linear(30, 3), &[4, 6, 6]),
    };
    (layers.init(key.fold("weights")), shape)
}

/// A step of training, which finds ranges and means, draws noise and goes backwards.
fn step(net: &mut Sequential, shape: &[usize], number: usize) {
    let key = Key::new(21).fold(number);
    let tape = Tape::train(key);
    let loss = net.forward(tape.constant(Tensor::normal(shape, key.fold("x")))).cross_entropy(&[0, 1, 2, 1]);
    Sgd::new(0.05).step(net, loss.backward());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A network that was trained, perhaps programmed, and put on other hardware and back is the same, bit for bit,
    /// also in further training and drift.
    #[test]
    fn another_hardware_and_back_is_the_identity(
        before in full_config(), after in full_config(), kind in 0usize..3, on_chip: bool, seed: u64,
    ) {
        let (noise_model, drift_compensation) = (before.noise_model.clone(), before.drift_compensation.clone());
        let after = InferenceRpuConfig { mapping: before.mapping, noise_model, drift_compensation, ..after };
        let (mut net, shape) = network(kind, Key::new(seed));
        net.to_analog(&before, Key::new(seed).fold("hardware")).unwrap();
        (0..2).for_each(|number| step(&mut net, shape, number));
        let outputs = |net: &dyn Module| bits(&predict(net, &Tensor::normal(shape, Key::new(7)), Key::new(8)));
        if on_chip {
            let mut chip = net.program(Key::new(seed).fold("chip")).unwrap();
            chip.drift_to(1e4).unwrap();
            let mut moved = chip.clone();
            moved.set_config(&after).unwrap();
            outputs(&moved);
            moved.set_config(&before).unwrap();
            prop_assert_eq!(outputs(&moved), outputs(&chip));
            [&mut moved, &mut chip].into_iter().for_each(|chip| chip.drift_to(1e6).unwrap());
            prop_assert_eq!(outputs(&moved), outputs(&chip));
        } else {
            let mut moved = net.clone();
            moved.set_config(&after).unwrap();
            outputs(&moved);
            moved.set_config(&before).unwrap();
            prop_assert_eq!(outputs(&moved), outputs(&net));
            [&mut moved, &mut net].into_iter().for_each(|net| step(net, shape, 2));
            prop_assert_eq!(outputs(&moved), outputs(&net));
            prop_assert_eq!(missing(&parameters(&net), &parameters(&moved)), [""; 0]);
        }
    }

    /// A change of hardware keeps the ranges, means and weights that training found, and training goes on.
    #[test]
    fn what_training_found_comes_along(before in full_config(), after in full_config(), kind in 0usize..3, seed: u64) {
        let after = InferenceRpuConfig { mapping: before.mapping, ..after };
        let (mut net, shape) = network(kind, Key::new(seed));
        net.to_analog(&before, Key::new(seed).fold("hardware")).unwrap();
        (0..2).for_each(|number| step(&mut net, shape, number));
        let found = parameters(&net);
        net.set_config(&after).unwrap();
        // Only the state of tiles: a range that the other hardware does not learn is no parameter of the network. Fixed
        // variations are left out, because they are drawn anew where their spreads differ.
        let found: Vec<_> = found.into_iter().filter(|(name, _)| name.contains(": ") && !name.contains("ward.")).collect();
        prop_assert_eq!(missing(&found, &parameters(&net)), [""; 0]);
        step(&mut net, shape, 2);
    }
}

/// The parameters of layers and the whole state of tiles, by name.
fn parameters(net: &Sequential) -> Vec<(String, Vec<u32>)> {
    let mut found: Vec<_> = net.state_dict().into_iter().map(|(name, value)| (name, bits(&value))).collect();
    for (path, tiles) in net.tile_arrays() {
        let tensors = tiles.state().tensors.into_iter();
        found.extend(tensors.map(|(name, value)| (format!("{path}: {name}"), bits(&value))));
    }
    // A running mean is −1 before its first row.
    found.retain(|(name, value)| !(name.ends_with("averages") && value.iter().all(|v| f32::from_bits(*v) == -1.0)));
    found
}

/// The names of entries that are not in `others`, or have another value there.
fn missing(these: &[(String, Vec<u32>)], others: &[(String, Vec<u32>)]) -> Vec<String> {
    these.iter().filter(|one| !others.contains(one)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn a_network_is_as_before_when_its_second_layer_refuses() {
    let config = InferenceRpuConfig {
        mapping: MappingParameter { max_input_size: 7, ..Default::default() },
        ..Default::default()
    };
    let mut net = net(Key::new(1));
    net.to_analog(&config, Key::new(2)).unwrap();
    let before = outputs(&net);
    // One tile for the 6 inputs of the first layer, two for the 8 of the second: the limit 8 fits the first alone.
    let mut wider = config.clone();
    wider.mapping.max_input_size = 8;
    wider.forward.out_res = 30.0;
    let error = net.set_config(&wider).unwrap_err().to_string();
    assert!(error.starts_with("layer `2`: mapping.max_input_size: cannot change"), "{error}");
    assert_eq!(outputs(&net), before);
}

#[test]
fn running_means_and_counts_survive_new_tiles() {
    let mut config = with_ranges();
    config.pre_post.input_range.enable = false;
    config.forward.noise_management = NoiseManagement::AverageAbsMax;
    let mut net = trained(&config, Key::new(1));
    let means = |net: &Sequential| parameters(net).into_iter().filter(|(name, _)| name.ends_with("averages")).collect();
    let found: Vec<_> = means(&net);
    assert_eq!(found.len(), 2);
    let mut coarse = config.clone();
    coarse.forward.inp_res = 62.0;
    net.to_analog(&coarse, Key::new(2)).unwrap();
    assert_eq!(means(&net), found);

    let mut net = trained(&with_ranges(), Key::new(1));
    let counts = |net: &Sequential| -> Vec<_> {
        parameters(net).into_iter().filter(|(name, _)| name.ends_with("input_range_calls")).collect()
    };
    let found = counts(&net);
    assert!(found.iter().flat_map(|(_, calls)| calls).all(|&calls| f32::from_bits(calls) == 3.0), "{found:?}");
    net.to_analog(with_ranges(), Key::new(2)).unwrap();
    assert_eq!(counts(&net), found);
}

#[test]
fn trained_input_ranges_survive_new_tiles() {
    let config = with_ranges();
    let mut net = trained(&config, Key::new(1));
    let found = ranges(&net);
    assert!(found.iter().flatten().all(|r| *r != 3.0));
    let mut coarse = config.clone();
    coarse.forward.inp_res = 62.0;
    net.to_analog(&coarse, Key::new(2)).unwrap();
    assert_eq!(ranges(&net), found);

    let cut = InferenceRpuConfig { mapping: MappingParameter { max_input_size: 3, ..Default::default() }, ..config };
    let error = net.to_analog(&cut, Key::new(2)).unwrap_err().to_string();
    assert!(error.starts_with("layer `0`: input ranges and running means: cannot change"), "{error}");
    assert_eq!(ranges(&net), found);
    net.to_digital();
    net.to_analog(&cut, Key::new(2)).unwrap();
}

#[test]
fn input_ranges_come_along_with_the_weights_of_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.safetensors");
    let trained = trained(&with_ranges(), Key::new(1));
    Checkpoint::save(&file, &trained, None, &TrainingState::new(Key::new(2))).unwrap();

    let mut coarse = with_ranges();
    coarse.forward.inp_res = 62.0;
    let mut other = net(Key::new(3));
    other.to_analog(&coarse, Key::new(4)).unwrap();
    assert_eq!(other.load_weights(&file).unwrap().left, [""; 0]);
    assert_eq!(ranges(&other), ranges(&trained));

    let left = net(Key::new(5)).load_weights(&file).unwrap().left;
    assert_eq!(left[0], "0: input ranges and running means stay behind, as the weight is digital");
    assert_eq!(left.len(), 2);
}

fn chip() -> Chip<Sequential> {
    let mapping = MappingParameter { weight_scaling_omega: 1.0, max_input_size: 4, ..Default::default() };
    let mut chip =
        trained(&InferenceRpuConfig { mapping, ..Default::default() }, Key::new(1)).program(Key::new(2)).unwrap();
    chip.drift_to(1e5).unwrap();
    chip
}

#[test]
fn a_chip_does_not_lose_its_programming() {
    let mut chip = chip();
    let before = outputs(&chip);
    let on_chip = "layer `0`: its weight is programmed onto a chip";
    let refused = |result: Result<(), String>| assert!(result.unwrap_err().contains(on_chip));
    refused(chip.to_analog(InferenceRpuConfig::default(), Key::new(3)).map_err(|error| error.to_string()));
    refused(chip.remap_weights(1.0).map_err(|error| error.to_string()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.safetensors");
    Checkpoint::save(&file, &net(Key::new(4)), None, &TrainingState::new(Key::new(2))).unwrap();
    let error = chip.load_weights(&file).unwrap_err().to_string();
    assert!(error.contains("programmed onto a chip"), "{error}");
    assert_eq!(outputs(&chip), before);
    assert_eq!(chip.time(), Some(1e5));
}

#[test]
fn a_chip_under_other_hardware_equals_one_programmed_there() {
    let mut chip = chip();
    let mut config = chip.network().tiles_config("0");
    config.forward.out_res = 62.0;
    chip.set_config(&config).unwrap();

    let mut net = trained_on_chip_mapping();
    net.set_config(&config).unwrap();
    let mut other = net.program(Key::new(2)).unwrap();
    other.drift_to(1e5).unwrap();
    assert_eq!(outputs(&chip), outputs(&other));
}

fn trained_on_chip_mapping() -> Sequential {
    let mapping = MappingParameter { weight_scaling_omega: 1.0, max_input_size: 4, ..Default::default() };
    trained(&InferenceRpuConfig { mapping, ..Default::default() }, Key::new(1))
}

trait Configured {
    fn tiles_config(&self, path: &str) -> InferenceRpuConfig;
}

impl<N: Network> Configured for N {
    fn tiles_config(&self, path: &str) -> InferenceRpuConfig {
        let (_, tiles) = self.tile_arrays().into_iter().find(|(at, _)| at == path).expect("a layer on tiles");
        tiles.config().clone()
    }
}

#[test]
fn effective_weights_are_those_of_a_perfect_read_of_the_chip() {
    let mut chip = chip();
    let mut config = chip.network().tiles_config("0");
    config.forward.is_perfect = true;
    chip.set_config(&config).unwrap();
    let digital = chip.to_digital();
    assert_eq!(digital.state_dict(), chip.effective_weights());
    assert_ne!(digital.state_dict(), chip.network().state_dict());
    let x = Tensor::normal(&[9, 6], Key::new(7));
    let [a, b] = [predict(&chip, &x, Key::new(8)), predict(&digital, &x, Key::new(8))];
    assert!((&a - &b).abs().max() < 1e-5, "{a} {b}");

    let mut taken_off = chip.clone();
    Network::to_digital(&mut taken_off);
    assert!(taken_off.drift_to(1.0).unwrap_err().to_string().contains("no weight of the network is programmed"));
}

/// A range that a diverging training has made NaN makes the loss NaN, without a panic.
#[test]
fn an_input_range_that_is_no_number_gives_none() {
    let mut net = trained(&with_ranges(), Key::new(1));
    for (path, param) in net.parameters_mut() {
        if path.ends_with("input_range") {
            param.value = param.value.map(|_| f32::NAN);
        }
    }
    let tape = Tape::train(Key::new(2));
    let y = net.forward(tape.constant(Tensor::normal(&[4, 6], Key::new(3))));
    let loss = (y * y).mean();
    assert!(loss.item().is_nan());
    loss.backward();
}
