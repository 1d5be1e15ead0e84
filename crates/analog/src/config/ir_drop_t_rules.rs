//! Rules between time-dependent IR drop and other fields, and the reads that make one product.

use super::form::setting::{Setting, invalid, join};
use super::form::value::Value;
use super::io::IoParameters;
use super::ir_drop_t::{IrDropT, PulseMode};
use super::kinds::{MvType, NoiseManagement, WeightNoise};
use crate::Error;

impl IrDropT {
    /// Rules with the other parameters of the product, whose section is `at`.
    pub(super) fn rules_within(&self, io: &IoParameters, at: &str) -> Result<(), Error> {
        let of = |field: &str, value: Value, allowed: &str| {
            Err(invalid(&join(at, field), &value, format!("{allowed} with {}", join(at, "ir_drop_t"))))
        };
        match io.noise_management {
            NoiseManagement::AverageAbsMax | NoiseManagement::AbsMaxNpSum => {
                return of("noise_management", io.noise_management.get(), "NONE, ABS_MAX, MAX or CONSTANT");
            }
            _ => {}
        }
        if io.mv_type != MvType::OnePass {
            return of("mv_type", io.mv_type.get(), "ONE_PASS (ir_drop_t has an mv_type of its own)");
        }
        if io.w_noise_type != WeightNoise::None {
            return of("w_noise_type", io.w_noise_type.get(), "NONE");
        }
        let off = [
            ("ir_drop", io.ir_drop),
            ("out_nonlinearity", io.out_nonlinearity),
            ("slope_calibration", io.slope_calibration),
            ("v_offset_std", io.v_offset_std),
            ("r_series", io.r_series),
            ("w_read_asymmetry_dtod", io.w_read_asymmetry_dtod),
        ];
        if let Some((field, value)) = off.into_iter().find(|(_, value)| *value != 0.0) {
            return of(field, value.get(), "0");
        }
        if io.inp_step().is_none() {
            let (field, value) = if io.inp_bound > 0.0 { ("inp_res", io.inp_res) } else { ("inp_bound", io.inp_bound) };
            return of(field, value.get(), "above 0");
        }
        self.coding(io, at)
    }

    /// Checks that the pulse mode can represent the codes of the DAC.
    fn coding(&self, io: &IoParameters, at: &str) -> Result<(), Error> {
        let own = join(at, "ir_drop_t");
        let steps = io.inp_steps();
        let bits = (steps + 2.0).log2();
        if self.mv_type != PulseMode::OnePass && (bits.fract() != 0.0 || bits < 2.0) {
            let allowed = format!("1/(2ⁿ − 2), as 1/126, with {own}.mv_type {}", self.mv_type);
            return Err(invalid(&join(at, "inp_res"), &io.inp_res.get(), allowed));
        }
        if self.mv_type == PulseMode::SplitMode && f64::from(self.split_mode_bit_shift) >= bits {
            let allowed = format!("below {bits}, the bits of a DAC with {steps} steps");
            return Err(invalid(&join(&own, "split_mode_bit_shift"), &self.split_mode_bit_shift.get(), allowed));
        }
        if self.reads(io).iter().any(|read| read.times == 0) {
            let field = join(&own, "ir_drop_time_step_resolution_scale");
            let allowed = "large enough for one time step in each read";
            return Err(invalid(&field, &self.ir_drop_time_step_resolution_scale.get(), allowed));
        }
        Ok(())
    }

    /// The reads that make one product.
    pub(crate) fn reads(&self, io: &IoParameters) -> Vec<PulseRead> {
        let steps = io.inp_steps();
        let resolution = f64::from(self.ir_drop_time_step_resolution_scale);
        let levels = f64::from(io.inp_bound) * steps + 2.0;
        let read = |weight: f32, times: f64, end: f64| PulseRead { weight, times: times as usize, end: end as f32 };
        // `n` steps of the DAC, from 0 to the last of them.
        let span = |weight, n: f64| read(weight, n * resolution, 2.0 / steps * (n - 1.0));
        match self.mv_type {
            PulseMode::OnePass => vec![read(1.0, levels / 2.0 * resolution, 1.0)],
            PulseMode::SplitMode => {
                let low = 2f64.powi(self.split_mode_bit_shift as i32);
                let high = 2f64.powf((levels.log2() - f64::from(self.split_mode_bit_shift) - 1.0).trunc());
                vec![span(1.0, low), span(low as f32, high)]
            }
            PulseMode::BitWise => {
                let bits = (steps + 2.0).log2() as i32 - 1;
                (0..bits).map(|bit| read(2f32.powi(bit), 2.0, 2.0 / steps)).collect()
            }
        }
    }
}

/// One of the reads that make a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PulseRead {
    /// The factor on its outputs.
    pub weight: f32,
    /// Time steps.
    pub times: usize,
    /// The time of the last step, in units of the DAC's range.
    pub end: f32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::InferenceRpuConfig;

    fn reads(mv_type: PulseMode, inp_res: f32) -> Vec<PulseRead> {
        let timed = IrDropT { mv_type, ..Default::default() };
        timed.reads(&IoParameters { inp_res, ir_drop_t: Some(timed), ..Default::default() })
    }

    #[test]
    fn reads_of_seven_bits() {
        let read = |weight, times, end| PulseRead { weight, times, end };
        for res in [1.0 / 126.0, 126.0] {
            assert_eq!(reads(PulseMode::OnePass, res), [read(1.0, 64, 1.0)]);
            let low = (2.0 / 126.0 * 7.0) as f32;
            assert_eq!(reads(PulseMode::SplitMode, res), [read(1.0, 8, low), read(8.0, 8, low)]);
            let bits = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0].map(|weight| read(weight, 2, (2.0 / 126.0) as f32));
            assert_eq!(reads(PulseMode::BitWise, res), bits);
        }
    }

    #[test]
    fn combinations_without_meaning_are_errors() {
        let error = |toml: &str| InferenceRpuConfig::from_toml_str(toml).unwrap_err().to_string();
        let on = |forward: &str, timed: &str| error(&format!("[forward]\n{forward}\n[forward.ir_drop_t]\n{timed}"));
        assert_eq!(
            on("w_noise_type = \"PCM_READ\"", ""),
            "forward.w_noise_type = \"PCM_READ\": must be NONE with forward.ir_drop_t"
        );
        assert_eq!(on("r_series = 0.1", ""), "forward.r_series = 0.1: must be 0 with forward.ir_drop_t");
        assert_eq!(on("ir_drop = 1", ""), "forward.ir_drop = 1: must be 0 with forward.ir_drop_t");
        assert_eq!(on("inp_res = -1", ""), "forward.inp_res = -1: must be above 0 with forward.ir_drop_t");
        assert!(on("mv_type = \"POS_NEG_SEPARATE\"", "").contains("must be ONE_PASS (ir_drop_t has an mv_type"));
        assert_eq!(
            on("inp_res = 100", "mv_type = \"BIT_WISE\""),
            "forward.inp_res = 100: must be 1/(2ⁿ − 2), as 1/126, with forward.ir_drop_t.mv_type BIT_WISE"
        );
        assert_eq!(
            on("", "mv_type = \"SPLIT_MODE\"\nsplit_mode_bit_shift = 7"),
            "forward.ir_drop_t.split_mode_bit_shift = 7: must be below 7, the bits of a DAC with 126 steps"
        );
        assert!(on("", "ir_drop_time_step_resolution_scale = 0.01").contains("large enough for one time step"));
        assert_eq!(
            error("[forward]\nir_drop_rs = 0.3"),
            "unknown field `ir_drop_rs` in [forward]; did you mean `ir_drop_t.ir_drop_rs`?"
        );
        assert!(error("[mapping]\ndigital_bias = false\n[forward.ir_drop_t]").starts_with("mapping.digital_bias"));
        assert_eq!(
            error("noise_model = { type = \"None\" }\n[forward.ir_drop_t]"),
            "noise_model = \"None\": must be a model whose converter makes pairs of devices with forward.ir_drop_t"
        );
        let straight = "[backward]\nstraight_through = true\n[forward.ir_drop_t]\n";
        InferenceRpuConfig::from_toml_str(straight).unwrap();
        assert!(error(&format!("{straight}mv_type = \"SPLIT_MODE\"")).contains("no straight-through gradient"));
        assert!(error("[backward.ir_drop_t]").contains("exists forward only"));
    }

    #[test]
    fn a_perfect_product_disregards_it() {
        let toml = "[forward]\nis_perfect = true\nw_noise_type = \"PCM_READ\"\n[forward.ir_drop_t]";
        InferenceRpuConfig::from_toml_str(toml).unwrap();
    }
}
