//! Files with known defects; `fuzz.rs` has random ones.

use serde_json::{Value, json};

use super::*;
use crate::{Adam, Network, Sequential};
use ohmgrad_analog::{InferenceRpuConfig, IoParameters};
use ohmgrad_tensor::Key;

/// The header of a checkpoint file, the text of ohmgrad in it, and the data.
struct File {
    header: Value,
    about: Value,
    data: Vec<u8>,
}

fn file() -> File {
    let mut net = Sequential::new().linear(2, 3).init(Key::new(1));
    let forward = IoParameters { v_offset_std: 0.1, ..Default::default() };
    let config = InferenceRpuConfig { forward, ..Default::default() };
    net.to_analog(&config, Key::new(2)).unwrap();
    let mut adam = Adam::new(0.5).state();
    let ones = || Tensor::full(&[3], 1.0);
    adam.memory.insert("0.bias".into(), crate::Remembered::new(7, [("mean", ones()), ("square", ones())]));
    let mut optimizer = Adam::new(0.0);
    optimizer.set_state(adam).unwrap();
    let path = Path::new("x");
    let training = TrainingState::new(Key::new(3));
    let (text, tensors) = sections::take_apart(&net, Some(&optimizer), &training, path).unwrap();
    let bytes = format::encode(text.clone(), &tensors, path).unwrap();
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    File { header, about: serde_json::from_str(&text).unwrap(), data: bytes[8 + length..].to_vec() }
}

fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), data].concat()
}

fn message(bytes: &[u8]) -> String {
    match Checkpoint::from_bytes(bytes, Path::new("x")) {
        Err(error) => error.to_string(),
        Ok(_) => "no error".into(),
    }
}

impl File {
    fn bytes(mut self) -> Vec<u8> {
        self.header["__metadata__"]["ohmgrad"] = self.about.to_string().into();
        raw(&self.header.to_string(), &self.data)
    }
}

/// The error of a file after a change.
fn changed(change: impl FnOnce(&mut File)) -> String {
    let mut file = file();
    change(&mut file);
    message(&file.bytes())
}

#[test]
fn a_file_cut_off_anywhere_is_no_file() {
    let bytes = file().bytes();
    assert_eq!(message(&bytes), "no error");
    for length in 0..bytes.len() {
        assert!(message(&bytes[..length]).starts_with("x: no safetensors file: "), "{length}");
    }
    assert!(message(&[&bytes[..], b"0"].concat()).starts_with("x: no safetensors file: "));
}

#[test]
fn lengths_and_offsets_are_not_believed() {
    let is = |message: String, expected: &str| assert_eq!(message, format!("x: no safetensors file: {expected}"));
    for length in [0, 1, 1 << 20, 1 << 62, u64::MAX] {
        let mut bytes = file().bytes();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert!(message(&bytes).starts_with("x: no safetensors file: "));
    }
    let tensor = |file: &mut File, entry: Value| file.header["0.bias"] = entry;
    let with = |entry: Value| changed(|file| tensor(file, entry));
    is(with(json!({"dtype": "F32", "shape": [3], "data_offsets": [4, 16]})), "invalid offset for tensor `0.bias`");
    is(
        with(json!({"dtype": "F32", "shape": [3], "data_offsets": [1u64 << 40, (1u64 << 40) + 12]})),
        "invalid offset for tensor `0.weight`",
    );
    let huge = with(json!({"dtype": "F32", "shape": [1u64 << 40, 1u64 << 40], "data_offsets": [0, 12]}));
    assert!(huge.starts_with("x: no safetensors file: "), "{huge}");
    // One size is 0, another is beyond any memory.
    let header = |shape: &str| {
        let metadata = r#""__metadata__":{"ohmgrad":"{\"version\":1}"}"#;
        format!(r#"{{{metadata},"w":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}}}"#)
    };
    assert_eq!(
        message(&raw(&header("[0, 18446744073709551615]"), b"")),
        "x: w: found shape [0, 18446744073709551615], expected a shape that memory can hold"
    );
    is(
        message(&raw(&header("[18446744073709551615, 2, 0]"), b"")),
        "overflow computing buffer size from shape and/or element type",
    );
    let twice = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    assert!(message(&raw(twice, &[0; 4])).contains("`a` is given twice"));
    assert_eq!(
        message(&raw(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4])),
        "x: tensors alone, no checkpoint; load_weights reads them into a network"
    );
}

#[test]
fn headers_are_checked() {
    assert_eq!(changed(|f| f.about["version"] = json!(2)), "x: a checkpoint of format 2; this version reads format 1");
    assert_eq!(changed(|f| f.about = json!([])), "x: header.version: found nothing, expected 1");
    assert!(changed(|f| f.about["extra"] = json!(1)).contains("unknown field `extra`"));
    assert!(changed(|f| f.about["training"]["step"] = json!(-1)).contains("invalid value: integer `-1`"));
    assert!(changed(|f| f.about["training"]["key"] = json!("abc")).contains("a key is 32 hexadecimal digits"));
    let layout = |f: &mut File, change: fn(&mut Value)| change(&mut f.about["tiles"]["0.weight"]["layout"]);
    let nan = changed(|f| layout(f, |layout| layout["config"]["forward"]["out_noise"] = Value::Null));
    assert!(nan.contains("forward.out_noise = null: must be a number"), "{nan}");
    let huge = changed(|f| layout(f, |layout| layout["config"]["forward"]["out_noise"] = json!(1e300)));
    assert!(huge.contains("forward.out_noise = 1e300: must be a finite number"), "{huge}");
    assert_eq!(
        changed(|f| layout(f, |layout| layout["config"]["mapping"]["max_input_size"] = json!(1))),
        "x: @tiles/0.weight/tiles: found 1, expected 2 × 1 in 1 groups for the weight and the mapping"
    );
    assert_eq!(
        changed(|f| f.about["tiles"]["0.weight"]["parameters"]["weight"] = json!("1.weight")),
        "x: 1.weight: found nothing, expected the weight of tiles"
    );
    assert!(changed(|f| f.about["tiles"] = json!({})).ends_with("expected nothing, as the header does not name it"));
    assert!(
        changed(|f| f.about["optimizer"] = Value::Null).ends_with("expected nothing, as the header does not name it")
    );
    assert_eq!(
        changed(|f| f.about["optimizer"]["settings"]["lr"] = Value::Null),
        "x: optimizer.settings.lr: found null, expected a finite number"
    );
    let twice = file().about.to_string().replacen('{', r#"{"version":1,"#, 1);
    assert!(
        Checkpoint::from_bytes(&raw_about(&twice), Path::new("x"))
            .unwrap_err()
            .to_string()
            .contains("`version` is given twice")
    );
}

fn raw_about(about: &str) -> Vec<u8> {
    let File { mut header, data, .. } = file();
    header["__metadata__"]["ohmgrad"] = about.into();
    raw(&header.to_string(), &data)
}

#[test]
fn tensors_have_the_type_and_the_shape_that_they_must_have() {
    assert_eq!(changed(|f| f.header["0.bias"]["dtype"] = json!("I32")), "x: 0.bias: found I32, expected F32");
    assert_eq!(
        changed(|f| f.header["0.weight"]["shape"] = json!([6])),
        "x: @tiles/0.weight/weight: found shape [6], expected two axes or more, outputs in 1 groups"
    );
    assert_eq!(
        changed(|f| f.header["@optimizer/0.bias/mean"]["shape"] = json!([3, 1])),
        "x: @optimizer/0.bias/mean: found shape [3, 1], expected [3], as of 0.bias"
    );
    assert_eq!(
        changed(|f| f.header["@tiles/0.weight/0.forward.v_offset"]["shape"] = json!([1, 3])),
        "x: @tiles/0.weight/0.forward.v_offset: found shape [1, 3], expected shape [3]"
    );
    // Errors in an optimizer's memory are found when it is restored.
    let mut file = file();
    file.about["optimizer"]["steps"]["0.bias"] = json!(-1);
    let checkpoint = Checkpoint::from_bytes(&file.bytes(), Path::new("x")).unwrap();
    let mut net = Sequential::new().linear(2, 3).init(Key::new(1));
    let error = checkpoint.restore(&mut net, Some(&mut Adam::new(0.1)), Tiles::FromFile).unwrap_err();
    assert_eq!(error.to_string(), "x: optimizer/0.bias/steps: found -1, expected at least 0");
    assert!(!net.is_analog());
}

/// A layer whose tiles hold a bias that the network does not have.
#[test]
fn a_bias_on_tiles_needs_a_layer_with_a_bias() {
    let mapping = ohmgrad_analog::MappingParameter { digital_bias: false, ..Default::default() };
    let config = InferenceRpuConfig { mapping, ..Default::default() };
    let mut net = Sequential::new().linear(2, 3).init(Key::new(1));
    net.to_analog(&config, Key::new(2)).unwrap();
    let (text, mut tensors) =
        sections::take_apart(&net, None, &TrainingState::new(Key::new(3)), Path::new("x")).unwrap();
    tensors.remove("0.bias");
    let bytes = format::encode(text, &tensors, Path::new("x")).unwrap();
    let mut net = Sequential::new().layer(crate::Linear::new(2, 3, Key::new(1)).without_bias()).init(Key::new(1));
    let error =
        Checkpoint::from_bytes(&bytes, Path::new("x")).unwrap().restore(&mut net, None, Tiles::FromFile).unwrap_err();
    assert_eq!(error.to_string(), "x: 0.weight: found a bias on its tiles, expected none, as the layer has no bias");
}
