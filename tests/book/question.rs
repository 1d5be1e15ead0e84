//! The backward pass.

use ohmgrad::analog::{Error, Saturation};
use ohmgrad::prelude::*;

const KEY: Key = Key::new(1);

fn network() -> Sequential {
    Sequential::new().linear(6, 32).softplus().linear(32, 3).init(KEY.fold("weights"))
}

/// Inputs, of this size, and targets.
fn batch(step: u64, size: f32) -> (Tensor, Tensor) {
    let x = &Tensor::normal(&[32, 6], KEY.fold("x").fold(step)) * size;
    let y = x.slice(1, 0..3).tanh();
    (x, y)
}

// ANCHOR: losses
/// The losses of twenty steps under a backward; all else, the forward noise included, is the same.
fn losses(backward: BackwardIoParameters) -> Result<Vec<f32>, Error> {
    let mut net = network();
    let config = InferenceRpuConfig { backward, ..Default::default() };
    net.to_analog(&config, KEY.fold("hardware"))?;
    let mut adam = Adam::new(1e-2);
    let step = |step| {
        let (x, y) = batch(step, 1.0);
        let tape = Tape::train(KEY.fold("step").fold(step));
        let loss = net.forward(tape.constant(x)).mse(tape.constant(y));
        let value = loss.item();
        adam.step(&mut net, loss.backward());
        value
    };
    Ok((0..20).map(step).collect())
}
// ANCHOR_END: losses

#[test]
fn the_question() -> Result<(), Error> {
    // ANCHOR: question
    let by_default = losses(InferenceRpuConfig::default().backward)?;
    let by_hand = losses(BackwardIoParameters { is_perfect: true, ..BackwardIoParameters::default() })?;
    let analog = losses(BackwardIoParameters::default())?;

    assert_eq!(by_default, by_hand); // to the last bit
    assert_eq!(by_default[0], analog[0]); // the forward noise is the same …
    assert_ne!(by_default[1], analog[1]); // … and the gradients of the first step differ
    // ANCHOR_END: question
    println!("perfect {:.4} … {:.4}, analog … {:.4}", by_default[0], by_default[19], analog[19]);
    Ok(())
}

#[test]
fn the_trace() -> Result<(), Error> {
    // ANCHOR: trace
    let mut net = network();
    net.to_analog(InferenceRpuConfig::default(), KEY.fold("hardware"))?;
    let tape = Tape::train(KEY.fold("step"));
    let (x, y) = batch(0, 1.0);
    let loss = net.forward(tape.constant(x)).mse(tape.constant(y));
    println!("{}", tape.trace().named(&net.names()));
    // ANCHOR_END: trace
    assert!(tape.trace().to_string().contains("backward: perfect, no mask"));
    drop(loss.backward());
    Ok(())
}

#[test]
fn two_semantics_of_one_forward() -> Result<(), Error> {
    let mut net = network();
    net.to_analog(InferenceRpuConfig::default(), KEY.fold("hardware"))?;
    let (x, y) = batch(0, 1.0);
    // ANCHOR: under
    let tape = Tape::train(KEY.fold("step"));
    let loss = net.forward(tape.constant(x)).mse(tape.constant(y));
    let analog = loss.backward_under(&BackwardIoParameters::default());
    let perfect = loss.backward_under(&BackwardIoParameters::perfect());
    for (path, param) in net.parameters() {
        let (a, p) = (analog.of(param).expect("trained"), perfect.of(param).expect("trained"));
        let cosine = (a * p).sum() / (a.square().sum() * p.square().sum()).sqrt();
        println!("{path:10} {cosine:.4}");
    }
    // ANCHOR_END: under
    let weight_of = |gradients: &Gradients| {
        let of = |(_, param): (String, &Param)| gradients.of(param).expect("trained").clone();
        net.parameters().into_iter().map(of).collect::<Vec<_>>()
    };
    let (analog, perfect) = (weight_of(&analog), weight_of(&perfect));
    assert_ne!(analog[0], perfect[0]);
    assert_eq!(analog[2..], perfect[2..], "no analog product lies between the last layer and the loss");
    Ok(())
}

#[test]
fn the_mask() -> Result<(), Error> {
    let mut net = network();
    net.to_analog(InferenceRpuConfig::default(), KEY.fold("hardware"))?;
    // ANCHOR: mask
    let masked = BackwardIoParameters { mask_saturated: true, ..BackwardIoParameters::perfect() };
    for size in [1.0, 10.0, 100.0] {
        let (x, y) = batch(0, size);
        let tape = Tape::train(KEY.fold("step"));
        let loss = net.forward(tape.variable(x)).mse(tape.constant(y));
        for (_, of) in loss.backward_under(&masked).deposited::<Saturation>() {
            println!("inputs × {size}: {} of {} outputs masked", of.masked, of.outputs);
        }
    }
    // ANCHOR_END: mask
    Ok(())
}
