//! The source of a recipe's data.

use std::path::{Path, PathBuf};

use super::document::Section;
use super::resolve;
use crate::failure::Outcome;

/// The data of a recipe.
#[derive(Clone, Debug)]
pub struct DataRecipe {
    /// The source.
    pub source: Source,
    /// Normalisation of the numbers before they are used.
    pub normalise: Normalise,
    /// The shape of a sample; empty for that of the source.
    pub shape: Vec<usize>,
    /// The share of rows for testing, for sources without test rows.
    pub test: f64,
    /// The share of training rows that is held back for the scores of epochs; 0: scores are those of the test rows.
    pub validation: f64,
    /// Seed of the divisions into training, validation and test rows, and of the poses of `Arm`.
    pub split_seed: u64,
    /// Training rows that are used; 0: all.
    pub train_rows: usize,
    /// Test rows that are used; 0: all.
    pub test_rows: usize,
    /// The recipe's folder.
    pub folder: PathBuf,
}

/// Sources of data.
#[derive(Clone, Debug)]
pub enum Source {
    /// The digits inside the program.
    Mnist,
    /// The full MNIST from its public mirrors.
    MnistFull,
    /// A folder with the four files of MNIST, Fashion-MNIST or another set in their format.
    Idx(PathBuf),
    /// A table with named columns.
    Csv(PathBuf, Columns),
    /// Arrays of an `.npz` file, by their names.
    Npz(PathBuf, Columns),
    /// Two `.npy` files; the columns are their paths.
    Npy(Columns),
    /// Poses of a six-joint robot arm, computed.
    Arm(usize),
}

/// The columns, arrays or files of the inputs, and those that are to be predicted.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The inputs; empty: all other columns of a table, the array `x`, or the file `x.npy`.
    pub inputs: Vec<String>,
    /// The classes, if these are predicted.
    pub label: Option<String>,
    /// The numbers that are predicted; empty with classes.
    pub targets: Vec<String>,
}

/// Normalisations of the numbers before they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalise {
    /// Nothing.
    None,
    /// Inputs to mean 0 and standard deviation 1 over the training rows, column by column.
    Inputs,
    /// Inputs and targets.
    All,
}

/// The names of the sources.
pub const SOURCES: [&str; 8] = ["mnist", "mnist-full", "fashion-mnist", "idx", "csv", "npz", "npy", "arm"];

impl DataRecipe {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Outcome<Self> {
        let source = section.choice("source", "mnist", &SOURCES)?;
        let source = match source {
            "mnist" => Source::Mnist,
            "mnist-full" if cfg!(feature = "download") => Source::MnistFull,
            "mnist-full" => {
                let message = "data.source = \"mnist-full\": needs a program built with --features download, or the \
                               files in a folder with source = \"idx\"";
                return Err(section.error("source", message));
            }
            "arm" => Source::Arm(section.whole("rows", 4096, 2)?),
            "npy" => {
                let columns = files(columns(section)?, folder);
                let mut used = section.used_without(&["inputs", "label", "targets"]);
                used.extend([
                    ("inputs".into(), columns.inputs.clone().into()),
                    ("targets".into(), columns.targets.clone().into()),
                ]);
                used.extend(columns.label.clone().map(|label| ("label".into(), label.into())));
                section.replace_used(used);
                Source::Npy(columns)
            }
            name => {
                let path = path(section, folder, name)?;
                match name {
                    "csv" => Source::Csv(path, columns(section)?),
                    "npz" => Source::Npz(path, columns(section)?),
                    _ => Source::Idx(path),
                }
            }
        };
        let normalise = match source {
            Source::Csv(..) | Source::Npz(..) | Source::Npy(_) => {
                match section.choice("normalise", "inputs", &["none", "inputs", "all"])? {
                    "none" => Normalise::None,
                    "inputs" => Normalise::Inputs,
                    _ => Normalise::All,
                }
            }
            // Images have the library's own normalisation, and the arm's angles are within ±1.
            _ => Normalise::None,
        };
        let share = |section: &mut Section<'_>, field: &str, default: f64| {
            section.number(field, default, |n| (0.0..1.0).contains(&n), "from 0 to below 1")
        };
        let undivided = !matches!(source, Source::Mnist | Source::MnistFull | Source::Idx(_));
        Ok(Self {
            source,
            normalise,
            shape: section.sizes("shape")?,
            test: if undivided { share(section, "test", 0.2)? } else { 0.0 },
            validation: share(section, "validation", 0.0)?,
            split_seed: section.whole("split_seed", 0, 0)? as u64,
            train_rows: section.whole("train_rows", 0, 0)?,
            test_rows: section.whole("test_rows", 0, 0)?,
            folder: folder.into(),
        })
    }
}

fn path(section: &mut Section<'_>, folder: &Path, source: &str) -> Outcome<PathBuf> {
    section.describe("path", serde_json::json!({ "type": "string" }));
    match section.raw("path") {
        Some(toml::Value::String(path)) => {
            let path = resolve(folder, &path);
            section.record("path", path.display().to_string());
            Ok(path)
        }
        Some(value) => Err(section.error("path", format!("data.path = {value}: must be a path in quotes"))),
        None => {
            let what = if source == "csv" || source == "npz" { "file" } else { "folder" };
            Err(section
                .error("source", format!("data.path is missing: source = \"{source}\" needs the path of a {what}")))
        }
    }
}

fn columns(section: &mut Section<'_>) -> Outcome<Columns> {
    let columns =
        Columns { inputs: section.texts("inputs")?, label: section.text("label")?, targets: section.texts("targets")? };
    match columns.label.is_some() == columns.targets.is_empty() {
        true => Ok(columns),
        false => {
            let message =
                "data.label or data.targets: must be given, one of them: `label` for classes, `targets` for numbers";
            Err(section.error("source", message))
        }
    }
}

/// The columns as files of a folder; the inputs are in `x.npy` if no file is named.
fn files(mut columns: Columns, folder: &Path) -> Columns {
    if columns.inputs.is_empty() {
        columns.inputs.push("x.npy".into());
    }
    let file = |name: String| resolve(folder, &name).display().to_string();
    Columns {
        inputs: columns.inputs.into_iter().map(file).collect(),
        label: columns.label.map(file),
        targets: columns.targets.into_iter().map(file).collect(),
    }
}
