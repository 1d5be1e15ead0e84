//! Reading weights back through the analog product, as hardware can: from what the tiles answer to known inputs.

use ohmgrad_autograd::Tape;
use ohmgrad_tensor::{Array, ConvWindow, Key, Lowering, Tensor, product};

use super::TileArray;
use crate::op;

/// Rows that are read for each input.
const OVERSAMPLING: usize = 10;

impl TileArray {
    /// Estimates the logical weight, and an analog bias, from noisy reads: 10 · in rows of standard-normal inputs through
    /// the evaluation's forward, and least squares (aihwkit `read_weights`).
    ///
    /// The estimate has what outputs have been through: the noise of the converters averaged over the rows, the weights as
    /// programmed and drifted, learned scales and α. A perfect read gives the exact weight up to rounding.
    ///
    /// ```
    /// use ohmgrad_analog::{InferenceRpuConfig, TileArray};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let w = Tensor::uniform(&[4, 20], Key::new(1));
    /// let tiles = TileArray::new(w.clone(), 1, None, &InferenceRpuConfig::default(), "fc", Key::new(2))?;
    /// let (read, _) = tiles.read_back(None, Key::new(3));
    /// assert!((&read - &w).abs().max() < 0.1);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the tiles hold a bias and none is given.
    pub fn read_back(&self, bias: Option<&Tensor>, key: Key) -> (Tensor, Option<Tensor>) {
        let (shape, groups) = (self.weight.value.shape(), self.groups());
        let (outs, ins) = (shape[0] / groups, shape[1..].iter().product::<usize>());
        let rows = OVERSAMPLING * ins;
        // As a convolution with a window of one entry, which has groups.
        let x = Tensor::normal(&[rows, groups * ins, 1], key.fold("inputs"));
        let window = ConvWindow { kernel: [1; 3], stride: [1; 3], padding: [0; 3], dilation: [1; 3] };
        let tape = Tape::eval(key);
        let bias = bias.filter(|_| self.analog_bias).map(|bias| tape.constant(bias.clone()));
        let y = op::forward(self, Lowering::patches(window, groups, x.shape()), tape.constant(x.clone()), bias).value();
        let estimate = |group: usize| {
            let x = x.slice(1, group * ins..(group + 1) * ins).squeeze(2);
            let y = y.slice(1, group * outs..(group + 1) * outs).squeeze(2);
            let x = if bias.is_some() { op::with_ones(&x) } else { x };
            least_squares(&x, &y)
        };
        let w = Array::concat(&(0..groups).map(estimate).collect::<Vec<_>>(), 0);
        let of_bias = bias.map(|_| w.slice(1, ins..ins + 1).squeeze(1).contiguous());
        (w.slice(1, 0..ins).reshape(shape), of_bias)
    }
}

/// The w [out, in] for which `x·wᵀ` is nearest to y [n, out]: solves `xᵀx·wᵀ = xᵀy` in f64. Rows of random numbers, ten
/// for each unknown, have a well-conditioned `xᵀx`, so that this loses nothing against a decomposition of x.
///
/// A direction that no row has gets weight 0.
fn least_squares(x: &Tensor, y: &Tensor) -> Tensor {
    let (x, y) = (x.map(f64::from), y.map(f64::from));
    let n = x.shape()[1];
    let mut lower = product::linear_weight_gradient(&x, &x).to_vec();
    let mut w = product::linear_weight_gradient(&y, &x).to_vec();
    cholesky(&mut lower, n);
    for w in w.chunks_mut(n.max(1)) {
        for i in 0..n {
            let known: f64 = (0..i).map(|j| lower[i * n + j] * w[j]).sum();
            w[i] = (w[i] - known) / lower[i * n + i];
        }
        for i in (0..n).rev() {
            w[i] /= lower[i * n + i];
            for j in 0..i {
                w[j] -= lower[i * n + j] * w[i];
            }
        }
    }
    let w: Vec<f32> = w.into_iter().map(|w| w as f32).collect();
    Tensor::from_vec(w, &[y.shape()[1], n])
}

/// Replaces the lower triangle of a symmetric positive matrix [n, n] by its factor L, `L·Lᵀ`. Pivots that rounding has
/// made 0 become infinite, which leaves their unknown 0.
fn cholesky(a: &mut [f64], n: usize) {
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..j * n + j + 1];
            let known: f64 = row[..j].iter().zip(other).map(|(a, b)| a * b).sum();
            row[j] = (row[j] - known) / other[j];
        }
        let pivot = row[i] - row[..i].iter().map(|a| a * a).sum::<f64>();
        row[i] = if pivot > 0.0 { pivot.sqrt() } else { f64::INFINITY };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{InferenceRpuConfig, IoParameters, MappingParameter};

    #[test]
    fn perfect_reads_give_the_weight() {
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        for (shape, groups, digital_bias) in
            [(vec![5, 12], 1, true), (vec![1, 7], 1, false), (vec![6, 2, 3, 3], 2, true)]
        {
            let mapping =
                MappingParameter { weight_scaling_omega: 0.7, max_input_size: 10, digital_bias, ..Default::default() };
            let config = InferenceRpuConfig { forward, mapping, ..Default::default() };
            let (w, b) = (Tensor::normal(&shape, Key::new(1)), Tensor::normal(&shape[..1], Key::new(2)));
            let tiles = TileArray::new(w.clone(), groups, Some(&b), &config, "fc", Key::new(3)).unwrap();
            let (read, of_bias) = tiles.read_back(Some(&b), Key::new(4));
            assert!((&read - &w).abs().max() < 1e-5, "{read} {w}");
            assert_eq!(of_bias.is_some(), !digital_bias);
            assert!(of_bias.is_none_or(|read| (&read - &b).abs().max() < 1e-5));
        }
    }

    #[test]
    fn noise_is_averaged() {
        let forward = IoParameters { out_noise: 0.5, out_res: -1.0, inp_res: -1.0, ..Default::default() };
        let config = InferenceRpuConfig { forward, ..Default::default() };
        let w = Tensor::full(&[50, 40], 0.01);
        let tiles = TileArray::new(w.clone(), 1, None, &config, "fc", Key::new(3)).unwrap();
        let error = (&tiles.read_back(None, Key::new(4)).0 - &w).std(0);
        // Each output carries noise of 0.5 times the row's largest input, about 2.4 of 40 normal ones; least squares over
        // 400 rows with 40 unknowns leaves 1/√360 of it. 2000 entries have a spread of this within 2 %.
        let expected = 0.5 * 2.4 / 360f32.sqrt();
        assert!((error / expected - 1.0).abs() < 0.1, "{error} {expected}");
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        let x = Tensor::from([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]);
        let w = least_squares(&x, &Tensor::from([[2.0], [4.0], [6.0]]));
        assert_eq!(w, Tensor::from([[2.0, 0.0]]));
    }
}
