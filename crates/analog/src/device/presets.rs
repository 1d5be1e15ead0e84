//! The reference's device presets (aihwkit `presets/devices.py`), with its values; `docs/devices.md` has them in a
//! table.
//!
//! Each is a plain value to start from: `LinearStep { lifetime: 0.0, ..presets::capacitor() }`.

use super::{ConstantStep, ExpStep, LinearStep, SoftBoundsReference};

/// Nearly ideal steps: 10,000 states, no asymmetry (Rasch, Gokmen & Haensch, IEEE Des. Test 37, 19 (2020)).
#[doc(alias = "IdealizedPresetDevice")]
pub fn idealized() -> ConstantStep {
    ConstantStep { dw_min: 0.0002, up_down_dtod: 0.0, w_max: 1.0, w_min: -1.0, ..Default::default() }
}

/// The baseline device of Gokmen & Vlasov, Front. Neurosci. 10, 333 (2016).
#[doc(alias = "GokmenVlasovPresetDevice")]
pub fn gokmen_vlasov() -> ConstantStep {
    ConstantStep { dw_min: 0.0016, w_max: 1.0, w_min: -1.0, ..Default::default() }
}

/// A capacitor in trench technology, which leaks (Li et al., VLSI 2018).
#[doc(alias = "CapacitorPresetDevice")]
pub fn capacitor() -> LinearStep {
    LinearStep {
        dw_min: 0.005,
        dw_min_dtod: 0.1,
        up_down_dtod: 0.06,
        w_max: 1.0,
        w_min: -1.0,
        w_max_dtod: 0.07,
        w_min_dtod: 0.07,
        gamma_up: 0.05,
        gamma_down: 0.05,
        gamma_up_dtod: 0.01,
        gamma_down_dtod: 0.01,
        mult_noise: false,
        lifetime: 1e6,
        lifetime_dtod: 0.3,
        ..Default::default()
    }
}

/// Electrochemical memory of LiCoO₂ (Tang et al., IEDM 2018).
#[doc(alias = "EcRamPresetDevice")]
pub fn ecram() -> LinearStep {
    LinearStep {
        dw_min: 0.002,
        dw_min_dtod: 0.1,
        w_max: 2.0 * 0.5862,
        w_min: -2.0 * 0.4138,
        w_max_dtod: 0.05,
        w_min_dtod: 0.05,
        gamma_up: 0.1153,
        gamma_down: 0.5085,
        ..Default::default()
    }
}

/// Electrochemical memory of metal oxide (Kim et al., IEDM 2019).
#[doc(alias = "EcRamMOPresetDevice")]
pub fn ecram_mo() -> LinearStep {
    LinearStep {
        dw_min: 0.00028214,
        dw_min_dtod: 0.1,
        dw_min_std: 2.0,
        w_max: 2.0 * 0.5857,
        w_min: -2.0 * 0.4143,
        w_max_dtod: 0.05,
        w_min_dtod: 0.05,
        gamma_up: 0.4152,
        gamma_down: 0.7342,
        ..Default::default()
    }
}

/// Resistive memory of HfO₂ with exponential steps (Gong et al., Nat. Commun. 9, 2102 (2018)).
#[doc(alias = "ReRamESPresetDevice")]
pub fn reram_es() -> ExpStep {
    ExpStep {
        dw_min: 0.00135,
        dw_min_dtod: 0.2,
        dw_min_std: 5.0,
        up_down: 0.259359,
        up_down_dtod: 0.05,
        w_max: 1.0,
        w_min: -1.0,
        a_up: -1.18445,
        a_down: -0.081404,
        gamma_up: 5.0,
        gamma_down: 5.0,
        a: -0.5,
        b: -0.5,
        write_noise_std: 75.0,
        ..Default::default()
    }
}

/// The same resistive memory with soft bounds (Gong et al., Nat. Commun. 9, 2102 (2018)).
#[doc(alias = "ReRamSBPresetDevice")]
pub fn reram_sb() -> SoftBoundsReference {
    SoftBoundsReference {
        dw_min: 0.002,
        dw_min_std: 3.75,
        w_max: 1.25,
        w_min: -0.75,
        w_max_dtod: 0.24,
        w_min_dtod: 0.4,
        write_noise_std: 56.0,
        ..Default::default()
    }
}

/// An optimised resistive memory array, OM (Gong, Rasch et al., IEDM 2022). Of the measured devices 13.48 % were
/// corrupt (`corrupt_devices_prob`), which is off here.
#[doc(alias = "ReRamArrayOMPresetDevice")]
pub fn reram_array_om() -> SoftBoundsReference {
    SoftBoundsReference {
        dw_min: 0.0949,
        dw_min_dtod: 0.7829,
        dw_min_dtod_log_normal: true,
        dw_min_std: 0.4158,
        w_max: 1.0,
        w_min: -1.0,
        w_max_dtod: 0.3499,
        w_min_dtod: 0.5695,
        write_noise_std: 1.4113,
        reference_std: 0.05,
        subtract_symmetry_point: true,
        corrupt_devices_range: 0.01,
        ..Default::default()
    }
}

/// A resistive memory array of HfO₂ (Gong, Rasch et al., IEDM 2022). Of the measured devices 9.77 % were corrupt, which
/// is off here.
#[doc(alias = "ReRamArrayHfO2PresetDevice")]
pub fn reram_array_hfo2() -> SoftBoundsReference {
    SoftBoundsReference {
        dw_min: 0.4622,
        dw_min_dtod: 0.7125,
        dw_min_std: 0.2174,
        w_max_dtod: 0.4295,
        w_min_dtod: 0.599,
        write_noise_std: 0.5841,
        ..reram_array_om()
    }
}

/// Phase-change memory, which is only pulsed up: a device of a one-sided pair (Nandakumar et al., Front. Neurosci. 14,
/// 406 (2020)).
#[doc(alias = "PCMPresetDevice")]
pub fn pcm() -> ExpStep {
    ExpStep {
        dw_min: 0.01,
        dw_min_dtod: 0.2,
        dw_min_std: 0.6,
        up_down_dtod: 0.05,
        w_max: 2.0,
        w_min: 0.0,
        w_max_dtod: 0.1,
        w_min_dtod: 0.0,
        a_up: -27.235,
        a_down: -2.235,
        gamma_up: 2.5,
        gamma_down: 2.5,
        a: -1.0,
        b: 0.0,
        dw_min_std_add: 0.042,
        dw_min_std_slope: 0.108,
        reset: 0.01,
        reset_dtod: 0.02,
        ..Default::default()
    }
}
