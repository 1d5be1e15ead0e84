//! Progress of long work.

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on standard error, with rate, remaining time and a message; silent when that is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for `steps` steps of something.
    pub fn new(what: &str, steps: usize) -> Self {
        let bar = ProgressBar::new(steps as u64);
        let style = ProgressStyle::with_template("{prefix:>16} {bar:30} {pos}/{len} {per_sec} {eta} {msg}");
        bar.set_style(style.expect("the template is a constant"));
        bar.set_prefix(what.to_string());
        Self(bar)
    }

    /// One step further; `message` says how things stand.
    pub fn step(&self, message: impl FnOnce() -> String) {
        if !self.0.is_hidden() {
            self.0.set_message(message());
        }
        self.0.inc(1);
    }

    /// A line above the bar, or on standard error where there is none.
    pub fn say(&self, line: &str) {
        if self.0.is_hidden() {
            eprintln!("{line}");
        } else {
            self.0.println(line);
        }
    }
}

/// The bar disappears.
impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
