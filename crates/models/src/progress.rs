//! Progress of long work.

#[cfg(feature = "progress")]
use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on standard error, with rate, remaining time and a message. There is no bar if standard error is not
/// a terminal, or without the feature `progress`.
#[derive(Debug)]
pub struct Progress {
    #[cfg(feature = "progress")]
    bar: ProgressBar,
}

impl Progress {
    /// A bar for `steps` steps of something.
    #[cfg(feature = "progress")]
    pub fn new(what: &str, steps: usize) -> Self {
        let bar = ProgressBar::new(steps as u64);
        let style = ProgressStyle::with_template("{prefix:>16} {bar:30} {pos}/{len} {per_sec} {eta} {msg}");
        bar.set_style(style.expect("the template is a constant"));
        bar.set_prefix(what.to_string());
        Self { bar }
    }

    /// A bar for `steps` steps of something.
    #[cfg(not(feature = "progress"))]
    pub fn new(_what: &str, _steps: usize) -> Self {
        Self {}
    }

    /// Advances the bar by steps that were done before, whose time is not known.
    pub fn skip(&self, steps: usize) {
        #[cfg(feature = "progress")]
        {
            self.bar.inc(steps as u64);
            self.bar.reset_eta();
        }
        #[cfg(not(feature = "progress"))]
        let _ = steps;
    }

    /// Advances the bar by one step; `message` is shown beside it.
    pub fn step(&self, message: impl FnOnce() -> String) {
        #[cfg(feature = "progress")]
        {
            if !self.bar.is_hidden() {
                self.bar.set_message(message());
            }
            self.bar.inc(1);
        }
        #[cfg(not(feature = "progress"))]
        drop(message);
    }

    /// Prints a line above the bar, or on standard error where there is none.
    pub fn say(&self, line: &str) {
        #[cfg(feature = "progress")]
        if !self.bar.is_hidden() {
            self.bar.println(line);
            return;
        }
        eprintln!("{line}");
    }
}

/// Removes the bar.
#[cfg(feature = "progress")]
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
