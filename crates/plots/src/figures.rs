//! The kinds of figures.

use crate::axis::{Axis, Scale};
use crate::{Corner, Figure, Mark, Series};

/// A curve of means with a band of one standard deviation to either side.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// The name of the curve.
    pub name: String,
    /// Number and kind of the things that are averaged, for the legend: `25 chips`.
    pub over: String,
    /// Its points: x (often a time in seconds), mean, and standard deviation.
    pub points: Vec<[f64; 3]>,
}

impl Band {
    fn scaled(&self, factor: f64) -> Vec<[f64; 3]> {
        self.points.iter().map(|&[x, mean, spread]| [x, factor * mean, factor * spread]).collect()
    }

    fn means(&self, factor: f64) -> Vec<(f64, f64)> {
        self.points.iter().map(|&[x, mean, _]| (x, factor * mean)).collect()
    }
}

/// The words of a legend for means and standard deviations of `over`, which may be empty.
pub(crate) fn mean_of(over: &str) -> String {
    let of = if over.is_empty() { "" } else { " of " };
    format!("mean ± standard deviation{of}{over}")
}

/// Curves with their bands; means and standard deviations are multiplied by `factor`. Areas come first, so that none
/// hides a curve. The legend states what the bands are: once if it is the same for all, otherwise with each name.
///
/// ```
/// use ohmgrad_plots::{Band, Mark, banded};
///
/// let series = banded(&[Band { name: "a".into(), over: "25 chips".into(), points: vec![[1.0, 0.9, 0.1]] }], 100.0);
/// assert_eq!((series[0].mark, series[1].mark), (Mark::Area, Mark::DottedLine));
/// assert_eq!(series[1].points, [(1.0, 90.0)]);
/// assert_eq!(series[2].name, "mean ± standard deviation of 25 chips");
/// ```
pub fn banded(bands: &[Band], factor: f64) -> Vec<Series> {
    let (names, common) = legend(bands);
    let areas = names.iter().zip(bands).map(|(name, band)| area(name, &band.scaled(factor)));
    let curves = names.iter().zip(bands).map(|(name, band)| Series::new(name, Mark::DottedLine, band.means(factor)));
    areas.chain(curves).chain(common).collect()
}

/// Means with error bars of one standard deviation, both times `factor`, for separate values of x: no line connects the
/// points. The legend is that of [`banded`].
///
/// ```
/// use ohmgrad_plots::{Band, error_bars};
///
/// let series = error_bars(&[Band { name: "a".into(), over: "5 chips".into(), points: vec![[1.0, 0.9, 0.1]] }], 100.0);
/// assert_eq!((series[0].points[0], series[0].errors[0]), ((1.0, 90.0), 10.0));
/// ```
pub fn error_bars(bands: &[Band], factor: f64) -> Vec<Series> {
    let (names, common) = legend(bands);
    let bars = |(name, band): (&String, &Band)| {
        let errors: Vec<f64> = band.points.iter().map(|&[_, _, spread]| factor * spread).collect();
        Series::new(name, Mark::Points, band.means(factor)).with_errors(errors)
    };
    // Its sample in the legend is an error bar too.
    let common = common.map(|series| Series { mark: Mark::Points, errors: vec![0.0], ..series });
    names.iter().zip(bands).map(bars).chain(common).collect()
}

/// The names of bands, and what is common to all of them.
fn legend(bands: &[Band]) -> (Vec<String>, Option<Series>) {
    if bands.windows(2).any(|pair| pair[0].over != pair[1].over) {
        return (bands.iter().map(|band| format!("{}, {}", band.name, mean_of(&band.over))).collect(), None);
    }
    // A series without points is in the legend alone, in grey.
    let common = bands.first().map(|band| Series::new(mean_of(&band.over), Mark::Area, vec![]));
    (bands.iter().map(|band| band.name.clone()).collect(), common)
}

/// The area of points (x, mean, distance from it to either side).
pub(crate) fn area(name: &str, points: &[[f64; 3]]) -> Series {
    let there = points.iter().map(|&[x, mean, spread]| (x, mean + spread));
    let back = points.iter().rev().map(|&[x, mean, spread]| (x, mean - spread));
    Series::new(name, Mark::Area, there.chain(back).collect())
}

/// The largest number of dots that are drawn of one series: more would be one blot, and a large file.
const MOST_DOTS: usize = 4000;

/// Losses over the steps of trainings, on a logarithmic axis.
///
/// ```
/// use ohmgrad_plots::training_curves;
///
/// let figure = training_curves(&[("digital", &[1.0, 0.5, 0.25]), ("analog", &[1.1, 0.6, 0.4])]);
/// assert_eq!(figure.series.len(), 2);
/// ```
pub fn training_curves(runs: &[(&str, &[f32])]) -> Figure {
    let curve = |(name, losses): &(&str, &[f32])| {
        let points = losses.iter().enumerate().map(|(step, &loss)| (step as f64, loss.into())).collect();
        Series::new(*name, Mark::Line, points)
    };
    Figure {
        x: Axis::new("training step", Scale::Linear),
        y: Axis::new("training loss", Scale::Log),
        series: runs.iter().map(curve).collect(),
        legend: Corner::UpperRight,
    }
}

/// Accuracies (0…1, drawn in per cent) over the time since programming in seconds, each with a band of one
/// standard deviation of the chips. The legend states how many there are, from [`Band::over`].
///
/// ```
/// use ohmgrad_plots::{Band, accuracy_over_time};
///
/// let points = vec![[1.0, 0.97, 0.001], [3.15e7, 0.94, 0.004]];
/// let figure = accuracy_over_time(&[Band { name: "PCM".into(), over: "25 chips".into(), points }]);
/// assert_eq!(figure.x.label, "time since programming");
/// ```
pub fn accuracy_over_time(bands: &[Band]) -> Figure {
    Figure {
        x: Axis::new("time since programming", Scale::Time),
        y: Axis::new("test accuracy / %", Scale::Linear),
        series: banded(bands, 100.0),
        legend: Corner::LowerLeft,
    }
}

/// The frequency of each value, as a density: weights, or conductances in µS. All sets share their bins.
///
/// ```
/// use ohmgrad_plots::histogram;
///
/// let figure = histogram("weight", &[("layer 1", &[-0.5, 0.1, 0.2]), ("layer 2", &[0.0, 0.3])]);
/// assert_eq!(figure.y.label, "density");
/// ```
pub fn histogram(label: &str, sets: &[(&str, &[f32])]) -> Figure {
    const BINS: usize = 60;
    let all = || sets.iter().flat_map(|(_, values)| values.iter()).map(|&v| f64::from(v)).filter(|v| v.is_finite());
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let width = if high > low { (high - low) / BINS as f64 } else { 1.0 };
    let bars = |(name, values): &(&str, &[f32])| {
        let mut counts = vec![0usize; BINS];
        for v in values.iter().map(|&v| f64::from(v)).filter(|v| v.is_finite()) {
            counts[(((v - low) / width) as usize).min(BINS - 1)] += 1;
        }
        let total = counts.iter().sum::<usize>().max(1) as f64;
        let bar = |(i, n): (usize, usize)| (low + (i as f64 + 0.5) * width, n as f64 / (total * width));
        Series::new(*name, Mark::Bars(width), counts.into_iter().enumerate().map(bar).collect())
    };
    Figure {
        x: Axis::new(label, Scale::Linear),
        y: Axis::new("density", Scale::Linear),
        series: sets.iter().map(bars).collect(),
        legend: Corner::UpperRight,
    }
}

/// The distance of programmed conductances from their targets, over the targets, both in µS: each device a dot, and an
/// area of one standard deviation around the mean of devices with similar targets.
///
/// # Panics
/// If there are not as many targets as conductances.
///
/// ```
/// use ohmgrad_plots::programming_error;
///
/// let figure = programming_error(&[0.0, 12.5, 25.0], &[0.1, 12.0, 26.0]);
/// assert_eq!(figure.series[0].points[1], (12.5, -0.5));
/// ```
pub fn programming_error(target: &[f32], programmed: &[f32]) -> Figure {
    assert!(target.len() == programmed.len(), "{} targets, {} conductances", target.len(), programmed.len());
    let mut errors: Vec<(f64, f64)> =
        target.iter().zip(programmed).map(|(&g, &p)| (g.into(), f64::from(p) - f64::from(g))).collect();
    let dots = Series::new("devices", Mark::Points, thinned(&errors));
    errors.sort_by(|a, b| a.0.total_cmp(&b.0));
    let in_group = errors.len().div_ceil(25).max(1);
    let groups: Vec<[f64; 3]> = errors
        .chunks(in_group)
        .map(|group| {
            let average = |f: &dyn Fn(&(f64, f64)) -> f64| group.iter().map(f).sum::<f64>() / group.len() as f64;
            let mean = average(&|e| e.1);
            [average(&|e| e.0), mean, average(&|e| (e.1 - mean).powi(2)).sqrt()]
        })
        .collect();
    let name = mean_of(&format!("{in_group} devices"));
    let spread = area(&name, &groups);
    let mean = groups.iter().map(|&[g, mean, _]| (g, mean)).collect();
    Figure {
        x: Axis::new("target conductance / µS", Scale::Linear),
        y: Axis::new("programming error / µS", Scale::Linear),
        series: vec![dots, spread, Series::new(name, Mark::Line, mean)],
        legend: Corner::UpperRight,
    }
}

/// Predictions of networks over the targets, with the line on which both are equal. `quantity` names both, with their
/// unit.
///
/// # Panics
/// If a network has not one prediction for each target.
///
/// ```
/// use ohmgrad_plots::predictions;
///
/// let figure = predictions("position / m", &[0.0, 0.5], &[("digital", &[0.1, 0.4])]);
/// assert_eq!(figure.series[1].points, [(0.0, f64::from(0.1f32)), (0.5, f64::from(0.4f32))]);
/// ```
pub fn predictions(quantity: &str, targets: &[f32], networks: &[(&str, &[f32])]) -> Figure {
    let (low, high) = targets.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &t| (l.min(t), h.max(t)));
    let ends = if low <= high { vec![(low.into(), low.into()), (high.into(), high.into())] } else { vec![] };
    let dots = |(name, predicted): &(&str, &[f32])| {
        assert!(predicted.len() == targets.len(), "{} targets, {} predictions", targets.len(), predicted.len());
        let points: Vec<_> = targets.iter().zip(*predicted).map(|(&t, &p)| (t.into(), p.into())).collect();
        Series::new(*name, Mark::Points, thinned(&points))
    };
    Figure {
        x: Axis::new(format!("target {quantity}"), Scale::Linear),
        y: Axis::new(format!("predicted {quantity}"), Scale::Linear),
        series: std::iter::once(Series::new("", Mark::Guide, ends)).chain(networks.iter().map(dots)).collect(),
        legend: Corner::UpperLeft,
    }
}

/// Every n-th of many points.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().copied().step_by(points.len().div_ceil(MOST_DOTS).max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_density_has_area_one() {
        let values: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin()).collect();
        let figure = histogram("w", &[("all", &values), ("none", &[]), ("one", &[0.5])]);
        for (series, area) in figure.series.iter().zip([1.0, 0.0, 1.0]) {
            let Mark::Bars(width) = series.mark else { panic!("bars") };
            assert!((series.points.iter().map(|p| p.1 * width).sum::<f64>() - area).abs() < 1e-9);
        }
    }

    #[test]
    fn the_band_is_around_the_mean() {
        let band = |name: &str, over: &str| Band {
            name: name.into(),
            over: over.into(),
            points: vec![[1.0, 0.9, 0.1], [2.0, 0.5, 0.2]],
        };
        let figure = accuracy_over_time(&[band("a", "")]);
        let rounded = |series: &Series| -> Vec<f64> { series.points.iter().map(|p| p.1.round()).collect() };
        assert_eq!(rounded(&figure.series[0]), [100.0, 70.0, 30.0, 80.0]);
        assert_eq!(rounded(&figure.series[1]), [90.0, 50.0]);
        let names = |overs: [&str; 2]| -> Vec<String> {
            let series = banded(&[band("a", overs[0]), band("b", overs[1])], 1.0);
            series.into_iter().skip(2).map(|series| series.name).collect()
        };
        assert_eq!(names(["5 chips"; 2]), ["a", "b", "mean ± standard deviation of 5 chips"]);
        let different = ["a, mean ± standard deviation of 5 chips", "b, mean ± standard deviation of 9 chips"];
        assert_eq!(names(["5 chips", "9 chips"]), different);
        assert!(banded(&[], 1.0).is_empty() && error_bars(&[], 1.0).is_empty());
        let bars = error_bars(&[band("a", "5 chips")], 100.0);
        assert_eq!((bars.len(), bars[0].errors.as_slice()), (2, [10.0, 20.0].as_slice()));
        assert_eq!(bars[1].name, "mean ± standard deviation of 5 chips");
    }

    #[test]
    fn many_dots_are_thinned() {
        let many = vec![0.5f32; 100_000];
        assert!(programming_error(&many, &many).series[0].points.len() <= MOST_DOTS);
    }
}
