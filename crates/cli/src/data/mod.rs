//! The data of a recipe, read and divided.

mod csv;
mod numbers;

use ohmgrad::models::data::{RawMnist, Targets, robot_arm};
use ohmgrad::prelude::*;

use crate::failure::{Failure, Outcome};
use crate::recipe::{DataRecipe, Normalise, Source};

/// Targets that are predicted for each row.
#[derive(Clone, Debug)]
pub enum Goal {
    /// Classes.
    Labels(Vec<usize>),
    /// Rows of numbers.
    Numbers(Tensor),
}

impl Targets for Goal {
    fn count(&self) -> usize {
        match self {
            Self::Labels(labels) => labels.len(),
            Self::Numbers(rows) => Targets::count(rows),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Labels(labels) => Self::Labels(labels.select(rows)),
            Self::Numbers(numbers) => Self::Numbers(Targets::select(numbers, rows)),
        }
    }
}

/// Data that are ready for a training.
#[derive(Clone, Debug)]
pub struct Data {
    /// Rows for training.
    pub train: Dataset<Goal>,
    /// Rows for the scores of epochs, if the recipe holds some back for them.
    pub validation: Option<Dataset<Goal>>,
    /// Rows for everything that is reported.
    pub test: Dataset<Goal>,
    /// The shape of a sample.
    pub sample: Vec<usize>,
    /// Number of outputs of a network for them: of classes, or of numbers in a row of targets.
    pub outputs: usize,
}

/// The data of a source: rows for training, and rows for testing if the source divides them.
struct Read {
    train: (Tensor, Goal),
    test: Option<(Tensor, Goal)>,
}

impl Data {
    /// Reads the data of a recipe.
    pub fn read(recipe: &DataRecipe) -> Outcome<Self> {
        let read = match &recipe.source {
            Source::Mnist => images(RawMnist::embedded()),
            Source::MnistFull => full()?,
            Source::Idx(folder) => images(RawMnist::from_dir(folder)?),
            Source::Csv(path, columns) => csv::read(path, columns)?,
            Source::Npz(path, columns) => numbers::read_npz(path, columns)?,
            Source::Npy(columns) => numbers::read_npy(columns)?,
            Source::Arm(poses) => {
                let Dataset { x, y, .. } = robot_arm(*poses, Key::new(recipe.split_seed).fold("arm"));
                Read { train: (x, Goal::Numbers(y)), test: None }
            }
        };
        let key = Key::new(recipe.split_seed);
        let ((x, y), test) = match read.test {
            Some(test) => (read.train, test),
            None => divide(read.train.0, read.train.1, recipe.test, key.fold("test")),
        };
        let (mut train, mut test) = (Dataset::new(x, y), Dataset::new(test.0, test.1));
        if recipe.train_rows > 0 {
            train = train.take(recipe.train_rows);
        }
        if recipe.test_rows > 0 {
            test = test.take(recipe.test_rows);
        }
        let mut validation = None;
        if recipe.validation > 0.0 {
            let (rest, held) = divide(train.x, train.y, recipe.validation, key.fold("validation"));
            train = Dataset::new(rest.0, rest.1);
            validation = Some(Dataset::new(held.0, held.1));
        }
        if train.is_empty() || test.is_empty() {
            let (train, test) = (train.len(), test.len());
            return Err(Failure::mistake(format!(
                "data: {train} rows for training and {test} for testing: both must be at least 1; see data.test, data.validation"
            )));
        }
        let mut data =
            Self { sample: train.x.shape()[1..].to_vec(), outputs: outputs(&train, &test), train, validation, test };
        if recipe.normalise != Normalise::None {
            data.normalise(recipe.normalise == Normalise::All);
        }
        if !recipe.shape.is_empty() {
            data.reshape(&recipe.shape)?;
        }
        Ok(data)
    }

    fn sets(&mut self) -> impl Iterator<Item = &mut Dataset<Goal>> {
        [&mut self.train, &mut self.test].into_iter().chain(self.validation.as_mut())
    }

    fn normalise(&mut self, targets: bool) {
        let scale = numbers::Scale::of(&self.train.x);
        let of_targets = match &self.train.y {
            Goal::Numbers(rows) if targets => Some(numbers::Scale::of(rows)),
            _ => None,
        };
        for set in self.sets() {
            set.x = scale.apply(&set.x);
            if let (Goal::Numbers(rows), Some(scale)) = (&mut set.y, &of_targets) {
                *rows = scale.apply(rows);
            }
        }
    }

    fn reshape(&mut self, shape: &[usize]) -> Outcome<()> {
        let (now, then) = (self.sample.iter().product::<usize>(), shape.iter().product::<usize>());
        if now != then {
            return Err(Failure::mistake(format!(
                "data.shape = {shape:?}: must be of {now} numbers, as samples have the shape {:?}",
                self.sample
            )));
        }
        self.sample = shape.to_vec();
        for set in self.sets() {
            let rows = set.x.shape()[0];
            set.x = set.x.reshape(&[&[rows], shape].concat());
        }
        Ok(())
    }
}

/// The number of outputs of a network for the data.
fn outputs(train: &Dataset<Goal>, test: &Dataset<Goal>) -> usize {
    let most = |set: &Dataset<Goal>| match &set.y {
        Goal::Labels(labels) => labels.iter().max().map_or(1, |label| label + 1),
        Goal::Numbers(rows) => rows.shape()[1],
    };
    most(train).max(most(test))
}

/// Divides rows into two sets: the second is a share of them, drawn from `key`, the first the rest.
fn divide(x: Tensor, y: Goal, share: f64, key: Key) -> ((Tensor, Goal), (Tensor, Goal)) {
    let rows = y.count();
    let order = ohmgrad::tensor::random::permutation(rows, key);
    let (held, rest) = order.split_at((rows as f64 * share).round() as usize);
    let part = |rows: &[usize]| (x.take_rows(rows), y.select(rows));
    (part(rest), part(held))
}

fn images(raw: RawMnist) -> Read {
    let Mnist { train, test, .. } = raw.into();
    Read { train: (train.x, Goal::Labels(train.y)), test: Some((test.x, Goal::Labels(test.y))) }
}

#[cfg(feature = "download")]
fn full() -> Outcome<Read> {
    let Mnist { train, test, .. } = Mnist::download()?;
    Ok(Read { train: (train.x, Goal::Labels(train.y)), test: Some((test.x, Goal::Labels(test.y))) })
}

#[cfg(not(feature = "download"))]
fn full() -> Outcome<Read> {
    unreachable!("a recipe with this source is refused without the feature")
}
