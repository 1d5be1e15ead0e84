//! The program `ohmgrad`: from a recipe to a figure about analog in-memory computing, without writing Rust.
//!
//! | where is … | file |
//! |---|---|
//! | what a recipe may say | `recipe/` |
//! | how data are read | `data/` |
//! | what a run leaves in its folder, how it goes on | `run/` |
//! | what a command does | `commands/` |
//! | exit codes | `failure.rs` |
#![forbid(unsafe_code)]

mod commands;
mod data;
mod failure;
#[cfg(test)]
mod hostile;
mod interrupt;
mod last_step;
mod output;
mod recipe;
mod run;
mod score;
mod table;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use commands::{compare, drift, evaluate, explain, import, init, inspect, shell, sweep, train};
use failure::{Failure, Outcome};
use output::Output;

/// Neural networks on simulated analog in-memory tiles: train, program, drift, compare.
///
/// Exit codes: 0 done, 1 something failed, 2 a mistake in the command line or a recipe, 3 done in part, 130 interrupted.
#[derive(Parser)]
#[command(name = "ohmgrad", version, arg_required_else_help = true)]
#[command(
    after_help = "Example:\n  ohmgrad init digits && ohmgrad train digits.toml && ohmgrad drift runs/digits --until ±0.1%"
)]
pub struct Program {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON object a line, and nothing else on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Threads to compute on; no result depends on it [default: RAYON_NUM_THREADS, or all cores].
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

#[derive(Subcommand)]
enum Command {
    Train(train::TrainArgs),
    Evaluate(evaluate::EvaluateArgs),
    Drift(drift::DriftArgs),
    Sweep(sweep::SweepArgs),
    Merge(sweep::MergeArgs),
    Compare(compare::CompareArgs),
    Explain(explain::ExplainArgs),
    Inspect(inspect::InspectArgs),
    Import(import::ImportArgs),
    Init(init::InitArgs),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
}

fn main() -> ExitCode {
    let program = Program::parse();
    interrupt::install();
    match run(&program) {
        Ok(code) => code.into(),
        Err(Failure { message, code }) => {
            eprintln!("error: {message}");
            code.into()
        }
    }
}

fn run(program: &Program) -> Outcome<u8> {
    ohmgrad::prelude::use_threads(program.threads.map(usize::from)).map_err(Failure::failed)?;
    let output = Output { json: program.json };
    match &program.command {
        Command::Train(args) => train::run(args, output),
        Command::Evaluate(args) => evaluate::run(args, output),
        Command::Drift(args) => drift::run(args, output),
        Command::Sweep(args) => sweep::run(args, output),
        Command::Merge(args) => sweep::merge(args, output),
        Command::Compare(args) => compare::run(args, output),
        Command::Explain(args) => explain::run(args, output),
        Command::Inspect(args) => inspect::run(args, output),
        Command::Import(args) => import::run(args, output),
        Command::Init(args) => init::run(args, output),
        Command::Completions(args) => shell::completions(args, Program::command(), output),
        Command::Man(args) => shell::man(args, Program::command(), output),
    }
}
