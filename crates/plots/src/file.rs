//! Writing of a picture into a file.

use std::error::Error;
use std::path::Path;
use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::draw::{self, SIZE};
use crate::{Figure, PlotError};

/// Pixels of a PNG for one unit of an SVG: enough to print a column at 300 dots per inch.
const PIXELS: u32 = 3;

/// A drawing for any backend.
pub(crate) trait Picture {
    /// Width and height before scaling.
    fn size(&self) -> (u32, u32);

    /// Draws on white; all lengths are times `scale`.
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>>;
}

/// Panels side by side.
impl Picture for [Figure] {
    fn size(&self) -> (u32, u32) {
        (SIZE.0 * self.len().max(1) as u32, SIZE.1)
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let areas = area.split_evenly((1, self.len().max(1)));
        self.iter().zip(areas).try_for_each(|(panel, area)| draw::figure(panel, &area, scale))
    }
}

/// The type of labels, of a size before scaling.
pub(crate) fn font(size: u32, scale: u32) -> (&'static str, u32) {
    ("sans-serif", size * scale)
}

pub(crate) fn save<P: Picture + ?Sized>(path: &Path, picture: &P) -> Result<(), PlotError> {
    let bytes = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => svg(picture)?.into_bytes(),
        Some("png") => png(picture)?,
        _ => return Err(PlotError::UnknownFormat { path: path.into() }),
    };
    ohmgrad_files::replace(path, &bytes).map_err(|source| PlotError::Io { path: path.into(), source })
}

pub(crate) fn svg<P: Picture + ?Sized>(picture: &P) -> Result<String, PlotError> {
    let mut text = String::new();
    on(SVGBackend::with_string(&mut text, picture.size()), picture, 1).map_err(drawing)?;
    Ok(text)
}

fn png<P: Picture + ?Sized>(picture: &P) -> Result<Vec<u8>, PlotError> {
    let (width, height) = picture.size();
    let (width, height) = (width * PIXELS, height * PIXELS);
    let mut pixels = vec![0; 3 * (width * height) as usize];
    on(BitMapBackend::with_buffer(&mut pixels, (width, height)), picture, PIXELS).map_err(drawing)?;
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(drawing)?;
    writer.write_image_data(&pixels).map_err(drawing)?;
    writer.finish().map_err(drawing)?;
    Ok(bytes)
}

fn on<B: DrawingBackend, P: Picture + ?Sized>(
    backend: B,
    picture: &P,
    scale: u32,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    register_type();
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    picture.draw(&area, scale)?;
    area.present()
}

fn register_type() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let known = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
        assert!(known.is_ok(), "the font that is compiled in is one");
    });
}

fn drawing(error: impl Error) -> PlotError {
    PlotError::Drawing { what: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Band, accuracy_over_time, histogram, predictions, programming_error, training_curves};

    fn every_kind() -> Vec<Figure> {
        let band = |name: &str, offset: f64| Band {
            name: name.into(),
            points: vec![[1.0, 0.97 - offset, 0.001], [3600.0, 0.96 - offset, 0.002], [3.15e8, 0.9 - offset, 0.02]],
        };
        let numbers: Vec<f32> = (0..500).map(|i| (i as f32 * 0.7).sin() * 12.0 + 12.0).collect();
        let others: Vec<f32> = numbers.iter().map(|v| v + (v * 9.0).sin()).collect();
        vec![
            training_curves(&[("digital", &[1.0, 0.5, 0.1]), ("analog", &[1.0, f32::NAN, 0.0])]),
            accuracy_over_time(&[band("plain", 0.0), band("aware", -0.01)]),
            histogram("conductance / µS", &[("target", &numbers), ("programmed", &others)]),
            programming_error(&numbers, &others),
            predictions("position / m", &numbers, &[("digital", &others)]),
        ]
    }

    #[test]
    fn vectors_have_labels_on_the_axes() {
        let text = svg(every_kind().as_slice()).unwrap();
        for words in [
            "time since programming",
            "10 years",
            "test accuracy / %, mean ± std of chips",
            "conductance / µS",
            "aware",
            "<polygon",
        ] {
            assert!(text.contains(words), "{words}");
        }
    }

    #[test]
    fn pixels_have_type_on_them() {
        let bytes = png(&every_kind()[1..2]).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (PIXELS * SIZE.0, PIXELS * SIZE.1));
        // The bottom strip has the label of the x axis and nothing else.
        let strip = &pixels[pixels.len() - (3 * info.width * PIXELS * 32) as usize..];
        let dark = strip.chunks(3).filter(|pixel| pixel[0] < 100).count();
        assert!((500..20_000).contains(&dark), "{dark} dark pixels of type");
    }

    #[test]
    fn empty_figures_are_drawn() {
        let nothing = [training_curves(&[]), accuracy_over_time(&[]), histogram("w", &[]), programming_error(&[], &[])];
        for figure in nothing {
            svg(std::slice::from_ref(&figure)).unwrap();
            png([figure].as_slice()).unwrap();
        }
        svg::<[Figure]>(&[]).unwrap();
    }

    #[test]
    fn files_are_named_after_their_content() {
        let folder = tempfile::tempdir().unwrap();
        let figure = training_curves(&[("a", &[1.0, 0.5])]);
        for name in ["a.svg", "a.png"] {
            figure.save(folder.path().join(name)).unwrap();
        }
        let error = figure.save(folder.path().join("a.gif")).unwrap_err().to_string();
        assert!(error.ends_with("a.gif: a picture is a .svg or a .png file"), "{error}");
        assert!(matches!(figure.save(folder.path().join("none/a.svg")), Err(PlotError::Io { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing temporary is left");
    }
}
