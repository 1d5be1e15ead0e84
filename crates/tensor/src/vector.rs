//! Loops compiled for the widest vectors of the processor they run on.

/// Runs `f`, compiled three times: for AVX-512, for AVX2, and for any processor; chosen at run time.
///
/// All three give the same bits, because compilers neither fuse nor reorder floating-point arithmetic, and what is written
/// as fused (`mul_add`) is so everywhere. `f` should be a loop over elements, marked `#[inline(always)]` as a closure, as
/// must be everything that it calls: what is not inlined is compiled for any processor.
#[inline(always)]
pub fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        if has_avx512() {
            // SAFETY: the processor has the features.
            return unsafe { with_avx512(f) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has the features.
            return unsafe { with_avx2(f) };
        }
    }
    f()
}

/// Whether the processor has the parts of AVX-512 that are used here.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn with_avx512<R>(f: impl FnOnce() -> R) -> R {
    f()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// Elements that loops over a row take at a time: two of the widest vectors.
pub(crate) const PIECE: usize = 32;

/// Changes a row piece by piece; `f` also gets the number of a piece's first element. The last piece is filled up with
/// zeros: arithmetic that nobody needs takes less time than a loop over what is left.
#[inline(always)]
pub(crate) fn for_each_piece(row: &mut [f32], mut f: impl FnMut(usize, &mut [f32; PIECE])) {
    let whole = row.len() - row.len() % PIECE;
    let (pieces, rest) = row.as_chunks_mut();
    for (i, piece) in pieces.iter_mut().enumerate() {
        f(i * PIECE, piece);
    }
    if !rest.is_empty() {
        let mut piece = padded(rest);
        f(whole, &mut piece);
        rest.copy_from_slice(&piece[..rest.len()]);
    }
}

/// At most a piece, filled up with zeros.
#[inline(always)]
pub(crate) fn padded(part: &[f32]) -> [f32; PIECE] {
    match part.try_into() {
        Ok(piece) => piece,
        Err(_) => {
            let mut piece = [0.0; PIECE];
            piece[..part.len()].copy_from_slice(part);
            piece
        }
    }
}
