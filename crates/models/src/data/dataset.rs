//! Rows with targets, and batches of them.

use ohmgrad_tensor::{Array, Key, Tensor, random};

/// Targets of a data set, one per row: class labels (`Vec<usize>`), rows of numbers ([`Tensor`]), or sequences of
/// labels (`Array<usize>` [row, time]).
pub trait Targets: Clone {
    /// The number of targets.
    fn count(&self) -> usize;

    /// The targets of the given rows, in that order.
    fn select(&self, rows: &[usize]) -> Self;
}

impl Targets for Vec<usize> {
    fn count(&self) -> usize {
        self.len()
    }

    fn select(&self, rows: &[usize]) -> Self {
        rows.iter().map(|&row| self[row]).collect()
    }
}

impl<T: Clone + Send + Sync> Targets for Array<T> {
    fn count(&self) -> usize {
        self.shape().first().copied().unwrap_or(0)
    }

    fn select(&self, rows: &[usize]) -> Self {
        self.take_rows(rows)
    }
}

/// Targets [time, sample, …] for the outputs of a network on sequences [time, sample, …].
#[derive(Clone, Debug, PartialEq)]
pub struct TimeFirst(
    /// The targets.
    pub Tensor,
);

impl Targets for TimeFirst {
    fn count(&self) -> usize {
        self.0.shape().get(1).copied().unwrap_or(0)
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self(take_samples(&self.0, 1, rows))
    }
}

/// The samples of the given numbers along the first or second axis.
fn take_samples(x: &Tensor, axis: usize, rows: &[usize]) -> Tensor {
    if axis == 0 {
        return x.take_rows(rows);
    }
    let times = x.shape()[0];
    let mut shape = x.shape().to_vec();
    shape[1] = rows.len();
    let at = |t: usize| x.slice(0, t..t + 1).squeeze(0).take_rows(rows);
    if times == 0 { Tensor::full(&shape, 0.0) } else { Array::stack(&(0..times).map(at).collect::<Vec<_>>(), 0) }
}

/// Inputs with their targets. Samples lie along the first axis, or for sequences along the second:
/// [`time_first`](Self::time_first).
///
/// ```
/// use ohmgrad_models::data::Dataset;
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let data = Dataset::new(Tensor::normal(&[100, 6], Key::new(1)), vec![0; 100]);
/// let sizes: Vec<_> = data.batches(32, Key::new(2)).map(|batch| batch.y.len()).collect();
/// assert_eq!(sizes, [32, 32, 32, 4]);
/// ```
///
/// Labels for each time step are a row of labels per sample, and a loss takes all as one list:
///
/// ```
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_models::data::Dataset;
/// use ohmgrad_tensor::{Array, Key, Tensor};
///
/// let data = Dataset::new(Tensor::normal(&[100, 20, 3], Key::new(1)), Array::full(&[100, 20], 2_usize));
/// for batch in data.batches(32, Key::new(2)) {
///     let tape = Tape::train(Key::new(3));
///     let scores = tape.constant(batch.x); // of a network: [batch, time, classes]
///     let loss = scores.reshape(&[-1, 3]).cross_entropy(&batch.y.to_vec());
/// #   assert!(loss.item() > 0.0);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Dataset<Y> {
    /// The inputs.
    pub x: Tensor,
    /// Their targets.
    pub y: Y,
    /// The axis of the inputs that counts samples.
    axis: usize,
}

/// Some rows of a [`Dataset`].
#[derive(Clone, Debug)]
pub struct Batch<Y> {
    /// The inputs.
    pub x: Tensor,
    /// Their targets.
    pub y: Y,
}

impl<Y: Targets> Dataset<Y> {
    /// A data set of inputs and targets.
    ///
    /// # Panics
    /// If there is not one target per row.
    #[track_caller]
    pub fn new(x: Tensor, y: Y) -> Self {
        let rows = Targets::count(&x);
        assert!(rows == y.count(), "data set: {rows} rows and {} targets", y.count());
        Self { x: x.contiguous(), y, axis: 0 }
    }

    /// A data set of sequences [time, sample, …], as recurrent layers take them unless they are `batch_first`, and a
    /// target for each: a label, a row of numbers, or a sequence of them ([`TimeFirst`]).
    ///
    /// ```
    /// use ohmgrad_models::data::{Dataset, TimeFirst};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let x = Tensor::normal(&[20, 100, 3], Key::new(1));
    /// let labels = Dataset::time_first(x.clone(), vec![0; 100]);
    /// assert_eq!(labels.in_order(32).next().unwrap().x.shape(), [20, 32, 3]);
    /// let next = Dataset::time_first(x.slice(0, 0..19), TimeFirst(x.slice(0, 1..20)));
    /// assert_eq!(next.in_order(32).next().unwrap().y.0.shape(), [19, 32, 3]);
    /// ```
    ///
    /// # Panics
    /// If there is no second axis, or not one target per sequence.
    #[track_caller]
    pub fn time_first(x: Tensor, y: Y) -> Self {
        let shape = x.shape();
        assert!(shape.len() >= 2, "data set: sequences of shape {shape:?} are not [time, sample, …]");
        assert!(shape[1] == y.count(), "data set: {} sequences and {} targets", shape[1], y.count());
        Self { x: x.contiguous(), y, axis: 1 }
    }

    /// The axis of the inputs that counts samples: 1 for [`time_first`](Self::time_first), else 0.
    pub fn batch_axis(&self) -> usize {
        self.axis
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.y.count()
    }

    /// Returns `true` if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The given rows, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { x: take_samples(&self.x, self.axis, rows), y: self.y.select(rows), axis: self.axis }
    }

    /// The first `n` rows, or all if there are fewer.
    pub fn take(&self, n: usize) -> Self {
        self.select(&(0..n.min(self.len())).collect::<Vec<_>>())
    }

    /// Batches of `size` rows in an order drawn from `key`; the last one may be smaller. Each row comes once.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn batches(&self, size: usize, key: Key) -> Batches<'_, Y> {
        Batches::new(self, size, random::permutation(self.len(), key))
    }

    /// Batches of `size` rows in order; the last one may be smaller.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn in_order(&self, size: usize) -> Batches<'_, Y> {
        Batches::new(self, size, (0..self.len()).collect())
    }
}

/// The batches of one epoch; see [`Dataset::batches`].
#[derive(Clone, Debug)]
pub struct Batches<'a, Y> {
    data: &'a Dataset<Y>,
    order: Vec<usize>,
    size: usize,
    start: usize,
}

impl<'a, Y> Batches<'a, Y> {
    fn new(data: &'a Dataset<Y>, size: usize, order: Vec<usize>) -> Self {
        assert!(size > 0, "batches: a batch of 0 rows");
        Self { data, order, size, start: 0 }
    }
}

impl<Y: Targets> Iterator for Batches<'_, Y> {
    type Item = Batch<Y>;

    fn next(&mut self) -> Option<Batch<Y>> {
        let end = self.order.len().min(self.start + self.size);
        let rows = &self.order[std::mem::replace(&mut self.start, end)..end];
        (!rows.is_empty()).then(|| {
            let Dataset { x, y, axis } = self.data;
            Batch { x: take_samples(x, *axis, rows), y: y.select(rows) }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.order.len() - self.start).div_ceil(self.size);
        (left, Some(left))
    }
}

impl<Y: Targets> ExactSizeIterator for Batches<'_, Y> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_row_once_with_its_target() {
        let x = Tensor::from_fn(&[10, 1], |i| i[0] as f32);
        let data = Dataset::new(x, (0..10).collect::<Vec<_>>());
        let mut seen = vec![];
        for batch in data.batches(3, Key::new(5)) {
            assert!(batch.x.iter().zip(&batch.y).all(|(&x, &y)| x as usize == y));
            seen.extend(batch.y);
        }
        assert_ne!(seen, data.y);
        seen.sort();
        assert_eq!(seen, data.y);
        assert_eq!(data.in_order(4).len(), 3);
    }
}
