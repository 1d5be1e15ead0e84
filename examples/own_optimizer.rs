//! A custom optimizer, Lion, with its checkpoint: a training stops half-way and continues from the file bit for bit.
//!
//! ```text
//! cargo run --release --example own_optimizer
//! ```

use std::error::Error;

use ohmgrad::models::optim::{Memory, OptimizerState, Remembered, StateError, finite, update};
use ohmgrad::prelude::*;
use serde::{Deserialize, Serialize};

/// Lion (Chen et al. 2023): `w ← w − lr·sign(β₁m + (1−β₁)g)`, `m ← β₂m + (1−β₂)g`.
struct Lion {
    lr: f32,
    betas: [f32; 2],
    means: Memory<Option<Tensor>>,
}

/// Hyper-parameters as a checkpoint has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(deserialize_with = "finite")]
    lr: f32,
    betas: [f32; 2],
}

impl Optimizer for Lion {
    /// Steps all parameters. `update` passes each parameter to the closure, with its gradient and its memory. It also
    /// commits running means, refuses gradients of another network, and clips and remaps tiles.
    fn step(&mut self, net: &mut dyn Visit, gradients: Gradients) {
        let &mut Self { lr, betas: [b1, b2], ref mut means } = self;
        update(net, &gradients, lr, means, |param, gradient, mean| {
            let mean = mean.get_or_insert_with(|| Tensor::full(gradient.shape(), 0.0));
            let step = mean.zip(gradient, |m, g| lr * (b1 * m + (1.0 - b1) * g).signum());
            param.value.zip_mut(&step, |w, s| *w -= s);
            mean.zip_mut(gradient, |m, g| *m = b2 * *m + (1.0 - b2) * g);
        });
    }

    fn lr(&self) -> f32 {
        self.lr
    }

    fn set_lr(&mut self, lr: f32) {
        self.lr = lr;
    }

    fn state(&self) -> OptimizerState {
        let of = |(path, mean): (&String, &Option<Tensor>)| {
            Some((path.clone(), Remembered::new(0, [("mean", mean.clone()?)])))
        };
        let settings = Settings { lr: self.lr, betas: self.betas };
        OptimizerState::new("lion", settings, self.means.iter().filter_map(of).collect())
    }

    fn set_state(&mut self, state: OptimizerState) -> Result<(), StateError> {
        let Settings { lr, betas } = state.settings("lion")?;
        let of = |(path, remembered): (String, Remembered)| {
            let [mean] = remembered.take(&path, ["mean"])?;
            Ok((path, Some(mean)))
        };
        let means = state.memory.into_iter().map(of).collect::<Result<_, _>>()?;
        *self = Self { lr, betas, means };
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (key, file) =
        (Key::new(42), std::env::temp_dir().join(format!("own_optimizer-{}.safetensors", std::process::id())));
    let network = || Sequential::new().linear(4, 16).tanh().linear(16, 1).init(key.fold("weights"));
    let lion = || Lion { lr: 3e-3, betas: [0.9, 0.99], means: Memory::new() };
    let steps = |net: &mut Sequential, lion: &mut Lion, steps: std::ops::Range<usize>| {
        let mut last = f32::NAN;
        for step in steps {
            let tape = Tape::train(key.fold("steps").fold(step));
            let x = tape.constant(Tensor::normal(&[64, 4], key.fold("x").fold(step)));
            let loss = net.forward(x).mse((x * x).mean_axes(&[1]));
            last = loss.item();
            lion.step(net, loss.backward());
        }
        last
    };
    let (mut net, mut optimizer) = (network(), lion());
    net.to_analog(InferenceRpuConfig::default(), key.fold("hardware"))?;
    println!("half-way   loss {:.5}", steps(&mut net, &mut optimizer, 0..200));
    Checkpoint::save(&file, &net, Some(&optimizer), &TrainingState::new(key))?;
    let whole = steps(&mut net, &mut optimizer, 200..400);

    let (mut resumed, mut again) = (network(), lion());
    Checkpoint::load(&file)?.restore(&mut resumed, Some(&mut again), Tiles::FromFile)?;
    std::fs::remove_file(&file)?;
    let rest = steps(&mut resumed, &mut again, 200..400);
    println!("whole      loss {whole:.5}\nresumed    loss {rest:.5}");
    assert_eq!((rest.to_bits(), resumed.state_dict()), (whole.to_bits(), net.state_dict()));
    Ok(())
}
