//! Agreement with the reference simulator, case by case, and tests that the runner finds disagreement.

#[path = "conformance/mod.rs"]
mod conformance;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/data").join(path)
}

fn assert_all_pass(family: &str) {
    let report = conformance::run(&[data(family)]);
    assert!(report.is_ok(), "\n{report}");
}

#[test]
fn mvm() {
    assert_all_pass("mvm");
}

#[test]
fn ir_drop_t() {
    assert_all_pass("ir_drop_t");
}

#[test]
fn training() {
    assert_all_pass("training");
}

#[test]
fn training_conv() {
    assert_all_pass("training_conv");
}

#[test]
fn inference() {
    assert_all_pass("inference");
}

#[test]
fn training_inference() {
    assert_all_pass("training_inference");
}

/// Modifiers, clipping, mapping, remapping, splitting, input ranges.
#[test]
fn training_steps() {
    assert_all_pass("training_steps");
}

#[test]
fn straight_through() {
    assert_all_pass("straight_through");
}

#[test]
fn drift() {
    assert_all_pass("drift");
}

#[test]
fn layers() {
    assert_all_pass("layers");
}

/// Options of the layers that the cases of the reference do not reach; `make_layers.py` writes them.
#[test]
fn layers_more() {
    assert_all_pass("layers_more");
}

/// Training on the chip: devices, updates by pulses, cells.
#[test]
fn devices() {
    assert_all_pass("devices");
}

/// Layers under options, shapes and layouts that were drawn at random; `make_random_layers.py` writes them.
#[test]
fn layers_random() {
    assert_all_pass("layers_random");
}

/// Every option of the optimizers, as PyTorch steps; `make_optimizers.py` writes the cases.
#[test]
fn optimizers() {
    assert_all_pass("optimizers");
}

/// An empty folder for one test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance").join(test);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The runner's report of one of our cases after a change.
fn report_of(test: &str, case: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut content = serde_json::from_str(&fs::read_to_string(data(case)).unwrap()).unwrap();
    change(&mut content);
    let folder = folder(test);
    fs::write(folder.join("case.json"), content.to_string()).unwrap();
    let report = conformance::run(&[folder]);
    assert_eq!(report.is_ok(), report.to_string() == "1 passed, 0 failed");
    report.to_string()
}

fn add(number: &mut Value, more: f64) {
    *number = json!(number.as_f64().unwrap() + more);
}

#[test]
fn a_case_as_it_is_passes() {
    assert_eq!(report_of("as_it_is", "mvm/forward_dac_only.json", |_| {}), "1 passed, 0 failed");
}

#[test]
fn a_changed_value_fails() {
    let report = report_of("exact", "mvm/forward_dac_only.json", |case| add(&mut case["expected"][2][1], 1e-3));
    assert!(report.starts_with("forward_dac_only: output [2, 1] is "), "{report}");
    assert!(report.ends_with(" allowed (1 of 20 beyond)\n0 passed, 1 failed"), "{report}");
}

/// The allowance for rounding ties is a step wide and no wider, and not for every value.
#[test]
fn values_beyond_a_rounding_tie_fail() {
    let report = |test, changes: &[f64]| {
        report_of(test, "mvm/forward_adc_only.json", |case| {
            changes.iter().enumerate().for_each(|(i, &more)| add(&mut case["expected"][0][i], more));
        })
    };
    let step = 24.0 / 62.0 * 2.5; // about: the scale is the row's largest input
    assert_eq!(report("tie", &[0.1 * step]), "1 passed, 0 failed");
    assert!(report("two_ties", &[0.1 * step, 0.1 * step]).ends_with("(2 of 20 beyond)\n0 passed, 1 failed"));
    assert!(report("far", &[5.0 * step]).ends_with("(1 of 20 beyond)\n0 passed, 1 failed"));
}

#[test]
fn changed_moments_fail() {
    let case = "mvm/stat_forward_out_noise.json";
    let mean = report_of("mean", case, |case| add(&mut case["mean"][0][3], 5e-3));
    assert!(mean.starts_with("stat_forward_out_noise: mean of output [0, 3] is "), "{mean}");
    let std = report_of("std", case, |case| add(&mut case["std"][1][0], 1e-2));
    assert!(std.starts_with("stat_forward_out_noise: std of output [1, 0] is "), "{std}");
    let quantile = report_of("quantile", case, |case| add(&mut case["quantiles"][0][2][4], 2e-2));
    assert!(quantile.starts_with("stat_forward_out_noise: share up to quantile [0, 2, 4] is "), "{quantile}");
}

#[test]
fn a_changed_training_fails() {
    let case = "training/classifier_saturated.json";
    let report = report_of("mask", case, |case| case["config"]["backward"]["mask_saturated"] = json!(false));
    assert!(report.ends_with("0 passed, 1 failed"), "{report}");
    let report = report_of("layer", case, |case| case["net"][1]["layer"] = json!("swish"));
    assert!(report.starts_with("classifier_saturated: unknown variant `swish`, expected one of"), "{report}");
    let report = report_of("name", case, |case| {
        let loss = case["expected"]["final"]["0.bias"].take();
        case["expected"]["final"] = json!({ "9.bias": loss });
    });
    assert!(report.starts_with("classifier_saturated: the network has no `9.bias`\n"), "{report}");
}

#[test]
fn a_network_that_ages_otherwise_fails() {
    let few = |case: &mut Value| {
        case["weights"] = json!(data("drift/mlp_digital.safetensors"));
        case["expected"].as_array_mut().unwrap().drain(1..5);
    };
    let case = "drift/mlp_digital_seed_config.json";
    let mean = report_of("accuracy", case, |case| {
        few(case);
        add(&mut case["expected"][1]["mean"], 0.03);
    });
    assert!(mean.starts_with("mlp_digital_seed_config: accuracy at 315000000 s is "), "{mean}");
    let model = report_of("model", case, |case| {
        few(case);
        case["config"]["noise_model"]["drift_scale"] = json!(0.0);
    });
    assert!(model.ends_with("0 passed, 1 failed"), "{model}");
}

#[test]
fn a_changed_layer_fails() {
    let batch_norm = "layers/batch_norm1d_train.json";
    let buffer = report_of("buffer", batch_norm, |case| {
        add(&mut case["expected"]["buffers_after"]["running_var"][2], 1e-3);
    });
    assert!(buffer.starts_with("batch_norm1d_train: running_var after the call [2] is "), "{buffer}");
    let mode = report_of("mode", batch_norm, |case| case["mode"] = json!("eval"));
    assert!(mode.ends_with("0 passed, 1 failed"), "{mode}");
    let gradient = report_of("gradient", "layers/lstm.json", |case| {
        add(&mut case["expected"]["gradients"]["weight_hh_l0"][3][1], 1e-2);
    });
    assert!(gradient.starts_with("lstm: gradient of weight_hh_l0 [3, 1] is "), "{gradient}");
    let state = report_of("state", "layers/lstm.json", |case| add(&mut case["expected"]["state"][1][0][1][2], 1e-2));
    assert!(state.starts_with("lstm: state 1 [0, 1, 2] is "), "{state}");
    let argument = report_of("argument", "layers/max_pool1d.json", |case| case["args"]["sride"] = json!(1));
    assert!(argument.starts_with("max_pool1d: unknown argument `sride`"), "{argument}");
    let loss = report_of("loss", "layers/huber.json", |case| case["args"]["delta"] = json!(0.5));
    assert!(loss.starts_with("huber: "), "{loss}");
}

#[test]
fn a_changed_chip_fails() {
    let drift = "inference/pcm_at_3600s.json";
    let mean = report_of("chip_mean", drift, |case| add(&mut case["mean"][6], 1e-2));
    assert!(mean.starts_with("pcm_at_3600s: mean of output [6] is "), "{mean}");
    let std = report_of("chip_std", drift, |case| add(&mut case["std"][6], 1e-2));
    assert!(std.starts_with("pcm_at_3600s: std of output [6] is "), "{std}");
    let quantile = report_of("chip_quantile", drift, |case| add(&mut case["q50"][6], 3e-2));
    assert!(quantile.starts_with("pcm_at_3600s: share up to quantile [6, 1] is "), "{quantile}");
    let time = report_of("chip_time", drift, |case| case["params"]["t_inference"] = json!(86_400.0));
    assert!(time.ends_with("0 passed, 1 failed"), "{time}");
    let model = report_of("chip_model", drift, |case| case["params"]["model"] = json!("pcm_scaled"));
    assert!(model.ends_with("0 passed, 1 failed"), "{model}");
    let no_data = report_of("chip_no_data", "inference/reram_wan2022_at_1s.json", |case| {
        case["params"]["t_inference"] = json!(2.0);
    });
    assert!(
        no_data.starts_with("reram_wan2022_at_1s: ReRamWan2022 at t = 2 s: the time must be one of 1, "),
        "{no_data}"
    );
}

#[test]
fn a_changed_converter_fails() {
    let case = "inference/converter_n_pair.json";
    let conductance = report_of("conductance", case, |case| add(&mut case["expected"][2][1][1], 1e-3));
    assert!(conductance.starts_with("converter_n_pair: conductance [2, 1, 1] is "), "{conductance}");
    let ratio = report_of("ratio", case, |case| add(&mut case["params_out"]["scale_ratio"], 1e-2));
    assert!(ratio.starts_with("converter_n_pair: scale_ratio [0] is "), "{ratio}");
    let weight = report_of("weight", case, |case| add(&mut case["back"][2][1], 1e-4));
    assert!(weight.starts_with("converter_n_pair: weight [2, 1] is "), "{weight}");
    let factor = report_of("factor", case, |case| case["params"]["f_lst"][1] = json!(-1));
    assert_eq!(factor, "converter_n_pair: noise_model.g_converter.f_lst[1] = -1: must be above 0\n0 passed, 1 failed");
}

#[test]
fn a_changed_device_fails() {
    let response = "devices/pulse_response_soft_bounds.json";
    let mean = report_of("response_mean", response, |case| add(&mut case["expected"]["weight"]["mean"][3], 0.01));
    assert!(mean.starts_with("pulse_response_soft_bounds: mean of weight [3] is "), "{mean}");
    let std = report_of("response_std", response, |case| add(&mut case["expected"]["weight"]["std"][3], 0.01));
    assert!(std.starts_with("pulse_response_soft_bounds: std of weight [3] is "), "{std}");
    let quantile = report_of("response_quantile", response, |case| {
        add(&mut case["expected"]["weight"]["quantiles"][3][1], 0.01);
    });
    assert!(quantile.starts_with("pulse_response_soft_bounds: share of weight [3] up to quantile "), "{quantile}");
    let device = report_of("response_device", response, |case| {
        case["config"]["device"]["class"] = json!("ConstantStepDevice");
        let device = case["config"]["device"].as_object_mut().unwrap();
        let soft = ["mult_noise", "write_noise_std", "apply_write_noise_on_set", "reverse_up", "reverse_down"];
        soft.iter().chain(&["reverse_offset"]).for_each(|field| drop(device.remove(*field)));
    });
    assert!(device.ends_with("0 passed, 1 failed"), "{device}");
    let covariance = report_of("covariance", "devices/rank1_update_default_batch_4.json", |case| {
        add(&mut case["expected"]["weight"]["covariance"][0][1], 2e-6);
    });
    assert!(covariance.starts_with("rank1_update_default_batch_4: covariance of weight [0, 1] is "), "{covariance}");
    let trajectory = "devices/compound_trajectory_buffered.json";
    let buffer = report_of("buffer", trajectory, |case| add(&mut case["expected"]["buffer_0"][2][1][1], 1e-4));
    assert!(buffer.starts_with("compound_trajectory_buffered: buffer_0 ["), "{buffer}");
    let momentum = report_of("momentum", trajectory, |case| case["config"]["device"]["momentum"] = json!(0.3));
    assert!(momentum.ends_with("0 passed, 1 failed"), "{momentum}");
    let fit = report_of("fit", "devices/fit_soft_bounds.json", |case| case["parameters"]["dw_min"] = json!(0.5));
    assert!(fit.ends_with("0 passed, 1 failed"), "{fit}");
}

#[test]
fn cases_that_cannot_run_fail() {
    let case = "mvm/forward_dac_only.json";
    let unknown = report_of("op", case, |case| case["op"] = json!("levitate"));
    assert_eq!(unknown, "forward_dac_only: unknown operation `levitate`\n0 passed, 1 failed");
    let field = report_of("field", case, |case| case["io"]["inp_rse"] = json!(0.1));
    assert!(field.contains("did you mean `inp_res`?\n0 passed, 1 failed"), "{field}");
    let shape = report_of("shape", case, |case| case["inputs"] = json!([[1, 2, 3]]));
    assert!(shape.starts_with("forward_dac_only: panicked: analog product: "), "{shape}");
    let nothing = report_of("nothing", case, |case| *case = json!({}));
    assert_eq!(nothing, "case: unknown operation ``\n0 passed, 1 failed");
}

#[test]
fn a_file_that_is_no_json_fails() {
    let folder = folder("no_json");
    fs::write(folder.join("broken.json"), "{\"name\": ").unwrap();
    let report = conformance::run(&[folder]);
    assert!(!report.is_ok());
    assert!(report.to_string().starts_with("broken: EOF while parsing"), "{report}");
}

#[test]
fn no_case_is_a_failure() {
    let empty = folder("empty");
    let report = conformance::run(std::slice::from_ref(&empty));
    assert!(!report.is_ok());
    assert_eq!(report.to_string(), format!("{}: no cases\n0 passed, 0 failed", empty.display()));
    let missing = conformance::run(&[empty.join("missing"), data("mvm/forward_dac_only.json")]);
    assert!(!missing.is_ok());
    assert!(missing.to_string().ends_with("\n1 passed, 0 failed"), "{missing}");
    assert!(!conformance::run(&[]).is_ok());
}
