//! Fields that differ from their default and have no effect. Sections name such fields in `Rules::without_effect`;
//! `config/warnings.rs` names those of inference.

use std::fmt;

use super::setting::join;
use super::value::Value;

/// A remark about a field of a configuration that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The field with its section, `forward.bound_management`.
    pub field: String,
    /// The value of the field.
    pub value: String,
    /// The remark.
    pub reason: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.field, self.value, self.reason)
    }
}

/// The fields of a section as they are and by default, and the fields without effect that were found.
pub(crate) struct Unused<'a> {
    now: Value,
    by_default: Value,
    at: &'a str,
    notes: &'a mut Vec<Note>,
}

impl<'a> Unused<'a> {
    /// Begins the notes of the section at the path `at`.
    pub(crate) fn new(now: Value, by_default: Value, at: &'a str, notes: &'a mut Vec<Note>) -> Self {
        Self { now, by_default, at, notes }
    }

    /// If `unused` is true, notes those `fields` that differ from their defaults. They are fields of the inner section
    /// `section`, or of this section if `section` is empty.
    pub(crate) fn note(&mut self, section: &str, fields: &[&str], unused: bool, reason: impl fmt::Display) {
        let (Some(now), Some(by_default)) = (self.now.find(section), self.by_default.find(section)) else { return };
        for field in fields.iter().filter(|_| unused) {
            let (Some(now), Some(by_default)) = (now.find(field), by_default.find(field)) else { continue };
            if now != by_default {
                let reason = format!("has no effect while {reason}");
                let field = join(self.at, &join(section, field));
                self.notes.push(Note { field, value: now.to_string(), reason });
            }
        }
    }

    /// As [`note`](Self::note), for all fields of a section except `fields`.
    pub(crate) fn note_all_but(&mut self, section: &str, fields: &[&str], unused: bool, reason: impl fmt::Display) {
        let Some(Value::Table(all)) = self.now.find(section) else { return };
        let others: Vec<_> = all.iter().map(|(name, _)| name.clone()).filter(|n| !fields.contains(&&**n)).collect();
        self.note(section, &others.iter().map(String::as_str).collect::<Vec<_>>(), unused, reason);
    }
}
