//! Hardware-aware training.

use std::error::Error;

use ohmgrad::prelude::*;

const KEY: Key = Key::new(1);

// ANCHOR: train
fn fit(net: &mut Sequential, data: &Dataset<Vec<usize>>, epochs: usize, key: Key) {
    const BATCH: usize = 64;
    let schedule = Schedule::one_cycle(2e-3, epochs * data.len().div_ceil(BATCH));
    let mut adam = Adam::new(0.0);
    let batches = (0..epochs).flat_map(|epoch| data.batches(BATCH, key.fold("shuffle").fold(epoch)));
    for (step, batch) in batches.enumerate() {
        let tape = Tape::train(key.fold("step").fold(step));
        let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
        adam.lr = schedule.at(step);
        adam.step(net, loss.backward());
    }
}
// ANCHOR_END: train

#[test]
fn aware_and_unaware() -> Result<(), Box<dyn Error>> {
    // ANCHOR: compare
    let mnist = Mnist::embedded();
    let mut net = Sequential::new().linear(784, 64).relu().linear(64, 10).init(KEY.fold("weights"));
    fit(&mut net, &mnist.train, 3, KEY.fold("first"));

    // The hardware of the chips: coarse devices, whose programming error is eight times the usual one.
    let devices = ohmgrad::analog::noise::Pcm { prog_noise_scale: 8.0, ..Default::default() };
    let mapping = MappingParameter { weight_scaling_omega: 1.0, ..Default::default() };
    let chip = InferenceRpuConfig { mapping, noise_model: devices.into(), ..Default::default() };

    // Trained on digitally.
    let mut unaware = net.clone();
    fit(&mut unaware, &mnist.train, 3, KEY.fold("second"));

    // Trained on with noise on the weights: 0.15 of the largest weight of a tile, drawn anew in each step.
    let modifier = WeightModifierParameter { kind: WeightModifier::AddNormal, std_dev: 0.15, ..Default::default() };
    let mut aware = net;
    aware.to_analog(&InferenceRpuConfig { modifier, ..chip.clone() }, KEY.fold("hardware"))?;
    fit(&mut aware, &mnist.train, 3, KEY.fold("second"));
    aware.to_digital();

    let mut after_a_day = vec![];
    for (name, mut net) in [("digitally", unaware), ("hardware-aware", aware)] {
        let digital = accuracy(&net, &mnist.test, KEY.fold("test"));
        net.to_analog(&chip, KEY.fold("hardware"))?;
        let chips = accuracy_over_time(&net, &mnist.test, &[86_400.0], 10, KEY.fold("chips"))?;
        let (mean, half) = (chips[0].mean(), chips[0].confidence());
        println!("{name:15} digital {:.2} %, after a day {:.2} ± {:.2} %", 100.0 * digital, 100.0 * mean, 100.0 * half);
        after_a_day.push(mean);
    }
    // ANCHOR_END: compare
    assert!(after_a_day[1] > after_a_day[0]);
    Ok(())
}
