//! A chip over ten years.

use std::error::Error;

use ohmgrad::prelude::*;

const KEY: Key = Key::new(1);

fn trained(data: &Dataset<Vec<usize>>) -> Sequential {
    let mut net = Sequential::new().linear(784, 64).relu().linear(64, 10).init(KEY.fold("weights"));
    let mut adam = Adam::new(1e-3);
    for epoch in 0..5 {
        for (step, batch) in data.batches(64, KEY.fold("shuffle").fold(epoch)).enumerate() {
            let tape = Tape::train(KEY.fold("step").fold(epoch).fold(step));
            let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
            adam.step(&mut net, loss.backward());
        }
    }
    net
}

#[test]
fn one_chip_and_many() -> Result<(), Box<dyn Error>> {
    let mnist = Mnist::embedded();
    let mut net = trained(&mnist.train);
    // ANCHOR: chip
    let mapping = MappingParameter { weight_scaling_omega: 1.0, ..Default::default() };
    net.to_analog(&InferenceRpuConfig { mapping, ..Default::default() }, KEY.fold("hardware"))?;
    let mut chip = net.program(KEY.fold("chip 7"))?;
    for t in [1.0, 3600.0, 86_400.0, 31_557_600.0, 315_576_000.0] {
        chip.drift_to(t)?;
        println!("{t:>11} s  {:.2} %", 100.0 * accuracy(&chip, &mnist.test, KEY.fold("reads")));
    }
    // ANCHOR_END: chip

    // ANCHOR: many
    let ten_years = [1.0, 315_576_000.0];
    let mut means = vec![];
    for omega in [0.0, 1.0] {
        let mapping = MappingParameter { weight_scaling_omega: omega, ..Default::default() };
        net.to_analog(&InferenceRpuConfig { mapping, ..Default::default() }, KEY.fold("hardware"))?;
        for at in accuracy_over_time(&net, &mnist.test, &ten_years, 5, KEY.fold("chips"))? {
            println!("omega {omega}: {:>9} s  {:.2} ± {:.2} %", at.t, 100.0 * at.mean(), 100.0 * at.confidence());
            means.push(at.mean());
        }
        for weak in net.program(KEY.fold("look"))?.warnings() {
            println!("{weak}");
        }
    }
    // ANCHOR_END: many
    assert!(means[3] > means[1], "mapped weights keep more");
    Ok(())
}

#[test]
fn a_chip_in_a_file() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("chip.safetensors");
    let mut net = Sequential::new().linear(8, 4).init(KEY);
    net.to_analog(InferenceRpuConfig::default(), KEY.fold("hardware"))?;
    let mut chip = net.program(KEY.fold("chip"))?;
    chip.drift_to(60.0)?;
    // ANCHOR: file
    Checkpoint::save(&file, &chip, None, &TrainingState::new(KEY))?;

    let mut read = Sequential::new().linear(8, 4).init(KEY);
    Checkpoint::load(&file)?.restore(&mut read, None, Tiles::FromFile)?;
    let mut read = Chip::from_programmed(read)?;
    read.drift_to(3600.0)?;
    // ANCHOR_END: file
    chip.drift_to(3600.0)?;
    let x = Tensor::normal(&[3, 8], KEY.fold("x"));
    assert_eq!(predict(&read, &x, KEY), predict(&chip, &x, KEY));
    Ok(())
}
