//! The accuracy over time of chips, programmed with networks that were trained elsewhere.

use ohmgrad::analog::InferenceRpuConfig;
use ohmgrad::models::data::Mnist;
use ohmgrad::models::{Network, Sequential, accuracy_over_time};
use ohmgrad::tensor::Key;
use serde::Deserialize;

use crate::conformance::Case;
use crate::conformance::compare::Check;

/// Chips of our own. More would make the comparison sharper and the tests slower.
const CHIPS: usize = 10;

#[derive(Deserialize)]
struct Drift {
    net: Net,
    /// The file with the weights, in the folder of the case.
    weights: String,
    config: InferenceRpuConfig,
    normalise: [f32; 2],
    test_images: usize,
    chips: usize,
    expected: Vec<Accuracy>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Net {
    Mlp,
    Lenet,
}

#[derive(Deserialize)]
struct Accuracy {
    t: f32,
    mean: f64,
    std: f64,
}

pub fn check(case: &Case) -> Result<Check, String> {
    let drift: Drift = case.parse()?;
    if drift.normalise != [0.1307, 0.3081] {
        return Err(format!("pixels are normalised by 0.1307 and 0.3081 here, not by {:?}", drift.normalise));
    }
    let mut net = drift.net.network();
    net.load_weights(case.folder.join(&drift.weights)).map_err(|error| error.to_string())?;
    let key = case.key();
    net.to_analog(&drift.config, key.fold("hardware")).map_err(|error| error.to_string())?;
    let mut test = Mnist::embedded().test.take(drift.test_images);
    if drift.net == Net::Lenet {
        test.x = test.x.reshape(&[test.len(), 1, 28, 28]);
    }
    let times: Vec<f32> = drift.expected.iter().map(|expected| expected.t).collect();
    let ages = accuracy_over_time(&net, &test, &times, CHIPS, key).map_err(|error| error.to_string())?;
    let mut check = Check::default();
    for (expected, yours) in drift.expected.iter().zip(ages) {
        // Five standard errors of the difference; with exact spreads, chance alone exceeds them once in 1.7 million.
        let error = (1.0 / drift.chips as f64 + 1.0 / CHIPS as f64).sqrt();
        let allowed = 5.0 * expected.std.max(yours.std()) * error + 0.002;
        check.value(|| format!("accuracy at {} s", expected.t), yours.mean(), expected.mean, allowed);
    }
    Ok(check)
}

impl Net {
    fn network(self) -> Sequential {
        let layers = Sequential::new();
        match self {
            Self::Mlp => layers.linear(784, 256).relu().linear(256, 128).relu().linear(128, 10),
            Self::Lenet => layers
                .conv2d(1, 16, 5)
                .tanh()
                .max_pool2d(2)
                .conv2d(16, 32, 5)
                .tanh()
                .max_pool2d(2)
                .flatten()
                .linear(512, 128)
                .tanh()
                .linear(128, 10),
        }
        .init(Key::new(0))
    }
}
