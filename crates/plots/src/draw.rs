//! Drawing of a chart on any backend of plotters.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::axis::{Axis, Tick};
use crate::clip::{Frame, Place};
use crate::layout::{Canvas, LABEL, TEXT, size_within, text_width};
use crate::legend::Legend;
use crate::marks::{Placed, colors};
use crate::{Figure, Mark};

/// The size of one chart for screens, in CSS pixels.
pub(crate) const SIZE: (u32, u32) = (760, 460);

/// Margins in units: between the edge of a chart and its labels; at the right, where no label is, between the edge and
/// the axes.
const MARGIN: f64 = 14.0;
const RIGHT: f64 = 26.0;
/// The height of ticks and label below the axes; the width of those at the left, which long ticks widen.
const BELOW: f64 = 46.0;
const LEFT: f64 = 68.0;

/// The smallest chart, in units: labels, and axes of the size of a postage stamp.
pub(crate) const LEAST: (f64, f64) = (MARGIN + LEFT + RIGHT + 80.0, 2.0 * MARGIN + BELOW + 60.0);

/// The length of a tick.
const TICK: f64 = 4.0;

/// A side of a chart that has been laid out, with ticks from [`Axis::ticks`] instead of those of plotters.
#[derive(Clone)]
struct Side {
    span: Range<f64>,
    ticks: Vec<Tick>,
}

impl Side {
    /// The vertical side, of a length in units.
    fn upright(axis: &Axis, span: Range<f64>, length: f64) -> Self {
        Self { ticks: axis.ticks(&span, (length / 26.0).clamp(2.0, 6.0) as u32), span }
    }

    /// The horizontal side, with ticks whose texts have room side by side.
    fn across(axis: &Axis, span: Range<f64>, length: f64) -> Self {
        let width = |tick: &Tick| text_width(&tick.text, TEXT);
        let is_clear = |a: &Tick, b: &Tick| {
            let distance = (b.at - a.at) / (span.end - span.start) * length;
            distance > (width(a) + width(b)) / 2.0 + 8.0
        };
        let fits = |ticks: &Vec<Tick>| ticks.windows(2).all(|pair| is_clear(&pair[0], &pair[1]));
        let fitting = (2..=6).rev().map(|most| axis.ticks(&span, most)).find(fits);
        let ticks = fitting.unwrap_or_else(|| {
            // Ticks with names of times have uneven distances, and their number does not depend on `most`.
            let mut shown: Vec<Tick> = vec![];
            for tick in axis.ticks(&span, 2) {
                let is_clear =
                    shown.iter().rfind(|tick| !tick.text.is_empty()).is_none_or(|last| is_clear(last, &tick));
                shown.push(if is_clear { tick } else { Tick { text: String::new(), ..tick } });
            }
            shown
        });
        Self { span, ticks }
    }

    fn share(&self, place: f64) -> f64 {
        (place - self.span.start) / (self.span.end - self.span.start)
    }

    fn text(&self, place: f64) -> String {
        let near = |tick: &&Tick| (tick.at - place).abs() < 1e-9 * (self.span.end - self.span.start);
        self.ticks.iter().find(near).map_or_else(String::new, |tick| tick.text.clone())
    }
}

impl Ranged for Side {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        low + (self.share(*value) * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.span.clone()
    }
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Draws one chart.
pub(crate) fn figure<B: DrawingBackend>(figure: &Figure, area: &DrawingArea<B, Shift>, canvas: &Canvas) -> Drawn<B> {
    let placed: Vec<Placed> = figure.series.iter().map(|series| Placed::new(figure, series)).collect();
    let colors = colors(&figure.series);
    let frame = frame(figure, &placed);
    let drawn: Vec<[Place; 2]> = placed.iter().flat_map(|series| series.outline(&frame)).collect();
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (canvas.units(width), canvas.units(height));
    let inner_height = height - 2.0 * MARGIN - BELOW;
    let lay_out = |left: f64| {
        let inner = (width - MARGIN - left - RIGHT, inner_height);
        let legend = Legend::new(figure, &colors, inner.0);
        let place = |legend: Legend| {
            let (corner, span) = legend.place(figure, &frame, inner, &drawn);
            (Some((legend, corner)), span)
        };
        let (legend, span) = legend.map_or((None, frame.y.clone()), place);
        let y = Side::upright(&figure.y, span, inner_height);
        let widest = y.ticks.iter().map(|tick| text_width(&tick.text, TEXT)).fold(0.0, f64::max);
        ((LABEL * 1.24 + widest + 2.0 * TICK).clamp(LEFT, LEFT.max(width / 2.0)), legend, y)
    };
    // The room at the left depends on the ticks, and is known after a first layout.
    let (left, ..) = lay_out(LEFT);
    let (left, legend, y) = lay_out(left);
    let inner_width = width - MARGIN - left - RIGHT;
    let x = Side::across(&figure.x, frame.x.clone(), inner_width);
    // Half of the last text may be beyond the end of its axis.
    let beyond =
        x.ticks.last().map_or(0.0, |tick| text_width(&tick.text, TEXT) / 2.0 - (1.0 - x.share(tick.at)) * inner_width);
    let mut chart = ChartBuilder::on(area)
        .margin(canvas.px(MARGIN))
        .margin_right(canvas.px(RIGHT.max(beyond + 4.0)))
        .x_label_area_size(canvas.px(BELOW))
        .y_label_area_size(canvas.px(left))
        .build_cartesian_2d(x.clone(), y.clone())?;
    chart
        .configure_mesh()
        .x_label_formatter(&|place| x.text(*place))
        .y_label_formatter(&|place| y.text(*place))
        .label_style(canvas.font(TEXT))
        .y_label_offset(canvas.px(canvas.lift(TEXT)))
        .axis_style(BLACK.stroke_width(canvas.stroke(1.0)))
        .bold_line_style(BLACK.mix(0.12).stroke_width(canvas.stroke(1.0)))
        .light_line_style(TRANSPARENT)
        .set_all_tick_mark_size(canvas.px(TICK))
        .draw()?;
    let write = |text: &str, room: f64, at: (f64, f64), turn: FontTransform, end: VPos| {
        let font = canvas.font(size_within(text, LABEL, room)).transform(turn);
        let style = font.color(&BLACK).pos(Pos::new(HPos::Center, end));
        area.draw(&Text::new(text.to_owned(), (canvas.px(at.0), canvas.px(at.1)), style))
    };
    let centre = (MARGIN + left + inner_width / 2.0, MARGIN + inner_height / 2.0);
    write(&figure.x.label, inner_width + 1.5 * RIGHT, (centre.0, height - MARGIN), FontTransform::None, VPos::Bottom)?;
    write(&figure.y.label, inner_height + 2.0 * MARGIN, (MARGIN, centre.1), FontTransform::Rotate270, VPos::Top)?;
    let frame = Frame { y: y.span.clone(), ..frame };
    for (series, color) in placed.iter().zip(colors) {
        series.draw(color, canvas, &frame, chart.plotting_area())?;
    }
    legend.map_or(Ok(()), |(legend, corner)| legend.draw(corner, canvas, &chart.plotting_area().strip_coord_spec()))
}

/// The ranges of both axes: their limits, or what the data need.
fn frame(figure: &Figure, placed: &[Placed]) -> Frame {
    let span = |axis: &Axis, pick: fn(Place) -> f64, floor: f64| {
        let ends = placed.iter().flat_map(Placed::extent).map(pick);
        let (low, high) = ends.fold((floor, f64::NEG_INFINITY), |(low, high), v| (v.min(low), v.max(high)));
        let mut span = axis.span(low, high);
        span.start = if floor == 0.0 && low >= 0.0 { 0.0 } else { span.start };
        axis.fixed().unwrap_or(span)
    };
    let bars = figure.series.iter().any(|series| matches!(series.mark, Mark::Bars(_)));
    let y_floor = if bars { 0.0 } else { f64::INFINITY };
    Frame { x: span(&figure.x, |p| p.0, f64::INFINITY), y: span(&figure.y, |p| p.1, y_floor) }
}
