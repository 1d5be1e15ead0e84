//! Ctrl-C: every file that a command keeps is replaced as a whole, so it can end at any moment. The handler prints
//! how to go on.

use std::sync::Mutex;

use crate::failure::INTERRUPTED;
use crate::ranks::Ranks;

static MESSAGE: Mutex<String> = Mutex::new(String::new());

/// Sets what is said when the command is interrupted.
pub fn say_on_interrupt(message: impl Into<String>) {
    *MESSAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = message.into();
}

/// Catches Ctrl-C.
pub fn install() {
    let is_first = Ranks::all().is_first();
    // Without a handler Ctrl-C ends the program without a word, which is not a reason not to run it.
    let _ = ctrlc::set_handler(move || {
        let message = MESSAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let hint = if message.is_empty() { String::new() } else { format!("; {message}") };
        if is_first {
            eprintln!("\ninterrupted{hint}");
        }
        std::process::exit(INTERRUPTED);
    });
}
