//! Printing of the fields that differ from the defaults.

use std::fmt;

use super::section::Section;
use super::value::Value;

/// Prints the differences from the defaults: fields on the first line, then a line for each section.
pub(crate) fn show<S: Section>(section: &S, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (name, changed) = (S::NAME, changes(section.get(), S::default().get()));
    let (sections, fields): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|(_, value)| matches!(value, Value::Table(_)));
    let note = section.note().map_or_else(String::new, |note| format!(" ({note})"));
    if fields.is_empty() && sections.is_empty() {
        return write!(f, "{name}: all defaults{note}");
    }
    write!(f, "{name}{note}")?;
    if !fields.is_empty() {
        write!(f, ": {}", list(fields))?;
    }
    for (section, value) in sections {
        if let Value::Table(fields) = value {
            write!(f, "\n  {section}: {}", list(fields))?;
        }
    }
    Ok(())
}

fn list(fields: Vec<(String, Value)>) -> String {
    let mut words = Vec::new();
    for (field, value) in fields {
        match value {
            Value::Table(inner) => words.push(format!("{field} {{ {} }}", list(inner))),
            value => words.push(format!("{field} = {value}")),
        }
    }
    words.join(", ")
}

/// The entries of `now` that differ from those of `default`; of a section only its entries that differ.
fn changes(now: Value, default: Value) -> Vec<(String, Value)> {
    let (Value::Table(now), Value::Table(mut default)) = (now, default) else {
        return Vec::new();
    };
    let mut changed = Vec::new();
    for (field, value) in now {
        let before = default.iter().position(|(name, _)| *name == field).map(|index| default.swap_remove(index).1);
        match (value, before) {
            (value, Some(before)) if value == before => {}
            (value @ Value::Table(_), Some(before @ Value::Table(_))) => {
                changed.push((field, Value::Table(changes(value, before))));
            }
            (value, _) => changed.push((field, value)),
        }
    }
    changed
}
