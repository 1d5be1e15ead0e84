use super::*;
use crate::Sequential;
use ohmgrad_analog::{InferenceRpuConfig, IoParameters, MappingParameter};

fn net() -> Sequential {
    Sequential::new().linear(3, 4).relu().linear(4, 2).init(Key::new(1))
}

#[test]
fn there_and_back_is_the_identity() {
    let mapping =
        MappingParameter { digital_bias: false, weight_scaling_omega: 0.7, max_input_size: 2, ..Default::default() };
    let config = InferenceRpuConfig { mapping, ..Default::default() };
    let mut net = net();
    let before = net.state_dict();
    net.to_analog(&config, Key::new(2)).unwrap();
    assert!(net.is_analog());
    net.to_digital();
    assert_eq!(net.state_dict(), before);
}

#[test]
fn a_conversion_that_fails_changes_nothing() {
    let forward = IoParameters { out_noise: f32::NAN, ..Default::default() };
    let config = InferenceRpuConfig { forward, ..Default::default() };
    let mut net = net();
    assert!(net.to_analog(&config, Key::new(2)).is_err());
    assert!(!net.is_analog());
}

#[test]
fn paths_are_those_of_a_state_dict() {
    assert_eq!(net().parameter_names(), ["0.weight", "0.bias", "2.weight", "2.bias"]);
    assert_eq!(net().parameter_count(), 12 + 4 + 8 + 2);
}
