//! Facts about the reference's classes that are needed to read a configuration that shows only changed fields.

use crate::node::{Node, Object};
use ohmgrad_analog::config::InferenceRpuConfig;
use ohmgrad_analog::presets;

/// Sections that are structs, with the reference's classes for them. In all others the class is a choice, the field
/// `type`.
const SECTIONS: &[(&str, &str)] = &[
    ("forward", "IOParameters"),
    ("backward", "IOParameters"),
    ("mapping", "MappingParameter"),
    ("pre_post", "PrePostProcessingParameter"),
    ("pre_post.input_range", "InputRangeParameter"),
    ("clip", "WeightClipParameter"),
    ("remap", "WeightRemapParameter"),
    ("modifier", "WeightModifierParameter"),
    ("update", "UpdateParameters"),
];

/// The known classes, each with the defaults that differ from those of our section, as Python prints them (aihwkit
/// `presets/utils.py`, `presets/web.py`, `parameters/io.py`, `configs/configs.py`).
const DEFAULTS: &[&str] = &[
    // Our backward is perfect by default; that of the reference is not.
    "IOParameters(is_perfect=False)",
    "IOParametersIRDropT(is_perfect=False)",
    "PresetIOParameters(is_perfect=False, out_bound=20.0, out_noise=0.1)",
    "WebComposerIOParameters(is_perfect=False, out_bound=20.0, out_noise=0.1)",
    "StandardIOParameters(is_perfect=False, out_bound=10.0, out_noise=0.04, \
     inp_res=0.003937007874015748, out_res=0.003937007874015748)",
    "MappingParameter()",
    "WebComposerMappingParameter(weight_scaling_omega=1.0, weight_scaling_columnwise=True, learn_out_scaling=True)",
    "OldWebComposerMappingParameter(digital_bias=False, weight_scaling_omega=1.0, weight_scaling_columnwise=True, \
     max_input_size=0, max_output_size=0)",
    "PrePostProcessingParameter()",
    "InputRangeParameter()",
    "WeightClipParameter()",
    "WebComposerWeightClipParameter(fixed_value=1.0, type=WeightClipType.FIXED_VALUE)",
    "WeightRemapParameter()",
    "WeightModifierParameter()",
    "WebComposerWeightModifierParameter(std_dev=0.1, type=WeightModifierType.ADD_NORMAL)",
    "UpdateParameters()",
    "PresetUpdateParameters()",
    "DriftParameter()",
    "SimpleDriftParameter()",
    "SingleRPUConfig(noise_model=None, drift_compensation=None)",
    "UnitCellRPUConfig(noise_model=None, drift_compensation=None)",
    "DigitalRankUpdateRPUConfig(noise_model=None, drift_compensation=None)",
    "FloatingPointRPUConfig(forward=IOParameters(is_perfect=True), noise_model=None, drift_compensation=None)",
];

/// The class of our section `ir_drop_t`, IR drop over time.
pub(crate) const IR_DROP_T: &str = "IOParametersIRDropT";

/// Configurations of chips that are trained digitally.
const INFERENCE: &[&str] = &[
    "InferenceRPUConfig",
    "FloatingPointRPUConfig",
    "StandardHWATrainingPreset",
    "WebComposerInferenceRPUConfig",
    "OldWebComposerInferenceRPUConfig",
];

/// Configurations of Torch tiles, which differentiate the forward read.
const TORCH: &[&str] = &["TorchInferenceRPUConfig", "TorchInferenceRPUConfigIRDropT", "FloatingPointPreset"];

/// Configurations of chips that are trained by pulses.
const PULSED: &[&str] = &["SingleRPUConfig", "UnitCellRPUConfig", "DigitalRankUpdateRPUConfig"];

/// The tile classes of the reference that are simulated here. A configuration with another class computes something
/// else.
const TILES: &[&str] = &[
    "aihwkit.simulator.tiles.analog.AnalogTile",
    "aihwkit.simulator.tiles.floating_point.FloatingPointTile",
    "aihwkit.simulator.tiles.inference.InferenceTile",
    TORCH_TILE,
    "aihwkit.simulator.tiles.torch_tile.TorchSimulatorTile",
    "aihwkit.simulator.tiles.torch_tile_irdrop_t.TorchSimulatorTileIRDropT",
    "aihwkit.simulator.tiles.array.TileModuleArray",
];

/// The tile that differentiates the forward read.
const TORCH_TILE: &str = "aihwkit.simulator.tiles.inference_torch.TorchInferenceTile";

/// Fields that mean nothing here as long as they have this value.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("backward.bound_management", "ITERATIVE"),
    ("backward.max_bm_factor", "1000"),
    ("backward.bm_test_negative_bound", "True"),
    ("pre_post.input_range.calibration_info", "None"),
    ("update.d_sparsity", "False"),
    ("runtime.data_type", "FLOAT"),
    ("runtime.on_the_fly_bindings", "False"),
    ("runtime.offload_input", "False"),
    ("runtime.offload_gradient", "False"),
];

/// Fields that the printed form of a class leaves out even if they were changed.
const UNPRINTED: &[(&str, &[&str])] = &[
    ("DualPairConductanceConverter", &["f_lst"]),
    ("NPairConductanceConverter", &["f_lst"]),
    ("CustomPairConductanceConverter", &["f_lst", "g_lst", "invertibility_test"]),
];

/// The class of the reference for the section at a path, if it is a struct.
pub(crate) fn section(path: &str) -> Option<&'static str> {
    SECTIONS.iter().find(|(section, _)| *section == path).map(|(_, class)| *class)
}

/// Returns `true` if a configuration is of a class of aihwkit, or inherits from one.
pub(crate) fn is_known(configuration: &Object) -> bool {
    [INFERENCE, TORCH, PULSED].into_iter().flatten().any(|class| configuration.is(class))
}

/// Returns `true` if a configuration trains its devices by pulses.
pub(crate) fn is_pulsed(configuration: &Object) -> bool {
    PULSED.iter().any(|class| configuration.is(class))
}

/// Returns `true` if gradients are those of the forward read. The tile's class decides, or the configuration's class if
/// no tile is shown.
pub(crate) fn differentiates_the_forward(configuration: &Object) -> bool {
    match configuration.get("tile_class") {
        Some(tile) => is_tile(tile, &[TORCH_TILE]),
        None => TORCH.iter().any(|class| configuration.is(class)),
    }
}

/// The preset of a configuration's class, which has the sections that the configuration does not show.
pub(crate) fn preset(configuration: &Object) -> Option<InferenceRpuConfig> {
    Some(match configuration.class.as_str() {
        "StandardHWATrainingPreset" => presets::standard_hwa_training(),
        "FloatingPointPreset" => presets::floating_point(),
        "WebComposerInferenceRPUConfig" => presets::web_composer(),
        "OldWebComposerInferenceRPUConfig" => presets::old_web_composer(),
        _ => return None,
    })
}

fn is_tile(class: &Node, tiles: &[&str]) -> bool {
    let path = |shown: &str| shown.strip_prefix("<class '").and_then(|rest| rest.strip_suffix("'>")).map(str::to_owned);
    matches!(class, Node::Opaque(shown) if path(shown).is_some_and(|path| tiles.contains(&path.as_str())))
}

/// The defaults of an object's class, or of the nearest class that it inherits from and that is known.
pub(crate) fn defaults(object: &Object) -> Option<Object> {
    let classes = std::iter::once(&object.class).chain(&object.bases);
    let printed = classes.flat_map(|class| {
        DEFAULTS.iter().find(|printed| printed.strip_prefix(class.as_str()).is_some_and(|rest| rest.starts_with('(')))
    });
    match crate::printed::parse(printed.into_iter().next()?) {
        Ok(Node::Object(defaults)) => Some(defaults),
        _ => unreachable!("the table above holds objects"),
    }
}

/// Returns `true` if a field may be left out without a note.
pub(crate) fn has_no_effect(path: &str, value: &Node) -> bool {
    match path {
        "tile_class" | "tile_array_class" | "simulator_tile_class" => is_tile(value, TILES),
        "device" => is_without_dynamics(value),
        "update" => {
            let none = ("pulse_type".to_owned(), Node::Text("NONE".into()));
            matches!(value, Node::Object(update) if update.fields.contains(&none))
        }
        _ => {
            let shown = value.to_string();
            WITHOUT_EFFECT.iter().any(|(field, harmless)| *field == path && *harmless == shown)
        }
    }
}

/// Returns `true` if a device is ideal, without drift, diffusion and decay.
fn is_without_dynamics(device: &Node) -> bool {
    let zero = |node: Option<&Node>| node.is_none_or(|node| ["0", "0.0"].contains(&node.to_string().as_str()));
    let Node::Object(device) = device else { return false };
    let drift = match device.get("drift") {
        Some(Node::Object(drift)) => zero(drift.get("nu")),
        other => other.is_none(),
    };
    let ideal = device.class == "IdealDevice" || device.class == "FloatingPointDevice";
    ideal && drift && zero(device.get("diffusion")) && zero(device.get("lifetime"))
}

/// The fields that the printed form of a class hides.
pub(crate) fn unprinted(class: &str) -> &'static [&'static str] {
    UNPRINTED.iter().find(|(name, _)| *name == class).map_or(&[], |(_, fields)| *fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_defaults_parse() {
        for printed in DEFAULTS {
            let class = printed.split('(').next().unwrap().to_owned();
            assert!(defaults(&Object { class, bases: vec![], fields: vec![] }).is_some(), "{printed}");
        }
        let object = Object { class: "Mine".into(), bases: vec!["PresetIOParameters".into()], fields: vec![] };
        assert_eq!(defaults(&object).unwrap().class, "PresetIOParameters");
        assert!(defaults(&Object { bases: vec![], ..object }).is_none());
    }
}
