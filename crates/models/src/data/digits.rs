//! MNIST as data sets.

use std::path::Path;

use ohmgrad_tensor::Tensor;

use super::{DataError, Dataset, Digits, RawMnist};

/// MNIST (LeCun, Cortes & Burges) or Fashion-MNIST, **normalised and flat**: an input is a row of 784 numbers of mean 0
/// and standard deviation 1 over the training set, as in PyTorch's examples after `transforms.Normalize`. They must not
/// be normalised again.
///
/// [`images`](Self::images) gives them as [n, 1, 28, 28], [`RawMnist`] has raw pixels.
///
/// ```
/// use ohmgrad_models::data::{Mnist, RawMnist};
///
/// let mnist = Mnist::embedded();
/// assert_eq!(mnist.train.x.shape(), [10_000, 784]);
/// assert!(mnist.train.x.mean().abs() < 0.02 && (mnist.train.x.std(0) - 1.0).abs() < 0.02);
/// assert_eq!(mnist.images().test.x.shape(), [10_000, 1, 28, 28]);
/// let pixels = RawMnist::embedded().test.pixels(); // 0 … 1
/// # assert_eq!(pixels.shape(), [10_000, 1, 28, 28]);
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "FashionMNIST")]
pub struct Mnist {
    /// Inputs for training, normalised, and their classes.
    pub train: Dataset<Vec<usize>>,
    /// Inputs for testing, normalised as those for training.
    pub test: Dataset<Vec<usize>>,
    /// Rows and columns of an image.
    pub size: [usize; 2],
}

/// Mean and standard deviation of the pixels of a training set, as PyTorch's examples use them.
const DIGITS: [f32; 2] = [0.1307, 0.3081];
const FASHION: [f32; 2] = [0.286, 0.353];

impl Mnist {
    /// The digits that ship with this crate: 10,000 for training, 1000 of each class, and the whole test set;
    /// normalised as `(pixel/255 − 0.1307)/0.3081`.
    pub fn embedded() -> Self {
        RawMnist::embedded().into()
    }

    /// Digits from the four IDX files of a directory, plain or gzipped, normalised as `(pixel/255 − 0.1307)/0.3081`.
    /// There are no checksums, so that other data sets in this format work too.
    ///
    /// # Errors
    /// If a file is missing or not as it should be.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, DataError> {
        RawMnist::from_dir(dir).map(Self::from)
    }

    /// Fashion-MNIST (Xiao et al. 2017), clothes of ten classes, from its four IDX files in a directory, plain or
    /// gzipped; normalised as `(pixel/255 − 0.286)/0.353`.
    ///
    /// # Errors
    /// If a file is missing or not as it should be.
    pub fn fashion(dir: impl AsRef<Path>) -> Result<Self, DataError> {
        RawMnist::from_dir(dir).map(|raw| Self::normalised(&raw, FASHION))
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

    /// The full [Fashion-MNIST](Self::fashion) from its publisher, kept in the user's cache directory, with checksums.
    /// With the feature `download`.
    ///
    /// # Errors
    /// If the files can't be downloaded or kept.
    #[cfg(feature = "download")]
    pub fn download_fashion() -> Result<Self, DataError> {
        let raw = RawMnist::download_fashion(RawMnist::default_cache_dir().join("fashion"))?;
        Ok(Self::normalised(&raw, FASHION))
    }

    /// The same data sets with inputs as images [n, 1, rows, columns], as convolutions take them.
    pub fn images(mut self) -> Self {
        let [rows, columns] = self.size;
        for set in [&mut self.train, &mut self.test] {
            set.x = set.x.reshape(&[set.len(), 1, rows, columns]);
        }
        self
    }

    fn normalised(raw: &RawMnist, of: [f32; 2]) -> Self {
        let size = [raw.train.rows, raw.train.cols];
        Self { train: dataset(&raw.train, of), test: dataset(&raw.test, of), size }
    }
}

/// Normalised as `(pixel/255 − 0.1307)/0.3081`.
impl From<RawMnist> for Mnist {
    fn from(raw: RawMnist) -> Self {
        Self::normalised(&raw, DIGITS)
    }
}

fn dataset(digits: &Digits, [mean, std]: [f32; 2]) -> Dataset<Vec<usize>> {
    let pixels = digits.images.iter().map(|&p| (f32::from(p) / 255.0 - mean) / std).collect();
    let x = Tensor::from_vec(pixels, &[digits.len(), digits.rows * digits.cols]);
    Dataset::new(x, digits.labels.iter().map(|&label| usize::from(label)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Idx;
    use crate::data::mnist::FILES;

    #[test]
    fn fashion_is_normalised_by_its_own_statistics() {
        let dir = tempfile::tempdir().unwrap();
        for (i, name) in FILES.iter().enumerate() {
            let idx = match i % 2 {
                0 => Idx { shape: vec![1, 1, 2], data: vec![0, 255] },
                _ => Idx { shape: vec![1], data: vec![7] },
            };
            idx.write(std::fs::File::create(dir.path().join(name)).unwrap()).unwrap();
        }
        let fashion = Mnist::fashion(dir.path()).unwrap();
        assert_eq!(fashion.test.x.to_vec(), [-0.286 / 0.353, (1.0 - 0.286) / 0.353]);
        assert_eq!(Mnist::from_dir(dir.path()).unwrap().test.x.to_vec(), [-0.1307 / 0.3081, (1.0 - 0.1307) / 0.3081]);
        let images = fashion.images();
        assert_eq!((images.train.x.shape(), images.test.y), (&[1, 1, 1, 2][..], vec![7]));
    }
}
