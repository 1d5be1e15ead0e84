//! Initial values of weights. Weights are [out, in, …]; `fan_in` counts the entries of each output, `fan_out` of each
//! input.

use ohmgrad_tensor::{Key, Tensor};

/// Entries per output and per input of a weight.
fn fans(shape: &[usize]) -> (f32, f32) {
    let receptive: usize = shape.iter().skip(2).product();
    let fan = |axis: usize| (shape.get(axis).copied().unwrap_or(1) * receptive) as f32;
    (fan(1), fan(0))
}

/// Uniform between −`bound` and `bound`.
pub fn uniform(shape: &[usize], bound: f32, key: Key) -> Tensor {
    Tensor::uniform(shape, key).map(|u| bound * (2.0 * u - 1.0))
}

/// Normal with mean 0 and standard deviation `std`.
pub fn normal(shape: &[usize], std: f32, key: Key) -> Tensor {
    &Tensor::normal(shape, key) * std
}

/// PyTorch's default for linear and convolution layers, weights and biases alike: uniform within `±1/√fan_in`.
pub fn torch_default(shape: &[usize], fan_in: usize, key: Key) -> Tensor {
    uniform(shape, 1.0 / (fan_in.max(1) as f32).sqrt(), key)
}

/// Glorot & Bengio 2010, uniform: within `±√(6/(fan_in + fan_out))`.
pub fn xavier_uniform(shape: &[usize], key: Key) -> Tensor {
    let (fan_in, fan_out) = fans(shape);
    uniform(shape, (6.0 / (fan_in + fan_out)).sqrt(), key)
}

/// Glorot & Bengio 2010, normal: variance `2/(fan_in + fan_out)`.
pub fn xavier_normal(shape: &[usize], key: Key) -> Tensor {
    let (fan_in, fan_out) = fans(shape);
    normal(shape, (2.0 / (fan_in + fan_out)).sqrt(), key)
}

/// He et al. 2015 for ReLU, uniform: within `±√(6/fan_in)`.
pub fn kaiming_uniform(shape: &[usize], key: Key) -> Tensor {
    uniform(shape, (6.0 / fans(shape).0).sqrt(), key)
}

/// He et al. 2015 for ReLU, normal: variance `2/fan_in`.
pub fn kaiming_normal(shape: &[usize], key: Key) -> Tensor {
    normal(shape, (2.0 / fans(shape).0).sqrt(), key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_as_promised() {
        let (shape, key) = ([300, 200], Key::new(1));
        // The standard deviation of 60,000 samples is known to 0.3 %; 2 % is 7σ.
        let near = |w: Tensor, std: f32| assert!((w.std(0) / std - 1.0).abs() < 0.02);
        near(kaiming_normal(&shape, key), (2f32 / 200.0).sqrt());
        near(kaiming_uniform(&shape, key), (2f32 / 200.0).sqrt());
        near(xavier_normal(&shape, key), (2f32 / 500.0).sqrt());
        near(xavier_uniform(&shape, key), (2f32 / 500.0).sqrt());
        near(torch_default(&shape, 200, key), (1f32 / 600.0).sqrt());
        assert!(torch_default(&shape, 200, key).abs().max() <= (1f32 / 200.0).sqrt());
    }
}
