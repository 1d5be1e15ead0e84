//! Heat maps: a number in each cell, and a colour for it.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::file::{self, Picture};
use crate::layout::{Canvas, TEXT, size_within, text_width};
use crate::{Layout, PlotError};

/// A map over two quantities: a number for each pair of their values.
///
/// ```
/// use ohmgrad_plots::HeatMap;
///
/// let map = HeatMap {
///     title: "accuracy / %".into(),
///     across: ("output noise".into(), vec!["0".into(), "0.06".into()]),
///     down: ("tile size".into(), vec!["128".into(), "512".into()]),
///     cells: [97.1, 96.8, 97.0, 95.9].map(|value| Some((value, format!("{value:.1}")))).into(),
/// };
/// # let folder = tempfile::tempdir().unwrap();
/// # let file = folder.path().join("sweep.svg");
/// map.save(&file)?;
/// # Ok::<(), ohmgrad_plots::PlotError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// The quantity of the numbers, with its unit.
    pub title: String,
    /// The quantity along the horizontal axis, and its values.
    pub across: (String, Vec<String>),
    /// The quantity along the vertical axis, and its values.
    pub down: (String, Vec<String>),
    /// A number and its words for each cell, row by row; none where nothing is known.
    pub cells: Vec<Option<(f64, String)>>,
}

impl HeatMap {
    /// Writes the map: `.svg` as vectors, `.png` as pixels. The file is replaced as a whole.
    ///
    /// # Errors
    /// If the name ends in something else, or the file can't be written.
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<(), PlotError> {
        self.save_with(path, &Layout::default())
    }

    /// Writes the map as [`save`](Self::save), in a layout: the cells fill the given size.
    ///
    /// # Errors
    /// As [`save`](Self::save), and [`PlotError::Layout`] if the size is too small.
    pub fn save_with(&self, path: impl AsRef<std::path::Path>, layout: &Layout) -> Result<(), PlotError> {
        file::save(path.as_ref(), std::slice::from_ref(self), layout)
    }

    /// Maps below each other as the text of an SVG, as for a page of HTML.
    ///
    /// # Errors
    /// If the drawing library fails.
    pub fn svg(maps: &[Self]) -> Result<String, PlotError> {
        file::svg(maps, &Layout::default())
    }

    /// Columns and rows.
    fn counts(&self) -> (f64, f64) {
        (self.across.1.len() as f64, self.down.1.len() as f64)
    }

    /// Room for titles and values; on paper no more than they need.
    fn margins(&self, layout: &Layout) -> Margins {
        if layout.size_mm.is_none() {
            return Margins { left: 110.0, right: 110.0, top: 70.0, bottom: 70.0 };
        }
        let widest = self.down.1.iter().map(|value| text_width(value, TEXT)).fold(0.0, f64::max);
        Margins { left: widest + 16.0, right: 8.0, top: 64.0, bottom: 34.0 }
    }

    /// Width and height of a map with cells and margins of these sizes.
    fn size(&self, cell: (f64, f64), margins: &Margins) -> (f64, f64) {
        let (columns, rows) = self.counts();
        (margins.left + margins.right + cell.0 * columns, margins.top + margins.bottom + cell.1 * rows)
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        canvas: &Canvas,
        margins: &Margins,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let ((columns, rows), (width, height)) = (self.counts(), area.dim_in_pixel());
        let (width, height) = (canvas.units(width), canvas.units(height));
        let (left, top) = (margins.left, margins.top);
        let cell = ((width - left - margins.right) / columns, (height - top - margins.bottom) / rows);
        let write = |words: &str, (x, y): (f64, f64), room: f64, at: HPos, ink: RGBColor| {
            let size = size_within(words, TEXT, room);
            let style = canvas.font(size).color(&ink).pos(Pos::new(at, VPos::Center));
            area.draw(&Text::new(words.to_owned(), (canvas.px(x), canvas.px(y + canvas.lift(size))), style))
        };
        write(&self.title, (left, top - 46.0), width - left, HPos::Left, BLACK)?;
        let axes = format!("↓ {}   → {}", self.down.0, self.across.0);
        write(&axes, (left, top - 16.0), width - left, HPos::Left, BLACK)?;
        // The centre of a cell.
        let centre = |i: f64, j: f64| (left + cell.0 * (i + 0.5), top + cell.1 * (j + 0.5));
        for (i, value) in self.across.1.iter().enumerate() {
            let (x, _) = centre(i as f64, 0.0);
            write(value, (x, top + cell.1 * rows + 16.0), cell.0 - 4.0, HPos::Center, BLACK)?;
        }
        for (j, value) in self.down.1.iter().enumerate() {
            let (_, y) = centre(0.0, j as f64);
            write(value, (left - 8.0, y), left - 8.0, HPos::Right, BLACK)?;
        }
        let known = || self.cells.iter().flatten().map(|(value, _)| *value).filter(|value| value.is_finite());
        let (low, high) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let in_row = self.across.1.len().max(1);
        for (i, found) in self.cells.iter().enumerate() {
            let (x, y) = centre((i % in_row) as f64, (i / in_row) as f64);
            let share = found.as_ref().map(|(value, _)| if high > low { (value - low) / (high - low) } else { 0.5 });
            // A white line of one unit between cells.
            let (x0, y0) = (x - cell.0 / 2.0, y - cell.1 / 2.0);
            let corners = [(x0, y0), (x0 + cell.0 - 1.0, y0 + cell.1 - 1.0)].map(|(x, y)| (canvas.px(x), canvas.px(y)));
            area.draw(&Rectangle::new(corners, share.map_or(UNKNOWN, colour).filled()))?;
            let words = found.as_ref().map_or("–", |(_, words)| words.as_str());
            let ink = if share.is_some_and(|share| share < 0.55) { WHITE } else { BLACK };
            write(words, (x, y), cell.0 - 4.0, HPos::Center, ink)?;
        }
        Ok(())
    }
}

impl Picture for [HeatMap] {
    fn for_screens(&self, layout: &Layout) -> (u32, u32) {
        let (width, height) = stacked(self, CELL, layout);
        (width as u32, height as u32)
    }

    fn least(&self, layout: &Layout) -> (f64, f64) {
        stacked(self, LEAST_CELL, layout)
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        canvas: &Canvas,
        layout: &Layout,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let (all, (width, height)) = (stacked(self, CELL, layout), area.dim_in_pixel());
        let mut top = 0.0f64;
        for map in self {
            let margins = map.margins(layout);
            let (w, h) = map.size(CELL, &margins);
            let [w, h] = [w / all.0 * f64::from(width), h / all.1 * f64::from(height)];
            map.draw(
                &area.clone().shrink((0, top.round() as u32), (w.round() as u32, h.round() as u32)),
                canvas,
                &margins,
            )?;
            top += h;
        }
        Ok(())
    }
}

/// The size of maps below each other, in units.
fn stacked(maps: &[HeatMap], cell: (f64, f64), layout: &Layout) -> (f64, f64) {
    let sizes = maps.iter().map(|map| map.size(cell, &map.margins(layout)));
    let (width, height) = sizes.fold((1.0f64, 0.0), |(width, height), (w, h)| (width.max(w), height + h));
    (width, height.max(1.0))
}

/// Room around the cells, in units.
struct Margins {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// The size of a cell for screens, and the smallest, in units.
const CELL: (f64, f64) = (96.0, 44.0);
const LEAST_CELL: (f64, f64) = (24.0, 14.0);
const UNKNOWN: RGBColor = RGBColor(238, 238, 238);

/// A colour between dark purple and yellow (five colours of viridis), light for large shares.
fn colour(share: f64) -> RGBColor {
    const STOPS: [[f64; 3]; 5] =
        [[68.0, 1.0, 84.0], [59.0, 82.0, 139.0], [33.0, 145.0, 140.0], [94.0, 201.0, 98.0], [253.0, 231.0, 37.0]];
    let place = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let i = (place as usize).min(STOPS.len() - 2);
    let between = |c: usize| (STOPS[i][c] + (place - i as f64) * (STOPS[i + 1][c] - STOPS[i][c])).round() as u8;
    RGBColor(between(0), between(1), between(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_have_the_ends_of_the_colours() {
        assert_eq!((colour(0.0), colour(1.0)), (RGBColor(68, 1, 84), RGBColor(253, 231, 37)));
        let axis = |name: &str| (name.to_owned(), vec!["<1".to_owned(), "2".to_owned()]);
        let cells = vec![Some((1.0, "1".into())), None, Some((2.0, "2".into())), Some((f64::NAN, "NaN".into()))];
        let text = HeatMap::svg(&[HeatMap { title: "t".into(), across: axis("a"), down: axis("d"), cells }]).unwrap();
        for part in ["&lt;1", "#FDE725", "#EEEEEE", "NaN", "–"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        HeatMap::svg(&[]).unwrap();
    }
}
