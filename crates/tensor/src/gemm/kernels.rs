//! The innermost loops: a tile of rows and columns of a product, held in vector registers.
//!
//! Every element of the result is one chain of fused multiply-adds in the order of the inner dimension. So it does not
//! depend on the tile that it is computed in, nor on the width of the vectors.

/// Most rows that a tile has.
pub(super) const ROWS: usize = 8;

/// The part of a product that one tile computes; the operands are behind raw pointers.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    /// The terms of each sum: where a row has their factors.
    pub terms: &'a [usize],
    /// Where the rows begin.
    pub rows: [*const f32; ROWS],
    /// The packed panel: for each term the vectors of the tile's columns.
    pub b: *const f32,
    /// The first element of the result, whose rows are `stride` apart.
    pub c: *mut f32,
    pub stride: usize,
    /// Columns of the result; the panel's last vector may reach beyond them.
    pub columns: usize,
    /// Whether the result holds sums over earlier terms already.
    pub adds: bool,
}

/// Computes one tile.
pub(super) type Kernel = unsafe fn(&Tile<'_>);

/// The tiles of one instruction set, as many rows and vectors of columns as its registers hold.
pub(super) struct Kernels {
    pub lanes: usize,
    /// Kernels for 1, 2, … vectors of columns, and of these for 1, 2, … rows.
    pub tiles: &'static [&'static [Kernel]],
}

/// Side of the blocks that [`transpose`] handles.
pub(super) const SQUARE: usize = 8;

macro_rules! kernels {
    ($name:ident, $feature:literal, $vector:ident, $lanes:literal, $zero:ident, $load:ident, $store:ident, $splat:ident, $fma:ident, $add:ident) => {
        pub(super) mod $name {
            use std::arch::x86_64::*;

            use super::Tile;

            /// # Safety
            /// The processor has the features, all elements that the tile names exist, and nobody else uses its result.
            #[target_feature(enable = $feature)]
            pub unsafe fn tile<const ROWS: usize, const VECTORS: usize>(tile: &Tile<'_>) {
                let &Tile { terms, rows, mut b, c, stride, columns, adds } = tile;
                let rows: [*const f32; ROWS] = std::array::from_fn(|i| rows[i]);
                let mut sums = [[$zero(); VECTORS]; ROWS];
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
pub(super) const AVX512: Kernels =
    Kernels { lanes: 16, tiles: tiles!(avx512: 1: [1 2 3 4 5 6 7 8], 2: [1 2 3 4 5 6 7 8], 3: [1 2 3 4 5 6 7 8],) };

/// Up to six rows by two vectors: 12 of 16 registers hold sums, 2 the right operand, 1 the left one. (Four rows by three
/// vectors would need 17.) A single vector takes eight rows: two multiply-adds per cycle, each of four cycles, need eight
/// sums.
pub(super) const AVX2: Kernels = Kernels { lanes: 8, tiles: tiles!(avx2: 1: [1 2 3 4 5 6 7 8], 2: [1 2 3 4 5 6],) };

/// Transposes a block of [`SQUARE`] × [`SQUARE`].
///
/// # Safety
/// The processor has AVX, and both blocks exist and do not overlap.
#[target_feature(enable = "avx")]
pub(super) unsafe fn transpose(source: *const f32, from: usize, target: *mut f32, to: usize) {
    use std::arch::x86_64::*;
    // SAFETY: the caller's promise.
    let mut r: [__m256; 8] = std::array::from_fn(|i| unsafe { _mm256_loadu_ps(source.add(i * from)) });
    let mut t = [_mm256_setzero_ps(); 8];
    for i in 0..4 {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for i in [0, 4] {
        r[i] = _mm256_shuffle_ps::<0x44>(t[i], t[i + 2]);
        r[i + 1] = _mm256_shuffle_ps::<0xee>(t[i], t[i + 2]);
        r[i + 2] = _mm256_shuffle_ps::<0x44>(t[i + 1], t[i + 3]);
        r[i + 3] = _mm256_shuffle_ps::<0xee>(t[i + 1], t[i + 3]);
    }
    for i in 0..4 {
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_storeu_ps(target.add(i * to), _mm256_permute2f128_ps::<0x20>(r[i], r[i + 4]));
            _mm256_storeu_ps(target.add((i + 4) * to), _mm256_permute2f128_ps::<0x31>(r[i], r[i + 4]));
        }
    }
}
