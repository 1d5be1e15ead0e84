//! Distribution of work to threads. Work is cut by its shape alone. The calling thread works, too, and does all work of
//! a program with one thread.
//!
//! Functions here are compiled once for a type of elements, not for every closure: a part has thousands of elements, so
//! one indirect call for it takes no time, but copies of the code for each closure were a tenth of a program's size.

mod team;

use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

use crate::storage;

/// Calls `f` with each item, on all threads. Each thread begins with a share that depends on its number and the number
/// of items, because what it wrote there last time is still in its cache; then it takes items of the other shares.
fn each<I: Send>(items: &mut dyn ExactSizeIterator<Item = I>, f: &(dyn Fn(I) + Sync)) {
    let threads = rayon::current_num_threads();
    let size = items.len().div_ceil(threads);
    let shares: Vec<_> =
        (0..threads).map(|_| Mutex::new((&mut *items).take(size).collect::<Vec<_>>().into_iter())).collect();
    let next = |share: &Mutex<std::vec::IntoIter<I>>| share.lock().unwrap_or_else(PoisonError::into_inner).next();
    team::on_all_threads(&|who| {
        for i in 0..threads {
            while let Some(item) = next(&shares[(who + i) % threads]) {
                f(item);
            }
        }
    });
}

/// Calls `f` with the number of each part and the part, for parts of `size` elements, on all threads.
pub fn for_each_part<T: Send>(data: &mut [T], size: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    on_parts(data, size, &f);
}

fn on_parts<T: Send>(data: &mut [T], size: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    let alone = data.len() <= size || rayon::current_num_threads() == 1;
    let mut parts = data.chunks_mut(size.max(1)).enumerate();
    if alone { parts.for_each(|(i, part)| f(i, part)) } else { each(&mut parts, &|(i, part)| f(i, part)) }
}

/// As [`for_each_part`], over two slices whose parts go together.
pub fn for_each_part_of_two<T: Send, U: Send>(
    a: (&mut [T], usize),
    b: (&mut [U], usize),
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) {
    on_parts_of_two(a, b, &f);
}

/// Work on a part, given its number, and on the part of the other slice that goes with it.
type OnTwo<'f, T, U> = dyn Fn(usize, &mut [T], &mut [U]) + Sync + 'f;

fn on_parts_of_two<T: Send, U: Send>(
    (a, size_a): (&mut [T], usize),
    (b, size_b): (&mut [U], usize),
    f: &OnTwo<'_, T, U>,
) {
    let alone = a.len() <= size_a || rayon::current_num_threads() == 1;
    let mut parts = a.chunks_mut(size_a.max(1)).zip(b.chunks_mut(size_b.max(1))).enumerate();
    if alone { parts.for_each(|(i, (a, b))| f(i, a, b)) } else { each(&mut parts, &|(i, (a, b))| f(i, a, b)) }
}

/// Calls `f` with each item, on all threads.
pub fn for_each<I: Send>(items: Vec<I>, f: impl Fn(I) + Sync) {
    let alone = items.len() <= 1 || rayon::current_num_threads() == 1;
    if alone { items.into_iter().for_each(f) } else { each(&mut items.into_iter(), &f) }
}

/// `f` of each item, in order.
pub fn map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    for_each_part(&mut results, 1, |i, result| result[0] = Some(f(&items[i])));
    results.into_iter().map(|result| result.expect("each part is called for")).collect()
}

/// Sets the number of threads for all work, including the calling one; `None` means one for each core. To be called at
/// the beginning of a program's main thread.
///
/// # Errors
/// If threads have been made before, or the operating system makes none.
pub fn use_threads(threads: Option<usize>) -> Result<(), ThreadsError> {
    let builder = rayon::ThreadPoolBuilder::new();
    let built = match threads {
        // A pool of the caller alone would have no worker for the tasks of other threads.
        Some(1) => builder.num_threads(1).build_global(),
        _ => builder.num_threads(threads.unwrap_or(0)).use_current_thread().build_global(),
    };
    built.map_err(ThreadsError)
}

/// The error of [`use_threads`]: threads had been made before, or the operating system makes none.
#[derive(Debug, thiserror::Error)]
#[error("the number of threads cannot be set")]
pub struct ThreadsError(#[source] rayon::ThreadPoolBuildError);

/// A list of `len` elements, written in parts of `size`: `f` gets the number of a part's first element and the part,
/// and returns the part, written.
///
/// # Panics
/// If another slice is returned.
pub fn build<T: Copy + Send>(
    len: usize,
    size: usize,
    f: impl for<'a> Fn(usize, &'a mut [MaybeUninit<T>]) -> &'a mut [T] + Sync,
) -> Vec<T> {
    build_by(len, size, &f)
}

/// Writes a part of a list, given the number of the part's first element, and returns the part.
type Write<'f, T> = dyn for<'a> Fn(usize, &'a mut [MaybeUninit<T>]) -> &'a mut [T] + Sync + 'f;

fn build_by<T: Copy + Send>(len: usize, size: usize, f: &Write<'_, T>) -> Vec<T> {
    let mut data: Vec<T> = storage::with_capacity(len);
    for_each_part(&mut data.spare_capacity_mut()[..len], size, |i, part| written(part, |part| f(i * size, part)));
    // SAFETY: `f` has written every part, as `written` checks.
    unsafe { data.set_len(len) };
    data
}

/// Checks that `f` returns the slice that it gets: it is then written, because its elements are of type `T`.
///
/// # Panics
/// If another slice is returned.
#[inline(always)]
pub(crate) fn written<T>(part: &mut [MaybeUninit<T>], f: impl for<'a> FnOnce(&'a mut [MaybeUninit<T>]) -> &'a mut [T]) {
    let all = (part.as_ptr().cast(), part.len());
    let part = f(part);
    assert!((part.as_ptr(), part.len()) == all, "build: the slice that was returned is not the one to be written");
}

/// A list of `len` elements, written in parts of `size`: `f` gets the number of a part's first element and the part,
/// filled with `value` just before, so that it is in cache.
pub fn build_from<T: Copy + Send + Sync>(
    len: usize,
    size: usize,
    value: T,
    f: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    build(len, size, |first, part| {
        part.fill(MaybeUninit::new(value));
        // SAFETY: all of it was written.
        let part = unsafe { part.assume_init_mut() };
        f(first, part);
        part
    })
}
