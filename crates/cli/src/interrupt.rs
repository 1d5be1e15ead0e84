//! Ctrl-C: a command can end at any moment, because its files are replaced as a whole, or extended by lines of which an
//! unfinished one is dropped. The handler prints how to continue.

use std::sync::Mutex;

use crate::failure::INTERRUPTED;
use crate::ranks::Ranks;

static MESSAGE: Mutex<String> = Mutex::new(String::new());

/// Sets the message for an interrupted command.
pub fn say_on_interrupt(message: impl Into<String>) {
    *MESSAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = message.into();
}

/// Catches Ctrl-C.
pub fn install() {
    let is_first = Ranks::all().is_first();
    // An error is ignored: without a handler, Ctrl-C only ends the program without a message.
    let _ = ctrlc::set_handler(move || {
        let message = MESSAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let hint = if message.is_empty() { String::new() } else { format!("; {message}") };
        if is_first {
            eprintln!("\ninterrupted{hint}");
        }
        std::process::exit(INTERRUPTED);
    });
}
