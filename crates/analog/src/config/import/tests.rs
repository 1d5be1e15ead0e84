use super::*;
use crate::config::{BackwardIoParameters, IoParameters, MappingParameter, NoiseManagement, WeightNoise};

fn import(text: &str) -> Imported {
    InferenceRpuConfig::from_aihwkit(text).unwrap()
}

fn notes(text: &str) -> Vec<String> {
    import(text).notes.iter().map(Note::to_string).collect()
}

#[test]
fn what_is_not_printed_has_the_default_of_its_class() {
    let imported = import("InferenceRPUConfig(forward=IOParameters(), backward=IOParameters(is_perfect=True))");
    assert_eq!(imported, Imported { config: InferenceRpuConfig::default(), notes: vec![] });

    let analog = import("InferenceRPUConfig(backward=IOParameters(w_noise=0.1))");
    let backward = BackwardIoParameters { w_noise: 0.1, ..Default::default() };
    assert_eq!(analog.config, InferenceRpuConfig { backward, ..Default::default() });

    let preset = import("InferenceRPUConfig(forward=StandardIOParameters(out_noise=0.06))");
    let forward = IoParameters { inp_res: 1.0 / 254.0, out_res: 1.0 / 254.0, out_bound: 10.0, ..Default::default() };
    assert_eq!(preset.config, InferenceRpuConfig { forward, ..Default::default() });
}

#[test]
fn what_is_exported_needs_no_knowledge_of_its_class() {
    let text = r#"{"rpu_config": {"class": "Mine", "bases": ["InferenceRPUConfig"], "fields": {
        "tile_class": {"opaque": "<class 'Tile'>"},
        "forward": {"class": "MyIO", "bases": ["IOParameters"], "fields": {
            "w_noise": 0.02, "w_noise_type": "ADDITIVE_CONSTANT", "noise_management": "MAX"}},
        "backward": {"class": "IOParameters", "fields": {
            "is_perfect": true, "bound_management": "ITERATIVE", "max_bm_factor": 1000}},
        "runtime": {"class": "RuntimeParameter", "fields": {"data_type": "DOUBLE"}},
        "mine": 3}}}"#;
    let imported = import(text);
    let forward = IoParameters {
        w_noise: 0.02,
        w_noise_type: WeightNoise::AdditiveConstant,
        noise_management: NoiseManagement::Max,
        ..Default::default()
    };
    assert_eq!(imported.config, InferenceRpuConfig { forward, ..Default::default() });
    let fields: Vec<_> = imported.notes.iter().map(|note| note.field.as_str()).collect();
    assert_eq!(fields, ["runtime.data_type", "mine"]);
}

#[test]
fn notes_say_what_was_left_out_and_why() {
    assert_eq!(
        notes(
            "Mine(forward=MyIO(out_noise=nan), backward=IOParameters(bound_management=Kind.ITERATIVE_WORST_CASE), \
             mapping=MappingParameter(max_input_size=7, colour='red'), \
             device=ConstantStepDevice(w_min=-0.5))"
        ),
        [
            "forward = MyIO: an unknown class, read as IOParameters; its own defaults are not known",
            "forward.out_noise = NaN: must be a finite number (32-bit)",
            "backward.bound_management = ITERATIVE_WORST_CASE: \
             bound management does not exist backwards; leave it out or say \"NONE\"",
            "mapping.colour = red: has no counterpart here",
            "device = ConstantStepDevice(w_min=-0.5): has no counterpart here",
        ]
    );
    let left = import("A(mapping=MappingParameter(max_input_size=7, max_output_size=-1))");
    assert_eq!(left.config.mapping, MappingParameter { max_input_size: 7, ..Default::default() });
    assert_eq!(left.notes[0].field, "mapping.max_output_size");
}

#[test]
fn fields_that_exclude_one_another_are_noted() {
    let imported = import("InferenceRPUConfig(forward=IOParameters(inp_bound=2.0, out_bound=3.0))");
    assert_eq!(imported.config.forward, IoParameters { out_bound: 3.0, ..Default::default() });
    assert_eq!(imported.notes[0].field, "forward.inp_bound");
}

#[test]
fn other_text_is_an_error() {
    let error = |text: &str| InferenceRpuConfig::from_aihwkit(text).unwrap_err().to_string();
    assert_eq!(
        error("IOParameters(out_noise=1.0)"),
        "not valid aihwkit configuration, line 1: `IOParameters` is not a configuration such as InferenceRPUConfig(…)"
    );
    assert!(error("[forward]\nout_noise = 1").contains("something follows the configuration"));
    assert!(error("{\"forward\": {}}").contains("not from export_rpu_config.py"));
    let missing = InferenceRpuConfig::from_aihwkit_file("no/such/file.txt").unwrap_err();
    assert!(missing.to_string().starts_with("no/such/file.txt: "), "{missing}");
    let many: Vec<_> = (0..2 * MOST_NOTES).map(|i| format!("f{i}=1")).collect();
    assert!(error(&format!("RPUConfig({})", many.join(", "))).contains("unknown field"));
}

#[test]
fn a_class_that_is_not_known_goes_with_its_fields() {
    let text =
        |class: &str| Value::Table(vec![("type".into(), Value::Text(class.into())), ("g_max".into(), Value::Null)]);
    let table = |class: &str| vec![("noise_model".to_owned(), text(class))];
    assert_eq!(take(&mut table("MyNoise"), "noise_model.type").unwrap().0, "noise_model");
    assert_eq!(take(&mut table("ADD_NORMAL"), "noise_model.type").unwrap().0, "noise_model.type");
    assert_eq!(take(&mut table("MyNoise"), "noise_model.g_max[2]").unwrap().0, "noise_model.g_max");
    assert_eq!(take(&mut table("MyNoise"), "noise_model.absent").unwrap().0, "noise_model");
    assert_eq!(take(&mut table("MyNoise"), "clip.type"), None);
}

#[test]
fn reads_over_time_become_a_section_of_their_own() {
    let import_io = |fields: &str| {
        import(&format!(
            "TorchInferenceRPUConfigIRDropT(forward=IOParametersIRDropT({fields}), noise_model=PCMLikeNoiseModel())"
        ))
    };
    let by_default = import_io("");
    assert_eq!(by_default.config.forward, IoParameters { ir_drop_t: Some(IrDropT::default()), ..Default::default() });
    assert_eq!(by_default.notes, []);

    let split = import_io("out_noise=0.1, mv_type=AnalogMVType.SPLIT_MODE, ir_drop_segments=16, ir_drop=2.0");
    let timed = IrDropT { mv_type: PulseMode::SplitMode, ir_drop_segments: 16, ir_drop: 2.0, ..Default::default() };
    assert_eq!(split.config.forward, IoParameters { out_noise: 0.1, ir_drop_t: Some(timed), ..Default::default() });
    let fields: Vec<_> = split.notes.iter().map(|note| note.field.as_str()).collect();
    assert_eq!(fields, ["forward.split_mode_bit_shift", "backward.straight_through"]);
}
