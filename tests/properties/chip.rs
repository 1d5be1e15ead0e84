//! Properties of programmed chips: equal keys give equal chips, times come in any order, compensation undoes the mean
//! decay, and the network that a chip came from does not change.

use std::sync::Arc;

use ohmgrad::analog::config::{DriftCompensationConfig, NoiseModelConfig};
use ohmgrad::analog::noise::{Converter, NoiseModel, Pcm, SinglePair};
use ohmgrad::analog::{Error, InferenceRpuConfig, IoParameters, MappingParameter};
use ohmgrad::models::AtTime;
use ohmgrad::prelude::*;
use proptest::prelude::*;

/// Devices that are programmed exactly, and that all decay to the same share of their conductance at any time but 0.
#[derive(Debug)]
struct Uniform(f32);

impl NoiseModel for Uniform {
    fn converter(&self) -> Arc<dyn Converter> {
        Arc::new(SinglePair::default())
    }

    fn program(&self, target: &Tensor, _: Key) -> Tensor {
        target.clone()
    }

    fn drift_coefficients(&self, _: &Tensor, _: Key) -> Option<Tensor> {
        None
    }

    fn drift(&self, g: &Tensor, _: &Tensor, _: Option<&Tensor>, t: f32, _: Key) -> Result<Tensor, Error> {
        Ok(if t == 0.0 { g.clone() } else { g * self.0 })
    }
}

fn uniform(share: f32) -> NoiseModelConfig {
    let model: Arc<dyn NoiseModel> = Arc::new(Uniform(share));
    model.into()
}

const COMPENSATIONS: [DriftCompensationConfig; 4] = [
    DriftCompensationConfig::None,
    DriftCompensationConfig::Global,
    DriftCompensationConfig::GlobalWithExactReference,
    DriftCompensationConfig::PerColumn,
];

/// Hardware of all kinds; the networks below have layers of one row and of one column.
fn hardware() -> impl Strategy<Value = InferenceRpuConfig> {
    (crate::common::config(), 0usize..4)
        .prop_map(|(config, method)| InferenceRpuConfig { drift_compensation: COMPENSATIONS[method].clone(), ..config })
}

fn network() -> Sequential {
    Sequential::new().linear(6, 5).tanh().linear(5, 1).tanh().linear(1, 4).init(Key::new(1))
}

fn on_tiles(config: &InferenceRpuConfig) -> Sequential {
    let mut net = network();
    net.to_analog(config, Key::new(2)).unwrap();
    net
}

fn outputs(net: &dyn Module) -> Vec<u32> {
    let x = Tensor::normal(&[7, 6], Key::new(3));
    crate::common::bits(&predict(net, &x, Key::new(4)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn chips_of_equal_keys_are_equal_and_times_come_in_any_order(config in hardware(), seed: u64) {
        let net = on_tiles(&config);
        let before = (outputs(&net), net.state_dict());
        let (mut a, mut b) = (net.program(Key::new(seed)).unwrap(), net.program(Key::new(seed)).unwrap());
        prop_assert_eq!(outputs(&a), outputs(&b));
        for t in [3600.0, 1.0, 3.15e7, 0.0] {
            a.drift_to(t).unwrap();
        }
        let direct = |t: f32| { let mut chip = b.clone(); chip.drift_to(t).unwrap(); outputs(&chip) };
        prop_assert_eq!(outputs(&a), direct(0.0));
        a.drift_to(3600.0).unwrap();
        prop_assert_eq!(outputs(&a), direct(3600.0));
        b.drift_to(3600.0).unwrap();
        prop_assert_eq!(outputs(&a), outputs(&b));
        prop_assert_eq!((outputs(&net), net.state_dict()), before, "the network is as it was");
    }

    /// A perfect forward and a uniform decay: outputs are those of the network to 1e-6.
    #[test]
    fn compensation_undoes_a_uniform_drift(config in hardware(), share in 0.05f32..2.0, method in 1usize..4) {
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let drift_compensation = COMPENSATIONS[method].clone();
        let net = on_tiles(&InferenceRpuConfig { forward, drift_compensation, ..config });
        // A digital bias is not scaled; an analog one is.
        let mut chip = net.program_with(uniform(share), Key::new(7)).unwrap();
        chip.drift_to(100.0).unwrap();
        let x = Tensor::normal(&[7, 6], Key::new(3));
        let [y, expected] = [&chip as &dyn Module, &net].map(|net| predict(net, &x, Key::new(4)));
        prop_assert!((&y - &expected).abs().max() < 1e-6, "{} {}", y, expected);
    }

    /// No noise at all: programming is the identity to 1e-6, and so is a drift to t = 0.
    #[test]
    fn without_noise_a_chip_is_the_network(config in hardware()) {
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let silent = Pcm { prog_noise_scale: 0.0, read_noise_scale: 0.0, drift_scale: 0.0, ..Default::default() };
        let net = on_tiles(&InferenceRpuConfig { forward, noise_model: silent.into(), ..config });
        let mut chip = net.program(Key::new(7)).unwrap();
        for _ in 0..2 {
            let x = Tensor::normal(&[7, 6], Key::new(3));
            let [y, expected] = [&chip as &dyn Module, &net].map(|net| predict(net, &x, Key::new(4)));
            prop_assert!((&y - &expected).abs().max() < 1e-6, "{} {}", y, expected);
            chip.drift_to(0.0).unwrap();
        }
    }

    #[test]
    fn a_checkpoint_holds_a_chip(config in hardware(), drifted: bool) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chip.safetensors");
        let mut chip = on_tiles(&config).program(Key::new(7)).unwrap();
        if drifted {
            chip.drift_to(3600.0).unwrap();
        }
        Checkpoint::save(&file, &chip, None, &TrainingState::new(Key::new(0))).unwrap();
        let mut net = network();
        Checkpoint::load(&file).unwrap().restore(&mut net, None, Tiles::FromFile).unwrap();
        let mut read = Chip::from_programmed(net).unwrap();
        prop_assert_eq!(outputs(&read), outputs(&chip));
        prop_assert_eq!(read.time(), drifted.then_some(3600.0));
        for chip in [&mut read, &mut chip] {
            chip.drift_to(86_400.0).unwrap();
        }
        prop_assert_eq!(outputs(&read), outputs(&chip));
    }
}

fn ages(threads: usize) -> Vec<AtTime> {
    let net = on_tiles(&InferenceRpuConfig::default());
    let x = Tensor::normal(&[300, 6], Key::new(5));
    let labels = predict(&network(), &x, Key::new(0)).argmax(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let data = Dataset::new(x, labels);
    pool.install(|| accuracy_over_time(&net, &data, &[1.0, 3.15e7, 3600.0], 5, Key::new(6)).unwrap())
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let alone = ages(1);
    assert_eq!(alone, ages(3));
    assert!(alone[1].std() > 0.0 && alone[1].mean() > 0.4, "the chips differ, and know something: {alone:?}");
}

#[test]
fn errors_name_weights_that_cannot_be_programmed_or_drifted() {
    let error = network().program(Key::new(1)).err().unwrap().to_string();
    assert_eq!(error, "no weight of the network lives on tiles: call to_analog first");
    let error = Chip::from_programmed(on_tiles(&InferenceRpuConfig::default())).err().unwrap().to_string();
    assert!(error.starts_with("no weight of the network was programmed"), "{error}");

    let net = on_tiles(&InferenceRpuConfig::default());
    let model = Pcm { g_max: -1.0, ..Default::default() };
    let error = net.program_with(model, Key::new(1)).err().unwrap().to_string();
    assert!(error.starts_with("noise_model.g_max = -1"), "{error}");

    let mut chip = net.program(Key::new(1)).unwrap();
    chip.drift_to(5.0).unwrap();
    let before = outputs(&chip);
    for t in [-1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(chip.drift_to(t), Err(Error::Time { .. })));
    }
    assert_eq!((outputs(&chip), chip.time()), (before, Some(5.0)));
}

#[test]
fn a_custom_model_has_no_form_in_files() {
    let chip = on_tiles(&InferenceRpuConfig::default()).program_with(uniform(0.5), Key::new(1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let saved = Checkpoint::save(folder.path().join("chip"), &chip, None, &TrainingState::new(Key::new(0)));
    assert!(saved.unwrap_err().to_string().contains("Uniform(0.5)"));
}

/// The reference's example of a readout that is all noise, and of omega as the remedy.
#[test]
fn a_readout_of_noise_is_warned_of() {
    let chip = |omega: f32| {
        let mapping = MappingParameter { weight_scaling_omega: omega, ..Default::default() };
        let w = &Tensor::normal(&[64, 64], Key::new(1)) * 0.02;
        let mut net = Sequential::new().layer(Linear::from_weight(w, None)).init(Key::new(0));
        net.to_analog(&InferenceRpuConfig { mapping, ..Default::default() }, Key::new(2)).unwrap();
        let mut chip = net.program(Key::new(3)).unwrap();
        let warnings: Vec<String> = chip.warnings().iter().map(ToString::to_string).collect();
        chip.drift_to(3.15e7).unwrap();
        let on = chip.network().tile_arrays()[0].1.programmed().unwrap();
        (warnings, on.tiles()[0].alpha.as_ref().unwrap().item())
    };
    let (warnings, alpha) = chip(0.0);
    assert!(warnings[0].starts_with("layer `0`, tile 0: the mean magnitude of the weights is 0.0156"), "{warnings:?}");
    assert!(alpha < 1.2, "noise hides the decay: {alpha}");
    let (warnings, alpha) = chip(1.0);
    assert_eq!(warnings.len(), 0, "{warnings:?}");
    assert!((1.6..2.4).contains(&alpha), "the weights have shrunk about twofold: {alpha}");
}

/// Gradients reach the inputs and the digital bias; devices stay as they are.
#[test]
fn a_chip_can_be_trained_around() {
    let config = InferenceRpuConfig::default();
    let mut chip = on_tiles(&config).program(Key::new(1)).unwrap();
    chip.drift_to(3600.0).unwrap();
    let x = Tensor::normal(&[32, 6], Key::new(2));
    let before = chip.state_dict();
    let mut adam = Adam::new(1e-2);
    let mut losses = vec![];
    for step in 0..60u32 {
        let tape = Tape::train(Key::new(3).fold(step));
        let loss = chip.forward(tape.constant(x.clone())).mse(tape.constant(Tensor::full(&[32, 4], 1.0)));
        losses.push(loss.item());
        adam.step(&mut chip, loss.backward());
    }
    assert!(losses[59] < 0.5 * losses[0], "{losses:?}");
    for ((name, now), (_, then)) in chip.state_dict().into_iter().zip(before) {
        assert_eq!(now == then, name.ends_with("weight"), "{name}");
    }

    let tape = Tape::train(Key::new(9));
    let input = tape.variable(x);
    let gradients = chip.forward(input).mse(tape.constant(Tensor::full(&[32, 4], 0.0))).backward();
    assert!(gradients.wrt(input).unwrap().abs().sum() > 0.0);
}

/// The realistic read-back of a chip gives what its reads show: the drifted weights, compensated.
#[test]
fn a_chip_is_read_back_as_it_is() {
    let mapping = MappingParameter { weight_scaling_omega: 1.0, ..Default::default() };
    let mut net = Sequential::new().linear(40, 30).init(Key::new(1));
    net.to_analog(&InferenceRpuConfig { mapping, ..Default::default() }, Key::new(2)).unwrap();
    let weight = |net: &Sequential| net.state_dict()[0].1.clone();
    let mut read = net.clone();
    read.to_digital_realistic(Key::new(3));
    assert!(!read.is_analog());
    let spread = weight(&net).std(0);
    let off = |a: &Tensor| (a - &weight(&net)).std(0) / spread;
    assert!(off(&weight(&read)) < 0.05, "{}", off(&weight(&read)));

    let mut chip = net.program(Key::new(4)).unwrap();
    chip.drift_to(3.15e7).unwrap();
    let mut read = chip.into_network();
    read.to_digital_realistic(Key::new(5));
    let on_chip = weight(&read);
    assert!((0.08..0.4).contains(&off(&on_chip)), "programming, drift and read noise: {}", off(&on_chip));
    let ratio = on_chip.abs().mean() / weight(&net).abs().mean();
    assert!((0.95..1.1).contains(&ratio), "compensated: {ratio}");
}
