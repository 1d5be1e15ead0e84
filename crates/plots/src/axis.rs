//! Axes: the places and the texts of their ticks.

use std::ops::Range;

/// Distribution of numbers along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm, with ticks at powers of ten; on short axes also between them, as 0.03, 0.1, 0.3.
    Log,
    /// Seconds, by their logarithm, with ticks at a second, a minute, an hour, …, a hundred years.
    Time,
}

/// One axis of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The quantity, with its unit.
    pub label: String,
    /// The distribution of numbers along the axis.
    pub scale: Scale,
    /// The numbers at both ends, in the unit of the label. `None`: those of the data, with a margin. Limits that are
    /// not in order, or have no place on the scale, are ignored.
    pub limits: Option<(f64, f64)>,
}

/// A day in seconds.
const DAY: f64 = 86_400.0;
/// A year in seconds.
const YEAR: f64 = 365.25 * DAY;

/// Common times and their names, in seconds.
const TIMES: [(f64, &str); 8] = [
    (1.0, "1 s"),
    (60.0, "1 min"),
    (3600.0, "1 h"),
    (DAY, "1 day"),
    (YEAR / 12.0, "1 month"),
    (YEAR, "1 year"),
    (10.0 * YEAR, "10 years"),
    (100.0 * YEAR, "100 years"),
];

/// The share of an axis, or of a step, by which rounding may move ticks.
const SLACK: f64 = 1e-9;

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Its place on the [placed](Axis::place) axis.
    pub at: f64,
    pub text: String,
}

impl Axis {
    /// An axis; the label says what it measures, with its unit.
    pub fn new(label: impl Into<String>, scale: Scale) -> Self {
        Self { label: label.into(), scale, limits: None }
    }

    /// The axis from `low` to `high`, in the unit of its label: what is beyond is not drawn.
    ///
    /// # Panics
    /// If `low` is not below `high`, or one of them has no place on the scale, as 0 on a logarithmic one.
    ///
    /// ```
    /// use ohmgrad_plots::{Axis, Scale};
    ///
    /// let axis = Axis::new("test accuracy / %", Scale::Linear).within(90.0, 100.0);
    /// assert_eq!(axis.limits, Some((90.0, 100.0)));
    /// ```
    #[must_use]
    pub fn within(mut self, low: f64, high: f64) -> Self {
        self.limits = Some((low, high));
        assert!(self.fixed().is_some(), "limits of an axis: {low} and {high} on the scale {:?}", self.scale);
        self
    }

    /// The range of an axis with limits.
    pub(crate) fn fixed(&self) -> Option<Range<f64>> {
        let (low, high) = self.limits?;
        let (low, high) = (self.place(low)?, self.place(high)?);
        (low < high).then_some(low..high)
    }

    /// The place of a number on the axis: the number itself, or its logarithm; `None` if it has no place.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let place = match self.scale {
            Scale::Linear => value,
            Scale::Log | Scale::Time => value.log10(),
        };
        place.is_finite().then_some(place)
    }

    /// The range of the axis for places between `low` and `high`, with a margin.
    pub(crate) fn span(&self, low: f64, high: f64) -> Range<f64> {
        if low > high {
            return 0.0..1.0;
        }
        let width = if high > low { high - low } else { low.abs().max(1.0) };
        low - 0.04 * width..high + 0.04 * width
    }

    /// Ticks at round numbers, about `most` of them.
    pub(crate) fn ticks(&self, span: &Range<f64>, most: u32) -> Vec<Tick> {
        let slack = SLACK * (span.end - span.start);
        let inside = |ticks: Vec<Tick>| -> Vec<Tick> {
            ticks.into_iter().filter(|tick| tick.at >= span.start - slack && tick.at <= span.end + slack).collect()
        };
        match self.scale {
            Scale::Linear => inside(linear(span, most)),
            Scale::Log => {
                let each = ((span.end - span.start) / f64::from(most)).ceil().max(1.0) as i32;
                let powers =
                    || (span.start.floor() as i32..=span.end.ceil() as i32).filter(|n| n.rem_euclid(each) == 0);
                let tick =
                    |n: i32, factor: f64| Tick { at: f64::from(n) + factor.log10(), text: power_of_ten(factor, n) };
                let times =
                    |factors: &'static [f64]| powers().flat_map(move |n| factors.iter().map(move |&f| tick(n, f)));
                // On an axis of few decades ticks lie closer, and on a part of a decade closer still.
                let mut finer = [&[1.0][..], &[1.0, 3.0], &[1.0, 2.0, 5.0]]
                    .map(|factors| inside(times(factors).collect()))
                    .into_iter();
                finer.find(|ticks| each > 1 || ticks.len() > 2).unwrap_or_else(|| inside(by_value(span, most)))
            }
            Scale::Time => {
                let named =
                    inside(TIMES.iter().map(|(t, text)| Tick { at: t.log10(), text: (*text).into() }).collect());
                let in_seconds = |tick: Tick| Tick { text: tick.text + " s", ..tick };
                if named.len() > 1 { named } else { inside(by_value(span, most)).into_iter().map(in_seconds).collect() }
            }
        }
    }
}

/// Ticks of a logarithmic axis that is too short for decades: at even distances of the numbers.
fn by_value(span: &Range<f64>, most: u32) -> Vec<Tick> {
    let values = 10f64.powf(span.start)..10f64.powf(span.end);
    linear(&values, most).into_iter().map(|tick| Tick { at: tick.at.log10(), ..tick }).collect()
}

/// Ticks at multiples of 1, 2 or 5 times a power of ten, at most one more than `most`.
fn linear(span: &Range<f64>, most: u32) -> Vec<Tick> {
    let rough = (span.end - span.start) / f64::from(most);
    let power = rough.log10().floor() as i32;
    let unit = 10f64.powi(power);
    let times = [1, 2, 5].into_iter().find(|&times| f64::from(times) * unit >= rough).unwrap_or(10);
    let step = f64::from(times) * unit;
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let text = |n: i64| match power {
        -6..=5 => format!("{:.digits$}", n as f64 * step + 0.0), // not −0
        _ if n == 0 => "0".into(),
        _ => format!("{}e{power}", i64::from(times) * n),
    };
    // Limits are often ticks; rounding must not remove these.
    let (first, last) = ((span.start / step - SLACK).ceil() as i64, (span.end / step + SLACK).floor() as i64);
    (first..=last).map(|n| Tick { at: n as f64 * step, text: text(n).replace('-', "−") }).collect()
}

/// `factor · 10ⁿ`, for a factor of one digit.
fn power_of_ten(factor: f64, n: i32) -> String {
    match n {
        -3..=-1 => format!("{:.1$}", factor * 10f64.powi(n), n.unsigned_abs() as usize),
        0..=4 => format!("{:.0}", factor * 10f64.powi(n)),
        _ => format!("{factor}e{n}").replace('-', "−"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale, low: f64, high: f64) -> Vec<String> {
        let axis = Axis::new("", scale);
        let [low, high] = [low, high].map(|v| axis.place(v).unwrap());
        axis.ticks(&axis.span(low, high), 6).into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn ten_years_have_names_that_people_use() {
        let names = ["1 s", "1 min", "1 h", "1 day", "1 month", "1 year", "10 years"];
        assert_eq!(texts(Scale::Time, 1.0, 3.156e8), names);
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(texts(Scale::Linear, 0.9, 0.98), ["0.90", "0.92", "0.94", "0.96", "0.98"]);
        assert_eq!(texts(Scale::Linear, -1.0, 1.0), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(texts(Scale::Log, 2e-3, 30.0), ["0.01", "0.1", "1", "10"]);
        assert_eq!(texts(Scale::Time, 10.0, 30.0), ["10 s", "15 s", "20 s", "25 s", "30 s"]);
        assert_eq!(texts(Scale::Linear, -1e-8, 2e-8), ["−10e−9", "0", "10e−9", "20e−9"]);
        assert!(texts(Scale::Linear, 5.0, 5.0).len() > 2, "one number alone");
    }

    #[test]
    fn few_decades_have_ticks_between_powers_of_ten() {
        assert_eq!(texts(Scale::Log, 0.025, 0.5), ["0.03", "0.1", "0.3"]);
        assert_eq!(texts(Scale::Log, 3e-5, 3e-4), ["3e−5", "1e−4", "3e−4"]);
        assert_eq!(texts(Scale::Log, 1e3, 30e3), ["1000", "3000", "10000", "30000"]);
        assert_eq!(texts(Scale::Log, 0.01, 1.0), ["0.01", "0.1", "1"], "two decades are enough");
        assert_eq!(texts(Scale::Log, 0.15, 1.5), ["0.2", "0.5", "1"]);
        assert_eq!(texts(Scale::Log, 2.0, 8.0), ["2", "4", "6", "8"], "less than a decade");
    }

    #[test]
    fn limits_are_the_ends() {
        assert_eq!(Axis::new("", Scale::Log).within(0.1, 100.0).fixed(), Some(-1.0..2.0));
        assert_eq!(Axis { limits: Some((0.0, 1.0)), ..Axis::new("", Scale::Log) }.fixed(), None);
        assert_eq!(Axis::new("", Scale::Linear).fixed(), None);
        for (scale, low, high) in [(Scale::Linear, 0.1, 0.7), (Scale::Log, 0.03, 3.0)] {
            let axis = Axis::new("", scale).within(low, high);
            let ticks = axis.ticks(&axis.fixed().unwrap(), 6);
            let texts = [&ticks[0].text, &ticks[ticks.len() - 1].text].map(|text| text.parse::<f64>().unwrap());
            assert_eq!(texts, [low, high]);
        }
        let wrong = std::panic::catch_unwind(|| Axis::new("", Scale::Linear).within(1.0, 1.0));
        assert_eq!(
            wrong.unwrap_err().downcast_ref::<String>().unwrap(),
            "limits of an axis: 1 and 1 on the scale Linear"
        );
    }

    #[test]
    fn points_without_a_place_are_left_out() {
        assert_eq!(Axis::new("", Scale::Log).place(0.0), None);
        assert_eq!(Axis::new("", Scale::Time).place(-1.0), None);
        assert_eq!(Axis::new("", Scale::Linear).place(f64::NAN), None);
    }
}
