//! A training loop for what most programs do: epochs, evaluation, progress, metrics, checkpoints, resuming, early stop.
//!
//! A loop of ten lines trains too; the crate `ohmgrad` documents one.

mod error;
mod metrics;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Instant;

use ohmgrad_autograd::{Gradients, Tape, Var};
use ohmgrad_tensor::Key;

use self::metrics::Metrics;
use crate::checkpoint::{Checkpoint, EpochState, Tiles, TrainingState};
use crate::data::{Batch, Dataset, Targets};
use crate::module::Module;
use crate::optim::{Optimizer, Schedule};
use crate::progress::Progress;

pub use error::TrainerError;
pub use metrics::{Epoch, Evaluation};

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
    /// `true` if the state is that of a checkpoint.
    resumed: bool,
    /// `true` if the checkpoint may be of other data.
    by_epochs: bool,
    checkpoints: Option<(PathBuf, usize)>,
    best: Option<PathBuf>,
    metrics: Vec<Metrics>,
    patience: Option<usize>,
}

impl Trainer {
    /// A training of `epochs` times through the data in batches of `batch` rows, with all random numbers from `key`.
    pub fn new(epochs: usize, batch: usize, key: Key) -> Self {
        Self {
            epochs,
            batch,
            state: TrainingState::new(key),
            resumed: false,
            by_epochs: false,
            checkpoints: None,
            best: None,
            metrics: vec![],
            patience: None,
        }
    }

    /// Sets the learning rate by a schedule over the steps of the whole training.
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.state.schedule = Some(schedule);
        self
    }

    /// Writes a checkpoint after every `every` steps and at the end, always to the same file. At the last step of an
    /// epoch it is written after the epoch's evaluation.
    pub fn with_checkpoints(mut self, path: impl Into<PathBuf>, every: usize) -> Self {
        self.checkpoints = Some((path.into(), every.max(1)));
        self
    }

    /// Writes a checkpoint of the best network whenever a score is better than all before.
    pub fn with_best(mut self, path: impl Into<PathBuf>) -> Self {
        self.best = Some(path.into());
        self
    }

    /// Writes a line for each epoch to a file: the fields of [`Epoch`] as CSV if its name ends in `.csv`, else as JSON
    /// (with null for NaN). A resumed training goes on in the file, without lines that a killed process left incomplete
    /// and those of epochs that are repeated. The file of another training is set aside under the first free name of
    /// `NAME.1.EXTENSION`, `NAME.2.EXTENSION`, ….
    pub fn with_metrics(mut self, path: impl Into<PathBuf>) -> Self {
        self.metrics.push(Metrics::at(path.into()));
        self
    }

    /// Stops after `epochs` epochs without a better score. Equal scores and NaN are not better. The network is then the
    /// best one again, from the file of [`with_best`](Self::with_best) or, without one, from memory (which does not
    /// outlive the process: a resumed training that finds no better network keeps its last one). The optimizer, and the
    /// checkpoint of [`with_checkpoints`](Self::with_checkpoints), are those of the last step.
    pub fn with_patience(mut self, epochs: usize) -> Self {
        self.patience = Some(epochs);
        self
    }

    /// Makes smaller scores better, for an evaluation that returns a loss.
    pub fn minimise(mut self) -> Self {
        self.state.minimise = true;
        self
    }

    /// The state of the training.
    pub fn state(&self) -> &TrainingState {
        &self.state
    }

    /// Goes on from a checkpoint: network, optimizer, key, counters, schedule and the direction of scores become those
    /// of the file, and weights move onto its tiles. [`fit`](Self::fit) then needs the same number of rows, in batches
    /// of the same size.
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
        (self.resumed, self.by_epochs) = (true, false);
        Ok(())
    }

    /// As [`resume`](Self::resume), for other data or batches of another size: the training goes on at the beginning of
    /// the first unfinished epoch, as if all epochs before had had as many steps as an epoch has now. If the trainer
    /// was given a schedule, it stays.
    ///
    /// # Errors
    /// As for [`resume`](Self::resume).
    pub fn resume_epochs(
        &mut self,
        path: impl AsRef<Path>,
        net: &mut dyn Module,
        optimizer: &mut dyn Optimizer,
    ) -> Result<(), TrainerError> {
        let schedule = self.state.schedule.clone();
        self.resume(path, net, optimizer)?;
        self.state.schedule = schedule.or(self.state.schedule.take());
        self.by_epochs = true;
        Ok(())
    }

    /// Trains the network. `loss` gets the network's output and the targets. `evaluate` gets the network and a key at
    /// the end of each epoch; it returns a number, or an [`Evaluation`] with further metrics. `report` gets each
    /// epoch's results.
    ///
    /// # Errors
    /// If there are no rows or batches have none, the network takes its batch along another axis than the data set has
    /// its samples, a checkpoint that it goes on from was made with other data or batches, or a checkpoint or metrics
    /// can't be written.
    pub fn fit<N: Module, Y: Targets, E: Into<Evaluation>>(
        &mut self,
        net: &mut N,
        optimizer: &mut dyn Optimizer,
        data: &Dataset<Y>,
        loss: impl for<'t> Fn(Var<'t>, &Y) -> Var<'t>,
        evaluate: impl FnMut(&N, Key) -> E,
        report: impl FnMut(&Epoch),
    ) -> Result<Vec<Epoch>, TrainerError> {
        let gradients = |net: &N, batch: Batch<Y>, key: Key| {
            let tape = Tape::train(key);
            let loss = loss(net.forward(tape.constant(batch.x)), &batch.y);
            (loss.item(), loss.backward())
        };
        self.fit_with(net, optimizer, data, gradients, evaluate, report)
    }

    /// As [`fit`](Self::fit), with the loss and the gradients of a batch from a function that gets the network, the
    /// batch and the step's key: for batches that are computed in parts, or losses that need more than one forward.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit).
    pub fn fit_with<N: Module, Y: Targets, E: Into<Evaluation>>(
        &mut self,
        net: &mut N,
        optimizer: &mut dyn Optimizer,
        data: &Dataset<Y>,
        mut gradients: impl FnMut(&N, Batch<Y>, Key) -> (f32, Gradients),
        mut evaluate: impl FnMut(&N, Key) -> E,
        mut report: impl FnMut(&Epoch),
    ) -> Result<Vec<Epoch>, TrainerError> {
        let (key, per_epoch) = (self.state.key, self.begin(net, data)?);
        let progress = Progress::new("training", self.epochs * per_epoch);
        progress.skip(self.state.step);
        let (mut history, mut best) = (vec![], None);
        for epoch in self.state.epoch..self.epochs {
            if epoch > 0 && self.has_ended() {
                break;
            }
            let start = Instant::now();
            let mut within = self.within(data.len());
            for batch in data.batches(self.batch, key.fold("shuffle").fold(epoch)).skip(within.step) {
                let (loss, gradients) = gradients(net, batch, key.fold("step").fold(self.state.step));
                within.loss += loss;
                within.step += 1;
                if let Some(schedule) = &self.state.schedule {
                    optimizer.set_lr(schedule.at(self.state.step));
                }
                optimizer.step(net, gradients);
                self.state.step += 1;
                progress.step(|| format!("epoch {} loss {:.4}", epoch + 1, within.loss / within.step as f32));
                if within.step < per_epoch {
                    self.state.within = Some(within);
                    self.checkpoint_if_due(net, optimizer)?;
                }
            }
            let Evaluation { score, metrics } = evaluate(net, key.fold("evaluation").fold(epoch)).into();
            self.state.epoch = epoch + 1;
            self.state.within = Some(EpochState { step: 0, loss: 0.0, ..within });
            if self.is_better(score) {
                (self.state.best, self.state.worse) = (Some(score), 0);
                best = self.keep(net, optimizer)?;
            } else {
                self.state.worse += 1;
            }
            let result = Epoch {
                epoch: epoch + 1,
                step: self.state.step,
                loss: within.loss / within.step as f32,
                score,
                lr: optimizer.lr(),
                seconds: start.elapsed().as_secs_f64(),
                metrics,
            };
            self.metrics.iter().try_for_each(|file| file.append(&result, history.is_empty()))?;
            self.checkpoint_if_due(net, optimizer)?;
            report(&result);
            history.push(result);
        }
        // The last epoch may have written this checkpoint.
        if let Some((path, every)) = &self.checkpoints
            && (history.is_empty() || !self.state.step.is_multiple_of(*every))
        {
            Checkpoint::save(path, net, Some(optimizer), &self.state)?;
        }
        if self.has_ended() {
            self.restore_best(best, net)?;
        }
        Ok(history)
    }

    /// Checks that the training can begin, or go on, with these data; returns the number of steps of an epoch.
    fn begin<Y: Targets>(&mut self, net: &dyn Module, data: &Dataset<Y>) -> Result<usize, TrainerError> {
        let (rows, batch) = (data.len(), self.batch);
        if rows == 0 || batch == 0 {
            return Err(TrainerError::Empty { rows, batch });
        }
        if let Some(network) = net.batch_axis().filter(|&axis| axis != data.batch_axis()) {
            return Err(TrainerError::Layout { network, data: data.batch_axis() });
        }
        let per_epoch = rows.div_ceil(batch);
        let TrainingState { epoch, step, within, .. } = &mut self.state;
        if std::mem::take(&mut self.by_epochs) {
            (*step, *within) = (*epoch * per_epoch, None);
        }
        let done = step.checked_sub(epoch.saturating_mul(per_epoch));
        match within {
            Some(state) if (state.rows, state.batch) != (rows, batch) => {
                let (found_rows, found_batch) = (state.rows, state.batch);
                return Err(TrainerError::OtherData { found_rows, found_batch, rows, batch });
            }
            Some(state) if done == Some(state.step) && state.step <= per_epoch => {}
            None if done == Some(0) => {}
            _ => {
                let within = within.map_or(String::new(), |state| format!(", {} of them in an epoch", state.step));
                return Err(TrainerError::Place { epoch: *epoch, step: *step, within, per_epoch });
            }
        }
        let resumed = self.resumed || self.state.step > 0;
        self.metrics.iter().try_for_each(|file| file.begin(resumed, self.state.epoch))?;
        Ok(per_epoch)
    }

    /// The place of the training in the next epoch.
    fn within(&self, rows: usize) -> EpochState {
        self.state.within.unwrap_or(EpochState { rows, batch: self.batch, step: 0, loss: 0.0 })
    }

    fn is_better(&self, score: f64) -> bool {
        match self.state.best {
            None => !score.is_nan(),
            Some(best) if self.state.minimise => score < best,
            Some(best) => score > best,
        }
    }

    /// Returns `true` if patience has ended.
    fn has_ended(&self) -> bool {
        self.patience.is_some_and(|patience| self.state.worse >= patience)
    }

    fn checkpoint_if_due(&self, net: &impl Module, optimizer: &dyn Optimizer) -> Result<(), TrainerError> {
        match &self.checkpoints {
            Some((path, every)) if self.state.step.is_multiple_of(*every) => {
                Ok(Checkpoint::save(path, net, Some(optimizer), &self.state)?)
            }
            _ => Ok(()),
        }
    }

    /// Writes the best network to its file, or returns it if patience needs it.
    fn keep(&self, net: &impl Module, optimizer: &dyn Optimizer) -> Result<Option<Checkpoint>, TrainerError> {
        match &self.best {
            Some(path) => Checkpoint::save(path, net, Some(optimizer), &self.state)?,
            None if self.patience.is_some() => return Ok(Some(Checkpoint::of(net, Some(optimizer), &self.state)?)),
            None => {}
        }
        Ok(None)
    }

    fn restore_best(&self, kept: Option<Checkpoint>, net: &mut impl Module) -> Result<(), TrainerError> {
        let best = match &self.best {
            // There is no file if all scores were NaN.
            Some(path) if self.state.best.is_some() => Some(Checkpoint::load(path)?),
            _ => kept,
        };
        best.map_or(Ok(()), |best| Ok(best.restore(net, None, Tiles::FromFile).map(drop)?))
    }
}
