//! Modifiers: changes of the weights that reads use in training.

use super::form::choice::choices;
use super::form::section::{Rules, parameters};
use super::form::setting::{Setting, invalid, join};
use crate::Error;

choices! {
    /// Types of modifiers, with A the largest magnitude of a tile's weights and Q rounding to the nearest multiple of
    /// `res`, ties away from zero.
    #[doc(alias = "WeightModifierType")]
    pub enum WeightModifier {
        /// No modifier; `pdrop` has no effect either.
        None = "NONE",
        /// No change except by `pdrop`.
        Copy = "COPY",
        /// `A·Q(w/A)`.
        Discretize = "DISCRETIZE",
        /// `w·(1 + std_dev·A·ξ)`, with A as in the reference.
        MultNormal = "MULT_NORMAL",
        /// `w + std_dev·A·ξ`.
        AddNormal = "ADD_NORMAL",
        /// `A·Q(w/A) + std_dev·A·ξ`.
        DiscretizeAddNormal = "DISCRETIZE_ADD_NORMAL",
        /// `Q(tanh(w)·|dorefa_clip/tanh(A)|)` (Zhou et al. 2016).
        Dorefa = "DOREFA",
        /// `w + std_dev·A·p(|w|/A)·ξ` with `p(a) = Σ coeffsᵢ·aⁱ`.
        Poly = "POLY",
        /// The programming, drift and read noise of phase-change memory at `pcm_t_inference` (Joshi et al. 2020), with
        /// devices that fail. In the reference on GPUs only.
        PcmNoise = "PCM_NOISE",
        /// `sign(w)·|w + std_dev/g_max·A·p(|w|/A)·ξ|`: as POLY, but no weight changes its sign.
        ProgNoise = "PROG_NOISE",
        /// No change except by `pdrop`.
        DropConnect = "DROP_CONNECT",
    }
}

parameters! {
    /// Modifier of the tile weights that reads use while a network is trained, so that it becomes robust to such
    /// changes (aihwkit `inference.py`).
    ///
    /// The modified weights are drawn once per tape, also for the first tape of a training; forward and backward use
    /// them. The trained weight and its gradient do not depend on it. The fields `std_dev` and `res` are in units of A,
    /// the largest magnitude of a tile's weights or `assumed_wmax`; ξ is a standard normal number for each weight.
    ///
    /// ```
    /// use ohmgrad_analog::config::{InferenceRpuConfig, WeightModifier, WeightModifierParameter};
    ///
    /// let modifier = WeightModifierParameter { kind: WeightModifier::AddNormal, std_dev: 0.1, ..Default::default() };
    /// let config = InferenceRpuConfig { modifier, ..Default::default() };
    /// let file = InferenceRpuConfig::from_toml_str("[modifier]\ntype = \"ADD_NORMAL\"\nstd_dev = 0.1")?;
    /// assert_eq!(file, config);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    pub struct WeightModifierParameter {
        /// The type of the modifier.
        kind as "type": WeightModifier = WeightModifier::None;

        /// The strength of the noise, in units of A.
        std_dev: f32 = 0.0, [>= 0.0];

        /// Draws the noise for each sample of the batch anew. ADD_NORMAL and MULT_NORMAL only.
        per_batch_sample: bool = false;

        /// The step of Q; ≤ 0: no rounding, and DOREFA changes nothing. Unlike that of converters it is never a number
        /// of steps.
        res: f32 = 0.0;

        /// Rounds Q stochastically: up with a probability equal to the fraction of the step.
        sto_round: bool = false;

        /// The largest magnitude after DOREFA.
        dorefa_clip: f32 = 0.6;

        /// Drop connect: the probability with which a weight is set to 0, after all else, with any type but NONE.
        pdrop: f32 = 0.0, [0.0..=1.0];

        /// Modifies the weights in evaluation too. They are drawn from the evaluation's key; the reference takes
        /// the last ones of the training.
        enable_during_test: bool = false;

        /// `true`: A is the largest magnitude of the weights, or 1 if they are all 0. `false`: A is `assumed_wmax`.
        rel_to_actual_wmax: bool = true;

        /// The A that is assumed without `rel_to_actual_wmax`.
        assumed_wmax: f32 = 1.0, [> 0.0];

        /// Excludes the last column of a tile, where an analog bias is, from the modifier and from A.
        copy_last_column: bool = false;

        /// The coefficients of p, lowest power first. The defaults are those of phase-change memory divided by 25 µS.
        /// With PROG_NOISE, which divides by `g_max`, coefficients are in µS.
        coeffs: Vec<f32> = vec![0.0105392, 0.0768, -0.046925];

        /// PCM_NOISE and PROG_NOISE: the conductance in µS that A corresponds to.
        g_max: f32 = 25.0, [> 0.0];

        /// PCM_NOISE: conductances up to this multiple of the programming noise at conductance 0 become 0.
        pcm_zero_thres: f32 = 0.0, [>= 0.0];

        /// PCM_NOISE: seconds from programming to the read.
        pcm_t_inference: f32 = 0.0, [>= 0.0];

        /// PCM_NOISE: the probability of a device that stays at 0.
        pcm_prob_at_reset: f32 = 0.0, [0.0..=1.0];

        /// PCM_NOISE: the probability that one device of a pair stays at `g_max`.
        pcm_prob_at_gmax: f32 = 0.0, [0.0..=1.0];

        /// PCM_NOISE: the probability of a device that stays at a random conductance, anywhere up to `g_max`.
        pcm_prob_at_random: f32 = 0.0, [0.0..=1.0];

        /// PCM_NOISE: the time t₀ of drift, `((t + t₀)/t₀)^(−ν)`, in seconds.
        pcm_t0: f32 = 20.0, [> 0.0];
    }
}

impl Rules for WeightModifierParameter {
    fn rules(&self, at: &str) -> Result<(), Error> {
        let normal = [WeightModifier::AddNormal, WeightModifier::MultNormal].contains(&self.kind);
        if self.per_batch_sample && self.kind != WeightModifier::None && !normal {
            let allowed = format!("false while type is {}; only ADD_NORMAL and MULT_NORMAL have it", self.kind);
            return Err(invalid(&join(at, "per_batch_sample"), &true.get(), allowed));
        }
        Ok(())
    }
}

impl WeightModifierParameter {
    /// Returns `true` if the effective weights differ from the stored ones.
    pub fn is_active(&self) -> bool {
        match self.kind {
            WeightModifier::None => false,
            WeightModifier::Copy | WeightModifier::DropConnect => self.pdrop > 0.0,
            _ => true,
        }
    }

    /// One line for a trace: the type, with the fields that differ from their defaults.
    pub fn summary(&self) -> String {
        let mut parts = vec![self.kind.to_string()];
        let default = Self::default();
        let mut number = |name: &str, value: f32, default: f32| {
            if value != default {
                parts.push(format!("{name} {value}"));
            }
        };
        number("std_dev", self.std_dev, default.std_dev);
        number("res", self.res, default.res);
        number("pdrop", self.pdrop, default.pdrop);
        if !self.rel_to_actual_wmax {
            number("assumed_wmax", self.assumed_wmax, f32::NAN);
        }
        if self.kind == WeightModifier::PcmNoise {
            number("t", self.pcm_t_inference, f32::NAN);
        }
        if self.coeffs != default.coeffs {
            parts.push(format!("coeffs {:?}", self.coeffs));
        }
        if self.per_batch_sample {
            parts.push("for each sample".to_owned());
        }
        if self.copy_last_column {
            parts.push("last column spared".to_owned());
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_normals_are_drawn_for_each_sample() {
        let modifier =
            WeightModifierParameter { kind: WeightModifier::Discretize, per_batch_sample: true, ..Default::default() };
        assert_eq!(
            modifier.validate().unwrap_err().to_string(),
            "per_batch_sample = true: must be false while type is DISCRETIZE; only ADD_NORMAL and MULT_NORMAL have it"
        );
        WeightModifierParameter { kind: WeightModifier::MultNormal, ..modifier }.validate().unwrap();
    }

    #[test]
    fn errors_and_files_know_the_field_as_type() {
        let error = toml::from_str::<WeightModifierParameter>("type = \"ADD_NORMA\"").unwrap_err();
        assert!(error.message().starts_with("type = \"ADD_NORMA\": must be one of NONE, "), "{error}");
        let written = toml::to_string(&WeightModifierParameter::default()).unwrap();
        assert!(written.starts_with("type = \"NONE\"\n"), "{written}");
        assert!(toml::from_str::<WeightModifierParameter>("kind = \"COPY\"").is_err());
    }

    #[test]
    fn a_line_describes_the_modifier() {
        let modifier = WeightModifierParameter {
            kind: WeightModifier::AddNormal,
            std_dev: 0.1,
            pdrop: 0.05,
            ..Default::default()
        };
        assert_eq!(modifier.summary(), "ADD_NORMAL, std_dev 0.1, pdrop 0.05");
    }
}
