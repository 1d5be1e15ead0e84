//! Compares with the reference simulator: runs every case that is found in the given folders.
//!
//! ```text
//! cargo run --release --example conformance -- tests/conformance/data
//! ```
//!
//! prints a line for each case that fails, with the value that is furthest off, and `N passed, M failed` at the end. It
//! exits with 1 if a case failed, or if a folder is missing or has no cases.

#[path = "../../../tests/conformance/mod.rs"]
mod conformance;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Runs conformance cases and prints those that fail
#[derive(Parser)]
struct Arguments {
    /// Folders with cases (*.json), also in folders inside them
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let report = conformance::run(&Arguments::parse().dirs);
    println!("{report}");
    if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
