//! Custom parts.

use std::error::Error;
use std::sync::Arc;

use ohmgrad::analog::config::SingleRpuConfig;
use ohmgrad::analog::device::{Common, ConstantStep, Crosspoint, DeviceConfig, Step};
use ohmgrad::analog::noise::{Converter, NoiseModel, Pcm};
use ohmgrad::autograd::{Back, Op, gradcheck};
use ohmgrad::prelude::*;
use ohmgrad::tensor::Scalar;

const KEY: Key = Key::new(1);

// ANCHOR: layer
/// Two layers with a connection around them: `x + second(relu(first(x)))`.
#[derive(Clone, Visit)]
struct Residual {
    first: Linear,
    second: Linear,
}

impl Module for Residual {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        x + self.second.forward(self.first.forward(x).relu())
    }
}
// ANCHOR_END: layer

#[test]
fn a_layer_moves_onto_tiles() -> Result<(), Box<dyn Error>> {
    // ANCHOR: use_layer
    let block =
        Residual { first: Linear::new(8, 16, KEY.fold("first")), second: Linear::new(16, 8, KEY.fold("second")) };
    let mut net = Sequential::new().linear(4, 8).layer(block).linear(8, 2).init(KEY.fold("weights"));
    net.to_analog(InferenceRpuConfig::default(), KEY.fold("hardware"))?;
    assert_eq!(net.summary().tiles(), 4);
    assert_eq!(net.parameter_names()[2], "1.first.weight");
    // ANCHOR_END: use_layer
    Ok(())
}

// ANCHOR: operation
/// `x·σ(βx)`, a smooth ReLU. Gradient: `d·(s + βx·s·(1 − s))` with `s = σ(βx)`.
struct Swish<T>(T);

impl<T: Scalar> Op<T> for Swish<T> {
    fn name(&self) -> &'static str {
        "swish"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let beta = self.0;
        let d = cx.grad.zip(cx.input(0), |d, x| {
            let s = (beta * x).logistic();
            d * (s + beta * x * s * (T::one() - s))
        });
        cx.give(0, d);
    }
}

/// Swish with a slope `beta`; the result has the shape of `x`.
fn swish<T: Scalar>(x: Var<'_, T>, beta: T) -> Var<'_, T> {
    let value = x.value().map(|x| x * (beta * x).logistic());
    x.tape().push(value, &[x], Swish(beta))
}
// ANCHOR_END: operation

#[test]
fn an_operation_has_the_gradient_of_its_forward() {
    // ANCHOR: check
    let x = Array::<f64>::normal(&[4, 3], KEY);
    gradcheck(|v| swish(v[0], 1.5), &[x]).unwrap();
    // ANCHOR_END: check
}

// ANCHOR: device
/// Steps that shrink with the magnitude of the weight.
#[derive(Debug)]
struct Fading;

impl Step for Fading {
    fn common(&self) -> Common {
        ConstantStep::default().common()
    }

    fn up(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        w + at.up / (1.0 + w * w) * (1.0 + noise)
    }

    fn down(&self, w: f32, at: &Crosspoint, noise: f32) -> f32 {
        w - at.down / (1.0 + w * w) * (1.0 + noise)
    }
}
// ANCHOR_END: device

#[test]
fn a_device_trains_a_network() -> Result<(), Box<dyn Error>> {
    // ANCHOR: use_device
    let mut net = Sequential::new().linear(6, 3).init(KEY);
    net.to_analog(SingleRpuConfig { device: DeviceConfig::own(Fading), ..Default::default() }, KEY.fold("hardware"))?;
    // ANCHOR_END: use_device
    let before = net.effective_weights();
    let tape = Tape::train(KEY.fold("step"));
    let loss = net.forward(tape.constant(Tensor::normal(&[8, 6], KEY.fold("x")))).cross_entropy(&[0; 8]);
    Sgd::new(0.1).step(&mut net, loss.backward());
    assert_ne!(net.effective_weights(), before);
    Ok(())
}

// ANCHOR: noise_model
/// Phase-change memory of which a share of the devices is broken: their conductance is 0.
#[derive(Debug)]
struct Broken {
    devices: Pcm,
    share: f64,
}

impl NoiseModel for Broken {
    fn converter(&self) -> Arc<dyn Converter> {
        self.devices.converter()
    }

    fn program(&self, target: &Tensor, key: Key) -> Tensor {
        let works = Tensor::bernoulli(target.shape(), 1.0 - self.share, key.fold("broken"));
        &self.devices.program(target, key.fold("programming")) * &works
    }

    fn drift_coefficients(&self, target: &Tensor, key: Key) -> Option<Tensor> {
        self.devices.drift_coefficients(target, key)
    }

    fn drift(
        &self,
        programmed: &Tensor,
        target: &Tensor,
        coefficients: Option<&Tensor>,
        t: f32,
        key: Key,
    ) -> Result<Tensor, ohmgrad::analog::Error> {
        let works = programmed.map(|g| f32::from(g > 0.0));
        Ok(&self.devices.drift(programmed, target, coefficients, t, key)? * &works)
    }
}
// ANCHOR_END: noise_model

#[test]
fn a_noise_model_programs_chips() -> Result<(), Box<dyn Error>> {
    // ANCHOR: use_noise_model
    let model: Arc<dyn NoiseModel> = Arc::new(Broken { devices: Pcm::default(), share: 0.01 });
    let config = InferenceRpuConfig { noise_model: model.into(), ..Default::default() };
    let mut net = Sequential::new().linear(64, 10).init(KEY);
    net.to_analog(&config, KEY.fold("hardware"))?;
    let mut chip = net.program(KEY.fold("chip"))?;
    chip.drift_to(3600.0)?;
    // ANCHOR_END: use_noise_model
    assert_ne!(chip.effective_weights(), net.effective_weights());
    Ok(())
}
