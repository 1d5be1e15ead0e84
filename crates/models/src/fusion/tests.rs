//! The file and the weights that aihwkit 1.1 makes of the same network, and files that are wrong.

use super::*;
use crate::{Chip, Network, Sequential};
use ohmgrad_analog::{InferenceRpuConfig, MappingParameter};
use ohmgrad_tensor::Key;

const EXPORTED: &str = "1,4\nAnalogConv2d,AnalogLinear\n8,24\n2,3\n4,8\n0,3\r\n\
    40.0,6.6666669845581055,33.33333206176758,13.333333969116211,40.0,30.0,30.0,40.0\r\n\
    40.0,1.5999999959603883e-05,10.0,35.0,10.0,15.0,40.0,20.0,20.0,40.0,15.0,10.0,28.571430206298828,0.0,\
    28.571430206298828,40.0,6.666666507720947,40.0,40.0,6.666666507720947,40.0,28.571430206298828,0.0,\
    28.571430206298828\r\n";

const MEASURED: &str = "1,4\nAnalogConv2d,AnalogLinear\n8,24\n2,3\n4,8\n0,3\r\n\
    36.0,6.5,31.0,12.0,36.5,28.0,27.0,36.5\r\n\
    37.0,0.0,9.5,32.5,9.0,14.0,37.0,18.0,18.5,37.0,13.5,9.5,26.714,0.0,26.214,37.0,6.0,36.5,37.0,6.0,36.5,26.714,0.0,\
    26.214\r\n";

const IMPORTED: [&[f32]; 2] = [
    &[-0.3693023, 0.0666796, -0.3180103, 0.1231008, -0.2495735, 0.1914536, -0.184616, 0.2495735],
    &[
        -0.2494053, 0.0, 0.0640365, 0.2190722, -0.158113, 0.0, 0.1551536, -0.218993, -0.061302, 0.0953587, 0.2520194,
        -0.122604, 0.0306281, 0.186321, -0.1888734, -0.0306281, 0.1249442, -0.2498885, -0.0911755, 0.0641605,
        0.2164434, -0.1584128, 0.0, 0.1554479,
    ],
];

/// A convolution on one tile and a linear layer on four.
fn network(mapping: MappingParameter) -> Sequential {
    let mut net = Sequential::new().conv2d(1, 2, 2).relu().flatten().linear(8, 3).init(Key::new(1));
    let ratio = |i: usize, step: usize, modulus: usize, zero: f32| ((i * step % modulus) as f32) - zero;
    let conv = (0..8).map(|i| ratio(i, 7, 13, 6.0) / 16.0).collect();
    let mut linear: Vec<f32> = (0..24).map(|i| ratio(i, 5, 17, 8.0) / 32.0).collect();
    linear[1] = 1e-7;
    let weights = [Tensor::from_vec(conv, &[2, 1, 2, 2]), Tensor::from_vec(linear, &[3, 8])];
    net.affines_mut().into_iter().zip(weights).for_each(|((_, affine), weight)| affine.set(weight, None));
    net.to_analog(&InferenceRpuConfig { mapping, ..Default::default() }, Key::new(2)).unwrap();
    net
}

fn mapping() -> MappingParameter {
    MappingParameter { weight_scaling_omega: 1.0, max_input_size: 4, max_output_size: 2, ..Default::default() }
}

fn weights(net: &Sequential) -> Vec<Vec<f32>> {
    net.tile_arrays().iter().map(|(_, array)| array.weight.value.to_vec()).collect()
}

fn assert_near(found: &[Vec<f32>], expected: &[impl AsRef<[f32]>]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let expected = expected.as_ref();
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-6));
    }
}

/// Imports a text into the network of the tests; returns the network, or the message without the folder.
fn import(text: &str) -> Result<Sequential, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chip.csv");
    fs::write(&file, text).unwrap();
    let mut net = network(mapping());
    let (before, export) = (net.state_dict(), FusionExport::new(&net, Fusion::default()).unwrap());
    match fusion_import(&mut net, &export, &file) {
        Ok(()) => Ok(net),
        Err(error) => {
            assert_eq!(net.state_dict(), before, "a failed import changes nothing");
            Err(error.to_string().split_once("chip.csv, ").unwrap().1.into())
        }
    }
}

#[test]
fn the_file_is_the_references_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chip.csv");
    fusion_export(&network(mapping()), Fusion::default(), &file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), EXPORTED);
    let unscaled = MappingParameter { weight_scaling_omega: 0.0, ..mapping() };
    fusion_export(&network(unscaled), Fusion::default(), &file).unwrap();
    let rounded =
        EXPORTED.replace("33.33333206176758", "33.333335876464844").replace("6.666666507720947", "6.6666669845581055");
    assert_eq!(fs::read_to_string(&file).unwrap(), rounded);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn measured_conductances_become_the_references_weights() {
    assert_near(&weights(&import(MEASURED).unwrap()), &IMPORTED);
    let rewritten = MEASURED.replace("\r\n", "\n").replace("Conv2d", "Conv2dMapped").replace("1,4\n", "2, 9\n") + "\n";
    assert_near(&weights(&import(&rewritten).unwrap()), &IMPORTED);
}

#[test]
fn exports_come_back_under_every_mapping_and_after_every_import() {
    let mappings = [
        MappingParameter::default(),
        MappingParameter { digital_bias: false, weight_scaling_omega: 0.6, ..Default::default() },
        MappingParameter { learn_out_scaling: true, weight_scaling_columnwise: true, ..mapping() },
    ];
    let folder = tempfile::tempdir().unwrap();
    let (targets, measured) = (folder.path().join("targets.csv"), folder.path().join("measured.csv"));
    fs::write(&measured, MEASURED).unwrap();
    for mapping in mappings {
        let mut net = network(mapping);
        for (_, array) in net.tile_arrays_mut() {
            if let Some(scaling) = &mut array.out_scaling {
                scaling.value = &scaling.value * 3.0;
            }
        }
        let (before, all) = (weights(&net), net.state_dict());
        let export = fusion_export(&net, Fusion { g_max: 25.0 }, &targets).unwrap();
        fusion_import(&mut net, &export, &measured).unwrap();
        assert_ne!(weights(&net), before);
        fusion_import(&mut net, &export, &targets).unwrap();
        assert_near(&weights(&net), &before);
        let others = |dict: Vec<(String, Tensor)>| dict.into_iter().filter(|(name, _)| !name.ends_with(".weight"));
        assert!(others(net.state_dict()).eq(others(all)), "biases and learned scales stay");
    }
}

#[test]
fn a_single_layer_has_a_quoted_empty_name() {
    let config = InferenceRpuConfig::default();
    let weight = Tensor::from([[1.0, 0.5]]);
    let mut layer = crate::Linear::new(2, 1, Key::new(1));
    layer.affine.set(weight, None);
    layer.to_analog(&config, Key::new(2)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chip.csv");
    let export = fusion_export(&layer, Fusion::default(), &file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "1\nAnalogLinear\n2\n1\n2\n\"\"\r\n40.0,20.0\r\n");
    fusion_import(&mut layer, &export, &file).unwrap();
}

#[test]
fn a_wrong_file_is_told_by_line_and_entry() {
    let error = |text: &str| import(text).map(|_| ()).unwrap_err();
    let with = |from: &str, to: &str| {
        assert!(MEASURED.contains(from));
        error(&MEASURED.replacen(from, to, 1))
    };
    assert_eq!(error(""), "line 1: id of each layer: found 0 entries, expected 2 entries");
    assert_eq!(with("1,4\n", "1\n"), "line 1: id of each layer: found 1 entry, expected 2 entries");
    assert_eq!(
        with("AnalogConv2d", "AnalogConv1d"),
        "line 2: class of layer `0`: found `AnalogConv1d`, expected AnalogConv2d"
    );
    assert_eq!(with("8,24", "8,25"), "line 3: number of weights of layer `3`: found `25`, expected 24");
    assert_eq!(with("\n2,3\n", "\n3,2\n"), "line 4: height of layer `0`: found `3`, expected 2");
    assert_eq!(with("\n4,8\n", "\n4,6\n"), "line 5: width of layer `3`: found `6`, expected 8");
    assert_eq!(with("\n0,3\r", "\n0,out\r"), "line 6: name of layer `3`: found `out`, expected 3");
    for value in ["NaN", "inf", "1e39", "", "6.5x"] {
        assert_eq!(
            with(",6.5,", &format!(",{value},")),
            format!("line 7: conductance 2 of layer `0`: found `{value}`, expected a finite number of µS")
        );
    }
    assert_eq!(with("36.0,", ""), "line 7: conductances of layer `0`: found 7 entries, expected 8 entries");
    assert_eq!(with("36.0,", "36.0,0.0,"), "line 7: conductances of layer `0`: found 9 entries, expected 8 entries");
    let cut = MEASURED.split_inclusive('\n').take(7).collect::<String>();
    assert_eq!(error(&cut), "line 8: conductances of layer `3`: found 0 entries, expected 24 entries");
    assert_eq!(
        error(&format!("{MEASURED}1.0,2.0\r\n")),
        "line 9: behind the last layer: found 2 entries, expected the end of the file"
    );
}

#[test]
fn a_network_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chip.csv");
    let net = network(mapping());
    let export = fusion_export(&net, Fusion::default(), &file).unwrap();
    let import = |net: &mut dyn Visit| fusion_import(net, &export, &file).unwrap_err().to_string();
    assert_eq!(
        import(&mut network(MappingParameter::default())),
        "layer `3`: not the layer that was exported in its place"
    );
    let mut digital = net.clone();
    digital.to_digital();
    assert_eq!(import(&mut digital), "layer `0`: was exported, and is not on tiles of this network");
    let mut chip: Chip<Sequential> = net.program(Key::new(3)).unwrap();
    assert!(import(&mut chip).starts_with("layer `0`: was programmed"));

    let export = |net: &Sequential, g_max| FusionExport::new(net, Fusion { g_max }).unwrap_err().to_string();
    assert_eq!(export(&digital, 40.0), "no weight of the network lives on tiles: call to_analog first");
    assert!(export(&net, 41.0).starts_with("g_max = 41"));
    let mut broken = net.clone();
    let (_, last) = broken.affines_mut().pop().unwrap();
    last.set(Tensor::full(&[3, 8], f32::NAN), None);
    assert_eq!(export(&broken, 40.0), "layer `3`: a weight is not finite");
    let missing = folder.path().join("none").join("chip.csv");
    assert!(matches!(fusion_export(&net, Fusion::default(), &missing), Err(FusionError::Io { .. })));
}
