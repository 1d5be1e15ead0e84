//! A custom operation and a custom layer: squareplus, a smooth ReLU without exponentials, and residual blocks around
//! any module, which begin as the identity; trained on tiles.
//!
//! ```text
//! cargo run --release --example own_layer_and_operation
//! ```

use std::error::Error;

use ohmgrad::autograd::{Back, Op, gradcheck};
use ohmgrad::prelude::*;
use ohmgrad::tensor::Scalar;

/// Squareplus, `(x + √(x² + 4))/2` (Barron 2021). Gradient: `d·(1 + x/√(x² + 4))/2`.
struct Squareplus;

fn squareplus<T: Scalar>(x: Var<'_, T>) -> Var<'_, T> {
    let value = x.value().map(|x| (x + root(x)) * T::of(0.5));
    x.tape().push(value, &[x], Squareplus)
}

fn root<T: Scalar>(x: T) -> T {
    (x * x + T::of(4.0)).sqrt()
}

impl<T: Scalar> Op<T> for Squareplus {
    fn name(&self) -> &'static str {
        "squareplus"
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let d = cx.grad.zip(cx.input(0), |d, x| d * (T::one() + x / root(x)) * T::of(0.5));
        cx.give(0, d);
    }
}

/// `x + gain·squareplus(inner(x))`, with a gain that is trained and 0 at first (Bachlechner et al. 2021).
#[derive(Clone, Visit)]
struct Residual<M> {
    inner: M,
    gain: Param,
    /// Running mean of the magnitude of the added term.
    #[visit(buffer)]
    added: Param,
    /// The share of a new batch in this mean.
    #[visit(skip)]
    momentum: f32,
}

impl<M> Residual<M> {
    fn new(inner: M) -> Self {
        let zero = || Param::new(Tensor::from([0.0]));
        Self { inner, gain: zero(), added: zero(), momentum: 0.1 }
    }
}

impl<M: Module + Clone + 'static> Module for Residual<M> {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let tape = x.tape();
        let y = squareplus(self.inner.forward(x)) * tape.param(&self.gain);
        if tape.is_training() {
            let (id, now) = (self.added.id(), y.value().abs().mean());
            let mean = tape.state(id, &self.added.value);
            tape.set_state(id, mean.map(|mean| mean + self.momentum * (now - mean)));
        }
        x + y
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let key = Key::new(42);
    gradcheck(|v| squareplus(v[0]), &[Array::normal(&[3, 5], key)])?;

    let block = |key: Key| Residual::new(Linear::new(16, 16, key));
    let net = Sequential::new().linear(2, 16).named("first", block).named("second", block).linear(16, 1);
    let mut net = net.init(key.fold("weights"));
    net.to_analog(InferenceRpuConfig::default(), key.fold("hardware"))?;
    println!("{}\n", net.summary());

    // The product of two numbers.
    let x = Tensor::uniform(&[2048, 2], key.fold("x")).map(|u| 2.0 * u - 1.0);
    let y = &x.slice(1, 0..1) * &x.slice(1, 1..2);
    let (data, mut adam) = (Dataset::new(x, y), Adam::new(5e-3));
    for epoch in 0..20 {
        let mut loss = 0.0;
        for (step, batch) in data.batches(64, key.fold("shuffle").fold(epoch)).enumerate() {
            let tape = Tape::train(key.fold("steps").fold(epoch).fold(step));
            let error = net.forward(tape.constant(batch.x)).mse(tape.constant(batch.y));
            loss += error.item() / 32.0;
            adam.step(&mut net, error.backward());
        }
        let added: Vec<String> =
            net.buffers().iter().map(|(path, mean)| format!("{path} {:.3}", mean.value.item())).collect();
        println!("epoch {:2}  loss {loss:.5}  {}", epoch + 1, added.join("  "));
    }
    Ok(())
}
