//! The configurations that are read from files which aihwkit printed and exported (`tests/aihwkit/make.py`).

use std::path::PathBuf;

use ohmgrad::aihwkit::{FromAihwkit, Imported};
use ohmgrad::analog::cell::{Algorithm, build_cell, presets as cells};
use ohmgrad::analog::config::{BackwardIoParameters, RpuConfig};
use ohmgrad::analog::device::{DeviceConfig, SoftBoundsReference};
use ohmgrad::analog::presets;
use ohmgrad::analog::update::UpdateParameters;
use ohmgrad::prelude::*;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/aihwkit").join(name)
}

fn read(name: &str) -> Imported {
    InferenceRpuConfig::from_aihwkit_file(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The configuration that is read, the same from both forms; every field must be understood.
fn understood(name: &str) -> InferenceRpuConfig {
    let [printed, exported] = ["txt", "json"].map(|form| read(&format!("{name}.{form}")));
    assert_eq!(printed.notes, [], "{name}, printed");
    assert_eq!(exported.notes, [], "{name}, exported");
    assert_eq!(printed.config, exported.config, "{name}");
    printed.config
}

fn toml(text: &str) -> InferenceRpuConfig {
    InferenceRpuConfig::from_toml_str(text).unwrap()
}

fn noted(name: &str) -> Vec<String> {
    read(name).notes.into_iter().map(|note| note.field).collect()
}

#[test]
fn the_default_is_the_default() {
    assert_eq!(understood("default"), InferenceRpuConfig::default());
    let torch = InferenceRpuConfig { backward: BackwardIoParameters::straight_through(), ..Default::default() };
    assert_eq!(understood("torch"), torch);
}

#[test]
fn presets_are_those_of_the_reference() {
    assert_eq!(understood("preset_standard_hwa_training"), presets::standard_hwa_training());
    assert_eq!(understood("preset_floating_point"), presets::floating_point());
    assert_eq!(understood("preset_web_composer"), presets::web_composer());
    assert_eq!(understood("preset_old_web_composer"), presets::old_web_composer());
    let forward = |forward: IoParameters| InferenceRpuConfig { forward, ..Default::default() };
    assert_eq!(understood("preset_io"), forward(presets::io()));
    assert_eq!(understood("preset_io_standard"), forward(IoParameters { ir_drop: 0.5, ..presets::standard_io() }));
    assert_eq!(understood("preset_io_web"), forward(IoParameters { out_noise: 0.06, ..presets::io() }));
}

#[test]
fn sections_are_read_field_by_field() {
    let forward = r#"
        [forward]
        mv_type = "POS_NEG_SEPARATE"
        inp_res = 0.016129032258064516
        inp_sto_round = true
        inp_noise = 0.01
        out_bound = -1.0
        out_res = -1
        w_noise = 0.02
        w_noise_type = "ADDITIVE_CONSTANT"
        noise_management = "AVERAGE_ABS_MAX"
        bound_management = "ITERATIVE_WORST_CASE"
        max_bm_factor = 4
        [backward]
        is_perfect = false
        out_noise = 0.2
    "#;
    assert_eq!(understood("forward"), toml(forward));
    let input_range = r#"
        [pre_post.input_range]
        enable = true
        init_value = 2.0
        init_from_data = 10
        decay = 0.01
        [mapping]
        weight_scaling_omega = 0.8
        learn_out_scaling = true
    "#;
    assert_eq!(understood("input_range"), toml(input_range));
    let add_normal = r#"
        modifier = { type = "ADD_NORMAL", std_dev = 0.1, pdrop = 0.05 }
        clip = { type = "LAYER_GAUSSIAN", sigma = 2.0 }
        remap = { type = "LAYERWISE_SYMMETRIC", remapped_wmax = 0.9 }
    "#;
    assert_eq!(understood("modifier_add_normal"), toml(add_normal));
    let poly = r#"
        modifier = { type = "POLY", std_dev = 1, coeffs = [0.26348, 1.965, -1.1731], rel_to_actual_wmax = false }
        clip = { type = "AVERAGE_CHANNEL_MAX", fixed_value = 1.0 }
    "#;
    assert_eq!(understood("modifier_poly"), toml(poly));
    let pcm = r#"
        modifier = { type = "PCM_NOISE", std_dev = 1, pcm_t_inference = 3600, enable_during_test = true }
        remap = { type = "CHANNELWISE_SYMMETRIC", max_scale_range = 3 }
    "#;
    assert_eq!(understood("modifier_pcm_noise"), toml(pcm));
}

#[test]
fn noise_models_are_read_with_their_parameters() {
    let none = r#"noise_model = { type = "None" }
        drift_compensation = { type = "None" }"#;
    assert_eq!(understood("noise_none"), toml(none));
    let pcm = r#"
        noise_model = { type = "PCMLikeNoiseModel", g_max = 10, t_0 = 30, read_noise_scale = 0.5 }
        drift_compensation = { type = "PerColumnDriftCompensation" }
    "#;
    assert_eq!(understood("noise_pcm"), toml(pcm));
    let own = r#"
        drift_compensation = { type = "GlobalDriftCompensationWithExactReference" }
        [noise_model]
        type = "PCMLikeNoiseModel"
        prog_coeff = [0.5, 1.0]
        g_converter = { type = "SinglePairConductanceConverter", g_max = 33.333, g_min = 1.5 }
    "#;
    assert_eq!(understood("noise_pcm_own_coefficients"), toml(own));
}

#[test]
fn every_model_and_converter_is_read() {
    let model = |text: &str| toml(&format!("[noise_model]\n{text}"));
    let drift = r#"
        type = "CustomDriftPCMLikeNoiseModel"
        custom_drift_model.g_lst = [0, 10, 25]
        custom_drift_model.nu_mean_lst = [0.08, 0.05, 0.03]
        custom_drift_model.nu_std_lst = [0.03, 0.02, 0.01]
    "#;
    assert_eq!(understood("noise_pcm_custom_drift"), model(drift));
    let hermes = r#"
        type = "HermesNoiseModel"
        num_devices = 1
        g_max = 10.35
        t_0 = 200
    "#;
    assert_eq!(understood("noise_hermes_1"), model(hermes));
    let hermes = r#"
        type = "HermesNoiseModel"
        g_max = 20.7
        t_0 = 300
        drift_scale = 0
    "#;
    assert_eq!(understood("noise_hermes_2"), model(hermes));
    let independent = r#"
        type = "StateIndependentNoiseModel"
        drift_nu_mean = 0.06
        g_max = 20
    "#;
    assert_eq!(understood("noise_state_independent"), model(independent));
    let wan = "type = \"ReRamWan2022NoiseModel\"\nnoise_scale = 2";
    assert_eq!(understood("noise_reram_wan"), model(wan));
    let cmo = "type = \"ReRamCMONoiseModel\"\nacceptance_range = 2";
    assert_eq!(understood("noise_reram_cmo"), model(cmo));

    let converter = |text: &str| toml(&format!("[noise_model.g_converter]\n{text}"));
    let exported = |name: &str| {
        let imported = read(&format!("{name}.json"));
        assert_eq!(imported.notes, [], "{name}");
        imported.config
    };
    let dual = "type = \"DualPairConductanceConverter\"\nf_lst = [1, 3]";
    assert_eq!(exported("converter_dual_pair"), converter(dual));
    let n = "type = \"NPairConductanceConverter\"\nf_lst = [1, 2, 4]\ng_max = 20";
    assert_eq!(exported("converter_n_pair"), converter(n));
    let custom = r#"
        type = "CustomPairConductanceConverter"
        f_lst = [1]
        g_lst = [[0, 0, 0, 12.5, 25], [25, 12.5, 0, 0, 0]]
    "#;
    assert_eq!(exported("converter_custom_pair"), converter(custom));
    for name in ["converter_dual_pair", "converter_n_pair", "converter_custom_pair"] {
        let notes = noted(&format!("{name}.txt"));
        assert_eq!(notes[0], "noise_model.g_converter.f_lst", "the printed form has no factors");
    }
}

#[test]
fn ir_drop_over_time_is_a_separate_section() {
    let config = toml("backward.straight_through = true\n[forward.ir_drop_t]\nir_drop_segments = 4");
    assert_eq!(understood("ir_drop_t"), config);
}

#[test]
fn fields_without_a_counterpart_are_listed() {
    let expected = [
        "runtime.data_type",
        "forward.bound_management",
        "forward.nm_thres",
        "backward.bound_management",
        "update",
        "forward.out_asymmetry",
    ];
    for form in ["txt", "json"] {
        let mut fields = noted(&format!("forward_not_here.{form}"));
        fields.sort();
        let mut expected = expected.map(str::to_owned);
        expected.sort();
        assert_eq!(fields, expected, "{form}");
        assert_eq!(noted(&format!("pulsed.{form}")), ["update", "device"]);
    }
    assert_eq!(read("forward_not_here.txt").config.mapping.max_input_size, 128);
}

#[test]
fn custom_classes_are_read_in_full_if_they_are_exported() {
    assert_eq!(noted("own_classes.txt"), ["configuration", "forward"]);
    assert_eq!(read("own_classes.txt").config.forward.out_bound, 8.0);
    let exported = read("own_classes.json");
    assert_eq!(exported.config, toml("[forward]\nout_bound = 8.0\nout_noise = 0.01"));
    assert_eq!(exported.notes.iter().map(|note| note.field.as_str()).collect::<Vec<_>>(), ["seed_of_mine"]);
}

#[test]
fn the_other_way_to_print_hides_objects() {
    assert_eq!(noted("repr.txt"), ["noise_model", "drift_compensation"]);
    assert_eq!(read("repr.txt").config, presets::standard_hwa_training());
}

/// The configuration of any kind that is read, the same from both forms, with the fields that were not understood.
fn on_chip(name: &str) -> (RpuConfig, Vec<String>) {
    let [printed, exported] = ["txt", "json"].map(|form| {
        let read = RpuConfig::from_aihwkit_file(file(&format!("{name}.{form}")));
        read.unwrap_or_else(|error| panic!("{name}.{form}: {error}"))
    });
    assert_eq!(printed.config, exported.config, "{name}");
    let fields =
        |imported: &Imported<RpuConfig>| imported.notes.iter().map(|note| note.field.clone()).collect::<Vec<_>>();
    let noted = fields(&printed);
    assert_eq!(noted, fields(&exported), "{name}");
    (printed.config, noted)
}

fn rpu(toml: &str) -> RpuConfig {
    RpuConfig::from_toml_str(toml).unwrap()
}

#[test]
fn presets_of_training_on_the_chip_are_read() {
    let text = std::fs::read_to_string(file("pulsed_presets.txt")).unwrap();
    let mut names = vec![];
    for printed in text.split("\n\n") {
        let name = printed.split('(').next().unwrap().trim();
        let imported = RpuConfig::from_aihwkit(printed).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(imported.notes, [], "{name}");
        assert_eq!(imported.config, cells::by_name(name).unwrap_or_else(|| panic!("{name}")).into(), "{name}");
        names.push(name);
    }
    assert_eq!(names.len(), 52);
    for (file, name) in [
        ("pulsed_preset", "ChoppedTTv2EcRam"),
        ("pulsed_preset_pairs", "PCM"),
        ("pulsed_preset_mixed", "MixedPrecisionReRamES"),
    ] {
        assert_eq!(on_chip(file), (cells::by_name(name).unwrap().into(), vec![]));
    }
}

#[test]
fn devices_cells_and_updates_are_read() {
    let single = r#"
        type = "SingleRPUConfig"
        device = { type = "LinearStepDevice", gamma_up = 0.1, drift = { nu = 0.05 } }
        update = { desired_bl = 10, pulse_type = "MEAN_COUNT" }
        backward = { is_perfect = false, out_noise = 0.2 }
    "#;
    assert_eq!(on_chip("pulsed_single"), (rpu(single), vec!["device.construction_seed".to_owned()]));
    let pieces = r#"
        type = "SingleRPUConfig"
        device = { type = "PiecewiseStepDevice", piecewise_up = [1, 0.5, 0.1], piecewise_down = [0.2, 0.5, 1] }
    "#;
    assert_eq!(on_chip("pulsed_pieces"), (rpu(pieces), vec![]));
    let reference = r#"
        type = "UnitCellRPUConfig"
        mapping.weight_scaling_omega = 0.6
        [device]
        type = "ReferenceUnitCell"
        unit_cell_devices = [{ type = "SoftBoundsDevice", w_max = 0.5 }, { type = "SoftBoundsDevice" }]
    "#;
    assert_eq!(on_chip("pulsed_reference"), (rpu(reference), vec![]));
    let buffered = r#"
        type = "UnitCellRPUConfig"
        [device]
        type = "BufferedTransferCompound"
        unit_cell_devices = [
            { type = "SoftBoundsReferenceDevice", subtract_symmetry_point = true },
            { type = "LinearStepDevice" },
        ]
        transfer_update = { desired_bl = 3, update_bl_management = true, update_management = true }
        transfer_forward = { out_res = -1, bound_management = "ITERATIVE", noise_management = "ABS_MAX" }
    "#;
    assert_eq!(on_chip("pulsed_buffered"), (rpu(buffered), vec![]));
    let device = DeviceConfig::from(SoftBoundsReference::default());
    let io = IoParameters::default();
    let (cell, update) = build_cell(Algorithm::Agad, &device, &io, UpdateParameters::default(), 1);
    assert_eq!(on_chip("pulsed_built"), (RpuConfig::on_chip(cell, update, io), vec![]));
    let mixed = r#"
        type = "DigitalRankUpdateRPUConfig"
        device = { n_x_bins = 10, device = { type = "PowStepDevice", pow_gamma = 1.5 } }
    "#;
    assert_eq!(on_chip("pulsed_mixed"), (rpu(mixed), vec![]));
    let exact = "type = \"FloatingPointRPUConfig\"\ndevice.diffusion = 0.01";
    assert_eq!(on_chip("pulsed_floating_point"), (rpu(exact), vec![]));
    assert_eq!(on_chip("pulsed"), (rpu("type = \"SingleRPUConfig\""), vec![]));
    assert_eq!(on_chip("default"), (InferenceRpuConfig::default().into(), vec![]));
}

/// The printed form does not show from which class a custom class is derived; the exported one does.
#[test]
fn a_device_of_an_unknown_class_is_refused_or_read_in_full() {
    let read = |form: &str| RpuConfig::from_aihwkit_file(file(&format!("pulsed_vector.{form}")));
    let error = read("txt").unwrap_err().to_string();
    assert!(error.contains("OwnSoftBounds()]\": must be one of ConstantStepDevice"), "{error}");
    let exported = r#"
        type = "UnitCellRPUConfig"
        [device]
        type = "VectorUnitCell"
        gamma_vec = [1, 0.5]
        unit_cell_devices = [{ type = "ConstantStepDevice" }, { type = "SoftBoundsDevice", dw_min = 0.003 }]
    "#;
    let Imported { config, notes } = read("json").unwrap();
    assert_eq!((config, notes), (rpu(exported), vec![]));
    let error = RpuConfig::from_aihwkit("UnitCellRPUConfig(device=Mine(x=1))").unwrap_err().to_string();
    assert!(error.contains("must be one of VectorUnitCell"), "{error}");
}
