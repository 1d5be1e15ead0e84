//! `ohmgrad scaling`: the time of an analog read on this machine.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use ohmgrad::analog::mvm::{Direction, Mvm, Pattern};
use ohmgrad::plots::{Axis, Corner, Figure, Mark, Scale, Series};
use ohmgrad::prelude::*;
use serde_json::json;

use crate::failure::Outcome;
use crate::output::Output;
use crate::table::Table;

/// Time reads under the default parameters, against the size of the tile and of the batch.
///
/// The picture has the times with a line for linear growth, which ends in the largest read.
#[derive(Args)]
#[command(after_help = "Example:\n  ohmgrad scaling --threads 1 --plot scaling.svg")]
pub struct ScalingArgs {
    /// The largest size of the tile and of the batch, at most: sizes are doubled from 32 on.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(32..=65_536))]
    most: u32,
    /// The picture, .svg or .png.
    #[arg(long, value_name = "FILE", default_value = "scaling.svg")]
    plot: PathBuf,
}

/// The batch while the tile grows.
const BATCH: usize = 64;

/// The inputs and outputs of the tile while the batch grows.
const TILE: usize = 512;

/// Runs the command.
pub fn run(args: &ScalingArgs, output: Output) -> Outcome<u8> {
    let sizes = (5..).map(|power| 1 << power).take_while(|&size| size <= args.most as usize);
    let (tile, batch) = (format!("{BATCH} rows, n × n"), format!("n rows, {TILE} × {TILE}"));
    let mut table =
        Table::new("time of a read", ["n", &tile, "for each weight and row", &batch, "for each weight and row"]);
    let (mut tiles, mut batches) = (vec![], vec![]);
    for n in sizes {
        let times = [time(n, BATCH), time(TILE, n)];
        output.event(&json!({ "n": n, "tile": times[0], "batch": times[1] }));
        let cells = |time: f64, products: usize| {
            [format!("{:.1} µs", 1e6 * time), format!("{:.1} ps", 1e12 * time / products as f64)]
        };
        let (of_tile, of_batch) = (cells(times[0], n * n * BATCH), cells(times[1], n * TILE * TILE));
        table.row([n.to_string()].into_iter().chain(of_tile).chain(of_batch));
        tiles.push(((n * n) as f64, times[0]));
        batches.push((n as f64, times[1]));
    }
    output.say(table.to_text());
    draw(&args.plot, [("weights of the tile", tiles), ("rows of the batch", batches)])?;
    output.say(format!("\nplot  {}", args.plot.display()));
    Ok(0)
}

fn draw(path: &Path, panels: [(&str, Vec<(f64, f64)>); 2]) -> Outcome<()> {
    let figures = panels.map(|(label, points)| {
        let &(x, y) = points.last().expect("there is a size");
        let linear = points.iter().map(|&(p, _)| (p, y * p / x)).collect();
        Figure {
            x: Axis::new(label, Scale::Log),
            y: Axis::new("time of a read / s", Scale::Log),
            series: vec![Series::new("linear", Mark::Guide, linear), Series::new("measured", Mark::DottedLine, points)],
            legend: Corner::UpperLeft,
        }
    });
    Ok(ohmgrad::plots::save(path, &figures)?)
}

/// The median time in seconds of reading `batch` rows through a tile of `size` × `size`.
fn time(size: usize, batch: usize) -> f64 {
    let (io, pattern, key) = (IoParameters::default(), Pattern::default(), Key::new(3));
    let w = &(&Tensor::uniform(&[size, size], Key::new(1)) - 0.5) * (2.0 / (size as f32).sqrt());
    let x = &Tensor::uniform(&[batch, size], Key::new(4)) - 0.5;
    let time = |call: usize| {
        let (direction, key) = (Direction::Forward, key.fold(call));
        let read = Mvm { io: &io, pattern: &pattern, direction, key, first_row: 0, timed: None };
        let start = Instant::now();
        black_box(read.read(&x, &w));
        start.elapsed().as_secs_f64()
    };
    // The first read finds cold caches and sleeping threads.
    time(0);
    let mut times: Vec<f64> = (1..=11).map(time).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
