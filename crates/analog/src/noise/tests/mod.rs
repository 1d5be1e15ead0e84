//! Properties that all noise models and converters share; statistics of each are in `statistics`, their rules in
//! `rules`.

mod rules;
mod statistics;

use std::sync::Arc;

use ohmgrad_tensor::{Key, Tensor};
use proptest::prelude::*;

use super::*;
use crate::config::{ConverterConfig, NoiseModelConfig};

fn drift_table() -> DriftTable {
    DriftTable {
        g_lst: vec![0.0, 10.0, 25.0],
        nu_mean_lst: vec![0.08, 0.06, 0.03],
        nu_std_lst: vec![0.01, 0.008, 0.004],
    }
}

/// Two pairs: the second takes the part of a weight beyond half of the range.
fn custom_pair() -> CustomPair {
    let reversed = |table: &[f32]| table.iter().rev().copied().collect();
    let (first, second) = ([0.0, 0.0, 0.0, 25.0, 25.0], [0.0, 0.0, 0.0, 0.0, 12.5]);
    CustomPair {
        f_lst: vec![1.0, 2.0],
        g_lst: vec![first.to_vec(), reversed(&first), second.to_vec(), reversed(&second)],
        ..Default::default()
    }
}

fn converters() -> Vec<ConverterConfig> {
    vec![
        SinglePair::default().into(),
        SinglePair { g_max: 20.0, g_min: 1.5 }.into(),
        DualPair { f_lst: vec![1.0, 0.5], g_min: 0.5, ..Default::default() }.into(),
        NPair { f_lst: vec![1.0, 3.0, 0.25], ..Default::default() }.into(),
        custom_pair().into(),
        SingleDevice::default().into(),
        Fusion { g_max: 25.0 }.into(),
    ]
}

/// Every model, with its defaults for most parameters.
fn models() -> Vec<NoiseModelConfig> {
    vec![
        Pcm::default().into(),
        Pcm { g_converter: Some(custom_pair().into()), ..Default::default() }.into(),
        CustomDriftPcm { custom_drift_model: drift_table(), ..Default::default() }.into(),
        Hermes::default().into(),
        Hermes { num_devices: 1, ..Default::default() }.into(),
        StateIndependent::default().into(),
        ReRamWan2022::default().into(),
        ReRamCmo::default().into(),
    ]
}

/// Every model without any noise or drift, with this converter if it takes one.
fn silent(converter: &ConverterConfig) -> Vec<NoiseModelConfig> {
    let g_converter = Some(converter.clone());
    let (prog_noise_scale, read_noise_scale, drift_scale) = (0.0, 0.0, 0.0);
    let pcm = Pcm { prog_noise_scale, read_noise_scale, drift_scale, ..Default::default() };
    let custom = CustomDriftPcm {
        custom_drift_model: drift_table(),
        prog_noise_scale,
        read_noise_scale,
        drift_scale,
        ..Default::default()
    };
    let hermes = |num_devices| Hermes {
        num_devices,
        g_converter: g_converter.clone(),
        prog_noise_scale,
        read_noise_scale,
        drift_scale,
        ..Default::default()
    };
    let independent = StateIndependent { prog_noise_scale, read_noise_scale, drift_scale, ..Default::default() };
    vec![
        Pcm { g_converter: g_converter.clone(), ..pcm }.into(),
        CustomDriftPcm { g_converter: g_converter.clone(), ..custom }.into(),
        hermes(1).into(),
        hermes(2).into(),
        StateIndependent { g_converter: g_converter.clone(), ..independent }.into(),
        ReRamWan2022 { g_converter: g_converter.clone(), noise_scale: 0.0, ..Default::default() }.into(),
        ReRamCmo { prog_noise_scale, read_noise_scale, drift_scale, ..Default::default() }.into(),
    ]
}

/// A time that the model has data for.
fn early(model: &NoiseModelConfig) -> f32 {
    if matches!(model, NoiseModelConfig::ReRamWan2022(_)) { 1.0 } else { 0.0 }
}

fn weights() -> impl Strategy<Value = Tensor> {
    let entry = prop_oneof![4 => -1.5f32..1.5, 1 => Just(0.0), 1 => -1e-3f32..1e-3];
    (1usize..6, 1usize..9).prop_flat_map(move |(out, ins)| {
        prop::collection::vec(entry.clone(), out * ins).prop_map(move |w| Tensor::from_vec(w, &[out, ins]))
    })
}

/// The largest difference, as a multiple of the largest weight.
fn apart(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).abs().max() / b.abs().max().max(1e-6)
}

proptest! {
    #[test]
    fn conductances_stand_for_the_weights(w in weights()) {
        for config in converters() {
            let converter = config.converter();
            let (g, scales) = converter.to_conductances(&w);
            let (low, high) = converter.range();
            for g in &g {
                prop_assert_eq!(g.shape(), w.shape());
                prop_assert!(g.iter().all(|g| (low - 1e-4..=high * (1.0 + 1e-6)).contains(g)), "{config:?}: {g:?}");
            }
            prop_assert!(apart(&converter.to_weights(&g, &scales), &w) < 2e-6, "{config:?}");
        }
    }

    #[test]
    fn without_noise_a_chip_has_its_weights(w in weights(), seed: u64) {
        for converter in converters() {
            for config in silent(&converter) {
                let model = config.model().unwrap();
                let chip = Programmed::new(model, &w, Key::new(seed));
                prop_assert!(apart(&chip.weights, &w) < 3e-6, "{config:?}");
                let t = early(&config);
                let read = chip.at(model, t, Key::new(seed).fold("read")).unwrap();
                prop_assert!(apart(&read, &w) < 6e-6, "{config:?} at {t} s");
            }
        }
    }

    #[test]
    fn equal_keys_make_equal_chips(w in weights(), seed: u64) {
        let key = Key::new(seed);
        for config in models() {
            let model = config.model().unwrap();
            let (chip, same) = (Programmed::new(model, &w, key), Programmed::new(model, &w, key));
            prop_assert_eq!(&chip.weights, &same.weights);
            prop_assert_eq!(&chip.coefficients, &same.coefficients);
            // Times may come in any order.
            let first = chip.at(model, early(&config), key).unwrap();
            chip.at(model, 86_400.0, key).unwrap();
            prop_assert_eq!(chip.at(model, early(&config), key).unwrap(), first.clone());
            prop_assert_eq!(same.at(model, early(&config), key).unwrap(), first);
        }
    }
}

#[test]
fn other_keys_make_other_chips() {
    let (w, key) = (Tensor::normal(&[4, 5], Key::new(1)), Key::new(2));
    for config in models() {
        let model = config.model().unwrap();
        let chip = Programmed::new(model, &w, key);
        assert_ne!(chip.weights, Programmed::new(model, &w, key.fold(1)).weights, "{config:?}");
        let read = chip.at(model, 86_400.0, key).unwrap();
        assert_ne!(read, chip.at(model, 86_400.0, key.fold(1)).unwrap(), "{config:?}");
        assert_ne!(read, chip.at(model, early(&config), key).unwrap(), "{config:?}");
    }
}

/// The two noises of a pair fall on one device when the weights are converted anew, and the largest noisy weight sets the
/// scale: a row alone drifts differently from the same row in a matrix.
#[test]
fn programmed_weights_are_converted_anew() {
    let model = Pcm { prog_noise_scale: 0.0, read_noise_scale: 0.0, ..Default::default() };
    let w = Tensor::from([[1.0, 0.5], [0.25, -0.125]]);
    let mut chip = Programmed::new(&model, &w, Key::new(1));
    chip.coefficients = vec![Some(Tensor::full(&[2, 2], 0.05)), Some(Tensor::full(&[2, 2], 0.0))];
    chip.weights = &chip.weights * 2.0;
    let read = chip.at(&model, 20.0, Key::new(2)).unwrap();
    // Doubled weights use the same conductances; at t = t_0 positive ones have fallen by the factor 2^-0.05.
    let fallen = 2f32.powf(-0.05);
    assert!(apart(&read, &Tensor::from([[2.0 * fallen, fallen], [0.5 * fallen, -0.25]])) < 1e-6, "{read:?}");
}

#[test]
fn a_custom_model_can_be_used() {
    #[derive(Debug)]
    struct Stuck;

    impl NoiseModel for Stuck {
        fn converter(&self) -> Arc<dyn Converter> {
            Arc::new(SingleDevice { g_max: 10.0, g_min: 0.0 })
        }

        fn program(&self, target: &Tensor, _: Key) -> Tensor {
            target.map(|_| 5.0)
        }

        fn drift_coefficients(&self, _: &Tensor, _: Key) -> Option<Tensor> {
            None
        }

        fn drift(&self, g: &Tensor, _: &Tensor, _: Option<&Tensor>, _: f32, _: Key) -> Result<Tensor, Error> {
            Ok(g.clone())
        }
    }

    let config = NoiseModelConfig::from(Arc::new(Stuck) as Arc<dyn NoiseModel>);
    let chip = Programmed::new(config.model().unwrap(), &Tensor::from([[-1.0, 3.0, 0.0]]), Key::new(1));
    assert_eq!(chip.weights.to_vec(), [1.0; 3]);
}

#[test]
fn a_chip_does_not_depend_on_the_number_of_threads() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for config in models() {
        let model = config.model().unwrap();
        let run = || {
            let w = Tensor::normal(&[300, 200], Key::new(3));
            let chip = Programmed::new(model, &w, Key::new(4));
            chip.at(model, 86_400.0, Key::new(5)).unwrap()
        };
        assert_eq!(pool.install(run), run(), "{config:?}");
    }
}
