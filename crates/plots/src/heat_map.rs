//! Heat maps: a number in each cell, and a colour for it.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::PlotError;
use crate::file::{self, Picture, font};

/// A map over two quantities: what each pair of their values gave.
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
        file::save(path.as_ref(), std::slice::from_ref(self))
    }

    /// Maps below each other as the text of an SVG, as for a page of HTML.
    ///
    /// # Errors
    /// If the drawing library fails.
    pub fn svg(maps: &[Self]) -> Result<String, PlotError> {
        file::svg(maps)
    }

    fn size(&self) -> (i32, i32) {
        let [width, height] = [&self.across, &self.down].map(|(_, values)| values.len() as i32);
        (2 * MARGIN.0 + CELL.0 * width, 2 * MARGIN.1 + CELL.1 * height)
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        top: i32,
        scale: i32,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let write = |words: &str, (x, y): (i32, i32), at: HPos, ink: RGBColor| {
            let style = font(14, scale as u32).into_font().color(&ink).pos(Pos::new(at, VPos::Center));
            area.draw(&Text::new(words.to_owned(), (x * scale, y * scale), style))
        };
        let (left, begin) = (MARGIN.0, top + MARGIN.1);
        let end = begin + CELL.1 * self.down.1.len() as i32;
        write(&self.title, (left, begin - 46), HPos::Left, BLACK)?;
        write(&format!("↓ {}   → {}", self.down.0, self.across.0), (left, begin - 16), HPos::Left, BLACK)?;
        for (i, value) in (0..).zip(&self.across.1) {
            write(value, (left + CELL.0 * i + CELL.0 / 2, end + 16), HPos::Center, BLACK)?;
        }
        for (i, value) in (0..).zip(&self.down.1) {
            write(value, (left - 8, begin + CELL.1 * i + CELL.1 / 2), HPos::Right, BLACK)?;
        }
        let known = || self.cells.iter().flatten().map(|(value, _)| *value).filter(|value| value.is_finite());
        let (low, high) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let columns = self.across.1.len().max(1) as i32;
        for (i, cell) in (0..).zip(&self.cells) {
            let (x, y) = (left + CELL.0 * (i % columns), begin + CELL.1 * (i / columns));
            let share = cell.as_ref().map(|(value, _)| if high > low { (value - low) / (high - low) } else { 0.5 });
            // A white line of one unit between cells.
            let corners = [(x, y), (x + CELL.0 - 1, y + CELL.1 - 1)].map(|(x, y)| (x * scale, y * scale));
            area.draw(&Rectangle::new(corners, share.map_or(UNKNOWN, colour).filled()))?;
            let words = cell.as_ref().map_or("–", |(_, words)| words.as_str());
            let ink = if share.is_some_and(|share| share < 0.55) { WHITE } else { BLACK };
            write(words, (x + CELL.0 / 2, y + CELL.1 / 2), HPos::Center, ink)?;
        }
        Ok(())
    }
}

impl Picture for [HeatMap] {
    fn size(&self) -> (u32, u32) {
        let sizes = self.iter().map(HeatMap::size);
        let (width, height) = sizes.fold((1, 0), |(width, height), (w, h)| (w.max(width), h + height));
        (width as u32, height.max(1) as u32)
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let mut top = 0;
        for map in self {
            map.draw(area, top, scale as i32)?;
            top += map.size().1;
        }
        Ok(())
    }
}

const CELL: (i32, i32) = (96, 44);
const MARGIN: (i32, i32) = (110, 70);
const UNKNOWN: RGBColor = RGBColor(238, 238, 238);

/// A colour between dark blue and light yellow (five of viridis), light for large shares.
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
