//! `ohmgrad completions` and `ohmgrad man`: completions for shells, and manual pages.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Print the completions of commands for a shell.
#[derive(Args)]
#[command(after_help = "Example:\n  ohmgrad completions bash > ~/.local/share/bash-completion/completions/ohmgrad")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the man page, or write one for each command into a folder.
#[derive(Args)]
#[command(after_help = "Examples:\n  ohmgrad man | man -l -\n  ohmgrad man --out ~/.local/share/man/man1")]
pub struct ManArgs {
    /// The folder for the pages.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Runs `ohmgrad completions`.
pub fn completions(args: &CompletionsArgs, mut program: Command, output: Output) -> Outcome<u8> {
    let mut text = vec![];
    clap_complete::generate(args.shell, &mut program, "ohmgrad", &mut text);
    print("completions", &text, output);
    Ok(0)
}

/// Runs `ohmgrad man`.
pub fn man(args: &ManArgs, program: Command, output: Output) -> Outcome<u8> {
    match &args.out {
        None => {
            let mut text = vec![];
            clap_mangen::Man::new(program).render(&mut text).map_err(Failure::failed)?;
            print("man", &text, output);
        }
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
            clap_mangen::generate_to(program, folder).map_err(|error| Failure::file(folder, &error))?;
            output.event(&json!({ "event": "written", "folder": folder }));
            output.say(format!("{}: written", folder.display()));
        }
    }
    Ok(0)
}

fn print(what: &str, text: &[u8], output: Output) {
    let text = String::from_utf8_lossy(text);
    output.event(&json!({ what: text }));
    output.say(text.trim_end());
}
