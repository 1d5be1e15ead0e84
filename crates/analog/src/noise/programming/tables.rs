//! Points of the unit cube as tables of conductances that give back every weight.

use super::ProgrammingOptions;
use crate::noise::CustomPair;

/// The range of factors that are searched.
const FACTORS: [f64; 2] = [0.1, 5.0];
/// The least share of the whole range that the largest weight takes.
const LEAST_RANGE: f64 = 0.05;

/// The free parameters of a programming.
pub(super) struct Tables<'a> {
    options: &'a ProgrammingOptions,
    g_min: f64,
    g_max: f64,
    /// The largest weight.
    most: f64,
}

impl<'a> Tables<'a> {
    pub fn new(options: &'a ProgrammingOptions, most: f32) -> Self {
        let (g_min, g_max) = options.baseline.converter().range();
        Self { options, g_min: g_min.into(), g_max: g_max.into(), most: most.into() }
    }

    fn open_factors(&self) -> usize {
        self.options.f_lst.iter().filter(|f| f.is_none()).count()
    }

    /// Weights whose conductances are searched: with symmetric tables those up to 0.
    fn free(&self) -> usize {
        if self.options.symmetric { self.options.nbins } else { 2 * self.options.nbins - 1 }
    }

    pub fn dimensions(&self) -> usize {
        let per_weight = 2 * self.options.f_lst.len() - 1;
        self.open_factors() + usize::from(!self.options.use_max_kw) + self.free() * per_weight
    }

    /// The converter of a point. Coordinates: the open factors; the largest weight's share of the range; for all
    /// weights, the place of each pair's conductances in their possible range, and each pair's part of the weight (the
    /// last takes the rest).
    pub fn converter(&self, x: &[f64]) -> CustomPair {
        let range = self.g_max - self.g_min;
        let mut x = x.iter().copied();
        let mut next = || x.next().expect("as many coordinates as dimensions");
        let [least, most] = FACTORS;
        let factors: Vec<f64> =
            self.options.f_lst.iter().map(|f| f.map_or_else(|| least + next() * (most - least), f64::from)).collect();
        // Rounded as the tables hold them; otherwise the tables would not give back the weights.
        let factors: Vec<f64> = factors.into_iter().map(|f| f64::from(f as f32)).collect();
        let whole = factors.iter().sum::<f64>() * range;
        let share = if self.options.use_max_kw { 1.0 } else { LEAST_RANGE + next() * (1.0 - LEAST_RANGE) };
        let k = share * whole / self.most;
        let (free, points) = (self.free(), 2 * self.options.nbins - 1);
        let places: Vec<f64> = std::iter::repeat_with(next).take(free * (2 * factors.len() - 1)).collect();
        let mut tables = vec![vec![0.0; points]; 2 * factors.len()];
        for i in 0..free {
            let w = self.most * (2.0 * i as f64 / (points - 1) as f64 - 1.0);
            let mut left = k * w;
            let mut span_left = whole;
            for (j, &f) in factors.iter().enumerate() {
                // The part of this pair: at most what it can hold, and at least what the later ones cannot hold.
                let span = f * range;
                span_left -= span;
                let (low, high) = ((left - span_left).max(-span), (left + span_left).min(span));
                let share = if j + 1 < factors.len() { places[(2 * j + 1) * free + i] } else { 1.0 };
                let part = low + share * (high - low);
                left -= part;
                let difference = part / f;
                let (low, high) = (self.g_min + difference.max(0.0), self.g_max + difference.min(0.0));
                let plus = (low + places[2 * j * free + i] * (high - low)).clamp(self.g_min, self.g_max);
                let minus = (plus - difference).clamp(self.g_min, self.g_max);
                (tables[2 * j][i], tables[2 * j + 1][i]) = (plus as f32, minus as f32);
                if self.options.symmetric {
                    let mirrored = points - 1 - i;
                    (tables[2 * j][mirrored], tables[2 * j + 1][mirrored]) = (minus as f32, plus as f32);
                }
            }
        }
        CustomPair {
            f_lst: factors.into_iter().map(|f| f as f32).collect(),
            g_lst: tables,
            g_max: self.g_max as f32,
            g_min: self.g_min as f32,
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Converter, SinglePair};
    use ohmgrad_tensor::{Key, Tensor};
    use proptest::prelude::*;

    proptest! {
        /// Whatever the point: conductances lie in their range, and every weight comes back.
        #[test]
        fn every_point_is_a_programming(seed: u64, pairs in 1usize..4, open: bool, symmetric: bool, use_max_kw: bool) {
            let f_lst = (0..pairs).map(|i| if open { None } else { Some(1.0 + i as f32) }).collect();
            let baseline = SinglePair { g_max: 30.0, g_min: 2.0 }.into();
            let options = ProgrammingOptions { f_lst, symmetric, use_max_kw, baseline, ..Default::default() };
            let tables = Tables::new(&options, 0.7);
            let x = Tensor::uniform(&[tables.dimensions()], Key::new(seed)).map(f64::from).to_vec();
            let converter = tables.converter(&x);
            prop_assert!(converter.validate().is_ok());
            prop_assert!(converter.g_lst.iter().flatten().all(|g| (2.0..=converter.range().1).contains(g)));
            let w = Tensor::from([-0.7, -0.31, 0.0, 0.123, 0.7]);
            let (g, scales) = converter.to_conductances(&w);
            prop_assert!((&converter.to_weights(&g, &scales) - &w).abs().max() < 1e-4);
        }
    }

    #[test]
    fn the_dimensions_are_the_references() {
        let of = |f_lst, symmetric, use_max_kw| {
            let options = ProgrammingOptions { f_lst, symmetric, use_max_kw, ..Default::default() };
            Tables::new(&options, 1.0).dimensions()
        };
        assert_eq!(of(vec![Some(1.0)], true, false), 7);
        assert_eq!(of(vec![Some(1.0), None], true, false), 20);
        assert_eq!(of(vec![Some(1.0), None], false, true), 34);
    }
}
