//! Reads with time-dependent IR drop, in evaluation.

use ohmgrad::analog::{InferenceRpuConfig, TileArray};
use ohmgrad::autograd::Tape;
use ohmgrad::tensor::{Array, Key, Tensor};
use serde::Deserialize;

use crate::conformance::Case;
use crate::conformance::compare::{Check, Expected, Moments, exact};
use crate::conformance::numbers::Numbers;

#[derive(Deserialize)]
struct Read {
    config: InferenceRpuConfig,
    weights: Numbers,
    inputs: Numbers,
    #[serde(flatten)]
    result: Outputs,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Outputs {
    Exact {
        expected: Numbers,
    },
    Statistical {
        repeats: usize,
        #[serde(flatten)]
        moments: Moments,
    },
}

pub fn check(case: &Case) -> Result<Check, String> {
    let read: Read = case.parse()?;
    let inputs = read.inputs.tensor();
    match &read.result {
        // No value of the cases lies so near the border of two codes that rounding could move it.
        Outputs::Exact { expected } => exact(&read.outputs(&inputs, case.key())?, expected, |_| 0.0),
        Outputs::Statistical { repeats, moments } => {
            let draws = (*repeats).max(20_000);
            let y = read.outputs(&Array::concat(&vec![inputs; draws], 0), case.key())?;
            let y = y.reshape(&[draws, y.shape()[0] / draws, y.shape()[1]]);
            let mut check = Check::default();
            Expected { what: "output", moments, repeats: *repeats, slack: 1e-5 }.moments(&mut check, &y)?;
            Ok(check)
        }
    }
}

impl Read {
    fn outputs(&self, rows: &Tensor, key: Key) -> Result<Tensor, String> {
        let tiles = TileArray::new(self.weights.tensor(), 1, None, &self.config, "read", key.fold("hardware"));
        let tiles = tiles.map_err(|error| error.to_string())?;
        let tape = Tape::eval(key.fold("read"));
        Ok(tiles.forward(tape.constant(rows.clone()), None).value())
    }
}
