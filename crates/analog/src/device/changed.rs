//! The weights of an array that have changed since they were last copied, so that only these are copied again.

use std::ops::Range;

/// Some rows of an array, in some consecutive columns.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    rows: Vec<bool>,
    columns: Range<usize>,
}

impl Changed {
    /// All weights of an array [rows, columns].
    pub fn all([rows, columns]: [usize; 2]) -> Self {
        Self { rows: vec![true; rows], columns: 0..columns }
    }

    /// No weight of an array with this number of rows.
    pub fn none(rows: usize) -> Self {
        Self { rows: vec![false; rows], columns: 0..0 }
    }

    /// Adds the rows for which `is_changed` returns `true`, in the given columns.
    pub fn add(&mut self, columns: Range<usize>, is_changed: impl Fn(usize) -> bool) {
        self.rows.iter_mut().enumerate().for_each(|(row, changed)| *changed |= is_changed(row));
        self.columns = match self.columns.is_empty() {
            true => columns,
            false => self.columns.start.min(columns.start)..self.columns.end.max(columns.end),
        };
    }

    /// The numbers of the rows, and the columns.
    pub fn rows(&self) -> (impl Iterator<Item = usize>, Range<usize>) {
        (self.rows.iter().enumerate().filter(|(_, changed)| **changed).map(|(row, _)| row), self.columns.clone())
    }
}
