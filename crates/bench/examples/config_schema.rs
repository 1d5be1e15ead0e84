//! Prints the JSON Schema of configuration files: `docs/config.schema.json`.
//!
//!     cargo run --release --example config_schema > docs/config.schema.json

use ohmgrad::prelude::*;

fn main() {
    println!("{}", InferenceRpuConfig::json_schema());
}
