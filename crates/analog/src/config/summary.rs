//! A description of a read in one line, for the trace of the tape.

use super::io::{BackwardIoParameters, IoParameters};
use super::kinds::{BoundManagement, MvType, NoiseManagement, WeightNoise};
use super::steps::steps;

impl IoParameters {
    /// Describes the read in the order of the signal, without stages that are off: one line for a trace.
    ///
    /// ```
    /// use ohmgrad_analog::config::{IoParameters, WeightNoise};
    ///
    /// let io = IoParameters { w_noise: 0.02, w_noise_type: WeightNoise::AdditiveConstant, ..Default::default() };
    /// assert_eq!(io.summary(), "DAC 126, ADC 510, w_noise 0.02 (additive), out_noise 0.06, bounds ±12 iterative");
    /// assert_eq!(IoParameters { is_perfect: true, ..io }.summary(), "perfect");
    /// ```
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        if self.is_ideal() {
            parts.push("perfect".to_owned());
        } else {
            self.converters(&mut parts);
            self.array(&mut parts);
            self.management(&mut parts);
        }
        if self.out_scale != 1.0 {
            parts.push(format!("out_scale {}", self.out_scale));
        }
        if parts.is_empty() {
            parts.push("no converters, no noise".to_owned());
        }
        parts.join(", ")
    }

    fn converters(&self, parts: &mut Vec<String>) {
        match self.mv_type {
            MvType::PosNegSeparate => parts.push("two passes".to_owned()),
            MvType::PosNegSeparateDigitalSum => parts.push("two passes summed digitally".to_owned()),
            MvType::Ideal | MvType::OnePass => {}
        }
        if let Some(timed) = self.ir_drop_t {
            parts.push(format!("IR drop over time ({})", timed.mv_type));
        }
        if self.inp_step().is_some() {
            parts.push(format!("DAC {}{}", levels(self.inp_res), stochastic(self.inp_sto_round)));
        }
        if self.out_step().is_some() {
            parts.push(format!("ADC {}{}", levels(self.out_res), stochastic(self.out_sto_round)));
        }
    }

    fn array(&self, parts: &mut Vec<String>) {
        let two_passes = matches!(self.mv_type, MvType::PosNegSeparate | MvType::PosNegSeparateDigitalSum);
        let mut part = |name: &str, strength: f32, of: &str| {
            if strength != 0.0 {
                parts.push(format!("{name} {strength}{of}"));
            }
        };
        part("inp_noise", self.inp_noise, "");
        part("inp_asymmetry", self.inp_asymmetry, "");
        match self.w_noise_type {
            WeightNoise::None => {}
            WeightNoise::AdditiveConstant => part("w_noise", self.w_noise, " (additive)"),
            WeightNoise::PcmRead => part("w_noise", self.w_noise, " (PCM read)"),
        }
        if two_passes {
            part("w_read_asymmetry_dtod", self.w_read_asymmetry_dtod, "");
        }
        part("ir_drop", self.ir_drop, "");
        part("v_offset_std", self.v_offset_std, "");
        part("r_series", self.r_series, "");
        part("out_nonlinearity", self.out_nonlinearity, "");
        if self.out_nonlinearity > 0.0 || self.r_series > 0.0 {
            part("slope_calibration", self.slope_calibration, "");
        }
        part("out_asymmetry", self.out_asymmetry, "");
        let spread = match self.out_noise_std {
            0.0 => String::new(),
            std => format!(" (spread {std})"),
        };
        part("out_noise", self.out_noise, &spread);
    }

    fn management(&self, parts: &mut Vec<String>) {
        let cap = match self.noise_management {
            NoiseManagement::Constant if self.nm_thres > 0.0 => format!(" {}", self.nm_thres),
            NoiseManagement::Constant => " 1".to_owned(),
            NoiseManagement::AbsMax | NoiseManagement::Max | NoiseManagement::AbsMaxNpSum if self.nm_thres > 0.0 => {
                format!(" (nm_thres {})", self.nm_thres)
            }
            _ => String::new(),
        };
        match self.noise_management {
            // The default is left out.
            NoiseManagement::AbsMax if cap.is_empty() => {}
            NoiseManagement::None if self.inp_bound > 0.0 => {
                parts.push(format!("inputs ±{} unscaled", self.inp_bound));
            }
            NoiseManagement::None => parts.push("inputs unscaled".to_owned()),
            management => parts.push(format!("inputs scaled by {management}{cap}")),
        }
        if self.out_bound > 0.0 {
            let management = match self.bound_management {
                BoundManagement::None => "clip",
                BoundManagement::Iterative => "iterative",
                BoundManagement::IterativeWorstCase => "iterative worst-case",
            };
            let tested = match self.bound_management {
                BoundManagement::None => "",
                _ if self.bm_test_negative_bound => "",
                _ => " (above only)",
            };
            parts.push(format!("bounds ±{} {management}{tested}", self.out_bound));
        }
    }
}

impl BackwardIoParameters {
    /// Describes the backward read and the mask of saturated outputs: one line
    /// for a trace.
    ///
    /// ```
    /// use ohmgrad_analog::config::BackwardIoParameters;
    ///
    /// let analog = BackwardIoParameters::default();
    /// assert_eq!(analog.summary(), "DAC 126, ADC 510, out_noise 0.06, bounds ±12 clip, no mask");
    /// assert_eq!(BackwardIoParameters::perfect().summary(), "perfect, no mask");
    /// ```
    pub fn summary(&self) -> String {
        if self.straight_through {
            return "straight through the forward read".to_owned();
        }
        let mask = match self.mask_saturated {
            true => "saturated outputs masked",
            false => "no mask",
        };
        format!("{}, {mask}", self.read().summary())
    }
}

/// The number of steps that a resolution means, as text.
fn levels(res: f32) -> String {
    let steps = steps(res);
    if steps.fract() == 0.0 { steps.to_string() } else { format!("{steps:.1}") }
}

fn stochastic(rounds: bool) -> &'static str {
    if rounds { " stochastic" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_whole_numbers_where_they_should_be() {
        for steps in 1_u16..=4096 {
            assert_eq!(levels(1.0 / f32::from(steps)), steps.to_string());
        }
        assert_eq!(levels(254.0), "254");
        assert_eq!(levels(0.3), "3.3");
    }

    #[test]
    fn stages_that_are_off_are_left_out() {
        let io = IoParameters { out_res: -1.0, w_noise: 0.02, ..Default::default() };
        assert_eq!(io.summary(), "DAC 126, out_noise 0.06, bounds ±12 iterative");
        let silent = IoParameters { inp_res: -1.0, out_noise: 0.0, out_bound: -1.0, ..io };
        assert_eq!(silent.summary(), "no converters, no noise");
    }

    #[test]
    fn stages_that_are_on_are_named() {
        let io = IoParameters {
            mv_type: MvType::PosNegSeparate,
            inp_sto_round: true,
            inp_noise: 0.01,
            ir_drop: 1.0,
            out_scale: 0.5,
            noise_management: NoiseManagement::Constant,
            nm_thres: 2.0,
            bound_management: BoundManagement::IterativeWorstCase,
            ..Default::default()
        };
        assert_eq!(
            io.summary(),
            "two passes, DAC 126 stochastic, ADC 510, inp_noise 0.01, ir_drop 1, out_noise 0.06, \
             inputs scaled by CONSTANT 2, bounds ±12 iterative worst-case, out_scale 0.5"
        );
        let perfect = IoParameters { is_perfect: true, ..io };
        assert_eq!(perfect.summary(), "perfect, out_scale 0.5");
    }
}
