//! Workloads whose rates are measured.
//!
//! Networks, batches, optimizers and configurations are those of `benches/compare/peer_bench.py`, which times the
//! reference simulator and PyTorch under the same names.

use ohmgrad::analog::cell::{Algorithm, build_cell};
use ohmgrad::analog::config::{RpuConfig, SingleRpuConfig};
use ohmgrad::analog::device::DeviceConfig;
use ohmgrad::analog::mvm::{Direction, Mvm, Pattern};
use ohmgrad::analog::update::UpdateParameters;
use ohmgrad::prelude::*;
use ohmgrad::tensor::product;

use crate::networks::{self, hardware};

/// A workload: its name, and a function that prepares it and returns the number of samples of a call, and the call.
pub type Workload = (&'static str, fn() -> (usize, Box<dyn FnMut()>));

/// All workloads.
pub const WORKLOADS: &[Workload] = &[
    ("regression_digital_b32", || regression(32, None)),
    ("regression_analog_b32", || regression(32, Some(BackwardIoParameters::perfect()))),
    ("regression_analog_b256", || regression(256, Some(BackwardIoParameters::perfect()))),
    ("regression_analog_b256_backward_analog", || regression(256, Some(BackwardIoParameters::default()))),
    ("mlp_digital_b64", || mlp(64, None)),
    ("mlp_analog_b64", || mlp(64, Some(BackwardIoParameters::perfect()))),
    ("mlp_pulsed_b64", || pulsed(64, 0.05, SingleRpuConfig::default())),
    ("mlp_pulsed_b1", || pulsed(1, 0.01, SingleRpuConfig { update: long_trains(), ..Default::default() })),
    ("tiki_taka_b1", || pulsed(1, 0.01, tiki_taka())),
    ("lstm_analog_b16", lstm),
    ("cnn_digital_b64", || cnn(64, None)),
    ("cnn_analog_b64", || cnn(64, Some(BackwardIoParameters::perfect()))),
    ("cnn_analog_b64_backward_analog", || cnn(64, Some(BackwardIoParameters::default()))),
    ("mvm_512x512_b256", || mvm(512, 512, 256)),
    ("mvm_128x128_b32", || mvm(128, 128, 32)),
    ("mvm_512x512_b1", || mvm(512, 512, 1)),
    ("gemm_512x512_b256", || gemm(512, 512, 256)),
    ("drift_sweep_mlp_10k", drift_sweep),
];

fn on_hardware(mut net: Sequential, backward: Option<BackwardIoParameters>) -> Sequential {
    if let Some(backward) = backward {
        net.to_analog(hardware(backward), Key::new(2)).expect("the configuration is valid");
    }
    net
}

/// A call that makes one training step, each time with the next key.
fn training(
    batch: usize,
    mut net: Sequential,
    mut optimizer: impl Optimizer + 'static,
    x: Tensor,
    loss: impl for<'t> Fn(Var<'t>) -> Var<'t> + 'static,
) -> (usize, Box<dyn FnMut()>) {
    let (key, mut step) = (Key::new(3), 0);
    let call = move || {
        let tape = Tape::train(key.fold(step));
        step += 1;
        let loss = loss(net.forward(tape.constant(x.clone())));
        optimizer.step(&mut net, loss.backward());
    };
    (batch, Box::new(call))
}

fn regression(batch: usize, backward: Option<BackwardIoParameters>) -> (usize, Box<dyn FnMut()>) {
    let net = Sequential::new()
        .linear(6, 128)
        .softplus()
        .linear(128, 128)
        .softplus()
        .linear(128, 128)
        .softplus()
        .linear(128, 3)
        .init(Key::new(1));
    let (x, y) = (Tensor::uniform(&[batch, 6], Key::new(4)), Tensor::uniform(&[batch, 3], Key::new(5)));
    training(batch, on_hardware(net, backward), Adam::new(1e-3), x, move |out| out.mse(out.tape().constant(y.clone())))
}

fn labels(batch: usize) -> Vec<usize> {
    Tensor::uniform(&[batch], Key::new(5)).iter().map(|u| (u * 10.0) as usize).collect()
}

fn mlp_net() -> Sequential {
    Sequential::new().linear(784, 256).sigmoid().linear(256, 128).sigmoid().linear(128, 10).init(Key::new(1))
}

fn mlp(batch: usize, backward: Option<BackwardIoParameters>) -> (usize, Box<dyn FnMut()>) {
    let (x, y) = (Tensor::uniform(&[batch, 784], Key::new(4)), labels(batch));
    training(batch, on_hardware(mlp_net(), backward), Sgd::new(0.05), x, move |out| out.cross_entropy(&y))
}

/// Trains the network of [`mlp`] with weights that live in devices.
fn pulsed(batch: usize, lr: f32, config: impl Into<RpuConfig>) -> (usize, Box<dyn FnMut()>) {
    let mut net = mlp_net();
    net.to_analog(config, Key::new(2)).expect("the configuration is valid");
    let (x, y) = (Tensor::uniform(&[batch, 784], Key::new(4)), labels(batch));
    training(batch, net, Sgd::new(lr), x, move |out| out.cross_entropy(&y))
}

/// Parameters for pulse trains of one length for all samples.
fn long_trains() -> UpdateParameters {
    UpdateParameters { update_bl_management: false, ..Default::default() }
}

/// Tiki-Taka version 2 on constant steps, as `build_config("ttv2", ConstantStepDevice())`.
fn tiki_taka() -> RpuConfig {
    let (io, update) = (IoParameters::default(), UpdateParameters::default());
    let (cell, update) = build_cell(Algorithm::TikiTaka2, &DeviceConfig::default(), &io, update, 1);
    RpuConfig::on_chip(cell, update, io)
}

/// 64 steps of 64 inputs through 128 hidden units: many calls of the same tiles.
fn lstm() -> (usize, Box<dyn FnMut()>) {
    let (steps, batch) = (64, 16);
    let mut net = Lstm::new(64, 128, RecurrentOptions::default(), Key::new(1));
    net.to_analog(hardware(BackwardIoParameters::perfect()), Key::new(2)).expect("the configuration is valid");
    let (x, key, mut sgd, mut step) =
        (Tensor::uniform(&[steps, batch, 64], Key::new(4)), Key::new(3), Sgd::new(1e-3), 0);
    let call = move || {
        let tape = Tape::train(key.fold(step));
        step += 1;
        let y = net.forward(tape.constant(x.clone()));
        sgd.step(&mut net, (y * y).mean().backward());
    };
    (steps * batch, Box::new(call))
}

/// Programs a chip, and reads it at six times with 10,000 rows each.
fn drift_sweep() -> (usize, Box<dyn FnMut()>) {
    const TIMES: [f32; 6] = [1.0, 3600.0, 86_400.0, 2.6e6, 3.15e7, 3.15e8];
    let net = on_hardware(mlp_net(), Some(BackwardIoParameters::perfect()));
    let (x, key, mut call) = (Tensor::uniform(&[10_000, 784], Key::new(4)), Key::new(3), 0);
    let samples = TIMES.len() * x.shape()[0];
    let sweep = move || {
        let mut chip = net.program(key.fold(call)).expect("the noise model has data for programming");
        call += 1;
        for t in TIMES {
            chip.drift_to(t).expect("the noise model has data for all times");
            std::hint::black_box(predict(&chip, &x, key));
        }
    };
    (samples, Box::new(sweep))
}

fn cnn(batch: usize, backward: Option<BackwardIoParameters>) -> (usize, Box<dyn FnMut()>) {
    let net = networks::cnn(Key::new(1));
    let (x, y) = (Tensor::uniform(&[batch, 1, 28, 28], Key::new(4)), labels(batch));
    training(batch, on_hardware(net, backward), Sgd::new(1e-3), x, move |out| out.cross_entropy(&y))
}

/// Reads through one tile under the default parameters.
fn mvm(outs: usize, ins: usize, batch: usize) -> (usize, Box<dyn FnMut()>) {
    let (io, pattern, key) = (IoParameters::default(), Pattern::default(), Key::new(3));
    let (w, x) = operands(outs, ins, batch);
    let mut call = 0;
    let read = move || {
        let read = Mvm {
            io: &io,
            pattern: &pattern,
            direction: Direction::Forward,
            key: key.fold(call),
            first_row: 0,
            timed: None,
        };
        call += 1;
        std::hint::black_box(read.read(&x, &w));
    };
    (batch, Box::new(read))
}

fn gemm(outs: usize, ins: usize, batch: usize) -> (usize, Box<dyn FnMut()>) {
    let (w, x) = operands(outs, ins, batch);
    (batch, Box::new(move || drop(std::hint::black_box(product::linear(&x, &w)))))
}

/// Weights [outs, ins] and rows [batch, ins].
fn operands(outs: usize, ins: usize, batch: usize) -> (Tensor, Tensor) {
    let bound = 2.0 / (ins as f32).sqrt();
    let w = &(&Tensor::uniform(&[outs, ins], Key::new(1)) - 0.5) * bound;
    (w, &Tensor::uniform(&[batch, ins], Key::new(4)) - 0.5)
}
