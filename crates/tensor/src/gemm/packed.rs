//! The right operand of a product of f32 matrices, packed for the vector units of x86.
//!
//! Panels of a few vectors of columns, through which tiles of rows then run. The left operand is not packed: the matrices
//! of networks have tens to thousands of rows, so a copy would cost more than it wins.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::LazyLock;

use super::kernels::{AVX2, AVX512, Kernels, ROWS, SQUARE, Tile, transpose};
use super::{Left, Strided};
use crate::parallel;

/// Terms of a sum that one run through a panel handles at most, so that the panel stays in the first-level cache.
const STRETCH: usize = 256;

/// Elements from which packing is given to all threads.
const PARALLEL: usize = 1 << 14;

/// Elements of a cache line.
const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "it is written and read through pointers")] [f32; LINE]);

thread_local! {
    /// A buffer that the next packing takes over.
    static SCRATCH: Cell<Vec<Line>> = const { Cell::new(vec![]) };
}

/// The kernels of this processor, if it has some.
fn kernels() -> Option<&'static Kernels> {
    static FOUND: LazyLock<Option<&'static Kernels>> = LazyLock::new(|| {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx") {
            Some(&AVX512)
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            Some(&AVX2)
        } else {
            None
        }
    });
    *FOUND
}

/// The right operand of a product, packed: for each panel of columns, for each term of the sums, the columns' elements.
pub(super) struct Packed {
    kernels: &'static Kernels,
    lines: Vec<Line>,
    terms: usize,
    columns: usize,
}

/// Gives the buffer back to the thread that is done with it.
impl Drop for Packed {
    fn drop(&mut self) {
        SCRATCH.set(std::mem::take(&mut self.lines));
    }
}

impl Packed {
    /// Packs a matrix [terms, columns]; `None` where the processor has no vector units that we know.
    pub fn new(b: Strided<'_, f32>, terms: usize, columns: usize) -> Option<Self> {
        Some(Self::with(kernels()?, b, terms, columns))
    }

    fn with(kernels: &'static Kernels, b: Strided<'_, f32>, terms: usize, columns: usize) -> Self {
        b.check(terms, columns);
        let lanes = kernels.lanes;
        let elements = columns.div_ceil(lanes) * lanes * terms;
        let mut lines = SCRATCH.take();
        lines.resize(elements.div_ceil(LINE), Line([0.0; LINE]));
        let mut packed = Self { kernels, lines, terms, columns };
        packed.fill(b);
        packed
    }

    /// The panels: as wide as the registers allow, the last ones evenly.
    fn panels(&self) -> impl Iterator<Item = Panel> + use<> {
        let Self { kernels: &Kernels { lanes, tiles, .. }, columns, .. } = *self;
        let mut first = 0;
        std::iter::from_fn(move || {
            let left = (columns - first).div_ceil(lanes);
            let vectors = if left == tiles.len() + 1 { left.div_ceil(2) } else { left.min(tiles.len()) };
            let range = first..columns.min(first + vectors * lanes);
            first = range.end;
            (vectors > 0).then_some(Panel { columns: range, vectors })
        })
    }

    /// Writes all panels.
    fn fill(&mut self, b: Strided<'_, f32>) {
        let (terms, lanes) = (self.terms, self.kernels.lanes);
        let panels: Vec<Panel> = self.panels().collect();
        // SAFETY: a line is LINE elements without padding.
        let mut free =
            unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LINE) };
        let mut parts = vec![];
        for panel in panels {
            let width = panel.vectors * lanes;
            let (part, rest) = free.split_at_mut(width * terms);
            free = rest;
            parts.push((part, panel.columns, width));
        }
        let fill = |(part, columns, width)| fill(part, b, columns, terms, width);
        match terms * self.columns < PARALLEL {
            true => parts.into_iter().for_each(fill),
            false => parallel::for_each(parts, fill),
        }
    }

    /// The product of rows `a` [rows, terms] with this matrix, written to rows of `out` that are `stride` apart.
    ///
    /// # Panics
    /// If `a` or `out` are smaller than that.
    pub fn multiply(&self, a: Left<'_, f32>, rows: usize, out: &mut [MaybeUninit<f32>], stride: usize) {
        if rows == 0 || self.columns == 0 {
            return;
        }
        assert!(
            self.columns <= stride && (rows - 1) * stride + self.columns <= out.len(),
            "product: {} elements for {rows} rows",
            out.len()
        );
        a.check(rows, self.terms);
        let &Kernels { lanes, rows: most, tiles } = self.kernels;
        let stretch = self.terms.div_ceil(self.terms.div_ceil(STRETCH));
        let mut places = [0; STRETCH];
        for panel in self.panels() {
            let width = panel.vectors * lanes;
            for first in (0..self.terms).step_by(stretch) {
                let terms = &mut places[..stretch.min(self.terms - first)];
                a.terms.list(first, terms);
                for row in (0..rows).step_by(most) {
                    let here = most.min(rows - row);
                    // SAFETY: rows, terms and columns of the tile are inside of the operands, which were checked, and
                    // of the result; the panel holds `width` elements for each term. The kernels are those of this
                    // processor.
                    unsafe {
                        let b = self.lines.as_ptr().cast::<f32>().add(panel.columns.start * self.terms + first * width);
                        tiles[panel.vectors - 1][here - 1](&Tile {
                            terms,
                            rows: a.rows.chunk::<ROWS>(row).map(|start| a.data.as_ptr().wrapping_add(start)),
                            b,
                            c: out.as_mut_ptr().cast::<f32>().add(row * stride + panel.columns.start),
                            stride,
                            columns: panel.columns.len(),
                            adds: first > 0,
                        });
                    }
                }
            }
        }
    }
}

/// Columns that a tile handles together.
struct Panel {
    columns: Range<usize>,
    vectors: usize,
}

/// Writes one panel, `width` elements for each term.
fn fill(panel: &mut [f32], b: Strided<'_, f32>, columns: Range<usize>, terms: usize, width: usize) {
    let used = columns.len();
    if b.column == 1 {
        for (p, target) in panel.chunks_exact_mut(width).enumerate() {
            let at = p * b.row + columns.start;
            target[..used].copy_from_slice(&b.data[at..at + used]);
            target[used..].fill(0.0);
        }
        return;
    }
    if used < width {
        panel.chunks_exact_mut(width).for_each(|target| target[used..].fill(0.0));
    }
    let squares = |n: usize| if b.row == 1 { n - n % SQUARE } else { 0 };
    let (whole_columns, whole_terms) = (squares(used), squares(terms));
    for j in (0..whole_columns).step_by(SQUARE) {
        for p in (0..whole_terms).step_by(SQUARE) {
            let at = (columns.start + j) * b.column + p;
            // SAFETY: kernels exist only where there is AVX. The source was checked to hold all terms and columns, the
            // target lies in the panel.
            unsafe {
                let target = panel.as_mut_ptr().add(p * width + j);
                transpose(b.data.as_ptr().add(at), b.column, target, width);
            }
        }
    }
    for j in 0..used {
        for p in if j < whole_columns { whole_terms } else { 0 }..terms {
            panel[p * width + j] = b.data[p * b.row + (columns.start + j) * b.column];
        }
    }
}
