//! Hostile files for the tests of readers: mutations of valid files from fixed keys, and bounds on what reading one
//! costs.
//!
//! | where is … | file |
//! |---|---|
//! | the random numbers of the mutations | `dice.rs` |
//! | single mutations | `mutate.rs` |
//! | a megabyte of one repeated item at several places | `flood.rs` |
//! | mutations of an archive's content, and the correction of lengths and checksums | `pack.rs` |
//! | a reader with its seeds, and limits of its memory and time | `reader.rs` |

mod dice;
mod flood;
mod mutate;
mod pack;
mod reader;

use std::sync::Once;

use ohmgrad_tensor::parallel;

pub use dice::{Dice, cases};
pub use reader::Reader;

/// Computes on the calling thread alone, so that all that a reader allocates is counted. For the beginning of each
/// test.
///
/// # Panics
/// If something was computed on several threads before.
pub fn one_thread() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| parallel::use_threads(Some(1)).expect("nothing is computed before"));
}
