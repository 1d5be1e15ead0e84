//! Unfolding of patches into rows in memory, and sums of such rows' gradients in the input's shape.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::{ConvWindow, Patches};
use crate::array::Array;
use crate::parallel;
use crate::scalar::Scalar;
use crate::shape::Dims;
use crate::simd::vectorized;

/// The order of a patch's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entries {
    /// All places of the window in one channel, then those in the next: as a weight has them.
    ByChannel,
    /// All channels of one place in the window, then those of the next: as in memory with channels last.
    ByPlace,
}

impl Patches {
    /// The channel, and the place in the window, of each entry of a patch.
    pub(super) fn entries(&self, order: Entries) -> Vec<(usize, [usize; 3])> {
        let [ka, kb, kc] = self.window.kernel;
        let places = || (0..ka).flat_map(move |a| (0..kb).flat_map(move |b| (0..kc).map(move |c| [a, b, c])));
        match order {
            Entries::ByChannel => (0..self.channels()).flat_map(|c| places().map(move |at| (c, at))).collect(),
            Entries::ByPlace => places().flat_map(|at| (0..self.channels()).map(move |c| (c, at))).collect(),
        }
    }

    /// The offsets of the entries from a patch's corner, in a sample with these strides: of batch, channels and three
    /// axes.
    pub(super) fn shifts(&self, strides: &[usize], entries: &[(usize, [usize; 3])]) -> Vec<usize> {
        let dilation = self.window.dilation;
        let shift = |&(c, at): &(usize, [usize; 3])| {
            c * strides[1] + (0..3).map(|i| at[i] * dilation[i] * strides[2 + i]).sum::<usize>()
        };
        entries.iter().map(shift).collect()
    }

    /// Calls `visit` for each of a range of patches: with its sample, its first corner in the padded input, and whether
    /// all of it lies inside of the input.
    pub(super) fn for_each_patch(&self, range: Range<usize>, mut visit: impl FnMut(usize, [usize; 3], bool)) {
        let ConvWindow { kernel, stride, padding, dilation } = self.window;
        let [_, b, c] = self.places;
        let (mut sample, place) = (range.start / self.per_sample(), range.start % self.per_sample());
        let mut at = [place / (b * c), place / c % b, place % c];
        for _ in range {
            let corner = [0, 1, 2].map(|i| at[i] * stride[i]);
            let inside = (0..3).all(|i| {
                let last = corner[i] + dilation[i] * (kernel[i] - 1);
                corner[i] >= padding[i] && last < padding[i] + self.input[2 + i]
            });
            visit(sample, corner, inside);
            // The next place is counted up, because divisions would take as long as a short patch.
            for axis in (0..3).rev() {
                at[axis] += 1;
                if at[axis] < self.places[axis] {
                    break;
                }
                at[axis] = 0;
                sample += usize::from(axis == 0);
            }
        }
    }

    /// The offset of a patch's entry in its channel of a sample, under given strides; `None` in the padding.
    fn offset(&self, corner: [usize; 3], at: [usize; 3], strides: &[usize]) -> Option<usize> {
        let ConvWindow { padding, dilation, .. } = self.window;
        (0..3).try_fold(0, |offset, i| {
            let index = (corner[i] + at[i] * dilation[i]).checked_sub(padding[i])?;
            (index < self.input[2 + i]).then(|| offset + index * strides[i])
        })
    }

    /// A range of patches [n, in], of a group of channels, with entries by channel.
    pub(super) fn unfold<T: Scalar>(&self, x: &Array<T>, range: Range<usize>, group: usize) -> Array<T> {
        // Neighbours along the last axis are copied together.
        let x = if x.strides[4] == 1 { x } else { &self.part(x, &range) };
        let first = if x.shape()[0] == self.input[0] { 0 } else { range.start / self.per_sample() };
        let (entries, width) = (self.entries(Entries::ByChannel), self.row_len());
        let channel = self.channels() * group;
        let strides: &[usize] = &x.strides;
        let ConvWindow { kernel, padding, dilation, .. } = self.window;
        let run = if strides[4] * dilation[2] == 1 { kernel[2] } else { 1 };
        let runs: Vec<_> = self.shifts(strides, &entries).into_iter().step_by(run).collect();
        let len = range.len() * width;
        let data = parallel::build(len, len.max(1), |_, out| {
            let mut rows = out.chunks_exact_mut(width.max(1));
            self.for_each_patch(range.clone(), |sample, corner, whole| {
                let Some(row) = rows.next() else { return };
                let start = x.offset + (sample - first) * strides[0] + channel * strides[1];
                if whole {
                    let at = start + (0..3).map(|i| (corner[i] - padding[i]) * strides[2 + i]).sum::<usize>();
                    write_runs(row, &x.data[at..], &runs, run);
                } else {
                    for (target, &(c, at)) in row.iter_mut().zip(&entries) {
                        target.write(match self.offset(corner, at, &strides[2..]) {
                            Some(offset) => x.data[start + c * strides[1] + offset],
                            None => T::zero(),
                        });
                    }
                }
            });
            // SAFETY: there is a patch for each row, and each of its elements was written.
            unsafe { out.assume_init_mut() }
        });
        Array::from_vec(data, &[range.len(), width])
    }

    /// The samples of an input that a range of patches comes from, in row-major order.
    fn part<T: Scalar>(&self, x: &Array<T>, range: &Range<usize>) -> Array<T> {
        let size = self.per_sample();
        x.slice(0, range.start / size..range.end.div_ceil(size)).contiguous()
    }
}

/// Sums of the gradients of patches, where patches overlap.
pub(super) struct FoldPatches<'a> {
    patches: &'a Patches,
    /// The channel, and the place in the window, of each stretch of entries that are neighbours in memory.
    runs: Vec<(usize, [usize; 3])>,
    /// The offset of each stretch from the patch's corner.
    offsets: Vec<usize>,
    run: usize,
    /// Strides of batch, channels and axes, with channels last in memory.
    strides: Dims,
}

impl<'a> FoldPatches<'a> {
    /// The sums of rows whose entries come in this order.
    pub fn new(patches: &'a Patches, order: Entries) -> Self {
        let [_, channels, a, b, c] = patches.input;
        let strides = Dims::from_slice(&[a * b * c * channels, 1, b * c * channels, c * channels, channels]);
        let run = if order == Entries::ByPlace { patches.channels() } else { 1 };
        let runs: Vec<_> = patches.entries(order).into_iter().step_by(run.max(1)).collect();
        let offsets = patches.shifts(&strides, &runs);
        Self { patches, runs, offsets, run, strides }
    }

    /// Adds the gradients of a range of patches, row by row, to `out`, which holds the gradients of the samples from
    /// `first` on.
    pub fn add<T: Scalar>(&self, rows: &[T], range: Range<usize>, group: usize, out: &mut [T], first: usize) {
        let Self { patches, runs, offsets, run, strides } = self;
        let (padding, channel) = (patches.window.padding, patches.channels() * group);
        let mut rows = rows.chunks_exact(patches.row_len().max(1));
        patches.for_each_patch(range, |sample, corner, whole| {
            let Some(row) = rows.next() else { return };
            let sample = &mut out[(sample - first) * strides[0] + channel..];
            if whole {
                let at = (0..3).map(|i| (corner[i] - padding[i]) * strides[2 + i]).sum::<usize>();
                let target = &mut sample[at..];
                vectorized(
                    #[inline(always)]
                    || {
                        for (row, &offset) in row.chunks_exact((*run).max(1)).zip(offsets) {
                            target[offset..offset + run].iter_mut().zip(row).for_each(|(t, &g)| *t += g);
                        }
                    },
                );
            } else {
                for (row, &(c, at)) in row.chunks_exact((*run).max(1)).zip(runs) {
                    if let Some(offset) = patches.offset(corner, at, &strides[2..]) {
                        sample[c + offset..][..*run].iter_mut().zip(row).for_each(|(t, &g)| *t += g);
                    }
                }
            }
        });
    }
}

/// Writes stretches of `run` elements of the source, which begin at the given offsets.
fn write_runs<T: Scalar>(row: &mut [MaybeUninit<T>], source: &[T], offsets: &[usize], run: usize) {
    match run {
        1 => write_runs_of::<T, 1>(row, source, offsets),
        3 => write_runs_of::<T, 3>(row, source, offsets),
        5 => write_runs_of::<T, 5>(row, source, offsets),
        _ => row.chunks_exact_mut(run).zip(offsets).for_each(|(target, &offset)| {
            target.write_copy_of_slice(&source[offset..offset + run]);
        }),
    }
}

/// As [`write_runs`], for a constant length: a run is copied by a move or two, without a call.
fn write_runs_of<T: Scalar, const RUN: usize>(row: &mut [MaybeUninit<T>], source: &[T], offsets: &[usize]) {
    let (targets, _) = row.as_chunks_mut::<RUN>();
    for (target, &offset) in targets.iter_mut().zip(offsets) {
        let run: &[T; RUN] = source[offset..].first_chunk().expect("a window inside of the input");
        *target = run.map(MaybeUninit::new);
    }
}
