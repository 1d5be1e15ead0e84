//! Differential evolution: minima of functions that are noisy, not convex, and have no gradient.
//!
//! Each of n points in the unit cube has a challenger: a copy in which each coordinate is replaced with probability CR,
//! and one in any case, by that of `best + F·(a − b)`, with two other points a and b. The better one stays (Storn &
//! Price 1997, the variant `best1bin` with deferred updating, as in SciPy). Not a library, because evaluations are
//! noisy, each with a separate key.

use ohmgrad_tensor::{Key, random};
use rayon::prelude::*;

/// Parameters of the search for a minimum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evolution {
    /// Points for each dimension.
    pub population: usize,
    /// The largest number of generations.
    pub generations: usize,
    /// F, the distance of challengers from the best point.
    pub mutation: f64,
    /// CR, the share of a challenger that is new.
    pub recombination: f64,
    /// The search ends when the values of all points spread by no more than this.
    pub tolerance: f64,
}

/// Population 100 for each dimension, 200 generations, mutation 0.1, recombination 0.3, tolerance 0.02, as in the
/// reference.
impl Default for Evolution {
    fn default() -> Self {
        Self { population: 100, generations: 200, mutation: 0.1, recombination: 0.3, tolerance: 0.02 }
    }
}

/// A point of the unit cube and its value.
pub(super) type Point = (Vec<f64>, f64);

impl Evolution {
    /// The best point that is found; the search ends as soon as a value is below 0. `f` gets a different key at each
    /// evaluation, and `after` the number of the generation and its best value.
    pub(super) fn minimise(
        &self,
        dimensions: usize,
        f: impl Fn(&[f64], Key) -> f64 + Sync,
        key: Key,
        mut after: impl FnMut(usize, f64),
    ) -> Point {
        let count = (self.population * dimensions).max(4);
        let value = |x: Vec<f64>, key: Key| {
            let y = f(&x, key.fold("value"));
            (x, if y.is_nan() { f64::INFINITY } else { y })
        };
        let first = key.fold(0_usize);
        let start = hypercube(count, dimensions, first);
        let start: Vec<_> = start.into_iter().enumerate().collect();
        let mut points: Vec<Point> = start.into_par_iter().map(|(i, x)| value(x, first.fold(i))).collect();
        for generation in 1..=self.generations {
            let best = best(&points);
            if points[best].1 < 0.0 || spread(&points) <= self.tolerance {
                break;
            }
            let key = key.fold(generation);
            let challengers: Vec<Point> = (0..count)
                .into_par_iter()
                .map(|i| value(self.challenger(&points, best, i, key.fold(i)), key.fold(i)))
                .collect();
            for (point, challenger) in points.iter_mut().zip(challengers) {
                if challenger.1 <= point.1 {
                    *point = challenger;
                }
            }
            after(generation, points[self::best(&points)].1);
        }
        let best = best(&points);
        points.swap_remove(best)
    }

    fn challenger(&self, points: &[Point], best: usize, i: usize, key: Key) -> Vec<f64> {
        let dimensions = points[i].0.len();
        let uniform = uniforms(3 + 2 * dimensions, key.fold("challenger"));
        let below = |n: usize, u: f64| ((u * n as f64) as usize).min(n - 1);
        // Three different points: each later one is counted among those that are left.
        let mut a = below(points.len() - 1, uniform[0]);
        a += usize::from(a >= i);
        let mut b = below(points.len() - 2, uniform[1]);
        for taken in [i.min(a), i.max(a)] {
            b += usize::from(b >= taken);
        }
        let always = below(dimensions, uniform[2]);
        (0..dimensions)
            .map(|d| {
                if d != always && uniform[3 + d] >= self.recombination {
                    return points[i].0[d];
                }
                let new = points[best].0[d] + self.mutation * (points[a].0[d] - points[b].0[d]);
                if (0.0..=1.0).contains(&new) { new } else { uniform[3 + dimensions + d] }
            })
            .collect()
    }
}

/// `count` points; in each dimension, each of `count` equal parts has one of them (Latin hypercube).
fn hypercube(count: usize, dimensions: usize, key: Key) -> Vec<Vec<f64>> {
    let mut points = vec![vec![0.0; dimensions]; count];
    for d in 0..dimensions {
        let key = key.fold("hypercube").fold(d);
        let (order, within) = (random::permutation(count, key.fold("order")), uniforms(count, key.fold("within")));
        for ((point, part), u) in points.iter_mut().zip(order).zip(within) {
            point[d] = (part as f64 + u) / count as f64;
        }
    }
    points
}

fn uniforms(n: usize, key: Key) -> Vec<f64> {
    let mut samples = vec![0.0; n];
    random::fill_uniform(&mut samples, key);
    samples.into_iter().map(f64::from).collect()
}

fn best(points: &[Point]) -> usize {
    let values = points.iter().enumerate();
    values.min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1)).map_or(0, |(i, _)| i)
}

/// The standard deviation of all values.
fn spread(points: &[Point]) -> f64 {
    let n = points.len() as f64;
    let mean = points.iter().map(|(_, y)| y).sum::<f64>() / n;
    let variance = points.iter().map(|(_, y)| (y - mean).powi(2)).sum::<f64>() / n;
    // Infinite values give NaN: not converged.
    if variance.is_nan() { f64::INFINITY } else { variance.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rastrigin's function around (0.7, 0.3), with ten minima along each side; never below 1.
    fn hills(x: &[f64], _: Key) -> f64 {
        let one = |x: f64| 100.0 * x * x + 10.0 * (1.0 - (20.0 * std::f64::consts::PI * x).cos());
        1.0 + one(x[0] - 0.7) + one(x[1] - 0.3)
    }

    fn search() -> Evolution {
        Evolution { population: 20, generations: 150, mutation: 0.5, recombination: 0.7, tolerance: 1e-9 }
    }

    #[test]
    fn the_lowest_of_many_minima_is_found_on_any_number_of_threads() {
        let run = || search().minimise(2, hills, Key::new(1), |_, _| {});
        let (x, y) = run();
        assert!(y < 1.0001 && (x[0] - 0.7).abs() < 1e-3 && (x[1] - 0.3).abs() < 1e-3, "{x:?} {y}");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(run), (x, y));
    }

    #[test]
    fn it_ends_below_zero_and_never_gets_worse() {
        let mut values = vec![];
        search().minimise(2, |x, key| hills(x, key) - 3.0, Key::new(2), |_, y| values.push(y));
        assert!(values.is_sorted_by(|a, b| a >= b) && values.len() < 150);
        assert!(values[..values.len() - 1].iter().all(|&y| y >= 0.0) && values[values.len() - 1] < 0.0);
    }

    #[test]
    fn a_hypercube_has_each_part_once() {
        let points = hypercube(50, 3, Key::new(3));
        for d in 0..3 {
            let mut parts: Vec<usize> = points.iter().map(|x| (x[d] * 50.0) as usize).collect();
            parts.sort_unstable();
            assert!(parts.into_iter().eq(0..50));
        }
    }
}
