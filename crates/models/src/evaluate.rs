//! What a network makes of data it was not trained on.

use ohmgrad_autograd::Tape;
use ohmgrad_tensor::{Array, Key, Tensor};

use crate::data::Dataset;
use crate::module::Module;

/// Rows that are evaluated together. Results do not depend on it.
pub(crate) const BATCH: usize = 256;

/// The outputs of a network in evaluation, for all rows. Analog reads are noisy in evaluation too; the noise of a row
/// depends on `key` and on the row's number alone.
pub fn predict(net: &dyn Module, x: &Tensor, key: Key) -> Tensor {
    let rows = x.shape()[0];
    let starts = (0..rows.max(1)).step_by(BATCH);
    let outputs: Vec<Tensor> = starts
        .map(|start| {
            let tape = Tape::eval(key).rows_from(start);
            net.forward(tape.constant(x.slice(0, start..rows.min(start + BATCH)))).value()
        })
        .collect();
    Array::concat(&outputs, 0)
}

/// The share of rows whose largest output is that of their label, 0…1.
///
/// # Panics
/// If the network's output is no matrix of scores.
pub fn accuracy(net: &dyn Module, data: &Dataset<Vec<usize>>, key: Key) -> f64 {
    let right = predict(net, &data.x, key).argmax(1).iter().zip(&data.y).filter(|(a, b)| a == b).count();
    right as f64 / data.len().max(1) as f64
}

/// How often a row of class i was taken for class j: `[i][j]`, for as many classes as the network has outputs.
///
/// # Panics
/// If a label is not below the number of outputs.
pub fn confusion_matrix(net: &dyn Module, data: &Dataset<Vec<usize>>, key: Key) -> Vec<Vec<usize>> {
    let scores = predict(net, &data.x, key);
    let classes = scores.shape()[1];
    let mut counts = vec![vec![0; classes]; classes];
    for (&label, guess) in data.y.iter().zip(scores.argmax(1)) {
        counts[label][guess] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, Sequential};
    use ohmgrad_analog::InferenceRpuConfig;

    #[test]
    fn how_rows_are_batched_changes_nothing() {
        let mut net = Sequential::new().linear(5, 3).init(Key::new(1));
        net.to_analog(&InferenceRpuConfig::default(), Key::new(2)).unwrap();
        let x = Tensor::normal(&[BATCH + 40, 5], Key::new(3));
        let key = Key::new(4);
        let together = predict(&net, &x, key);
        let tape = Tape::eval(key);
        assert_eq!(net.forward(tape.constant(x.clone())).value(), together);
        let labels = together.argmax(1);
        let data = Dataset::new(x, labels);
        assert_eq!(accuracy(&net, &data, key), 1.0);
        let counts = confusion_matrix(&net, &data, key);
        assert_eq!((0..3).map(|i| counts[i][i]).sum::<usize>(), BATCH + 40);
    }
}
