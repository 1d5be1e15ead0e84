//! Writing of files: [`replace`] for files that are written as a whole, [`Lines`] for files that grow by lines.
//!
//! Checkpoints, arrays, exports, figures and reports are written with [`replace`] or [`replace_with`], metrics with
//! [`Lines`]. A process can be killed at any moment: the old or the new file is there, and a broken last line is
//! removed.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("result.txt");
//! ohmgrad_files::replace(&file, b"96.70 %\n")?;
//! assert_eq!(std::fs::read(&file)?, b"96.70 %\n");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The paragraph "Files" in `docs/design.md` gives the reasons.
#![forbid(unsafe_code)]

mod lines;
mod replace;

pub use lines::Lines;
pub use replace::{replace, replace_with};
