//! What networks keep when their hardware changes, and what chips refuse.

use crate::common::{bits, config};
use ohmgrad::analog::config::{InputRangeParameter, NoiseManagement, PrePostProcessingParameter};
use ohmgrad::models::Slot;
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
    let mut found = vec![];
    net.visit("", &mut |_, slot| {
        if let Slot::Affine(affine) = slot
            && let Some(ranges) = affine.tiles().and_then(|tiles| tiles.input_ranges.as_ref())
        {
            found.push(ranges.values.value.to_vec());
        }
    });
    found
}

fn outputs(net: &dyn Module) -> Vec<u32> {
    bits(&predict(net, &Tensor::normal(&[9, 6], Key::new(77)), Key::new(78)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Trained, put on other hardware and back: the same network, bit for bit.
    #[test]
    fn another_hardware_and_back_is_the_identity(before in config(), after in config(), seed: u64) {
        let after = InferenceRpuConfig { mapping: before.mapping, ..after };
        let mut net = trained(&before, Key::new(seed));
        let (first, dict) = (outputs(&net), net.state_dict());
        if net.set_config(&after).is_ok() {
            outputs(&net);
            net.set_config(&before).unwrap();
            prop_assert_eq!(outputs(&net), first);
            prop_assert_eq!(net.state_dict(), dict);
        }
    }
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
fn a_chip_under_other_hardware_is_what_programming_there_gives() {
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
        let mut found = None;
        self.visit("", &mut |at, slot| {
            if let Slot::Affine(affine) = slot
                && at == path
            {
                found = affine.tiles().map(|tiles| tiles.config().clone());
            }
        });
        found.expect("a layer on tiles")
    }
}

#[test]
fn effective_weights_are_what_a_perfect_read_of_the_chip_shows() {
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

/// A range that a diverging training has made NaN is seen in the loss, and is no panic.
#[test]
fn an_input_range_that_is_no_number_gives_none() {
    let mut net = trained(&with_ranges(), Key::new(1));
    net.each_parameter_mut(|path, param| {
        if path.ends_with("input_range") {
            param.value = param.value.map(|_| f32::NAN);
        }
    });
    let tape = Tape::train(Key::new(2));
    let y = net.forward(tape.constant(Tensor::normal(&[4, 6], Key::new(3))));
    let loss = (y * y).mean();
    assert!(loss.item().is_nan());
    loss.backward();
}
