//! The JSON Schema in `docs/` is that of the types, and agrees with the reader about what a configuration is.

use std::path::PathBuf;

use jsonschema::Validator;
use ohmgrad_aihwkit::FromAihwkit;
use ohmgrad_analog::{InferenceRpuConfig, presets};
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn validator() -> Validator {
    let schema = serde_json::from_str(&InferenceRpuConfig::json_schema()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn written(config: &InferenceRpuConfig) -> Value {
    serde_json::from_str(&config.to_json_string().unwrap()).unwrap()
}

#[test]
fn the_file_is_up_to_date() {
    let file = std::fs::read_to_string(path("docs/config.schema.json")).unwrap();
    let made = InferenceRpuConfig::json_schema();
    assert!(file.trim_end() == made, "run: cargo run --release --example config_schema > docs/config.schema.json");
}

/// Presets, and configurations imported from the reference.
fn configs() -> Vec<InferenceRpuConfig> {
    let mut configs = vec![
        InferenceRpuConfig::default(),
        presets::standard_hwa_training(),
        presets::floating_point(),
        presets::web_composer(),
        presets::old_web_composer(),
    ];
    for entry in std::fs::read_dir(path("tests/aihwkit")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "json") {
            configs.push(InferenceRpuConfig::from_aihwkit_file(file).unwrap().config);
        }
    }
    assert!(configs.len() > 30);
    configs
}

/// The paths of all fields in a file.
fn paths(value: &Value, at: &str) -> Vec<String> {
    let Value::Object(fields) = value else { return vec![at.to_owned()] };
    let below = |(field, value): (&String, &Value)| paths(value, &format!("{at}.{field}"));
    fields.iter().filter(|(field, _)| field.parse::<f32>().is_err()).flat_map(below).collect()
}

/// A field that is got by its path can be set by it, and so can a section.
#[test]
fn paths_lead_to_fields() {
    let mut count = 0;
    for config in configs() {
        let (written, mut copied) = (written(&config), InferenceRpuConfig::default());
        for (section, value) in written.as_object().unwrap() {
            copied.set(section, config.get(section).unwrap()).unwrap();
            for path in paths(value, section) {
                let mut same = config.clone();
                same.set(&path, config.get(&path).unwrap()).unwrap();
                assert_eq!(same, config, "{path}");
                count += 1;
            }
        }
        assert_eq!(copied, config);
    }
    assert!(count > 3000);
}

#[test]
fn written_configurations_are_valid() {
    let validator = validator();
    for config in configs() {
        let errors: Vec<_> =
            validator.iter_errors(&written(&config)).map(|e| format!("{}: {e}", e.instance_path)).collect();
        assert_eq!(errors, Vec::<String>::new(), "{config}");
    }
}

/// A configuration is accepted by both or by neither.
#[test]
fn schema_and_reader_agree() {
    let validator = validator();
    let cases = [
        ("{}", true),
        (r#"{"forward": {"out_noise": 1}}"#, true),
        (r#"{"forward": {"out_noise": -1}}"#, false),
        (r#"{"forward": {"out_noise": "1"}}"#, false),
        (r#"{"forward": {"out_noize": 1}}"#, false),
        (r#"{"forward": {"noise_management": "ABS_MAX"}}"#, true),
        (r#"{"forward": {"bound_management": "SHIFT"}}"#, false),
        (r#"{"forward": {"ir_drop_t": null}}"#, true),
        (r#"{"forward": {"max_bm_factor": 1.5}}"#, false),
        (r#"{"mapping": {"max_input_size": -1}}"#, false),
        (r#"{"mapping": null}"#, false),
        (r#"{"modifier": {"type": "ADD_NORMAL", "pdrop": 2}}"#, false),
        (r#"{"modifier": {"type": "POLY", "coeffs": [1, 2]}}"#, true),
        (r#"{"modifier": {"coeffs": [true]}}"#, false),
        (r#"{"noise_model": null, "drift_compensation": {"type": "None"}}"#, true),
        (r#"{"noise_model": {"g_max": 20}}"#, true),
        (r#"{"noise_model": {"num_devices": 1}}"#, false),
        (r#"{"noise_model": {"type": "HermesNoiseModel", "num_devices": 1}}"#, true),
        (r#"{"noise_model": {"type": "PCM"}}"#, false),
        (r#"{"noise_model": {"type": "None", "g_max": 20}}"#, false),
        (r#"{"drift_compensation": {"type": "PerColumnDriftCompensation"}}"#, true),
        (r#"{"drift_compensation": {"type": "GlobalDriftCompensation", "x": 1}}"#, false),
        (r#"{"noise_model": {"g_converter": {"type": "DualPairConductanceConverter", "f_lst": [1, 3]}}}"#, true),
        (r#"{"noise_model": {"type": "ReRamWan2022NoiseModel", "coeff_dic": {"1": [0.5]}}}"#, true),
        (r#"{"noise_model": {"type": "ReRamWan2022NoiseModel", "coeff_dic": {"1": 0.5}}}"#, false),
    ];
    for (json, valid) in cases {
        assert_eq!(validator.is_valid(&serde_json::from_str(json).unwrap()), valid, "schema: {json}");
        let read = InferenceRpuConfig::from_json_str(json);
        assert_eq!(read.is_ok(), valid, "reader: {json}: {read:?}");
    }
}
