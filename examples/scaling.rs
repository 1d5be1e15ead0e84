//! The time of an analog read against the size of its tile and of its batch, as a table and a figure.
//!
//! ```text
//! cargo run --release --example scaling -- --threads 1 --plot docs/scaling.svg
//! ```

use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use ohmgrad::analog::mvm::{Direction, Mvm, Pattern};
use ohmgrad::prelude::*;
use ohmgrad_plots::{Axis, Corner, Figure, Mark, Scale, Series};

/// Times reads under the default parameters.
#[derive(Parser)]
struct Args {
    /// Threads to compute on [default: RAYON_NUM_THREADS, or all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Draw the times to this file, .svg or .png.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// The batch while the tile grows.
const BATCH: usize = 64;

/// The tile while the batch grows.
const TILE: usize = 512;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    use_threads(args.threads)?;
    let sizes: Vec<usize> = (5..=12).map(|power| 1 << power).collect();
    let tiles: Vec<(f64, f64)> = sizes.iter().map(|&n| ((n * n) as f64, read_time(n, BATCH))).collect();
    let batches: Vec<(f64, f64)> = sizes.iter().map(|&n| (n as f64, read_time(TILE, n))).collect();
    println!("  size   {BATCH} rows, size × size          size rows, {TILE} × {TILE}");
    for ((n, tile), batch) in sizes.iter().zip(&tiles).zip(&batches) {
        let each = 1e12 / (n * n * BATCH) as f64;
        let of_batch = 1e12 / (n * TILE * TILE) as f64;
        println!(
            "{n:>6} {:>10.1} µs {:>6.1} ps/weight {:>10.1} µs {:>6.1} ps/weight",
            tile.1 * 1e6,
            tile.1 * each,
            batch.1 * 1e6,
            batch.1 * of_batch
        );
    }
    if let Some(file) = &args.plot {
        let panels = [("weights of the tile", &tiles), ("rows of the batch", &batches)];
        let figures = panels.map(|(label, points)| {
            let &(x, y) = points.last().expect("there are sizes");
            let linear = points.iter().map(|&(p, _)| (p, y * p / x)).collect();
            Figure {
                x: Axis::new(label, Scale::Log),
                y: Axis::new("time of a read / s", Scale::Log),
                series: vec![
                    Series::new("linear", Mark::Guide, linear),
                    Series::new("measured", Mark::DottedLine, points.clone()),
                ],
                legend: Corner::UpperLeft,
            }
        });
        ohmgrad_plots::save(file, &figures)?;
    }
    Ok(())
}

/// The median time in seconds of reading `batch` rows through a tile of `size` × `size`.
fn read_time(size: usize, batch: usize) -> f64 {
    let (io, pattern, key) = (IoParameters::default(), Pattern::default(), Key::new(3));
    let w = &(&Tensor::uniform(&[size, size], Key::new(1)) - 0.5) * (2.0 / (size as f32).sqrt());
    let x = &Tensor::uniform(&[batch, size], Key::new(4)) - 0.5;
    let time = |call: usize| {
        let start = Instant::now();
        let read = Mvm {
            io: &io,
            pattern: &pattern,
            direction: Direction::Forward,
            key: key.fold(call),
            first_row: 0,
            timed: None,
        };
        black_box(read.read(&x, &w));
        start.elapsed().as_secs_f64()
    };
    time(0);
    let mut times: Vec<f64> = (1..=11).map(time).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
