//! MNIST as bytes: a part of it inside this crate, files in a directory, or a download.
//!
//! LeCun, Cortes, Burges, *The MNIST database of handwritten digits*: 60,000 digits to train with
//! and 10,000 to test with, 28×28 pixels each, 0 for paper to 255 for ink. Fashion-MNIST and other
//! data sets with these file names and ten classes are read as well.

use std::fmt;
use std::path::{Path, PathBuf};

use ohmgrad_tensor::Tensor;

use super::{DataError, Idx};

/// The names of the files: images and labels to train with, then to test with.
pub(super) const FILES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// Images and their classes, as the files have them.
#[derive(Clone, PartialEq, Eq)]
pub struct Digits {
    /// `[n, rows, cols]` in row-major order.
    pub images: Vec<u8>,
    /// `[n]`, each 0 to 9.
    pub labels: Vec<u8>,
    /// The height of an image.
    pub rows: usize,
    /// The width of an image.
    pub cols: usize,
}

impl Digits {
    /// Reads one file of images and one of labels, plain or gzip.
    ///
    /// # Errors
    ///
    /// As [`Idx::open`]; and [`DataError::Format`] if the files do not belong together: wrong ranks, different numbers
    /// of digits, a label above 9, or no pixels.
    pub fn open(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<Self, DataError> {
        let files = [images.as_ref(), labels.as_ref()];
        Self::check(Idx::open(files[0])?, Idx::open(files[1])?, files)
    }

    /// Combines images and labels; `files` are their names in errors.
    pub(super) fn check(images: Idx, labels: Idx, files: [&Path; 2]) -> Result<Self, DataError> {
        let [n, rows, cols] = images.shape[..] else {
            let what = format!("expected images of shape [n, rows, columns], found {:?}", images.shape);
            return Err(DataError::format(files[0], what));
        };
        if images.data.is_empty() {
            let what = format!("expected at least one pixel, found images of shape {:?}", images.shape);
            return Err(DataError::format(files[0], what));
        }
        if labels.shape.len() != 1 {
            let what = format!("expected labels of shape [n], found {:?}", labels.shape);
            return Err(DataError::format(files[1], what));
        }
        if labels.data.len() != n {
            let (found, images) = (labels.data.len(), files[0].display());
            let what = format!("expected {n} labels as {images} has images, found {found}");
            return Err(DataError::format(files[1], what));
        }
        if let Some(at) = labels.data.iter().position(|&label| label > 9) {
            let what = format!("expected labels 0 to 9, found {} at {at}", labels.data[at]);
            return Err(DataError::format(files[1], what));
        }
        Ok(Digits { images: images.data, labels: labels.data, rows, cols })
    }

    /// The number of digits.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// All pixels as images [n, 1, rows, columns] of 0 (paper) to 1 (ink), as torchvision's `ToTensor` gives them.
    ///
    /// ```
    /// use ohmgrad_models::data::RawMnist;
    ///
    /// let pixels = RawMnist::embedded().test.pixels();
    /// assert_eq!((pixels.shape(), pixels.min(), pixels.max()), (&[10_000, 1, 28, 28][..], 0.0, 1.0));
    /// ```
    pub fn pixels(&self) -> Tensor {
        let pixels = self.images.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
        Tensor::from_vec(pixels, &[self.len(), 1, self.rows, self.cols])
    }

    /// The pixels of image `i`, row by row.
    ///
    /// # Panics
    ///
    /// If there are no more than `i` images.
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.rows * self.cols;
        &self.images[i * size..(i + 1) * size]
    }
}

/// Prints the shape instead of 47 million pixels.
impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = [self.len(), self.rows, self.cols];
        f.debug_struct("Digits").field("shape", &shape).finish_non_exhaustive()
    }
}

/// The two halves of the data set, as bytes: raw pixels. [`Mnist`](super::Mnist) has them as normalised data sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMnist {
    /// The digits for training.
    pub train: Digits,
    /// The digits for testing, by other writers.
    pub test: Digits,
}

impl RawMnist {
    /// The MNIST inside this crate: the first 1000 training digits of each class, in their
    /// original order, and the whole test set.
    ///
    /// ```
    /// use ohmgrad_models::data::RawMnist;
    ///
    /// let mnist = RawMnist::embedded();
    /// assert_eq!((mnist.train.len(), mnist.test.len()), (10_000, 10_000));
    /// assert_eq!(mnist.train.labels[..5], [5, 0, 4, 1, 9]);
    /// assert_eq!(mnist.test.image(0).len(), 28 * 28);
    /// ```
    pub fn embedded() -> Self {
        let digits = |[images, labels]: [&[u8]; 2]| {
            let files = ["embedded images", "embedded labels"].map(Path::new);
            Digits::check(Idx::read(images, files[0])?, Idx::read(labels, files[1])?, files)
        };
        let [train, test] = EMBEDDED.map(|half| digits(half).expect("these files are tested"));
        RawMnist { train, test }
    }

    /// Reads the four files, plain or `.gz`, from `dir` or from `MNIST/raw` below it, where
    /// torchvision puts them.
    ///
    /// There is no checksum here, so that the directory may hold Fashion-MNIST.
    ///
    /// # Errors
    ///
    /// [`DataError::Missing`] lists the names that were tried; else as [`Digits::open`], and
    /// [`DataError::Format`] if training and test images differ in size.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, DataError> {
        let [images, labels, test_images, test_labels] = find(dir.as_ref())?;
        let train = Digits::open(images, labels)?;
        let test = Digits::open(&test_images, test_labels)?;
        if (train.rows, train.cols) != (test.rows, test.cols) {
            let what = format!(
                "expected images of {}×{} as for training, found {}×{}",
                train.rows, train.cols, test.rows, test.cols
            );
            return Err(DataError::format(test_images, what));
        }
        Ok(RawMnist { train, test })
    }
}

/// Images and labels to train with, then to test with; `README.md` beside them says how they
/// were made.
const EMBEDDED: [[&[u8]; 2]; 2] = [
    [
        include_bytes!("../../data/mnist/train-images-idx3-ubyte.gz"),
        include_bytes!("../../data/mnist/train-labels-idx1-ubyte.gz"),
    ],
    [
        include_bytes!("../../data/mnist/t10k-images-idx3-ubyte.gz"),
        include_bytes!("../../data/mnist/t10k-labels-idx1-ubyte.gz"),
    ],
];

/// The paths of the four files, all from the same directory.
fn find(dir: &Path) -> Result<[PathBuf; 4], DataError> {
    let mut tried = Vec::new();
    for layout in ["", "MNIST/raw/"] {
        let found = FILES.map(|file| {
            let names = ["", ".gz"].map(|end| format!("{layout}{file}{end}"));
            let path = names.iter().map(|name| dir.join(name)).find(|path| path.is_file());
            if path.is_none() {
                tried.extend(names);
            }
            path
        });
        if let [Some(a), Some(b), Some(c), Some(d)] = found {
            return Ok([a, b, c, d]);
        }
    }
    Err(DataError::Missing { dir: dir.into(), tried })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sha2::{Digest, Sha256};

    use super::*;

    fn idx(shape: &[usize], data: &[u8]) -> Idx {
        Idx { shape: shape.to_vec(), data: data.to_vec() }
    }

    fn check(images: Idx, labels: Idx) -> Result<Digits, DataError> {
        Digits::check(images, labels, ["x", "y"].map(Path::new))
    }

    /// Two training digits and one test digit of 1×2 pixels.
    fn write(dir: &Path, end: &str) {
        fs::create_dir_all(dir).unwrap();
        let contents = [idx(&[2, 1, 2], &[1, 2, 3, 4]), idx(&[2], &[7, 9]), idx(&[1, 1, 2], &[5, 6]), idx(&[1], &[0])];
        for (file, content) in FILES.iter().zip(contents) {
            content.write(fs::File::create(dir.join(format!("{file}{end}"))).unwrap()).unwrap();
        }
    }

    #[test]
    fn embedded_classes_are_balanced() {
        let mnist = RawMnist::embedded();
        let count = |digits: &Digits| {
            let mut count = [0; 10];
            digits.labels.iter().for_each(|&label| count[usize::from(label)] += 1);
            count
        };
        assert_eq!(count(&mnist.train), [1000; 10]);
        // The published test set.
        assert_eq!(count(&mnist.test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
        for half in [mnist.train, mnist.test] {
            assert_eq!((half.rows, half.cols, half.len()), (28, 28, 10_000));
            assert_eq!(half.images.len(), 7_840_000);
        }
    }

    #[test]
    fn embedded_files_are_the_ones_described() {
        let readme = include_str!("../../data/mnist/README.md");
        for (file, bytes) in FILES.iter().zip(EMBEDDED.as_flattened()) {
            let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            let row = format!("| `{file}.gz` | {} | `{}` |", bytes.len(), sha256);
            assert!(readme.contains(&row), "no line {row}");
        }
    }

    #[test]
    fn plain_gz_and_torchvision_layouts_are_found() {
        for (below, end) in [("", ""), ("", ".gz"), ("MNIST/raw", ""), ("MNIST/raw", ".gz")] {
            let dir = tempfile::tempdir().unwrap();
            write(&dir.path().join(below), end);
            let mnist = RawMnist::from_dir(dir.path()).unwrap();
            assert_eq!(mnist.train.labels, [7, 9]);
            assert_eq!(mnist.train.image(1), [3, 4]);
            assert_eq!(mnist.test.images, [5, 6]);
            assert_eq!(format!("{:?}", mnist.test), "Digits { shape: [1, 1, 2], .. }");
        }
    }

    #[test]
    fn missing_files_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "");
        fs::remove_file(dir.path().join(FILES[3])).unwrap();
        fs::create_dir(dir.path().join(FILES[3])).unwrap();
        let error = RawMnist::from_dir(dir.path()).unwrap_err();
        let message = error.to_string();
        let DataError::Missing { tried, .. } = error else { panic!("{error:?}") };
        assert_eq!(tried[..2], ["t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte.gz"]);
        assert_eq!(tried[2], "MNIST/raw/train-images-idx3-ubyte");
        assert_eq!(tried.len(), 2 + 8);
        assert!(message.contains(": not found: t10k-labels-idx1-ubyte, t10k"), "{message}");
    }

    #[test]
    fn halves_of_two_sizes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "");
        let file = fs::File::create(dir.path().join(FILES[2])).unwrap();
        idx(&[1, 2, 1], &[5, 6]).write(file).unwrap();
        let message = RawMnist::from_dir(dir.path()).unwrap_err().to_string();
        let expected = "t10k-images-idx3-ubyte: expected images of 1×2 as for training, found 2×1";
        assert!(message.ends_with(expected), "{message}");
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let x = idx(&[2, 1, 1], &[1, 2]);
        let y = idx(&[2], &[0, 9]);
        assert_eq!(check(x.clone(), y.clone()).unwrap().len(), 2);

        let cases = [
            (&x, &idx(&[2], &[0, 10]), "y: expected labels 0 to 9, found 10 at 1"),
            (&x, &idx(&[3], &[0; 3]), "y: expected 2 labels as x has images, found 3"),
            (&x, &idx(&[2, 1], &[0; 2]), "y: expected labels of shape [n], found [2, 1]"),
            (&y, &x, "x: expected images of shape [n, rows, columns], found [2]"),
            (&idx(&[2, 0, 3], &[]), &y, "x: expected at least one pixel, found images of shape [2, 0, 3]"),
        ];
        for (images, labels, expected) in cases {
            let error = check(images.clone(), labels.clone()).unwrap_err();
            assert!(matches!(error, DataError::Format { .. }));
            assert_eq!(error.to_string(), expected);
        }
    }
}
