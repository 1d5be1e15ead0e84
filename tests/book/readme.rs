//! The program of the README, word for word; `tests/docs/listings.rs` compares.

use ohmgrad::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (key, mnist) = (Key::new(42), Mnist::embedded());
    let mut net = Sequential::new().linear(784, 128).relu().linear(128, 10).init(key.fold("weights"));
    let mapping = MappingParameter { weight_scaling_omega: 1.0, ..Default::default() };
    net.to_analog(&InferenceRpuConfig { mapping, ..Default::default() }, key.fold("hardware"))?;

    let mut adam = Adam::new(1e-3);
    for (step, batch) in mnist.train.batches(64, key.fold("shuffle")).enumerate() {
        let tape = Tape::train(key.fold("step").fold(step));
        let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
        if step == 0 {
            println!("{}", tape.trace().named(&net.names()));
        }
        adam.step(&mut net, loss.backward());
    }
    let mut chip = net.program(key.fold("chip"))?; // phase-change devices
    chip.drift_to(31_557_600.0)?; // a year
    println!("{:.2} %", 100.0 * accuracy(&chip, &mnist.test, key.fold("test")));
    Ok(())
}

#[test]
fn the_program_of_the_readme_runs() {
    main().unwrap();
}
