//! Tests that drive the program as a user does.

mod commands;
mod common;
mod mistakes;
mod shell;
mod sweep;
mod train;
