//! Drawing of a chart on any backend of plotters.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;

use crate::axis::Tick;
use crate::file::font;
use crate::{Corner, Figure, Mark, Series, legend};

/// The size of one chart, before scaling.
pub(crate) const SIZE: (u32, u32) = (760, 460);

/// Colours that also people see who tell few apart (Okabe and Ito, *Color universal design*, 2008), dark ones first.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(60, 60, 60),
];

/// A side of a chart that has been laid out: ticks are ours, not plotters'.
#[derive(Clone)]
struct Side {
    span: Range<f64>,
    ticks: Vec<Tick>,
}

impl Side {
    fn text(&self, place: f64) -> String {
        let near = |tick: &&Tick| (tick.at - place).abs() < 1e-9 * (self.span.end - self.span.start);
        self.ticks.iter().find(near).map_or_else(String::new, |tick| tick.text.clone())
    }
}

impl Ranged for Side {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let share = (value - self.span.start) / (self.span.end - self.span.start);
        low + (share * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.span.clone()
    }
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Draws one chart; all lengths are times `scale`.
pub(crate) fn figure<B: DrawingBackend>(
    figure: &Figure,
    area: &DrawingArea<B, plotters::coord::Shift>,
    scale: u32,
) -> Drawn<B> {
    let placed: Vec<Vec<(f64, f64)>> = figure.series.iter().map(|series| placed(figure, series)).collect();
    let side = |pick: fn(&(f64, f64)) -> f64, axis: &crate::Axis, floor: f64| {
        let ends = placed.iter().flatten().map(pick);
        let (low, high) = ends.fold((floor, f64::NEG_INFINITY), |(low, high), v| (v.min(low), v.max(high)));
        let mut span = axis.span(low, high);
        span.start = if floor == 0.0 && low >= 0.0 { 0.0 } else { span.start };
        Side { ticks: axis.ticks(&span), span }
    };
    let bars = figure.series.iter().any(|series| matches!(series.mark, Mark::Bars(_)));
    let y_floor = if bars { 0.0 } else { f64::INFINITY };
    let (x, mut y) = (side(|p| p.0, &figure.x, f64::INFINITY), side(|p| p.1, &figure.y, y_floor));
    let mut named: Vec<&str> = figure.series.iter().map(|s| s.name.as_str()).filter(|name| !name.is_empty()).collect();
    named.sort_unstable();
    named.dedup();
    if !named.is_empty() {
        let marks = figure.series.iter().map(|series| series.mark);
        let drawn: Vec<_> = marks.zip(placed.iter().map(Vec::as_slice)).collect();
        let span = legend::with_room(figure.legend, &named, &x.span, &y.span, &drawn);
        y = Side { ticks: figure.y.ticks(&span), span };
    }
    let px = |n: u32| n * scale;
    let font = |size: u32| font(size, scale);
    let mut chart = ChartBuilder::on(area)
        .margin(px(14))
        .margin_right(px(26))
        .x_label_area_size(px(46))
        .y_label_area_size(px(68))
        .build_cartesian_2d(x.clone(), y.clone())?;
    chart
        .configure_mesh()
        .x_desc(figure.x.label.as_str())
        .y_desc(figure.y.label.as_str())
        .x_label_formatter(&|place| x.text(*place))
        .y_label_formatter(&|place| y.text(*place))
        .label_style(font(14))
        .axis_desc_style(font(16))
        .axis_style(BLACK.stroke_width(scale))
        .bold_line_style(BLACK.mix(0.12).stroke_width(scale))
        .light_line_style(TRANSPARENT)
        .set_all_tick_mark_size(px(4))
        .draw()?;
    let mut names: Vec<&str> = vec![];
    for (series, points) in figure.series.iter().zip(placed) {
        let known = names.iter().position(|name| !name.is_empty() && *name == series.name);
        let color = match (series.mark, known) {
            (Mark::Guide, _) => RGBColor(120, 120, 120),
            (_, Some(place)) => COLORS[place % COLORS.len()],
            (_, None) => {
                names.push(&series.name);
                COLORS[(names.len() - 1) % COLORS.len()]
            }
        };
        let line = color.stroke_width(2 * scale);
        let dots = |radius: u32, style: ShapeStyle| {
            let dot = move |&point: &(f64, f64)| Circle::new(point, px(radius), style);
            points.iter().map(dot).collect::<Vec<_>>()
        };
        let drawn = match series.mark {
            Mark::Line => chart.draw_series(LineSeries::new(points.iter().copied(), line))?,
            Mark::Guide => chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(scale)))?,
            Mark::DottedLine => {
                chart.draw_series(dots(4, color.filled()))?;
                chart.draw_series(LineSeries::new(points.iter().copied(), line))?
            }
            Mark::Area => chart.draw_series([Polygon::new(points.clone(), color.mix(0.2))])?,
            Mark::Points => chart.draw_series(dots(2, color.mix(0.5).filled()))?,
            Mark::Bars(width) => {
                let bar = |&(x, y): &(f64, f64)| {
                    Rectangle::new([(x - width / 2.0, 0.0), (x + width / 2.0, y)], color.mix(0.5).filled())
                };
                chart.draw_series(points.iter().map(bar).collect::<Vec<_>>())?
            }
        };
        if known.is_none() && !series.name.is_empty() {
            let length = px(22) as i32;
            drawn.label(series.name.as_str()).legend(move |(x, y)| PathElement::new([(x, y), (x + length, y)], line));
        }
    }
    if names.iter().any(|name| !name.is_empty()) {
        chart
            .configure_series_labels()
            .position(match figure.legend {
                Corner::UpperLeft => SeriesLabelPosition::UpperLeft,
                Corner::UpperRight => SeriesLabelPosition::UpperRight,
                Corner::LowerLeft => SeriesLabelPosition::LowerLeft,
                Corner::LowerRight => SeriesLabelPosition::LowerRight,
            })
            .legend_area_size(px(30))
            .margin(px(12))
            .border_style(BLACK.mix(0.4).stroke_width(scale))
            .background_style(WHITE.mix(0.85))
            .label_font(font(14))
            .draw()?;
    }
    Ok(())
}

/// The points of a series that have a place on both axes.
fn placed(figure: &Figure, series: &Series) -> Vec<(f64, f64)> {
    series.points.iter().filter_map(|&(x, y)| Some((figure.x.place(x)?, figure.y.place(y)?))).collect()
}
