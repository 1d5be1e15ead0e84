//! Time-dependent IR drop, which is simulated over the duration of a read (aihwkit `IOParametersIRDropT`).

use super::form::choice::choices;
use super::form::section::{Rules, parameters};
use super::form::setting::{Setting, invalid, join};
use crate::Error;

choices! {
    /// Coding of inputs as pulses, and number of reads for one product.
    ///
    /// With `1/inp_res = 2ⁿ − 2` steps, codes have a sign and n − 1 bits.
    #[doc(alias("MVType", "AnalogMVType"))]
    pub enum PulseMode {
        /// One read; a pulse is as long as its code.
        OnePass = "ONE_PASS",
        /// A read of the lower `split_mode_bit_shift` bits and one of the others, each through the
        /// ADC: shorter, and with more noise.
        SplitMode = "SPLIT_MODE",
        /// A read for each bit, all pulses of the same length.
        BitWise = "BIT_WISE",
    }
    absent {
        "POS_NEG_SEPARATE": "does not exist with time-dependent IR drop",
        "POS_NEG_SEPARATE_DIGITAL_SUM": "does not exist with time-dependent IR drop",
        "IDEAL": "is set by forward.mv_type or forward.is_perfect",
    }
}

parameters! {
    /// Time-dependent IR drop: the effects of wires and current integrators during a read whose inputs are pulse
    /// lengths.
    ///
    /// In training `ir_drop` counts as 0, as in the reference; `mv_type` and the read noise act in training too. The
    /// reference has these fields in the `forward` of a `TorchInferenceRPUConfigIRDropT`.
    ///
    /// ```
    /// use ohmgrad_analog::config::{InferenceRpuConfig, IoParameters, IrDropT, PulseMode};
    ///
    /// let split = IrDropT { mv_type: PulseMode::SplitMode, ..Default::default() };
    /// let forward = IoParameters { ir_drop_t: Some(split), ..Default::default() };
    /// let config = InferenceRpuConfig { forward, ..Default::default() };
    ///
    /// let file = "[forward.ir_drop_t]\nmv_type = \"SPLIT_MODE\"";
    /// assert_eq!(InferenceRpuConfig::from_toml_str(file)?, config);
    ///
    /// let error = InferenceRpuConfig::from_toml_str("[forward.ir_drop_t]\nir_drop_segments = 7").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "forward.ir_drop_t.ir_drop_segments = 7: must be a divisor of mapping.max_input_size = 512"
    /// );
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    #[derive(Copy)]
    #[doc(alias("IOParametersIRDropT", "TorchInferenceRPUConfigIRDropT"))]
    pub struct IrDropT {
        /// The pulse mode.
        mv_type: PulseMode = PulseMode::OnePass;

        /// Scale of the wires' resistance. 0: an exact product for each read, without the offset of
        /// `ir_drop_v_read` and without `adc_quantization`.
        ir_drop: f32 = 1.0, [>= 0.0];

        /// Resistance of the wire from one device to the next, in Ω.
        ir_drop_rs: f32 = 0.15, [>= 0.0];

        /// Number of segments of a column, with the wire's resistance between them. Must divide `max_input_size`, or,
        /// if that is 0, the number of inputs of the tile.
        ir_drop_segments: u32 = 8;

        /// Time steps of a read per step of the DAC. The charge is a sum over time steps, as in the reference, so this
        /// value also scales the outputs. It has no effect on `BIT_WISE`.
        ir_drop_time_step_resolution_scale: f32 = 1.0, [> 0.0];

        /// Voltage at which currents are read, in V; columns rest at 0.4.
        ir_drop_v_read: f32 = 0.4005;

        /// Bits of the first read of `SPLIT_MODE`.
        split_mode_bit_shift: u32 = 3;

        /// Adds read noise (PCM) to the weights, which depends on the lengths of a row's pulses; drawn anew for each
        /// row and read, in training too.
        apply_xdep_pcm_read_noise: bool = false;

        /// Scale of that noise.
        xdep_pcm_read_noise_scale: f32 = 1.0, [>= 0.0];

        /// Counts charge in whole ticks of the integrating converter, rounded towards 0.
        adc_quantization: bool = true;

        /// Frequency of those ticks, in GHz: a tick is `100 / adc_frequency` µA·steps.
        adc_frequency: f32 = 6.24, [> 0.0];

        /// `true`: the charge is the sum of the currents. `false`: it is their integral by the trapezoidal rule, with
        /// the first current counted once more, which makes every pulse half a step longer.
        ir_drop_integration_sum: bool = false;
    }
}

impl Rules for IrDropT {
    fn rules(&self, at: &str) -> Result<(), Error> {
        if self.ir_drop_segments == 0 {
            return Err(invalid(&join(at, "ir_drop_segments"), &self.ir_drop_segments.get(), "at least 1"));
        }
        Ok(())
    }
}

impl IrDropT {
    /// Returns `true` if reads in training are the same as without it.
    pub(crate) fn trains_plainly(&self) -> bool {
        self.mv_type == PulseMode::OnePass && !self.apply_xdep_pcm_read_noise
    }

    /// Checks that the segments divide `limit`, the largest number of inputs of a tile; 0: no limit.
    pub(super) fn rules_of_tiles(&self, limit: usize, at: &str) -> Result<(), Error> {
        match limit.is_multiple_of(self.ir_drop_segments as usize) {
            true => Ok(()),
            false => Err(self.indivisible(at, format!("mapping.max_input_size = {limit}"))),
        }
    }

    /// The error for a column of a length that cannot be cut into segments.
    pub(crate) fn indivisible(&self, at: &str, length: String) -> Error {
        let field = join(&join(at, "ir_drop_t"), "ir_drop_segments");
        invalid(&field, &self.ir_drop_segments.get(), format!("a divisor of {length}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::InferenceRpuConfig;

    #[test]
    fn none_and_null_switch_it_off() {
        let off = InferenceRpuConfig::default();
        let none = InferenceRpuConfig::from_toml_str("[forward]\nir_drop_t = { type = \"None\" }").unwrap();
        let null = InferenceRpuConfig::from_json_str(r#"{"forward": {"ir_drop_t": null}}"#).unwrap();
        assert_eq!([&none, &null], [&off, &off]);
        let on = InferenceRpuConfig::from_toml_str("[forward.ir_drop_t]").unwrap();
        for config in [off, on] {
            assert_eq!(InferenceRpuConfig::from_toml_str(&config.to_toml_string().unwrap()).unwrap(), config);
            assert_eq!(InferenceRpuConfig::from_json_str(&config.to_json_string().unwrap()).unwrap(), config);
        }
    }
}
