//! Panics that tests provoke, and a check of their messages.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Records place and message of each panic from now on; those of the tests themselves are shown.
pub fn note() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map_or("nowhere".into(), |at| format!("{}:{}", at.file(), at.line()));
            let message = info.payload_as_str().unwrap_or("no text").to_owned();
            LAST.with_borrow_mut(|last| *last = format!("{place}: {message}"));
            if info.location().is_some_and(|at| at.file().starts_with("tests/")) {
                usual(info);
            }
        }));
    });
}

/// The result of a call, or the place and message of its panic, which [`note`] records.
pub fn caught<R>(call: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| LAST.with_borrow(String::clone))
}

/// Returns `true` for a panic with a message of ours: not one of an index, a sum or an `unwrap`, and not of another
/// crate.
pub fn is_own(panic: &str) -> bool {
    // The place of our panics is that of the call: in a crate, or in the test.
    let ours = ["crates/", "tests/"].iter().any(|folder| panic.starts_with(folder)) || panic.contains("/crates/");
    let accident =
        ["index out of", "range end", "range start", "attempt to", "unwrap", "Option", "Err value", "overflow"];
    ours && !accident.iter().any(|word| panic.contains(word))
}
