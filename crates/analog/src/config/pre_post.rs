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
    /// A fixed range ±r of the inputs, one for each tile, that takes the place of scaling each row: inputs are cut to it,
    /// divided by r, and outputs multiplied with r (aihwkit `pre_post.py`).
    ///
    /// Meant for `forward.noise_management = "NONE"`. The range is found from the data, then learned: r is a parameter that
    /// an optimizer steps.
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

        /// Number of calls in training for which r is the running mean of `init_std_alpha` standard deviations of the
        /// inputs, the first of which forgets `init_value`. Learning takes place at the same time.
        init_from_data: usize = 100;

        /// The r that is found from data, in standard deviations of the inputs.
        init_std_alpha: f32 = 3.0, [> 0.0];

        /// Shrinks r: `decay·r` is added to its gradient while enough inputs are inside of it.
        decay: f32 = 0.001, [>= 0.0];

        /// The share of inputs inside of ±r above which r decays.
        input_min_percentage: f32 = 0.95, [0.0..=1.0];

        /// Enlarges r while the ADC clips too many outputs: with p the share of outputs that are
        /// not, relative to the number of inputs (as in the reference), `(1 − p)·r` is subtracted from the gradient
        /// where p is below `output_min_percentage`.
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
        // Says which calibration was made; a calibration here reports it instead.
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
