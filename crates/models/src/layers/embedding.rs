//! Vectors for words, or for anything else that is numbered.

use ohmgrad_autograd::{Param, Tape, Var};
use ohmgrad_tensor::{Key, Tensor};

use crate::module::Module;
use crate::visit::Visit;

/// A table of vectors, looked up by row. It is always digital, because a look-up is not a product.
#[derive(Clone, Debug, Visit)]
pub struct Embedding {
    /// The table [count, width].
    pub weight: Param,
    /// A row that gets no gradient, for filling up short sequences.
    #[visit(skip)]
    pub padding: Option<usize>,
}

impl Embedding {
    /// A table of `count` rows of `width`, drawn from the standard normal distribution as in PyTorch.
    pub fn new(count: usize, width: usize, key: Key) -> Self {
        Self::from_weight(Tensor::normal(&[count, width], key.fold("weight")))
    }

    /// A given table [count, width].
    pub fn from_weight(weight: Tensor) -> Self {
        Self { weight: Param::new(weight), padding: None }
    }

    /// The same table with zeros in row `padding`, which training does not change.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn with_padding(mut self, padding: usize) -> Self {
        let shape = self.weight.value.shape().to_vec();
        assert!(padding < shape[0], "embedding: no row {padding} in a table of {shape:?}");
        self.weight.value.make_mut()[padding * shape[1]..(padding + 1) * shape[1]].fill(0.0);
        self.padding = Some(padding);
        self
    }

    /// The vectors of the given rows: [rows, width].
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn look_up<'t>(&self, tape: &'t Tape, rows: &[usize]) -> Var<'t> {
        tape.param(&self.weight).embedding(rows, self.padding)
    }
}

impl Module for Embedding {
    /// The vectors of an input of row numbers (as floats), along a new last axis.
    ///
    /// # Panics
    /// If an element is not a row's number.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let numbers = x.value();
        if let Some(number) = numbers.iter().find(|&&number| number as usize as f32 != number) {
            panic!("embedding: {number} is not a row number");
        }
        let rows: Vec<usize> = numbers.iter().map(|&number| number as usize).collect();
        let mut shape = x.shape();
        shape.push(self.weight.value.shape()[1]);
        self.look_up(x.tape(), &rows).reshape(&shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_vectors() {
        let table = Embedding::new(5, 3, Key::new(1)).with_padding(2);
        let tape = Tape::eval(Key::new(0));
        let y = table.forward(tape.constant(Tensor::from([[4.0, 2.0]])));
        assert_eq!(y.shape().as_slice(), [1, 2, 3]);
        assert_eq!(y.value().row(0).row(0), table.weight.value.row(4));
        assert_eq!(y.value().row(0).row(1).to_vec(), [0.0; 3]);
    }

    #[test]
    #[should_panic(expected = "embedding: 1.5 is not a row number")]
    fn fractions_are_no_rows() {
        Embedding::new(5, 3, Key::new(1)).forward(Tape::eval(Key::new(0)).constant(Tensor::from([1.5])));
    }
}
