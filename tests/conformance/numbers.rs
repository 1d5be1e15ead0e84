//! Numbers in nested JSON lists.

use ohmgrad::tensor::Tensor;
use serde::Deserialize;
use serde_json::Value;

/// An array of any rank, 0 for a single number.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Numbers {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Numbers {
    /// Rounded to `f32`.
    pub fn tensor(&self) -> Tensor {
        Tensor::from_vec(self.values.iter().map(|&v| v as f32).collect(), &self.shape)
    }

    /// The numbers of one row of the first axis.
    pub fn row(&self, i: usize) -> &[f64] {
        let width = self.shape[1..].iter().product::<usize>();
        &self.values[i * width..(i + 1) * width]
    }

    /// The place of the i-th number, as `[1, 2]`; empty for a single number.
    pub fn place(&self, mut i: usize) -> String {
        let mut indices = vec![0; self.shape.len()];
        for (index, size) in indices.iter_mut().zip(&self.shape).rev() {
            (*index, i) = (i % size, i / size);
        }
        if indices.is_empty() { String::new() } else { format!("{indices:?}") }
    }

    /// The same numbers if they have this shape.
    pub fn of_shape(&self, what: &str, shape: &[usize]) -> Result<&[f64], String> {
        match self.shape == shape {
            true => Ok(&self.values),
            false => Err(format!("{what}: shape {shape:?}, expected {:?}", self.shape)),
        }
    }
}

/// The largest magnitude.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |top, v| top.max(v.abs()))
}

impl TryFrom<Value> for Numbers {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let Value::Array(rows) = value else {
            let number = value.as_f64().ok_or_else(|| format!("{value} is not a number"))?;
            return Ok(Self { shape: vec![], values: vec![number] });
        };
        let count = rows.len();
        let rows = rows.into_iter().map(Self::try_from).collect::<Result<Vec<_>, _>>()?;
        let inner = rows.first().map_or(vec![], |row| row.shape.clone());
        if rows.iter().any(|row| row.shape != inner) {
            return Err("the rows of a list differ in length".into());
        }
        let shape = [vec![count], inner].concat();
        Ok(Self { shape, values: rows.into_iter().flat_map(|row| row.values).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_become_arrays() {
        let numbers = Numbers::try_from(json!([[1, 2.5, 3], [4, 5, -6e3]])).unwrap();
        assert_eq!((numbers.shape.as_slice(), largest(&numbers.values)), ([2, 3].as_slice(), 6000.0));
        assert_eq!(numbers.row(1), [4.0, 5.0, -6000.0]);
        assert_eq!((numbers.place(1), numbers.place(5)), ("[0, 1]".into(), "[1, 2]".into()));
        assert_eq!(Numbers::try_from(json!(7)).unwrap().place(0), "");
        assert!(Numbers::try_from(json!([[1, 2], [3]])).is_err());
        assert!(Numbers::try_from(json!([null])).is_err());
    }
}
