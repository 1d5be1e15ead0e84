use super::*;
use crate::config::{BackwardIoParameters, IoParameters, MappingParameter, NoiseManagement};
use crate::config::{InputRangeParameter, PrePostProcessingParameter};
use ohmgrad_autograd::Tape;

/// Tiles with every optional part.
fn array() -> TileArray {
    let input_range = InputRangeParameter { enable: true, init_value: 1.5, ..Default::default() };
    let pre_post = PrePostProcessingParameter { input_range };
    let forward = IoParameters {
        noise_management: NoiseManagement::AverageAbsMax,
        out_noise_std: 0.3,
        v_offset_std: 0.1,
        w_read_asymmetry_dtod: 0.1,
        mv_type: crate::config::MvType::PosNegSeparate,
        ..Default::default()
    };
    let mapping = MappingParameter {
        weight_scaling_omega: 0.6,
        weight_scaling_columnwise: true,
        learn_out_scaling: true,
        max_input_size: 4,
        max_output_size: 3,
        ..Default::default()
    };
    let backward = BackwardIoParameters { w_read_asymmetry_dtod: 0.2, ..Default::default() };
    let config = InferenceRpuConfig { forward, backward, mapping, pre_post, ..Default::default() };
    TileArray::new(Tensor::normal(&[5, 7], Key::new(1)), 1, None, &config, "fc", Key::new(2)).unwrap()
}

fn error(change: impl FnOnce(&mut TileArrayState)) -> String {
    let mut state = array().state();
    change(&mut state);
    TileArray::from_state(state).unwrap_err().to_string()
}

#[test]
fn an_array_put_together_again_reads_the_same() {
    let read = |tiles: &TileArray| {
        let tape = Tape::train(Key::new(3));
        let x = tape.variable(Tensor::normal(&[2, 7], Key::new(4)));
        let y = tiles.forward(x, None);
        (y.value(), y.backward_from(Tensor::normal(&[2, 5], Key::new(5))).wrt(x).cloned())
    };
    let array = array();
    let layout = serde_json::to_string(&array.state().layout).unwrap();
    let state = TileArrayState { layout: serde_json::from_str(&layout).unwrap(), ..array.state() };
    assert_eq!(read(&TileArray::from_state(state).unwrap()), read(&array));
}

#[test]
fn inconsistent_states_are_errors() {
    let put = |state: &mut TileArrayState, name: &str, shape: &[usize]| {
        state.tensors.insert(name.into(), Tensor::full(shape, 1.0));
    };
    assert_eq!(error(|s| drop(s.tensors.remove("weight"))), "weight: found nothing, expected a matrix");
    assert_eq!(
        error(|s| put(s, "weight", &[5])),
        "weight: found shape [5], expected two axes or more, outputs in 1 groups"
    );
    assert_eq!(
        error(|s| s.layout.tiles.truncate(3)),
        "tiles: found 3, expected 2 × 2 in 1 groups for the weight and the mapping"
    );
    assert_eq!(
        error(|s| put(s, "weight", &[1 << 40, 0])),
        format!(
            "tiles: found 4, expected 1 × {} in 1 groups for the weight and the mapping",
            (1_usize << 40).div_ceil(3)
        )
    );
    assert_eq!(error(|s| put(s, "averages", &[4, 1])), "averages: found shape [4, 1], expected shape [4, 2]");
    assert_eq!(error(|s| put(s, "0.scales", &[2, 1])), "0.scales: found shape [2, 1], expected shape [1, 1] or [3, 1]");
    assert_eq!(
        error(|s| put(s, "3.backward.w_asymmetry", &[2, 2])),
        "3.backward.w_asymmetry: found shape [2, 2], expected shape [3, 2]"
    );
    assert_eq!(error(|s| put(s, "4.scales", &[1, 1])), "4.scales: found shape [1, 1], expected nothing of that name");
    assert_eq!(error(|s| drop(s.tensors.remove("input_range"))), "input_range: found nothing, expected shape [4]");
    assert!(error(|s| s.layout.analog_bias = true).starts_with("analog_bias: found true, expected false"));
    assert!(error(|s| s.layout.config.forward.out_noise = f32::NAN).starts_with("forward.out_noise = NaN"));
}
