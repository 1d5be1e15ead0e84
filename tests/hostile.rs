//! Files from anywhere: every reader ends in a typed error or a value, in time and memory that the file's size bounds.
//!
//! The crate `ohmgrad-hostile` defines the damage to files and the allowed cost of reading one, and counts the
//! allocations of a thread. `OHMGRAD_FUZZ=600..100000` goes on where the tests stop. The readers of the program are
//! tested in its crate.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ohmgrad::aihwkit::FromAihwkit;
use ohmgrad::analog::cell::presets;
use ohmgrad::analog::config::RpuConfig;
use ohmgrad::analog::noise::Fusion;
use ohmgrad::models::data::Idx;
use ohmgrad::models::{FusionExport, fusion_import};
use ohmgrad::prelude::*;
use ohmgrad_hostile::{Reader, one_thread};

fn check(readers: Vec<Reader>) {
    const CASES: Range<usize> = 0..600;
    readers.iter().for_each(|reader| reader.check(ohmgrad_hostile::cases(CASES)));
}

/// The bytes that are written into a file.
fn written(write: impl Fn(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed");
    write(&path);
    fs::read(&path).unwrap()
}

fn network() -> Sequential {
    Sequential::new().linear(3, 4).layer(BatchNorm1d::new(4)).tanh().linear(4, 2).init(Key::new(1))
}

fn on_tiles() -> Sequential {
    let mut net = network();
    let mapping = MappingParameter { learn_out_scaling: true, weight_scaling_omega: 1.0, ..Default::default() };
    net.to_analog(&InferenceRpuConfig { mapping, ..Default::default() }, Key::new(2)).expect("a valid configuration");
    net
}

fn on_devices(preset: &str) -> Sequential {
    let mut net = network();
    net.to_analog(on_chip(preset), Key::new(2)).expect("a valid configuration");
    net
}

fn on_chip(preset: &str) -> RpuConfig {
    presets::by_name(preset).unwrap_or_else(|| panic!("no preset {preset}")).into()
}

fn trained(mut net: Sequential) -> (Sequential, Adam) {
    let mut adam = Adam::new(0.01);
    let tape = Tape::train(Key::new(3));
    let y = net.forward(tape.constant(Tensor::normal(&[5, 3], Key::new(4))));
    adam.step(&mut net, (y * y).mean().backward());
    (net, adam)
}

#[test]
fn arrays() {
    one_thread();
    let (a, b) = (Tensor::normal(&[3, 4], Key::new(1)), Array::<f64>::normal(&[7], Key::new(2)));
    let arrays = vec![
        written(|path| a.write_npy(path).unwrap()),
        written(|path| a.t().write_npy(path).unwrap()),
        written(|path| b.write_npy(path).unwrap()),
    ];
    let archives = vec![
        written(|path| Tensor::write_npz(path, &[("a", &a), ("b", &a.row(0))]).unwrap()),
        written(|path| Tensor::write_npz(path, &[("zeros", &Tensor::full(&[100_000], 0.0))]).unwrap()),
    ];
    let idx = {
        let mut plain = vec![];
        Idx { shape: vec![2, 3, 4], data: (0..24).collect() }.write(&mut plain).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, &plain).unwrap();
        vec![gzip.finish().unwrap(), plain]
    };
    check(vec![
        Reader::new("npy", arrays.clone(), |path| Tensor::read_npy(path)),
        Reader::new("npy in f64", arrays, |path| Array::<f64>::read_npy(path)),
        // The seed of zeros unpacks to much more than its size.
        Reader::new("npz", archives, |path| Tensor::read_npz(path)).with_always(1 << 20),
        Reader::new("idx", idx, |path| Idx::open(path)),
    ]);
}

#[test]
fn checkpoints() {
    one_thread();
    let training = TrainingState { best: Some(0.5), ..TrainingState::new(Key::new(6)) };
    let save = |net: &dyn Module, adam: Option<&dyn Optimizer>| {
        written(|path| Checkpoint::save(path, net, adam, &training).unwrap())
    };
    let (net, adam) = trained(on_tiles());
    let chip = net.program(Key::new(5)).unwrap();
    let checkpoints = vec![save(&net, Some(&adam)), save(&chip, None), save(&network(), None)];
    let [single, cells] = ["EcRam", "AGADEcRam"].map(|preset| {
        let (net, adam) = trained(on_devices(preset));
        save(&net, Some(&adam))
    });
    let restored = |path: &Path| {
        let checkpoint = Checkpoint::load(path)?;
        for tiles in [Tiles::FromFile, Tiles::FromNetwork] {
            checkpoint.restore(&mut network(), Some(&mut Adam::new(0.1)), tiles)?;
        }
        Ok::<_, ohmgrad::models::CheckpointError>(())
    };
    let with_optimizer = vec![checkpoints[0].clone()];
    let on_devices = vec![single, cells];
    check(vec![
        Reader::new("checkpoint", with_optimizer, restored).with_always(1 << 20),
        Reader::new("checkpoint without optimizer", checkpoints[1..].to_vec(), |path| {
            Checkpoint::load(path)?.restore(&mut network(), None, Tiles::FromFile)
        })
        .with_always(1 << 20),
        Reader::new("checkpoint of devices", on_devices, |path| {
            Checkpoint::load(path)?.restore(&mut network(), Some(&mut Adam::new(0.1)), Tiles::FromFile)
        })
        .with_always(1 << 20),
        Reader::new("weights", checkpoints, |path| on_tiles().load_weights(path)).with_always(1 << 20),
    ]);
}

#[test]
fn conductances() {
    one_thread();
    let fusion = FusionExport::new(&on_tiles(), Fusion::default()).unwrap();
    let csv = written(|path| drop(ohmgrad::models::fusion_export(&on_tiles(), Fusion::default(), path).unwrap()));
    check(vec![Reader::new("fusion", vec![csv], move |path| fusion_import(&mut on_tiles(), &fusion, path))]);
}

const TOML: &str = "[forward]\ninp_res = 254\nout_noise = 0.04\nw_noise_type = \"PCM_READ\"\nw_noise = 0.0175\n\n[backward]\n\
                    is_perfect = false\n\n[mapping]\nweight_scaling_omega = 1.0\n";

/// Devices with lists, and cells with devices in them.
const DEVICES: [&str; 2] = [
    "type = \"SingleRPUConfig\"\n[device]\ntype = \"PiecewiseStepDevice\"\npiecewise_up = [1.0, 0.5]\n\
     piecewise_down = [0.5, 1.0]\n[update]\ndesired_bl = 10\n",
    "type = \"UnitCellRPUConfig\"\n[device]\ntype = \"VectorUnitCell\"\ngamma_vec = [1.0, -0.5]\n\
     [[device.unit_cell_devices]]\ntype = \"SoftBoundsDevice\"\n[[device.unit_cell_devices]]\ntype = \"ExpStepDevice\"\n",
];

#[test]
fn configurations() {
    one_thread();
    let default = InferenceRpuConfig::default();
    let ranges = InferenceRpuConfig::from_toml_str(TOML).unwrap();
    let toml = vec![TOML.into(), default.to_toml_string().unwrap().into_bytes()];
    let json = [&ranges, &default].map(|config| config.to_json_string().unwrap().into_bytes()).to_vec();
    let kinds = ["AGADEcRam", "MixedPrecisionReRamES", "PCM"].map(on_chip);
    let kinds: Vec<RpuConfig> =
        DEVICES.map(|toml| RpuConfig::from_toml_str(toml).unwrap()).into_iter().chain(kinds).collect();
    let devices = kinds.iter().map(|config| config.to_toml_string().unwrap().into_bytes());
    let devices: Vec<Vec<u8>> = DEVICES.map(|toml| toml.as_bytes().to_vec()).into_iter().chain(devices).collect();
    let devices_json = kinds.iter().map(|config| serde_json::to_string_pretty(config).unwrap().into_bytes()).collect();
    check(vec![
        Reader::new("configuration", toml, |path| InferenceRpuConfig::from_file(path)).of_file("chip.toml"),
        Reader::new("configuration in JSON", json, |path| InferenceRpuConfig::from_file(path)).of_file("chip.json"),
        Reader::new("devices", devices, |path| RpuConfig::from_file(path)).of_file("chip.toml"),
        Reader::new("devices in JSON", devices_json, |path| RpuConfig::from_file(path)).of_file("chip.json"),
    ]);
}

/// The files of `tests/aihwkit` with one configuration each, in the form with the extension `form`; if `pulsed`, those
/// whose names begin with "pulsed", else the others.
fn of_the_reference(pulsed: bool, form: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aihwkit");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|file| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_form = file.extension().is_some_and(|extension| extension == form);
        is_form && name.starts_with("pulsed") == pulsed && RpuConfig::from_aihwkit_file(file).is_ok()
    });
    assert!(files.len() > 9, "{files:?}");
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn imports() {
    one_thread();
    let [printed, exported] = ["txt", "json"].map(|form| of_the_reference(false, form));
    let [printed_devices, exported_devices] = ["txt", "json"].map(|form| of_the_reference(true, form));
    check(vec![
        Reader::new("printed configuration", printed, |path| InferenceRpuConfig::from_aihwkit_file(path)),
        Reader::new("exported configuration", exported, |path| InferenceRpuConfig::from_aihwkit_file(path)),
        Reader::new("printed devices", printed_devices, |path| RpuConfig::from_aihwkit_file(path)),
        Reader::new("exported devices", exported_devices, |path| RpuConfig::from_aihwkit_file(path)),
    ]);
}

/// A training that goes on reads its files of metrics, and writes an epoch more.
#[test]
fn metrics() {
    one_thread();
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("run.safetensors");
    let x = Tensor::normal(&[4, 3], Key::new(7));
    let data = Dataset::new(x.clone(), x.slice(1, 0..2));
    let fit = move |mut trainer: Trainer, resumed: Option<&Path>| {
        let (mut net, mut sgd) = (Sequential::new().linear(3, 2).init(Key::new(8)), Sgd::new(0.1));
        if let Some(checkpoint) = resumed {
            trainer.resume(checkpoint, &mut net, &mut sgd)?;
        }
        trainer.fit(&mut net, &mut sgd, &data, |y, z| y.mse(y.tape().constant(z.clone())), |_, _| 0.5, |_| ())
    };
    let [csv, lines] = ["csv", "jsonl"].map(|form| {
        let metrics = folder.path().join("seed").with_extension(form);
        let trainer = Trainer::new(2, 2, Key::new(9)).with_checkpoints(&checkpoint, 1).with_metrics(&metrics);
        fit(trainer, None).unwrap();
        vec![fs::read(&metrics).unwrap()]
    });
    let fit = std::rc::Rc::new(fit);
    let go_on = |file| {
        let (fit, checkpoint) = (fit.clone(), checkpoint.clone());
        let read = move |path: &Path| fit(Trainer::new(3, 2, Key::new(9)).with_metrics(path), Some(&checkpoint));
        // Lines that are not valid are removed, as are those that a killed process broke.
        Reader::new("metrics", if file == "m.csv" { csv.clone() } else { lines.clone() }, read).of_file(file).mending()
    };
    check(vec![go_on("m.csv"), go_on("m.jsonl")]);
}
