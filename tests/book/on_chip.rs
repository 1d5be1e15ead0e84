//! Training on the chip.

use std::error::Error;

use ohmgrad::analog::cell::presets;
use ohmgrad::analog::config::{RpuConfig, SingleRpuConfig};
use ohmgrad::analog::device::SoftBounds;
use ohmgrad::prelude::*;

const KEY: Key = Key::new(1);

#[test]
fn digits_in_devices() -> Result<(), Box<dyn Error>> {
    // ANCHOR: digits
    let mnist = Mnist::embedded();
    let mut net = Sequential::new().linear(784, 32).sigmoid().linear(32, 10).init(KEY.fold("weights"));
    let preset = presets::by_name("GokmenVlasovPreset").expect("a preset of the reference");
    net.to_analog(preset, KEY.fold("hardware"))?;

    let mut sgd = Sgd::new(0.02);
    for (step, batch) in mnist.train.batches(1, KEY.fold("shuffle")).enumerate() {
        let tape = Tape::train(KEY.fold("step").fold(step));
        let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
        sgd.step(&mut net, loss.backward()); // pulses
    }
    println!("{:.1} %\n{}", 100.0 * accuracy(&net, &mnist.test, KEY.fold("test")), net.summary());
    // ANCHOR_END: digits
    assert!(accuracy(&net, &mnist.test, KEY.fold("test")) > 0.8);
    Ok(())
}

#[test]
fn a_device_by_its_parameters() -> Result<(), Box<dyn Error>> {
    // ANCHOR: device
    let device = SoftBounds { dw_min: 0.002, w_max: 0.8, w_min: -0.8, ..Default::default() };
    let config = SingleRpuConfig { device: device.into(), ..Default::default() };
    // ANCHOR_END: device

    // ANCHOR: file
    let from_file = RpuConfig::from_toml_str(
        r#"
        type = "SingleRPUConfig"
        device = { type = "SoftBoundsDevice", dw_min = 0.002, w_max = 0.8, w_min = -0.8 }
        "#,
    )?;
    // ANCHOR_END: file
    assert_eq!(RpuConfig::from(config), from_file);
    Ok(())
}
