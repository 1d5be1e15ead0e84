//! Tiles in five minutes.

use std::error::Error;

use ohmgrad::plots::{Axis, Corner, Figure, Layout, Mark, Scale, Series};
use ohmgrad::prelude::*;

#[test]
fn one_product_read_twice() -> Result<(), Box<dyn Error>> {
    // ANCHOR: read
    let key = Key::new(1);
    let w = Tensor::from([[0.5, -0.25, 0.125], [-0.5, 0.5, 0.25]]);
    let x = Tensor::from([1.0, 2.0, -1.0]);
    let matrix = AnalogMatrix::new(w, &InferenceRpuConfig::default(), key.fold("hardware"))?;

    println!("{:.3?}", matrix.matvec(&x, key.fold("read 1")).to_vec());
    println!("{:.3?}", matrix.matvec(&x, key.fold("read 2")).to_vec());
    println!("{:.3?}", matrix.matvec(&x, key.fold("read 1")).to_vec());
    // ANCHOR_END: read
    let read = |name| matrix.matvec(&x, key.fold(name));
    assert_eq!(read("read 1"), read("read 1"));
    assert_ne!(read("read 1"), read("read 2"));
    assert!((&read("read 1") - &Tensor::from([-0.125, 0.25])).abs().max() < 1.0);
    Ok(())
}

// ANCHOR: sweep
/// Reads of one output over its exact value, with and without bound management.
fn read_over_exact(key: Key) -> Result<Vec<Series>, ohmgrad::analog::Error> {
    // One output with 32 equal weights, and 400 rows of equal inputs: the exact output goes from −20 to 20.
    let w = Tensor::full(&[1, 32], 0.625);
    let x = Tensor::from_fn(&[400, 32], |at| (at[0] as f32 - 200.0) / 200.0);
    // Without noise management, so that inputs reach the DAC unscaled.
    let with = |bound_management| IoParameters {
        noise_management: NoiseManagement::None,
        bound_management,
        out_noise: 0.5,
        ..Default::default()
    };
    let kinds =
        [("no bound management", with(BoundManagement::None)), ("bound management", with(BoundManagement::Iterative))];
    let of = |(name, forward): (&'static str, IoParameters)| {
        let config = InferenceRpuConfig { forward, ..Default::default() };
        let y = AnalogMatrix::new(w.clone(), &config, key.fold("hardware"))?.matvec(&x, key.fold(name));
        let points = (0..400).map(|i| (f64::from(20.0 * x[[i, 0]]), f64::from(y[[i, 0]])));
        Ok(Series::new(name, Mark::Points, points.collect()))
    };
    kinds.into_iter().map(of).collect()
}
// ANCHOR_END: sweep

#[test]
fn a_bound_cuts_and_bound_management_reads_again() {
    let reads = read_over_exact(Key::new(1)).unwrap();
    let largest = |i: usize| reads[i].points.iter().map(|point| point.1).fold(0.0, f64::max);
    assert_eq!(largest(0), 12.0);
    assert!(largest(1) > 18.0);
}

#[test]
#[ignore = "draws docs/read.svg"]
fn draw_read() -> Result<(), Box<dyn Error>> {
    let ideal = Series::new("exact", Mark::Guide, vec![(-20.0, -20.0), (20.0, 20.0)]);
    let reads = read_over_exact(Key::new(1))?;
    let panels = reads.into_iter().map(|read| Figure {
        x: Axis::new("exact output", Scale::Linear),
        y: Axis::new("output of the read", Scale::Linear).within(-23.0, 23.0),
        series: vec![read, ideal.clone()],
        legend: Corner::UpperLeft,
    });
    let layout = Layout { letters: true, ..Default::default() };
    Ok(ohmgrad::plots::save_with("docs/read.svg", &panels.collect::<Vec<_>>(), &layout)?)
}
