//! The choices of an analog product, under the reference's spellings (aihwkit `enums.py`).

use super::form::choice::choices;

choices! {
    /// Number of passes of a read, and where their outputs are added.
    #[doc(alias("MVType", "AnalogMVType"))]
    pub enum MvType {
        /// The exact product without an array, as with `is_perfect`.
        Ideal = "IDEAL",
        /// One pass with inputs of both signs.
        OnePass = "ONE_PASS",
        /// One pass for the negative and one for the positive inputs, added before a single ADC.
        PosNegSeparate = "POS_NEG_SEPARATE",
        /// One pass for the negative and one for the positive inputs, each through the ADC, added digitally.
        PosNegSeparateDigitalSum = "POS_NEG_SEPARATE_DIGITAL_SUM",
    }
}

choices! {
    /// The scale by which each input row is divided before the DAC, and its outputs are multiplied after the ADC.
    ///
    /// Where `nm_thres` is above 0, it caps the largest magnitude or value in `AbsMax`, `Max` and `AbsMaxNpSum`.
    #[doc(alias = "NoiseManagementType")]
    pub enum NoiseManagement {
        /// No scale: inputs beyond `inp_bound` are clipped.
        None = "NONE",
        /// The largest magnitude of the row.
        AbsMax = "ABS_MAX",
        /// The largest value of the row, sign included.
        Max = "MAX",
        /// `nm_thres` for all rows, 1 where it is not above 0.
        Constant = "CONSTANT",
        /// A running mean of the rows' largest magnitudes, with `nm_decay`; a state of the tile.
        AverageAbsMax = "AVERAGE_ABS_MAX",
        /// The larger of the sums of the row's positive and negative entries, times `nm_assumed_wmax`, over
        /// `out_bound`: the largest possible output in units of the bound. At least the largest magnitude.
        AbsMaxNpSum = "ABS_MAX_NP_SUM",
    }
}

choices! {
    /// Treatment of a row whose outputs pass the bound of the ADC. Forward only.
    ///
    /// The reference's `SHIFT` exists only on its GPUs, and is an error here.
    #[doc(alias = "BoundManagementType")]
    pub enum BoundManagement {
        /// The outputs are clipped.
        None = "NONE",
        /// The row is read again with its inputs halved, until no output passes the bound or a
        /// limit is reached (`max_bm_factor`, `max_bm_res`).
        Iterative = "ITERATIVE",
        /// As `Iterative`, but the second round uses the scale of [`NoiseManagement::AbsMaxNpSum`]; without noise
        /// management its inputs stay the same.
        IterativeWorstCase = "ITERATIVE_WORST_CASE",
    }
    absent {
        "SHIFT": "exists only on GPUs in the reference simulator",
    }
}

choices! {
    /// Types of weight noise, with its effect on the outputs. It is drawn anew at each read; its strength is `w_noise`.
    #[doc(alias("WeightNoiseType", "OutputWeightNoiseType"))]
    pub enum WeightNoise {
        /// No weight noise, whatever `w_noise` is.
        None = "NONE",
        /// Noise of the same strength for every weight: `w_noise · ‖v‖₂ · ξ` at each output, with `v` the inputs of the
        /// array.
        AdditiveConstant = "ADDITIVE_CONSTANT",
        /// Read noise that grows with the conductance: `w_noise · √(Σⱼ |wᵢⱼ| vⱼ²) · ξ` at output
        /// `i`.
        PcmRead = "PCM_READ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::form::choice::position;
    use crate::config::value::Value;

    #[test]
    fn spelt_as_the_reference_spells_them() {
        for choice in NoiseManagement::ALL {
            let json = serde_json::to_string(choice).unwrap();
            assert_eq!(json, format!("\"{choice}\""));
            assert_eq!(serde_json::from_str::<NoiseManagement>(&json).unwrap(), *choice);
        }
    }

    #[test]
    fn a_misspelling_names_the_nearest_name_and_all_names() {
        let error =
            position(Value::Text("PCMRead".into()), "forward.w_noise_type", WeightNoise::NAMES, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "forward.w_noise_type = \"PCMRead\": must be one of NONE, ADDITIVE_CONSTANT, PCM_READ; \
             did you mean `PCM_READ`?"
        );
    }

    #[test]
    fn shift_is_refused_with_a_reason() {
        let error = serde_json::from_str::<BoundManagement>("\"SHIFT\"").unwrap_err().to_string();
        assert_eq!(
            error,
            "BoundManagement = \"SHIFT\": exists only on GPUs in the reference simulator; \
             must be one of NONE, ITERATIVE, ITERATIVE_WORST_CASE"
        );
    }

    #[test]
    fn a_number_is_no_name() {
        let error = position(Value::Integer(1), "forward.mv_type", MvType::NAMES, &[]).unwrap_err();
        assert!(error.to_string().starts_with("forward.mv_type = 1: must be one of IDEAL, "), "{error}");
    }
}
