//! The parameters of an analog product, forward and backward.
//!
//! Names, defaults and meaning are the reference simulator's (aihwkit `IOParameters`,
//! `rpu_pulsed_meta_parameter.h`). The fields that both directions have are listed once, in `both`.

use super::form::section::parameters;
use super::ir_drop_t::IrDropT;
use super::kinds::{BoundManagement, MvType, NoiseManagement, WeightNoise};

macro_rules! directions {
    (
        both { $($(#[doc = $doc:literal])* $field:ident: $type:ty = $default:expr $(, [$($range:tt)+])?;)* }
        forward { $(#[$forward_meta:meta])* $forward:ident { $($forward_fields:tt)* } }
        backward { $(#[$backward_meta:meta])* $backward:ident { $($backward_fields:tt)* } }
    ) => {
        parameters! {
            $(#[$forward_meta])*
            pub struct $forward {
                $($(#[doc = $doc])* $field: $type = $default $(, [$($range)+])?;)*
                $($forward_fields)*
            }
        }

        parameters! {
            $(#[$backward_meta])*
            pub struct $backward {
                $($(#[doc = $doc])* $field: $type = $default $(, [$($range)+])?;)*
                $($backward_fields)*
            }
        }

        impl $backward {
            /// The parameters of the reads of this direction, without bound management, which does not exist backward.
            pub fn read(&self) -> $forward {
                $forward {
                    $($field: self.$field,)*
                    bound_management: BoundManagement::None,
                    ..Default::default()
                }
            }
        }

        /// The backward parameters of the same hardware: all fields that exist backward, without the mask.
        impl From<$forward> for $backward {
            fn from(forward: $forward) -> Self {
                Self { $($field: forward.$field,)* ..Default::default() }
            }
        }
    };
}

directions! {
    both {
        /// The exact product: everything else is bypassed except `out_scale`.
        is_perfect: bool = false;

        /// Number of passes of a read, and where their outputs are added. `IDEAL` is the same as `is_perfect`.
        mv_type: MvType = MvType::OnePass;

        /// Range ± of the DAC, in units of the input after noise management; ≤ 0: none, and no
        /// rounding either. Must be 1 while noise management is on, which scales each row to this
        /// range.
        inp_bound: f32 = 1.0;

        /// Step of the DAC as a fraction of its whole range `2 · inp_bound`; > 1: the number of
        /// steps; ≤ 0: no rounding.
        inp_res: f32 = 1.0 / 126.0;

        /// Rounds stochastically in the DAC: up with a probability equal to the fraction of the step.
        inp_sto_round: bool = false;

        /// Standard deviation of Gaussian noise added to each input after the DAC, in its units.
        inp_noise: f32 = 0.0, [>= 0.0];

        /// Negative inputs are multiplied by `1 − inp_asymmetry` after the DAC.
        inp_asymmetry: f32 = 0.0, [<= 1.0];

        /// Range ± of the ADC, in units of the array's output; ≤ 0: none, and no rounding either.
        out_bound: f32 = 12.0;

        /// Step of the ADC as a fraction of its whole range `2 · out_bound`; > 1: the number of
        /// steps; ≤ 0: no rounding.
        out_res: f32 = 1.0 / 510.0;

        /// Rounds stochastically in the ADC: up with a probability equal to the fraction of the step.
        out_sto_round: bool = false;

        /// Standard deviation of Gaussian noise added to each output before the ADC, in units of
        /// the array's output.
        out_noise: f32 = 0.06, [>= 0.0];

        /// Relative spread of `out_noise` between outputs, drawn once when the tile is built:
        /// `σᵢ = |out_noise · (1 + out_noise_std · ξᵢ)|`.
        out_noise_std: f32 = 0.0, [>= 0.0];

        /// Digital factor on the result, applied last; also of a perfect product.
        out_scale: f32 = 1.0;

        /// Negative outputs are multiplied by `1 − out_asymmetry` before the ADC. The reference
        /// silently ignores a value below 0, which is an error here.
        out_asymmetry: f32 = 0.0, [0.0..=1.0];

        /// The scale by which each input row is divided before the DAC, and its outputs are multiplied after the ADC.
        noise_management: NoiseManagement = NoiseManagement::AbsMax;

        /// Cap of the inputs for noise management, in units of the input; ≤ 0: none. For `CONSTANT` the scale itself,
        /// where ≤ 0 means 1. Has no effect on `AVERAGE_ABS_MAX`, nor where noise management is off.
        nm_thres: f32 = 0.0;

        /// Weight magnitude that `ABS_MAX_NP_SUM` assumes, in units of the tile weights.
        nm_assumed_wmax: f32 = 0.6, [> 0.0];

        /// Weight of the newest row in the running mean of `AVERAGE_ABS_MAX`.
        nm_decay: f32 = 1e-3, [0.0..=1.0];

        /// Strength of the weight noise, in units of the tile weights; `w_noise_type` defines its effect.
        w_noise: f32 = 0.0, [>= 0.0];

        /// Kind of the weight noise; with `NONE` there is none, whatever `w_noise` is (as in the
        /// reference).
        w_noise_type: WeightNoise = WeightNoise::None;

        /// Factor on the IR drop along the wire of each output; 0: none, 1: the IR drop for `ir_drop_g_ratio`.
        ir_drop: f32 = 0.0, [>= 0.0];

        /// Conductance of the wire from one cell to the next, as a multiple of a device's largest conductance. The
        /// default (571428.56) is that of 0.35 Ω and 5 µS. Must be above 0 while `ir_drop` is on.
        ir_drop_g_ratio: f32 = (1.0 / 0.35 / 5e-6_f64) as f32;

        /// Strength `n` of an S-shaped nonlinearity of the output, `y / (1 + n/out_bound · |y|)`: n = 1 halves an
        /// output at the bound. Without a bound, `out_bound` is taken as 1.
        out_nonlinearity: f32 = 0.0, [>= 0.0];

        /// Relative spread of `out_nonlinearity` between outputs, drawn once when the tile is
        /// built.
        out_nonlinearity_std: f32 = 0.0, [>= 0.0];

        /// Output, as a fraction of `out_bound`, at which the slope of nonlinearity and series resistance is calibrated
        /// to 1; 0: no calibration.
        slope_calibration: f32 = 0.0, [>= 0.0];

        /// Spread of the outputs' voltage offsets, a fraction of the read voltage, drawn once when
        /// the tile is built: `vᵢ = max(v_offset_std · ξᵢ, 0)`.
        v_offset_std: f32 = 0.0, [>= 0.0];

        /// Weight of the implicit reference device, on which offsets and series resistance act too,
        /// in units of the tile weights; 0: there is none.
        v_offset_w_min: f32 = -1.0;

        /// Series resistance, as the fraction by which a unit of output current lowers the output:
        /// `y / (1 + r_series · |y|)`.
        r_series: f32 = 0.0, [>= 0.0];

        /// Spread between devices of the factor `1 + w_read_asymmetry_dtod · ξᵢⱼ` on the weights for negative inputs,
        /// drawn once when the tile is built. Only the two-pass types of `mv_type` have it.
        w_read_asymmetry_dtod: f32 = 0.0, [>= 0.0];

        /// Coarsest resolution of the scaled inputs, 0.25 for 2 bits. With R = `max_bm_res` over the step of the DAC,
        /// bound management reads a row again up to a reduction of its inputs by R, and the scale of `ABS_MAX_NP_SUM`
        /// is at most R times the largest input. If the DAC does not round there is no limit.
        max_bm_res: f32 = 0.25, [> 0.0];
    }

    forward {
        /// The parameters of an analog product `y ≈ W x`: converters, their management, noise, and the non-idealities
        /// of the array.
        ///
        /// ```
        /// use ohmgrad_analog::config::{IoParameters, WeightNoise};
        ///
        /// let io = IoParameters {
        ///     out_res: -1.0, // no ADC
        ///     w_noise: 0.02,
        ///     w_noise_type: WeightNoise::AdditiveConstant,
        ///     ..Default::default()
        /// };
        /// io.validate()?;
        /// assert_eq!(io.to_string(), r#"IoParameters: out_res = -1, w_noise = 0.02, w_noise_type = "ADDITIVE_CONSTANT""#);
        ///
        /// let wrong = IoParameters { inp_noise: -0.1, ..io };
        /// assert_eq!(wrong.validate().unwrap_err().to_string(), "inp_noise = -0.1: must be at least 0");
        /// # Ok::<(), ohmgrad_analog::Error>(())
        /// ```
        #[derive(Copy)]
        #[doc(alias("IOParameters", "IOMetaParameter", "AnalogTileInputOutputParameter"))]
        IoParameters {
            /// Treatment of a row whose outputs pass `out_bound`.
            bound_management: BoundManagement = BoundManagement::Iterative;

            /// Largest reduction of the inputs of a row at which bound management reads the row again.
            max_bm_factor: u32 = 1000;

            /// Lets an output below `−out_bound` cause bound management, as one above `out_bound` does.
            bm_test_negative_bound: bool = true;

            /// Time-dependent IR drop, which is simulated over the duration of a read, in evaluation.
            ir_drop_t: Option<IrDropT> = None;
        }
    }

    backward {
        /// The parameters of the product with the transposed weights, `g ≈ Wᵀ d`, that makes the
        /// input gradient.
        ///
        /// It has the fields of [`IoParameters`] that exist backward. There is no bound management: outputs beyond the
        /// bound are clipped. The default is an analog read; an [`InferenceRpuConfig`](super::InferenceRpuConfig)
        /// starts from [`Self::perfect`].
        ///
        /// ```
        /// use ohmgrad_analog::config::BackwardIoParameters;
        ///
        /// let exact = BackwardIoParameters::perfect();
        /// assert_eq!(exact.summary(), "perfect, no mask");
        ///
        /// let as_the_reference = BackwardIoParameters { mask_saturated: true, ..exact };
        /// assert_eq!(as_the_reference.summary(), "perfect, saturated outputs masked");
        /// ```
        #[derive(Copy)]
        #[doc(alias = "IOParameters")]
        BackwardIoParameters {
            /// Sets the gradient of an output to 0 where the forward output reached the bound,
            /// `|y| ≥ 0.999 · out_scale · out_bound` of the forward parameters.
            ///
            /// Every C++ tile of the reference does so, also with `is_perfect`, whether or not
            /// anything was clipped; `true` reproduces it. The weight gradient is not masked.
            mask_saturated: bool = false;

            /// Takes the gradients of input and weight from the forward read, as `TorchInferenceRPUConfig` does:
            /// straight through roundings, and 0 where the DAC, the ADC or the input range clips. There is no backward
            /// read, so `is_perfect` must be true and `mask_saturated` false.
            straight_through: bool = false;
        }
    }
}

impl BackwardIoParameters {
    /// The exact product: the input gradient is the digital one, bit for bit.
    ///
    /// ```
    /// use ohmgrad_analog::config::BackwardIoParameters;
    ///
    /// let by_hand = BackwardIoParameters { is_perfect: true, ..Default::default() };
    /// assert_eq!(BackwardIoParameters::perfect(), by_hand);
    /// ```
    pub fn perfect() -> Self {
        Self { is_perfect: true, ..Default::default() }
    }

    /// The gradients of the forward read: straight through roundings, and 0 where a value is clipped.
    ///
    /// ```
    /// use ohmgrad_analog::config::BackwardIoParameters;
    ///
    /// assert_eq!(BackwardIoParameters::straight_through().summary(), "straight through the forward read");
    /// ```
    #[doc(alias = "TorchInferenceRPUConfig")]
    pub fn straight_through() -> Self {
        Self { straight_through: true, ..Self::perfect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_references() {
        let io = IoParameters::default();
        io.validate().unwrap();
        // The reference's C++ rounds Python's doubles to these floats.
        assert_eq!(io.inp_res, (1.0_f64 / 126.0) as f32);
        assert_eq!(io.out_res, (1.0_f64 / 510.0) as f32);
        assert_eq!(io.ir_drop_g_ratio, 571_428.571_428_571_5_f64 as f32);
        assert_eq!(io.max_bm_factor, 1000);
        assert!(io.bm_test_negative_bound && !io.is_perfect);
    }

    #[test]
    fn backward_reads_as_forward_without_bound_management() {
        let forward = IoParameters { out_noise: 0.1, max_bm_factor: 4, ..Default::default() };
        let backward = BackwardIoParameters::from(forward);
        let expected = IoParameters { bound_management: BoundManagement::None, max_bm_factor: 1000, ..forward };
        assert_eq!(backward.read(), expected);
        assert!(!backward.is_perfect && !backward.mask_saturated);
    }

    #[test]
    fn plain_serde_starts_from_the_default_of_each_struct() {
        let backward: BackwardIoParameters = toml::from_str("bound_management = \"NONE\"\nout_bound = 2").unwrap();
        assert_eq!(backward, BackwardIoParameters { out_bound: 2.0, ..Default::default() });
    }
}
