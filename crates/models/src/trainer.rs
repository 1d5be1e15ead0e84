//! A training loop for what most programs do: epochs, evaluation, progress, metrics, checkpoints, resuming, early stop.
//!
//! It hides nothing that a loop of ten lines could not do; the crate's documentation shows one.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ohmgrad_autograd::{Tape, Var};
use ohmgrad_tensor::Key;
use serde::Serialize;
use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError, Tiles, TrainingState};
use crate::data::{Dataset, Targets};
use crate::module::Module;
use crate::optim::{Optimizer, Schedule};
use crate::progress::Progress;

/// What can go wrong in a training that is right in itself.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainerError {
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Metrics could not be written.
    #[error("{}: {source}", path.display())]
    Metrics {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// How an epoch went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// Steps of the whole training so far.
    pub step: usize,
    /// The mean loss over its steps (over those since resuming, in the first epoch after that; NaN if that are none).
    pub loss: f32,
    /// What the evaluation gave at its end; larger is better.
    pub score: f64,
}

/// A training of a number of epochs; a resumed one is bit-identical to one that never stopped.
///
/// ```
/// use ohmgrad_models::data::Dataset;
/// use ohmgrad_models::{Adam, Schedule, Sequential, Trainer, accuracy};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let key = Key::new(1);
/// let x = Tensor::normal(&[512, 2], key.fold("x"));
/// let labels = (0..512).map(|i| usize::from(x[[i, 0]] > x[[i, 1]])).collect::<Vec<_>>();
/// let data = Dataset::new(x, labels);
/// let mut net = Sequential::new().linear(2, 8).tanh().linear(8, 2).init(key.fold("weights"));
///
/// let mut trainer = Trainer::new(4, 32, key).with_schedule(Schedule::one_cycle(0.05, 4 * 512 / 32));
/// let epochs = trainer.fit(
///     &mut net,
///     &mut Adam::new(0.0),
///     &data,
///     |y, labels| y.cross_entropy(labels),
///     |net, key| accuracy(net, &data, key),
///     |_| (),
/// )?;
/// assert!(epochs[3].score > 0.95);
/// # Ok::<(), ohmgrad_models::TrainerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trainer {
    epochs: usize,
    batch: usize,
    state: TrainingState,
    checkpoints: Option<(PathBuf, usize)>,
    metrics: Vec<PathBuf>,
    patience: Option<usize>,
}

impl Trainer {
    /// A training of `epochs` times through the data in batches of `batch` rows, with everything random from `key`.
    pub fn new(epochs: usize, batch: usize, key: Key) -> Self {
        let state = TrainingState::new(key);
        Self { epochs, batch, state, checkpoints: None, metrics: vec![], patience: None }
    }

    /// With a learning rate that follows a schedule over the steps of the whole training.
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.state.schedule = Some(schedule);
        self
    }

    /// With a checkpoint after every `every` steps and at the end, always in the same file.
    pub fn with_checkpoints(mut self, path: impl Into<PathBuf>, every: usize) -> Self {
        self.checkpoints = Some((path.into(), every.max(1)));
        self
    }

    /// With the metrics of each epoch appended to a file: as CSV if its name ends so, else as JSON lines.
    pub fn with_metrics(mut self, path: impl Into<PathBuf>) -> Self {
        self.metrics.push(path.into());
        self
    }

    /// Stops after so many epochs without a better score.
    pub fn with_patience(mut self, epochs: usize) -> Self {
        self.patience = Some(epochs);
        self
    }

    /// Where the training stands.
    pub fn state(&self) -> &TrainingState {
        &self.state
    }

    /// Goes on from a checkpoint: network, optimizer, key, counters and schedule are those of the file, whose tiles the
    /// network moves onto.
    ///
    /// # Errors
    /// If the file can't be read or does not fit the network.
    pub fn resume(
        &mut self,
        path: impl AsRef<Path>,
        net: &mut dyn Module,
        optimizer: &mut dyn Optimizer,
    ) -> Result<(), TrainerError> {
        let checkpoint = Checkpoint::load(path)?;
        checkpoint.restore(net, Some(optimizer), Tiles::FromFile)?;
        self.state = checkpoint.training().clone();
        Ok(())
    }

    /// Trains: `loss` of the network's output and the targets, `evaluate` of the network under a key at the end of each
    /// epoch, `report` what came of it.
    ///
    /// # Errors
    /// If a checkpoint or metrics can't be written.
    pub fn fit<N: Module, Y: Targets>(
        &mut self,
        net: &mut N,
        optimizer: &mut dyn Optimizer,
        data: &Dataset<Y>,
        loss: impl for<'t> Fn(Var<'t>, &Y) -> Var<'t>,
        mut evaluate: impl FnMut(&N, Key) -> f64,
        mut report: impl FnMut(&Epoch),
    ) -> Result<Vec<Epoch>, TrainerError> {
        let key = self.state.key;
        let per_epoch = data.len().div_ceil(self.batch);
        let progress = Progress::new("training", self.epochs * per_epoch);
        let mut history: Vec<Epoch> = vec![];
        for epoch in self.state.epoch..self.epochs {
            if epoch > 0 && self.patience.is_some_and(|patience| self.state.worse >= patience) {
                break;
            }
            let done = self.state.step - epoch * per_epoch;
            let (mut total, mut steps) = (0.0, 0);
            for batch in data.batches(self.batch, key.fold("shuffle").fold(epoch)).skip(done) {
                let tape = Tape::train(key.fold("step").fold(self.state.step));
                let loss = loss(net.forward(tape.constant(batch.x)), &batch.y);
                total += loss.item();
                steps += 1;
                if let Some(schedule) = &self.state.schedule {
                    optimizer.set_lr(schedule.at(self.state.step));
                }
                optimizer.step(net, loss.backward());
                self.state.step += 1;
                progress.step(|| format!("epoch {} loss {:.4}", epoch + 1, total / steps as f32));
                if let Some((path, every)) = &self.checkpoints
                    && self.state.step.is_multiple_of(*every)
                {
                    Checkpoint::save(path, net, Some(optimizer), &self.state)?;
                }
            }
            self.state.epoch = epoch + 1;
            let score = evaluate(net, key.fold("evaluation").fold(epoch));
            if self.state.best.is_some_and(|best| score < best) {
                self.state.worse += 1;
            } else {
                (self.state.best, self.state.worse) = (Some(score), 0);
            }
            let loss = total / steps as f32;
            let result = Epoch { epoch: epoch + 1, step: self.state.step, loss, score };
            self.metrics.iter().try_for_each(|path| append(path, &result))?;
            report(&result);
            history.push(result);
        }
        if let Some((path, _)) = &self.checkpoints {
            Checkpoint::save(path, net, Some(optimizer), &self.state)?;
        }
        Ok(history)
    }
}

fn append(path: &Path, epoch: &Epoch) -> Result<(), TrainerError> {
    let csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let line = match csv {
        true => format!("{},{},{},{}", epoch.epoch, epoch.step, epoch.loss, epoch.score),
        false => serde_json::to_string(epoch).expect("four numbers can be written"),
    };
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| {
            if csv && file.metadata()?.len() == 0 {
                writeln!(file, "epoch,step,loss,score")?;
            }
            writeln!(file, "{line}")
        })
        .map_err(|source| TrainerError::Metrics { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Adam, Network, Sequential, accuracy};
    use ohmgrad_analog::InferenceRpuConfig;
    use ohmgrad_tensor::Tensor;

    fn data() -> Dataset<Vec<usize>> {
        let x = Tensor::normal(&[70, 3], Key::new(1));
        let labels = (0..70).map(|i| usize::from(x[[i, 0]] > 0.0)).collect();
        Dataset::new(x, labels)
    }

    fn net() -> Sequential {
        let mut net = Sequential::new().linear(3, 8).tanh().linear(8, 2).init(Key::new(2));
        net.to_analog(&InferenceRpuConfig::default(), Key::new(3)).unwrap();
        net
    }

    fn fit(trainer: &mut Trainer, net: &mut Sequential, adam: &mut Adam) -> Vec<Epoch> {
        let data = data();
        trainer
            .fit(net, adam, &data, |y, labels| y.cross_entropy(labels), |net, key| accuracy(net, &data, key), |_| ())
            .unwrap()
    }

    #[test]
    fn a_training_stopped_inside_an_epoch_goes_on_bit_for_bit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.safetensors");
        let trainer = || Trainer::new(3, 16, Key::new(4)).with_schedule(Schedule::one_cycle(0.05, 15));
        let (mut whole, mut adam) = (net(), Adam::new(0.0));
        let epochs = fit(&mut trainer(), &mut whole, &mut adam);

        // The checkpoint of step 7 is inside the second epoch; nothing after it is kept.
        let (mut stopped, mut adam) = (net(), Adam::new(0.0));
        let mut first = Trainer { epochs: 1, ..trainer() };
        fit(&mut first, &mut stopped, &mut adam);
        let data = data();
        for (i, batch) in data.batches(16, Key::new(4).fold("shuffle").fold(1)).take(2).enumerate() {
            let step = 5 + i;
            let tape = Tape::train(Key::new(4).fold("step").fold(step));
            let loss = stopped.forward(tape.constant(batch.x)).cross_entropy(&batch.y);
            adam.lr = Schedule::one_cycle(0.05, 15).at(step);
            adam.step(&mut stopped, loss.backward());
        }
        first.state.step = 7;
        Checkpoint::save(&path, &stopped, Some(&adam), first.state()).unwrap();

        let (mut resumed, mut adam) = (net(), Adam::new(0.0));
        let mut rest = Trainer::new(3, 16, Key::new(0));
        rest.resume(&path, &mut resumed, &mut adam).unwrap();
        let after = fit(&mut rest, &mut resumed, &mut adam);
        assert_eq!(resumed.state_dict(), whole.state_dict());
        assert_eq!(after[1], epochs[2]);
    }

    #[test]
    fn patience_outlives_a_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.safetensors");
        let go_on = |epochs: usize, scores: &[f64]| {
            let (data, mut net, mut adam) = (data(), net(), Adam::new(0.01));
            let mut trainer = Trainer::new(epochs, 16, Key::new(4)).with_patience(2).with_checkpoints(&path, 100);
            if path.exists() {
                trainer.resume(&path, &mut net, &mut adam).unwrap();
            }
            let mut next = scores.iter();
            let score = |_: &Sequential, _| *next.next().unwrap();
            let epochs = trainer.fit(&mut net, &mut adam, &data, |y, labels| y.cross_entropy(labels), score, |_| ());
            epochs.unwrap().iter().map(|e| e.score).collect::<Vec<_>>()
        };
        assert_eq!(go_on(3, &[0.5, 0.9, 0.8]), [0.5, 0.9, 0.8]);
        // The best epoch lies before the stop.
        assert_eq!(go_on(9, &[0.85, 0.99]), [0.85]);
        assert!(go_on(9, &[0.99]).is_empty());
    }

    #[test]
    fn metrics_are_appended_and_patience_ends() {
        let directory = tempfile::tempdir().unwrap();
        let (csv, lines) = (directory.path().join("m.csv"), directory.path().join("m.jsonl"));
        let mut trainer = Trainer::new(5, 16, Key::new(4)).with_metrics(&csv).with_metrics(&lines).with_patience(2);
        let (data, mut net) = (data(), net());
        let scores = [0.5, 0.9, 0.8, 0.7, 0.99];
        let mut next = scores.iter();
        let epochs = trainer
            .fit(
                &mut net,
                &mut Adam::new(0.01),
                &data,
                |y, labels| y.cross_entropy(labels),
                |_, _| *next.next().unwrap(),
                |_| (),
            )
            .unwrap();
        assert_eq!(epochs.iter().map(|e| e.score).collect::<Vec<_>>(), scores[..4]);
        let csv = std::fs::read_to_string(csv).unwrap();
        assert!(csv.starts_with("epoch,step,loss,score\n1,5,") && csv.lines().count() == 5, "{csv}");
        let lines = std::fs::read_to_string(lines).unwrap();
        assert!(lines.lines().next().unwrap().starts_with(r#"{"epoch":1,"step":5,"loss":"#), "{lines}");
    }
}
