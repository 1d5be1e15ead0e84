//! The storage of arrays. Large storage that is free is kept for the next array of about its size, because memory from
//! the system costs as much as the computation of its content.

use std::cell::RefCell;
use std::mem::{MaybeUninit, needs_drop};
use std::ops::{Deref, DerefMut};

/// Elements below which the allocator is fast enough.
const LEAST: usize = 1 << 12;

/// Limits of the storage that a thread keeps: the number of lists, and of elements in all of them.
const KEPT: (usize, usize) = (64, 1 << 25);

/// An element of four bytes of any content.
type Word = MaybeUninit<u32>;

thread_local! {
    /// Empty lists, the latest at the end.
    static SPARE: RefCell<Vec<Vec<Word>>> = const { RefCell::new(vec![]) };
}

/// A list of elements whose memory is used again.
pub(crate) struct Storage<T>(Vec<T>);

impl<T> Storage<T> {
    pub fn new(data: Vec<T>) -> Self {
        Self(data)
    }
}

impl<T> Deref for Storage<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for Storage<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T: Clone> Clone for Storage<T> {
    fn clone(&self) -> Self {
        let mut data = with_capacity(self.len());
        data.extend_from_slice(self);
        Self(data)
    }
}

impl<T> Drop for Storage<T> {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.0);
        if fits::<T>() && data.capacity() >= LEAST {
            let mut data = std::mem::ManuallyDrop::new(data);
            // SAFETY: memory for elements of four bytes, aligned to four, that need no drop, is memory for words.
            let words = unsafe { Vec::from_raw_parts(data.as_mut_ptr().cast::<Word>(), 0, data.capacity()) };
            // A thread that ends has no list left.
            let _ = SPARE.try_with(|spare| keep(&mut spare.borrow_mut(), words));
        }
    }
}

fn keep(spare: &mut Vec<Vec<Word>>, words: Vec<Word>) {
    spare.push(words);
    let mut kept: usize = spare.iter().map(Vec::capacity).sum();
    while spare.len() > KEPT.0 || kept > KEPT.1 {
        kept -= spare.remove(0).capacity();
    }
}

fn fits<T>() -> bool {
    size_of::<T>() == size_of::<Word>() && align_of::<T>() == align_of::<Word>() && !needs_drop::<T>()
}

/// An empty list with room for `len` elements.
pub(crate) fn with_capacity<T>(len: usize) -> Vec<T> {
    if !fits::<T>() || len < LEAST {
        return Vec::with_capacity(len);
    }
    let found = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        let place = spare.iter().rposition(|words| (len..=len.saturating_add(len / 4)).contains(&words.capacity()))?;
        Some(spare.remove(place))
    });
    let Some(words) = found.ok().flatten() else { return Vec::with_capacity(len) };
    let mut words = std::mem::ManuallyDrop::new(words);
    // SAFETY: as above; the list is empty.
    unsafe { Vec::from_raw_parts(words.as_mut_ptr().cast(), 0, words.capacity()) }
}

/// A list of `len` equal elements.
pub(crate) fn filled<T: Clone>(len: usize, value: T) -> Vec<T> {
    let mut data = with_capacity(len);
    data.resize(len, value);
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;

    #[test]
    fn memory_is_used_again() {
        let place = |a: &Tensor| a.as_slice().unwrap().as_ptr();
        let first = Tensor::full(&[100, 100], 1.0);
        let at = place(&first);
        drop(first);
        assert_eq!(place(&Tensor::full(&[9_000], 2.0)), at);
        let (other, again) = (Tensor::full(&[7_000], 2.0), Tensor::full(&[10_000], 3.0));
        assert!(place(&other) != at && place(&again) == at);
        assert_eq!(again.sum(), 30_000.0);
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let mut spare = vec![];
        (0..200).for_each(|_| keep(&mut spare, Vec::with_capacity(LEAST)));
        assert_eq!(spare.len(), KEPT.0);
        keep(&mut spare, Vec::with_capacity(KEPT.1));
        assert_eq!(spare.len(), 1);
    }
}
