use std::collections::BTreeSet;

use super::*;
use crate::config::form::setting::join;
use crate::config::form::value::Value;
use crate::presets;

/// Configurations as TOML, and the fields that have no effect in them.
const CASES: &[(&str, &str)] = &[
    ("forward = { w_noise = 0.02 }", "forward.w_noise"),
    ("forward = { w_noise_type = 'PCM_READ' }", "forward.w_noise_type"),
    ("forward = { noise_management = 'NONE', nm_thres = 2 }", "forward.nm_thres"),
    ("forward = { noise_management = 'AVERAGE_ABS_MAX', nm_thres = 2, nm_decay = 0.1 }", "forward.nm_thres"),
    ("forward = { nm_decay = 0.1, nm_assumed_wmax = 0.5 }", "forward.nm_assumed_wmax forward.nm_decay"),
    ("forward = { bound_management = 'ITERATIVE_WORST_CASE', nm_assumed_wmax = 0.5, max_bm_factor = 4 }", ""),
    (
        "forward = { bound_management = 'ITERATIVE_WORST_CASE', noise_management = 'NONE', nm_assumed_wmax = 0.5 }",
        "forward.nm_assumed_wmax",
    ),
    ("forward = { bound_management = 'ITERATIVE_WORST_CASE', noise_management = 'AVERAGE_ABS_MAX', nm_thres = 2 }", ""),
    (
        "forward = { bound_management = 'NONE', max_bm_res = 0.5, max_bm_factor = 4, bm_test_negative_bound = false }",
        "forward.max_bm_res forward.max_bm_factor forward.bm_test_negative_bound",
    ),
    (
        "forward = { out_bound = 0, bound_management = 'ITERATIVE_WORST_CASE', out_res = 8, out_sto_round = true }",
        "forward.out_res forward.out_sto_round forward.bound_management",
    ),
    ("forward = { inp_res = -1, inp_sto_round = true }", "forward.inp_sto_round"),
    ("forward = { noise_management = 'NONE', inp_bound = 0, inp_res = 8 }", "forward.inp_res"),
    ("forward = { inp_res = -1, max_bm_res = 0.5 }", "forward.max_bm_res"),
    ("forward = { out_noise = 0, out_noise_std = 0.1 }", "forward.out_noise_std"),
    (
        "forward = { ir_drop_g_ratio = 1, out_nonlinearity_std = 0.1, slope_calibration = 0.5, v_offset_w_min = 0 }",
        "forward.ir_drop_g_ratio forward.out_nonlinearity_std forward.slope_calibration forward.v_offset_w_min",
    ),
    ("forward = { r_series = 0.1, slope_calibration = 0.5, v_offset_w_min = 0 }", ""),
    ("forward = { w_read_asymmetry_dtod = 0.1 }", "forward.w_read_asymmetry_dtod"),
    ("forward = { w_read_asymmetry_dtod = 0.1, mv_type = 'POS_NEG_SEPARATE' }", ""),
    (
        "forward = { is_perfect = true, out_scale = 2, inp_noise = 0.1, ir_drop_t = {} }",
        "forward.inp_noise forward.ir_drop_t",
    ),
    ("forward = { mv_type = 'IDEAL', noise_management = 'NONE' }", "forward.noise_management"),
    (
        "forward.ir_drop_t = { split_mode_bit_shift = 2, xdep_pcm_read_noise_scale = 2 }",
        "forward.ir_drop_t.split_mode_bit_shift forward.ir_drop_t.xdep_pcm_read_noise_scale",
    ),
    (
        "forward.ir_drop_t = { mv_type = 'BIT_WISE', ir_drop_time_step_resolution_scale = 2 }",
        "forward.ir_drop_t.ir_drop_time_step_resolution_scale",
    ),
    (
        "forward.ir_drop_t = { ir_drop = 0, ir_drop_time_step_resolution_scale = 2 }",
        "forward.ir_drop_t.ir_drop_time_step_resolution_scale",
    ),
    ("forward.ir_drop_t = { adc_quantization = false, adc_frequency = 1 }", "forward.ir_drop_t.adc_frequency"),
    (
        "forward.ir_drop_t = { ir_drop = 0, ir_drop_rs = 1, ir_drop_segments = 4, ir_drop_v_read = 0.5, \
         adc_quantization = false, ir_drop_integration_sum = true }",
        "forward.ir_drop_t.ir_drop_rs forward.ir_drop_t.ir_drop_segments forward.ir_drop_t.ir_drop_v_read \
         forward.ir_drop_t.adc_quantization forward.ir_drop_t.ir_drop_integration_sum",
    ),
    ("backward = { out_noise = 0.1, mask_saturated = true, out_scale = 2 }", "backward.out_noise"),
    ("backward = { is_perfect = false, w_noise = 0.1 }", "backward.w_noise"),
    ("forward = { out_bound = 0 }\nbackward = { mask_saturated = true }", "backward.mask_saturated"),
    ("backward = { straight_through = true, out_scale = 2 }", "backward.out_scale"),
    (
        "mapping = { weight_scaling_columnwise = true, weight_scaling_lr_compensation = true }",
        "mapping.weight_scaling_columnwise mapping.weight_scaling_lr_compensation",
    ),
    ("mapping = { weight_scaling_lr_compensation = true }\nremap = { type = 'LAYERWISE_SYMMETRIC' }", ""),
    ("mapping = { out_scaling_columnwise = true }", "mapping.out_scaling_columnwise"),
    (
        "noise_model = { prog_noise_scale = 0, prog_coeff = [1], prog_coeff_g_max_reference = 20 }",
        "noise_model.prog_coeff noise_model.prog_coeff_g_max_reference",
    ),
    ("noise_model = { read_noise_scale = 0, t_read = 1e-6, t_0 = 10 }", "noise_model.t_read"),
    (
        "noise_model = { type = 'StateIndependentNoiseModel', read_noise_scale = 0, drift_scale = 0, t_0 = 10, \
         drift_nu_mean = 0, drift_nu_std = 0 }",
        "noise_model.drift_nu_mean noise_model.drift_nu_std noise_model.t_0",
    ),
    (
        "noise_model = { type = 'ReRamCMONoiseModel', prog_noise_scale = 0, read_noise_scale = 0, drift_scale = 0, \
         acceptance_range = 2, coeff_dict = { 2 = [1, 1] }, decay_dict = { mean = [0] }, read_dict = { K = 1 } }",
        "noise_model.coeff_dict noise_model.acceptance_range noise_model.decay_dict noise_model.read_dict",
    ),
    (
        "noise_model = { type = 'ReRamWan2022NoiseModel', noise_scale = 0, coeff_dic = { 1 = [1] }, \
         coeff_g_max_reference = 1 }",
        "noise_model.coeff_dic noise_model.coeff_g_max_reference",
    ),
    (
        "noise_model = { type = 'CustomDriftPCMLikeNoiseModel', drift_scale = 0, custom_drift_model = \
         { g_lst = [0, 25], nu_mean_lst = [0, 0], nu_std_lst = [0, 0] } }",
        "noise_model.custom_drift_model",
    ),
    ("modifier = { std_dev = 0.1, pdrop = 0.1 }", "modifier.std_dev modifier.pdrop"),
    ("modifier = { per_batch_sample = true }", "modifier.per_batch_sample"),
    ("modifier = { type = 'ADD_NORMAL', enable_during_test = true }", "modifier.type"),
    ("modifier = { type = 'ADD_NORMAL', std_dev = 0.1, res = 0.1 }", "modifier.res"),
    (
        "modifier = { type = 'DISCRETIZE', std_dev = 0.1, res = 0.1, dorefa_clip = 1, coeffs = [1], g_max = 20 }",
        "modifier.std_dev modifier.dorefa_clip modifier.coeffs modifier.g_max",
    ),
    ("modifier = { type = 'DOREFA', dorefa_clip = 1 }", "modifier.dorefa_clip modifier.type"),
    ("modifier = { type = 'DISCRETIZE', sto_round = true }", "modifier.sto_round modifier.type"),
    (
        "modifier = { type = 'COPY', enable_during_test = true, copy_last_column = true, rel_to_actual_wmax = false }",
        "modifier.rel_to_actual_wmax modifier.type modifier.enable_during_test modifier.copy_last_column",
    ),
    ("modifier = { type = 'DROP_CONNECT', pdrop = 0.1, enable_during_test = true }", ""),
    ("modifier = { type = 'ADD_NORMAL', std_dev = 0.1, assumed_wmax = 2 }", "modifier.assumed_wmax"),
    ("modifier = { type = 'PCM_NOISE', std_dev = 1, pcm_t0 = 1, g_max = 20 }", ""),
    (
        "modifier = { type = 'POLY', std_dev = 1, pcm_zero_thres = 1, pcm_t_inference = 1, pcm_prob_at_reset = 1, \
         pcm_prob_at_gmax = 1, pcm_prob_at_random = 1, pcm_t0 = 1 }",
        "modifier.pcm_zero_thres modifier.pcm_t_inference modifier.pcm_prob_at_reset modifier.pcm_prob_at_gmax \
         modifier.pcm_prob_at_random modifier.pcm_t0",
    ),
    ("clip = { fixed_value = 1, sigma = 2 }", "clip.fixed_value clip.sigma"),
    ("clip = { type = 'FIXED_VALUE' }", "clip.type"),
    ("clip = { type = 'LAYER_GAUSSIAN', sigma = 2 }", ""),
    ("remap = { remapped_wmax = 0.5 }", "remap.remapped_wmax"),
    (
        "remap = { type = 'LAYERWISE_SYMMETRIC', max_scale_range = 2, max_scale_ref = 1 }",
        "remap.max_scale_range remap.max_scale_ref",
    ),
    ("remap = { type = 'CHANNELWISE_SYMMETRIC', max_scale_ref = 1 }", "remap.max_scale_ref"),
    (
        "pre_post.input_range = { init_value = 2, learn_input_range = false, init_from_data = 0 }",
        "pre_post.input_range.learn_input_range pre_post.input_range.init_value pre_post.input_range.init_from_data",
    ),
    (
        "pre_post.input_range = { enable = true, learn_input_range = false, decay = 0, gradient_relative = false }",
        "pre_post.input_range.decay pre_post.input_range.gradient_relative",
    ),
    (
        "pre_post.input_range = { enable = true, learn_input_range = false, manage_output_clipping = true }\n\
         forward = { noise_management = 'NONE', bound_management = 'NONE' }",
        "pre_post.input_range.manage_output_clipping",
    ),
    (
        "pre_post.input_range = { enable = true, decay = 0, input_min_percentage = 0.5, init_from_data = 0, \
         init_std_alpha = 2, gradient_relative = false, gradient_scale = 2, output_min_percentage = 0.5 }",
        "pre_post.input_range.init_std_alpha pre_post.input_range.input_min_percentage \
         pre_post.input_range.output_min_percentage pre_post.input_range.gradient_scale",
    ),
];

/// The fields that always have an effect where their section has one.
const ALWAYS: &str = "forward.is_perfect forward.mv_type forward.inp_bound forward.inp_asymmetry forward.out_bound \
    forward.out_noise forward.out_scale forward.out_asymmetry forward.ir_drop forward.out_nonlinearity \
    forward.v_offset_std forward.r_series forward.ir_drop_t.mv_type forward.ir_drop_t.ir_drop \
    forward.ir_drop_t.apply_xdep_pcm_read_noise backward.is_perfect backward.mv_type backward.straight_through \
    mapping.digital_bias mapping.weight_scaling_omega mapping.learn_out_scaling mapping.max_input_size \
    mapping.max_output_size noise_model.type noise_model.g_converter noise_model.num_devices noise_model.g_max \
    noise_model.g_min noise_model.prog_noise_scale noise_model.read_noise_scale noise_model.drift_scale \
    noise_model.noise_scale drift_compensation.type remap.type pre_post.input_range.enable";

fn noted(config: &InferenceRpuConfig) -> Vec<String> {
    config.warnings().into_iter().map(|note| note.field).collect()
}

#[test]
fn every_kind_without_effect_has_a_warning() {
    for (toml, fields) in CASES {
        let config = InferenceRpuConfig::from_toml_str(toml).unwrap_or_else(|error| panic!("{toml}: {error}"));
        assert_eq!(noted(&config), fields.split_whitespace().collect::<Vec<_>>(), "{toml}");
    }
}

#[test]
fn fields_with_an_effect_have_no_warning() {
    for config in [
        InferenceRpuConfig::default(),
        presets::standard_hwa_training(),
        presets::floating_point(),
        presets::web_composer(),
        presets::old_web_composer(),
    ] {
        assert_eq!(config.warnings(), [], "{config}");
    }
}

/// Every field has a case above, or is among those that always have an effect.
#[test]
fn every_field_has_a_case() {
    let mut fields = BTreeSet::new();
    for name in NoiseModelConfig::NAMES {
        let config = InferenceRpuConfig {
            noise_model: NoiseModelConfig::named(name),
            forward: IoParameters { ir_drop_t: Some(IrDropT::default()), ..Default::default() },
            ..Default::default()
        };
        let Value::Table(sections) = Setting::get(&config) else { unreachable!("a section") };
        for (section, value) in sections {
            collect(&value, &section, &mut fields);
        }
    }
    for known in CASES.iter().flat_map(|(_, fields)| fields.split_whitespace()).chain(ALWAYS.split_whitespace()) {
        let below = format!("{known}.");
        fields.retain(|field| field != known && !field.starts_with(&below));
    }
    // Backward fields have warnings like those of forward fields.
    fields.retain(|field| !field.strip_prefix("backward.").is_some_and(is_field_of_io));
    assert_eq!(fields, BTreeSet::new());
}

fn is_field_of_io(name: &str) -> bool {
    IoParameters::default().fields().iter().any(|field| field.name == name)
}

fn collect(value: &Value, at: &str, fields: &mut BTreeSet<String>) {
    match value {
        Value::Table(entries) => entries.iter().for_each(|(name, value)| collect(value, &join(at, name), fields)),
        _ => drop(fields.insert(at.to_owned())),
    }
}
