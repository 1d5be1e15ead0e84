//! A convolutional network whose layers have names, loaded from weights that PyTorch saved, digitally and on tiles.
//!
//! `tests/checkpoint/make_pytorch_conv.py` made the file with `safetensors.torch.save_file(net.state_dict(), …)`. It
//! also printed PyTorch's outputs, with which those of this network are compared.
//!
//! ```text
//! cargo run --release --example named_cnn
//! ```

use std::error::Error;

use ohmgrad::prelude::*;

/// Names and shapes are those of the PyTorch module; layers without weights need no name.
fn network(key: Key) -> Sequential {
    Sequential::new()
        .named("conv1", |key| Conv2d::new(1, 4, [3, 3], key).with_padding([1, 1]))
        .named("bn1", |_| BatchNorm2d::new(4))
        .relu()
        .named("conv2", |key| Conv2d::grouped(4, 6, [3, 3], 2, key).with_stride([2, 2]))
        .flatten()
        .named("fc", |key| Linear::new(6, 2, key))
        .init(key)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (key, file) = (Key::new(42), "tests/checkpoint/pytorch_conv.safetensors");
    let mut net = network(key.fold("weights"));
    net.load_weights(file)?;
    println!("{}\n", net.summary());

    // Two images of a ramp, the same that PyTorch was given.
    let x = Tensor::from_fn(&[2, 1, 4, 4], |i| (i[0] * 16 + i[2] * 4 + i[3]) as f32 / 16.0 - 1.0);
    let pytorch = [-0.4182049, -0.17806229, -0.32578483, -0.10751138];
    let show = |name: &str, y: &[f32]| {
        let off = y.iter().zip(pytorch).map(|(y, expected)| (y - expected).abs()).fold(0.0, f32::max);
        println!("{name:12}  {y:8.4?}  {off:.1e} off");
    };
    show("PyTorch", &pytorch);
    show("digital", &predict(&net, &x, key.fold("reads")).to_vec());

    // The same network on tiles: exactly, with converters and noise, and as a chip of phase-change memory after a day.
    let perfect = IoParameters { is_perfect: true, ..Default::default() };
    for (name, forward) in [("exact tiles", perfect), ("tiles", IoParameters::default())] {
        net.to_digital();
        net.to_analog(InferenceRpuConfig { forward, ..Default::default() }, key.fold("hardware"))?;
        show(name, &predict(&net, &x, key.fold("reads")).to_vec());
    }
    net.remap_weights(1.0)?;
    let mut chip = net.program(key.fold("chip"))?;
    chip.drift_to(86_400.0)?;
    show("after a day", &predict(&chip, &x, key.fold("reads")).to_vec());
    Ok(())
}
