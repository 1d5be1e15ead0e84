//! Single products through an analog array, forward and backward.

use ohmgrad::analog::config::{BoundManagement, NoiseManagement};
use ohmgrad::analog::mvm::{Direction, Mvm, Pattern};
use ohmgrad::analog::{BackwardIoParameters, IoParameters};
use ohmgrad::tensor::{Array, Key, Tensor};
use serde::Deserialize;
use serde_json::{Map, Value, from_value};

use crate::conformance::Case;
use crate::conformance::compare::{Check, Expected, Moments, exact};
use crate::conformance::numbers::{Numbers, largest};

/// The shares that `quantiles` belong to.
const SHARES: [f64; 5] = [0.01, 0.1, 0.5, 0.9, 0.99];

/// Fields that the reference has in both directions, and disregards backwards.
const ONLY_FORWARD: [&str; 3] = ["bound_management", "max_bm_factor", "bm_test_negative_bound"];

#[derive(Deserialize)]
struct Product {
    direction: Way,
    io: Map<String, Value>,
    weights: Numbers,
    inputs: Numbers,
    #[serde(flatten)]
    result: Outputs,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    Forward,
    Backward,
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
        quantiles: Option<Numbers>,
    },
}

pub fn check(case: &Case) -> Result<Check, String> {
    let product: Product = case.parse()?;
    let io = product.io().map_err(|error| error.to_string())?;
    let inputs = product.inputs.tensor();
    match &product.result {
        Outputs::Exact { expected } => {
            let row = |i: usize| i / expected.row(0).len();
            let step = |i: usize| code_distance(&io, &product.inputs, row(i), expected.row(row(i)));
            exact(&product.read(&io, &inputs, case.key()), expected, step)
        }
        Outputs::Statistical { repeats, moments, quantiles } => {
            // Rows of one batch have different noise: one read has all the draws.
            let draws = (*repeats).max(20_000);
            let y = product.read(&io, &Array::concat(&vec![inputs; draws], 0), case.key());
            let y = y.reshape(&[draws, y.shape()[0] / draws, y.shape()[1]]);
            let expected = Expected { what: "output", moments, repeats: *repeats, slack: 1e-5 };
            let mut check = Check::default();
            expected.moments(&mut check, &y)?;
            if let Some(quantiles) = quantiles {
                expected.quantiles(&mut check, &y, &SHARES, quantiles)?;
            }
            Ok(check)
        }
    }
}

impl Product {
    fn io(&self) -> serde_json::Result<IoParameters> {
        let mut io = self.io.clone();
        match self.direction {
            Way::Forward => from_value(io.into()),
            Way::Backward => {
                io.retain(|field, _| !ONLY_FORWARD.contains(&field.as_str()));
                from_value::<BackwardIoParameters>(io.into()).map(|backward| backward.read())
            }
        }
    }

    /// The rows through a new array.
    fn read(&self, io: &IoParameters, rows: &Tensor, key: Key) -> Tensor {
        let weights = self.weights.tensor();
        let (direction, w) = match self.direction {
            Way::Forward => (Direction::Forward, weights),
            Way::Backward => (Direction::Backward, weights.t()),
        };
        let pattern = Pattern::draw(io, w.shape()[0], w.shape()[1], key.fold("pattern"));
        let mvm = Mvm { io, pattern: &pattern, direction, key: key.fold("read"), first_row: 0, timed: None };
        mvm.read(rows, &w)
    }
}

/// The largest distance of two neighbouring ADC codes, in units of the outputs of a row; 0 without an ADC.
///
/// Outputs are codes times the row's scale s and reduction r. Bound management doubles r only until the outputs fit, so
/// s·r is either the scale of the first round, or less than twice what brings the largest output to the bound. Some
/// kinds of management use the scale of the worst case, in which all inputs meet the largest weight.
fn code_distance(io: &IoParameters, inputs: &Numbers, row: usize, outputs: &[f64]) -> f64 {
    let Some(step) = io.out_step().filter(|_| !io.is_ideal()) else { return 0.0 };
    let (step, bound, out_scale) = (f64::from(step), f64::from(io.out_bound), f64::from(io.out_scale.abs()));
    let x = inputs.row(row);
    let worst_case = x.iter().map(|x| x.abs()).sum::<f64>() * f64::from(io.nm_assumed_wmax) / bound;
    let first = match io.noise_management {
        NoiseManagement::None => 1.0,
        NoiseManagement::Constant if io.nm_thres > 0.0 => io.nm_thres.into(),
        NoiseManagement::Constant => 1.0,
        NoiseManagement::AbsMax | NoiseManagement::Max => largest(x),
        NoiseManagement::AverageAbsMax => largest(&inputs.values),
        NoiseManagement::AbsMaxNpSum => worst_case.max(largest(x)),
        other => unimplemented!("the scale of {other:?}"),
    };
    let fitting = 2.0 * largest(outputs) / (bound * out_scale);
    let reduced = match io.bound_management {
        BoundManagement::None => 0.0,
        BoundManagement::Iterative => fitting,
        BoundManagement::IterativeWorstCase => worst_case.max(fitting),
        other => unimplemented!("the reduction of {other:?}"),
    };
    step * out_scale * first.max(reduced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_apart_by_step_times_scale() {
        let io = IoParameters { out_bound: 2.0, out_res: 0.01, out_scale: 3.0, ..Default::default() };
        let inputs = Numbers { shape: vec![2, 2], values: vec![9.0, 9.0, 1.0, -5.0] };
        let near = |io: IoParameters, outputs: &[f64], distance: f64| {
            let ours = code_distance(&io, &inputs, 1, outputs);
            assert!((ours - distance).abs() <= 1e-6 * distance, "{ours} {distance}");
        };
        near(io, &[6.0, -8.0], 0.04 * 3.0 * 5.0);
        near(io, &[60.0, -80.0], 0.04 * 3.0 * 2.0 * 80.0 / 6.0);
        near(IoParameters { bound_management: BoundManagement::None, ..io }, &[60.0, -80.0], 0.04 * 3.0 * 5.0);
        near(IoParameters { noise_management: NoiseManagement::AverageAbsMax, ..io }, &[6.0], 0.04 * 3.0 * 9.0);
        near(IoParameters { out_res: -1.0, ..io }, &[1.0], 0.0);
    }
}
