//! Least squares in the unit cube: a coarse search, then damped Gauss–Newton steps within the cube from the best points
//! (Levenberg 1944, Marquardt 1963).

use ohmgrad_tensor::{Key, random};

/// The minimum that was found.
pub(super) struct Minimum {
    pub(super) x: Vec<f64>,
    pub(super) sum_of_squares: f64,
}

/// Points of the coarse search, and how many of them are followed.
const COARSE: usize = 64;
const FOLLOWED: usize = 4;

/// Steps from one point, at most.
const STEPS: usize = 100;

/// Half the distance of a difference quotient. Responses are in 32 bits: nearer points differ by rounding alone.
const DIFFERENCE: f64 = 1e-4;

/// Minimises the sum of squares of `residuals` over the unit cube.
pub(super) fn minimise(start: &[f64], residuals: impl Fn(&[f64], &mut Vec<f64>)) -> Minimum {
    let n = start.len();
    let mut r = vec![];
    let mut value = |x: &[f64]| {
        residuals(x, &mut r);
        let sum: f64 = r.iter().map(|r| r * r).sum();
        if sum.is_finite() { sum } else { f64::INFINITY }
    };
    let mut u = vec![0.0; n * COARSE];
    random::fill_uniform(&mut u, Key::new(0).fold("coarse search"));
    let points = u.chunks(n.max(1)).map(|u| u.iter().map(|&u| f64::from(u)).collect::<Vec<f64>>());
    let mut points: Vec<(f64, Vec<f64>)> = points.map(|x| (value(&x), x)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.truncate(FOLLOWED);
    points.push((value(start), start.to_vec()));
    let found = points.into_iter().map(|(sum, x)| descend(x, sum, &residuals));
    found.min_by(|a, b| a.sum_of_squares.total_cmp(&b.sum_of_squares)).expect("the start is one")
}

fn descend(mut x: Vec<f64>, mut sum: f64, residuals: &impl Fn(&[f64], &mut Vec<f64>)) -> Minimum {
    let n = x.len();
    let (mut r, mut above, mut below) = (vec![], vec![], vec![]);
    let mut damping = 1e-3;
    for _ in 0..STEPS {
        residuals(&x, &mut r);
        let mut jacobian: Vec<Vec<f64>> = vec![];
        for k in 0..n {
            let mut shifted = x.clone();
            let (high, low) = ((x[k] + DIFFERENCE).min(1.0), (x[k] - DIFFERENCE).max(0.0));
            shifted[k] = high;
            residuals(&shifted, &mut above);
            shifted[k] = low;
            residuals(&shifted, &mut below);
            jacobian.push(above.iter().zip(&below).map(|(a, b)| (a - b) / (high - low)).collect());
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let gradient: Vec<f64> = jacobian.iter().map(|column| dot(column, &r)).collect();
        // A coordinate at its limit may move only away from it.
        let free: Vec<usize> =
            (0..n).filter(|&k| !(x[k] <= 0.0 && gradient[k] > 0.0 || x[k] >= 1.0 && gradient[k] < 0.0)).collect();
        let mut improved = false;
        while damping < 1e12 {
            let mut matrix: Vec<Vec<f64>> = free
                .iter()
                .map(|&i| {
                    let mut row: Vec<f64> = free.iter().map(|&j| dot(&jacobian[i], &jacobian[j])).collect();
                    row.push(-gradient[i]);
                    row
                })
                .collect();
            for (k, row) in matrix.iter_mut().enumerate() {
                row[k] += damping * row[k].max(1e-12);
            }
            let mut next = x.clone();
            for (&k, step) in free.iter().zip(solve(matrix)) {
                next[k] = (next[k] + step).clamp(0.0, 1.0);
            }
            residuals(&next, &mut above);
            let new = above.iter().map(|r| r * r).sum::<f64>();
            if new < sum {
                improved = sum - new > 1e-9 * sum;
                (x, sum, damping) = (next, new, damping / 5.0);
                break;
            }
            damping *= 4.0;
        }
        if !improved {
            break;
        }
    }
    Minimum { x, sum_of_squares: sum }
}

/// Solves linear equations by elimination with the largest pivot; each row ends with its right-hand side.
pub(super) fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&a, &b| rows[a][k].abs().total_cmp(&rows[b][k].abs())).expect("k < n");
        rows.swap(k, pivot);
        if rows[k][k] == 0.0 {
            continue;
        }
        let top = rows[k].clone();
        for row in &mut rows[k + 1..] {
            let factor = row[k] / top[k];
            row.iter_mut().zip(&top).for_each(|(a, b)| *a -= factor * b);
        }
    }
    let mut x = vec![0.0; n];
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| rows[k][j] * x[j]).sum();
        x[k] = if rows[k][k] == 0.0 { 0.0 } else { (rows[k][n] - known) / rows[k][k] };
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valley_is_followed_to_its_end() {
        // Rosenbrock's, from (-2, 2) at its start to (1, 1), in a square of 4 by 4.
        let residuals = |x: &[f64], out: &mut Vec<f64>| {
            let [a, b] = [4.0 * x[0] - 2.0, 4.0 * x[1] - 2.0];
            *out = vec![10.0 * (b - a * a), 1.0 - a];
        };
        let best = minimise(&[0.0, 1.0], residuals);
        assert!((best.x[0] - 0.75).abs() < 1e-6 && (best.x[1] - 0.75).abs() < 1e-6, "{:?}", best.x);
    }

    #[test]
    fn the_wall_holds() {
        let best = minimise(&[0.5, 0.5], |x, out| *out = vec![x[0] + 1.0, x[1] - 2.0, x[0] * x[1]]);
        assert_eq!(best.x, [0.0, 1.0]);
    }
}
