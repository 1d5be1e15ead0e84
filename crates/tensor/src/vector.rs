//! Loops compiled for the widest vectors of the processor they run on.

/// Runs `f`, compiled three times: for AVX-512, for AVX2, and for any processor; chosen at run time.
///
/// All three give the same bits, because compilers neither fuse nor reorder floating-point arithmetic. `f` should be a
/// loop over elements, marked `#[inline(always)]` as a closure, as must be everything that it calls: what is not inlined
/// is compiled for any processor.
#[inline(always)]
pub fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        if has_avx512() {
            // SAFETY: the processor has the features.
            return unsafe { with_avx512(f) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { with_avx2(f) };
        }
    }
    f()
}

/// Whether the processor has the parts of AVX-512 that are used here.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn has_avx512() -> bool {
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
#[target_feature(enable = "avx2")]
fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
    f()
}
