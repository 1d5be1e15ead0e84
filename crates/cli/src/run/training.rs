//! The trainings of a run. Each writes checkpoints as it goes and its network at the end, so that a run that was killed
//! continues from the last checkpoint.

use ohmgrad::models::Evaluation;
use ohmgrad::prelude::*;
use serde_json::{Value, json};

use super::folder::Folder;
use super::model::{restore_at_all, start};
use super::pieces::gradients;
use crate::data::Data;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::ranks::Ranks;
use crate::recipe::Recipe;
use crate::score::{Metric, shared_score};

/// The trainings, by the names of their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Without tiles.
    Digital,
    /// With tiles in every forward.
    HardwareAware,
}

impl Phase {
    /// The name of its files, and of its network in CSV and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Digital => "digital",
            Self::HardwareAware => "hardware_aware",
        }
    }

    /// The file of its network.
    pub fn file(self) -> String {
        format!("{}.safetensors", self.name())
    }
}

/// The networks of a run.
pub struct Trained {
    /// After the digital training.
    pub digital: Sequential,
    /// After the hardware-aware one, on its tiles, if there was one.
    pub hardware_aware: Option<Sequential>,
}

/// Trains by a recipe, or continues, on at most as many ranks as the recipe has pieces of a batch; the others get the
/// networks.
pub fn train(recipe: &Recipe, data: &Data, folder: &Folder, ranks: Ranks, output: Output) -> Outcome<Trained> {
    let key = recipe.key();
    let training = &recipe.training;
    let course = Course { recipe, data, folder, output };
    let mut digital = start(recipe, data)?;
    course.phase(Phase::Digital, &mut digital, training.digital_epochs, ranks)?;
    if training.hardware_aware_epochs == 0 {
        return Ok(Trained { digital, hardware_aware: None });
    }
    let mut aware = digital.clone();
    on_tiles(&mut aware, recipe, key)?;
    course.phase(Phase::HardwareAware, &mut aware, training.hardware_aware_epochs, ranks)?;
    Ok(Trained { digital, hardware_aware: Some(aware) })
}

/// Moves a network onto the tiles of a recipe, or maps it anew if it is on tiles.
pub fn on_tiles(net: &mut Sequential, recipe: &Recipe, key: Key) -> Outcome<()> {
    let hardware = &recipe.hardware;
    Ok(net.to_analog_with(key.fold("hardware"), |path| hardware.of_layer(&hardware.rpu, path))?)
}

/// The trainings of a run.
#[derive(Clone, Copy)]
struct Course<'a> {
    recipe: &'a Recipe,
    data: &'a Data,
    folder: &'a Folder,
    output: Output,
}

impl Course<'_> {
    /// Trains a network, or takes it from its file if the training is over.
    fn phase(&self, phase: Phase, net: &mut Sequential, epochs: usize, ranks: Ranks) -> Outcome<()> {
        let done = self.folder.file(&phase.file());
        let is_over = ranks.agree(|| done.is_file());
        if !is_over && let Some(team) = ranks.team(self.recipe.training.pieces) {
            let state = self.fit(phase, net, epochs, team)?;
            if ranks.is_first() {
                Checkpoint::save(&done, net, None, &state)?;
            }
        }
        if is_over || ranks.count() > 1 {
            restore_at_all(net, &done, ranks)?;
        }
        Ok(())
    }

    /// The training itself; rank 0 of the team writes its files.
    fn fit(&self, phase: Phase, net: &mut Sequential, epochs: usize, team: Ranks) -> Outcome<TrainingState> {
        let Self { recipe, data, folder, output } = *self;
        let (name, training) = (phase.name(), &recipe.training);
        let steps = epochs * data.train.len().div_ceil(training.batch);
        let checkpoint = folder.file(&format!("{name}.checkpoint.safetensors"));
        let mut trainer = Trainer::new(epochs, training.batch, recipe.key().fold(name))
            .with_schedule(training.schedule(phase == Phase::HardwareAware, steps));
        if team.is_first() {
            trainer = trainer
                .with_checkpoints(&checkpoint, training.checkpoint_steps)
                .with_best(folder.file(&format!("{name}.best.safetensors")))
                .with_metrics(folder.file(&format!("{name}.csv")))
                .with_metrics(folder.file(&format!("{name}.jsonl")));
        }
        if training.patience > 0 {
            trainer = trainer.with_patience(training.patience);
        }
        let metric = Metric::of(&recipe.data);
        if metric == Metric::Rmse {
            trainer = trainer.minimise();
        }
        let mut optimizer = training.optimizer();
        if team.agree(|| checkpoint.is_file()) {
            trainer.resume(&checkpoint, net, optimizer.as_mut())?;
        }
        // All ranks have read the checkpoint before rank 0 replaces it.
        team.wait();
        let held = data.validation.as_ref().unwrap_or(&data.test);
        let evaluate = |net: &Sequential, key: Key| {
            let score = shared_score(net, held, key, team).expect("ranks of a team exchange their outputs");
            Evaluation::from(score.value).with("evaluation_loss", score.loss)
        };
        let of = if data.validation.is_some() { "validation" } else { "test" };
        let result = trainer.fit_with(
            net,
            optimizer.as_mut(),
            &data.train,
            |net, batch, key| gradients(net, &batch, key, training.pieces, team),
            evaluate,
            |epoch| {
                let mut event = json!({ "event": "epoch", "training": name });
                let fields = serde_json::to_value(epoch).expect("numbers and names");
                event
                    .as_object_mut()
                    .zip(fields.as_object())
                    .into_iter()
                    .for_each(|(event, fields)| event.extend(fields.clone()));
                output.event(&event);
                let (number, score) = (epoch.epoch, metric.show(epoch.score));
                output.say(format!(
                    "{name:>14}  epoch {number:3}  loss {:.4}  {of} {} {score}",
                    epoch.loss,
                    metric.name()
                ));
            },
        );
        result?;
        Ok(trainer.state().clone())
    }
}

/// The losses and scores of a training's epochs, from its file; empty if it has none.
pub fn history(folder: &Folder, phase: Phase) -> Outcome<Vec<(f64, f64)>> {
    let path = folder.file(&format!("{}.jsonl", phase.name()));
    if !path.is_file() {
        return Ok(vec![]);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
    let number = |line: &Value, field: &str| line[field].as_f64().unwrap_or(f64::NAN);
    let epoch =
        |line: &str| serde_json::from_str(line).ok().map(|line: Value| (number(&line, "loss"), number(&line, "score")));
    Ok(text.lines().filter_map(epoch).collect())
}
