//! Statistics of numbers: moments of numbers that come in blocks, quantiles, linear least squares.

use ohmgrad_tensor::{Tensor, product};

/// Moments of numbers that come in blocks (Chan, Golub, LeVeque 1983).
#[derive(Clone, Copy, Default)]
pub(crate) struct Spread {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    pub fn of(values: &Tensor) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n.max(1.0);
        Self { n, mean, squares: values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum() }
    }

    pub fn add(&mut self, other: Self) {
        let n = self.n + other.n;
        if n > 0.0 {
            let apart = other.mean - self.mean;
            self.mean += apart * other.n / n;
            self.squares += other.squares + apart * apart * self.n * other.n / n;
            self.n = n;
        }
    }

    pub fn std(self) -> f32 {
        (self.squares / (self.n - 1.0)).sqrt() as f32
    }
}

/// A quantile of the magnitudes, interpolated linearly.
pub(crate) fn quantile(values: &Tensor, share: f32) -> f32 {
    let mut sorted: Vec<f32> = values.iter().map(|x| x.abs()).collect();
    sorted.sort_by(f32::total_cmp);
    let place = f64::from(share) * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * (place.fract() as f32)
}

/// The w [out, in] for which `x·wᵀ` is nearest to y [n, out]: solves `xᵀx·wᵀ = xᵀy` in f64. Rows of random numbers, ten
/// for each unknown, have a well-conditioned `xᵀx`, so that this is as accurate as a decomposition of x.
///
/// A weight that the rows do not determine becomes 0.
pub(crate) fn least_squares(x: &Tensor, y: &Tensor) -> Tensor {
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

/// Replaces the lower triangle of a symmetric positive matrix [n, n] by its factor L, `L·Lᵀ`. Pivots that are not above
/// 0 become infinite, which makes their unknowns 0.
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
    use ohmgrad_tensor::Key;

    #[test]
    fn moments_of_blocks_are_those_of_the_whole() {
        let x = Tensor::normal(&[7, 30], Key::new(1)).map(|x| 3.0 * x + 100.0);
        let mut spread = Spread::default();
        for rows in [0..2, 2..2, 2..7] {
            spread.add(Spread::of(&x.slice(0, rows)));
        }
        assert!((spread.std() - Spread::of(&x).std()).abs() < 1e-5);
        assert!((spread.std() - x.std(1)).abs() < 1e-3);
    }

    #[test]
    fn quantiles_are_of_magnitudes_and_interpolate() {
        let x = Tensor::from([-4.0, 1.0, -2.0, 3.0]);
        assert_eq!([0.0, 0.5, 1.0].map(|share| quantile(&x, share)), [1.0, 2.5, 4.0]);
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        let x = Tensor::from([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]);
        let w = least_squares(&x, &Tensor::from([[2.0], [4.0], [6.0]]));
        assert_eq!(w, Tensor::from([[2.0, 0.0]]));
    }
}
