//! How work is given to threads: cut by its shape alone, and done in place where there is but one thread.
//!
//! A caller outside of the thread pool hands over and waits, which takes as long as a small product; so nothing is handed
//! over that has but one part, or has only one thread to go to.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::storage;

/// Calls `f` with the number of each part and the part, for parts of `size` elements, on all threads.
pub fn for_each_part<T: Send>(data: &mut [T], size: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if data.len() <= size || rayon::current_num_threads() == 1 {
        data.chunks_mut(size.max(1)).enumerate().for_each(|(i, part)| f(i, part));
    } else {
        data.par_chunks_mut(size).enumerate().for_each(|(i, part)| f(i, part));
    }
}

/// As [`for_each_part`], over two slices whose parts go together.
pub fn for_each_part_of_two<T: Send, U: Send>(
    (a, size_a): (&mut [T], usize),
    (b, size_b): (&mut [U], usize),
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) {
    if a.len() <= size_a || rayon::current_num_threads() == 1 {
        let parts = a.chunks_mut(size_a.max(1)).zip(b.chunks_mut(size_b.max(1)));
        parts.enumerate().for_each(|(i, (a, b))| f(i, a, b));
    } else {
        let parts = a.par_chunks_mut(size_a).zip(b.par_chunks_mut(size_b));
        parts.enumerate().for_each(|(i, (a, b))| f(i, a, b));
    }
}

/// Calls `f` with each item, on all threads.
pub fn for_each<I: Send>(items: Vec<I>, f: impl Fn(I) + Sync + Send) {
    if items.len() <= 1 || rayon::current_num_threads() == 1 {
        items.into_iter().for_each(f);
    } else {
        items.into_par_iter().for_each(f);
    }
}

/// `f` of each item, in order.
pub fn map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    if items.len() <= 1 || rayon::current_num_threads() == 1 {
        items.iter().map(f).collect()
    } else {
        items.par_iter().map(f).collect()
    }
}

/// The calling thread becomes one of `threads` (or of as many as there are cores) that all work is given to. For the
/// beginning of a program's main thread: a caller that is none of them waits for another thread to wake up at every
/// product, which costs small networks more than a second thread wins.
///
/// # Errors
/// If threads have been made before.
pub fn use_threads(threads: Option<usize>) -> Result<(), rayon::ThreadPoolBuildError> {
    let builder = rayon::ThreadPoolBuilder::new();
    match threads {
        // Alone, the caller would have nobody to take work from others.
        Some(1) => builder.num_threads(1).build_global(),
        _ => builder.num_threads(threads.unwrap_or(0)).use_current_thread().build_global(),
    }
}

/// A list of `len` elements, written in parts of `size`: `f` gets the number of a part's first element and the part, and
/// returns the part, written.
///
/// # Panics
/// If another slice is returned.
pub fn build<T: Copy + Send>(
    len: usize,
    size: usize,
    f: impl for<'a> Fn(usize, &'a mut [MaybeUninit<T>]) -> &'a mut [T] + Sync,
) -> Vec<T> {
    let mut data: Vec<T> = storage::with_capacity(len);
    for_each_part(&mut data.spare_capacity_mut()[..len], size, |i, part| {
        let all = (part.as_ptr().cast(), part.len());
        let written = f(i * size, part);
        assert!((written.as_ptr(), written.len()) == all, "build: what came back is not what was to be written");
    });
    // SAFETY: every part came back as one of elements that are written.
    unsafe { data.set_len(len) };
    data
}
