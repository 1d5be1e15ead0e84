//! The effect of an analog backward on the gradients of a convolutional network, on handwritten digits.
//!
//! Two copies of one network on tiles train in lockstep, on the same batches and with the same noise in every forward
//! read. One has a perfect backward, the other an analog one. Prints their losses and the spread of their gradients.
//!
//! ```text
//! cargo run --release --example lockstep
//! ```

use std::error::Error;

use ohmgrad::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let key = Key::new(1);
    let mut digits = Mnist::embedded().train;
    digits.x = digits.x.reshape(&[digits.len(), 1, 28, 28]);

    let features = Sequential::new().conv2d(1, 32, 3).relu().conv2d(32, 64, 3).relu().max_pool2d(2).dropout(0.25);
    let classes = features.flatten().linear(9216, 128).relu().dropout(0.5).linear(128, 10);
    let mut perfect = classes.init(key.fold("weights"));
    let mut analog = perfect.clone();

    let (out_res, w_noise, w_noise_type) = (-1.0, 0.02, WeightNoise::AdditiveConstant);
    let forward = IoParameters { out_res, w_noise, w_noise_type, ..Default::default() };
    let by_default = InferenceRpuConfig { forward, ..Default::default() };
    let backward = BackwardIoParameters { is_perfect: false, ..by_default.backward };
    perfect.to_analog(&by_default, key.fold("hardware"))?;
    analog.to_analog(InferenceRpuConfig { backward, ..by_default }, key.fold("hardware"))?;
    println!("{}\n", perfect.summary());

    println!("                  loss             standard deviation of all gradients");
    println!("iteration   perfect    analog    perfect     analog   analog / perfect");
    let mut runs = [(perfect, Sgd::new(1e-3)), (analog, Sgd::new(1e-3))];
    for (i, batch) in digits.batches(256, key.fold("shuffle").fold(0u64)).take(10).enumerate() {
        let [(loss, std), (other_loss, other_std)] = runs.each_mut().map(|(net, sgd)| {
            let tape = Tape::train(key.fold("step").fold(i));
            let loss = net.forward(tape.constant(batch.x.clone())).cross_entropy(&batch.y);
            let gradients = loss.backward();
            let std = gradients.flat().std(0);
            sgd.step(net, gradients);
            (loss.item(), std)
        });
        println!("{i:9}{loss:10.4}{other_loss:10.4}{std:11.2e}{other_std:11.2e}{:19.2}", other_std / std);
    }
    Ok(())
}
