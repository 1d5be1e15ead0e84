//! The output of a command: lines for people, or one JSON object a line.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::failure::FAILED;
use crate::ranks::Ranks;

/// Standard output of a command.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// `true` for JSON, one object a line, and nothing else.
    pub json: bool,
    /// `true` if another rank prints.
    pub is_muted: bool,
}

impl Output {
    /// Prints an object in JSON mode.
    pub fn event(self, value: &Value) {
        if self.json && !self.is_muted {
            line(&value.to_string());
        }
    }

    /// Prints lines outside of JSON mode.
    pub fn say(self, text: impl AsRef<str>) {
        if !self.json && !self.is_muted {
            line(text.as_ref());
        }
    }
}

/// Prints to standard output. Where nothing reads it any more, as after `| head`, the program ends.
fn line(text: &str) {
    if io::stderr().is_terminal() {
        // A progress bar may stand in the line.
        eprint!("\r\x1b[2K");
    }
    if writeln!(io::stdout().lock(), "{text}").is_err() {
        std::process::exit(FAILED.into());
    }
}

/// Prints a warning on standard error, once for all ranks.
pub fn warn(text: impl AsRef<str>) {
    if Ranks::all().is_first() {
        eprintln!("warning: {}", text.as_ref());
    }
}
