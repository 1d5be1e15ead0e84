use super::*;
use crate::reader::{MOST_NOTES, take};
use ohmgrad_analog::config::form::value::Value;
use ohmgrad_analog::config::{
    BackwardIoParameters, DriftCompensationConfig, IoParameters, IrDropT, MappingParameter, NoiseManagement,
    NoiseModelConfig, PulseMode, WeightNoise,
};
use ohmgrad_analog::presets;
use proptest::prelude::*;

fn import(text: &str) -> Imported {
    InferenceRpuConfig::from_aihwkit(text).unwrap()
}

fn notes(text: &str) -> Vec<String> {
    import(text).notes.iter().map(Note::to_string).collect()
}

#[test]
fn fields_that_are_not_printed_have_the_default_of_their_class() {
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
fn exported_configurations_of_unknown_classes_are_read() {
    let text = r#"{"rpu_config": {"class": "Mine", "bases": ["InferenceRPUConfig"], "fields": {
        "tile_class": {"opaque": "<class 'aihwkit.simulator.tiles.inference.InferenceTile'>"},
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
fn notes_have_omissions_and_reasons() {
    assert_eq!(
        notes(
            "Mine(forward=MyIO(out_noise=nan), backward=IOParameters(bound_management=Kind.ITERATIVE_WORST_CASE), \
             mapping=MappingParameter(max_input_size=7, colour='red'), \
             device=ConstantStepDevice(w_min=-0.5))"
        ),
        [
            "configuration = Mine: an unknown class, read as InferenceRPUConfig without what is not shown of it; its own \
             defaults are not known",
            "forward = MyIO: an unknown class, read as IOParameters; its own defaults are not known",
            "forward.out_noise = NaN: must be a finite number (32-bit)",
            "backward.bound_management = ITERATIVE_WORST_CASE: \
             bound management does not exist backwards; leave it out or say \"NONE\"",
            "mapping.colour = red: no field of MappingParameter in aihwkit 1.1: another version or program, with other \
             defaults",
            "device = ConstantStepDevice(w_min=-0.5): has no counterpart here",
        ]
    );
    let left = import("A(mapping=MappingParameter(max_input_size=7, max_output_size=-1))");
    assert_eq!(left.config.mapping, MappingParameter { max_input_size: 7, ..Default::default() });
    assert_eq!(left.notes[1].field, "mapping.max_output_size");
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
    assert!(error(&format!("'x{}'", "α".repeat(40))).contains("is not a configuration"));
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
    let taken = |class: &str, path: &str| take(&mut Value::Table(vec![("noise_model".into(), text(class))]), path);
    assert_eq!(taken("MyNoise", "noise_model.type").unwrap(), "noise_model");
    assert_eq!(taken("ADD_NORMAL", "noise_model.type").unwrap(), "noise_model.type");
    assert_eq!(taken("MyNoise", "noise_model.g_max[2]").unwrap(), "noise_model.g_max");
    assert_eq!(taken("MyNoise", "noise_model.absent").unwrap(), "noise_model");
    assert_eq!(taken("MyNoise", "clip.type"), None);
}

/// The fields of the notes.
fn noted(text: &str) -> Vec<String> {
    import(text).notes.into_iter().map(|note| note.field).collect()
}

#[test]
fn a_configuration_of_another_class_is_noted() {
    let pulsed = "ReRamESPreset(forward=PresetIOParameters(), backward=PresetIOParameters(), \
                  update=PresetUpdateParameters(), device=ReRamESPresetDevice())";
    assert_eq!(noted(pulsed), ["configuration", "update", "device"]);
    assert_eq!(import(pulsed).config.noise_model, NoiseModelConfig::None);
    assert_eq!(import(pulsed).config.drift_compensation, DriftCompensationConfig::None);
    assert_eq!(noted("SingleRPUConfig()"), ["device"]);
    assert_eq!(noted("QuantizedTorchInferenceRPUConfig(forward=IOParameters())"), ["configuration"]);
    let inherits = r#"{"rpu_config": {"class": "Mine", "bases": ["InferenceRPUConfig"], "fields": {"forward": {"class":
        "IOParameters", "fields": {}}, "tile_class": {"opaque": "<class 'mine.InferenceTile'>"}}}}"#;
    assert_eq!(noted(inherits), ["tile_class"]);
    let diffuses = "InferenceRPUConfig(forward=IOParameters(), device=IdealDevice(diffusion=0.01))";
    assert_eq!(noted(diffuses), ["device"]);
}

#[test]
fn the_same_names_of_another_program_are_noted() {
    let text = "TorchInferenceRPUConfig(forward=IOParameters(inp_res=-1, out_noise=0.0, out_noise_per_channel=False), \
                mapping=MappingParameter(max_input_size=-1))";
    assert_eq!(
        notes(text),
        [
            "forward.out_noise_per_channel = False: no field of IOParameters in aihwkit 1.1: another version or program, \
             with other defaults",
            "mapping.max_input_size = -1: must be a whole number, at least 0",
        ]
    );
}

#[test]
fn presets_by_hand_have_their_sections() {
    for (text, preset) in [
        ("StandardHWATrainingPreset()", presets::standard_hwa_training()),
        ("FloatingPointPreset()", presets::floating_point()),
        ("WebComposerInferenceRPUConfig()", presets::web_composer()),
        ("OldWebComposerInferenceRPUConfig()", presets::old_web_composer()),
    ] {
        assert_eq!(import(text), Imported { config: preset, notes: vec![] }, "{text}");
    }
}

#[test]
fn the_tile_decides_about_the_backward() {
    let tile = "aihwkit.simulator.tiles.inference_torch.TorchInferenceTile";
    let imported = import(&format!("InferenceRPUConfig(forward=IOParameters(), tile_class=<class '{tile}'>)"));
    assert!(imported.config.backward.straight_through && imported.notes.is_empty());
}

#[test]
fn long_and_deep_texts_take_no_time() {
    let start = std::time::Instant::now();
    let fields = |n: usize| (0..n).map(|i| format!("f{i}=1")).collect::<Vec<_>>().join(", ");
    let error = |text: &str| InferenceRpuConfig::from_aihwkit(text).unwrap_err().to_string();
    assert!(error(&format!("RPUConfig({})", fields(100_000))).contains("unknown field"));
    assert!(error(&format!("RPUConfig(forward=IOParameters({}))", fields(100_000))).contains("unknown field"));
    assert!(error(&format!("{}{}", "A(x=".repeat(100_000), ")".repeat(100_000))).contains("nested too deeply"));
    let json = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    assert!(error(&format!("{{\"rpu_config\": {}}}", json(100_000))).contains("recursion limit"));
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn reads_over_time_become_a_separate_section() {
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

proptest! {
    /// Texts that are nearly a configuration: known words in any order, and a printed configuration with a part
    /// replaced.
    #[test]
    fn no_text_breaks_it(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..40),
        at in 0..PRINTED.len(),
        length in 0..60usize,
    ) {
        let text = words.concat();
        let _ = InferenceRpuConfig::from_aihwkit(&text);
        let _ = InferenceRpuConfig::from_aihwkit(&format!("InferenceRPUConfig({text})"));
        let spliced = format!("{}{text}{}", &PRINTED[..at], &PRINTED[(at + length).min(PRINTED.len())..]);
        if let Ok(imported) = InferenceRpuConfig::from_aihwkit(&spliced) {
            prop_assert!(imported.config.validate().is_ok());
        }
    }
}

const PRINTED: &str = "InferenceRPUConfig(mapping=MappingParameter(weight_scaling_omega=1.0, max_input_size=7), \
    forward=IOParameters(inp_bound=2.0, out_noise=0.1, w_noise_type=WeightNoiseType.PCM_READ), \
    noise_model=PCMLikeNoiseModel(g_converter=DualPairConductanceConverter(g_max=25.00, g_min=0.00), g_max=25.0, \
    prog_coeff_g_max_reference=25.0, prog_coeff=[0.26348, 1.965, -1.1731], t_0=20.0, t_read=2.5e-07), \
    drift_compensation=None, clip=WeightClipParameter(type=WeightClipType.NONE), device=IdealDevice())";

const WORDS: &[&str] = &[
    "forward=",
    "backward=",
    "noise_model=",
    "modifier=",
    "pre_post=",
    "device=",
    "tile_class=",
    "IOParameters(",
    "(",
    ")",
    "IOParametersIRDropT(",
    "StandardHWATrainingPreset(",
    "PCMLikeNoiseModel(",
    "{",
    "}",
    "[",
    "]",
    ",",
    ", ",
    "'",
    "<class 'a'>",
    "<a.B: 'b'>",
    "inp_bound=",
    "mv_type=",
    "type=",
    "g_max=",
    "coeffs=",
    "SPLIT_MODE",
    "None",
    "True",
    "-1",
    "0",
    "2.0",
    "1e300",
    "nan",
    "inf",
    "1e-320",
    "99999999999999999999",
    "\n",
    "# ",
    "é",
    ":",
    "=",
];
