//! The innermost loops: a tile of rows and columns of a product, held in vector registers.
//!
//! The sum of each element over a stretch of terms is one chain of fused multiply-adds in their order, to which the sum
//! over earlier stretches is added. So it depends neither on the tile that it is computed in, nor on the width of the
//! vectors.

/// Most rows that a tile has.
pub(super) const ROWS: usize = 8;

/// Elements of a cache line.
pub(super) const LINE: usize = 16;

/// The part of a product that one tile computes; the operands are behind raw pointers.
#[derive(Clone, Copy)]
pub(super) struct KernelTile<'a> {
    /// The terms of each sum, as the offsets of their factors in a row.
    pub terms: &'a [usize],
    /// The beginnings of the rows.
    pub rows: [*const f32; ROWS],
    /// The packed panel: for each term the vectors of the tile's columns.
    pub b: *const f32,
    /// The first element of the result, whose rows are `stride` apart.
    pub c: *mut f32,
    pub stride: usize,
    /// Columns of the result; the panel's last vector may reach beyond them.
    pub columns: usize,
    /// Adds to the result, which holds the sums over earlier terms.
    pub adds: bool,
    /// Distance from each row to the same row of the next tile, for prefetching; 0 prefetches nothing.
    pub ahead: usize,
}

/// Computes one tile.
pub(super) type Kernel = unsafe fn(&KernelTile<'_>);

/// The kernels of one instruction set, for tiles whose sums fit into its registers.
pub(super) struct Kernels {
    pub lanes: usize,
    /// Kernels by the number of vectors of columns, then by the number of rows, both from 1.
    pub tiles: &'static [&'static [Kernel]],
    /// Copies of rows of 1, 2, … vectors.
    pub copies: &'static [Copy],
}

/// Copies rows of vectors that are `apart` elements apart into consecutive memory.
pub(super) type Copy = unsafe fn(source: *const f32, rows: usize, apart: usize, target: *mut f32);

/// Rows and columns of the blocks that [`transpose`] handles.
pub(super) const SIDE: usize = 8;

macro_rules! kernels {
    ($name:ident, $feature:literal, $vector:ident, $lanes:literal, $zero:ident, $load:ident, $store:ident, $splat:ident, $fma:ident, $add:ident) => {
        pub(super) mod $name {
            use std::arch::x86_64::*;

            use super::{KernelTile, LINE};

            /// # Safety
            /// The processor has the features, and the rows exist in both places.
            #[target_feature(enable = $feature)]
            pub unsafe fn copy<const VECTORS: usize>(
                mut source: *const f32,
                rows: usize,
                apart: usize,
                mut target: *mut f32,
            ) {
                for _ in 0..rows {
                    for v in 0..VECTORS {
                        // SAFETY: the caller's promise.
                        unsafe { $store(target.add(v * $lanes), $load(source.add(v * $lanes))) };
                    }
                    source = source.wrapping_add(apart);
                    target = target.wrapping_add(VECTORS * $lanes);
                }
            }

            /// # Safety
            /// The processor has the features, all elements that the tile names exist, and no other thread accesses its
            /// result.
            #[target_feature(enable = $feature)]
            pub unsafe fn tile<const ROWS: usize, const VECTORS: usize>(tile: &KernelTile<'_>) {
                let &KernelTile { terms, rows, mut b, c, stride, columns, adds, ahead } = tile;
                let rows: [*const f32; ROWS] = std::array::from_fn(|i| rows[i]);
                let mut sums = [[$zero(); VECTORS]; ROWS];
                let piece = if ahead > 0 { LINE } else { terms.len().max(1) };
                for terms in terms.chunks(piece) {
                    if ahead > 0 {
                        for row in rows {
                            _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(terms[0] + ahead).cast());
                        }
                    }
                    for &term in terms {
                        let mut right = [$zero(); VECTORS];
                        for (v, right) in right.iter_mut().enumerate() {
                            // SAFETY: the panel has VECTORS vectors for each term.
                            *right = unsafe { $load(b.add(v * $lanes)) };
                        }
                        for (row, sums) in rows.iter().zip(&mut sums) {
                            // SAFETY: each row has all terms.
                            let left = unsafe { $splat(*row.add(term)) };
                            for (sum, &right) in sums.iter_mut().zip(&right) {
                                *sum = $fma(left, right, *sum);
                            }
                        }
                        b = b.wrapping_add(VECTORS * $lanes);
                    }
                }
                for (i, sums) in sums.into_iter().enumerate() {
                    for (v, mut sum) in sums.into_iter().enumerate() {
                        let valid = columns - v * $lanes;
                        // SAFETY: the elements lie in the result; where fewer columns than lanes are left, they go by
                        // way of a buffer of all lanes.
                        unsafe {
                            let at = c.add(i * stride + v * $lanes);
                            if valid >= $lanes {
                                if adds {
                                    sum = $add($load(at), sum);
                                }
                                $store(at, sum);
                            } else {
                                let mut buffer = [0.0; $lanes];
                                if adds {
                                    at.copy_to_nonoverlapping(buffer.as_mut_ptr(), valid);
                                    sum = $add($load(buffer.as_ptr()), sum);
                                }
                                $store(buffer.as_mut_ptr(), sum);
                                at.copy_from_nonoverlapping(buffer.as_ptr(), valid);
                            }
                        }
                    }
                }
            }
        }
    };
}

kernels!(
    avx512,
    "avx512f",
    __m512,
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps
);
kernels!(
    avx2,
    "avx2,fma",
    __m256,
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps
);

/// The tiles of one instruction set: for each number of vectors those of 1, 2, … rows.
macro_rules! tiles {
    ($set:ident: $($vectors:literal: [$($rows:literal)*],)*) => {
        &[$(&[$($set::tile::<$rows, $vectors>),*]),*]
    };
}

/// Up to eight rows by three vectors: 24 of 32 registers hold sums.
pub(super) const AVX512: Kernels = Kernels {
    lanes: 16,
    tiles: tiles!(avx512: 1: [1 2 3 4 5 6 7 8], 2: [1 2 3 4 5 6 7 8], 3: [1 2 3 4 5 6 7 8],),
    copies: &[avx512::copy::<1>, avx512::copy::<2>, avx512::copy::<3>],
};

/// Up to six rows by two vectors: 12 of 16 registers hold sums, 2 the right operand, 1 the left one. (Four rows by
/// three vectors would need all 16, and put a sum on the stack.) A single vector takes eight rows: two multiply-adds
/// per cycle, each of four cycles, need eight sums.
pub(super) const AVX2: Kernels = Kernels {
    lanes: 8,
    tiles: tiles!(avx2: 1: [1 2 3 4 5 6 7 8], 2: [1 2 3 4 5 6],),
    copies: &[avx2::copy::<1>, avx2::copy::<2>],
};

/// Transposes a block of [`SIDE`] × [`SIDE`].
///
/// # Safety
/// The processor has AVX, and both blocks exist and do not overlap.
#[target_feature(enable = "avx")]
pub(super) unsafe fn transpose(source: *const f32, from: usize, target: *mut f32, to: usize) {
    use std::arch::x86_64::*;
    for half in [0, 4] {
        // Rows i and i + 4 in one register: then no step below crosses its halves.
        let r: [__m256; 4] = std::array::from_fn(|i| {
            let [low, high] = [i, i + 4].map(|row| source.wrapping_add(row * from + half));
            // SAFETY: the caller's promise.
            unsafe { _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high)) }
        });
        let (a, b) = (_mm256_unpacklo_ps(r[0], r[1]), _mm256_unpacklo_ps(r[2], r[3]));
        let (c, d) = (_mm256_unpackhi_ps(r[0], r[1]), _mm256_unpackhi_ps(r[2], r[3]));
        let columns = [
            _mm256_shuffle_ps::<0x44>(a, b),
            _mm256_shuffle_ps::<0xee>(a, b),
            _mm256_shuffle_ps::<0x44>(c, d),
            _mm256_shuffle_ps::<0xee>(c, d),
        ];
        for (i, column) in columns.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { _mm256_storeu_ps(target.add((half + i) * to), column) };
        }
    }
}
