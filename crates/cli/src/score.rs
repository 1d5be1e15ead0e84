//! The score of a network on data: accuracy, or the error of a regression.

use std::collections::BTreeMap;
use std::sync::Mutex;

use ohmgrad::autograd::Var;
use ohmgrad::models::{AtTime, predict_rows};
use ohmgrad::prelude::*;

use crate::data::Goal;
use crate::failure::Outcome;
use crate::ranks::{Ranks, part};
use crate::recipe::{DataRecipe, Source};

/// Loss and score of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The mean loss: cross-entropy, or the mean squared error.
    pub loss: f64,
    /// The accuracy, 0…1, or the root of the mean squared error.
    pub value: f64,
}

/// Quantities that a score measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The share of rows whose class is right.
    Accuracy,
    /// The root of the mean squared error, in units of the targets.
    Rmse,
}

impl Metric {
    /// The metric for the data of a recipe.
    pub fn of(recipe: &DataRecipe) -> Self {
        match &recipe.source {
            Source::Arm(_) => Self::Rmse,
            Source::Csv(_, columns) | Source::Npz(_, columns) | Source::Npy(columns) if columns.label.is_none() => {
                Self::Rmse
            }
            _ => Self::Accuracy,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Rmse => "rmse",
        }
    }

    /// The words for a column of tables.
    pub fn title(self) -> &'static str {
        match self {
            Self::Accuracy => "test accuracy",
            Self::Rmse => "test RMSE",
        }
    }

    /// A value as people read it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Accuracy => format!("{:.2} %", 100.0 * value),
            Self::Rmse => format!("{value:.5}"),
        }
    }

    /// The mean of differences with its interval, `-0.35 ± 0.04 %`.
    pub fn difference_interval(self, differences: &[f64]) -> String {
        let (mean, half) = mean_and_half(differences);
        match (self, half.is_finite()) {
            (Self::Accuracy, true) => format!("{:+.2} ± {:.2} %", 100.0 * mean, 100.0 * half),
            (Self::Accuracy, false) => format!("{:+.2} %", 100.0 * mean),
            (Self::Rmse, true) => format!("{mean:+.5} ± {half:.5}"),
            (Self::Rmse, false) => format!("{mean:+.5}"),
        }
    }

    /// Mean and interval, `96.20 ± 0.12 %`.
    pub fn interval(self, values: &[f64]) -> String {
        let (mean, half) = mean_and_half(values);
        match (self, half.is_finite()) {
            (_, false) => self.show(mean),
            (Self::Accuracy, true) => format!("{:.2} ± {:.2} %", 100.0 * mean, 100.0 * half),
            (Self::Rmse, true) => format!("{mean:.5} ± {half:.5}"),
        }
    }
}

/// The mean, and half the width of its 95 % interval by Student's t; infinite for one value.
pub fn mean_and_half(values: &[f64]) -> (f64, f64) {
    let sample = AtTime { t: 0.0, chips: values.to_vec() };
    (sample.mean(), sample.confidence())
}

/// The standard deviation over n − 1.
pub fn spread(values: &[f64]) -> f64 {
    AtTime { t: 0.0, chips: values.to_vec() }.std()
}

/// The loss that a training minimises.
pub fn loss<'t>(y: Var<'t>, goal: &Goal) -> Var<'t> {
    match goal {
        Goal::Labels(labels) => y.cross_entropy(labels),
        Goal::Numbers(rows) => y.mse(y.tape().constant(rows.clone())),
    }
}

/// Loss and score on data; reads draw from `key`, as the library's `accuracy` does.
pub fn score(net: &dyn Module, set: &Dataset<Goal>, key: Key) -> Score {
    score_of(predict(net, &set.x, key), set, key)
}

/// The [`score`] at all ranks of a team, of which each computes the outputs for its share of the rows.
pub fn shared_score(net: &dyn Module, set: &Dataset<Goal>, key: Key, team: Ranks) -> Outcome<Score> {
    let (rows, count) = (set.x.shape()[0], team.count());
    // A single row does not show that a network combines rows.
    if count == 1 || rows < 2 * count {
        return Ok(score(net, set, key));
    }
    let own = predict_rows(net, &set.x, part(rows, team.rank(), count), key);
    let parts = Mutex::new(BTreeMap::new());
    team.collect(
        |give| own.iter().try_for_each(|own| give(team.rank(), own.iter().copied().map(f64::from).collect())),
        |rank, outputs| {
            parts.lock().expect("no thread panics with the lock").insert(rank, outputs);
            Ok(())
        },
    )?;
    let [value, loss] = team.share_numbers(|| {
        let outputs: Vec<f32> =
            parts.into_inner().expect("as above").into_values().flatten().map(|v| v as f32).collect();
        let score = match own {
            Some(own) => {
                let shape = [&[rows], &own.shape()[1..]].concat();
                score_of(Tensor::from_vec(outputs, &shape), set, key)
            }
            // The network has to be computed at once.
            None => score(net, set, key),
        };
        [score.value, score.loss]
    });
    Ok(Score { value, loss })
}

fn score_of(outputs: Tensor, set: &Dataset<Goal>, key: Key) -> Score {
    let tape = Tape::eval(key);
    let loss = f64::from(loss(tape.constant(outputs.clone()), &set.y).item());
    let value = match &set.y {
        Goal::Labels(labels) => {
            let right = outputs.argmax(1).iter().zip(labels).filter(|(a, b)| a == b).count();
            right as f64 / labels.len() as f64
        }
        Goal::Numbers(_) => loss.sqrt(),
    };
    Score { loss, value }
}
