//! Help, completions and the man page; the page of a run in a browser.

use std::process::Command;
use std::time::Instant;

use super::common::Folder;

const COMMANDS: [&str; 12] = [
    "train",
    "evaluate",
    "drift",
    "sweep",
    "merge",
    "compare",
    "explain",
    "inspect",
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
    let time = || {
        let start = Instant::now();
        folder.ok(&["--version"]);
        start.elapsed()
    };
    let least = (0..20).map(|_| time()).min().unwrap();
    // It takes a few milliseconds; what reads data or computes takes longer than this on any machine.
    assert!(least.as_millis() < 150, "{least:?}");
}

#[test]
fn the_page_of_a_run_stands_alone() {
    let folder = Folder::with_run();
    let page = folder.text("run/report.html");
    assert_eq!((page.matches("<table>").count(), page.matches("<svg").count()), (3, 2));
    assert_eq!(page.matches("<td>").count(), 3 * 3 + 2 * 3 * 4);
    for word in ["src=", "href=", "<script", "@import", "url("] {
        assert!(!page.contains(word), "the page asks for nothing: {word}");
    }
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()));
    let Some(browser) = browser else {
        eprintln!("left out: there is no Chromium to open the page with");
        return;
    };
    let place = format!("file://{}", folder.path("run/report.html").display());
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom", &place])
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!((dom.matches("<table>").count(), dom.matches("<svg").count()), (3, 2), "{dom}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("CONSOLE"));
}
