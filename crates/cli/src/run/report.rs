//! Figures, and the page that has everything of a run in one file.

use std::fmt::Write;
use std::path::Path;

use ohmgrad::plots::{Axis, Band, Corner, Figure, Mark, Scale, Series, accuracy_over_time, banded};

use super::folder::{self, Folder};
use crate::failure::{Failure, Outcome};
use crate::score::Metric;
use crate::table::{Table, escape};

/// A page with tables and pictures that needs no other files.
#[derive(Default)]
pub struct Report {
    title: String,
    body: String,
}

impl Report {
    /// A page with a title and a sentence below it.
    pub fn new(title: &str, about: &str) -> Self {
        Self {
            title: title.into(),
            body: format!("<h1>{}</h1>\n<p class=\"about\">{}</p>\n", escape(title), escape(about)),
        }
    }

    /// Adds a table.
    pub fn table(&mut self, table: &Table) {
        self.body += &table.to_html();
    }

    /// Adds a picture that was drawn into a file.
    pub fn picture(&mut self, title: &str, svg: &Path) -> Outcome<()> {
        let text = std::fs::read_to_string(svg).map_err(|error| Failure::file(svg, &error))?;
        self.figure("chart", title, &text);
        Ok(())
    }

    /// Adds heat maps, whose colours are numbers and stay the same in dark mode.
    pub fn heat_maps(&mut self, title: &str, svg: &str) {
        self.figure("heat-map", title, svg);
    }

    fn figure(&mut self, class: &str, title: &str, svg: &str) {
        // The page chooses the size of a picture, which therefore needs a viewBox.
        let svg = match (svg.contains("viewBox"), attribute(svg, "width").zip(attribute(svg, "height"))) {
            (false, Some((width, height))) => {
                svg.replacen("<svg", &format!("<svg viewBox=\"0 0 {width} {height}\""), 1)
            }
            _ => svg.to_owned(),
        };
        let title = escape(title);
        let _ = writeln!(
            self.body,
            "<figure class=\"{class}\" role=\"img\" aria-label=\"{title}\">{svg}<figcaption>{title}</figcaption></figure>"
        );
    }

    /// Adds a text in fixed type, which is folded at first.
    pub fn text(&mut self, title: &str, text: &str) {
        let _ =
            writeln!(self.body, "<details><summary>{}</summary><pre>{}</pre></details>", escape(title), escape(text));
    }

    /// Writes the page.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        let (title, body, version) = (escape(&self.title), &self.body, env!("CARGO_PKG_VERSION"));
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\
             <footer>ohmgrad {version}</footer>\n</main>\n</body>\n</html>"
        );
        folder::write(path, &page)
    }
}

/// Pictures have a white background. In dark mode charts are inverted and keep their hues.
const STYLE: &str = "
:root { color-scheme: light dark; --ground: #fff; --ink: #1c1c1e; --line: #d5d5da; --soft: #f4f4f6; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #171717; --ink: #e8e8ea; --line: #3a3a3e; --soft: #242427; }
  .chart svg { filter: invert(0.91) hue-rotate(180deg); }
}
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th:not(:first-child) { white-space: normal; }
thead th { background: var(--soft); vertical-align: bottom; }
@media (max-width: 60rem) { th, td { padding: .3rem .5rem; } table { font-size: .9rem; } }
.about { white-space: pre-line; }
figure { margin: 1.5rem 0; } figure svg { max-width: 100%; height: auto; display: block; }
figcaption, footer { font-size: .9rem; opacity: .75; }
pre { overflow-x: auto; background: var(--soft); padding: 1rem; font-size: .85rem; }
footer { margin-top: 3rem; }
";

fn attribute<'a>(svg: &'a str, name: &str) -> Option<&'a str> {
    let tag = &svg[..svg.find('>')?];
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

/// Scores over the time since programming, with a band of one standard deviation of the chips.
pub fn over_time(metric: Metric, bands: &[Band]) -> Figure {
    match metric {
        Metric::Accuracy => accuracy_over_time(bands),
        Metric::Rmse => Figure {
            y: Axis::new("test RMSE", Scale::Linear),
            series: banded(bands, 1.0),
            legend: Corner::UpperLeft,
            ..accuracy_over_time(&[])
        },
    }
}

/// A number of things, for the legend of their mean.
pub fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Losses of trainings over their epochs.
pub fn losses(trainings: &[(&str, Vec<(f64, f64)>)]) -> Figure {
    let series = |(name, epochs): &(&str, Vec<(f64, f64)>)| {
        let points = epochs.iter().enumerate().map(|(i, epoch)| ((i + 1) as f64, epoch.0)).collect();
        Series::new(*name, Mark::DottedLine, points)
    };
    Figure {
        x: Axis::new("epoch", Scale::Linear),
        y: Axis::new("training loss", Scale::Log),
        series: trainings.iter().map(series).collect(),
        legend: Corner::UpperRight,
    }
}

/// Draws a figure into a file of a run and gives its place.
pub fn draw(folder: &Folder, name: &str, figure: &Figure) -> Outcome<std::path::PathBuf> {
    let path = folder.file(name);
    figure.save(&path)?;
    Ok(path)
}
