//! The right operand of a product of f32 matrices, packed for the vector units of x86.
//!
//! The operand is packed into panels of a few vectors of columns; each is multiplied with tiles of rows. The left
//! operand is copied only if its terms are pages apart: for the tens to thousands of rows of a network's matrices, any
//! other copy costs more than it saves.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::kernels::{AVX2, AVX512, KernelTile, Kernels, LINE, ROWS, SIDE, transpose};
use super::{Left, Offsets, PARALLEL, Parts, Strided};
use crate::parallel;
use crate::simd::{self, Level};
use crate::storage::{self, Storage};

/// The most terms of a panel that are multiplied at once, so that they stay in the first-level cache.
const STRETCH: usize = 256;

/// Left operands of more elements are prefetched: the second-level cache does not hold them.
const CACHED: usize = 1 << 18;

/// Elements of a page of memory.
const PAGE: usize = 1 << 10;

/// Distance of rows in the copy of a stretch of a left operand.
const COPY_STRIDE: usize = STRETCH + LINE;

/// Memory for elements that begin on a cache line, with unspecified content.
struct Buffer(Storage<f32>);

impl Buffer {
    /// Memory for at least this number of elements.
    fn new(elements: usize) -> Self {
        Self(Storage::new(storage::with_capacity(elements + LINE)))
    }

    /// All elements.
    fn elements(&mut self) -> &mut [MaybeUninit<f32>] {
        let free = self.0.spare_capacity_mut();
        let first = to_line(free.as_ptr().cast());
        &mut free[first..]
    }

    /// The place of the first element.
    fn start(&self) -> *const f32 {
        let free = self.0.as_ptr();
        free.wrapping_add(to_line(free))
    }
}

/// Elements from a place to the next cache line.
fn to_line(place: *const f32) -> usize {
    place.align_offset(LINE * size_of::<f32>())
}

/// The kernels of this process's [`Level`], if it has some.
fn kernels() -> Option<&'static Kernels> {
    match simd::level() {
        Level::Avx512 => Some(&AVX512),
        Level::Avx2 => Some(&AVX2),
        Level::None => None,
    }
}

/// A packed right operand: its elements, ordered by panel of columns, then by term of the sums, then by column.
pub(super) struct Packed {
    kernels: &'static Kernels,
    panels: Buffer,
    terms: usize,
    columns: usize,
}

impl Packed {
    /// Packs a matrix [terms, columns]; `None` at a level without kernels.
    pub fn new(b: Strided<'_, f32>, terms: usize, columns: usize) -> Option<Self> {
        Some(Self::with(kernels()?, b, terms, columns))
    }

    fn with(kernels: &'static Kernels, b: Strided<'_, f32>, terms: usize, columns: usize) -> Self {
        b.check(terms, columns);
        let lanes = kernels.lanes;
        let size = columns.checked_next_multiple_of(lanes).and_then(|width| width.checked_mul(terms));
        let panels = Buffer::new(size.expect("a matrix to pack fits into memory"));
        let mut packed = Self { kernels, panels, terms, columns };
        if terms > 0 {
            packed.fill(b);
        }
        packed
    }

    /// Writes all panels.
    fn fill(&mut self, b: Strided<'_, f32>) {
        let (kernels, terms) = (self.kernels, self.terms);
        let mut free = self.panels.elements();
        let mut parts = vec![];
        for panel in panels(kernels, 0..self.columns) {
            let (part, rest) = free.split_at_mut(panel.width(kernels) * terms);
            free = rest;
            parts.push((panel, part));
        }
        let fill = |(panel, part): (Panel, &mut [MaybeUninit<f32>])| panel.pack(kernels, b, 0..terms, part);
        match terms * self.columns < PARALLEL {
            true => parts.into_iter().for_each(fill),
            false => parallel::for_each(parts, fill),
        }
    }

    /// The product of rows `a` [rows, terms] with this matrix, written to rows of `out` that are `stride` apart.
    ///
    /// # Safety
    /// `a` and `out` have these sizes, and there is a term.
    pub unsafe fn multiply(&self, a: Left<'_, f32>, rows: usize, out: &mut [MaybeUninit<f32>], stride: usize) {
        let places = a.terms.list(self.terms);
        let mut multiply = |panel: &Panel, left: Left<'_, f32>, here: &[usize], terms: &Range<usize>| {
            let first = panel.columns.start * self.terms + terms.start * panel.width(self.kernels);
            // SAFETY: the caller's promise; each panel holds its columns' elements for all terms.
            unsafe {
                let b = self.panels.start().add(first);
                let c = out.as_mut_ptr().cast::<f32>().add(panel.columns.start);
                panel.multiply(self.kernels, (left, rows), (here, terms.start > 0), b, (c, stride));
            }
        };
        if !self.copies(a) {
            for panel in panels(self.kernels, 0..self.columns) {
                stretches(self.terms).for_each(|terms| multiply(&panel, a, &places[terms.clone()], &terms));
            }
            return;
        }
        let mut copy = Buffer::new(rows * COPY_STRIDE);
        let here: Vec<usize> = (0..STRETCH.min(self.terms)).collect();
        for terms in stretches(self.terms) {
            let copy = copy_left(a, &places[terms.clone()], &mut copy.elements()[..rows * COPY_STRIDE]);
            let left = Left { data: copy, rows: Offsets::Stride(COPY_STRIDE), terms: Offsets::Stride(1) };
            for panel in panels(self.kernels, 0..self.columns) {
                multiply(&panel, left, &here[..terms.len()], &terms);
            }
        }
    }

    /// Returns `true` if a left operand is copied, stretch by stretch. If its terms are pages apart, each is on a cache
    /// line that has left the cache before the next tile needs it. A copy pays off for several panels.
    fn copies(&self, a: Left<'_, f32>) -> bool {
        let far = matches!(a.terms, Offsets::Stride(term) if term >= PAGE) && matches!(a.rows, Offsets::Stride(1));
        far && self.terms >= LINE && self.columns >= 4 * LINE
    }
}

/// Copies the terms at `places` of a transposed left operand to rows that are [`COPY_STRIDE`] apart, with zeros between
/// them.
fn copy_left<'a>(a: Left<'_, f32>, places: &[usize], copy: &'a mut [MaybeUninit<f32>]) -> &'a [f32] {
    let (rows, n, data) = (copy.len() / COPY_STRIDE, places.len(), &a.data[places[0]..]);
    let Offsets::Stride(term) = a.terms else { unreachable!("terms of a transposed operand have a stride") };
    Left { data, rows: Offsets::Stride(1), terms: a.terms }.check(rows, n);
    let (whole_rows, whole_terms) = (rows - rows % SIDE, n - n % SIDE);
    for j in (0..whole_terms).step_by(SIDE) {
        for i in (0..whole_rows).step_by(SIDE) {
            // SAFETY: kernels exist only where there is AVX; the sizes were just checked, and the copy has all rows.
            unsafe {
                let target = copy.as_mut_ptr().cast::<f32>().add(i * COPY_STRIDE + j);
                transpose(data.as_ptr().add(j * term + i), term, target, COPY_STRIDE);
            }
        }
    }
    for i in 0..rows {
        for j in if i < whole_rows { whole_terms } else { 0 }..n {
            copy[i * COPY_STRIDE + j].write(data[i + j * term]);
        }
        copy[i * COPY_STRIDE + n..(i + 1) * COPY_STRIDE].fill(MaybeUninit::new(0.0));
    }
    // SAFETY: the loops wrote n elements of each row, and the last one the others.
    unsafe { std::slice::from_raw_parts(copy.as_ptr().cast(), copy.len()) }
}

/// The product of `a` [rows, terms] with `b` [terms, columns], written to all of `out`, row-major; `false` at a level
/// without kernels. For a right operand that is used once: each panel is packed by the thread that multiplies with it,
/// and so stays in its caches.
///
/// # Panics
/// If an operand is smaller, or `out` has another number of elements.
pub(super) fn product(
    a: Strided<'_, f32>,
    b: Strided<'_, f32>,
    [rows, terms, columns]: [usize; 3],
    parts: Parts,
    out: &mut [MaybeUninit<f32>],
) -> bool {
    let Some(kernels) = kernels() else { return false };
    a.check(rows, terms);
    b.check(terms, columns);
    assert!(
        rows.checked_mul(columns) == Some(out.len()),
        "product: {} elements for {rows} rows of {columns}",
        out.len()
    );
    let places = Left::from(a).terms.list(terms);
    let target = Target(out.as_mut_ptr().cast());
    let work = |rows: Range<usize>, panel: Panel| {
        let width = panel.width(kernels);
        let a = Left::from(Strided { data: &a.data[rows.start * a.row..], ..a });
        let mut buffer = Buffer::new(width * STRETCH.min(terms));
        for terms in stretches(terms) {
            let packed = &mut buffer.elements()[..width * terms.len()];
            panel.pack(kernels, b, terms.clone(), packed);
            let adds = terms.start > 0;
            let c = target.at(rows.start * columns + panel.columns.start);
            // SAFETY: the sizes were checked. Each call has its own rows or columns of the result.
            unsafe { panel.multiply(kernels, (a, rows.len()), (&places[terms], adds), buffer.start(), (c, columns)) };
        }
    };
    match parts {
        Parts::One => panels(kernels, 0..columns).for_each(|panel| work(0..rows, panel)),
        Parts::Columns(count) => parallel::for_each(parts_of(columns, count), |columns: Range<usize>| {
            panels(kernels, columns).for_each(|panel| work(0..rows, panel));
        }),
        Parts::Rows(count) => parallel::for_each(parts_of(rows, count), |rows: Range<usize>| {
            panels(kernels, 0..columns).for_each(|panel| work(rows.clone(), panel));
        }),
    }
    true
}

/// Even parts of rows or columns, which begin at the beginnings of cache lines.
fn parts_of(n: usize, parts: usize) -> Vec<Range<usize>> {
    let start = |part: usize| n.min(n.div_ceil(LINE) * part / parts * LINE);
    (0..parts).map(|part| start(part)..start(part + 1)).filter(|part| !part.is_empty()).collect()
}

/// A result that several threads write.
struct Target(*mut f32);

// SAFETY: the threads write to different rows or columns.
unsafe impl Sync for Target {}

impl Target {
    fn at(&self, element: usize) -> *mut f32 {
        self.0.wrapping_add(element)
    }
}

/// Even stretches of the terms of sums; they depend on the number of terms alone.
fn stretches(terms: usize) -> impl Iterator<Item = Range<usize>> {
    let size = terms.div_ceil(terms.div_ceil(STRETCH).max(1)).max(1);
    (0..terms).step_by(size).map(move |first| first..terms.min(first + size))
}

/// The panels of some columns: as wide as the registers allow, but the widths of the last two are as equal as possible.
fn panels(&Kernels { lanes, tiles, .. }: &Kernels, columns: Range<usize>) -> impl Iterator<Item = Panel> + use<> {
    let mut first = columns.start;
    std::iter::from_fn(move || {
        let left = (columns.end - first).div_ceil(lanes);
        let vectors = if left == tiles.len() + 1 { left.div_ceil(2) } else { left.min(tiles.len()) };
        let range = first..columns.end.min(first + vectors * lanes);
        first = range.end;
        (vectors > 0).then_some(Panel { columns: range, vectors })
    })
}

/// Columns that a tile handles together.
struct Panel {
    columns: Range<usize>,
    vectors: usize,
}

impl Panel {
    /// Elements that a packed panel has for each term.
    fn width(&self, kernels: &Kernels) -> usize {
        self.vectors * kernels.lanes
    }

    /// Writes some terms of this panel to `target`: for each its columns, filled up with zeros to the width.
    fn pack(&self, kernels: &Kernels, b: Strided<'_, f32>, terms: Range<usize>, target: &mut [MaybeUninit<f32>]) {
        let (width, used) = (self.width(kernels), self.columns.len());
        let n = terms.len();
        assert!(target.len() == n * width, "product: {} elements for {n} terms of {width}", target.len());
        let b = Strided { data: &b.data[terms.start * b.row + self.columns.start * b.column..], ..b };
        b.check(n, used);
        if used < width {
            target.chunks_exact_mut(width).for_each(|target| target[used..].fill(MaybeUninit::new(0.0)));
        } else if b.column == 1 {
            // SAFETY: the sizes were just checked. The kernels are those of this processor.
            return unsafe { kernels.copies[self.vectors - 1](b.data.as_ptr(), n, b.row, target.as_mut_ptr().cast()) };
        }
        if b.column == 1 {
            for (p, target) in target.chunks_exact_mut(width).enumerate() {
                target[..used].write_copy_of_slice(&b.data[p * b.row..][..used]);
            }
            return;
        }
        let whole = |n: usize| if b.row == 1 { n - n % SIDE } else { 0 };
        let (whole_columns, whole_terms) = (whole(used), whole(n));
        // As many terms as a cache line has: a line of each column is read whole, and what is written is contiguous.
        for line in (0..whole_terms).step_by(LINE) {
            for j in (0..whole_columns).step_by(SIDE) {
                for p in (line..whole_terms.min(line + LINE)).step_by(SIDE) {
                    // SAFETY: kernels exist only where there is AVX; the sizes were just checked.
                    unsafe {
                        let target = target.as_mut_ptr().cast::<f32>().add(p * width + j);
                        transpose(b.data.as_ptr().add(j * b.column + p), b.column, target, width);
                    }
                }
            }
        }
        for j in 0..used {
            for p in if j < whole_columns { whole_terms } else { 0 }..n {
                target[p * width + j].write(b.data[p * b.row + j * b.column]);
            }
        }
    }

    /// Writes the product of rows `a` with this panel, packed at `b`, to rows at `c` that are `stride` apart, or adds
    /// it to them.
    ///
    /// # Safety
    /// `a` has `rows` rows, at least one, and its terms are at the offsets `terms`. `b` has the panel's width of
    /// elements for each term. The panel's columns of all rows of the result exist, and this call alone accesses them.
    /// The kernels are those of this processor.
    unsafe fn multiply(
        &self,
        kernels: &Kernels,
        (a, rows): (Left<'_, f32>, usize),
        (terms, adds): (&[usize], bool),
        b: *const f32,
        (c, stride): (*mut f32, usize),
    ) {
        let tiles = kernels.tiles[self.vectors - 1];
        // Tiles of even heights: a low one has too few sums to keep the multipliers busy.
        let count = rows.div_ceil(tiles.len());
        let (height, higher) = (rows / count, rows % count);
        // The first panel brings the rows into cache, if they are not there yet.
        let apart = match a.rows {
            Offsets::Stride(apart) if self.columns.start == 0 && a.data.len() > CACHED => apart,
            _ => 0,
        };
        let columns = self.columns.len();
        let mut row = 0;
        for tile in 0..count {
            let here = height + usize::from(tile < higher);
            let starts = a.rows.chunk::<ROWS>(row);
            let rows = starts.map(|start| a.data.as_ptr().wrapping_add(start));
            let c = c.wrapping_add(row * stride);
            // SAFETY: rows, terms and columns of the tile are inside of the operands and of the result.
            unsafe { tiles[here - 1](&KernelTile { terms, rows, b, c, stride, columns, adds, ahead: here * apart }) };
            row += here;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, Tensor};

    /// Every tile of the level's kernels, whole and cut, gives the promised chain of fused multiply-adds.
    #[test]
    fn sums_are_chains_of_fused_multiply_adds() {
        let stretch = |terms: usize| terms.div_ceil(terms.div_ceil(STRETCH));
        for (rows, terms, columns) in (1..=17)
            .flat_map(|rows| (1..=50).map(move |columns| (rows, 3, columns)))
            .chain([(5, 700, 33), (13, 256, 7)])
        {
            let (a, b) = (Tensor::normal(&[rows, terms], Key::new(1)), Tensor::normal(&[terms, columns], Key::new(2)));
            let chains = Tensor::from_fn(&[rows, columns], |i| {
                let factors: Vec<_> = (0..terms).map(|p| (a[[i[0], p]], b[[p, i[1]]])).collect();
                let sums = factors
                    .chunks(stretch(terms))
                    .map(|part| part.iter().fold(0.0f32, |sum, (a, b)| a.mul_add(*b, sum)));
                sums.reduce(|sum, part| sum + part).expect("there are terms")
            });
            if kernels().is_some() {
                assert_eq!(a.matmul(&b), chains, "[{rows}, {terms}] × [{terms}, {columns}]");
                let transposed = b.t().contiguous();
                assert_eq!(a.matmul(&transposed.t()), chains, "[{rows}, {terms}] × [{columns}, {terms}]ᵀ");
            } else {
                assert!((&a.matmul(&b) - &chains).abs().max() < 1e-4, "[{rows}, {terms}] × [{terms}, {columns}]");
            }
        }
    }
}
