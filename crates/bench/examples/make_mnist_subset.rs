//! Makes the MNIST that is embedded in `ohmgrad-models` from the full one:
//!
//! ```text
//! cargo run --release --example make_mnist_subset -- DIR OUT
//! ```
//!
//! reads the four IDX files in `DIR` (plain or gzip) and writes four gzip files to `OUT`: the
//! first 1000 training digits of each class, in the order of the file, and the whole test set.
//! The files contain no time, so they depend only on the digits and the compressor.

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use ohmgrad::models::data::{Digits, Idx, RawMnist};

const PER_CLASS: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [dir, out] = &arguments[..] else {
        return Err("usage: make_mnist_subset DIR OUT".into());
    };
    let mnist = RawMnist::from_dir(dir)?;
    fs::create_dir_all(out)?;
    write(out.as_ref(), "train", first_of_each_class(&mnist.train))?;
    write(out.as_ref(), "t10k", mnist.test)?;
    Ok(())
}

fn first_of_each_class(digits: &Digits) -> Digits {
    let mut taken = [0; 10];
    let mut subset = Digits { images: vec![], labels: vec![], ..*digits };
    for (i, &label) in digits.labels.iter().enumerate() {
        let taken = &mut taken[usize::from(label)];
        if *taken < PER_CLASS {
            *taken += 1;
            subset.images.extend(digits.image(i));
            subset.labels.push(label);
        }
    }
    subset
}

fn write(out: &Path, name: &str, digits: Digits) -> io::Result<()> {
    let n = digits.len();
    let images = Idx { shape: vec![n, digits.rows, digits.cols], data: digits.images };
    let labels = Idx { shape: vec![n], data: digits.labels };
    gzip(&out.join(format!("{name}-images-idx3-ubyte.gz")), &images)?;
    gzip(&out.join(format!("{name}-labels-idx1-ubyte.gz")), &labels)
}

fn gzip(path: &Path, idx: &Idx) -> io::Result<()> {
    let header = GzBuilder::new().mtime(0).operating_system(255); // 255: unknown
    let mut encoder = header.write(vec![], Compression::best());
    idx.write(&mut encoder)?;
    ohmgrad::files::replace(path, &encoder.finish()?)?;
    println!("{}: {:?}", path.display(), idx.shape);
    Ok(())
}
