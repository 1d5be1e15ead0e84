//! The look-up of rows in a table.

use ohmgrad_tensor::Scalar;

use crate::back::{Back, Op};
use crate::var::Var;

/// `y[i] = w[rows[i]]`. Gradient: `d[i]` summed into row `rows[i]`; nothing into the padding row.
struct Embedding {
    rows: Vec<usize>,
    padding: Option<usize>,
}

impl<T: Scalar> Op<T> for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        self.padding.map(|row| ("padding", row.to_string())).into_iter().collect()
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        let d = cx.grad;
        match self.padding {
            None => cx.add_into(0, |sum| sum.add_rows(&self.rows, d)),
            Some(padding) => {
                let kept: Vec<usize> = (0..self.rows.len()).filter(|&i| self.rows[i] != padding).collect();
                let rows: Vec<usize> = kept.iter().map(|&i| self.rows[i]).collect();
                cx.add_into(0, |sum| sum.add_rows(&rows, &d.take_rows(&kept)));
            }
        }
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The given rows of this table [count, …], in that order: [rows, …]. A row `padding` gets no gradient.
    ///
    /// ```
    /// # use ohmgrad_autograd::Tape;
    /// # use ohmgrad_tensor::{Key, Tensor};
    /// let tape = Tape::eval(Key::new(0));
    /// let table = tape.constant(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(table.embedding(&[1, 1, 0], None).value().to_vec(), [3.0, 4.0, 3.0, 4.0, 1.0, 2.0]);
    /// ```
    ///
    /// # Panics
    /// If there is no axis or no such row.
    #[track_caller]
    pub fn embedding(self, rows: &[usize], padding: Option<usize>) -> Self {
        let shape = self.shape();
        assert!(!shape.is_empty(), "embedding: a table without axes has no rows");
        if let Some(row) = rows.iter().find(|&&row| row >= shape[0]) {
            panic!("embedding: row {row} is not below the {} rows of a table {shape:?}", shape[0]);
        }
        let op = Embedding { rows: rows.to_vec(), padding };
        // A row of data may have any number of the indices, so a reshape may join any number of entries.
        self.tape().push(self.value().take_rows(rows), &[self], op).in_pieces(rows.len().max(1))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::array;
    use crate::{Tape, gradcheck};
    use ohmgrad_tensor::{Key, Tensor};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn embedding(
            count in 1usize..5, width in 1usize..4, rows in prop::collection::vec(0usize..9, 0..7), seed: u64, layout: u8
        ) {
            let table = array(&[count, width], Key::new(seed), layout);
            let rows: Vec<usize> = rows.iter().map(|row| row % count).collect();
            let check = gradcheck(|v| v[0].embedding(&rows, None), &[table]);
            prop_assert!(check.is_ok(), "{}", check.unwrap_err());
        }
    }

    #[test]
    fn the_padding_row_gets_no_gradient() {
        let tape = Tape::train(Key::new(0));
        let table = tape.variable(Tensor::full(&[3, 1], 1.0));
        let gradients = table.embedding(&[2, 1, 2, 0], Some(0)).sum().backward();
        assert_eq!(gradients.wrt(table).unwrap().to_vec(), [0.0, 1.0, 2.0]);
    }
}
