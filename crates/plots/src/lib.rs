//! The figures that the examples and the program draw, as SVG and PNG, without system libraries.
//!
//! A function for each kind of figure ([`training_curves`], [`accuracy_over_time`], [`histogram`],
//! [`programming_error`], [`predictions`]; [`pulse_response`], [`step_sizes`], [`wear`]) takes plain numbers and gives
//! a [`Figure`]; [`Figure::save`] or [`save`] writes it for screens, [`Figure::save_with`] or [`save_with`] for paper,
//! in a [`Layout`] of millimetres and points. The font in a PNG is DejaVu Sans, which is compiled in.
//!
//! ```
//! use ohmgrad_plots::{Band, accuracy_over_time};
//!
//! let points = vec![[1.0, 0.97, 0.001], [3.15e7, 0.94, 0.004]];
//! # let folder = tempfile::tempdir().unwrap();
//! # let file = folder.path().join("chips.svg");
//! accuracy_over_time(&[Band { name: "PCM".into(), over: "25 chips".into(), points }]).save(&file)?;
//! # Ok::<(), ohmgrad_plots::PlotError>(())
//! ```
//!
//! In the book: `docs/ten-years.md`.
//!
//! | where is … | file |
//! |---|---|
//! | what each kind of figure shows | `figures.rs`, of pulsed devices `devices.rs` |
//! | the places and texts of the ticks of an axis | `axis.rs` |
//! | where a chart has its axes and labels | `draw.rs` |
//! | how lines, bands, points, bars and error bars are drawn | `marks.rs` |
//! | what is cut at the limits of an axis | `clip.rs` |
//! | how a [`HeatMap`] is drawn | `heat_map.rs` |
//! | where a legend has room | `legend.rs` |
//! | millimetres, points and pixels | `layout.rs` |
//! | how a picture becomes a file | `file.rs` |
#![forbid(unsafe_code)]

mod axis;
mod clip;
mod devices;
mod draw;
mod figures;
mod file;
mod heat_map;
mod layout;
mod legend;
mod marks;

use std::path::{Path, PathBuf};

pub use axis::{Axis, Scale};
pub use devices::{pulse_response, step_sizes, wear};
pub use figures::{
    Band, accuracy_over_time, banded, error_bars, histogram, predictions, programming_error, training_curves,
};
pub use heat_map::HeatMap;
pub use layout::Layout;

/// A chart: two axes, and what is drawn between them.
///
/// ```
/// use ohmgrad_plots::{Axis, Corner, Figure, Mark, Scale, Series};
///
/// let figure = Figure {
///     x: Axis::new("frequency / Hz", Scale::Log),
///     y: Axis::new("gain", Scale::Linear),
///     series: vec![Series::new("measured", Mark::Line, vec![(1.0, 1.0), (10.0, 0.9), (100.0, 0.3)])],
///     legend: Corner::UpperRight,
/// };
/// # let folder = tempfile::tempdir().unwrap();
/// # let file = folder.path().join("gain.svg");
/// figure.save(&file)?;
/// # Ok::<(), ohmgrad_plots::PlotError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Figure {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The series, drawn in this order; each name is once in the legend, and has one colour.
    pub series: Vec<Series>,
    /// The corner of the legend.
    pub legend: Corner,
}

/// Points that are drawn with one mark.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend; empty for none.
    pub name: String,
    /// The mark of the points.
    pub mark: Mark,
    /// Places (x, y) in units of the axes. Places that are not finite, or not positive on a logarithmic axis, are left
    /// out.
    pub points: Vec<(f64, f64)>,
    /// Error bars: the distance of both ends from each point, in units of the vertical axis; none where it is 0. Empty:
    /// no error bars.
    pub errors: Vec<f64>,
}

impl Series {
    /// A series of points.
    pub fn new(name: impl Into<String>, mark: Mark, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), mark, points, errors: vec![] }
    }

    /// The series with error bars, which reach from `y − errors[i]` to `y + errors[i]` for point `i`.
    ///
    /// # Panics
    /// If there are not as many errors as points.
    ///
    /// ```
    /// use ohmgrad_plots::{Mark, Series};
    ///
    /// let measured = Series::new("measured", Mark::Points, vec![(1.0, 0.9), (2.0, 0.8)]).with_errors([0.02, 0.05]);
    /// assert_eq!(measured.errors, [0.02, 0.05]);
    /// ```
    #[must_use]
    pub fn with_errors(mut self, errors: impl Into<Vec<f64>>) -> Self {
        self.errors = errors.into();
        assert!(
            self.errors.len() == self.points.len(),
            "error bars: {} for {} points",
            self.errors.len(),
            self.points.len()
        );
        self
    }
}

/// Marks of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Mark {
    /// A line through the points.
    Line,
    /// A line through the points, with a dot on each.
    DottedLine,
    /// The area inside of the closed line through the points.
    Area,
    /// Dots.
    Points,
    /// A bar from 0 to each point, of this width in units of x.
    Bars(f64),
    /// A thin grey line for comparison, such as the ideal values.
    Guide,
}

/// A corner of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corner {
    /// Left, at the top.
    UpperLeft,
    /// Right, at the top.
    UpperRight,
    /// Left, at the bottom.
    LowerLeft,
    /// Right, at the bottom.
    LowerRight,
}

impl Figure {
    /// Writes the figure: `.svg` as vectors, `.png` as pixels. The file is replaced as a whole.
    ///
    /// # Errors
    /// If the name ends in something else, or the file can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        self.save_with(path, &Layout::default())
    }

    /// Writes the figure as [`save`](Self::save), in a [`Layout`] with a size in millimetres and a font size in points.
    ///
    /// ```
    /// use ohmgrad_plots::{Layout, histogram};
    ///
    /// let column = Layout { size_mm: Some((85.0, 60.0)), font_pt: 8.0, ..Layout::default() };
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let file = folder.path().join("weights.png");
    /// histogram("weight", &[("layer 1", &[-0.5, 0.1, 0.2])]).save_with(&file, &column)?;
    /// # Ok::<(), ohmgrad_plots::PlotError>(())
    /// ```
    ///
    /// # Errors
    /// As [`save`](Self::save), and [`PlotError::Layout`] if the size has no room for axes with text of this font size.
    pub fn save_with(&self, path: impl AsRef<Path>, layout: &Layout) -> Result<(), PlotError> {
        save_with(path, std::slice::from_ref(self), layout)
    }
}

/// Writes several figures side by side into one picture, as [`Figure::save`].
///
/// # Errors
/// As [`Figure::save`].
pub fn save(path: impl AsRef<Path>, panels: &[Figure]) -> Result<(), PlotError> {
    save_with(path, panels, &Layout::default())
}

/// Writes several figures into one picture, in a layout; [`Layout`] has an example.
///
/// # Errors
/// As [`Figure::save_with`].
pub fn save_with(path: impl AsRef<Path>, panels: &[Figure], layout: &Layout) -> Result<(), PlotError> {
    file::save(path.as_ref(), panels, layout)
}

/// A picture that could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The file's name ends neither in `.svg` nor in `.png`.
    #[error("{}: a picture is a .svg or a .png file", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused to write.
    #[error("{}: cannot be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A layout that no picture can have.
    #[error("layout: {what}")]
    Layout {
        /// The field, and what it must be.
        what: String,
    },
    /// The drawing library failed.
    #[error("drawing: {what}")]
    Drawing {
        /// The message of the library.
        what: String,
    },
}
