//! MNIST as data sets.

use std::path::Path;

use ohmgrad_tensor::Tensor;

use super::{DataError, Dataset, Digits, RawMnist};

/// Handwritten digits (LeCun, Cortes & Burges) with pixels normalised as `(pixel/255 − 0.1307)/0.3081`.
///
/// ```
/// use ohmgrad_models::data::Mnist;
///
/// let mnist = Mnist::embedded();
/// assert_eq!(mnist.train.x.shape(), [10_000, 784]);
/// assert_eq!(mnist.test.len(), 10_000);
/// ```
#[derive(Clone, Debug)]
pub struct Mnist {
    /// Digits for training; rows are flattened images.
    pub train: Dataset<Vec<usize>>,
    /// Digits for testing.
    pub test: Dataset<Vec<usize>>,
    /// Rows and columns of an image.
    pub size: [usize; 2],
}

impl Mnist {
    /// The digits that ship with this crate: 10,000 for training, 1000 of each class, and the whole test set.
    pub fn embedded() -> Self {
        RawMnist::embedded().into()
    }

    /// Digits from the four IDX files of a directory, plain or gzipped. No checksums, so that other data sets in this
    /// format work too.
    ///
    /// # Errors
    /// If a file is missing or not as it should be.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, DataError> {
        RawMnist::from_dir(dir).map(Self::from)
    }

    /// The full data set from its public mirrors, kept in the user's cache directory, with checksums. With the
    /// feature `download`.
    ///
    /// # Errors
    /// If no mirror gives the files, or they can't be kept.
    #[cfg(feature = "download")]
    pub fn download() -> Result<Self, DataError> {
        RawMnist::download(RawMnist::default_cache_dir()).map(Self::from)
    }
}

impl From<RawMnist> for Mnist {
    fn from(raw: RawMnist) -> Self {
        let size = [raw.train.rows, raw.train.cols];
        Self { train: dataset(&raw.train), test: dataset(&raw.test), size }
    }
}

fn dataset(digits: &Digits) -> Dataset<Vec<usize>> {
    let pixels = digits.images.iter().map(|&p| (f32::from(p) / 255.0 - 0.1307) / 0.3081).collect();
    let x = Tensor::from_vec(pixels, &[digits.len(), digits.rows * digits.cols]);
    Dataset::new(x, digits.labels.iter().map(|&label| usize::from(label)).collect())
}
