//! A first network.
#![allow(dead_code, reason = "`main` is for the reader; the test chooses the place of the picture")]

// ANCHOR: program
use std::f32::consts::TAU;
use std::path::Path;

use ohmgrad::plots::Band;
use ohmgrad::prelude::*;

pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    run(Path::new("spirals.svg"))
}

fn run(picture: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let key = Key::new(1);
    let train = spirals(3000, key.fold("training data"));
    let test = spirals(1500, key.fold("test data"));
    let mut net = Sequential::new().linear(2, 64).relu().linear(64, 64).relu().linear(64, 3).init(key.fold("weights"));

    // 1. Digitally.
    fit(&mut net, &train, 20, key.fold("digital training"));
    println!("digital           {:.1} %", 100.0 * accuracy(&net, &test, key.fold("test")));

    // 2. The same weights on tiles.
    let mapping = MappingParameter { weight_scaling_omega: 1.0, ..Default::default() };
    let config = InferenceRpuConfig { mapping, ..Default::default() };
    net.to_analog(&config, key.fold("hardware"))?;
    println!("on tiles          {:.1} %", 100.0 * accuracy(&net, &test, key.fold("test")));

    // 3. Trained further, with the noise of the tiles in every forward pass.
    fit(&mut net, &train, 20, key.fold("training on tiles"));
    println!("trained on tiles  {:.1} %", 100.0 * accuracy(&net, &test, key.fold("test")));

    // 4. Programmed onto a chip, which drifts for a year.
    let mut chip = net.program(key.fold("chip"))?;
    chip.drift_to(31_557_600.0)?;
    println!("chip, one year    {:.1} %", 100.0 * accuracy(&chip, &test, key.fold("test")));

    // 5. Ten chips at six times, as a picture.
    let times = [1.0, 3600.0, 86_400.0, 2_629_800.0, 31_557_600.0, 315_576_000.0];
    let ages = accuracy_over_time(&net, &test, &times, 10, key.fold("chips"))?;
    let points = ages.iter().map(|at| [at.t.into(), at.mean(), at.std()]).collect();
    let band = Band { name: "spirals".into(), over: "10 chips".into(), points };
    ohmgrad::plots::accuracy_over_time(&[band]).save(picture)?;
    println!("{}", picture.display());
    Ok(())
}

fn fit(net: &mut Sequential, data: &Dataset<Vec<usize>>, epochs: u64, key: Key) {
    let mut adam = Adam::new(3e-3);
    for epoch in 0..epochs {
        for (step, batch) in data.batches(32, key.fold("shuffle").fold(epoch)).enumerate() {
            let tape = Tape::train(key.fold("step").fold(epoch).fold(step));
            let loss = net.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
            adam.step(net, loss.backward());
        }
    }
}

/// Points in the plane on one of three spirals; the label is the number of the spiral.
fn spirals(points: usize, key: Key) -> Dataset<Vec<usize>> {
    let noise = Tensor::normal(&[points, 2], key);
    let x = Tensor::from_fn(&[points, 2], |at| {
        let (i, axis) = (at[0], at[1]);
        let radius = i as f32 / points as f32;
        let angle = TAU * (radius + i as f32 % 3.0 / 3.0);
        radius * [angle.cos(), angle.sin()][axis] + 0.02 * noise[[i, axis]]
    });
    Dataset::new(x, (0..points).map(|i| i % 3).collect())
}
// ANCHOR_END: program

#[test]
fn the_program_runs() {
    run(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("spirals.svg")).unwrap();
}

#[test]
fn data_from_numpy() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    Tensor::normal(&[100, 6], Key::new(1)).write_npy(path("x.npy"))?;
    Tensor::from_fn(&[100], |at| (at[0] % 3) as f32).write_npy(path("labels.npy"))?;
    // ANCHOR: numpy
    let x = Tensor::read_npy(path("x.npy"))?; // [rows, inputs], of floating-point numbers
    let labels = Tensor::read_npy(path("labels.npy"))?;
    let data = Dataset::new(x, labels.iter().map(|&label| label as usize).collect::<Vec<_>>());
    // ANCHOR_END: numpy
    assert_eq!((data.len(), data.y[4]), (100, 1));
    Ok(())
}
