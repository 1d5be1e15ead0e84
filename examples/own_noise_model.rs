//! A custom noise model: conductances with a lognormal error and relaxation, and some devices stuck at 0. Prints the
//! accuracy of chips with these devices on digits, from a second to a year after programming.
//!
//! ```text
//! cargo run --release --example own_noise_model
//! ```

use std::error::Error;
use std::sync::Arc;

use ohmgrad::analog::Error as AnalogError;
use ohmgrad::analog::noise::{Converter, NoiseModel, SinglePair};
use ohmgrad::prelude::*;
use rand_distr::{Bernoulli, Distribution, LogNormal};

/// A programmed conductance is `g·e^(σξ)`, or 0 in a share of devices; later reads are `g·e^(r·log₁₀(1+t)·ξ)`.
#[derive(Debug)]
struct Filaments {
    /// σ.
    programming: f32,
    /// r, per decade of time.
    relaxation: f32,
    /// The share of devices that are stuck.
    stuck: f64,
}

impl Filaments {
    /// Multiplies each conductance by a separate lognormal factor.
    fn scatter(g: &Tensor, sigma: f32, key: Key) -> Tensor {
        let factor = LogNormal::new(0.0, sigma).expect("a spread of at least 0");
        // A generator from the key: the same chip for the same key.
        let scattered = g.iter().zip(factor.sample_iter(key.rng())).map(|(g, factor)| g * factor);
        Tensor::from_vec(scattered.collect(), g.shape())
    }
}

impl NoiseModel for Filaments {
    fn converter(&self) -> Arc<dyn Converter> {
        Arc::new(SinglePair::default())
    }

    fn program(&self, target: &Tensor, key: Key) -> Tensor {
        let stuck = Bernoulli::new(self.stuck).expect("a share between 0 and 1");
        let g = Self::scatter(target, self.programming, key.fold("programming"));
        let working = stuck.sample_iter(key.fold("stuck").rng()).map(|is_stuck| if is_stuck { 0.0 } else { 1.0 });
        &g * &Tensor::from_vec(working.take(g.len()).collect(), g.shape())
    }

    fn drift_coefficients(&self, _: &Tensor, _: Key) -> Option<Tensor> {
        None
    }

    fn drift(&self, g: &Tensor, _: &Tensor, _: Option<&Tensor>, t: f32, key: Key) -> Result<Tensor, AnalogError> {
        Ok(Self::scatter(g, self.relaxation * (1.0 + t).log10(), key))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (key, mnist) = (Key::new(42), Mnist::embedded());
    let mut net = Sequential::new().linear(784, 128).relu().linear(128, 10).init(key.fold("weights"));
    let mut adam = Adam::new(1e-3);
    for epoch in 0..3 {
        for (step, batch) in mnist.train.batches(64, key.fold("shuffle").fold(epoch)).enumerate() {
            let tape = Tape::train(key.fold("steps").fold(epoch).fold(step));
            let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
            adam.step(&mut net, loss.backward());
        }
    }
    let test = mnist.test.take(2000);
    println!("digital: {:.2} %", 100.0 * accuracy(&net, &test, key));
    println!("\n{:>7}  {:>16}  {:>16}  {:>16}", "stuck", "1 s", "1 day", "1 year");
    for stuck in [0.0, 0.01, 0.1] {
        let model: Arc<dyn NoiseModel> = Arc::new(Filaments { programming: 0.1, relaxation: 0.03, stuck });
        let mapping = MappingParameter { weight_scaling_omega: 1.0, ..Default::default() };
        let mut on_tiles = net.clone();
        on_tiles.to_analog(
            InferenceRpuConfig { noise_model: model.into(), mapping, ..Default::default() },
            key.fold("hardware"),
        )?;
        let ages = accuracy_over_time(&on_tiles, &test, &[1.0, 86_400.0, 3.156e7], 5, key.fold("chips"))?;
        let shown = ages.iter().map(|at| format!("{:6.2} ± {:4.2} %", 100.0 * at.mean(), 100.0 * at.std()));
        println!("{:>5} %  {}", 100.0 * stuck, shown.map(|text| format!("{text:>16}")).collect::<Vec<_>>().join("  "));
    }
    Ok(())
}
