//! Properties of training on the chip, of networks whose weights live in devices.

use ohmgrad::analog::CallPairs;
use ohmgrad::analog::cell::{
    ChoppedTransferCompound, DynamicTransferCompound, MixedPrecision, OneSidedUnitCell, ResidualTransferCompound,
    RiderTransferCompound, TransferCompound, UnitCellConfig, VectorUnitCell, presets as cells,
};
use ohmgrad::analog::config::{
    DigitalRankUpdateRpuConfig, FloatingPointRpuConfig, RpuConfig, SingleRpuConfig, UnitCellRpuConfig,
};
use ohmgrad::analog::device::{ConstantStep, DeviceConfig, SoftBounds};
use ohmgrad::analog::update::{PulseType, UpdateParameters};
use ohmgrad::prelude::*;

const KEY: Key = Key::new(5);

/// A convolution, and a layer on two tiles.
fn net() -> Sequential {
    Sequential::new().conv2d(1, 3, 3).tanh().flatten().linear(48, 4).init(KEY.fold("weights"))
}

fn step_of(net: &mut Sequential, sgd: &mut Sgd, step: usize) -> f32 {
    let tape = Tape::train(KEY.fold("step").fold(step));
    let x = tape.constant(Tensor::normal(&[5, 1, 6, 6], KEY.fold("x").fold(step)));
    let loss = net.forward(x).cross_entropy(&[0, 1, 2, 3, 0]);
    sgd.step(net, loss.backward());
    loss.item()
}

fn mapping() -> MappingParameter {
    MappingParameter { max_input_size: 30, weight_scaling_omega: 0.5, ..Default::default() }
}

fn single(device: ConstantStep) -> RpuConfig {
    SingleRpuConfig { device: device.into(), mapping: mapping(), ..Default::default() }.into()
}

fn unit(device: impl Into<UnitCellConfig>) -> RpuConfig {
    UnitCellRpuConfig { device: device.into(), mapping: mapping(), ..Default::default() }.into()
}

fn pair() -> Vec<DeviceConfig> {
    vec![ConstantStep::default().into(); 2]
}

fn every_kind() -> Vec<RpuConfig> {
    let mixed = DigitalRankUpdateRpuConfig {
        device: MixedPrecision { transfer_every: 3, ..Default::default() },
        mapping: mapping(),
        ..Default::default()
    };
    vec![
        single(ConstantStep { diffusion: 1e-3, lifetime: 50.0, ..Default::default() }),
        SingleRpuConfig {
            device: SoftBounds { write_noise_std: 1.0, ..Default::default() }.into(),
            ..Default::default()
        }
        .into(),
        unit(VectorUnitCell { unit_cell_devices: pair(), ..Default::default() }),
        unit(OneSidedUnitCell { unit_cell_devices: pair(), refresh_every: 2, ..Default::default() }),
        unit(TransferCompound { unit_cell_devices: pair(), transfer_every: 2.0, gamma: 0.1, ..Default::default() }),
        unit(ChoppedTransferCompound {
            unit_cell_devices: pair(),
            transfer_every: 7.0,
            auto_scale: true,
            ..Default::default()
        }),
        unit(DynamicTransferCompound {
            unit_cell_devices: pair(),
            transfer_every: 7.0,
            in_chop_prob: 0.3,
            ..Default::default()
        }),
        unit(ResidualTransferCompound {
            unit_cell_devices: [pair(), pair()].concat(),
            transfer_every: 1.0,
            transfer_every_growth: 2.0,
            warm_start: 2.0,
            ..Default::default()
        }),
        unit(RiderTransferCompound { unit_cell_devices: pair(), in_chop_prob: 0.3, ..Default::default() }),
        mixed.into(),
        FloatingPointRpuConfig::default().into(),
    ]
}

/// With a perfect forward and backward and no device, training on tiles is digital descent; with fine, symmetric
/// devices it is nearly so.
#[test]
fn without_devices_it_is_digital_descent() {
    let perfect = IoParameters { is_perfect: true, ..Default::default() };
    let fine = ConstantStep {
        dw_min: 1e-5,
        dw_min_dtod: 0.0,
        dw_min_std: 0.0,
        up_down_dtod: 0.0,
        w_max: 10.0,
        w_min: -10.0,
        w_max_dtod: 0.0,
        w_min_dtod: 0.0,
        ..Default::default()
    };
    let on_fine_devices = SingleRpuConfig {
        device: fine.into(),
        forward: perfect,
        backward: BackwardIoParameters::perfect(),
        update: UpdateParameters {
            pulse_type: PulseType::DeterministicImplicit,
            desired_bl: 100_000,
            ..Default::default()
        },
        ..Default::default()
    };
    let train = |config: Option<RpuConfig>| {
        let mut net = net();
        if let Some(config) = config {
            net.to_analog(config, KEY.fold("hardware")).unwrap();
        }
        let mut sgd = Sgd::new(0.1);
        (0..20).for_each(|step| _ = step_of(&mut net, &mut sgd, step));
        net.effective_weights()
    };
    let digital = train(None);
    for (config, allowed) in [(FloatingPointRpuConfig::default().into(), 1e-5), (on_fine_devices.into(), 1e-3)] {
        let on_chip = train(Some(config));
        assert_eq!(on_chip.len(), digital.len());
        for ((name, w), (_, ours)) in digital.iter().zip(on_chip) {
            assert!((w - &ours).abs().max() < allowed, "{name}: {} of {allowed}", (w - &ours).abs().max());
        }
    }
    let moved = (&digital[0].1 - &net().effective_weights()[0].1).abs().max();
    assert!(moved > 10.0 * 1e-3, "steps moved weights by {moved} at most");
}

#[test]
fn the_step_of_an_ideal_device_is_that_of_the_gradient() {
    let mut net = net();
    net.to_analog(FloatingPointRpuConfig { mapping: mapping(), ..Default::default() }, KEY).unwrap();
    let mut digital = net.clone();
    digital.to_digital();
    let mut sgd = Sgd::new(0.1);
    let losses = [step_of(&mut net, &mut sgd, 0), step_of(&mut digital, &mut Sgd::new(0.1), 0)];
    assert_eq!(losses[0], losses[1]);
    for ((name, a), (_, b)) in net.effective_weights().iter().zip(digital.state_dict()) {
        assert!((a - &b).abs().max() < 1e-6, "{name}");
    }
}

#[test]
fn a_saved_training_goes_on_bit_for_bit_in_the_middle_of_a_period() {
    let folder = tempfile::tempdir().unwrap();
    for (i, config) in every_kind().into_iter().enumerate() {
        let file = folder.path().join(format!("{i}.safetensors"));
        let (mut whole, mut sgd) = (net(), Sgd::new(0.1));
        whole.to_analog(&config, KEY.fold("hardware")).unwrap();
        (0..3).for_each(|step| _ = step_of(&mut whole, &mut sgd, step));
        Checkpoint::save(&file, &whole, Some(&sgd), &TrainingState::new(KEY)).unwrap();

        let mut resumed = net();
        let mut again = Sgd::new(9.0);
        Checkpoint::load(&file).unwrap().restore(&mut resumed, Some(&mut again), Tiles::FromFile).unwrap();
        for step in 3..8 {
            let losses = [step_of(&mut whole, &mut sgd, step), step_of(&mut resumed, &mut again, step)];
            assert_eq!(losses[0].to_bits(), losses[1].to_bits(), "{config:?}");
        }
        assert_eq!(whole.state_dict(), resumed.state_dict(), "{config:?}");
    }
}

#[test]
fn threads_change_no_bit() {
    for config in every_kind() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (mut net, mut sgd) = (net(), Sgd::new(0.1));
                net.to_analog(&config, KEY.fold("hardware")).unwrap();
                (0..4).for_each(|step| _ = step_of(&mut net, &mut sgd, step));
                net.state_dict().iter().flat_map(|(_, w)| w.to_vec()).map(f32::to_bits).collect::<Vec<_>>()
            })
        };
        let one = on(1);
        assert_eq!(one, on(2), "{config:?}");
        assert_eq!(one, on(7), "{config:?}");
    }
}

#[test]
fn the_trace_shows_updates_and_frozen_weights_have_none() {
    let mut net = net();
    net.to_analog(single(ConstantStep::default()), KEY).unwrap();
    let before = net.state_dict();
    net.freeze();
    let mut sgd = Sgd::new(0.1);
    step_of(&mut net, &mut sgd, 0);
    assert_eq!(net.state_dict(), before);
    net.unfreeze();

    let tape = Tape::train(KEY);
    let y = net.forward(tape.constant(Tensor::normal(&[2, 1, 6, 6], KEY)));
    let trace = tape.trace().to_string();
    assert!(trace.contains("update: STOCHASTIC_COMPRESSED, up to 31 pulses"), "{trace}");
    let gradients = (y * y).mean().backward();
    assert_eq!(gradients.deposited::<CallPairs>().count(), 2);
    sgd.step(&mut net, gradients);
    assert_ne!(net.state_dict(), before);
}

/// A recurrent layer deposits `CallPairs` for each weight and time step, and an analog bias is a column of devices.
#[test]
fn recurrent_layers_and_analog_biases_learn_by_pulses() {
    let mut rnn = Rnn::new(3, 4, RecurrentOptions::default(), KEY);
    let mapping = MappingParameter { digital_bias: false, ..Default::default() };
    rnn.to_analog(SingleRpuConfig { mapping, ..Default::default() }, KEY).unwrap();
    let before = rnn.state_dict();
    let tape = Tape::train(KEY);
    let y = rnn.forward(tape.constant(Tensor::normal(&[6, 2, 3], KEY)));
    let gradients = (y * y).mean().backward();
    assert_eq!(gradients.deposited::<CallPairs>().count(), 12);
    Sgd::new(0.5).step(&mut rnn, gradients);
    for ((name, old), (_, new)) in before.iter().zip(rnn.state_dict()) {
        assert_ne!(*old, new, "{name}");
    }
}

#[test]
fn settings_without_a_meaning_on_the_chip_are_refused() {
    let mut net = net();
    net.to_analog(single(ConstantStep::default()), KEY).unwrap();
    let error = net.program(KEY).map(drop).unwrap_err().to_string();
    assert!(error.contains("lives in devices already"), "{error}");
    let error = net.set_config(InferenceRpuConfig::default()).unwrap_err().to_string();
    assert!(error.contains("device: cannot change on tiles that hold a weight"), "{error}");
    let wrong = ConstantStep { w_min: 0.1, ..Default::default() };
    let error = net.clone().to_analog(single(wrong), KEY).unwrap_err().to_string();
    assert!(error.starts_with("device.w_min = 0.1"), "{error}");
}

/// Presets of cells make networks that train.
#[test]
fn a_preset_of_a_transfer_cell_trains() {
    let preset = cells::by_name("AGADIdealizedPreset").expect("a preset of the reference");
    let mut net = net();
    net.to_analog(preset, KEY).unwrap();
    let mut sgd = Sgd::new(0.1);
    assert!((0..6).map(|step| step_of(&mut net, &mut sgd, step)).all(f32::is_finite));
}

/// A step copies to the logical weight what its pulses have changed; then all entries equal the devices' weights.
#[test]
fn the_logical_weight_is_what_the_devices_hold() {
    for config in every_kind() {
        let mut net = net();
        net.to_analog(config.clone(), KEY.fold("hardware")).unwrap();
        let mut sgd = Sgd::new(0.1);
        for step in 0..12 {
            step_of(&mut net, &mut sgd, step);
            let arrays = net.tile_arrays();
            assert_eq!(arrays.len(), 2, "both layers are on tiles");
            for (path, tiles) in arrays {
                assert_eq!(tiles.weight.value, tiles.effective_weights(None).0, "{path} under {config:?}");
            }
        }
    }
}
