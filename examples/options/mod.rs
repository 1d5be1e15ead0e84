//! Options, output and errors that examples have in common.

use std::error::Error;
use std::fmt::{self, Debug, Display};

use clap::Args;
use serde_json::Value;

/// Options that all examples with options share.
#[derive(Args, Debug)]
pub struct Common {
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print JSON lines, and nothing else on standard output.
    #[arg(long)]
    pub json: bool,
    /// Threads to compute on; no result depends on it [default: RAYON_NUM_THREADS, or all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

impl Common {
    /// Prints text, unless JSON is wanted.
    pub fn say(&self, text: impl Display) {
        if !self.json {
            println!("{text}");
        }
    }

    /// Prints an object if JSON is wanted.
    pub fn event(&self, object: Value) {
        if self.json {
            println!("{object}");
        }
    }
}

/// An error of `main`, which prints it by `Debug`: its message and those of its causes.
pub struct Failure(String);

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(ohmgrad::with_causes(&*error.into()))
    }
}

impl Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
