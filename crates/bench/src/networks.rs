//! Networks and hardware that several measurements share.

use ohmgrad::prelude::*;

/// The hardware of issue 628 of aihwkit: no ADC steps, additive weight noise.
pub fn hardware(backward: BackwardIoParameters) -> InferenceRpuConfig {
    let forward = IoParameters {
        out_res: -1.0,
        w_noise: 0.02,
        w_noise_type: WeightNoise::AdditiveConstant,
        ..Default::default()
    };
    InferenceRpuConfig { forward, backward, ..Default::default() }
}

/// The convolutional network of issue 628, for images of 28 × 28.
pub fn cnn(key: Key) -> Sequential {
    Sequential::new()
        .conv2d(1, 32, 3)
        .relu()
        .conv2d(32, 64, 3)
        .relu()
        .max_pool2d(2)
        .dropout(0.25)
        .flatten()
        .linear(9216, 128)
        .relu()
        .dropout(0.5)
        .linear(128, 10)
        .init(key)
}
