use std::fs;

use super::*;
use crate::data::TimeFirst;
use crate::{Adam, Network, RecurrentOptions, Sequential, Sgd, accuracy};
use ohmgrad_analog::InferenceRpuConfig;
use ohmgrad_tensor::Tensor;
use proptest::prelude::*;

fn data(rows: usize) -> Dataset<Vec<usize>> {
    let x = Tensor::normal(&[rows, 3], Key::new(1));
    let labels = (0..rows).map(|i| usize::from(x[[i, 0]] > 0.0)).collect();
    Dataset::new(x, labels)
}

fn net() -> Sequential {
    let mut net = Sequential::new().linear(3, 8).tanh().linear(8, 2).init(Key::new(2));
    net.to_analog(InferenceRpuConfig::default(), Key::new(3)).unwrap();
    net
}

fn fit(trainer: &mut Trainer, net: &mut Sequential, adam: &mut Adam) -> Result<Vec<Epoch>, TrainerError> {
    let data = data(70);
    trainer.fit(net, adam, &data, |y, labels| y.cross_entropy(labels), |net, key| accuracy(net, &data, key), |_| ())
}

/// Trains with given scores; returns the epochs.
fn scored(trainer: &mut Trainer, net: &mut Sequential, scores: &[f64]) -> Vec<Epoch> {
    let mut next = scores.iter();
    let mut adam = Adam::new(0.01);
    let score = |_: &Sequential, _| *next.next().expect("no more epochs than scores");
    trainer.fit(net, &mut adam, &data(70), |y, labels| y.cross_entropy(labels), score, |_| ()).unwrap()
}

/// Adam that records the learning rate of each step and panics after `after` steps.
struct Killed {
    after: usize,
    adam: Adam,
    rates: Vec<f32>,
}

impl Killed {
    fn after(steps: usize) -> Self {
        Self { after: steps, adam: Adam::new(0.0), rates: vec![] }
    }
}

impl Optimizer for Killed {
    fn step(&mut self, net: &mut dyn crate::Visit, gradients: ohmgrad_autograd::Gradients) {
        assert!(self.rates.len() < self.after, "killed");
        self.rates.push(self.adam.lr);
        self.adam.step(net, gradients);
    }
    fn lr(&self) -> f32 {
        self.adam.lr
    }
    fn set_lr(&mut self, lr: f32) {
        self.adam.lr = lr;
    }
    fn state(&self) -> crate::OptimizerState {
        self.adam.state()
    }
    fn set_state(&mut self, state: crate::OptimizerState) -> Result<(), crate::StateError> {
        self.adam.set_state(state)
    }
}

/// Runs a training of 3 epochs of 5 steps, with a checkpoint after each step, and kills it after `steps`. At the end of
/// an epoch the checkpoint comes after the evaluation.
fn killed_after(steps: usize, path: &Path, metrics: Option<&Path>) {
    let mut trainer = trainer().with_checkpoints(path, 1);
    if let Some(metrics) = metrics {
        trainer = trainer.with_metrics(metrics);
    }
    let data = data(70);
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut optimizer = Killed::after(steps);
        let evaluate = |net: &Sequential, key| accuracy(net, &data, key);
        trainer.fit(&mut net(), &mut optimizer, &data, |y, labels| y.cross_entropy(labels), evaluate, |_| ())
    }));
    assert_eq!(killed.is_ok(), steps == 15);
}

fn trainer() -> Trainer {
    Trainer::new(3, 16, Key::new(4)).with_schedule(Schedule::one_cycle(0.05, 15))
}

#[test]
fn a_training_stopped_anywhere_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (path, metrics) = (folder.path().join("run.safetensors"), folder.path().join("m.csv"));
    let (mut whole, mut adam) = (net(), Adam::new(0.0));
    let epochs = fit(&mut trainer(), &mut whole, &mut adam).unwrap();
    for steps in 1..=15 {
        killed_after(steps, &path, Some(&metrics));
        let (mut resumed, mut adam) = (net(), Adam::new(0.0));
        let mut rest = Trainer::new(3, 16, Key::new(0)).with_metrics(&metrics);
        rest.resume(&path, &mut resumed, &mut adam).unwrap();
        let after = fit(&mut rest, &mut resumed, &mut adam).unwrap();
        assert_eq!(resumed.state_dict(), whole.state_dict());
        // Losses include those of the steps before; no epoch is repeated or left out.
        assert_eq!(after, epochs[steps / 5..], "{steps}");
        assert_eq!(numbers(&metrics), ["epoch", "1", "2", "3"], "{steps}");
        fs::remove_file(&metrics).unwrap();
    }
}

fn numbers(csv: &Path) -> Vec<String> {
    fs::read_to_string(csv).unwrap().lines().map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// For any data and batches, a training goes on exactly from its checkpoint, or the error names the data of both.
    #[test]
    fn a_checkpoint_goes_on_or_is_refused(steps in 1usize..15, rows in 1usize..140, batch in 1usize..40, by_epochs: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        killed_after(steps, &path, None);
        let (mut net, mut adam) = (net(), Adam::new(0.0));
        let mut trainer = Trainer::new(3, batch, Key::new(0));
        match by_epochs {
            true => trainer.resume_epochs(&path, &mut net, &mut adam).unwrap(),
            false => trainer.resume(&path, &mut net, &mut adam).unwrap(),
        }
        let data = data(rows);
        let result = trainer.fit(&mut net, &mut adam, &data, |y, labels| y.cross_entropy(labels), |_, _| 0.5, |_| ());
        if !by_epochs && (rows, batch) != (70, 16) {
            let error = result.unwrap_err().to_string();
            let both = format!("70 rows in batches of 16, this one has {rows} rows in batches of {batch}");
            prop_assert!(error.contains(&both), "{}", error);
        } else {
            let epochs = result.unwrap();
            prop_assert_eq!(epochs.iter().map(|e| e.epoch).collect::<Vec<_>>(), (steps / 5 + 1..=3).collect::<Vec<_>>());
            prop_assert!(epochs.iter().all(|e| e.loss.is_finite()));
            prop_assert_eq!(trainer.state().step, 3 * rows.div_ceil(batch));
        }
    }
}

/// The schedule, the checkpoint's or the trainer's, goes on at the step that the finished epochs would have had with
/// batches of this size.
#[test]
fn a_schedule_goes_on_by_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    // Two epochs of 5 steps and 2 steps of the third, under the schedule of `trainer`.
    killed_after(12, &path, None);
    let resumed = |trainer: Trainer| {
        let (mut net, mut optimizer, data) = (net(), Killed::after(usize::MAX), data(70));
        let mut trainer = trainer;
        trainer.resume_epochs(&path, &mut net, &mut optimizer).unwrap();
        let epochs =
            trainer.fit(&mut net, &mut optimizer, &data, |y, l| y.cross_entropy(l), |_, _| 0.5, |_| ()).unwrap();
        (epochs, optimizer.rates, trainer.state().step)
    };
    // 70 rows in batches of 32 are 3 steps: epoch 3 has the steps 6, 7 and 8.
    let of_checkpoint = Schedule::one_cycle(0.05, 15);
    let (epochs, rates, step) = resumed(Trainer::new(3, 32, Key::new(0)));
    assert_eq!(rates, [6, 7, 8].map(|step| of_checkpoint.at(step)));
    assert_eq!((epochs.len(), epochs[0].epoch, epochs[0].step, epochs[0].lr), (1, 3, 9, of_checkpoint.at(8)));
    assert_eq!(step, 9);
    let own = Schedule::cosine(0.1, 9);
    let (epochs, rates, _) = resumed(Trainer::new(3, 32, Key::new(0)).with_schedule(own.clone()));
    assert_eq!(rates, [6, 7, 8].map(|step| own.at(step)));
    assert_eq!(epochs[0].lr, own.at(8));
    // With batches of the old size, the third epoch begins again at its first step.
    let (epochs, rates, step) = resumed(Trainer::new(3, 16, Key::new(0)));
    assert_eq!(rates, [10, 11, 12, 13, 14].map(|step| of_checkpoint.at(step)));
    assert_eq!((epochs.len(), epochs[0].step, step), (1, 15, 15));
}

#[test]
fn checkpoints_without_a_place_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let refused = |state: TrainingState| {
        Checkpoint::save(&path, &net(), Some(&Adam::new(0.1)), &state).unwrap();
        let (mut net, mut adam) = (net(), Adam::new(0.1));
        let mut trainer = trainer();
        trainer.resume(&path, &mut net, &mut adam).unwrap();
        fit(&mut trainer, &mut net, &mut adam).unwrap_err().to_string()
    };
    let by_hand = TrainingState { epoch: 1, step: 7, ..TrainingState::new(Key::new(4)) };
    let error = refused(by_hand.clone());
    assert!(error.starts_with("the checkpoint has 1 epochs and 7 steps behind it, which is not a place"), "{error}");
    let within = Some(EpochState { rows: 70, batch: 16, step: 3, loss: 1.0 });
    let error = refused(TrainingState { within, ..by_hand });
    assert!(error.contains("7 steps behind it, 3 of them in an epoch, which is not a place"), "{error}");
    let none = |rows, batch| {
        let empty = data(rows);
        let result = Trainer::new(1, batch, Key::new(4)).fit(
            &mut net(),
            &mut Adam::new(0.1),
            &empty,
            |y, labels| y.cross_entropy(labels),
            |_, _| 0.0,
            |_| (),
        );
        result.unwrap_err().to_string()
    };
    assert_eq!(none(70, 0), "a training of 70 rows in batches of 0: both must be at least 1");
    assert_eq!(none(0, 16), "a training of 0 rows in batches of 16: both must be at least 1");
}

/// A loss of NaN goes through a checkpoint, and no number takes its place.
#[test]
fn a_loss_that_is_nan_stays_nan() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    for loss in [f32::NAN, f32::INFINITY, 0.1] {
        let within = Some(EpochState { rows: 70, batch: 16, step: 3, loss });
        let state = TrainingState { step: 3, within, best: Some(f64::NEG_INFINITY), ..TrainingState::new(Key::new(4)) };
        Checkpoint::save(&path, &net(), Some(&Adam::new(0.1)), &state).unwrap();
        let read = Checkpoint::load(&path).unwrap().training().clone();
        assert_eq!(read.within.unwrap().loss.to_bits(), loss.to_bits());
        assert_eq!(read.best, Some(f64::NEG_INFINITY));
    }
}

#[test]
fn equal_scores_and_nan_are_not_better() {
    let run = |trainer: Trainer, scores: &[f64]| {
        let mut trainer = trainer.with_patience(2);
        let epochs = scored(&mut trainer, &mut net(), scores).len();
        (epochs, trainer.state().best)
    };
    let nan = f64::NAN;
    assert_eq!(run(Trainer::new(9, 16, Key::new(4)), &[0.5, 0.5, 0.5]), (3, Some(0.5)));
    assert_eq!(run(Trainer::new(9, 16, Key::new(4)), &[0.5, nan, 0.6, nan, nan]), (5, Some(0.6)));
    assert_eq!(run(Trainer::new(9, 16, Key::new(4)), &[nan, nan]), (2, None));
    assert_eq!(run(Trainer::new(9, 16, Key::new(4)), &[nan, 0.1, 0.2, 0.2, 0.1]), (5, Some(0.2)));
    assert_eq!(run(Trainer::new(9, 16, Key::new(4)).minimise(), &[0.5, 0.4, 0.4, 0.6]), (4, Some(0.4)));
}

#[test]
fn early_stop_gives_the_best_network_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.safetensors");
    let mut after_two = net();
    scored(&mut Trainer::new(2, 16, Key::new(4)), &mut after_two, &[0.5, 0.9]);
    let scores = [0.5, 0.9, 0.9, f64::NAN];
    for best in [None, Some(&path)] {
        let mut trainer = Trainer::new(9, 16, Key::new(4)).with_patience(2);
        if let Some(path) = best {
            trainer = trainer.with_best(path);
        }
        let mut net = net();
        assert_eq!(scored(&mut trainer, &mut net, &scores).len(), 4);
        assert_eq!(net.state_dict(), after_two.state_dict());
    }
    let checkpoint = Checkpoint::load(&path).unwrap();
    assert_eq!((checkpoint.training().epoch, checkpoint.training().best), (2, Some(0.9)));
    // A training that patience does not end keeps its last network; the file has the best.
    let mut last = net();
    scored(&mut Trainer::new(4, 16, Key::new(4)).with_best(&path), &mut last, &scores);
    assert_ne!(last.state_dict(), after_two.state_dict());
    Checkpoint::load(&path).unwrap().restore(&mut last, None, Tiles::FromFile).unwrap();
    assert_eq!(last.state_dict(), after_two.state_dict());
}

#[test]
fn patience_and_the_best_outlive_a_process() {
    let folder = tempfile::tempdir().unwrap();
    let (path, best) = (folder.path().join("run.safetensors"), folder.path().join("best.safetensors"));
    let go_on = |epochs: usize, scores: &[f64]| {
        let (mut net, mut adam) = (net(), Adam::new(0.01));
        let mut trainer = Trainer::new(epochs, 16, Key::new(4)).with_patience(2).minimise();
        trainer = trainer.with_checkpoints(&path, 100).with_best(&best);
        if path.exists() {
            trainer =
                Trainer::new(epochs, 16, Key::new(4)).with_patience(2).with_checkpoints(&path, 100).with_best(&best);
            trainer.resume(&path, &mut net, &mut adam).unwrap();
        }
        let mut next = scores.iter();
        let score = |_: &Sequential, _| *next.next().unwrap();
        let epochs = trainer.fit(&mut net, &mut adam, &data(70), |y, labels| y.cross_entropy(labels), score, |_| ());
        (epochs.unwrap().iter().map(|e| e.score).collect::<Vec<_>>(), net.state_dict())
    };
    let (scores, _) = go_on(3, &[-0.5, -0.9, -0.8]);
    assert_eq!(scores, [-0.5, -0.9, -0.8]);
    // The best epoch was before the stop; the checkpoint records that smaller scores are better.
    let (scores, stopped) = go_on(9, &[-0.85, -0.99]);
    assert_eq!(scores, [-0.85]);
    let mut network = net();
    Checkpoint::load(&best).unwrap().restore(&mut network, None, Tiles::FromFile).unwrap();
    assert_eq!(network.state_dict(), stopped);
    let (scores, again) = go_on(9, &[-0.99]);
    assert!(scores.is_empty() && again == stopped);
}

#[test]
fn metrics_have_all_that_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, lines) = (folder.path().join("m.csv"), folder.path().join("m.jsonl"));
    let data = data(70);
    let run = |epochs| {
        let mut trainer = Trainer::new(epochs, 16, Key::new(4)).with_metrics(&csv).with_metrics(&lines);
        let mut seen = vec![];
        let evaluate = |_: &Sequential, _| Evaluation::from(f64::NAN).with("test, loss", 0.25);
        trainer
            .fit(
                &mut net(),
                &mut Sgd::new(0.5),
                &data,
                |y, labels| y.cross_entropy(labels),
                evaluate,
                |e| {
                    seen.push(e.clone());
                },
            )
            .unwrap();
        seen
    };
    let epochs = run(2);
    let text = fs::read_to_string(&csv).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert!(text.starts_with("epoch,step,loss,score,lr,seconds,\"test, loss\"\n1,5,"), "{text}");
    assert_eq!((rows[2][1], rows[2][3], rows[2][4], rows[2][6]), ("10", "NaN", "0.5", "0.25"));
    assert!(rows[1][5].parse::<f64>().unwrap() > 0.0);
    let json: Vec<serde_json::Value> =
        fs::read_to_string(&lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((json[1]["epoch"].as_u64(), json[1]["test, loss"].as_f64()), (Some(2), Some(0.25)));
    assert_eq!(json[0]["loss"].as_f64().unwrap() as f32, epochs[0].loss);
    // Another training writes another file, and the first file is kept.
    run(1);
    assert_eq!(numbers(&csv), ["epoch", "1"]);
    assert_eq!(fs::read_to_string(folder.path().join("m.1.csv")).unwrap(), text);
    assert_eq!(fs::read_to_string(&lines).unwrap().lines().count(), 1);
}

#[test]
fn a_broken_line_is_mended_and_other_columns_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, csv) = (folder.path().join("run.safetensors"), folder.path().join("m.csv"));
    killed_after(12, &path, Some(&csv));
    fs::write(&csv, fs::read_to_string(&csv).unwrap() + "3,15,0.4").unwrap();
    let resumed = |metric: Option<&str>| {
        let (mut net, mut adam) = (net(), Adam::new(0.0));
        let mut trainer = trainer().with_metrics(&csv);
        trainer.resume(&path, &mut net, &mut adam).unwrap();
        let evaluate = |_: &Sequential, _| match metric {
            Some(name) => Evaluation::from(0.5).with(name, 1.0),
            None => 0.5.into(),
        };
        trainer.fit(&mut net, &mut adam, &data(70), |y, labels| y.cross_entropy(labels), evaluate, |_| ())
    };
    let error = resumed(Some("f1")).unwrap_err();
    assert!(error.to_string().ends_with("m.csv: metrics cannot be written there"), "{error}");
    let error = std::error::Error::source(&error).expect("a cause").to_string();
    let both = "has the columns epoch,step,loss,score,lr,seconds, this epoch has epoch,step,loss,score,lr,seconds,f1";
    assert_eq!(error, both);
    assert_eq!(numbers(&csv), ["epoch", "1", "2"]);
    resumed(None).unwrap();
    assert_eq!(numbers(&csv), ["epoch", "1", "2", "3"]);
}

/// Sequences with time first are taken along the second axis; another layout is refused.
#[test]
fn layouts_are_told_apart() {
    let net = |batch_first| {
        let options = RecurrentOptions { batch_first, ..Default::default() };
        Sequential::new().lstm(3, 4, options).linear(4, 2).init(Key::new(1))
    };
    let x = Tensor::normal(&[10, 10, 3], Key::new(2));
    let y = Tensor::normal(&[10, 10, 2], Key::new(3));
    let fit = |mut net: Sequential, time_first: bool| {
        let mut trainer = Trainer::new(2, 4, Key::new(4));
        let mut sgd = Sgd::new(0.1);
        let epochs = match time_first {
            true => {
                let data = Dataset::time_first(x.clone(), TimeFirst(y.clone()));
                trainer.fit(&mut net, &mut sgd, &data, |z, y| z.mse(z.tape().constant(y.0.clone())), |_, _| 0.0, |_| ())
            }
            false => {
                let data = Dataset::new(x.clone(), y.clone());
                trainer.fit(&mut net, &mut sgd, &data, |z, y| z.mse(z.tape().constant(y.clone())), |_, _| 0.0, |_| ())
            }
        };
        epochs.map(|_| net.state_dict()).map_err(|error| error.to_string())
    };
    let error = fit(net(false), false).unwrap_err();
    assert!(error.starts_with("the network takes its batch along axis 1 of an input, the data set has its"), "{error}");
    let error = fit(net(true), true).unwrap_err();
    assert!(error.starts_with("the network takes its batch along axis 0 of an input, the data set has its"), "{error}");
    let by_time = fit(net(false), true).unwrap();
    let swapped = |x: &Tensor| x.transpose(0, 1).contiguous();
    let by_batch = {
        let (mut net, mut sgd) = (net(true), Sgd::new(0.1));
        let data = Dataset::new(swapped(&x), swapped(&y));
        let mut trainer = Trainer::new(2, 4, Key::new(4));
        trainer.fit(&mut net, &mut sgd, &data, |z, y| z.mse(z.tape().constant(y.clone())), |_, _| 0.0, |_| ()).unwrap();
        net.state_dict()
    };
    for ((name, a), (_, b)) in by_time.iter().zip(&by_batch) {
        assert!((a - b).abs().max() < 1e-5, "{name}");
    }
}
