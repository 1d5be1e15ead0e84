//! Drawing of the series of a chart.

use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;

use crate::clip::{Frame, Place};
use crate::layout::Canvas;
use crate::{Figure, Mark, Series};

/// Colours that can be told apart with any kind of colour vision (Okabe and Ito, *Color universal design*, 2008), dark
/// ones first, and a dark grey.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(60, 60, 60),
];

/// The colour of guides, and of names that stand for all series.
const GREY: RGBColor = RGBColor(120, 120, 120);

/// The colour of each series: one for each name.
pub(crate) fn colors(series: &[Series]) -> Vec<RGBColor> {
    let mut names: Vec<&str> = vec![];
    let mut colors = vec![];
    for Series { name, mark, points, .. } in series {
        let known = names.iter().position(|known| !name.is_empty() && known == name);
        let place = known.unwrap_or(names.len());
        names.extend(known.is_none().then_some(name.as_str()));
        colors.push(if *mark == Mark::Guide || points.is_empty() { GREY } else { COLORS[place % COLORS.len()] });
    }
    colors
}

/// A series on the scales of its axes.
pub(crate) struct Placed {
    /// The points that have a place on both axes.
    pub points: Vec<Place>,
    /// Error bars, from bottom to top. An end is infinite if it has no place on the axis.
    pub bars: Vec<[Place; 2]>,
    mark: Mark,
}

impl Placed {
    pub fn new(figure: &Figure, series: &Series) -> Self {
        let place = |&(x, y): &Place| Some((figure.x.place(x)?, figure.y.place(y)?));
        let bar = |(&(x, y), &error): (&Place, &f64)| {
            let (x, _) = place(&(x, y))?;
            let end = |y, none| (x, figure.y.place(y).unwrap_or(none));
            (error > 0.0).then(|| [end(y - error, f64::NEG_INFINITY), end(y + error, f64::INFINITY)])
        };
        Self {
            points: series.points.iter().filter_map(place).collect(),
            bars: series.points.iter().zip(&series.errors).filter_map(bar).collect(),
            mark: series.mark,
        }
    }

    /// All places that the axes must reach.
    pub fn extent(&self) -> impl Iterator<Item = Place> {
        let ends = self.bars.iter().flatten().filter(|end| end.1.is_finite());
        self.points.iter().chain(ends).copied()
    }

    /// The lines that a legend may not hide, within the axes.
    pub fn outline(&self, frame: &Frame) -> Vec<[Place; 2]> {
        let of_points: Vec<[Place; 2]> = match self.mark {
            Mark::Line | Mark::DottedLine | Mark::Guide | Mark::Area => {
                self.points.windows(2).map(|pair| [pair[0], pair[1]]).collect()
            }
            Mark::Bars(width) => {
                let sides = |&(x, y): &Place| [x - width / 2.0, x + width / 2.0].map(|x| [(x, 0.0), (x, y)]);
                self.points.iter().flat_map(sides).collect()
            }
            Mark::Points => vec![],
        };
        let bars = self.bars.iter().filter_map(|bar| frame.upright(*bar));
        of_points.into_iter().chain(self.points.iter().map(|&point| [point, point])).chain(bars).collect()
    }

    /// Draws the series within the axes.
    pub fn draw<B: DrawingBackend, X: Ranged<ValueType = f64>, Y: Ranged<ValueType = f64>>(
        &self,
        color: RGBColor,
        canvas: &Canvas,
        frame: &Frame,
        area: &DrawingArea<B, Cartesian2d<X, Y>>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let lines = |width: f64| {
            let style = color.stroke_width(canvas.stroke(width));
            frame.line(&self.points).into_iter().try_for_each(|part| canvas.line(part, style, area))
        };
        let dots = |radius: f64, style: ShapeStyle| {
            let mut inside = self.points.iter().filter(|&&point| frame.contains(point));
            inside.try_for_each(|&point| area.draw(&Circle::new(point, canvas.px(radius), style)))
        };
        for &[low, high] in &self.bars {
            let Some(inside) = frame.upright([low, high]) else { continue };
            let style = color.stroke_width(canvas.stroke(1.5));
            area.draw(&PathElement::new(inside, style))?;
            // Caps only at ends that are drawn.
            for end in [low, high].into_iter().filter(|&end| frame.contains(end)) {
                let half = canvas.px(4.0);
                area.draw(&(EmptyElement::at(end) + PathElement::new([(-half, 0), (half, 0)], style)))?;
            }
        }
        match self.mark {
            Mark::Line => lines(2.0),
            Mark::Guide => lines(1.0),
            Mark::DottedLine => dots(4.0, color.filled()).and_then(|()| lines(2.0)),
            Mark::Area => match frame.area(&self.points) {
                corners if corners.is_empty() => Ok(()),
                corners => area.draw(&Polygon::new(corners, color.mix(0.2))),
            },
            // Points with an error bar are few.
            Mark::Points if !self.bars.is_empty() => dots(4.0, color.filled()),
            Mark::Points => dots(2.0, color.mix(0.5).filled()),
            Mark::Bars(width) => self.points.iter().try_for_each(|&(x, y)| {
                let corners = [(x - width / 2.0, 0.0), (x + width / 2.0, y)].map(|corner| frame.nearest(corner));
                match corners[0].0 < corners[1].0 {
                    true => area.draw(&Rectangle::new(corners, color.mix(0.5).filled())),
                    false => Ok(()),
                }
            }),
        }
    }
}
