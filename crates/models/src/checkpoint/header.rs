//! The text of a checkpoint about its tensors, as JSON.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use ohmgrad_analog::TileLayout;
use ohmgrad_tensor::Key;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::error::CheckpointError;
use super::json;
use crate::optim::Schedule;

/// The format that is written, and the only one that is read.
pub(super) const VERSION: u64 = 1;

/// The state of a training that is not in its network and its optimizer.
///
/// All random numbers are functions of a key and of counters, so this is the whole state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingState {
    /// The key that everything random about the training is derived from.
    #[serde(serialize_with = "write_text", deserialize_with = "read_text")]
    pub key: Key,
    /// Epochs that are over.
    pub epoch: usize,
    /// Finished steps, of the epoch or of the whole training, as the program counts. A [`Trainer`](crate::Trainer)
    /// counts those of the whole training.
    pub step: usize,
    /// The place of a [`Trainer`](crate::Trainer) inside of an epoch; `None` in a training of another kind.
    #[serde(default)]
    pub within: Option<EpochState>,
    /// The learning rate's schedule, if it has one.
    pub schedule: Option<Schedule>,
    /// The best score of an evaluation so far.
    #[serde(serialize_with = "write_best", deserialize_with = "read_best")]
    pub best: Option<f64>,
    /// The number of epochs since the best score.
    pub worse: usize,
    /// `true` if smaller scores are better.
    #[serde(default)]
    pub minimise: bool,
}

/// The place of a training inside of an epoch, and the data of the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochState {
    /// The rows of the data set.
    pub rows: usize,
    /// The rows of a batch.
    pub batch: usize,
    /// Steps of the epoch that are over.
    pub step: usize,
    /// The sum of their losses.
    #[serde(serialize_with = "write_text", deserialize_with = "read_text")]
    pub loss: f32,
}

impl TrainingState {
    /// A training that is about to begin.
    pub fn new(key: Key) -> Self {
        Self { key, epoch: 0, step: 0, within: None, schedule: None, best: None, worse: 0, minimise: false }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub version: u64,
    pub written_by: String,
    pub training: TrainingState,
    /// By the path of the weight.
    pub tiles: BTreeMap<String, TilesHeader>,
    pub optimizer: Option<OptimizerHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TilesHeader {
    /// The paths of the array's parameters, by their names in a `TileArrayState`.
    pub parameters: BTreeMap<String, String>,
    pub layout: TileLayout,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OptimizerHeader {
    pub kind: String,
    pub settings: Value,
    /// By the path of the parameter.
    pub steps: BTreeMap<String, i32>,
}

impl Header {
    /// The header as text. Its numbers are those of `f64`, which hold every `f32` exactly.
    ///
    /// A configuration with custom classes has no text and is an error.
    pub fn to_text(&self, path: &Path) -> Result<String, CheckpointError> {
        let unwritable = |error| CheckpointError::entry(path, "header", error, "a configuration that files can hold");
        Ok(serde_json::to_value(self).map_err(unwritable)?.to_string())
    }

    pub fn parse(text: &str, path: &Path) -> Result<Self, CheckpointError> {
        let wrong = |error: serde_json::Error| {
            CheckpointError::entry(path, "header", error, "what a checkpoint of ohmgrad has")
        };
        json::refuse_duplicates(text.as_bytes()).map_err(wrong)?;
        let value: Value = serde_json::from_str(text).map_err(wrong)?;
        match value.get("version") {
            Some(version) if *version == VERSION => serde_json::from_value(value).map_err(wrong),
            Some(version) => {
                Err(CheckpointError::Version { path: path.into(), found: version.to_string(), expected: VERSION })
            }
            None => Err(CheckpointError::entry(path, "header.version", "nothing", VERSION)),
        }
    }
}

/// Writes a value as text, numbers too: JSON has neither NaN nor infinities, and its parsers may miss the last bit.
fn write_text<N: Display, S: Serializer>(number: &N, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

fn read_text<'de, N: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<N, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn write_best<S: Serializer>(best: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    best.map(|best| best.to_string()).serialize(serializer)
}

fn read_best<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Score {
        Text(String),
        Number(f64),
    }
    match Option::<Score>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Score::Number(best)) => Ok(Some(best)),
        Some(Score::Text(best)) => best.parse().map(Some).map_err(D::Error::custom),
    }
}
