//! Recipes: what to train, on which hardware, and which chips to follow. One TOML file with five sections.
//!
//! | where is … | file |
//! |---|---|
//! | the text with its lines, `--set`, how a field is read | `document.rs` |
//! | where data come from | `data.rs` |
//! | the list of layers | `network.rs` |
//! | the hardware: preset, file, fields | `hardware.rs` |
//! | the JSON Schema | `schema.rs` |
//! | what `1h` means | `time.rs` |

mod data;
pub mod document;
mod hardware;
mod network;
mod schema;
pub mod time;

use std::path::{Path, PathBuf};

use ohmgrad::models::Schedule;
use ohmgrad::prelude::*;
use serde_json::json;
use toml::{Table, Value};

pub use data::{Columns, DataRecipe, Normalise, Source};
pub use hardware::{HardwareRecipe, config_from};
pub use network::NetworkRecipe;
pub use schema::schema;

use crate::failure::Outcome;
use crate::run::training::Phase;
use document::{Document, Section};

/// A whole recipe, checked.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The data.
    pub data: DataRecipe,
    /// The network.
    pub network: NetworkRecipe,
    /// The hardware.
    pub hardware: HardwareRecipe,
    /// The training.
    pub training: TrainingRecipe,
    /// The chips that are followed over time.
    pub chips: ChipsRecipe,
    /// All fields as they are used, by section.
    sections: Vec<(&'static str, Vec<(String, Value)>)>,
    document: Document,
}

/// The trainings of a run.
#[derive(Clone, Debug)]
pub struct TrainingRecipe {
    /// Seed of all random numbers.
    pub seed: u64,
    /// Epochs without tiles.
    pub digital_epochs: usize,
    /// Epochs on tiles after that.
    pub hardware_aware_epochs: usize,
    /// Rows of a step.
    pub batch: usize,
    /// Pieces of a batch whose gradients are summed, a power of two: as many ranks can train together.
    pub pieces: usize,
    /// The optimizer's name.
    pub optimizer: &'static str,
    momentum: f32,
    weight_decay: f32,
    lr: f32,
    hardware_aware_lr: f32,
    schedule: &'static str,
    /// Epochs without a better score after which a training stops; 0: never.
    pub patience: usize,
    /// Steps from checkpoint to checkpoint.
    pub checkpoint_steps: usize,
}

/// The chips of a run.
#[derive(Clone, Debug)]
pub struct ChipsRecipe {
    /// The number of chips.
    pub count: usize,
    /// Seconds since programming.
    pub times: Vec<f64>,
}

impl Recipe {
    /// Reads a recipe from a file, with fields set by arguments.
    pub fn read(path: &Path, sets: &[String]) -> Outcome<Self> {
        let mut document = Document::read(path)?;
        sets.iter().try_for_each(|argument| document.set(argument))?;
        Self::from_document(document, path.parent().unwrap_or(Path::new("")))
    }

    /// Checks a recipe; the paths in it are relative to `folder`.
    pub fn from_document(document: Document, folder: &Path) -> Outcome<Self> {
        let mut sections = vec![];
        let mut section = document.section("data");
        let data = DataRecipe::read(&mut section, folder)?;
        sections.push(("data", section.finish()?));
        let mut section = document.section("network");
        let network = NetworkRecipe::read(&mut section, folder)?;
        sections.push(("network", section.finish()?));
        let mut section = document.section("hardware");
        let hardware = HardwareRecipe::read(&mut section, folder)?;
        sections.push(("hardware", section.finish()?));
        let mut section = document.section("training");
        let training = TrainingRecipe::read(&mut section, hardware.rpu.trains_on_chip())?;
        sections.push(("training", section.finish()?));
        let mut section = document.section("chips");
        let chips = ChipsRecipe::read(&mut section, hardware.rpu.trains_on_chip())?;
        sections.push(("chips", section.finish()?));
        Ok(Self { data, network, hardware, training, chips, sections, document })
    }

    /// The recipe with other fields; `place` says in errors where they come from.
    pub fn with(&self, fields: &[(String, Value)], place: &str) -> Outcome<Self> {
        let mut document = self.document.clone();
        for (path, value) in fields {
            document.put(path, value.clone(), &format!("{place} {path}={value}"))?;
        }
        Self::from_document(document, &self.data.folder)
    }

    /// The key from which all random numbers of a run derive.
    pub fn key(&self) -> Key {
        Key::new(self.training.seed)
    }

    /// The name of a training's network in tables.
    pub fn title(&self, phase: Phase) -> &'static str {
        match phase {
            Phase::Digital => "trained digitally",
            Phase::HardwareAware if self.hardware.rpu.trains_on_chip() => "trained on the chip",
            Phase::HardwareAware => "trained hardware-aware",
        }
    }

    /// All fields, defaults included, as TOML that gives the same recipe.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for (name, fields) in &self.sections {
            text += &format!("[{name}]\n");
            for (field, value) in fields.iter().filter(|(_, value)| !value.is_table()) {
                text += &format!("{field} = {value}\n");
            }
            for (field, value) in fields.iter().filter(|(_, value)| value.is_table()) {
                let inner = Table::from_iter([(field.clone(), value.clone())]);
                let outer = Table::from_iter([((*name).to_owned(), Value::Table(inner))]);
                let table = toml::to_string(&outer).expect("tables of plain values are TOML");
                text += &table.replacen(&format!("[{name}]\n"), "", 1);
            }
            text += "\n";
        }
        text
    }
}

impl TrainingRecipe {
    fn read(section: &mut Section<'_>, on_chip: bool) -> Outcome<Self> {
        let positive = |n: f64| n > 0.0;
        let pieces = section.whole("pieces", 1, 1)?;
        if !pieces.is_power_of_two() {
            let message =
                format!("training.pieces = {pieces}: must be a power of two, as gradients are summed by pairs");
            return Err(section.error("pieces", message));
        }
        if on_chip && pieces > 1 {
            let message = format!(
                "training.pieces = {pieces}: must be 1 with hardware that trains on the chip: its pulses follow one another"
            );
            return Err(section.error("pieces", message));
        }
        let lr = section.number("lr", 2e-3, positive, "above 0")?;
        Ok(Self {
            seed: section.whole("seed", 1, 0)? as u64,
            digital_epochs: section.whole("digital_epochs", 10, 0)?,
            hardware_aware_epochs: section.whole("hardware_aware_epochs", 10, 0)?,
            batch: section.whole("batch", 64, 1)?,
            pieces,
            optimizer: section.choice("optimizer", "adam", &["adam", "adamw", "sgd"])?,
            momentum: section.number("momentum", 0.0, |n| (0.0..1.0).contains(&n), "from 0 to below 1")? as f32,
            weight_decay: section.number("weight_decay", 0.0, |n| n >= 0.0, "of at least 0")? as f32,
            lr: lr as f32,
            hardware_aware_lr: section.number("hardware_aware_lr", lr, positive, "above 0")? as f32,
            schedule: section.choice("schedule", "one_cycle", &["one_cycle", "cosine", "constant"])?,
            patience: section.whole("patience", 0, 0)?,
            checkpoint_steps: section.whole("checkpoint_steps", 200, 1)?,
        })
    }

    /// A new optimizer.
    pub fn optimizer(&self) -> Box<dyn Optimizer> {
        match self.optimizer {
            "sgd" => Box::new(Sgd::new(0.0).with_momentum(self.momentum).with_weight_decay(self.weight_decay)),
            "adamw" => Box::new(Adam::decoupled(0.0).with_weight_decay(self.weight_decay)),
            _ => Box::new(Adam::new(0.0).with_weight_decay(self.weight_decay)),
        }
    }

    /// The learning rates of a training of this number of steps.
    pub fn schedule(&self, hardware_aware: bool, steps: usize) -> Schedule {
        let lr = if hardware_aware { self.hardware_aware_lr } else { self.lr };
        match self.schedule {
            "cosine" => Schedule::cosine(lr, steps),
            "constant" => Schedule::constant(lr),
            _ => Schedule::one_cycle(lr, steps),
        }
    }
}

impl ChipsRecipe {
    fn read(section: &mut Section<'_>, on_chip: bool) -> Outcome<Self> {
        let count = section.whole("count", if on_chip { 0 } else { 10 }, 0)?;
        if on_chip && count > 0 {
            let message = format!(
                "chips.count = {count}: must be 0 with hardware that trains on the chip: its weights are in devices already"
            );
            return Err(section.error("count", message));
        }
        let default = ["1s", "1h", "1d", "1y", "10y"];
        let items = json!({ "type": "string", "description": time::ALLOWED });
        section.describe("times", json!({ "type": "array", "items": items, "default": default }));
        let texts = match section.has("times") {
            true => section.texts("times")?,
            false => {
                section.record("times", default.to_vec());
                default.map(String::from).to_vec()
            }
        };
        let seconds = |text: &String| {
            time::seconds(text).ok_or_else(|| {
                section.error("times", format!("chips.times has {text:?}: each must be {}", time::ALLOWED))
            })
        };
        let times = texts.iter().map(seconds).collect::<Outcome<Vec<f64>>>()?;
        if times.is_empty() && count > 0 {
            return Err(
                section.error("times", "chips.times = []: must have at least one time while chips.count is not 0")
            );
        }
        Ok(Self { count, times })
    }
}

/// A path of a recipe: relative ones begin in the recipe's folder.
fn resolve(folder: &Path, path: &str) -> PathBuf {
    let path = folder.join(path);
    std::path::absolute(&path).unwrap_or(path)
}
