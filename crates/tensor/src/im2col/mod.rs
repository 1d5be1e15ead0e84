//! Im2col: an array's rows for a product with a weight, and the sums of these rows' gradients in the array's shape.
//!
//! For a matrix the rows are its rows. For a convolution they are its unfolded patches, one for each place of the
//! window. They are made in blocks of bounded size, and made again in the backward: at most one block per thread is in
//! memory, whatever the sizes of batch and images. Blocks are cut by shape alone, and sums over blocks are taken in
//! their order.

mod exact;
mod unfold;

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::array::Array;
use crate::parallel;
use crate::scalar::Scalar;
use crate::{shape, storage};
use unfold::{Entries, FoldPatches};

/// The most elements of a block of patches: whole samples if one fits, else part of one, but at least one patch.
const BLOCK: usize = 1 << 17;

/// The sliding window of a convolution over up to three axes; unused leading axes have kernel 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvWindow {
    /// The extent of the window.
    pub kernel: [usize; 3],
    /// The distance between its places.
    pub stride: [usize; 3],
    /// Zeros around the input.
    pub padding: [usize; 3],
    /// The distance between neighbouring entries inside of it.
    pub dilation: [usize; 3],
}

impl ConvWindow {
    /// The number of places along one axis of `size` entries; `None` if the window does not fit, or its kernel or
    /// stride is 0.
    pub fn places(&self, axis: usize, size: usize) -> Option<usize> {
        let extent = self.dilation[axis].checked_mul(self.kernel[axis].checked_sub(1)?)?.checked_add(1)?;
        let padded = self.padding[axis].checked_mul(2)?.checked_add(size)?;
        Some(padded.checked_sub(extent)?.checked_div(self.stride[axis])? + 1)
    }
}

/// Source of the rows of a product.
#[derive(Clone, Debug)]
pub enum Im2col {
    /// The rows of a matrix, a fixed number for each sample of the batch.
    Rows {
        /// Rows of one sample.
        per_sample: usize,
    },
    /// The patches of a convolution.
    Patches(Patches),
}

/// The patches of a convolution's input [batch, channels, …up to three axes].
#[derive(Clone, Debug)]
pub struct Patches {
    window: ConvWindow,
    groups: usize,
    /// Sizes of the input: batch, channels, and three axes.
    input: [usize; 5],
    /// Places of the window.
    places: [usize; 3],
    /// Number of spatial axes of the user's input.
    rank: usize,
}

impl Im2col {
    /// The patches of an input of the given shape, its channels in `groups`.
    ///
    /// # Panics
    /// If the shape is not [batch, channels, …] with one to three more axes, the channels can't be grouped so, the
    /// window has no place, or its patches are more than memory can hold.
    pub fn patches(window: ConvWindow, groups: usize, shape: &[usize]) -> Self {
        assert!((3..=5).contains(&shape.len()), "convolution: an input of shape {shape:?} is not [batch, channels, …]");
        let rank = shape.len() - 2;
        let mut input = [1; 5];
        input[..2].copy_from_slice(&shape[..2]);
        input[5 - rank..].copy_from_slice(&shape[2..]);
        assert!(
            groups > 0 && input[1] % groups == 0,
            "convolution: {} channels of shape {shape:?} in {groups} groups",
            input[1]
        );
        let places = [0, 1, 2].map(|axis| {
            window.places(axis, input[2 + axis]).unwrap_or_else(|| {
                panic!("convolution: a window of {:?} has no place in shape {shape:?}", &window.kernel[3 - rank..])
            })
        });
        // Every size that is computed later is less than one of these two products.
        let padded = [0, 1, 2].map(|axis| input[2 + axis] + 2 * window.padding[axis]);
        let sizes = [&input[..2], &padded].concat();
        let patches = [&input[..2], &places, &window.kernel].concat();
        assert!(
            shape::fits(&sizes) && shape::fits(&patches),
            "convolution: patches of {:?}, padding {:?}, of shape {shape:?} have more elements than memory can hold",
            &window.kernel[3 - rank..],
            &window.padding[3 - rank..]
        );
        Self::Patches(Patches { window, groups, input, places, rank })
    }

    /// Groups of channels, each with its rows.
    pub fn groups(&self) -> usize {
        match self {
            Self::Rows { .. } => 1,
            Self::Patches(patches) => patches.groups,
        }
    }

    /// The length of the rows that an input of the given shape gives.
    pub fn row_len(&self, shape: &[usize]) -> usize {
        match self {
            Self::Rows { .. } => shape.last().copied().unwrap_or(0),
            Self::Patches(patches) => patches.row_len(),
        }
    }

    /// Rows that one sample of the batch gives.
    pub fn rows_per_sample(&self) -> usize {
        match self {
            Self::Rows { per_sample } => *per_sample,
            Self::Patches(patches) => patches.per_sample(),
        }
    }

    /// The outputs for an input: `multiply` gets the group, the rows [n, in] and the number of the first one, and gives
    /// [n, out/groups].
    pub fn forward<T: Scalar>(
        &self,
        x: &Array<T>,
        outs: usize,
        multiply: impl Fn(usize, &Array<T>, usize) -> Array<T> + Sync,
    ) -> Array<T> {
        let patches = match self {
            Self::Rows { .. } => return multiply(0, x, 0),
            Self::Patches(patches) => patches,
        };
        let x = patches.wide(x);
        let width = outs / patches.groups;
        assert!(width * patches.groups == outs, "convolution: {outs} outputs in {} groups", patches.groups);
        patches.output_of_blocks(outs, |range, out| {
            for group in 0..patches.groups {
                let y = multiply(group, &patches.unfold(&x, range.clone(), group), range.start);
                assert!(y.shape() == [range.len(), width], "convolution: outputs {:?} of {range:?}", y.shape());
                paste(out, outs, &y, group * width);
            }
            // SAFETY: the groups have written all columns of all rows.
            unsafe { out.assume_init_mut() }
        })
    }

    /// Calls `see` with the rows [n, in] of an input, in order: the group, the rows, and the number of the first one.
    pub fn for_each_rows<T: Scalar>(&self, x: &Array<T>, mut see: impl FnMut(usize, &Array<T>, usize)) {
        let patches = match self {
            Self::Rows { .. } => return see(0, x, 0),
            Self::Patches(patches) => patches,
        };
        let x = patches.wide(x);
        for range in patches.blocks(0..patches.input[0]) {
            for group in 0..patches.groups {
                see(group, &patches.unfold(&x, range.clone(), group), range.start);
            }
        }
    }

    /// Calls `see` with the rows of an output gradient and those of an input, block by block and in order: the group,
    /// the gradients [n, out/groups], the rows [n, in], and the number of the first one.
    pub fn for_each_gradient_rows<T: Scalar>(
        &self,
        d: &Array<T>,
        x: &Array<T>,
        mut see: impl FnMut(usize, &Array<T>, &Array<T>, usize),
    ) {
        let patches = match self {
            Self::Rows { .. } => return see(0, d, x, 0),
            Self::Patches(patches) => patches,
        };
        let d = patches.rows_last(d);
        self.for_each_rows(x, |group, rows, first| {
            see(group, &patches.block_of(&d, first..first + rows.shape()[0], group), rows, first);
        });
    }

    /// As [`for_each_gradient_rows`](Self::for_each_gradient_rows), for one group alone; a matrix has only one.
    pub fn for_each_gradient_rows_of<T: Scalar>(
        &self,
        group: usize,
        d: &Array<T>,
        x: &Array<T>,
        mut see: impl FnMut(&Array<T>, &Array<T>),
    ) {
        let patches = match self {
            Self::Rows { .. } => return see(d, x),
            Self::Patches(patches) => patches,
        };
        let (d, x) = (patches.rows_last(d), patches.wide(x));
        for range in patches.blocks(0..patches.input[0]) {
            see(&patches.block_of(&d, range.clone(), group), &patches.unfold(&x, range, group));
        }
    }

    /// The gradient of the weight [out, in]: for each group, the sum of `outer` over all blocks. `outer` gets the
    /// group, output gradients [n, out/groups], the rows [n, in], and the number of the first one.
    pub fn weight_gradient<T: Scalar>(
        &self,
        d: &Array<T>,
        x: &Array<T>,
        outer: impl Fn(usize, &Array<T>, &Array<T>, usize) -> Array<T> + Sync,
    ) -> Array<T> {
        let patches = match self {
            Self::Rows { .. } => return outer(0, d, x, 0),
            Self::Patches(patches) => patches,
        };
        let (x, d) = (patches.wide(x), patches.rows_last(d));
        patches.sum_of_blocks(|range| {
            let of_group = |group| {
                let d = patches.block_of(&d, range.clone(), group);
                outer(group, &d, &patches.unfold(&x, range.clone(), group), range.start)
            };
            Array::concat(&(0..patches.groups).map(of_group).collect::<Vec<_>>(), 0)
        })
    }

    /// The gradient of the input: `back` gets the group, output gradients [n, out/groups], a function that makes the
    /// rows [n, in], and the number of the first one; it returns the rows' gradients [n, in].
    pub fn input_gradient<T: Scalar>(
        &self,
        d: &Array<T>,
        x: &Array<T>,
        back: impl Fn(usize, &Array<T>, &dyn Fn() -> Array<T>, usize) -> Array<T> + Sync,
    ) -> Array<T> {
        let patches = match self {
            Self::Rows { .. } => return back(0, d, &|| x.clone(), 0),
            Self::Patches(patches) => patches,
        };
        let (x, d) = (patches.wide(x), patches.rows_last(d));
        let fold = FoldPatches::new(patches, Entries::ByChannel);
        patches.sum_into_samples(|range, out, first| {
            for group in 0..patches.groups {
                let d = patches.block_of(&d, range.clone(), group);
                let gradient = back(group, &d, &|| patches.unfold(&x, range.clone(), group), range.start).contiguous();
                fold.add(gradient.as_slice().expect("made contiguous"), range.clone(), group, out, first);
            }
        })
    }
}

impl Patches {
    /// The input as [batch, channels, a, b, c].
    fn wide<T: Scalar>(&self, x: &Array<T>) -> Array<T> {
        (self.rank..3).fold(x.clone(), |x, _| x.unsqueeze(2))
    }

    /// The inverse of [`wide`](Self::wide).
    fn narrow<T: Scalar>(&self, x: Array<T>) -> Array<T> {
        (self.rank..3).fold(x, |x, _| x.squeeze(2))
    }

    /// The outputs [batch, out, …], with channels last in memory, as products write them: `block` gets a range of
    /// patches and its rows of `outs` elements, which it writes and returns.
    fn output_of_blocks<T: Scalar>(
        &self,
        outs: usize,
        block: impl for<'o> Fn(Range<usize>, &'o mut [MaybeUninit<T>]) -> &'o mut [T] + Sync + Send,
    ) -> Array<T> {
        let len = shape::len(&[self.input[0], self.per_sample(), outs]);
        let mut rows = storage::with_capacity(len);
        let all = &mut rows.spare_capacity_mut()[..len];
        for_each_block(all, self.blocks(0..self.input[0]), outs, |range, out| {
            parallel::written(out, |out| block(range, out));
        });
        // SAFETY: the blocks cover all rows, and each was returned as written.
        unsafe { rows.set_len(len) };
        let [a, b, c] = self.places;
        self.narrow(Array::from_vec(rows, &[self.input[0], a, b, c, outs]).permute(&[0, 4, 1, 2, 3]))
    }

    /// An output gradient [batch, out, …] as [batch, places, out].
    fn rows_last<T: Scalar>(&self, d: &Array<T>) -> Array<T> {
        let (batch, outs) = (d.shape()[0], d.shape()[1]);
        self.wide(d).permute(&[0, 2, 3, 4, 1]).reshape(&[batch, self.per_sample(), outs])
    }

    /// The rows [n, out/groups] of a block and a group of outputs.
    fn block_of<T: Scalar>(&self, d: &Array<T>, range: Range<usize>, group: usize) -> Array<T> {
        let (outs, size, n) = (d.shape()[2] / self.groups, self.per_sample(), range.len());
        let d = match range.start % size {
            0 if n % size == 0 => d.slice(0, range.start / size..range.end / size),
            first => d.slice(0, range.start / size..range.start / size + 1).slice(1, first..first + n),
        };
        d.slice(2, group * outs..(group + 1) * outs).reshape(&[n, outs])
    }

    /// The sum of the results of `block` over all blocks in their order.
    fn sum_of_blocks<T: Scalar>(&self, block: impl Fn(&Range<usize>) -> Array<T> + Sync) -> Array<T> {
        // A bounded number of partial sums at a time, which does not depend on the number of threads.
        let mut sum: Option<Array<T>> = None;
        for blocks in self.blocks(0..self.input[0]).chunks(8) {
            let parts = parallel::map(blocks, |range| block(range));
            for part in parts {
                match &mut sum {
                    Some(sum) => *sum += part,
                    None => sum = Some(part),
                }
            }
        }
        sum.unwrap_or_else(|| block(&(0..0)))
    }

    /// The gradient of the input [batch, channels, …], with channels last in memory: `add` adds the gradients of a
    /// block of patches to those of some samples; it gets the block, the samples' gradients and the number of the first
    /// sample.
    fn sum_into_samples<T: Scalar>(&self, add: impl Fn(Range<usize>, &mut [T], usize) + Sync + Send) -> Array<T> {
        let [batch, channels, a, b, c] = self.input;
        let size = channels * a * b * c;
        let mut out = storage::with_capacity(batch * size);
        let block = |samples: Range<usize>, out: &mut [MaybeUninit<T>]| {
            // Filled with zeros just before gradients are added, so that it is in cache.
            out.fill(MaybeUninit::new(T::zero()));
            // SAFETY: all of it was written.
            let out = unsafe { out.assume_init_mut() };
            // One block after the other, because patches of different blocks may overlap.
            self.blocks(samples.clone()).into_iter().for_each(|range| add(range, out, samples.start));
        };
        let all = &mut out.spare_capacity_mut()[..batch * size];
        for_each_block(all, cut(0..batch, self.samples_per_block()), size, block);
        // SAFETY: the blocks cover all samples, and each fills its own.
        unsafe { out.set_len(batch * size) };
        self.narrow(Array::from_vec(out, &[batch, a, b, c, channels]).permute(&[0, 4, 1, 2, 3]))
    }

    /// Patches of one sample.
    fn per_sample(&self) -> usize {
        self.places.iter().product()
    }

    fn samples_per_block(&self) -> usize {
        let sample = self.per_sample() * self.row_len();
        (BLOCK / sample.max(1)).clamp(1, self.input[0].max(1))
    }

    /// The blocks of the rows of some samples: each has whole samples, or equal parts of one.
    fn blocks(&self, samples: Range<usize>) -> Vec<Range<usize>> {
        let size = self.per_sample();
        let parts = (size * self.row_len()).div_ceil(BLOCK).clamp(1, size);
        cut(samples, self.samples_per_block())
            .into_iter()
            .flat_map(|samples| cut(samples.start * size..samples.end * size, samples.len() * size.div_ceil(parts)))
            .collect()
    }

    /// Entries of a patch: the channels of a group times the window's.
    fn row_len(&self) -> usize {
        self.input[1] / self.groups * self.window.kernel.iter().product::<usize>()
    }

    /// Channels of a group.
    fn channels(&self) -> usize {
        self.input[1] / self.groups
    }
}

/// A range, cut into parts of `size` and the rest.
fn cut(range: Range<usize>, size: usize) -> Vec<Range<usize>> {
    range.clone().step_by(size.max(1)).map(|first| first..range.end.min(first + size)).collect()
}

/// Calls `block` with each block and its elements, `width` for each of its indices, on all threads.
fn for_each_block<T: Send>(
    mut out: &mut [T],
    blocks: Vec<Range<usize>>,
    width: usize,
    block: impl Fn(Range<usize>, &mut [T]) + Sync + Send,
) {
    let part = |range: Range<usize>| (range.clone(), out.split_off_mut(..range.len() * width).expect("blocks fit"));
    let parts: Vec<_> = blocks.into_iter().map(part).collect();
    parallel::for_each(parts, |(range, out)| block(range, out));
}

/// Writes the columns `y` [n, width] into rows of `outs` elements, from column `first` on.
fn paste<T: Scalar>(out: &mut [MaybeUninit<T>], outs: usize, y: &Array<T>, first: usize) {
    let y = y.contiguous();
    let width = y.shape()[1];
    let y = y.as_slice().expect("made contiguous above");
    if width == outs {
        out.write_copy_of_slice(y);
        return;
    }
    for (out, y) in out.chunks_exact_mut(outs.max(1)).zip(y.chunks_exact(width.max(1))) {
        out[first..first + width].write_copy_of_slice(y);
    }
}

#[cfg(test)]
mod tests;
