//! Fields that are set and have no effect: a strength without its kind, a kind without its strength, parameters of a
//! part that is off. The reference accepts them without a message, so they are not errors.

mod on_chip;

use super::form::class::{Class, Classes};
use super::form::setting::Setting;
use super::form::unused::{Note, Unused};
use super::inference::InferenceRpuConfig;
use super::io::IoParameters;
use super::ir_drop_t::{IrDropT, PulseMode};
use super::kinds::{BoundManagement, MvType, NoiseManagement, WeightNoise};
use super::modifier::WeightModifier;
use super::noise_model::NoiseModelConfig;
use super::{WeightClip, WeightRemap};

impl InferenceRpuConfig {
    /// The fields that differ from their default and have no effect under the other fields, each with the reason.
    ///
    /// ```
    /// use ohmgrad_analog::InferenceRpuConfig;
    ///
    /// let config = InferenceRpuConfig::from_toml_str("[forward]\nw_noise = 0.02\n[modifier]\nstd_dev = 0.1")?;
    /// let warnings: Vec<_> = config.warnings().iter().map(ToString::to_string).collect();
    /// assert_eq!(
    ///     warnings,
    ///     [
    ///         "forward.w_noise = 0.02: has no effect while w_noise_type is NONE",
    ///         "modifier.std_dev = 0.1: has no effect while type is NONE",
    ///     ]
    /// );
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    pub fn warnings(&self) -> Vec<Note> {
        let by_default = Self {
            forward: IoParameters {
                ir_drop_t: self.forward.ir_drop_t.filter(|_| !self.forward.is_ideal()).map(|_| IrDropT::default()),
                ..Self::default().forward
            },
            noise_model: match self.noise_model.class() {
                Class::Section(name, _) | Class::Empty(name) => NoiseModelConfig::named(name),
                Class::Custom(_) => self.noise_model.clone(),
            },
            ..Self::default()
        };
        let (now, by_default, mut notes) = (Setting::get(self), Setting::get(&by_default), vec![]);
        let mut unused = Unused::new(now, by_default, "", &mut notes);
        unused.forward(self);
        unused.backward(self);
        unused.mapping(self);
        unused.noise_model(self);
        unused.modifier(self);
        unused.clip_and_remap(self);
        unused.input_range(self);
        notes
    }
}

impl Unused<'_> {
    fn forward(&mut self, config: &InferenceRpuConfig) {
        let (at, io) = ("forward", &config.forward);
        self.note_all_but(at, &["is_perfect", "mv_type", "out_scale"], io.is_ideal(), "the product is perfect");
        if !io.is_ideal() {
            self.analog_read(at, io);
            self.ir_drop_over_time(io);
        }
    }

    fn backward(&mut self, config: &InferenceRpuConfig) {
        let (at, backward) = ("backward", &config.backward);
        if backward.straight_through {
            let reason = "straight_through is on, which reads nothing backward";
            return self.note_all_but(at, &["straight_through", "is_perfect"], true, reason);
        }
        let no_bound = config.forward.out_bound <= 0.0;
        self.note(at, &["mask_saturated"], no_bound, "forward.out_bound is off");
        let used = ["is_perfect", "mv_type", "out_scale", "mask_saturated", "straight_through"];
        self.note_all_but(at, &used, backward.is_ideal(), "the product is perfect");
        if !backward.is_ideal() {
            self.analog_read(at, &backward.read());
        }
    }

    /// Notes fields without effect of a read that is not perfect.
    pub(crate) fn analog_read(&mut self, at: &str, io: &IoParameters) {
        let off = |field: &str, value: f32| format!("{field} is {value}");
        self.note(at, &["inp_res"], io.inp_bound <= 0.0, "inp_bound is off");
        self.note(at, &["inp_sto_round"], io.inp_step().is_none(), "the DAC does not round");
        self.note(at, &["out_res"], io.out_bound <= 0.0, "out_bound is off");
        self.note(at, &["out_sto_round"], io.out_step().is_none(), "the ADC does not round");
        self.note(at, &["out_noise_std"], io.out_noise == 0.0, off("out_noise", 0.0));

        let management = io.noise_management;
        let bounded = io.out_bound > 0.0 && io.bound_management != BoundManagement::None;
        // Under ITERATIVE_WORST_CASE the second round has the scale of ABS_MAX_NP_SUM, unless inputs are not scaled.
        let unscaled = management == NoiseManagement::None;
        let worst_case = bounded && io.bound_management == BoundManagement::IterativeWorstCase && !unscaled;
        let sums = management == NoiseManagement::AbsMaxNpSum || worst_case;
        let uncapped = unscaled || management == NoiseManagement::AverageAbsMax && !worst_case;
        self.note(at, &["nm_thres"], uncapped, format!("noise_management is {management}"));
        let reason = match unscaled {
            true => "noise_management is NONE",
            false => "noise_management is not ABS_MAX_NP_SUM and ITERATIVE_WORST_CASE is not in use",
        };
        self.note(at, &["nm_assumed_wmax"], !sums, reason);
        let averages = management == NoiseManagement::AverageAbsMax;
        self.note(at, &["nm_decay"], !averages, "noise_management is not AVERAGE_ABS_MAX");

        let (kind, strength) = (io.w_noise_type, io.w_noise);
        self.note(at, &["w_noise"], kind == WeightNoise::None, "w_noise_type is NONE");
        self.note(at, &["w_noise_type"], kind != WeightNoise::None && strength == 0.0, off("w_noise", 0.0));

        self.note(at, &["ir_drop_g_ratio"], io.ir_drop == 0.0, off("ir_drop", 0.0));
        self.note(at, &["out_nonlinearity_std"], io.out_nonlinearity == 0.0, off("out_nonlinearity", 0.0));
        let linear = io.out_nonlinearity == 0.0 && io.r_series == 0.0;
        self.note(at, &["slope_calibration"], linear, "out_nonlinearity and r_series are 0");
        let direct = io.v_offset_std == 0.0 && io.r_series == 0.0;
        self.note(at, &["v_offset_w_min"], direct, "v_offset_std and r_series are 0");
        let two_passes = matches!(io.mv_type, MvType::PosNegSeparate | MvType::PosNegSeparateDigitalSum);
        self.note(at, &["w_read_asymmetry_dtod"], !two_passes, format!("mv_type is {}", io.mv_type));

        self.note(at, &["max_bm_res"], io.inp_step().is_none(), "the DAC does not round");
        let reason = match io.bound_management {
            BoundManagement::None => "bound_management is NONE",
            _ => "out_bound is off",
        };
        let limited = bounded || sums || io.inp_step().is_none();
        self.note(at, &["max_bm_res"], !limited, reason);
        self.note(at, &["max_bm_factor", "bm_test_negative_bound"], !bounded, reason);
        let managed = io.bound_management != BoundManagement::None;
        self.note(at, &["bound_management"], managed && !bounded, reason);
    }

    fn ir_drop_over_time(&mut self, io: &IoParameters) {
        let Some(timed) = io.ir_drop_t else { return };
        let at = "forward.ir_drop_t";
        let circuit = [
            "ir_drop_rs",
            "ir_drop_segments",
            "ir_drop_v_read",
            "adc_quantization",
            "adc_frequency",
            "ir_drop_integration_sum",
        ];
        let ideal = timed.ir_drop == 0.0;
        self.note(at, &circuit, ideal, "ir_drop is 0");
        self.note(at, &["adc_frequency"], !ideal && !timed.adc_quantization, "adc_quantization is off");
        let split = timed.mv_type == PulseMode::SplitMode;
        self.note(at, &["split_mode_bit_shift"], !split, format!("mv_type is {}", timed.mv_type));
        let bits = timed.mv_type == PulseMode::BitWise;
        self.note(at, &["ir_drop_time_step_resolution_scale"], bits, "mv_type is BIT_WISE");
        self.note(at, &["ir_drop_time_step_resolution_scale"], ideal && !bits, "ir_drop is 0");
        let quiet = !timed.apply_xdep_pcm_read_noise;
        self.note(at, &["xdep_pcm_read_noise_scale"], quiet, "apply_xdep_pcm_read_noise is off");
    }

    fn mapping(&mut self, config: &InferenceRpuConfig) {
        let (at, mapping) = ("mapping", &config.mapping);
        let unscaled = mapping.weight_scaling_omega == 0.0;
        self.note(at, &["weight_scaling_columnwise"], unscaled, "weight_scaling_omega is 0");
        let never = unscaled && config.remap.kind == WeightRemap::None;
        self.note(at, &["weight_scaling_lr_compensation"], never, "weight_scaling_omega is 0");
        self.note(at, &["out_scaling_columnwise"], !mapping.learn_out_scaling, "learn_out_scaling is off");
    }

    fn noise_model(&mut self, config: &InferenceRpuConfig) {
        let (programming, drift, read) = match &config.noise_model {
            NoiseModelConfig::Pcm(m) => (m.prog_noise_scale, m.drift_scale, m.read_noise_scale),
            NoiseModelConfig::CustomDriftPcm(m) => (m.prog_noise_scale, m.drift_scale, m.read_noise_scale),
            NoiseModelConfig::Hermes(m) => (m.prog_noise_scale, m.drift_scale, m.read_noise_scale),
            NoiseModelConfig::StateIndependent(m) => (m.prog_noise_scale, m.drift_scale, m.read_noise_scale),
            NoiseModelConfig::ReRamCmo(m) => (m.prog_noise_scale, m.drift_scale, m.read_noise_scale),
            NoiseModelConfig::ReRamWan2022(m) => {
                let fields = ["coeff_dic", "coeff_g_max_reference"];
                return self.note("noise_model", &fields, m.noise_scale == 0.0, "noise_scale is 0");
            }
            NoiseModelConfig::None | NoiseModelConfig::Custom(_) => return,
        };
        let at = "noise_model";
        let of_programming = ["prog_coeff", "prog_coeff_g_max_reference", "coeff_dict", "acceptance_range"];
        self.note(at, &of_programming, programming == 0.0, "prog_noise_scale is 0");
        let of_drift = ["custom_drift_model", "drift_nu_mean", "drift_nu_std", "decay_dict"];
        self.note(at, &of_drift, drift == 0.0, "drift_scale is 0");
        self.note(at, &["t_read", "read_dict"], read == 0.0, "read_noise_scale is 0");
        self.note(at, &["t_0"], drift == 0.0 && read == 0.0, "drift_scale and read_noise_scale are 0");
    }

    fn modifier(&mut self, config: &InferenceRpuConfig) {
        use WeightModifier as Kind;
        let (at, modifier) = ("modifier", &config.modifier);
        let kind = modifier.kind;
        if kind == Kind::None {
            return self.note_all_but(at, &["type"], true, "type is NONE");
        }
        let plain = matches!(kind, Kind::Copy | Kind::DropConnect);
        let rounds = matches!(kind, Kind::Discretize | Kind::DiscretizeAddNormal | Kind::Dorefa);
        let relative = matches!(kind, Kind::Poly | Kind::ProgNoise);
        let conductances = matches!(kind, Kind::PcmNoise | Kind::ProgNoise);
        let noisy = matches!(kind, Kind::MultNormal | Kind::AddNormal | Kind::DiscretizeAddNormal) || relative;
        let reason = format!("type is {kind}");
        self.note(at, &["std_dev"], !noisy && kind != Kind::PcmNoise, &reason);
        self.note(at, &["res", "sto_round"], !rounds, &reason);
        self.note(at, &["sto_round"], rounds && modifier.res <= 0.0, "res is off");
        self.note(at, &["dorefa_clip"], kind != Kind::Dorefa, &reason);
        self.note(at, &["dorefa_clip"], kind == Kind::Dorefa && modifier.res <= 0.0, "res is off");
        self.note(at, &["coeffs"], !relative, &reason);
        self.note(at, &["g_max"], !conductances, &reason);
        let of_pcm = [
            "pcm_zero_thres",
            "pcm_t_inference",
            "pcm_prob_at_reset",
            "pcm_prob_at_gmax",
            "pcm_prob_at_random",
            "pcm_t0",
        ];
        self.note(at, &of_pcm, kind != Kind::PcmNoise, &reason);
        self.note(at, &["rel_to_actual_wmax", "assumed_wmax"], plain, &reason);
        let actual = modifier.rel_to_actual_wmax && !plain;
        self.note(at, &["assumed_wmax"], actual, "rel_to_actual_wmax is on");
        let dropped = modifier.pdrop > 0.0;
        self.note(at, &["type", "enable_during_test", "copy_last_column"], plain && !dropped, "pdrop is 0");
        let silent = noisy && kind != Kind::DiscretizeAddNormal && modifier.std_dev == 0.0 && !dropped;
        self.note(at, &["type"], silent, "std_dev is 0");
        let unrounded = rounds && kind != Kind::DiscretizeAddNormal && modifier.res <= 0.0 && !dropped;
        self.note(at, &["type"], unrounded, "res is off");
    }

    fn clip_and_remap(&mut self, config: &InferenceRpuConfig) {
        let (clip, remap) = (&config.clip, &config.remap);
        let reason = format!("type is {}", clip.kind);
        self.note("clip", &["fixed_value"], clip.kind == WeightClip::None, &reason);
        self.note("clip", &["sigma"], clip.kind != WeightClip::LayerGaussian, &reason);
        let unlimited = clip.kind == WeightClip::FixedValue && clip.fixed_value <= 0.0;
        self.note("clip", &["type"], unlimited, "fixed_value is off");

        let reason = format!("type is {}", remap.kind);
        self.note("remap", &["remapped_wmax"], remap.kind == WeightRemap::None, &reason);
        let by_output = remap.kind == WeightRemap::ChannelwiseSymmetric;
        self.note("remap", &["max_scale_range", "max_scale_ref"], !by_output, &reason);
        let unlimited = by_output && remap.max_scale_range == 0.0;
        self.note("remap", &["max_scale_ref"], unlimited, "max_scale_range is 0");
    }

    fn input_range(&mut self, config: &InferenceRpuConfig) {
        let (at, range) = ("pre_post.input_range", &config.pre_post.input_range);
        if !range.enable {
            return self.note_all_but(at, &["enable"], true, "enable is off");
        }
        self.note(at, &["init_std_alpha"], range.init_from_data == 0, "init_from_data is 0");
        if !range.learn_input_range {
            let of_learning = [
                "decay",
                "input_min_percentage",
                "manage_output_clipping",
                "output_min_percentage",
                "gradient_scale",
                "gradient_relative",
            ];
            return self.note(at, &of_learning, true, "learn_input_range is off");
        }
        self.note(at, &["input_min_percentage"], range.decay == 0.0, "decay is 0");
        let free = !range.manage_output_clipping;
        self.note(at, &["output_min_percentage"], free, "manage_output_clipping is off");
        self.note(at, &["gradient_scale"], !range.gradient_relative, "gradient_relative is off");
    }
}

#[cfg(test)]
mod tests;
