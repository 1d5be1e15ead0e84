//! Axes: where their ticks are, and what they say.

use std::ops::Range;

/// Distribution of numbers along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm, with a tick at each power of ten.
    Log,
    /// Seconds, by their logarithm, with ticks at a second, a minute, an hour, …, ten years.
    Time,
}

/// One axis of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The quantity, with its unit.
    pub label: String,
    /// The distribution of numbers along the axis.
    pub scale: Scale,
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

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Where it is on the [placed](Axis::place) axis.
    pub at: f64,
    pub text: String,
}

impl Axis {
    /// An axis; the label says what it measures, with its unit.
    pub fn new(label: impl Into<String>, scale: Scale) -> Self {
        Self { label: label.into(), scale }
    }

    /// Where a number is, on an axis on which equal distances are equal lengths; `None` if it is nowhere.
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

    pub(crate) fn ticks(&self, span: &Range<f64>) -> Vec<Tick> {
        let inside = |tick: &Tick| tick.at >= span.start && tick.at <= span.end;
        let ticks: Vec<Tick> = match self.scale {
            Scale::Linear => linear(span),
            Scale::Log => {
                let each = ((span.end - span.start) / 6.0).ceil().max(1.0) as i32;
                let decades = span.start.floor() as i32..=span.end.ceil() as i32;
                let tick = |n: i32| Tick { at: n.into(), text: power_of_ten(n) };
                decades.filter(|n| n.rem_euclid(each) == 0).map(tick).collect()
            }
            Scale::Time => TIMES.iter().map(|(t, text)| Tick { at: t.log10(), text: (*text).into() }).collect(),
        };
        let shown: Vec<Tick> = ticks.into_iter().filter(inside).collect();
        match (self.scale, shown.len()) {
            // Too short for decades: numbers at even distances of the logarithm.
            (Scale::Log | Scale::Time, 0 | 1) => {
                let tick = |tick: Tick| Tick { text: short(10f64.powf(tick.at)), ..tick };
                linear(span).into_iter().map(tick).filter(inside).collect()
            }
            _ => shown,
        }
    }
}

/// Four to eight ticks at multiples of 1, 2 or 5 times a power of ten.
fn linear(span: &Range<f64>) -> Vec<Tick> {
    let rough = (span.end - span.start) / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough).unwrap_or(power);
    let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    let (first, last) = ((span.start / step).ceil() as i64, (span.end / step).floor() as i64);
    // Not −0.
    let tick = |n: i64| Tick { at: n as f64 * step, text: format!("{:.digits$}", n as f64 * step + 0.0) };
    (first..=last).map(tick).map(|tick| Tick { text: tick.text.replace('-', "−"), ..tick }).collect()
}

fn power_of_ten(n: i32) -> String {
    if (-3..=4).contains(&n) { short(10f64.powi(n)) } else { format!("1e{n}").replace('-', "−") }
}

/// A number in three digits.
fn short(value: f64) -> String {
    let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale, low: f64, high: f64) -> Vec<String> {
        let axis = Axis::new("", scale);
        let [low, high] = [low, high].map(|v| axis.place(v).unwrap());
        axis.ticks(&axis.span(low, high)).into_iter().map(|tick| tick.text).collect()
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
        assert!(texts(Scale::Log, 2.0, 8.0).len() > 2, "less than a decade");
        assert!(texts(Scale::Linear, 5.0, 5.0).len() > 2, "one number alone");
    }

    #[test]
    fn points_without_a_place_are_left_out() {
        assert_eq!(Axis::new("", Scale::Log).place(0.0), None);
        assert_eq!(Axis::new("", Scale::Time).place(-1.0), None);
        assert_eq!(Axis::new("", Scale::Linear).place(f64::NAN), None);
    }
}
