//! Errors and files of models and converters.

use super::*;
use crate::config::InferenceRpuConfig;

fn wrong(model: impl Into<NoiseModelConfig>) -> String {
    let config = InferenceRpuConfig { noise_model: model.into(), ..Default::default() };
    config.validate().unwrap_err().to_string()
}

fn with(converter: impl Into<ConverterConfig>) -> Pcm {
    Pcm { g_converter: Some(converter.into()), ..Default::default() }
}

#[test]
fn every_model_and_converter_has_a_file() {
    let pcm = converters().into_iter().map(|converter| NoiseModelConfig::from(with(converter)));
    let changed: [NoiseModelConfig; 5] = [
        Pcm { prog_coeff: Some(vec![0.1, 1e-20]), prog_coeff_g_max_reference: Some(30.0), ..Default::default() }.into(),
        Hermes { g_max: Some(5.5), t_0: Some(10.0), ..Default::default() }.into(),
        ReRamWan2022 { coeff_dic: vec![(0.5, vec![0.1]), (1e6, vec![0.2, 0.3])], ..Default::default() }.into(),
        ReRamCmo { acceptance_range: 2.0, ..Default::default() }.into(),
        ReRamCmo { read_dict: CmoRead { K: 0.5, ..Default::default() }, ..Default::default() }.into(),
    ];
    for noise_model in models().into_iter().chain(pcm).chain(changed).chain([NoiseModelConfig::None]) {
        let config = InferenceRpuConfig { noise_model, ..Default::default() };
        let toml = config.to_toml_string().unwrap();
        assert_eq!(InferenceRpuConfig::from_toml_str(&toml).unwrap(), config, "{toml}");
        let json = config.to_json_string().unwrap();
        assert_eq!(InferenceRpuConfig::from_json_str(&json).unwrap(), config, "{json}");
    }
}

#[test]
fn converters_have_rules() {
    let at = "noise_model.g_converter.";
    let is = |error: String, message: &str| assert_eq!(error, format!("{at}{message}"));
    is(wrong(with(SinglePair { g_min: 25.0, ..Default::default() })), "g_min = 25: must be below g_max = 25");
    is(wrong(with(SinglePair { g_min: -1.0, ..Default::default() })), "g_min = -1: must be at least 0");
    is(wrong(with(NPair::default())), "f_lst = []: must be one factor for each pair, at least one");
    is(wrong(with(NPair { f_lst: vec![1.0, 0.0], ..Default::default() })), "f_lst[1] = 0: must be above 0");
    is(
        wrong(with(DualPair { f_lst: vec![1.0], ..Default::default() })),
        "f_lst = [1]: must be two factors, one for each pair",
    );
    is(wrong(with(Fusion { g_max: 50.0 })), "g_max = 50: must be from 10 to 40");
    is(
        wrong(with(CustomPair { f_lst: vec![1.0], ..Default::default() })),
        "g_lst = []: must be two tables for each of the 1 factors f_lst, and at least one factor",
    );
    let mut uneven = custom_pair();
    uneven.g_lst[3].pop();
    assert!(wrong(with(uneven)).ends_with("must be tables of one length, at least 2"));
}

#[test]
fn a_table_that_does_not_invert_is_refused() {
    let mut bent = custom_pair();
    bent.g_lst[0][3] = 20.0;
    let error = wrong(with(bent.clone()));
    assert!(error.ends_with("must be tables that give back the weights, but 0.5 comes back as 0.4"), "{error}");
    bent.invertibility_test = false;
    bent.validate().unwrap();
    let nothing = CustomPair { f_lst: vec![1.0], g_lst: vec![vec![3.0; 2]; 2], ..Default::default() };
    assert!(wrong(with(nothing)).contains("give back"));
}

#[test]
fn models_have_rules() {
    assert_eq!(
        wrong(Pcm { prog_coeff_g_max_reference: Some(25.0), ..Default::default() }),
        "noise_model.prog_coeff_g_max_reference = 25: must be left out without prog_coeff: the model's own \
         coefficients have their reference"
    );
    assert_eq!(
        wrong(Pcm { g_max: 20.0, ..with(SinglePair::default()) }),
        "noise_model.g_max = 20: must be 25 or left out, as g_converter has its own"
    );
    assert_eq!(
        wrong(Pcm { prog_coeff: Some(vec![]), ..Default::default() }),
        "noise_model.prog_coeff = []: must be at least one number"
    );
    assert_eq!(wrong(Hermes { num_devices: 3, ..Default::default() }), "noise_model.num_devices = 3: must be 1 or 2");
    assert_eq!(
        wrong(Hermes { num_devices: 1, g_max: Some(20.0), ..Default::default() }),
        "noise_model.g_max = 20: must be at most 10.35, the largest that was characterised"
    );
    assert_eq!(
        wrong(ReRamCmo { acceptance_range: 0.02, ..Default::default() }),
        "noise_model.acceptance_range = 0.02: must be one of 0.2, 2, those of coeff_dict"
    );
    assert!(wrong(ReRamWan2022 { coeff_dic: vec![], ..Default::default() }).starts_with("noise_model.coeff_dic = "));
    assert!(wrong(StateIndependent { prog_coeff: vec![], ..Default::default() }).contains("at least one number"));
}

#[test]
fn drift_tables_have_rules() {
    let model = |table| CustomDriftPcm { custom_drift_model: table, ..Default::default() };
    let at = "noise_model.custom_drift_model.";
    assert_eq!(
        wrong(CustomDriftPcm::default()),
        format!("{at}g_lst = []: must be at least two conductances, ascending")
    );
    assert_eq!(
        wrong(model(DriftTable { nu_std_lst: vec![0.1], ..drift_table() })),
        format!("{at}nu_std_lst = [0.1]: must be one number for each of the 3 g_lst")
    );
    assert_eq!(
        wrong(CustomDriftPcm { g_max: 30.0, ..model(drift_table()) }),
        format!("{at}g_lst = [0, 10, 25]: must be conductances that cover those of the converter, 0 to 30")
    );
}

#[test]
fn times_without_data_are_errors() {
    let w = Tensor::from([[1.0, -0.5]]);
    let at = |config: &NoiseModelConfig, t: f32| {
        let model = config.model().unwrap();
        Programmed::new(model, &w, Key::new(1)).at(model, t, Key::new(2))
    };
    let wan = ReRamWan2022::default().into();
    assert!(at(&wan, 86_400.0).is_ok() && at(&wan, 172_800.0).is_ok());
    assert_eq!(
        at(&wan, 0.0).unwrap_err().to_string(),
        "ReRamWan2022 at t = 0 s: the time must be one of 1, 86400, 172800, for which there are data"
    );
    for config in models() {
        for t in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(matches!(at(&config, t), Err(Error::Time { .. })), "{config:?} at {t}");
        }
    }
}

#[test]
fn equal_weights_stay_finite() {
    for w in [Tensor::full(&[2, 3], 0.0), Tensor::full(&[2, 3], -0.25), Tensor::full(&[1, 1], 0.5)] {
        for config in models() {
            let model = config.model().unwrap();
            let chip = Programmed::new(model, &w, Key::new(1));
            let read = chip.at(model, 86_400.0, Key::new(2)).unwrap();
            assert!(read.iter().all(|w| w.is_finite()), "{config:?}: {read:?}");
        }
    }
}

/// A weight that is not finite stays so in every read.
#[test]
fn weights_that_are_not_finite_stay_so() {
    for model in models() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut w = Tensor::normal(&[3, 4], Key::new(1));
            w.make_mut()[5] = bad;
            let devices = model.model().expect("a model of devices");
            let programmed = Programmed::new(devices, &w, Key::new(2));
            let drifted = programmed.at(devices, early(&model), Key::new(3)).unwrap();
            for read in [&programmed.weights, &drifted] {
                assert!(!read[[1, 1]].is_finite(), "{model:?}: {bad} became {}", read[[1, 1]]);
            }
        }
    }
}
