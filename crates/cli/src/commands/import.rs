//! `ohmgrad import`: a configuration of the reference simulator as TOML.

use std::path::PathBuf;

use clap::Args;
use ohmgrad::aihwkit::{FromAihwkit, Imported};
use ohmgrad::analog::config::RpuConfig;
use serde_json::json;

use crate::failure::{Failure, Outcome, PARTLY};
use crate::output::{Output, warn};
use crate::run::folder;

/// Turn a configuration of aihwkit into TOML: the output of `print(rpu_config)`, or the JSON of
/// tools/export_rpu_config.py.
///
/// Fields that were not understood keep their defaults and are listed on standard error; the exit code is then 3.
#[derive(Args)]
#[command(after_help = "Example:\n  ohmgrad import rpu_config.txt --out chip.toml\n  ohmgrad explain chip.toml")]
pub struct ImportArgs {
    /// The printed form or the JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the TOML into a file [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only what differs from the defaults, in words, instead of TOML.
    #[arg(long, conflicts_with = "out")]
    changes: bool,
}

/// Runs the command.
pub fn run(args: &ImportArgs, output: Output) -> Outcome<u8> {
    let Imported { config, notes } = RpuConfig::from_aihwkit_file(&args.file).map_err(Failure::mistaken)?;
    let text = config.to_toml_string()?;
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    output.event(&json!({ "config": text, "changes": config.to_string(), "notes": notes, "warnings": warnings }));
    match &args.out {
        Some(file) => {
            folder::write(file, &text)?;
            output.say(format!("{}: written", file.display()));
        }
        None if args.changes => output.say(config.to_string()),
        None => output.say(text.trim_end()),
    }
    warnings.iter().for_each(warn);
    notes.iter().for_each(|note| eprintln!("not understood: {note}"));
    Ok(if notes.is_empty() { 0 } else { PARTLY })
}
