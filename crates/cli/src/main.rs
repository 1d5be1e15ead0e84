//! The program `ohmgrad`: from a recipe to a figure about analog in-memory computing, without writing Rust.
//!
//! `docs/sweeps.md` is an introduction, `docs/program.md` the reference.
//!
//! | where is … | file |
//! |---|---|
//! | what a recipe may say | `recipe/` |
//! | how data are read | `data/` |
//! | what a run leaves in its folder, how it goes on | `run/` |
//! | what a command does | `commands/` |
//! | who does what under MPI | `ranks/` |
//! | exit codes | `failure.rs` |
#![forbid(unsafe_code)]

mod commands;
mod data;
mod failure;
#[cfg(test)]
mod hostile;
mod interrupt;
mod output;
mod ranks;
mod recipe;
mod run;
mod score;
mod steps;
mod table;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use commands::{
    compare, device, drift, evaluate, explain, import, init, inspect, programming, scaling, shell, sweep, train,
};
use failure::{Failure, Outcome};
use output::Output;
use ranks::{Ranks, Session};

/// Neural networks on simulated analog in-memory tiles: train, program, drift, compare.
///
/// Exit codes: 0 done, 1 something failed, 2 a mistake in the command line or a recipe, 3 done in part, 130
/// interrupted.
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
    Device(device::DeviceArgs),
    Programming(programming::ProgrammingArgs),
    Scaling(scaling::ScalingArgs),
    Import(import::ImportArgs),
    Init(init::InitArgs),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
}

fn main() -> ExitCode {
    let session = match Session::start() {
        Ok(session) => session,
        Err(Failure { message, code }) => {
            eprintln!("error: {message}");
            return code.into();
        }
    };
    let ranks = Ranks::all();
    let program = match Program::try_parse() {
        Ok(program) => program,
        Err(error) => {
            if ranks.is_first() {
                // The reader of a pipe may have closed it: help that can't be printed is not an error.
                let _ = error.print();
            }
            return u8::try_from(error.exit_code()).unwrap_or(failure::MISTAKE).into();
        }
    };
    interrupt::install();
    match run(&program, ranks) {
        Ok(code) => {
            // A rank that is done sleeps until all are.
            ranks.wait();
            session.traffic().iter().filter(|_| ranks.is_first()).for_each(|traffic| eprintln!("{traffic}"));
            code.into()
        }
        Err(Failure { message, code }) => {
            if !ranks.is_first() {
                // Most errors occur at all ranks: rank 0 prints them and ends the others.
                std::thread::sleep(SAYS_FIRST);
                eprint!("rank {}: ", ranks.rank());
            }
            eprintln!("error: {message}");
            session.end_all(code);
            code.into()
        }
    }
}

/// The time that a rank waits for the error of rank 0.
const SAYS_FIRST: std::time::Duration = std::time::Duration::from_secs(2);

fn run(program: &Program, ranks: Ranks) -> Outcome<u8> {
    ohmgrad::prelude::use_threads(program.threads.map(usize::from))?;
    let output = Output { json: program.json, is_muted: !ranks.is_first() };
    let is_spread =
        matches!(program.command, Command::Train(_) | Command::Drift(_) | Command::Sweep(_) | Command::Compare(_));
    if !is_spread && !ranks.is_first() {
        return Ok(0);
    }
    match &program.command {
        Command::Train(args) => train::run(args, output),
        Command::Evaluate(args) => evaluate::run(args, output),
        Command::Drift(args) => drift::run(args, output),
        Command::Sweep(args) => sweep::run(args, output),
        Command::Merge(args) => sweep::merge(args, output),
        Command::Compare(args) => compare::run(args, output),
        Command::Explain(args) => explain::run(args, output),
        Command::Inspect(args) => inspect::run(args, output),
        Command::Device(args) => device::run(args, output),
        Command::Programming(args) => programming::run(args, output),
        Command::Scaling(args) => scaling::run(args, output),
        Command::Import(args) => import::run(args, output),
        Command::Init(args) => init::run(args, output),
        Command::Completions(args) => shell::completions(args, Program::command(), output),
        Command::Man(args) => shell::man(args, Program::command(), output),
    }
}
