//! Rates of training steps and of single products, one JSON line per workload.
//!
//! ```text
//! cargo run --release --example throughput -- --threads 1 mlp_analog_b64 gemm_512x512_b256
//! ```

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use ohmgrad::prelude::*;
use ohmgrad_bench::workloads::WORKLOADS;
use serde_json::json;

/// Prints the median rate of each workload, in samples per second.
#[derive(Parser)]
struct Args {
    /// Threads to compute on [default: RAYON_NUM_THREADS, or all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Duration of each workload.
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    seconds: f64,
    /// The workloads [default: all].
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    for name in &args.names {
        if !WORKLOADS.iter().any(|(known, _)| known == name) {
            let known: Vec<_> = WORKLOADS.iter().map(|(name, _)| *name).collect();
            eprintln!("error: no workload `{name}`; there are {}", known.join(", "));
            return ExitCode::FAILURE;
        }
    }
    if let Err(error) = use_threads(args.threads) {
        eprintln!("error: --threads: {error}");
        return ExitCode::FAILURE;
    }
    for (name, prepare) in WORKLOADS {
        if args.names.is_empty() || args.names.iter().any(|wanted| wanted == name) {
            let (samples, mut call) = prepare();
            let rate = samples as f64 / median_time(&mut call, args.seconds);
            let rate = (rate * 10.0).round() / 10.0;
            println!(
                "{}",
                json!({"name": name, "unit": "samples/s", "value": rate, "threads": rayon::current_num_threads()})
            );
        }
    }
    ExitCode::SUCCESS
}

/// The median time of a call in seconds: over as many calls as fit into `seconds`, at least three, without the first
/// call.
fn median_time(call: &mut dyn FnMut(), seconds: f64) -> f64 {
    call();
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut times = vec![];
    while Instant::now() < end || times.len() < 3 {
        let start = Instant::now();
        call();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
