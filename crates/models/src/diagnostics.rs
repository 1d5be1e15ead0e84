//! Counts of the effects of converters and bound management on the signals of a network, tile by tile.

use std::fmt;
use std::ops::Range;

use ohmgrad_analog::mvm::{Converted, Counters, Direction};
use ohmgrad_analog::{Observed, TileArray};
use ohmgrad_autograd::{Gradients, Id, Tape};
use ohmgrad_tensor::{Key, Tensor};
use serde_json::json;

use crate::evaluate::{BATCH, in_blocks};
use crate::module::Module;
use crate::visit::Visit;

/// Effects of the reads of a network's tiles on their signals, added up over batches: the share of clipped inputs, of
/// saturated and masked outputs, the rounds of bound management, and the used share of the converters' ranges and
/// codes.
///
/// [`diagnose`] makes it for an evaluation. Over a training, steps are observed and added:
///
/// ```
/// use ohmgrad_analog::InferenceRpuConfig;
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_models::{Diagnostics, Module, Network, Optimizer, Sequential, Sgd};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let mut net = Sequential::new().linear(4, 8).relu().linear(8, 2).init(Key::new(1));
/// net.to_analog(&InferenceRpuConfig::default(), Key::new(2))?;
/// let mut diagnostics = Diagnostics::of(&net);
/// let mut sgd = Sgd::new(0.1);
/// for step in 0..3 {
///     let tape = Tape::train(Key::new(3).fold(step)).observed();
///     let x = tape.constant(Tensor::normal(&[16, 4], Key::new(4).fold(step)));
///     let y = net.forward(x);
///     let gradients = (y * y).mean().backward();
///     diagnostics.add(&tape);
///     diagnostics.add_backward(&gradients);
///     sgd.step(&mut net, gradients);
/// }
/// assert_eq!(diagnostics.tiles[0].forward.rows, 48);
/// println!("{diagnostics}");
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    /// One entry for each tile, in the order of the network.
    pub tiles: Vec<TileDiagnostics>,
    /// The index of the first entry of each weight.
    weights: Vec<(Id, usize)>,
}

/// Effects of the reads of one tile.
#[derive(Clone, Debug)]
pub struct TileDiagnostics {
    /// The path of its layer in the network.
    pub layer: String,
    /// Its number in the layer.
    pub tile: usize,
    /// The outputs that it computes.
    pub outs: Range<usize>,
    /// The inputs that it takes.
    pub ins: Range<usize>,
    /// Forward reads.
    pub forward: Counters,
    /// Reads of the transposed tile; without rows where the backward is perfect.
    pub backward: Counters,
}

/// The diagnostics of an evaluation of all rows of `x`. The reads are those of [`predict`](crate::predict) with the
/// same key, noise included.
pub fn diagnose(net: &dyn Module, x: &Tensor, key: Key) -> Diagnostics {
    let mut diagnostics = Diagnostics::of(net);
    in_blocks(net, x, || Tape::eval(key).observed(), BATCH, |tape, _| diagnostics.add(tape));
    diagnostics
}

impl Diagnostics {
    /// Empty diagnostics of the tiles of a network. A clone of the network has other parameters and needs other
    /// diagnostics.
    pub fn of<V: Visit + ?Sized>(net: &V) -> Self {
        let mut diagnostics = Self::default();
        for (path, tiles) in net.tile_arrays() {
            diagnostics.add_layer(&path, tiles);
        }
        diagnostics
    }

    fn add_layer(&mut self, path: &str, array: &TileArray) {
        self.weights.push((array.weight.id(), self.tiles.len()));
        let entries = array.tiles().iter().enumerate().map(|(number, tile)| TileDiagnostics {
            layer: path.to_owned(),
            tile: number,
            outs: tile.outs.clone(),
            ins: tile.ins.clone(),
            forward: Counters::default(),
            backward: Counters::default(),
        });
        self.tiles.extend(entries);
    }

    /// Adds the observations of a tape.
    pub fn add(&mut self, tape: &Tape) {
        tape.observations(|weight, observed: &Observed| self.add_call(weight, observed));
    }

    /// Adds the observations of a backward, which are in its gradients.
    pub fn add_backward(&mut self, gradients: &Gradients) {
        gradients.deposited::<Observed>().for_each(|(weight, observed)| self.add_call(weight, observed));
    }

    fn add_call(&mut self, weight: Id, observed: &Observed) {
        let Some((_, first)) = self.weights.iter().find(|(id, _)| *id == weight) else { return };
        for (entry, counters) in self.tiles[*first..].iter_mut().zip(&observed.tiles) {
            match observed.direction {
                Direction::Forward => entry.forward.add(counters),
                Direction::Backward => entry.backward.add(counters),
            }
        }
    }

    /// As JSON: a list with an object for each tile. Shares are 0…1, or null if there were no values; the codes of a
    /// converter that does not round are null.
    pub fn to_json(&self) -> String {
        let tile = |entry: &TileDiagnostics| {
            json!({
                "layer": entry.layer,
                "tile": entry.tile,
                "outs": [entry.outs.start, entry.outs.end],
                "ins": [entry.ins.start, entry.ins.end],
                "forward": direction_json(&entry.forward),
                "backward": (entry.backward.rows > 0).then(|| direction_json(&entry.backward)),
            })
        };
        let list: Vec<_> = self.tiles.iter().map(tile).collect();
        serde_json::to_string_pretty(&list).expect("numbers and names")
    }
}

fn direction_json(counters: &Counters) -> serde_json::Value {
    let converter = |c: &Converted| {
        json!({
            "values": c.values,
            "clipped": share(c.clipped, c.values),
            "mean_of_range": c.mean_of_range(),
            "peak_of_range": c.peak_of_range(),
            "codes_used": c.codes().map(|(used, _)| used),
            "codes": c.codes().map(|(_, all)| all),
        })
    };
    json!({
        "rows": counters.rows,
        "read": counters.read,
        "rounds_per_row": share(counters.rounds, counters.read),
        "most_rounds": counters.most_rounds,
        "inputs": converter(&counters.inputs),
        "outputs": converter(&counters.outputs),
        "masked": share(counters.masked, counters.outputs.values),
    })
}

fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

/// A line for each tile and direction that was read. `range` is the mean magnitude as a share of a converter's range,
/// `codes` the share of its codes that occurred.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.tiles.iter().map(|entry| entry.layer.chars().count()).max().unwrap_or(0).max(5);
        writeln!(
            f,
            "{:width$}  {:>4}  {:>9}  {:8}  {:>9}  {:>11}  {:^25}  {:^34}",
            "", "", "", "", "", "rounds", "DAC", "ADC"
        )?;
        write!(
            f,
            "{:width$}  {:>4}  {:>9}  {:8}  {:>9}  {:>4}  {:>5}  {:>7}  {:>7}  {:>7}  {:>7}  {:>7}  {:>7}  {:>7}",
            "layer",
            "tile",
            "size",
            "",
            "rows",
            "mean",
            "most",
            "clipped",
            "range",
            "codes",
            "at end",
            "masked",
            "range",
            "codes"
        )?;
        for entry in &self.tiles {
            for (direction, c) in [("forward", &entry.forward), ("backward", &entry.backward)] {
                if direction == "backward" && c.rows == 0 {
                    continue;
                }
                let size = format!("{}×{}", entry.outs.len(), entry.ins.len());
                write!(f, "\n{:width$}  {:>4}  {size:>9}  {direction:8}  {:>9}", entry.layer, entry.tile, c.rows)?;
                let rounds = share(c.rounds, c.read).map_or("–".to_owned(), |mean| format!("{mean:.2}"));
                write!(f, "  {rounds:>4}  {:>5}", c.most_rounds)?;
                let columns = [
                    share(c.inputs.clipped, c.inputs.values),
                    c.inputs.mean_of_range(),
                    codes(&c.inputs),
                    share(c.outputs.clipped, c.outputs.values),
                    share(c.masked, c.outputs.values),
                    c.outputs.mean_of_range(),
                    codes(&c.outputs),
                ];
                for column in columns {
                    let shown = column.map_or("–".to_owned(), |share| format!("{:.2} %", 100.0 * share));
                    write!(f, "  {shown:>7}")?;
                }
            }
        }
        Ok(())
    }
}

fn codes(converted: &Converted) -> Option<f64> {
    converted.codes().map(|(used, all)| used as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, Sequential, predict};
    use ohmgrad_analog::{BackwardIoParameters, InferenceRpuConfig, IoParameters, MappingParameter};

    fn config() -> InferenceRpuConfig {
        let forward = IoParameters { out_bound: 0.5, ..Default::default() };
        InferenceRpuConfig {
            forward,
            backward: BackwardIoParameters::from(forward),
            mapping: MappingParameter { max_input_size: 6, ..Default::default() },
            ..Default::default()
        }
    }

    fn network(config: &InferenceRpuConfig) -> Sequential {
        let mut net = Sequential::new().linear(10, 7).tanh().linear(7, 3).init(Key::new(1));
        net.to_analog(config, Key::new(2)).unwrap();
        net
    }

    fn counts(diagnostics: &Diagnostics) -> Vec<[Counters; 2]> {
        diagnostics.tiles.iter().map(|entry| [entry.forward.clone(), entry.backward.clone()]).collect()
    }

    #[test]
    fn observing_changes_nothing_and_batches_add_up() {
        let net = network(&config());
        let (x, key) = (Tensor::normal(&[BATCH + 50, 10], Key::new(3)), Key::new(4));
        let tape = Tape::eval(key).observed();
        let y = net.forward(tape.constant(x.clone())).value();
        assert_eq!(y, predict(&net, &x, key));
        let mut at_once = Diagnostics::of(&net);
        at_once.add(&tape);
        let in_batches = diagnose(&net, &x, key);
        assert_eq!(counts(&in_batches), counts(&at_once));
        let tile = &in_batches.tiles[0];
        assert_eq!((tile.layer.as_str(), tile.ins.clone(), tile.forward.rows), ("0", 0..5, BATCH as u64 + 50));
        assert_eq!(tile.forward.inputs.values, 5 * tile.forward.read);
        assert!(in_batches.tiles.iter().all(|entry| entry.backward.rows == 0));
    }

    #[test]
    fn a_training_step_counts_its_own_reads_both_ways() {
        let mut config = config();
        config.backward.mask_saturated = true;
        let net = network(&config);
        let x = Tensor::normal(&[20, 10], Key::new(3));
        let step = |tape: Tape| {
            let mut diagnostics = Diagnostics::of(&net);
            let y = net.forward(tape.variable(x.clone()));
            let gradients = (y * y).sum().backward();
            diagnostics.add(&tape);
            diagnostics.add_backward(&gradients);
            diagnostics
        };
        let observed = step(Tape::train(Key::new(5)).observed());
        assert!(observed.tiles.iter().all(|entry| entry.forward.rows == 20 && entry.backward.rows == 20));
        assert!(observed.tiles.iter().all(|entry| entry.backward.inputs.values == 20 * entry.outs.len() as u64));
        let unobserved = step(Tape::train(Key::new(5)));
        assert!(counts(&unobserved).iter().flatten().all(|counters| *counters == Counters::default()));
    }

    #[test]
    fn strong_signals_show_in_every_column() {
        let net = network(&config());
        let x = &Tensor::normal(&[100, 10], Key::new(3)) * 20.0;
        let strong = diagnose(&net, &x, Key::new(4));
        let first = &strong.tiles[0].forward;
        assert!(first.rounds > first.read && first.most_rounds > 1, "the bound of 0.5 is passed");
        let at_end = first.outputs.clipped;
        assert!(
            first.masked > first.outputs.values / 2 && at_end < first.outputs.values / 20,
            "read again, then masked"
        );
        assert_eq!(first.inputs.clipped, 0, "noise management keeps inputs inside");
        let (used, all) = first.inputs.codes().unwrap();
        assert!(used > 60 && used <= all && all == 127, "{used} of {all}");

        let json: serde_json::Value = serde_json::from_str(&strong.to_json()).unwrap();
        assert_eq!((json[1]["ins"][0].as_u64(), json[0]["backward"].is_null()), (Some(5), true));
        assert_eq!(json[0]["forward"]["inputs"]["codes"], 127);
        let table = strong.to_string();
        assert_eq!(table.lines().count(), 2 + strong.tiles.len());
        let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
    }
}
