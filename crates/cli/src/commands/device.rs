//! `ohmgrad device`: a pulsed device, drawn, or fitted to measurements.

use std::path::PathBuf;

use clap::Args;
use ohmgrad::analog::cell::{Cell, CellConfig, Update, presets};
use ohmgrad::analog::config::{RpuConfig, SingleRpuConfig};
use ohmgrad::analog::device::fit::{Experiment, Parameter, fit, tabular};
use ohmgrad::analog::device::{DeviceConfig, symmetry_point};
use ohmgrad::analog::update::{Pairs, UpdateParameters};
use ohmgrad::prelude::*;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Draw a pulsed device: its responses, its steps over the weight, its symmetry point; or fit one to measurements.
///
/// With --fit the parameters of the preset's model are fitted to measured responses; the result is printed as a
/// configuration, and drawn over the measurements.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ohmgrad device ReRamSB --plot device.svg\n  ohmgrad device ReRamSB --fit measured.csv > device.toml"
)]
pub struct DeviceArgs {
    /// The device, the name of a preset with one device at each crosspoint.
    #[arg(value_name = "PRESET", default_value = "ReRamSB")]
    preset: String,
    /// A CSV table of measurements: the number of pulses so far (pulses down decrease it), and the conductance of each
    /// device.
    #[arg(long, value_name = "CSV")]
    fit: Option<PathBuf>,
    /// With --fit: use a table of the measured steps with NODES nodes instead of the preset's model.
    #[arg(long, value_name = "NODES", requires = "fit")]
    table: Option<usize>,
    /// With --fit: a parameter that is sought, with its start, least and greatest value [default: dw_min, w_max,
    /// w_min].
    #[arg(long, value_name = "NAME=START,LEAST,GREATEST", value_parser = parameter, requires = "fit")]
    vary: Vec<(String, Parameter)>,
    /// Number of pulses up, and then of pulses down.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pulses: u32,
    /// Number of devices, with the preset's spread.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    devices: u32,
    /// Seed of all random numbers.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The picture, .svg or .png.
    #[arg(long, value_name = "FILE", default_value = "device.svg")]
    plot: PathBuf,
}

fn parameter(text: &str) -> Result<(String, Parameter), String> {
    let wrong = || format!("`{text}` is not NAME=START,LEAST,GREATEST");
    let (name, numbers) = text.split_once('=').ok_or_else(wrong)?;
    let numbers: Result<Vec<f32>, _> = numbers.split(',').map(str::parse).collect();
    match numbers.map_err(|_| wrong())?[..] {
        [start, low, high] => Ok((name.to_owned(), Parameter::Varied { start, low, high })),
        _ => Err(wrong()),
    }
}

/// Runs the command.
pub fn run(args: &DeviceArgs, output: Output) -> Outcome<u8> {
    let preset = presets::by_name(&args.preset)
        .ok_or_else(|| Failure::mistake(format!("{}: is no preset; docs/devices.md has their names", args.preset)))?;
    let CellConfig::Device(device) = preset.cell else {
        return Err(Failure::mistake(format!("{}: is a cell of several devices; choose a preset of one", args.preset)));
    };
    let (device, responses, fitted) = match &args.fit {
        None => {
            let responses = respond(&device, args)?;
            (device, responses, None)
        }
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
            let named = |error| Failure::mistake(format!("{}: {error}", file.display()));
            let experiments = Experiment::from_csv(&text).map_err(named)?;
            let (device, fitted) = fit_to(&device, &experiments, args)?;
            (device, experiments.into_iter().map(|experiment| experiment.responses).collect(), Some(fitted))
        }
    };
    let symmetry = symmetry_point(device.step());
    let point = symmetry.map_or("none: steps are equal everywhere or nowhere".into(), |w| format!("{w:.4}"));
    eprintln!("granularity {:.3e}, {:.0} states, symmetry point {point}", device.granularity(), device.states());
    let common = device.step().common();
    let weights: Vec<f32> =
        (0..=200).map(|i| common.w_min + (common.w_max - common.w_min) * i as f32 / 200.0).collect();
    let step = |n: i32| weights.iter().map(|&w| n as f32 * change(&device, w, n)).collect::<Vec<f32>>();
    let figures = [
        ohmgrad::plots::pulse_response(&responses, fitted.as_deref()),
        ohmgrad::plots::step_sizes(&weights, &step(1), &step(-1), symmetry),
    ];
    ohmgrad::plots::save(&args.plot, &figures)?;
    let config = RpuConfig::from(SingleRpuConfig { device: device.clone(), ..Default::default() }).to_toml_string()?;
    output.event(&json!({
        "config": config, "granularity": device.granularity(), "states": device.states(), "symmetry_point": symmetry,
        "plot": args.plot,
    }));
    if args.fit.is_some() {
        output.say(config);
    }
    Ok(0)
}

/// The mean change of a weight by a pulse.
fn change(device: &DeviceConfig, w: f32, pulse: i32) -> f32 {
    let responses = Experiment::simulated(device, &[pulse, 0], w).responses;
    responses[1] - responses[0]
}

/// The weights of devices before each of the pulses up and down.
fn respond(device: &DeviceConfig, args: &DeviceArgs) -> Outcome<Vec<Vec<f32>>> {
    let key = Key::new(args.seed);
    let (devices, pulses) = (args.devices as usize, args.pulses as usize);
    // Trains of length 1 with a pulse on both lines: one coincidence for every device.
    let p =
        UpdateParameters { desired_bl: 1, update_bl_management: false, update_management: false, ..Default::default() };
    let mut cell = Cell::new(&device.clone().into(), &p, [devices, 1], false, key.fold("devices"))?;
    let lowest = device.step().common().w_min;
    cell.set_weights(&Tensor::full(&[devices, 1], lowest), key.fold("set"));
    let (x, rate) = (Tensor::full(&[1, 1], 1.0), cell.granularity());
    let mut responses = vec![vec![]; devices];
    for pulse in 0..2 * pulses {
        responses.iter_mut().zip(cell.weights().iter()).for_each(|(response, w)| response.push(*w));
        let d = Tensor::full(&[1, devices], if pulse < pulses { -1.0 } else { 1.0 });
        let pairs = Pairs::new(&x, &d);
        cell.update(Update { pairs, rate, parameters: &p, key: key.fold("pulse").fold(pulse) });
    }
    Ok(responses)
}

/// The device that fits measurements, and its response to the pulses of the first of them.
fn fit_to(device: &DeviceConfig, experiments: &[Experiment], args: &DeviceArgs) -> Outcome<(DeviceConfig, Vec<f32>)> {
    let device = match args.table {
        Some(nodes) => DeviceConfig::from(tabular(experiments, nodes)?),
        None => {
            let c = device.step().common();
            let sought =
                |start: f32, low: f32, high: f32| Parameter::Varied { start: start.clamp(low, high), low, high };
            let all = [
                ("dw_min", sought(c.dw_min, 0.05 * c.dw_min, 50.0 * c.dw_min)),
                ("w_max", sought(c.w_max, 0.1, 3.0)),
                ("w_min", sought(c.w_min, -3.0, -0.1)),
            ];
            let own: Vec<(&str, Parameter)> = args.vary.iter().map(|(name, p)| (name.as_str(), *p)).collect();
            let found = fit(device, if own.is_empty() { &all } else { &own }, experiments)?;
            eprintln!("sum of squares {:.3e}, noise of a measurement {:.3e}", found.sum_of_squares, found.read_noise);
            found.device
        }
    };
    let first = experiments.first().expect("a table has devices");
    let response = Experiment::simulated(&device, &first.pulses, first.responses[0]).responses;
    Ok((device, response))
}
