//! Turns a configuration of aihwkit into TOML: what `print(rpu_config)` printed, or the JSON of
//! `tools/export_rpu_config.py`.
//!
//!     cargo run --release --example import_config -- rpu_config.txt > chip.toml
//!
//! What was not understood is listed on standard error, and the program then ends with status 2.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ohmgrad::analog::config::{Imported, RpuConfig};

#[derive(Parser)]
struct Options {
    /// The printed form or the JSON.
    file: PathBuf,
    /// Only what differs from the defaults, instead of TOML.
    #[arg(long)]
    changes: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let written = RpuConfig::from_aihwkit_file(&options.file).and_then(|imported| {
        let text = if options.changes { format!("{}\n", imported.config) } else { imported.config.to_toml_string()? };
        Ok((text, imported))
    });
    match written {
        Ok((text, Imported { config, notes })) => {
            print!("{text}");
            config.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
            notes.iter().for_each(|note| eprintln!("not understood: {note}"));
            ExitCode::from(if notes.is_empty() { 0 } else { 2 })
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
