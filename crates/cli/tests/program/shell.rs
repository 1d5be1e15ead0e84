//! Help, completions and the man page.

use std::time::Instant;

use super::common::Folder;

const COMMANDS: [&str; 15] = [
    "train",
    "evaluate",
    "drift",
    "sweep",
    "merge",
    "compare",
    "explain",
    "inspect",
    "device",
    "programming",
    "scaling",
    "import",
    "init",
    "completions",
    "man",
];

#[test]
fn every_command_has_help_with_an_example() {
    let folder = Folder::new();
    let all = folder.ok(&["--help"]);
    for command in COMMANDS {
        assert!(all.contains(&format!("\n  {command} ")), "{command}");
        let help = folder.ok(&[command, "--help"]);
        assert!(help.contains("Example") && help.contains(&format!("ohmgrad {command}")), "{command}");
        assert!(help.contains("--json") && help.contains("--threads"), "{command}");
    }
}

#[test]
fn shells_and_manuals_are_served() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = folder.ok(&["completions", shell]);
        assert!(text.contains("sweep"), "{shell}");
        assert!(text.contains("grid"), "{shell}");
    }
    assert!(folder.ok(&["man"]).contains(".TH ohmgrad 1"));
    folder.ok(&["man", "--out", "man1"]);
    for command in COMMANDS {
        assert!(folder.text(&format!("man1/ohmgrad-{command}.1")).contains("Example"), "{command}");
    }
}

#[test]
fn it_starts_at_once() {
    let folder = Folder::new();
    let time = |_| {
        let start = Instant::now();
        folder.ok(&["--version"]);
        start.elapsed()
    };
    // It takes a few milliseconds. Other work of the machine makes single starts slow, but not all of so many.
    let mut times = (0..500).map(time);
    assert!(times.any(|time| time.as_millis() < 20), "none of 500 starts was done in 20 ms");
}
