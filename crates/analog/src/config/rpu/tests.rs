use super::*;

#[test]
fn every_kind_comes_back_from_its_file() {
    let kinds: [RpuConfig; 5] = [
        InferenceRpuConfig::default().into(),
        SingleRpuConfig::default().into(),
        crate::cell::presets::by_name("AGADEcRam").expect("a preset").into(),
        DigitalRankUpdateRpuConfig::default().into(),
        FloatingPointRpuConfig::default().into(),
    ];
    for config in kinds {
        assert_eq!(RpuConfig::from_toml_str(&config.to_toml_string().unwrap()).unwrap(), config);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<RpuConfig>(&json).unwrap(), config);
    }
}

#[test]
fn errors_name_the_field_of_a_device() {
    let error = |toml: &str| RpuConfig::from_toml_str(toml).unwrap_err().to_string();
    assert_eq!(
        error("type = \"SingleRPUConfig\"\ndevice = { type = \"SoftBoundsDevice\", dw_mi = 1 }"),
        "unknown field `dw_mi` in [device]; did you mean `dw_min`?"
    );
    assert!(
        error("type = \"SingleRPUConfig\"\nbackward = { is_perfect = true, straight_through = true }")
            .starts_with("backward.straight_through = true: must be false")
    );
    assert!(error("type = \"SingleRPUConf\"").contains("did you mean `SingleRPUConfig`?"));
    assert!(error("type = \"SingleRPUConfig\"\n[modifier]\nstd_dev = 1").contains("unknown field `modifier`"));
}
