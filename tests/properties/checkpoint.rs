//! Properties of checkpoints: the training goes on bit for bit, all differences are reported, the file is whole at any
//! moment.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ohmgrad::models::checkpoint::{CheckpointError, Reshaped};
use ohmgrad::prelude::*;

/// A network with everything that a checkpoint has to keep: layers, a parameter outside of layers, a buffer.
#[derive(Clone, Visit)]
struct Net {
    hidden: Linear,
    gain: Param,
    /// State that no optimizer changes.
    #[visit(buffer)]
    seen: Param,
    out: Linear,
}

impl Module for Net {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let tape = x.tape();
        if tape.is_training() {
            let seen = tape.state(self.seen.id(), &self.seen.value);
            tape.set_state(self.seen.id(), &seen + 1.0);
        }
        self.out.forward((self.hidden.forward(x) * tape.param(&self.gain)).tanh())
    }
}

const KEY: Key = Key::new(42);

fn net(seed: u64) -> Net {
    let key = Key::new(seed);
    Net {
        hidden: Linear::new(5, 7, key.fold("hidden")),
        gain: Param::new(Tensor::uniform(&[7], key.fold("gain"))),
        seen: Param::new(Tensor::from([0.0])),
        out: Linear::new(7, 3, key.fold("out")),
    }
}

/// The hardware of a training; `None` for a digital one.
fn hardware() -> [Option<InferenceRpuConfig>; 4] {
    let everything = IoParameters {
        noise_management: NoiseManagement::AverageAbsMax,
        mv_type: MvType::PosNegSeparate,
        w_noise: 0.05,
        w_noise_type: WeightNoise::AdditiveConstant,
        out_noise_std: 0.3,
        v_offset_std: 0.05,
        w_read_asymmetry_dtod: 0.1,
        ..Default::default()
    };
    let tiles = MappingParameter {
        weight_scaling_omega: 0.6,
        weight_scaling_columnwise: true,
        learn_out_scaling: true,
        max_input_size: 3,
        max_output_size: 4,
        ..Default::default()
    };
    let one_tile = MappingParameter { digital_bias: false, weight_scaling_omega: 1.0, ..Default::default() };
    let backward = BackwardIoParameters { out_noise_std: 0.2, ..Default::default() };
    // Ranges are found in the first four calls and trained after them; checkpoints are after three or four steps.
    let input_range = InputRangeParameter { enable: true, init_from_data: 4, ..Default::default() };
    [
        None,
        Some(InferenceRpuConfig::default()),
        Some(InferenceRpuConfig { forward: everything, mapping: one_tile, ..Default::default() }),
        Some(InferenceRpuConfig {
            forward: everything,
            backward,
            mapping: tiles,
            modifier: WeightModifierParameter {
                kind: WeightModifier::AddNormal,
                std_dev: 0.1,
                pdrop: 0.1,
                enable_during_test: true,
                ..Default::default()
            },
            clip: WeightClipParameter { kind: WeightClip::LayerGaussian, ..Default::default() },
            remap: WeightRemapParameter { kind: WeightRemap::ChannelwiseSymmetric, ..Default::default() },
            pre_post: PrePostProcessingParameter { input_range },
            ..Default::default()
        }),
    ]
}

fn optimizers() -> Vec<Box<dyn Optimizer>> {
    vec![
        Box::new(Sgd::new(0.1)),
        Box::new(Sgd::new(0.1).with_momentum(0.9).with_weight_decay(0.01)),
        Box::new(Sgd::new(0.1).with_nesterov(0.7)),
        Box::new(Adam::new(0.01).with_betas(0.8, 0.99)),
        Box::new(Adam::decoupled(0.01)),
    ]
}

/// Optimizers of the same kinds with other settings, as in a program that was edited meanwhile.
fn others() -> Vec<Box<dyn Optimizer>> {
    let (sgd, adam) = (Sgd::new(7.0), Adam::new(7.0));
    vec![Box::new(sgd.clone()), Box::new(sgd.clone()), Box::new(sgd), Box::new(adam.clone()), Box::new(adam)]
}

/// Trains until a step; returns the bits of every loss.
fn train(net: &mut Net, optimizer: &mut dyn Optimizer, training: &mut TrainingState, until: usize) -> Vec<u32> {
    let mut losses = vec![];
    while training.step < until {
        let key = training.key.fold("step").fold(training.step);
        if let Some(schedule) = &training.schedule {
            optimizer.set_lr(schedule.at(training.step));
        }
        let tape = Tape::train(key);
        let x = tape.constant(Tensor::normal(&[4, 5], key.fold("x")));
        let y = tape.constant(Tensor::normal(&[4, 3], key.fold("y")));
        let loss = net.forward(x).mse(y);
        losses.push(loss.item().to_bits());
        optimizer.step(net, loss.backward());
        training.step += 1;
    }
    losses
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn bits(net: &Net, key: Key) -> Vec<u32> {
    predict(net, &Tensor::normal(&[6, 5], Key::new(9)), key).iter().map(|v| v.to_bits()).collect()
}

#[test]
fn a_resumed_training_is_one_that_never_stopped() {
    let directory = directory();
    let path = directory.path().join("run.safetensors");
    for config in hardware() {
        for (mut optimizer, mut other) in optimizers().into_iter().zip(others()) {
            let schedule = Some(Schedule::one_cycle(0.05, 9).after_warm_up(2));
            let mut training = TrainingState { schedule, ..TrainingState::new(KEY) };
            let mut whole = net(1);
            if let Some(config) = &config {
                whole.to_analog(config, KEY.fold("hardware")).unwrap();
            }
            train(&mut whole, optimizer.as_mut(), &mut training, 4);
            Checkpoint::save(&path, &whole, Some(optimizer.as_ref()), &training).unwrap();

            // Another process: other weights, another optimizer's settings, no tiles.
            let mut resumed = net(2);
            let checkpoint = Checkpoint::load(&path).unwrap();
            checkpoint.restore(&mut resumed, Some(other.as_mut()), Tiles::FromFile).unwrap();
            let mut state = checkpoint.training().clone();
            assert_eq!((state.key, state.step, resumed.is_analog()), (KEY, 4, config.is_some()));

            let losses = train(&mut whole, optimizer.as_mut(), &mut training, 9);
            assert_eq!(losses, train(&mut resumed, other.as_mut(), &mut state, 9));
            assert_eq!(bits(&whole, KEY), bits(&resumed, KEY));
            // The whole state of both is the same.
            Checkpoint::save(&path, &whole, Some(optimizer.as_ref()), &training).unwrap();
            let file = std::fs::read(&path).unwrap();
            Checkpoint::save(&path, &resumed, Some(other.as_ref()), &state).unwrap();
            assert!(file == std::fs::read(&path).unwrap());
            assert_eq!(resumed.seen.value.item(), 9.0);
        }
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn the_program_chooses_whose_tiles_are_kept() {
    let directory = directory();
    let path = directory.path().join("net.safetensors");
    let [_, default, one_tile, tiles] = hardware();
    for config in [one_tile, tiles].into_iter().flatten() {
        let (mut saved, mut adam, mut training) = (net(1), Adam::new(0.01), TrainingState::new(KEY));
        saved.to_analog(&config, KEY).unwrap();
        train(&mut saved, &mut adam, &mut training, 3);
        Checkpoint::save(&path, &saved, Some(&adam), &training).unwrap();
        let checkpoint = Checkpoint::load(&path).unwrap();
        assert_eq!(checkpoint.tiles().map(|(path, _)| path).collect::<Vec<_>>(), ["hidden.weight", "out.weight"]);
        assert!(checkpoint.tiles().all(|(_, tiles)| *tiles.config() == config));

        let mut digital = saved.clone();
        digital.to_digital();
        // The network's tiles: the digital weights of the file are mapped onto them.
        let mut expected = digital.clone();
        expected.to_analog(default.as_ref().unwrap(), Key::new(5)).unwrap();
        let mut restored = net(2);
        restored.to_analog(default.as_ref().unwrap(), Key::new(5)).unwrap();
        checkpoint.restore(&mut restored, Some(&mut adam), Tiles::FromNetwork).unwrap();
        assert_eq!(bits(&restored, KEY), bits(&expected, KEY));
        train(&mut restored, &mut adam, &mut training, 5);
        // No tiles: the weights stay in digital memory.
        let mut restored = net(2);
        checkpoint.restore(&mut restored, None, Tiles::FromNetwork).unwrap();
        assert!(!restored.is_analog());
        assert_eq!(bits(&restored, KEY), bits(&digital, KEY));
        let mut restored = net(2);
        restored.load_weights(&path).unwrap();
        assert_eq!(bits(&restored, KEY), bits(&digital, KEY));
        // The file's tiles, whatever the network had.
        for mut restored in [net(2), saved.clone(), expected.clone()] {
            checkpoint.restore(&mut restored, None, Tiles::FromFile).unwrap();
            assert_eq!(bits(&restored, KEY), bits(&saved, KEY));
        }
        // A digital file moves the weights off their tiles, or onto those of the network.
        Checkpoint::save(&path, &digital, None, &training).unwrap();
        let checkpoint = Checkpoint::load(&path).unwrap();
        let mut restored = saved.clone();
        checkpoint.restore(&mut restored, None, Tiles::FromFile).unwrap();
        assert!(!restored.is_analog());
        let mut restored = saved.clone();
        checkpoint.restore(&mut restored, None, Tiles::FromNetwork).unwrap();
        assert!(restored.is_analog());
        restored.to_digital();
        assert_eq!(bits(&restored, KEY), bits(&digital, KEY));
    }
}

#[test]
fn every_difference_is_reported_and_nothing_changes() {
    let directory = directory();
    let path = directory.path().join("net.safetensors");
    let saved = Sequential::new().linear(5, 7).relu().linear(7, 3).relu().linear(3, 2).init(KEY);
    let (training, mut sgd, mut adam) = (TrainingState::new(KEY), Sgd::new(0.5), Adam::new(0.5));
    Checkpoint::save(&path, &saved, Some(&sgd), &training).unwrap();
    let checkpoint = Checkpoint::load(&path).unwrap();

    let mut other = Sequential::new().linear(5, 8).relu().relu().linear(7, 3).relu().linear(3, 2).init(Key::new(1));
    other.to_analog(InferenceRpuConfig::default(), KEY).unwrap();
    let before = other.state_dict();
    for tiles in [Tiles::FromFile, Tiles::FromNetwork] {
        let error = checkpoint.restore(&mut other, Some(&mut sgd), tiles).unwrap_err();
        let reshaped = |name: &str, found: &[usize], expected: &[usize]| Reshaped {
            name: name.into(),
            found: found.into(),
            expected: expected.into(),
        };
        match &error {
            CheckpointError::Mismatch { missing, unexpected, reshaped: shapes, .. } => {
                assert_eq!(*missing, ["3.weight", "3.bias", "5.weight", "5.bias"]);
                assert_eq!(*unexpected, ["2.bias", "2.weight", "4.bias", "4.weight"]);
                assert_eq!(*shapes, [reshaped("0.weight", &[7, 5], &[8, 5]), reshaped("0.bias", &[7], &[8])]);
            }
            error => panic!("{error}"),
        }
        assert!(error.to_string().ends_with("\n  0.bias: [7] in the file, [8] in the network"), "{error}");
        assert_eq!(other.state_dict(), before);
        assert!(other.is_analog());
    }
    let mut same = saved.clone();
    same.to_analog(InferenceRpuConfig::default(), KEY).unwrap();
    let error = checkpoint.restore(&mut same, Some(&mut adam), Tiles::FromFile).unwrap_err();
    assert!(error.to_string().ends_with("optimizer: found sgd, expected adam"), "{error}");
    assert!(same.is_analog());

    Checkpoint::save(&path, &saved, None, &training).unwrap();
    let error = Checkpoint::load(&path).unwrap().restore(&mut same, Some(&mut adam), Tiles::FromFile).unwrap_err();
    assert!(error.to_string().ends_with("optimizer: found nothing, expected adam"), "{error}");
}

#[test]
fn states_that_cannot_be_loaded_are_not_saved() {
    let directory = directory();
    let path = directory.path().join("net.safetensors");
    let (good, training) = (net(1), TrainingState::new(KEY));
    Checkpoint::save(&path, &good, Some(&Sgd::new(0.1)), &training).unwrap();
    let file = std::fs::read(&path).unwrap();

    let refused = |optimizer: Option<&dyn Optimizer>, training: &TrainingState, net: &Net| {
        let error = Checkpoint::save(&path, net, optimizer, training).unwrap_err();
        assert!(matches!(error, CheckpointError::Entry { .. }), "{error}");
        assert!(file == std::fs::read(&path).unwrap());
        error.to_string()
    };
    let schedule = Some(Schedule::constant(f32::INFINITY));
    refused(None, &TrainingState { schedule, ..training.clone() }, &good);
    let mut measured = good.clone();
    measured.to_analog(InferenceRpuConfig::default(), KEY).unwrap();
    for (_, tiles) in measured.tile_arrays_mut() {
        tiles.tiles_mut()[0].forward.out_noise = vec![0.06; 6];
    }
    let error = refused(None, &training, &measured);
    assert!(
        error.ends_with("@tiles/hidden.weight/0.forward.out_noise: found shape [6], expected shape [7]"),
        "{error}"
    );

    /// Two parameters under one name.
    #[derive(Visit)]
    struct Twice(#[visit(rename = "w")] Param, #[visit(rename = "w")] Param);
    let twice = Twice(Param::new(Tensor::from([1.0])), Param::new(Tensor::from([2.0])));
    let error = Checkpoint::save(&path, &twice, None, &training).unwrap_err();
    assert!(error.to_string().ends_with("w: found two of this path, expected one"), "{error}");

    // Settings that became NaN are refused when saved, not when loaded.
    let error = refused(Some(&Adam::new(f32::NAN)), &training, &good);
    assert!(error.ends_with("optimizer.settings.lr: found null, expected a finite number"), "{error}");
    let nowhere = Checkpoint::save(directory.path().join("no/such/x"), &good, None, &training).unwrap_err();
    assert!(matches!(nowhere, CheckpointError::Io { .. }), "{nowhere}");
}

/// The environment variable for the path that child processes below write to.
const CHILD: &str = "OHMGRAD_CHECKPOINT_CHILD";

/// The steps of the training below, more than its processes complete before they are killed.
const STEPS: usize = 400;

/// Goes on from the checkpoint and saves every step; returns the last file.
fn train_and_save(path: &Path) -> Vec<u8> {
    let (mut net, mut adam, mut training) = (net(1), Adam::new(0.01), TrainingState::new(KEY));
    if path.exists() {
        let checkpoint = Checkpoint::load(path).expect("a checkpoint is whole at any moment");
        checkpoint.restore(&mut net, Some(&mut adam), Tiles::FromFile).unwrap();
        training = checkpoint.training().clone();
    } else {
        net.to_analog(hardware()[3].as_ref().unwrap(), KEY).unwrap();
    }
    while training.step < STEPS {
        let until = training.step + 1;
        train(&mut net, &mut adam, &mut training, until);
        Checkpoint::save(path, &net, Some(&adam), &training).unwrap();
    }
    std::fs::read(path).unwrap()
}

/// Not a test: the test below runs it in separate processes.
#[test]
fn child() {
    if let Some(path) = std::env::var_os(CHILD) {
        train_and_save(Path::new(&path));
    }
}

#[test]
fn a_process_killed_at_any_moment_leaves_a_checkpoint() {
    let directory = directory();
    let path = directory.path().join("killed.safetensors");
    let mut steps = vec![];
    for round in 0..50u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["checkpoint::child", "--exact"])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The process is killed after its first save, about every second time within a save.
        let before = std::fs::metadata(&path).and_then(|file| file.modified()).ok();
        while std::fs::metadata(&path).and_then(|file| file.modified()).ok() == before {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(Key::new(round).to_words()[0] % 15_000));
        child.kill().unwrap();
        child.wait().unwrap();
        steps.push(Checkpoint::load(&path).expect("a checkpoint is whole at any moment").training().step);
        let files = std::fs::read_dir(directory.path()).unwrap().count();
        assert!(files <= 2, "{files} files");
    }
    assert!(steps.is_sorted() && steps[0] > 0, "{steps:?}");
    let undisturbed = train_and_save(&directory.path().join("undisturbed.safetensors"));
    assert!(train_and_save(&path) == undisturbed);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}
