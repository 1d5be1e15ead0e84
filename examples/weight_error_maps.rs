//! The error of weights that are trained on the chip, over the number of states of the devices and the offset of their
//! symmetry points, for four algorithms: the maps of Rasch et al., Nature Communications 15, 7133 (2024), figure 4.
//!
//! ```text
//! cargo run --release --example weight_error_maps -- maps
//! ```
//!
//! writes `maps/SGD.svg`, `maps/TTv2.svg`, `maps/c-TTv2.svg` and `maps/AGAD.svg`.

use std::error::Error;
use std::path::PathBuf;

use ohmgrad::analog::cell::{Algorithm, build_cell};
use ohmgrad::analog::config::RpuConfig;
use ohmgrad::analog::device::{DeviceConfig, SoftBoundsReference};
use ohmgrad::analog::update::UpdateParameters;
use ohmgrad::prelude::*;
use ohmgrad_plots::HeatMap;

/// States of a device: the range of its weights over its step.
const STATES: [f32; 6] = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0];
/// Standard deviation of what is left of the symmetry points after their subtraction, in units of the largest weight.
const OFFSETS: [f32; 6] = [0.5, 0.4, 0.3, 0.2, 0.1, 0.0];
/// Inputs and outputs of the layer.
const SIZE: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("give the folder of the pictures, as maps")?);
    let steps = args.next().map_or(Ok(20_000), |steps| steps.parse())?;
    std::fs::create_dir_all(&folder)?;
    for (name, algorithm) in [
        ("SGD", Algorithm::Sgd),
        ("TTv2", Algorithm::TikiTaka2),
        ("c-TTv2", Algorithm::ChoppedTikiTaka2),
        ("AGAD", Algorithm::Agad),
    ] {
        println!("\n{name}: error of the weights in % of the map's; across {STATES:?} states");
        let mut cells = vec![];
        for offset in OFFSETS {
            print!("offset {offset:3.1}:");
            for states in STATES {
                let error = 100.0 * error_of(algorithm, states, offset, steps)?;
                print!(" {error:6.1}");
                cells.push(Some((error, format!("{error:.0}"))));
            }
            println!();
        }
        let map = HeatMap {
            title: format!("{name}: error of the weights / %"),
            across: ("states of a device".into(), STATES.map(|states| states.to_string()).into()),
            down: ("offset of symmetry points".into(), OFFSETS.map(|offset| offset.to_string()).into()),
            cells,
        };
        map.save(folder.join(format!("{name}.svg")))?;
    }
    Ok(())
}

/// The error of the weights of a layer that has learnt a linear map from noisy examples, one a step: root mean squares
/// relative to the map's, the mean over the last tenth of the training.
fn error_of(algorithm: Algorithm, states: f32, offset: f32, steps: usize) -> Result<f64, Box<dyn Error>> {
    let key = Key::new(1);
    let map = Tensor::normal(&[SIZE, SIZE], key.fold("map")).map(|w| 0.3 * w.clamp(-2.0, 2.0));
    let device = DeviceConfig::from(SoftBoundsReference {
        dw_min: 2.0 / states,
        w_max: 1.0,
        w_min: -1.0,
        reference_std: offset,
        subtract_symmetry_point: true,
        ..Default::default()
    });
    let io = IoParameters::default();
    let (cell, update) = build_cell(algorithm, &device, &io, UpdateParameters::default(), 1);
    let mut net = Linear::new(SIZE, SIZE, key.fold("weights")).without_bias();
    net.to_analog(RpuConfig::on_chip(cell, update, io), key.fold("hardware"))?;
    let (mut sgd, mut errors) = (Sgd::new(0.02), vec![]);
    for step in 0..steps {
        if step >= steps - steps.div_ceil(10) && step % 50 == 0 {
            let (_, w) = net.effective_weights().swap_remove(0);
            let size = |t: &Tensor| f64::from((t * t).sum()).sqrt();
            errors.push(size(&(&w - &map)) / size(&map));
        }
        let key = key.fold("step").fold(step);
        let x = Tensor::normal(&[1, SIZE], key.fold("x"));
        let target = &x.matmul(&map.t()) + &(&Tensor::normal(&[1, SIZE], key.fold("noise")) * 0.3);
        let tape = Tape::train(key);
        let loss = net.forward(tape.constant(x)).mse(tape.constant(target));
        sgd.step(&mut net, loss.backward());
    }
    Ok(errors.iter().sum::<f64>() / errors.len() as f64)
}
