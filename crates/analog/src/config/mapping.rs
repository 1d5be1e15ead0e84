//! Mapping of a logical weight onto tiles.

use super::form::section::{Rules, parameters};

parameters! {
    /// Mapping of a logical weight: cutting it into tiles, and scaling the weights of each (aihwkit `mapping.py`).
    ///
    /// A side longer than its limit is cut into the fewest parts that fit; their sizes differ by at most one.
    ///
    /// ```
    /// use ohmgrad_analog::config::MappingParameter;
    ///
    /// // The largest tile weight of each output is 1; a matrix of any size stays on one tile.
    /// let mapping = MappingParameter {
    ///     weight_scaling_omega: 1.0,
    ///     weight_scaling_columnwise: true,
    ///     max_input_size: 0,
    ///     max_output_size: 0,
    ///     ..Default::default()
    /// };
    /// mapping.validate()?;
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    #[derive(Copy)]
    #[doc(alias = "MappableRPU")]
    pub struct MappingParameter {
        /// Adds the bias digitally after the product; otherwise it is one more column
        /// of the array, with all of its noise.
        digital_bias: bool = true;

        /// The largest magnitude ω of the tile weights: weights are divided by the mapping scale `max|W| / ω`, and
        /// outputs are multiplied by it. 0: no mapping scales.
        weight_scaling_omega: f32 = 0.0, [>= 0.0];

        /// Selects one mapping scale for each output (`true`) or one for the whole tile. Has an effect only while
        /// `weight_scaling_omega` is on.
        weight_scaling_columnwise: bool = false;

        /// Multiplies the gradient of a tile's weights with the mean of its mapping scales.
        ///
        /// The reference trains the tile weight `w = W/s` with `dᵀx/s`, and under this switch with `dᵀx/(λ·s)`,
        /// `λ = 1/mean(s)`: a step of SGD then changes W by mean(s) times as much. Here W itself is trained, so without
        /// the switch there is nothing to compensate. Optimizers that disregard the size of gradients, such as Adam,
        /// are not affected.
        weight_scaling_lr_compensation: bool = false;

        /// Gives the outputs of each tile learned scales, which start at 1.
        learn_out_scaling: bool = false;

        /// Selects one learned scale for each output (`true`) or one for the whole tile. Has an effect only with
        /// `learn_out_scaling`.
        out_scaling_columnwise: bool = false;

        /// Largest number of inputs of one tile; 0: no limit.
        max_input_size: usize = 512;

        /// Largest number of outputs of one tile; 0: no limit.
        max_output_size: usize = 512;
    }
}

impl Rules for MappingParameter {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let mapping = MappingParameter { weight_scaling_omega: -0.5, ..Default::default() };
        assert_eq!(mapping.validate().unwrap_err().to_string(), "weight_scaling_omega = -0.5: must be at least 0");
        let mapping = MappingParameter { max_input_size: usize::MAX, ..Default::default() };
        assert!(mapping.validate().is_err(), "no file could say it");
    }

    #[test]
    fn printing_shows_changed_fields() {
        let mapping = MappingParameter { max_input_size: 128, ..Default::default() };
        assert_eq!(mapping.to_string(), "MappingParameter: max_input_size = 128");
        assert_eq!(MappingParameter::default().to_string(), "MappingParameter: all defaults");
    }
}
