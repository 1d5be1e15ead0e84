//! The figures that the examples and the program draw, as SVG and PNG, without system libraries.
//!
//! A function for each kind of figure ([`training_curves`], [`accuracy_over_time`], [`histogram`],
//! [`programming_error`], [`predictions`]; [`pulse_response`], [`step_sizes`], [`wear`]) takes plain numbers and gives
//! a [`Figure`]; [`Figure::save`] or [`save`] writes it. The type in a PNG is DejaVu Sans, which is compiled in.
//!
//! ```
//! use ohmgrad_plots::{Band, accuracy_over_time};
//!
//! let points = vec![[1.0, 0.97, 0.001], [3.15e7, 0.94, 0.004]];
//! # let folder = tempfile::tempdir().unwrap();
//! # let file = folder.path().join("chips.svg");
//! accuracy_over_time(&[Band { name: "PCM".into(), points }]).save(&file)?;
//! # Ok::<(), ohmgrad_plots::PlotError>(())
//! ```
//!
//! In the book: `docs/ten-years.md`.
//!
//! | where is … | file |
//! |---|---|
//! | what each kind of figure shows | `figures.rs`, of pulsed devices `devices.rs` |
//! | where the ticks of an axis are, and what they say | `axis.rs` |
//! | how lines, bands, points and bars are drawn | `draw.rs` |
//! | how a [`HeatMap`] is drawn | `heat_map.rs` |
//! | where a legend has room | `legend.rs` |
//! | how a picture becomes a file | `file.rs` |
#![forbid(unsafe_code)]

mod axis;
mod devices;
mod draw;
mod figures;
mod file;
mod heat_map;
mod legend;

use std::path::{Path, PathBuf};

pub use axis::{Axis, Scale};
pub use devices::{pulse_response, step_sizes, wear};
pub use figures::{Band, accuracy_over_time, banded, histogram, predictions, programming_error, training_curves};
pub use heat_map::HeatMap;

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
    /// Where the legend is.
    pub legend: Corner,
}

/// Numbers drawn in one way.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend; empty for none.
    pub name: String,
    /// The mark of the points.
    pub mark: Mark,
    /// Places (x, y) in units of the axes. Places that are not finite, or not positive on a logarithmic axis, are left
    /// out.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// A series of points.
    pub fn new(name: impl Into<String>, mark: Mark, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), mark, points }
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
    /// A thin grey line: what would be ideal.
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
        save(path, std::slice::from_ref(self))
    }
}

/// Writes several figures side by side into one picture, as [`Figure::save`].
///
/// # Errors
/// As [`Figure::save`].
pub fn save(path: impl AsRef<Path>, panels: &[Figure]) -> Result<(), PlotError> {
    file::save(path.as_ref(), panels)
}

/// A picture that could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The file's name does not say what it is.
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
    /// The drawing library failed.
    #[error("drawing: {what}")]
    Drawing {
        /// The message of the library.
        what: String,
    },
}
