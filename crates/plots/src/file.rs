//! Writing of a picture into a file.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::draw::{self, SIZE};
use crate::layout::Canvas;
use crate::{Figure, Layout, PlotError};

/// A drawing for any backend.
pub(crate) trait Picture {
    /// Width and height for screens, in CSS pixels.
    fn for_screens(&self, layout: &Layout) -> (u32, u32);

    /// The smallest width and height, in units.
    fn least(&self, layout: &Layout) -> (f64, f64);

    /// Draws on white.
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        canvas: &Canvas,
        layout: &Layout,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>>;
}

/// Panels in rows.
impl Picture for [Figure] {
    fn for_screens(&self, layout: &Layout) -> (u32, u32) {
        let (rows, columns) = layout.grid(self.len());
        (SIZE.0 * columns as u32, SIZE.1 * rows as u32)
    }

    fn least(&self, layout: &Layout) -> (f64, f64) {
        let (rows, columns) = layout.grid(self.len());
        (draw::LEAST.0 * columns as f64, draw::LEAST.1 * rows as f64)
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        canvas: &Canvas,
        layout: &Layout,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let areas = area.split_evenly(layout.grid(self.len()));
        for ((panel, area), letter) in self.iter().zip(areas).zip(('a'..='z').cycle()) {
            draw::figure(panel, &area, canvas)?;
            if layout.letters && self.len() > 1 {
                canvas.write_bold(letter, &area)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn save<P: Picture + ?Sized>(path: &Path, picture: &P, layout: &Layout) -> Result<(), PlotError> {
    let bytes = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => svg(picture, layout)?.into_bytes(),
        Some("png") => png(picture, layout)?,
        _ => return Err(PlotError::UnknownFormat { path: path.into() }),
    };
    ohmgrad_files::replace(path, &bytes).map_err(|source| PlotError::Io { path: path.into(), source })
}

pub(crate) fn svg<P: Picture + ?Sized>(picture: &P, layout: &Layout) -> Result<String, PlotError> {
    let canvas = canvas(picture, layout, false)?;
    let mut text = String::new();
    on(SVGBackend::with_string(&mut text, canvas.size), picture, &canvas, layout).map_err(drawing)?;
    // Pointed corners of dense lines would reach out of the axes.
    let text = text.replacen("<svg ", "<svg stroke-linejoin=\"round\" ", 1);
    let Some((width, height)) = layout.size_mm else { return Ok(text) };
    // The view box keeps the pixels in which everything is drawn.
    let in_pixels = format!("width=\"{}\" height=\"{}\"", canvas.size.0, canvas.size.1);
    Ok(text.replacen(&in_pixels, &format!("width=\"{width}mm\" height=\"{height}mm\""), 1))
}

fn png<P: Picture + ?Sized>(picture: &P, layout: &Layout) -> Result<Vec<u8>, PlotError> {
    let canvas = canvas(picture, layout, true)?;
    let (width, height) = canvas.size;
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    on(BitMapBackend::with_buffer(&mut pixels, canvas.size), picture, &canvas, layout).map_err(drawing)?;
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let per_metre = canvas.pixels_per_metre.round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter }));
    let mut writer = encoder.write_header().map_err(drawing)?;
    writer.write_image_data(&pixels).map_err(drawing)?;
    writer.finish().map_err(drawing)?;
    Ok(bytes)
}

fn canvas<P: Picture + ?Sized>(picture: &P, layout: &Layout, is_raster: bool) -> Result<Canvas, PlotError> {
    Canvas::new(layout, picture.for_screens(layout), picture.least(layout), is_raster)
}

fn on<B: DrawingBackend, P: Picture + ?Sized>(
    backend: B,
    picture: &P,
    canvas: &Canvas,
    layout: &Layout,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    picture.draw(&area, canvas, layout)?;
    area.present()
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
            over: "25 chips".into(),
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
        let text = svg(every_kind().as_slice(), &Layout::default()).unwrap();
        for words in [
            "time since programming",
            "10 years",
            "test accuracy / %",
            "mean ± standard deviation of 25 chips",
            "conductance / µS",
            "aware",
            "<polygon",
        ] {
            assert!(text.contains(words), "{words}");
        }
    }

    #[test]
    fn pixels_have_type_on_them() {
        let bytes = png(&every_kind()[1..2], &Layout::default()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (3 * SIZE.0, 3 * SIZE.1));
        // The bottom strip has the label of the x axis and nothing else.
        let strip = &pixels[pixels.len() - (3 * info.width * 3 * 32) as usize..];
        let dark = strip.chunks(3).filter(|pixel| pixel[0] < 100).count();
        assert!((500..20_000).contains(&dark), "{dark} dark pixels of type");
    }

    #[test]
    fn empty_figures_are_drawn() {
        let nothing = [training_curves(&[]), accuracy_over_time(&[]), histogram("w", &[]), programming_error(&[], &[])];
        for figure in nothing {
            svg(std::slice::from_ref(&figure), &Layout::default()).unwrap();
            png([figure].as_slice(), &Layout::default()).unwrap();
        }
        svg::<[Figure]>(&[], &Layout::default()).unwrap();
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
