//! Tests of a reader with mutated files: each file gives a value or an error, within limits of memory and time.

use std::cell::Cell;
use std::fmt::{self, Display};
use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use allocation_counter::measure;
use ohmgrad_tensor::Key;

use crate::Dice;
use crate::flood::floods;
use crate::mutate::mutate;
use crate::pack::{pack, right_lengths, unpack};

/// Bytes that a reader may have allocated at once, for each byte of a file.
const AT_ONCE: usize = 600;

/// Bytes that a reader may allocate in all, for each byte of a file: a measure of its work that does not depend on the
/// machine.
const IN_ALL: usize = 3000;

/// Bytes that a reader may have allocated at once for any file, by default; in all, `IN_ALL / AT_ONCE` times as many.
const ALWAYS: usize = 256 << 10;

/// The limit of time for a file. It finds work that allocates nothing: for a megabyte, a linear reader takes
/// milliseconds and a quadratic one minutes.
const LONGEST: Duration = Duration::from_secs(30);

/// Reads a file; an error is a text.
type Read = Box<dyn Fn(&Path) -> Result<(), String>>;

/// A reader of files, with valid files as seeds of the mutations.
pub struct Reader {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    read: Read,
    file: &'static str,
    always: usize,
    mends: bool,
    most: Cell<[u64; 2]>,
}

/// The name.
impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader and valid files of all kinds that it reads. It may not compute on other threads.
    pub fn new<T, E: Display>(
        name: &'static str,
        seeds: Vec<Vec<u8>>,
        read: impl Fn(&Path) -> Result<T, E> + 'static,
    ) -> Self {
        let read = Box::new(move |path: &Path| read(path).map(drop).map_err(|error| error.to_string()));
        Self { name, seeds, read, file: "file", always: ALWAYS, mends: false, most: Cell::default() }
    }

    /// The same reader with another name of its file, if that matters.
    pub fn of_file(self, file: &'static str) -> Self {
        Self { file, ..self }
    }

    /// The same reader, which may have `always` bytes allocated at once for a file of any size.
    pub fn with_always(self, always: usize) -> Self {
        Self { always, ..self }
    }

    /// The same reader, for formats whose wrong parts are skipped or mended: it may accept most files.
    pub fn mending(self) -> Self {
        Self { mends: true, ..self }
    }

    /// Reads the seeds, mutations of them with the numbers `cases`, and floods; prints the largest cost.
    ///
    /// # Panics
    /// If a seed is refused, or fewer than a fifth of the mutations are refused. If reading a file panics, allocates
    /// more than its size allows or takes too long; the file is then kept in the temporary directory.
    pub fn check(&self, cases: Range<usize>) {
        let folder = tempfile::tempdir().expect("the temporary directory can be written");
        let path = folder.path().join(self.file);
        for (i, seed) in self.seeds.iter().enumerate() {
            let result = self.attempt(seed, &path, &format!("seed {i}"));
            assert!(result.is_ok(), "{} does not read seed {i}: {}", self.name, result.unwrap_err());
        }
        let refused = cases.clone().filter(|&case| {
            let bytes = self.mutated(&mut Dice::new(Key::new(7).fold(self.name).fold(case)));
            self.attempt(&bytes, &path, &format!("case {case}")).is_err()
        });
        let (refused, all) = (refused.count(), cases.len());
        assert!(self.mends || refused >= all / 5, "{}: of {all} mutations {refused} were refused", self.name);
        for (what, mut bytes) in floods(&self.seeds[0]) {
            let _ = self.attempt(&bytes, &path, &what);
            let before = bytes[..10.min(bytes.len())].to_vec();
            right_lengths(&mut bytes);
            if !bytes.starts_with(&before) {
                let _ = self.attempt(&bytes, &path, &format!("{what}, with the right length"));
            }
        }
        let [at_once, in_all] = self.most.get();
        println!(
            "{}: {refused} of {all} refused, beyond what sizes allow {at_once} bytes at once, {in_all} in all",
            self.name
        );
    }

    fn mutated(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = dice.pick(&self.seeds).clone();
        let times = 1 + dice.below(3);
        match unpack(&bytes).filter(|_| dice.below(3) > 0) {
            Some(mut entries) => {
                for _ in 0..times {
                    self.mutate_entries(&mut entries, dice);
                }
                pack(&entries, dice)
            }
            None => {
                (0..times).for_each(|_| mutate(&mut bytes, &self.seeds, dice));
                if dice.below(2) == 0 {
                    right_lengths(&mut bytes);
                }
                bytes
            }
        }
    }

    /// Changes what is in an archive, or which entries it has.
    fn mutate_entries(&self, entries: &mut Vec<(String, Vec<u8>)>, dice: &mut Dice) {
        if entries.is_empty() {
            return;
        }
        let at = dice.below(entries.len());
        match dice.below(8) {
            0 => entries.push(entries[at].clone()),
            1 if entries.len() > 1 => drop(entries.remove(at)),
            2 if !entries[at].0.is_empty() => {
                let mut name = std::mem::take(&mut entries[at].0).into_bytes();
                mutate(&mut name, &self.seeds, dice);
                entries[at].0 = String::from_utf8_lossy(&name).into_owned();
            }
            _ => {
                mutate(&mut entries[at].1, &self.seeds, dice);
                if dice.below(2) == 0 {
                    right_lengths(&mut entries[at].1);
                }
            }
        }
    }

    fn attempt(&self, bytes: &[u8], path: &Path, what: &str) -> Result<(), String> {
        fs::write(path, bytes).expect("the test's own file");
        let (mut result, start) = (None, Instant::now());
        let cost = measure(|| result = Some(catch_unwind(AssertUnwindSafe(|| (self.read)(path)))));
        let took = start.elapsed();
        let kept = || {
            let file = std::env::temp_dir().join(format!("hostile-{}", self.file));
            fs::write(&file, bytes).expect("the test's own file");
            format!("{}, {what}, {} bytes, which are in {}", self.name, bytes.len(), file.display())
        };
        let Some(Ok(result)) = result else { panic!("{}: reading panicked", kept()) };
        let [at_once, in_all] = self.most.get();
        let beyond = |found: u64, ratio: usize| found.saturating_sub((ratio * bytes.len()) as u64);
        self.most.set([at_once.max(beyond(cost.bytes_max, AT_ONCE)), in_all.max(beyond(cost.bytes_total, IN_ALL))]);
        for (when, found, per_byte) in [("at once", cost.bytes_max, AT_ONCE), ("in all", cost.bytes_total, IN_ALL)] {
            let allowed = per_byte * (bytes.len() + self.always / AT_ONCE);
            assert!(found <= allowed as u64, "{}: {found} bytes {when}, {allowed} are allowed", kept());
        }
        assert!(took < LONGEST, "{}: {took:?}", kept());
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads numbers, one a line.
    fn numbers(path: &Path) -> Result<Vec<f32>, String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        text.lines().map(|line| line.parse::<f32>().map_err(|error| error.to_string())).collect()
    }

    fn reader<T>(read: impl Fn(&Path) -> Result<T, String> + 'static) -> Reader {
        Reader::new("numbers", vec![b"1.5\n-20\n3e2\n".to_vec()], read)
    }

    #[test]
    fn a_linear_reader_passes() {
        reader(numbers).check(0..200);
    }

    #[test]
    #[should_panic(expected = "reading panicked")]
    fn a_panic_is_found() {
        reader(|path| {
            let numbers = numbers(path)?;
            assert!(numbers.iter().all(|number| number.is_nan() || *number < 1e9));
            Ok(numbers)
        })
        .check(0..200);
    }

    #[test]
    #[should_panic(expected = "bytes at once, ")]
    fn a_size_that_is_believed_is_found() {
        reader(|path| {
            let numbers = numbers(path)?;
            Ok(numbers.first().map(|n| Vec::<u8>::with_capacity((*n as usize).min(1 << 30))))
        })
        .check(0..200);
    }

    #[test]
    #[should_panic(expected = "bytes in all, ")]
    fn work_that_grows_with_the_square_is_found() {
        reader(|path| {
            let text = fs::read(path).map_err(|error| error.to_string())?;
            // The copies are not to be optimised away.
            let copy = |i: usize| std::hint::black_box(text[..i].to_vec()).len();
            Ok((0..text.len()).step_by(100).map(copy).sum::<usize>())
        })
        .mending()
        .check(0..200);
    }

    #[test]
    #[should_panic(expected = "mutations 0 were refused")]
    fn a_reader_that_takes_everything_is_found() {
        reader(|path| fs::read(path).map_err(|error| error.to_string())).check(0..200);
    }
}
