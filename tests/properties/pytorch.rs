//! Weights that PyTorch saved, and the outputs that it computed with them; `checkpoint/README.md` has the files.

use std::path::{Path, PathBuf};

use ohmgrad::models::checkpoint::CheckpointError;
use ohmgrad::prelude::*;

const KEY: Key = Key::new(42);

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoint").join(name)
}

/// Moves a network onto perfect tiles.
fn on_perfect_tiles(net: &mut impl Visit) {
    let perfect = IoParameters { is_perfect: true, ..Default::default() };
    net.to_analog(&InferenceRpuConfig { forward: perfect, ..Default::default() }, KEY).unwrap();
}

#[derive(Clone, Visit)]
struct Torch {
    hidden: Linear,
    layers: Sequential,
}

impl Module for Torch {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.layers.forward(self.hidden.forward(x))
    }
}

#[test]
fn pytorch_weights_give_pytorch_outputs() {
    let outputs = [
        ("pytorch", [-0.264_925_24, -0.231_990_75, -0.171_190_87, 0.066_794_62, 0.016_537_71, 0.273_372_7]),
        ("pytorch_f64", [-0.264_925_24, -0.231_990_75, -0.171_190_87, 0.066_794_62, 0.016_537_71, 0.273_372_7]),
        ("pytorch_f16", [-0.264_962_94, -0.231_979_52, -0.171_247_26, 0.066_811_636, 0.016_458_541, 0.273_404_72]),
        ("pytorch_bf16", [-0.264_826_83, -0.232_423_7, -0.171_121_33, 0.066_768_05, 0.016_757_83, 0.273_997_5]),
    ];
    let x = Tensor::from([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0], [-3.0, 0.25, 1.0]]);
    for (name, expected) in outputs {
        let path = file(&format!("{name}.safetensors"));
        let mut net = Torch { hidden: Linear::new(3, 4, KEY), layers: Sequential::new().tanh().linear(4, 2).init(KEY) };
        net.load_weights(&path).unwrap();
        let near = |net: &Torch| {
            let y = predict(net, &x, KEY).to_vec();
            assert!(y.iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-6), "{name}: {y:?}, {expected:?}");
        };
        near(&net);
        on_perfect_tiles(&mut net);
        near(&net);
        assert!(matches!(Checkpoint::load(&path), Err(CheckpointError::NoCheckpoint { .. })));
    }
    let mut other = Sequential::new().linear(3, 4).init(KEY);
    let error = other.load_weights(file("pytorch.safetensors")).unwrap_err().to_string();
    assert!(error.contains("\n  0.weight: not in the file") && error.contains("\n  hidden.bias: not in the network"));
}
/// A convolutional network, whose batch norm has buffers, one of them of integers.
#[derive(Clone, Visit)]
struct TorchConv {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    fc: Linear,
}

impl Module for TorchConv {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let x = self.bn1.forward(self.conv1.forward(x)).relu();
        self.fc.forward(Flatten.forward(self.conv2.forward(x)))
    }
}

#[test]
fn a_convolutional_network_loads_and_moves_onto_tiles() {
    let mut net = TorchConv {
        conv1: Conv2d::new(1, 4, [3, 3], KEY).with_padding([1, 1]),
        bn1: BatchNorm2d::new(4),
        conv2: Conv2d::grouped(4, 6, [3, 3], 2, KEY).with_stride([2, 2]),
        fc: Linear::new(6, 2, KEY),
    };
    net.load_weights(file("pytorch_conv.safetensors")).unwrap();
    assert_eq!(net.bn1.running.as_ref().unwrap().batches.value.item(), 3.0);
    let x = Tensor::from_fn(&[2, 1, 4, 4], |i| (i[0] * 16 + i[2] * 4 + i[3]) as f32 / 16.0 - 1.0);
    let expected = [-0.418_204_9, -0.178_062_29, -0.325_784_83, -0.107_511_38];
    let near = |net: &TorchConv| {
        let y = predict(net, &x, KEY).to_vec();
        assert!(y.iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-6), "{y:?}, {expected:?}");
    };
    near(&net);
    on_perfect_tiles(&mut net);
    near(&net);

    // Weights may be on tiles already; a network with other names refuses the file.
    net.load_weights(file("pytorch_conv.safetensors")).unwrap();
    near(&net);
    let error = Sequential::new().batch_norm2d(4).init(KEY).load_weights(file("pytorch_conv.safetensors"));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("bn1.num_batches_tracked: not in the network"), "{error}");
    assert!(error.contains("0.running_mean: not in the file"), "{error}");
}

/// A `Sequential` with PyTorch's names is the same network, also by a map of the names in the file.
#[test]
fn names_and_maps_of_names_load_the_same_weights() {
    let network = |names: [&str; 4]| {
        Sequential::new()
            .named(names[0], |key| Conv2d::new(1, 4, [3, 3], key).with_padding([1, 1]))
            .named(names[1], |_| BatchNorm2d::new(4))
            .relu()
            .named(names[2], |key| Conv2d::grouped(4, 6, [3, 3], 2, key).with_stride([2, 2]))
            .flatten()
            .named(names[3], |key| Linear::new(6, 2, key))
            .init(KEY)
    };
    let path = file("pytorch_conv.safetensors");
    let x = Tensor::from_fn(&[2, 1, 4, 4], |i| (i[0] * 16 + i[2] * 4 + i[3]) as f32 / 16.0 - 1.0);
    let mut named = network(["conv1", "bn1", "conv2", "fc"]);
    named.load_weights(&path).unwrap();
    let y = predict(&named, &x, KEY);
    assert!((y.row(0).to_vec()[0] + 0.418_204_9).abs() < 1e-6);

    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|&(there, here)| (there.into(), here.into())).collect();
    let mut other = network(["body.conv1", "body.bn1", "body.conv2", "head"]);
    other.load_weights_as(&path, &map(&[("", "body"), ("fc.weight", "head.weight"), ("fc", "head")])).unwrap();
    assert_eq!(predict(&other, &x, KEY), y);
    named.load_weights_as(&path, &map(&[("conv1", "conv1")])).unwrap();
    assert_eq!(predict(&named, &x, KEY), y);

    let error = |pairs: &[(&str, &str)]| network(["a", "b", "c", "d"]).load_weights_as(&path, &map(pairs)).unwrap_err();
    let text = error(&[("conv", "a")]).to_string();
    assert!(text.contains("conv: found no such tensor, expected one of bn1.bias, "), "{text}");
    let text = error(&[("conv1", "conv2")]).to_string();
    assert!(text.ends_with("conv2.bias: found two tensors that get this name, expected one"), "{text}");
}
