//! Tests that drive the program as a user does.

mod browser;
mod commands;
mod common;
mod mistakes;
mod ranks;
mod shell;
mod sweep;
mod train;
