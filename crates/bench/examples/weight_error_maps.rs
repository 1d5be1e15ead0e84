//! The error of weights that are trained on the chip, over the number of states of the devices and the offset of their
//! symmetry points, for four algorithms: the maps of Rasch et al., Nature Communications 15, 7133 (2024), figure 4.
//!
//! ```text
//! cargo run --release --example weight_error_maps -- maps
//! ```
//!
//! writes `maps/SGD.svg`, `maps/TTv2.svg`, `maps/c-TTv2.svg` and `maps/AGAD.svg`.

use std::error::Error;
use std::path::PathBuf;

use ohmgrad::plots::HeatMap;
use ohmgrad::prelude::*;
use ohmgrad_bench::linear_map::{ALGORITHMS, Task, mean};

/// States of a device.
const STATES: [f32; 6] = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0];
/// Offsets of the symmetry points, in units of the largest weight.
const OFFSETS: [f32; 6] = [0.5, 0.4, 0.3, 0.2, 0.1, 0.0];

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("give the folder for the pictures, such as maps")?);
    let steps: usize = args.next().map_or(Ok(20_000), |steps| steps.parse())?;
    std::fs::create_dir_all(&folder)?;
    let is_sampled = |step: usize| step >= steps - steps.div_ceil(10) && step.is_multiple_of(50);
    for (name, algorithm) in ALGORITHMS {
        println!("\n{name}: error of the weights in % of the map's; across {STATES:?} states");
        let mut cells = vec![];
        for offset in OFFSETS {
            print!("offset {offset:3.1}:");
            for states in STATES {
                let task = Task { states, offset, lr: 0.02, steps };
                let error = 100.0 * mean(&task.errors(algorithm, Key::new(1), is_sampled)?);
                print!(" {error:6.1}");
                cells.push(Some((error, format!("{error:.0}"))));
            }
            println!();
        }
        let map = HeatMap {
            title: format!("{name}: error of the weights / %"),
            across: ("states of a device".into(), STATES.map(|states| states.to_string()).into()),
            down: ("offset of symmetry points".into(), OFFSETS.map(|offset| offset.to_string()).into()),
            cells,
        };
        map.save(folder.join(format!("{name}.svg")))?;
    }
    Ok(())
}
