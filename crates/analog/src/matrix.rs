//! A matrix on tiles as a linear operator, for linear algebra rather than networks.

use ohmgrad_tensor::{Key, Tensor, product};

use crate::{Error, InferenceRpuConfig, TileArray};

/// A matrix `[out, in]` on analog tiles, with its products and its rank-one update (aihwkit `linalg.AnalogMatrix`).
///
/// Every product takes the key that its noise is drawn from. Products with equal keys have equal noise, so give each a
/// different key. There is no hidden state: running means start anew with each product.
///
/// ```
/// use ohmgrad_analog::{AnalogMatrix, InferenceRpuConfig};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let a = Tensor::from([[2.0, 0.0, 1.0], [0.0, -1.0, 0.5]]);
/// let matrix = AnalogMatrix::new(a, &InferenceRpuConfig::default(), Key::new(1))?;
/// let y = matrix.matvec(&Tensor::from([1.0, 2.0, 3.0]), Key::new(2));
/// let exact = Tensor::from([5.0, -0.5]);
/// assert!((&y - &exact).abs().max() < 1.0, "noise of 0.06 in units of the largest input, and 126 steps");
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "LinearOperator")]
pub struct AnalogMatrix {
    tiles: TileArray,
}

impl AnalogMatrix {
    /// Puts a matrix `[out, in]` on tiles, cut and scaled as the configuration's mapping says. Fixed variations of the
    /// hardware are drawn from `key`.
    ///
    /// [`matvec`](Self::matvec) is the read of an evaluation, [`matvec_transposed`](Self::matvec_transposed) that of a
    /// layer's input gradient. With the default configuration the transposed product is therefore exact; set
    /// `backward: BackwardIoParameters::from(forward)` to read the same hardware both ways. The configuration's weight
    /// modifier is not used.
    ///
    /// # Errors
    /// If the configuration is not valid.
    ///
    /// # Panics
    /// If `matrix` does not have two axes.
    pub fn new(matrix: Tensor, config: &InferenceRpuConfig, key: Key) -> Result<Self, Error> {
        assert!(matrix.rank() == 2, "analog matrix: {:?} is not a matrix", matrix.shape());
        let config = InferenceRpuConfig { modifier: Default::default(), ..config.clone() };
        Ok(Self { tiles: TileArray::new(matrix, 1, None, &config, "matrix", key)? })
    }

    /// Rows and columns: `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        let shape = self.tiles.weight.value.shape();
        [shape[0], shape[1]]
    }

    /// The tiles that hold it.
    pub fn tiles(&self) -> &TileArray {
        &self.tiles
    }

    /// The product `A·x`: a vector `[in]` gives `[out]` by one analog read, a batch `[n, in]` gives `[n, out]` by one
    /// read each.
    ///
    /// # Panics
    /// If `x` does not fit.
    pub fn matvec(&self, x: &Tensor, key: Key) -> Tensor {
        vectors("A·x", self.shape(), x, 1, |x| self.tiles.read(&x, None, key))
    }

    /// The product `Aᵀ·d` by one transposed read under the backward parameters: a vector `[out]` gives `[in]`, a batch
    /// `[n, out]` gives `[n, in]`.
    ///
    /// # Panics
    /// If `d` does not fit.
    pub fn matvec_transposed(&self, d: &Tensor, key: Key) -> Tensor {
        vectors("Aᵀ·d", self.shape(), d, 0, |d| self.tiles.read_transposed(&d, None, key))
    }

    /// Adds `α·d·xᵀ` to the logical matrix, exactly: for vectors `[out]` and `[in]`, or summed over batches `[n, out]`
    /// and `[n, in]`. Mapping scales stay, as they do in training.
    ///
    /// # Panics
    /// If the vectors do not fit.
    #[doc(alias = "ger")]
    pub fn update(&mut self, d: &Tensor, x: &Tensor, alpha: f32) {
        let [outs, ins] = self.shape();
        let (rows_d, rows_x) = (as_rows(d), as_rows(x));
        assert!(
            rows_d.rank() == 2
                && rows_x.rank() == 2
                && rows_d.shape() == [rows_x.shape()[0], outs]
                && rows_x.shape()[1] == ins,
            "analog matrix: update of [{outs}, {ins}] by {:?} and {:?}",
            d.shape(),
            x.shape()
        );
        self.tiles.weight.value += product::linear_weight_gradient(&rows_d, &rows_x) * alpha;
    }

    /// The exact matrix, without a read.
    pub fn to_digital(&self) -> Tensor {
        self.tiles.effective_weights(None).0
    }
}

/// Applies a product of rows to a vector or a batch; `side` is the axis of the matrix that they must fit.
fn vectors(what: &str, matrix: [usize; 2], x: &Tensor, side: usize, product: impl FnOnce(Tensor) -> Tensor) -> Tensor {
    let rows = as_rows(x);
    assert!(
        rows.rank() == 2 && rows.shape()[1] == matrix[side],
        "analog matrix: {what} of {matrix:?} with a vector of {:?}",
        x.shape()
    );
    let y = product(rows);
    if x.rank() == 1 { y.squeeze(0) } else { y }
}

fn as_rows(x: &Tensor) -> Tensor {
    if x.rank() == 1 { x.unsqueeze(0) } else { x.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BackwardIoParameters, IoParameters, MappingParameter};

    fn perfect() -> InferenceRpuConfig {
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        let mapping =
            MappingParameter { max_input_size: 3, max_output_size: 2, weight_scaling_omega: 1.0, ..Default::default() };
        InferenceRpuConfig { forward, mapping, ..Default::default() }
    }

    #[test]
    fn perfect_products_are_those_of_the_matrix() {
        let (a, key) = (Tensor::normal(&[5, 7], Key::new(1)), Key::new(2));
        let matrix = AnalogMatrix::new(a.clone(), &perfect(), key).unwrap();
        assert_eq!(matrix.shape(), [5, 7]);
        assert!(matrix.tiles().tiles().len() > 1);
        let (x, d) = (Tensor::normal(&[7], Key::new(3)), Tensor::normal(&[4, 5], Key::new(4)));
        assert_eq!(matrix.matvec(&x, key), product::linear(&x.unsqueeze(0), &a).squeeze(0));
        assert_eq!(matrix.matvec_transposed(&d, key), product::linear_input_gradient(&d, &a));
        assert_eq!(matrix.to_digital(), a);
    }

    #[test]
    fn noise_follows_the_key_in_both_directions() {
        let forward = IoParameters::default();
        let config =
            InferenceRpuConfig { forward, backward: BackwardIoParameters::from(forward), ..Default::default() };
        let matrix = AnalogMatrix::new(Tensor::normal(&[6, 6], Key::new(1)), &config, Key::new(2)).unwrap();
        let x = Tensor::normal(&[6], Key::new(3));
        let both = |key| [matrix.matvec(&x, Key::new(key)), matrix.matvec_transposed(&x, Key::new(key))];
        assert_eq!(both(4), both(4));
        let ([y, z], [other_y, other_z]) = (both(4), both(5));
        assert!(y != other_y && z != other_z);
        let exact = product::linear_input_gradient(&x.unsqueeze(0), &matrix.to_digital()).squeeze(0);
        assert!(z != exact && (&z - &exact).abs().max() < 1.0);
    }

    #[test]
    fn updates_add_outer_products() {
        let mut matrix = AnalogMatrix::new(Tensor::full(&[2, 3], 1.0), &perfect(), Key::new(0)).unwrap();
        matrix.update(&Tensor::from([1.0, -1.0]), &Tensor::from([0.0, 1.0, 2.0]), 0.5);
        assert_eq!(matrix.to_digital(), Tensor::from([[1.0, 1.5, 2.0], [1.0, 0.5, 0.0]]));
        matrix.update(&Tensor::from([[1.0, 0.0], [1.0, 0.0]]), &Tensor::full(&[2, 3], 1.0), -1.0);
        assert_eq!(matrix.to_digital().row(0).to_vec(), [-1.0, -0.5, 0.0]);
    }

    #[test]
    #[should_panic(expected = "analog matrix: A·x of [2, 3] with a vector of [2]")]
    fn vectors_must_fit() {
        let matrix = AnalogMatrix::new(Tensor::full(&[2, 3], 1.0), &perfect(), Key::new(0)).unwrap();
        matrix.matvec(&Tensor::from([1.0, 2.0]), Key::new(1));
    }
}
