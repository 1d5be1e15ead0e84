//! Shredded files, with random damage: reading refuses them with an error or gives a checkpoint that works.
//!
//! `OHMGRAD_FUZZ=3000..1000000 cargo test --release -p ohmgrad-models shredded` runs more cases, from the one where the
//! test stops.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ohmgrad_analog::config::{InputRangeParameter, MvType, NoiseManagement, PrePostProcessingParameter};
use ohmgrad_analog::{BackwardIoParameters, InferenceRpuConfig, IoParameters, MappingParameter};
use ohmgrad_autograd::Tape;
use ohmgrad_hostile::Dice;
use ohmgrad_tensor::Key;
use serde_json::Value;

use super::restore::Plan;
use super::*;
use crate::{Adam, BatchNorm1d, Module, Network, Schedule, Sequential, Sgd, Tiles};

fn net() -> Sequential {
    let norm = BatchNorm1d::new(4).with_cumulative_average();
    Sequential::new().linear(3, 4).layer(norm).tanh().linear(4, 2).init(Key::new(1))
}

fn analog(digital_bias: bool) -> Sequential {
    let forward = IoParameters {
        noise_management: NoiseManagement::AverageAbsMax,
        mv_type: MvType::PosNegSeparate,
        out_noise_std: 0.1,
        w_read_asymmetry_dtod: 0.1,
        ..Default::default()
    };
    let mapping = MappingParameter {
        digital_bias,
        weight_scaling_omega: 1.0,
        learn_out_scaling: true,
        max_input_size: if digital_bias { 2 } else { 0 },
        ..Default::default()
    };
    let mut net = net();
    let input_range = InputRangeParameter { enable: digital_bias, ..Default::default() };
    let pre_post = PrePostProcessingParameter { input_range };
    let backward = BackwardIoParameters::default();
    let config = InferenceRpuConfig { forward, backward, mapping, pre_post, ..Default::default() };
    net.to_analog(&config, Key::new(2)).unwrap();
    net
}

fn step(net: &mut Sequential, optimizer: &mut dyn Optimizer) {
    let tape = Tape::train(Key::new(3));
    let y = net.forward(tape.constant(Tensor::normal(&[2, 3], Key::new(4))));
    optimizer.step(net, (y * y).mean().backward());
}

fn file(mut net: Sequential, optimizer: &mut dyn Optimizer) -> Vec<u8> {
    step(&mut net, optimizer);
    let schedule = Schedule::cosine(0.1, 100).after_warm_up(10);
    let training = TrainingState { step: 1, schedule: Some(schedule), ..TrainingState::new(Key::new(5)) };
    let path = Path::new("valid");
    let (text, tensors) = sections::take_apart(&net, Some(optimizer), &training, path).unwrap();
    format::encode(text, &tensors, path).unwrap()
}

/// A file of another program: weights in four types, and PyTorch's count of batches.
fn foreign() -> Vec<u8> {
    let types = [("F16", 2), ("BF16", 2), ("F64", 8), ("F32", 4)].into_iter().cycle();
    let (mut header, mut data) = (String::from("{"), vec![]);
    for ((dtype, size), (name, value)) in types.zip(net().state_dict()) {
        let (dtype, size) = if restore::is_count(&name) { ("I64", 8) } else { (dtype, size) };
        let (start, shape) = (data.len(), value.shape().to_vec());
        data.resize(start + size * value.len(), 1);
        let end = data.len();
        header += &format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}},"#);
    }
    header.replace_range(header.len() - 1.., "}");
    let bytes = with_header(header.as_bytes(), &data);
    parse_weights(&bytes, Path::new("x")).unwrap().plan(&mut net(), Tiles::FromNetwork).unwrap();
    bytes
}

fn shred(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let Some(header) = bytes.first_chunk().map(|length| u64::from_le_bytes(*length) as usize) else { return };
    if header == 0 || header > bytes.len() - 8 {
        return;
    }
    match dice.below(8) {
        0 => {
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
        }
        1 => bytes.truncate(dice.below(bytes.len())),
        2 | 3 => {
            let mut text = bytes[8..8 + header].to_vec();
            (0..=dice.below(3)).for_each(|_| shred_text(&mut text, dice));
            *bytes = with_header(&text, &bytes[8 + header..]);
        }
        _ => {
            let Ok(mut tree) = serde_json::from_slice::<Value>(&bytes[8..8 + header]) else { return };
            let about = tree.pointer_mut("/__metadata__/ohmgrad").filter(|_| dice.below(2) == 0);
            match about.and_then(|text| Some((serde_json::from_str::<Value>(text.as_str()?).ok()?, text))) {
                Some((mut about, text)) => {
                    shred_tree(&mut about, dice);
                    *text = about.to_string().into();
                }
                None => shred_tree(&mut tree, dice),
            }
            *bytes = with_header(tree.to_string().as_bytes(), &bytes[8 + header..]);
        }
    }
}

/// A file with the right length of its header, so that reading gets past it.
fn with_header(header: &[u8], data: &[u8]) -> Vec<u8> {
    [(header.len() as u64).to_le_bytes().as_slice(), header, data].concat()
}

fn number(dice: &mut Dice) -> &'static str {
    const NUMBERS: &str = "0 1 2 3 4 -1 0.5 1e39 1e-40 1e999 NaN null 16777217 2147483647 4294967295 \
        4611686018427387904 9223372036854775807 18446744073709551615";
    NUMBERS.split(' ').nth(dice.below(18)).expect("there are 18")
}

/// Changes JSON into other valid JSON.
fn shred_tree(tree: &mut Value, dice: &mut Dice) {
    match tree {
        Value::Object(fields) if !fields.is_empty() => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let (a, b) = (dice.pick(&names), dice.pick(&names));
            match dice.below(12) {
                0 => drop(fields.remove(a)),
                1 => drop(fields.insert(format!("{a}x"), fields[b].clone())),
                2 | 3 => {
                    let (one, two) = (fields[a].clone(), fields[b].clone());
                    fields.insert(a.clone(), two);
                    fields.insert(b.clone(), one);
                }
                _ => shred_tree(&mut fields[a.as_str()], dice),
            }
        }
        Value::Array(items) => match dice.below(6) {
            0 => items.push(1.into()),
            1 => items.insert(0, 1.into()),
            2 => items.reverse(),
            3 => drop(items.pop()),
            _ if items.is_empty() => {}
            _ => {
                let at = dice.below(items.len());
                shred_tree(&mut items[at], dice);
            }
        },
        leaf => {
            let text = number(dice);
            *leaf = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        }
    }
}

fn shred_text(text: &mut Vec<u8>, dice: &mut Dice) {
    const TEXTS: [&str; 10] = ["\"", "\\\"", "{}", "[]", ",", ":", "F16", "I64", "@tiles/", "\\u0000"];
    let at = dice.below(text.len());
    let is_digit = |b: &u8| b.is_ascii_digit();
    match dice.below(5) {
        // A number is replaced by another.
        0 | 1 => {
            let Some(start) = text[at..].iter().position(is_digit).map(|i| at + i) else { return };
            let end = text[start..].iter().position(|b| !is_digit(b)).map_or(text.len(), |i| start + i);
            text.splice(start..end, number(dice).bytes());
        }
        2 => {
            let insert = *dice.pick(&TEXTS);
            text.splice(at..at, insert.bytes());
        }
        // A part is copied or moved to another place.
        3 => {
            let end = text.len().min(at + dice.below(120));
            let part = text[at..end].to_vec();
            if dice.below(2) == 0 {
                text.drain(at..end);
            }
            let to = dice.below(text.len() + 1);
            text.splice(to..to, part);
        }
        _ => text[at] = dice.below(256) as u8,
    }
}

/// Reads a file and uses what it holds; returns `true` if it was restored.
fn read(bytes: &[u8], optimizers: [&mut dyn Optimizer; 2]) -> bool {
    let mut plain = net();
    let weights = parse_weights(bytes, Path::new("shredded"));
    if weights.and_then(|w| w.plan(&mut plain, Tiles::FromNetwork).map(Plan::carry_out)).is_ok() {
        step(&mut plain, &mut Sgd::new(0.1));
    }
    let Ok(checkpoint) = Checkpoint::from_bytes(bytes, Path::new("shredded")) else { return false };
    let mut restored = false;
    for optimizer in optimizers {
        for tiles in [Tiles::FromFile, Tiles::FromNetwork] {
            for mut net in [net(), analog(true)] {
                if checkpoint.restore(&mut net, Some(optimizer), tiles).is_ok() {
                    restored = true;
                    let training = checkpoint.training();
                    if let Some(schedule) = &training.schedule {
                        optimizer.set_lr(schedule.at(training.step));
                    }
                    step(&mut net, optimizer);
                    net.to_digital();
                }
            }
        }
    }
    restored
}

#[test]
fn shredded_files_are_refused_or_work() {
    let optimizers = || (Sgd::new(0.1).with_momentum(0.9), Adam::new(0.1));
    let (mut sgd, mut adam) = optimizers();
    let valid = [file(net(), &mut sgd), file(analog(true), &mut adam), file(analog(false), &mut sgd.clone())];
    assert!(valid.iter().all(|bytes| read(bytes, [&mut optimizers().0, &mut optimizers().1])));
    let valid: Vec<_> = valid.into_iter().chain([foreign()]).collect();
    let cases = ohmgrad_hostile::cases(0..3000);
    let mut worked = 0;
    for case in cases.clone() {
        let mut dice = Dice::new(Key::new(6).fold(case));
        let mut bytes = dice.pick(&valid).clone();
        (0..=dice.below(2)).for_each(|_| shred(&mut bytes, &mut dice));
        let (mut sgd, mut adam) = optimizers();
        let result = catch_unwind(AssertUnwindSafe(|| read(&bytes, [&mut sgd, &mut adam])));
        worked += usize::from(result.unwrap_or_else(|_| {
            std::fs::write(std::env::temp_dir().join("shredded.safetensors"), &bytes).unwrap();
            panic!("case {case}, in shredded.safetensors of the temporary directory")
        }));
    }
    // Damaged data can be valid, so some files work; most or none would mean too little or too much damage.
    let all = cases.len();
    assert!(worked > all / 100 && worked < all / 2, "{worked} of {all}");
}
