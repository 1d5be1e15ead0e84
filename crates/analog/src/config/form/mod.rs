//! The form of a configuration: how any section is read, checked, printed, described as a schema and addressed by path.
//!
//! Hidden from the documentation: its only user outside of this crate is `ohmgrad-aihwkit`, which reads the reference's
//! configurations.
//!
//! No file depends on a particular section. A section consists of [`Setting`](setting::Setting)s and is one itself, so
//! a configuration is a tree of settings, and everything below is a walk over this tree:
//!
//! | what | file |
//! |---|---|
//! | numbers and flags; ranges; errors with their path; the nearest name | `setting.rs` |
//! | optional values, lists, tables by number | `collection.rs` |
//! | a name out of a list | `choice.rs` |
//! | a class out of a list, with its fields | `class.rs` |
//! | a section from the list of its fields | `section.rs` |
//! | what differs from the defaults, in words | `print.rs` |
//! | what differs from the defaults and has no effect | `unused.rs` |
//! | TOML and JSON | `file.rs` |
//! | a field by its path, `forward.out_noise` | `path.rs` |
//! | the pieces of a JSON Schema | `schema.rs` |
//! | a file as a tree of values | `value.rs` |

pub(crate) mod choice;
pub mod class;
pub(crate) mod collection;
pub mod file;
pub(crate) mod path;
pub(crate) mod print;
pub(crate) mod schema;
pub(crate) mod section;
pub mod setting;
pub(crate) mod unused;
pub mod value;

#[cfg(test)]
mod tests;
