//! The exact products of a convolution, for digital layers and perfect tiles, without patches as rows in memory.
//!
//! Entry j of patch i is at the sum of the patch's corner and the entry's shift, and the left operand of a product is
//! read from there. Each sum has the same order as in a product of rows, so the bits are the same. A bias is added
//! while the outputs are in cache.

use std::ops::Range;

use super::unfold::{Entries, FoldPatches};
use super::{ConvWindow, Im2col, Patches};
use crate::array::Array;
use crate::gemm::{Left, Offsets, Right};
use crate::product::{self, strided};
use crate::scalar::Scalar;
use crate::simd::vectorized;
use crate::{parallel, shape, storage};

/// Elements of patch gradients that are computed before they are added up; the first-level cache holds them.
const FOLDED: usize = 1 << 13;

impl Im2col {
    /// The outputs for an input and a weight [out, in]: [`product::linear`] of all rows, plus a bias for each output,
    /// if there is one.
    pub fn linear<T: Scalar>(&self, x: &Array<T>, w: &Array<T>, bias: Option<&Array<T>>) -> Array<T> {
        match self {
            Self::Rows { .. } => bias.map_or(product::linear(x, w), |bias| &product::linear(x, w) + bias),
            Self::Patches(patches) if patches.is_mostly_padding() => {
                let (outs, width) = (w.shape()[0], w.shape()[0] / patches.groups);
                let of_group = |group: usize| w.slice(0, group * width..(group + 1) * width);
                let y = self.forward(x, outs, |group, rows, _| product::linear(rows, &of_group(group)));
                let along = [&[outs][..], &[1; 3][..patches.rank]].concat();
                match bias {
                    Some(bias) => &y + &bias.reshape(&along),
                    None => y,
                }
            }
            Self::Patches(patches) => patches.linear(x, w, bias),
        }
    }

    /// The gradient of [`linear`](Self::linear) with respect to the weight [out, in].
    pub fn linear_weight_gradient<T: Scalar>(&self, d: &Array<T>, x: &Array<T>) -> Array<T> {
        match self {
            Self::Rows { .. } => product::linear_weight_gradient(d, x),
            Self::Patches(patches) if patches.is_mostly_padding() => {
                self.weight_gradient(d, x, |_, d, rows, _| product::linear_weight_gradient(d, rows))
            }
            Self::Patches(patches) => patches.linear_weight_gradient(d, x),
        }
    }

    /// The gradient of [`linear`](Self::linear) with respect to the input.
    pub fn linear_input_gradient<T: Scalar>(&self, d: &Array<T>, w: &Array<T>) -> Array<T> {
        match self {
            Self::Rows { .. } => product::linear_input_gradient(d, w),
            Self::Patches(patches) => patches.linear_input_gradient(d, w),
        }
    }
}

/// The memory in which the patches of a block lie.
struct Source<T> {
    /// The samples of the patches, or parts of them: [n, channels, a, b, c], with the padding.
    x: Array<T>,
    /// The corner of each patch.
    corners: Vec<usize>,
}

impl<T: Scalar> Source<T> {
    /// The elements from the first channel of a group on.
    fn of_group(&self, channel: usize) -> &[T] {
        self.x.data.get(self.x.offset + channel * self.x.strides[1]..).unwrap_or(&[])
    }
}

impl Patches {
    /// Returns `true` if windows or their entries are so far apart that nearly all they reach is padding, which would
    /// be copied for nothing.
    fn is_mostly_padding(&self) -> bool {
        let ConvWindow { kernel, stride, padding, dilation } = self.window;
        let reach = [0, 1, 2].map(|i| (self.places[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1);
        let product = |sizes: &[usize]| sizes.iter().product::<usize>();
        let used = product(&self.input[2..]).max(self.per_sample() * product(&kernel));
        padding != [0; 3] && product(&reach) / 64 > used
    }

    fn linear<T: Scalar>(&self, x: &Array<T>, w: &Array<T>, bias: Option<&Array<T>>) -> Array<T> {
        let (x, outs) = (self.wide(x), w.shape()[0]);
        let width = outs / self.groups;
        assert!(
            width * self.groups == outs && w.shape()[1] == self.row_len() && bias.is_none_or(|b| b.shape() == [outs]),
            "convolution: weight {:?} for patches of {} in {} groups, bias {:?}",
            w.shape(),
            self.row_len(),
            self.groups,
            bias.map(Array::shape)
        );
        let bias = bias.map(Array::to_vec);
        let parts: Vec<_> = (0..self.groups).map(|group| w.slice(0, group * width..(group + 1) * width)).collect();
        let rights: Vec<_> = parts.iter().map(product::right_of).collect();
        let entries = self.entries(Entries::ByChannel);
        self.output_of_blocks(outs, |range, out| {
            let source = self.source(&x, &range);
            let terms = self.shifts(&source.x.strides, &entries);
            for (group, right) in rights.iter().enumerate() {
                let left = Left {
                    data: source.of_group(group * self.channels()),
                    rows: Offsets::Table(&source.corners),
                    terms: Offsets::Table(&terms),
                };
                right.multiply(left, range.len(), &mut out[group * width..], outs);
            }
            // SAFETY: the products of the groups have written all columns of all rows of the block.
            let out = unsafe { out.assume_init_mut() };
            if let Some(bias) = &bias {
                add_to_rows(out, bias);
            }
            out
        })
    }

    fn linear_weight_gradient<T: Scalar>(&self, d: &Array<T>, x: &Array<T>) -> Array<T> {
        let (x, d) = (self.wide(x), self.rows_last(d));
        let (channels, width, places) = (self.channels(), d.shape()[2] / self.groups, self.row_len() / self.channels());
        // As `patchᵀ·d`, because the right operand is packed and `d` has fewer columns. By place, because the rows of a
        // kernel's tile are then neighbours in memory.
        let entries = self.entries(Entries::ByPlace);
        let sum = self.sum_of_blocks(|range| {
            let source = self.source(&x, range);
            let rows = self.shifts(&source.x.strides, &entries);
            let len = rows.len() * width;
            let all = parallel::build(self.groups * len, self.groups * len, |_, out| {
                for (group, out) in out.chunks_exact_mut(len.max(1)).enumerate() {
                    let left = Left {
                        data: source.of_group(group * channels),
                        rows: Offsets::Table(&rows),
                        terms: Offsets::Table(&source.corners),
                    };
                    let d = self.block_of(&d, range.clone(), group);
                    Right::new(strided(&d), range.len(), width).multiply(left, rows.len(), out, width);
                }
                // SAFETY: the products of the groups have written all rows and columns.
                unsafe { out.assume_init_mut() }
            });
            Array::from_vec(all, &[self.groups, places, channels, width])
        });
        sum.permute(&[0, 3, 2, 1]).reshape(&[self.groups * width, self.row_len()])
    }

    fn linear_input_gradient<T: Scalar>(&self, d: &Array<T>, w: &Array<T>) -> Array<T> {
        let (d, w) = (self.rows_last(d), self.by_place(w));
        let (width, row_len) = (w.shape()[0] / self.groups, self.row_len());
        let parts: Vec<_> = (0..self.groups).map(|group| w.slice(0, group * width..(group + 1) * width)).collect();
        let rights: Vec<_> = parts.iter().map(|w| Right::new(strided(w), width, row_len)).collect();
        let fold = FoldPatches::new(self, Entries::ByPlace);
        let rows = (FOLDED / row_len.max(1)).max(1).next_multiple_of(8);
        self.sum_into_samples(|range, out, first| {
            let mut gradient = Vec::with_capacity(rows * row_len);
            for (group, right) in rights.iter().enumerate() {
                let d = self.block_of(&d, range.clone(), group);
                for start in (0..range.len()).step_by(rows) {
                    let n = rows.min(range.len() - start);
                    let gradient = &mut gradient.spare_capacity_mut()[..n * row_len];
                    right.multiply(strided(&d.slice(0, start..start + n)).into(), n, gradient, row_len);
                    // SAFETY: the product has written all of it.
                    let gradient = unsafe { gradient.assume_init_ref() };
                    fold.add(gradient, range.start + start..range.start + start + n, group, out, first);
                }
            }
        })
    }

    /// A weight [out, in] with its columns by place.
    fn by_place<T: Scalar>(&self, w: &Array<T>) -> Array<T> {
        let (outs, row_len, channels) = (w.shape()[0], self.row_len(), self.channels());
        w.reshape(&[outs, channels, row_len / channels]).transpose(1, 2).reshape(&[outs, row_len])
    }

    /// The memory of a block of patches: the input itself, or a copy of the block's part of it with the padding around.
    fn source<T: Scalar>(&self, x: &Array<T>, range: &Range<usize>) -> Source<T> {
        let samples = range.start / self.per_sample()..range.end.div_ceil(self.per_sample());
        let x = x.slice(0, samples.clone());
        let (x, origin) = if self.window.padding == [0; 3] { (x, [0; 3]) } else { self.padded(&x, range) };
        let mut corners = Vec::with_capacity(range.len());
        self.for_each_patch(range.clone(), |sample, corner, _| {
            let at: usize = (0..3).map(|i| (corner[i] - origin[i]) * x.strides[2 + i]).sum();
            corners.push((sample - samples.start) * x.strides[0] + at);
        });
        Source { x, corners }
    }

    /// The part of the padded input that the patches of a block reach, with channels last, and where it begins.
    fn padded<T: Scalar>(&self, x: &Array<T>, range: &Range<usize>) -> (Array<T>, [usize; 3]) {
        let ConvWindow { kernel, stride, padding, dilation } = self.window;
        let places = self.places_of(range);
        let origin = [0, 1, 2].map(|i| places[i].start * stride[i]);
        let sizes = [0, 1, 2].map(|i| (places[i].len() - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1);
        let (batch, channels) = (x.shape()[0], x.shape()[1]);
        let shape = [batch, sizes[0], sizes[1], sizes[2], channels];
        let mut data = storage::filled(shape.iter().product(), T::zero());
        let to = shape::row_major(&shape);
        let (mut inner, mut first) = (x.permute(&[0, 2, 3, 4, 1]), 0);
        for i in 0..3 {
            // The part of the padded input that is not padding and lies in the block.
            let start = origin[i].max(padding[i]);
            let end = (origin[i] + sizes[i]).min(padding[i] + self.input[2 + i]).max(start);
            inner = inner.slice(1 + i, start - padding[i]..end - padding[i]);
            first += (start - origin[i]) * to[1 + i];
        }
        let stride = inner.strides[4];
        shape::for_each_row(&inner.shape, [&inner.strides, &to], |[from, at]| {
            let source = inner.data[inner.offset + from..].iter().step_by(stride.max(1));
            data[first + at..][..channels].iter_mut().zip(source).for_each(|(to, &x)| *to = x);
        });
        (Array::from_vec(data, &shape).permute(&[0, 4, 1, 2, 3]), origin)
    }

    /// The places of the window that a block has along each axis.
    fn places_of(&self, range: &Range<usize>) -> [Range<usize>; 3] {
        let (size, [_, b, c]) = (self.per_sample(), self.places);
        if range.len().is_multiple_of(size) {
            return self.places.map(|n| 0..n);
        }
        let [first, last] = [range.start, range.end - 1].map(|row| {
            let place = row % size;
            [place / (b * c), place / c % b, place % c]
        });
        [0, 1, 2].map(|i| if first[..i] == last[..i] { first[i]..last[i] + 1 } else { 0..self.places[i] })
    }
}

fn add_to_rows<T: Scalar>(rows: &mut [T], bias: &[T]) {
    vectorized(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(bias.len().max(1)) {
                row.iter_mut().zip(bias).for_each(|(y, &b)| *y += b);
            }
        },
    );
}
