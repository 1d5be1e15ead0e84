//! Sizes of a picture: millimetres and points of a [`Layout`], and their pixels.

use std::sync::OnceLock;

use plotters::coord::{CoordTranslate, Shift};
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::PlotError;

/// Default font size of ticks and legends in points: 14 units, which plotters draws with an em of 14/1.24.
const FONT_PT: f64 = 14.0 / 1.24 * 0.75;

/// The factor from a font size in SVG to the one in pixels with the same em: for plotters a font size is 1.24 em in
/// SVG, and in pixels the height of the font, 1.164 em of DejaVu.
const EM_IN_PIXELS: f64 = 1.164 / 1.24;

/// Millimetres of a CSS pixel.
const CSS_PIXEL: f64 = 25.4 / 96.0;

/// Dots per inch of a picture with a size in millimetres.
const DPI: f64 = 300.0;

/// Font size of labels, in units, as all lengths of a drawing.
pub(crate) const LABEL: f64 = 16.0;
/// Font size of ticks, legends and cells.
pub(crate) const TEXT: f64 = 14.0;

/// Size of a picture, its font size, and the arrangement of its panels.
///
/// The default is the size for screens: 760 × 460 CSS pixels (201 × 122 mm) for each chart, all side by side.
///
/// ```
/// use ohmgrad_plots::{Layout, histogram, save_with, training_curves};
///
/// let panels = [training_curves(&[("digital", &[1.0, 0.5])]), histogram("weight", &[("layer 1", &[0.1, 0.2])])];
/// // A column of a journal with two panels, one above the other.
/// let column = Layout { size_mm: Some((85.0, 110.0)), font_pt: 7.0, columns: 1, letters: true };
/// # let folder = tempfile::tempdir().unwrap();
/// # let file = folder.path().join("training.svg");
/// save_with(&file, &panels, &column)?;
/// assert!(std::fs::read_to_string(&file).unwrap().contains("width=\"85mm\" height=\"110mm\""));
/// # Ok::<(), ohmgrad_plots::PlotError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Width and height of the whole picture in millimetres, at most 1000; a PNG has 300 dots per inch. `None`: the
    /// size for screens.
    pub size_mm: Option<(f64, f64)>,
    /// Font size of ticks and legends in points; that of labels is a seventh larger. Margins, lines and dots are
    /// proportional to it. Default: 8.5, to two digits.
    pub font_pt: f64,
    /// The largest number of panels side by side; the others follow below. Default: no limit.
    pub columns: usize,
    /// Bold letters (a, b, c, …) at the upper left of the panels, if there are several. Default: none.
    pub letters: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self { size_mm: None, font_pt: FONT_PT, columns: usize::MAX, letters: false }
    }
}

impl Layout {
    /// Rows and columns of panels.
    pub(crate) fn grid(&self, panels: usize) -> (usize, usize) {
        let columns = self.columns.clamp(1, panels.max(1));
        (panels.div_ceil(columns).max(1), columns)
    }
}

/// The pixels of a picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canvas {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Pixels of a unit of length.
    unit: f64,
    /// Pixels of a metre on paper.
    pub pixels_per_metre: f64,
    /// `true` if text is drawn in pixels.
    is_raster: bool,
}

impl Canvas {
    /// The canvas of a picture. `for_screens` is its size in CSS pixels if the layout has none, `least` its smallest
    /// size in units.
    pub fn new(
        layout: &Layout,
        for_screens: (u32, u32),
        least: (f64, f64),
        is_raster: bool,
    ) -> Result<Self, PlotError> {
        let error = |what: String| Err(PlotError::Layout { what });
        if !(1.0..=100.0).contains(&layout.font_pt) {
            return error(format!("font_pt = {}: must be between 1 and 100", layout.font_pt));
        }
        let (width, height) = match layout.size_mm {
            Some((width, height)) if [width, height].iter().all(|&mm| mm > 0.0 && mm <= 1000.0) => {
                (width / CSS_PIXEL, height / CSS_PIXEL)
            }
            Some((w, h)) => return error(format!("size_mm = ({w}, {h}): must be above 0 and at most 1000")),
            None => (for_screens.0.into(), for_screens.1.into()),
        };
        let in_units = FONT_PT / layout.font_pt;
        if width * in_units < least.0 || height * in_units < least.1 {
            let [w, h] = [least.0, least.1].map(|length| (length / in_units * CSS_PIXEL).ceil());
            return error(format!("type of {:.1} pt needs a picture of at least {w} × {h} mm", layout.font_pt));
        }
        let dots = match (layout.size_mm, is_raster) {
            (Some(_), _) => DPI / 96.0,
            (None, true) => 3.0,
            (None, false) => 1.0,
        };
        Ok(Self {
            size: ((width * dots).round() as u32, (height * dots).round() as u32),
            unit: dots * layout.font_pt / FONT_PT,
            pixels_per_metre: dots * 1000.0 / CSS_PIXEL,
            is_raster,
        })
    }

    /// A length in whole pixels.
    pub fn px(&self, units: f64) -> i32 {
        (units * self.unit).round() as i32
    }

    /// A length in units.
    pub fn units(&self, pixels: u32) -> f64 {
        f64::from(pixels) / self.unit
    }

    /// The width of a line in pixels, at least one.
    pub fn stroke(&self, units: f64) -> u32 {
        self.px(units).max(1) as u32
    }

    /// The font of a size in units.
    pub fn font(&self, units: f64) -> FontDesc<'static> {
        sans_serif(units * self.unit * if self.is_raster { EM_IN_PIXELS } else { 1.0 })
    }

    /// The length in units by which plotters draws centred text too high: in pixels it takes half of the font size as
    /// the height of the letters.
    pub fn lift(&self, size: f64) -> f64 {
        if self.is_raster { 0.2 * size } else { 0.0 }
    }

    /// Draws a bold letter into the upper left corner of an area.
    pub fn write_bold<B: DrawingBackend>(
        &self,
        letter: char,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let style = self.font(LABEL).style(FontStyle::Bold).color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        let (left, middle) = (self.px(3.0), self.px(8.0 + self.lift(LABEL)));
        // A bold font would add 0.7 MB to each program; in pixels, strokes of the regular one are widened instead.
        let widened = if self.is_raster { self.px(1.0) } else { 0 };
        let mut places = (left..=left + widened).map(|x| (x, middle));
        places.try_for_each(|place| area.draw(&Text::new(letter.to_string(), place, style.clone())))
    }

    /// Draws a line; `width` is in pixels.
    pub fn line<B: DrawingBackend, C: CoordTranslate<From: Clone + 'static>>(
        &self,
        places: Vec<C::From>,
        style: ShapeStyle,
        area: &DrawingArea<B, C>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        // In pixels, plotters draws the corners of dense lines as spikes.
        if !self.is_raster {
            return area.draw(&PathElement::new(places, style));
        }
        for pair in places.windows(2) {
            area.draw(&PathElement::new(pair, style))?;
        }
        let corners = places.get(1..places.len() - 1).unwrap_or_default();
        let round = |place: &C::From| area.draw(&Circle::new(place.clone(), style.stroke_width / 2, style.filled()));
        corners.iter().try_for_each(round)
    }
}

/// The width of a text in units.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    // Measured at a large font size, because plotters gives whole pixels.
    const LARGE: f64 = 1000.0;
    let width = sans_serif(LARGE * EM_IN_PIXELS).box_size(text).map_or(0, |(width, _)| width);
    f64::from(width) * size / LARGE
}

/// The font size at which a text is at most `width` wide: `size`, or a smaller one.
pub(crate) fn size_within(text: &str, size: f64, width: f64) -> f64 {
    size * (width / text_width(text, size)).min(1.0)
}

/// DejaVu Sans, which is compiled in.
fn sans_serif(size: f64) -> FontDesc<'static> {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let known = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
        assert!(known.is_ok(), "the font that is compiled in is one");
    });
    ("sans-serif", size).into_font()
}
