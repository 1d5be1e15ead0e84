//! A sweep over two settings of the hardware, as a heat map: the accuracy of one network on handwritten digits, against
//! output noise and bits of the ADC.
//!
//! ```text
//! cargo run --release --example sweep_heat_map -- sweep.svg
//! ```

use std::error::Error;

use ohmgrad::plots::HeatMap;
use ohmgrad::prelude::*;

/// Output noise, in units of the output of one full-scale input at a weight of 1.
const NOISE: [f32; 5] = [0.0, 0.03, 0.06, 0.12, 0.24];
const BITS: [i32; 5] = [8, 7, 6, 5, 4];
/// Evaluations of each point, each with different noise of the reads.
const READS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("give the file of the picture, as sweep.svg")?;
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
    println!("digital: {:.2} %\n", 100.0 * accuracy(&net, &test, key));

    // Every point has the same tiles and the same noise of reads, so that differences come from the settings alone.
    let mut config = InferenceRpuConfig::default();
    net.to_analog(&config, key.fold("hardware"))?;
    let mut cells = vec![];
    for bits in BITS {
        for noise in NOISE {
            config.forward.out_noise = noise;
            config.forward.out_res = 2f32.powi(bits) - 2.0;
            net.set_config(&config)?;
            let sum: f64 = (0..READS).map(|i| accuracy(&net, &test, key.fold("reads").fold(i))).sum();
            let percent = 100.0 * sum / READS as f64;
            print!("{percent:7.2} %");
            cells.push(Some((percent, format!("{percent:.1}"))));
        }
        println!("   {bits} bits");
    }
    let map = HeatMap {
        title: format!("test accuracy / %, mean of {READS} evaluations"),
        across: ("forward.out_noise".into(), NOISE.map(|noise| noise.to_string()).into()),
        down: ("bits of the ADC".into(), BITS.map(|bits| bits.to_string()).into()),
        cells,
    };
    map.save(&file)?;
    println!("\n{file}");
    Ok(())
}
