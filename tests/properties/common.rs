//! Strategies that the property tests share.

use ohmgrad::analog::config::{
    DriftCompensationConfig, InputRangeParameter, NoiseModelConfig, PrePostProcessingParameter,
};
use ohmgrad::analog::noise::{Hermes, Pcm, ReRamCmo, StateIndependent};
use ohmgrad::prelude::*;
use proptest::prelude::*;

/// Forward parameters of all kinds, noisy ones among them.
pub fn io() -> impl Strategy<Value = IoParameters> {
    let converters = (
        prop::sample::select(vec![-1.0, 1.0 / 126.0, 30.0]),
        prop::sample::select(vec![-1.0, 1.0 / 510.0, 62.0]),
        prop::sample::select(vec![-1.0, 0.4, 2.0, 12.0]),
        any::<[bool; 2]>(),
    );
    let noise = (0.0f32..0.2, 0.0f32..0.2, 0.0f32..0.1, 0usize..3, 0.0f32..0.3);
    let managed = (
        prop::sample::select(vec![
            NoiseManagement::None,
            NoiseManagement::AbsMax,
            NoiseManagement::Max,
            NoiseManagement::Constant,
            NoiseManagement::AverageAbsMax,
            NoiseManagement::AbsMaxNpSum,
        ]),
        prop::sample::select(vec![
            BoundManagement::None,
            BoundManagement::Iterative,
            BoundManagement::IterativeWorstCase,
        ]),
        prop::sample::select(vec![MvType::OnePass, MvType::PosNegSeparate, MvType::PosNegSeparateDigitalSum]),
    );
    let array = (any::<[bool; 4]>(), 0.0f32..0.1, prop::bool::weighted(0.1));
    (converters, noise, managed, array).prop_map(|(converters, noise, managed, (array, r, is_perfect))| {
        let (inp_res, out_res, out_bound, [inp_sto_round, out_sto_round]) = converters;
        let (out_noise, inp_noise, w_noise, w_noise_type, out_noise_std) = noise;
        let (noise_management, bound_management, mv_type) = managed;
        let if_on = |on: bool, value: f32| if on { value } else { 0.0 };
        IoParameters {
            is_perfect,
            inp_res,
            out_res,
            out_bound,
            inp_sto_round,
            out_sto_round,
            out_noise,
            inp_noise,
            w_noise,
            w_noise_type: [WeightNoise::None, WeightNoise::AdditiveConstant, WeightNoise::PcmRead][w_noise_type],
            out_noise_std,
            noise_management,
            bound_management,
            mv_type,
            ir_drop: if_on(array[0], 1.0),
            r_series: if_on(array[1], r),
            v_offset_std: if_on(array[2], r),
            out_nonlinearity: if_on(array[3], r),
            w_read_asymmetry_dtod: r,
            ..Default::default()
        }
    })
}

/// Mappings without learned scales.
pub fn mapping() -> impl Strategy<Value = MappingParameter> {
    let omega = prop::sample::select(vec![0.0, 0.6, 1.0]);
    (any::<bool>(), omega, any::<bool>(), 0usize..8, 0usize..8).prop_map(
        |(digital_bias, weight_scaling_omega, weight_scaling_columnwise, max_input_size, max_output_size)| {
            MappingParameter {
                digital_bias,
                weight_scaling_omega,
                weight_scaling_columnwise,
                max_input_size,
                max_output_size,
                ..Default::default()
            }
        },
    )
}

/// A configuration with the default backward.
pub fn config() -> impl Strategy<Value = InferenceRpuConfig> {
    (io(), mapping()).prop_map(|(forward, mapping)| InferenceRpuConfig { forward, mapping, ..Default::default() })
}

/// Hardware with all that tiles may hold: input ranges, learned scales, running means, variations in both directions,
/// and on a chip a noise model and drift compensation.
pub fn full_config() -> impl Strategy<Value = InferenceRpuConfig> {
    let model = prop::sample::select(vec![
        NoiseModelConfig::Pcm(Pcm::default()),
        NoiseModelConfig::Hermes(Hermes::default()),
        NoiseModelConfig::StateIndependent(StateIndependent::default()),
        NoiseModelConfig::ReRamCmo(ReRamCmo::default()),
        NoiseModelConfig::None,
    ]);
    let compensation = prop::sample::select(vec![
        DriftCompensationConfig::None,
        DriftCompensationConfig::Global,
        DriftCompensationConfig::GlobalWithExactReference,
        DriftCompensationConfig::PerColumn,
    ]);
    let backward = prop::option::of(io()).prop_map(|io| io.map_or(BackwardIoParameters::perfect(), analog_backward));
    let parts = (io(), backward, mapping(), any::<[bool; 2]>(), model, compensation);
    let config =
        parts.prop_map(|(forward, backward, mapping, [enable, learn_out_scaling], noise_model, drift_compensation)| {
            let mapping = MappingParameter { digital_bias: true, learn_out_scaling, ..mapping };
            let input_range = InputRangeParameter { enable, init_from_data: 1, ..Default::default() };
            let pre_post = PrePostProcessingParameter { input_range };
            InferenceRpuConfig {
                forward,
                backward,
                mapping,
                pre_post,
                noise_model,
                drift_compensation,
                ..Default::default()
            }
        });
    config.prop_filter("valid", |config| config.validate().is_ok())
}

/// A backward that reads the transposed tiles with the converters, noise and management of a forward.
fn analog_backward(io: IoParameters) -> BackwardIoParameters {
    BackwardIoParameters {
        is_perfect: false,
        inp_res: io.inp_res,
        out_res: io.out_res,
        out_noise: io.out_noise,
        noise_management: io.noise_management,
        w_read_asymmetry_dtod: io.w_read_asymmetry_dtod,
        ..Default::default()
    }
}

/// The bits of all elements.
pub fn bits(x: &Tensor) -> Vec<u32> {
    x.iter().map(|v| v.to_bits()).collect()
}
