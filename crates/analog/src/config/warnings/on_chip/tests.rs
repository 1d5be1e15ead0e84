use std::collections::BTreeSet;

use crate::cell::{UnitCellConfig, presets};
use crate::config::class::Classes;
use crate::config::setting::{Setting, join};
use crate::config::value::Value;
use crate::config::{
    DigitalRankUpdateRpuConfig, FloatingPointRpuConfig, RpuConfig, SingleRpuConfig, UnitCellRpuConfig,
};
use crate::device::{DeviceConfig, SoftBounds};

const SINGLE: &str = "type = 'SingleRPUConfig'\n";
const PAIR: &str = "unit_cell_devices = [{ type = 'SoftBoundsDevice' }, { type = 'SoftBoundsDevice' }]";

/// Types of devices with fields, and the fields without effect.
const DEVICES: &[(&str, &str)] = &[
    (
        "'ConstantStepDevice', dw_min_dtod = 0, dw_min_dtod_log_normal = true, corrupt_devices_range = 0.2, \
         diffusion_dtod = 0.1, lifetime_dtod = 0.1",
        "dw_min_dtod_log_normal corrupt_devices_range diffusion_dtod lifetime_dtod",
    ),
    ("'ConstantStepDevice', dw_min_dtod_log_normal = true, diffusion = 0.1, diffusion_dtod = 0.1", ""),
    ("'SoftBoundsDevice', apply_write_noise_on_set = false", "apply_write_noise_on_set"),
    ("'SoftBoundsDevice', apply_write_noise_on_set = false, write_noise_std = 1", ""),
    ("'SoftBoundsDevice', dw_min_std = 0, mult_noise = false, reverse_offset = 0.1", "mult_noise reverse_offset"),
    ("'SoftBoundsDevice', reverse_up = true, reverse_offset = 0.1", ""),
    ("'SoftBoundsPmaxDevice', dw_min_std = 0, mult_noise = false, reverse_offset = 0.1", "mult_noise reverse_offset"),
    ("'SoftBoundsReferenceDevice', dw_min_std = 0, mult_noise = true", "mult_noise"),
    (
        "'LinearStepDevice', gamma_up_dtod = 0, gamma_down_dtod = 0, allow_increasing = true, \
         mean_bound_reference = false, mult_noise = false",
        "allow_increasing mean_bound_reference mult_noise",
    ),
    ("'LinearStepDevice', gamma_up = 0.1, allow_increasing = true, mean_bound_reference = false", ""),
    (
        "'LinearStepDevice', gamma_up_dtod = 0, gamma_down_dtod = 0, reverse_up = true, reverse_down = true",
        "reverse_up reverse_down",
    ),
    ("'ExpStepDevice', dw_min_std = 0, dw_min_std_add = 1, dw_min_std_slope = 1", "dw_min_std_add dw_min_std_slope"),
    ("'ExpStepDevice', A_up = 0, A_down = 0, gamma_up = 1, gamma_down = 1", "gamma_up gamma_down"),
    (
        "'PowStepDevice', pow_gamma = 0, pow_gamma_dtod = 0.2, pow_up_down = 0.1, pow_up_down_dtod = 0.1",
        "pow_gamma_dtod pow_up_down pow_up_down_dtod",
    ),
    ("'PowStepReferenceDevice', n_estimation_steps = 10", "n_estimation_steps"),
    ("'PowStepReferenceDevice', n_estimation_steps = 10, subtract_symmetry_point = true", ""),
    ("'IdealDevice', lifetime = 0.5", "lifetime"),
    ("'IdealDevice', lifetime = 5, diffusion = 0.1", ""),
    (
        "'ConstantStepDevice', drift = { nu_dtod = 0.1, nu_std = 0.1, t_0 = 2, reset_tol = 1, wg_ratio = 2, \
         g_offset = 1, w_offset = 1, log_g0 = 1 }",
        "drift.nu_dtod drift.nu_std drift.t_0 drift.g_offset drift.w_offset drift.reset_tol drift.wg_ratio drift.log_g0",
    ),
    ("'ConstantStepDevice', drift = { w_noise_std = 0.1, reset_tol = 1, t_0 = 2 }", "drift.t_0"),
    ("'ConstantStepDevice', drift = { nu = 0.1, nu_dtod = 0.1, t_0 = 2, reset_tol = 1, w_offset = 1 }", ""),
    ("'ConstantStepDevice', drift = { nu = 0.1, wg_ratio = 2 }", "drift.wg_ratio"),
    ("'ConstantStepDevice', drift = { nu_k = 0.1, wg_ratio = 2, log_g0 = 1 }", ""),
];

/// Fields of `update`, and the fields without effect.
const UPDATES: &[(&str, &str)] = &[
    ("update_management = false, fixed_bl = false", "fixed_bl update_management"),
    ("update_bl_management = false, fixed_bl = false, update_management = false", ""),
    ("update_bl_management = false, update_management = false, um_grad_scale = 0.5", "um_grad_scale"),
    ("um_grad_scale = 0.5, desired_bl = 10, res = 0.1, sto_round = true", ""),
    ("sto_round = true, x_res_implicit = 0.1", "x_res_implicit sto_round"),
    ("pulse_type = 'DETERMINISTIC_IMPLICIT', res = 0.1, d_res_implicit = 0.1, sto_round = true", "res"),
    ("pulse_type = 'MEAN_COUNT', d_res_implicit = 0.1", "d_res_implicit"),
    ("pulse_type = 'NONE_WITH_DEVICE', desired_bl = 10, um_grad_scale = 0.5", "desired_bl um_grad_scale"),
];

/// Cells with fields, and the fields without effect.
const CELLS: &[(&str, &str)] = &[
    ("type = 'VectorUnitCell', first_update_idx = 1", "first_update_idx"),
    ("type = 'VectorUnitCell', first_update_idx = 1, update_policy = 'SINGLE_FIXED'", ""),
    ("type = 'VectorUnitCell', first_update_idx = 1, update_policy = 'SINGLE_SEQUENTIAL'", ""),
    (
        "type = 'OneSidedUnitCell', units_in_mbatch = false, refresh_upper_thres = 0.5, refresh_lower_thres = 0.5, \
         refresh_forward = { out_noise = 0.1 }, refresh_update = { desired_bl = 1 }",
        "units_in_mbatch refresh_upper_thres refresh_lower_thres refresh_forward.out_noise refresh_update.desired_bl",
    ),
    (
        "type = 'OneSidedUnitCell', refresh_every = 1, refresh_upper_thres = 0.5, refresh_update = { fixed_bl = false }, \
         refresh_forward = { w_noise = 0.1, max_bm_factor = 4 }",
        "refresh_forward.max_bm_factor refresh_forward.w_noise refresh_update.fixed_bl",
    ),
    (
        "type = 'TransferCompound', gamma = 0.5, gamma_vec = [0.5, 1], transfer_every = 2, transfer_every_vec = [1, 1], \
         transfer_lr = 2, transfer_lr_vec = [1, 1], fast_lr = 0, scale_fast_lr = false",
        "gamma transfer_lr scale_fast_lr transfer_every",
    ),
    (
        "type = 'TransferCompound', gamma = 0.5, transfer_every = 2, transfer_lr = 2, scale_fast_lr = false, \
         transfer_forward = { noise_management = 'CONSTANT', nm_thres = 1, is_perfect = true, out_noise = 0.1 }",
        "transfer_forward.noise_management transfer_forward.nm_thres transfer_forward.out_noise",
    ),
    (
        "type = 'BufferedTransferCompound', transfer_forward = { bound_management = 'NONE', noise_management = 'NONE' }, \
         transfer_every = 2, transfer_every_vec = [1, 1], transfer_update = { um_grad_scale = 0.5 }",
        "transfer_every transfer_update.um_grad_scale",
    ),
    (
        "type = 'ChoppedTransferCompound', in_chop_prob = 0, in_chop_random = false, auto_momentum = 0.5, no_buffer = true, \
         momentum = 0.5, forget_buffer = false",
        "in_chop_random auto_momentum momentum forget_buffer",
    ),
    ("type = 'ChoppedTransferCompound', fast_lr = 0, auto_scale = true, auto_momentum = 0.5", "auto_scale"),
    ("type = 'DynamicTransferCompound', buffer_cap = 1", "buffer_cap"),
    ("type = 'DynamicTransferCompound', buffer_cap = 1, forget_buffer = false, momentum = 0.5", ""),
    (
        "type = 'ResidualTransferCompound', scale_fast_lr = false, transfer_every_growth = 3, warm_start = 10",
        "scale_fast_lr transfer_every_growth",
    ),
    (
        "type = 'RiderTransferCompound', fast_lr = 0, scale_fast_lr = true, in_chop_prob = 0, in_chop_random = true, \
         no_buffer = true, buffer_granularity = 2, auto_granularity = 5, step = 2, momentum = 0.5, forget_buffer = false",
        "scale_fast_lr in_chop_random buffer_granularity auto_granularity step momentum forget_buffer",
    ),
];

/// Fields of digital sums, and the fields without effect.
const SUMS: &[(&str, &str)] = &[
    ("random_row = true, stoc_round_x = false, stoc_round_d = false", "random_row stoc_round_x stoc_round_d"),
    ("random_row = true, n_rows_per_transfer = 1, n_x_bins = 4, stoc_round_x = false", ""),
    (
        "transfer_every = 0, n_rows_per_transfer = 1, random_row = true, granularity = 1, transfer_lr = 2",
        "n_rows_per_transfer random_row granularity transfer_lr",
    ),
    ("device = { type = 'SoftBoundsDevice', lifetime_dtod = 0.1 }", "device.lifetime_dtod"),
];

fn noted(toml: &str) -> Vec<String> {
    let config = RpuConfig::from_toml_str(toml).unwrap_or_else(|error| panic!("{toml}: {error}"));
    config.warnings().into_iter().map(|note| note.field).collect()
}

fn check(section: &str, toml: &str, fields: &str) {
    let fields: Vec<String> = fields.split_whitespace().map(|field| join(section, field)).collect();
    assert_eq!(noted(toml), fields, "{toml}");
}

#[test]
fn every_kind_without_effect_has_a_warning() {
    for (device, fields) in DEVICES {
        check("device", &format!("{SINGLE}device = {{ type = {device} }}"), fields);
    }
    for (update, fields) in UPDATES {
        let notes: BTreeSet<String> = noted(&format!("{SINGLE}update = {{ {update} }}")).into_iter().collect();
        assert_eq!(notes, fields.split_whitespace().map(|field| join("update", field)).collect(), "{update}");
    }
    for (cell, fields) in CELLS {
        check("device", &format!("type = 'UnitCellRPUConfig'\ndevice = {{ {PAIR}, {cell} }}"), fields);
    }
    for (sum, fields) in SUMS {
        check("device", &format!("type = 'DigitalRankUpdateRPUConfig'\ndevice = {{ {sum} }}"), fields);
    }
}

/// Warnings of one section about another.
#[test]
fn sections_that_use_no_others_say_so() {
    let exact = format!(
        "{SINGLE}device = {{ dw_min = 0.1, lifetime = 5 }}\nupdate = {{ pulse_type = 'NONE', desired_bl = 1 }}"
    );
    assert_eq!(noted(&exact), ["device.dw_min", "update.desired_bl"]);
    let ideal = format!("{SINGLE}device = {{ type = 'IdealDevice' }}\nupdate.desired_bl = 1");
    assert_eq!(noted(&ideal), ["update.desired_bl"]);
    let sum = "type = 'DigitalRankUpdateRPUConfig'\nupdate = { update_bl_management = false, desired_bl = 1 }";
    assert_eq!(noted(sum), ["update.update_bl_management"]);
    let of_array = format!("type = 'UnitCellRPUConfig'\ndevice = {{ {PAIR} }}").replacen(
        "'SoftBoundsDevice'",
        "'SoftBoundsDevice', diffusion_dtod = 0.1",
        1,
    );
    assert_eq!(noted(&of_array), ["device.unit_cell_devices[0].diffusion_dtod"]);
    let read = format!("{SINGLE}forward = {{ w_noise = 0.1 }}\nbackward = {{ out_noise_std = 0.1, out_noise = 0 }}");
    assert_eq!(noted(&read), ["forward.w_noise", "backward.out_noise_std"]);
    assert_eq!(noted("type = 'FloatingPointRPUConfig'\ndevice.lifetime = 0.5"), ["device.lifetime"]);
}

#[test]
fn presets_have_no_warning() {
    for preset in presets::all() {
        let config = RpuConfig::from(preset);
        assert_eq!(config.warnings(), [], "{config}");
    }
}

/// The fields that always have an effect where their section has one. `reset`, `reset_dtod` and `reset_std` have one
/// where a program or a cell resets devices.
const ALWAYS: &str = "type unit_cell_devices pulse_type update_bl_management dw_min dw_min_dtod dw_min_std up_down up_down_dtod w_max w_max_dtod w_min w_min_dtod \
    enforce_consistency corrupt_devices_prob perfect_bias diffusion lifetime reset reset_dtod reset_std write_noise_std nu \
    nu_k w_noise_std gamma_up gamma_down gamma_up_dtod gamma_down_dtod p_max alpha range_min range_max slope_up_dtod \
    slope_down_dtod reference_mean reference_std subtract_symmetry_point A_up A_down a b reference_granularity pow_gamma \
    piecewise_up piecewise_down update_policy gamma_vec refresh_every transfer_every_vec no_self_transfer transfer_columns \
    fast_lr transfer_lr_vec scale_transfer_lr n_reads_per_transfer random_selection with_reset_prob thres_scale step \
    in_chop_prob buffer_granularity auto_granularity correct_gradient_magnitudes out_chop_prob no_buffer \
    tail_weightening experimental_correct_accumulation transfer_lr_growth warm_start reference_lr n_x_bins n_d_bins";

/// Every field of a device, cell or update has a case above, or is among those that always have an effect.
#[test]
fn every_field_has_a_case() {
    let mut fields = BTreeSet::new();
    let devices =
        DeviceConfig::NAMES.iter().map(|name| SingleRpuConfig { device: Classes::named(name), ..Default::default() });
    let cells = UnitCellConfig::NAMES
        .iter()
        .map(|name| UnitCellRpuConfig { device: Classes::named(name), ..Default::default() });
    let configs = devices.map(RpuConfig::from).chain(cells.map(RpuConfig::from));
    for config in
        configs.chain([DigitalRankUpdateRpuConfig::default().into(), FloatingPointRpuConfig::default().into()])
    {
        ["device", "update"].iter().for_each(|section| collect(Setting::get(&config).find(section), &mut fields));
    }
    let cases = [DEVICES, UPDATES, CELLS, SUMS].concat();
    let known = cases.iter().flat_map(|(_, fields)| fields.split_whitespace()).chain(ALWAYS.split_whitespace());
    for name in known.filter_map(|field| field.rsplit('.').next()) {
        fields.remove(name);
    }
    // Reads of lines have the warnings of reads.
    let of_reads = Setting::get(&crate::IoParameters::default());
    fields.retain(|field| of_reads.find(field).is_none());
    assert_eq!(fields, BTreeSet::new());
}

/// The names of the fields in a section and in those inside of it.
fn collect(value: Option<&Value>, fields: &mut BTreeSet<String>) {
    let Some(Value::Table(entries)) = value else { return };
    for (name, value) in entries {
        match value {
            Value::Table(_) => collect(Some(value), fields),
            _ => drop(fields.insert(name.clone())),
        }
    }
}

/// The defaults of a class are its own, not those of the class that the section has by default.
#[test]
fn defaults_of_a_class_are_no_settings() {
    let device = SoftBounds { dw_min_std: 0.0, ..Default::default() };
    let config = RpuConfig::from(SingleRpuConfig { device: device.into(), ..Default::default() });
    assert_eq!(config.warnings(), []);
}
