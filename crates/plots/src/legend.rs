//! The legend of a chart: its size, a corner in which it hides no data, and its drawing.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::clip::{Frame, Place};
use crate::layout::{Canvas, TEXT, text_width};
use crate::{Corner, Figure, Mark};

/// The height of a line of text, in units.
const LINE: f64 = 17.5;
/// The length of a sample of a mark.
const SAMPLE: f64 = 22.0;
/// Room between samples and names, and between names and border.
const GAP: f64 = 9.0;
/// Room between the border and the axes.
const OFFSET: f64 = 6.0;

/// A name, and what is drawn in its colour.
struct Entry {
    lines: Vec<String>,
    color: RGBColor,
    marks: Vec<Mark>,
    has_errors: bool,
}

/// A legend, before it has a place.
pub(crate) struct Legend {
    entries: Vec<Entry>,
    /// Width and height, in units.
    size: (f64, f64),
}

impl Legend {
    /// The legend of a figure with a horizontal axis of this length in units; none if no series has a name.
    pub fn new(figure: &Figure, colors: &[RGBColor], width: f64) -> Option<Self> {
        let mut entries: Vec<(&str, Entry)> = vec![];
        let room = width - SAMPLE - 3.0 * GAP - 2.0 * OFFSET;
        for (series, &color) in figure.series.iter().zip(colors).filter(|(series, _)| !series.name.is_empty()) {
            let known = entries.iter_mut().find(|(name, _)| *name == series.name);
            let has_errors = !series.errors.is_empty();
            match known {
                Some((_, entry)) => {
                    entry.marks.push(series.mark);
                    entry.has_errors |= has_errors;
                }
                None => {
                    let lines = balanced(&series.name, room);
                    entries.push((&series.name, Entry { lines, color, marks: vec![series.mark], has_errors }));
                }
            }
        }
        let lines = || entries.iter().flat_map(|(_, entry)| &entry.lines);
        let widest = lines().map(|line| text_width(line, TEXT)).fold(0.0, f64::max);
        let size = (widest + SAMPLE + 3.0 * GAP, LINE * lines().count() as f64 + GAP);
        (!entries.is_empty()).then(|| Self { entries: entries.into_iter().map(|(_, entry)| entry).collect(), size })
    }

    /// The corner of the legend and the span of the vertical axis; `inner` are the lengths of both axes in units.
    ///
    /// If the legend in the figure's corner would hide some of `drawn`, the span gets room for it, above or below. An
    /// axis with limits gets no room; the legend then moves to a free corner, if there is one.
    pub fn place(
        &self,
        figure: &Figure,
        frame: &Frame,
        inner: (f64, f64),
        drawn: &[[Place; 2]],
    ) -> (Corner, Range<f64>) {
        let corner = figure.legend;
        // The legend with the same room on all sides as between it and the axes.
        let share = ((self.size.0 + 2.0 * OFFSET) / inner.0, (self.size.1 + 2.0 * OFFSET) / inner.1);
        let is_free = |corner: &Corner| {
            let behind = behind(*corner, share, frame);
            drawn.iter().all(|segment| behind.segment(*segment).is_none())
        };
        let Range { start, end } = frame.y;
        if is_free(&corner) {
            return (corner, start..end);
        }
        if figure.y.fixed().is_some() {
            let corners = [Corner::UpperRight, Corner::UpperLeft, Corner::LowerRight, Corner::LowerLeft];
            return (corners.into_iter().find(is_free).unwrap_or(corner), start..end);
        }
        let more = (end - start) * share.1 / (1.0 - share.1).max(0.1);
        (corner, if is_low(corner) { start - more..end } else { start..end + more })
    }

    /// Draws the legend into a corner of the area between the axes.
    pub fn draw<B: DrawingBackend>(
        &self,
        corner: Corner,
        canvas: &Canvas,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let (width, height) = area.dim_in_pixel();
        let (width, height) = (canvas.units(width), canvas.units(height));
        let left = if is_left(corner) { OFFSET } else { width - OFFSET - self.size.0 };
        let top = if is_low(corner) { height - OFFSET - self.size.1 } else { OFFSET };
        let at = |x: f64, y: f64| (canvas.px(left + x), canvas.px(top + y));
        let border = [at(0.0, 0.0), at(self.size.0, self.size.1)];
        area.draw(&Rectangle::new(border, WHITE.mix(0.85).filled()))?;
        let corners = [(0.0, 0.0), (self.size.0, 0.0), self.size, (0.0, self.size.1), (0.0, 0.0)];
        let outline = BLACK.mix(0.4).stroke_width(canvas.stroke(1.0));
        area.draw(&PathElement::new(corners.map(|(x, y)| at(x, y)), outline))?;
        let mut y = GAP / 2.0;
        for entry in &self.entries {
            let middle = y + LINE / 2.0;
            let Entry { color, .. } = *entry;
            let line = |from: (f64, f64), to: (f64, f64), width: f64| {
                PathElement::new([at(from.0, from.1), at(to.0, to.1)], color.stroke_width(canvas.stroke(width)))
            };
            let (from, centre, to) = (GAP, GAP + SAMPLE / 2.0, GAP + SAMPLE);
            for mark in &entry.marks {
                let block = |strength: f64| {
                    Rectangle::new([at(from, middle - 5.0), at(to, middle + 5.0)], color.mix(strength).filled())
                };
                let dot = |radius: f64| Circle::new(at(centre, middle), canvas.px(radius), color.filled());
                match mark {
                    Mark::Area => area.draw(&block(0.2))?,
                    Mark::Bars(_) => area.draw(&block(0.5))?,
                    Mark::Points => area.draw(&dot(3.0))?,
                    Mark::Guide => area.draw(&line((from, middle), (to, middle), 1.0))?,
                    Mark::Line => area.draw(&line((from, middle), (to, middle), 2.0))?,
                    Mark::DottedLine => {
                        area.draw(&line((from, middle), (to, middle), 2.0))?;
                        area.draw(&dot(4.0))?;
                    }
                }
            }
            if entry.has_errors {
                area.draw(&line((centre, middle - 7.0), (centre, middle + 7.0), 1.5))?;
            }
            for words in &entry.lines {
                let style = canvas.font(TEXT).color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
                area.draw(&Text::new(words.clone(), at(to + GAP, y + LINE / 2.0 + canvas.lift(TEXT)), style))?;
                y += LINE;
            }
        }
        Ok(())
    }
}

fn is_left(corner: Corner) -> bool {
    matches!(corner, Corner::UpperLeft | Corner::LowerLeft)
}

fn is_low(corner: Corner) -> bool {
    matches!(corner, Corner::LowerLeft | Corner::LowerRight)
}

/// The places behind a legend that takes these shares of the width and height.
fn behind(corner: Corner, share: (f64, f64), frame: &Frame) -> Frame {
    let part = |span: &Range<f64>, share: f64, is_first: bool| {
        let length = share * (span.end - span.start);
        if is_first { span.start..span.start + length } else { span.end - length..span.end }
    };
    Frame { x: part(&frame.x, share.0, is_left(corner)), y: part(&frame.y, share.1, is_low(corner)) }
}

/// A text in no more lines than it needs in this width, of about equal lengths.
fn balanced(text: &str, width: f64) -> Vec<String> {
    let within = |width: f64| wrapped(text, |line| text_width(line, TEXT) <= width);
    let lines = within(width).len();
    let narrower = (1..=20).map(|i| within(width * f64::from(i) / 20.0));
    narrower.into_iter().find(|narrow| narrow.len() == lines).unwrap_or_default()
}

/// A text in lines that fit; a word alone may be too long.
fn wrapped(text: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if fits(&format!("{line} {word}")) => *line += &format!(" {word}"),
            _ => lines.push(word.into()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, Scale};

    #[test]
    fn there_is_room_where_it_is_needed() {
        let inner = (400.0, 200.0);
        let legend = Legend { entries: vec![], size: (80.0, 40.0) };
        let place = |corner, limits, points: &[Place]| {
            let axis = || Axis::new("", Scale::Linear);
            let figure = Figure { x: axis(), y: Axis { limits, ..axis() }, series: vec![], legend: corner };
            let lines: Vec<[Place; 2]> = points.windows(2).map(|pair| [pair[0], pair[1]]).collect();
            legend.place(&figure, &Frame { x: 0.0..1.0, y: 0.0..1.0 }, inner, &lines)
        };
        let falling = [(0.0, 1.0), (1.0, 0.0)];
        assert_eq!(place(Corner::LowerLeft, None, &falling), (Corner::LowerLeft, 0.0..1.0));
        let (_, below) = place(Corner::LowerRight, None, &falling);
        assert!(below.start < -0.1 && below.end == 1.0, "{below:?}");
        // The data end where the legend begins.
        assert!((-below.start / (1.0 - below.start) - 52.0 / inner.1).abs() < 1e-9);
        assert!(place(Corner::UpperLeft, None, &falling).1.end > 1.1);
        // A line between points that are not behind it.
        assert!(place(Corner::LowerLeft, None, &[(0.0, 0.3), (0.1, -0.5)]).1.start < 0.0);
        // Limits stay: the legend moves to a free corner, or stays if there is none.
        assert_eq!(place(Corner::LowerRight, Some((0.0, 1.0)), &falling), (Corner::UpperRight, 0.0..1.0));
        let both = [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)];
        assert_eq!(place(Corner::LowerRight, Some((0.0, 1.0)), &both), (Corner::LowerRight, 0.0..1.0));
    }

    #[test]
    fn long_names_have_several_lines() {
        let fits = |text: &str| text.chars().count() <= 9;
        assert_eq!(
            wrapped("mean ± standard deviation of 5 chips", fits),
            ["mean ±", "standard", "deviation", "of 5", "chips"]
        );
        assert_eq!(wrapped("a", fits), ["a"]);
    }
}
