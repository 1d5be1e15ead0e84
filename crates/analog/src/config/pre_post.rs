//! Digital processing before and after a read.

use super::form::section::{Rules, parameters};
use super::form::value::Value;

parameters! {
    /// Digital processing before and after a read (aihwkit `pre_post.py`).
    #[derive(Copy)]
    pub struct PrePostProcessingParameter {
        /// The range of the inputs.
        input_range: InputRangeParameter = InputRangeParameter::default();
    }
}

impl Rules for PrePostProcessingParameter {}

parameters! {
    /// An input range ±r for each tile, in place of a scale for each row: inputs are clipped to ±r and divided by r,
    /// and outputs are multiplied by r (aihwkit `pre_post.py`).
    ///
    /// Meant for `forward.noise_management = "NONE"`. The first calls set r from the data; r is also a parameter that
    /// an optimizer trains.
    ///
    /// ```
    /// use ohmgrad_analog::config::InferenceRpuConfig;
    ///
    /// let config = InferenceRpuConfig::from_toml_str(r#"
    ///     [forward]
    ///     noise_management = "NONE"
    ///     bound_management = "NONE"
    ///
    ///     [pre_post.input_range]
    ///     enable = true
    ///     init_from_data = 20
    /// "#)?;
    /// assert!(config.pre_post.input_range.learn_input_range);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    #[derive(Copy)]
    pub struct InputRangeParameter {
        /// Enables the range.
        enable: bool = false;

        /// Trains r.
        learn_input_range: bool = true;

        /// The first r, in units of the inputs.
        init_value: f32 = 3.0, [> 0.0];

        /// Number of calls in training that set r from the data, to the running mean of `init_std_alpha` standard
        /// deviations of the inputs. The first call replaces `init_value`. r is trained at the same time.
        init_from_data: usize = 100;

        /// The r that is found from data, in standard deviations of the inputs.
        init_std_alpha: f32 = 3.0, [> 0.0];

        /// Shrinks r: `decay·r` is added to its gradient while enough inputs are inside of it.
        decay: f32 = 0.001, [>= 0.0];

        /// The share of inputs inside of ±r above which r decays.
        input_min_percentage: f32 = 0.95, [0.0..=1.0];

        /// Enlarges r while the ADC clips too many outputs: `(1 − p)·r` is subtracted from its gradient where p is
        /// below `output_min_percentage`. 1 − p is the number of clipped outputs over the number of inputs, as in the
        /// reference.
        manage_output_clipping: bool = false;

        /// The share of outputs that must not be clipped under `manage_output_clipping`.
        output_min_percentage: f32 = 0.95, [0.0..=1.0];

        /// A factor on the gradient of r; has an effect only with `gradient_relative`, as in the reference.
        gradient_scale: f32 = 1.0;

        /// Multiplies the gradient of r by r.
        gradient_relative: bool = true;
    }
}

impl Rules for InputRangeParameter {
    fn absent(field: &str, _: &Value) -> Option<Result<(), &'static str>> {
        // The reference records its calibration in this field; a calibration here reports it instead.
        (field == "calibration_info").then_some(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_info_of_the_reference_is_accepted() {
        let text = "enable = true\ncalibration_info = \"CacheQuantile\"";
        assert!(toml::from_str::<InputRangeParameter>(text).unwrap().enable);
        assert!(toml::from_str::<InputRangeParameter>("calibration = 1").is_err());
    }
}
