//! The vector instructions that products, passes over elements and noise use: chosen in one place, once per process.

use std::env::{self, VarError};
use std::fmt;
use std::sync::OnceLock;

/// The environment variable that lowers the level.
const VARIABLE: &str = "OHMGRAD_SIMD";

/// A set of vector instructions for which loops are compiled and products have kernels.
///
/// Loops give the same bits at every level, and products at [`Avx2`](Self::Avx2) and [`Avx512`](Self::Avx512). At
/// [`None`](Self::None) products are those of `matrixmultiply`, which selects instructions by itself, and their sums
/// may be rounded in other places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The instructions that every processor of the target has: SSE2 on x86-64, NEON on AArch64.
    None,
    /// AVX2 and FMA: vectors of 256 bits.
    Avx2,
    /// AVX-512 with its extensions F, BW, DQ and VL: vectors of 512 bits.
    Avx512,
}

impl Level {
    /// All levels, the lowest first.
    pub const ALL: [Self; 3] = [Self::None, Self::Avx2, Self::Avx512];

    /// The highest level that the processor has.
    fn of_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx2 {
                return if avx512 { Self::Avx512 } else { Self::Avx2 };
            }
        }
        Self::None
    }

    /// The level with this name.
    ///
    /// # Errors
    /// If no level has this name; the message lists the names.
    fn parse(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|level| level.to_string() == name);
        found.ok_or_else(|| format!("{VARIABLE}={name}: must be avx512, avx2 or none"))
    }
}

/// The value of the environment variable: `none`, `avx2` or `avx512`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

/// The level of this process: the highest that the processor has, unless `OHMGRAD_SIMD` (`avx512`, `avx2` or `none`)
/// lowers it. The variable is read once; a level that the processor does not have means the highest that it has.
///
/// # Panics
/// If `OHMGRAD_SIMD` is set to anything else; the message lists its values.
#[inline]
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let most = match env::var(VARIABLE) {
            Ok(name) => Level::parse(&name),
            Err(VarError::NotPresent) => Ok(Level::Avx512),
            Err(VarError::NotUnicode(name)) => Level::parse(&name.to_string_lossy()),
        };
        most.unwrap_or_else(|error| panic!("{error}")).min(Level::of_processor())
    })
}

/// Runs `f`, compiled once for each [`Level`], at the level of this process.
///
/// All give the same bits, because compilers neither fuse nor reorder floating-point arithmetic, and operations that
/// are written as fused (`mul_add`) are fused everywhere. `f` should be a closure with a loop over elements. It and all
/// functions that it calls must be `#[inline(always)]`: a function that is not inlined is compiled for any processor.
#[inline(always)]
pub fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    match level() {
        // SAFETY: the processor has the features of its level.
        Level::Avx512 => return unsafe { with_avx512(f) },
        // SAFETY: as above.
        Level::Avx2 => return unsafe { with_avx2(f) },
        Level::None => {}
    }
    f()
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
/// zeros: arithmetic on them takes less time than a loop over what is left.
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

/// A piece that begins with `part`, which has at most [`PIECE`] elements, filled up with zeros.
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

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    /// The tests of this binary whose names contain one of these words, in a process of a lower level.
    fn tests_at(level: &str, names: &[&str]) -> Output {
        let program = env::current_exe().expect("a test has a program");
        Command::new(program).args(names).env(VARIABLE, level).output().expect("the program runs")
    }

    /// Products, passes over elements and samples are tested at the level of this process by the tests themselves, and
    /// here at all that are lower.
    #[test]
    fn every_lower_level_passes_the_tests_that_depend_on_it() {
        let modules = ["gemm::", "product::", "im2col::", "rows::", "random::", "elementwise::", "reduce::", "pool::"];
        for lower in Level::ALL.into_iter().filter(|&lower| lower < level()) {
            for module in modules {
                let Output { status, stdout, stderr } = tests_at(&lower.to_string(), &[module]);
                let [out, errors] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
                assert!(status.success(), "{lower}, {module}: {out}{errors}");
                assert!(!out.contains(" 0 passed"), "{lower}: no test of {module}: {out}");
            }
        }
    }

    #[test]
    fn an_unknown_level_is_an_error_with_the_known_ones() {
        let Output { status, stdout, .. } = tests_at("sse", &["the_level_is_one_that_the_processor_has"]);
        let out = String::from_utf8_lossy(&stdout);
        assert!(!status.success() && out.contains("OHMGRAD_SIMD=sse: must be avx512, avx2 or none"), "{out}");
    }

    #[test]
    fn the_level_is_one_that_the_processor_has() {
        assert!(level() <= Level::of_processor());
        for level in Level::ALL {
            assert_eq!(Level::parse(&level.to_string()), Ok(level));
        }
    }
}
