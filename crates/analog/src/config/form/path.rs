//! A field by its path, `forward.out_noise`, as sweeps and command lines name it.

use serde::Serialize;

use super::file::writable;

use super::setting::{Range, Setting, join, nearest, strict};
use super::value::Value;
use crate::Error;

/// The largest number of names in a path, so that a hostile path does not exhaust the stack; no field has a longer
/// path.
const DEPTH: usize = 64;

/// Sets the field at a path to the value in the text, which is written as in a file. The section stays as it is if the
/// field or the value is refused.
pub(crate) fn set<S: Setting + Clone>(section: &mut S, path: &str, text: &str) -> Result<(), Error> {
    if path.split('.').count() > DEPTH {
        return Err(Error::UnknownField { field: path.to_owned(), section: String::new(), suggestion: None });
    }
    let nested = |inner, field: &str| Value::Table(vec![(field.to_owned(), inner)]);
    let mut changed = section.clone();
    changed.overlay(path.rsplit('.').fold(parse(text), nested), "", &mut strict)?;
    changed.check(Range::Any, "")?;
    *section = changed;
    Ok(())
}

/// The value of the field at a path, as [`set`] takes it.
pub(crate) fn get<S: Setting>(section: &S, path: &str) -> Result<String, Error> {
    let (mut value, mut at) = (section.get(), String::new());
    for step in path.split('.') {
        let entries = match value {
            Value::Table(entries) => entries,
            _ => vec![],
        };
        let Some(index) = entries.iter().position(|(field, _)| field == step) else {
            let suggestion = nearest(step, entries.iter().map(|(field, _)| field.as_str())).map(str::to_owned);
            return Err(Error::UnknownField { field: step.to_owned(), section: at, suggestion });
        };
        value = { entries }.swap_remove(index).1;
        at = join(&at, step);
    }
    writable(&value, &at)?;
    Ok(match value {
        Value::Text(name) => name,
        Value::List(_) | Value::Table(_) => {
            let mut text = String::new();
            value.serialize(toml::ser::ValueSerializer::new(&mut text)).expect("tables of numbers, flags and names");
            text
        }
        value => value.to_string(),
    })
}

/// Parses a value as in TOML; also other spellings of numbers, such as `.5`, and names without quotes.
fn parse(text: &str) -> Value {
    let text = text.trim();
    if text == Value::Null.to_string() {
        return Value::Null;
    }
    match toml::from_str(&format!("value = {text}")) {
        Ok(Value::Table(mut entries)) if entries.len() == 1 => entries.remove(0).1,
        _ => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::super::section::{Rules, parameters};
    use super::*;

    parameters! {
        /// A section within a section.
        pub struct Inner {
            /// A field with a range.
            strength: f32 = 0.5, [>= 0.0];
            /// A list.
            list: Vec<f32> = vec![1.0];
        }
    }
    impl Rules for Inner {}

    parameters! {
        /// A section with a section that may be absent.
        pub struct Outer {
            /// A flag.
            on: bool = false;
            /// A section.
            inner: Inner = Inner::default();
            /// A section that may be absent.
            rest: Option<Inner> = None;
        }
    }
    impl Rules for Outer {}

    fn error(path: &str, text: &str) -> String {
        let mut section = Outer::default();
        let message = set(&mut section, path, text).unwrap_err().to_string();
        assert_eq!(section, Outer::default(), "{path} = {text}");
        message
    }

    #[test]
    fn values_by_path_can_be_set_again() {
        let mut section = Outer::default();
        for (path, text) in [
            ("on", "true"),
            ("inner.strength", "0.02"),
            ("inner.strength", "1e-20"),
            ("inner.list", "[0.5, -1.0]"),
            ("rest", "{ strength = 2.0, list = [] }"),
            ("rest.strength", "12"),
            ("rest", "{ type = \"None\" }"),
        ] {
            set(&mut section, path, text).unwrap();
            assert_eq!(get(&section, path).unwrap(), text, "{path}");
        }
        set(&mut section, "rest.strength", " .5 ").unwrap();
        assert_eq!(section.rest, Some(Inner { strength: 0.5, ..Inner::default() }));
        set(&mut section, "rest", "null").unwrap();
        set(&mut section, "inner.strength", &f32::MAX.to_string()).unwrap();
        assert_eq!((section.inner.strength, &section.rest), (f32::MAX, &None));
        section.inner.validate().and(section.validate()).unwrap();
    }

    #[test]
    fn mistakes_name_the_path_and_the_nearest_field() {
        assert_eq!(error("inner.strenth", "1"), "unknown field `strenth` in [inner]; did you mean `strength`?");
        assert_eq!(error("strength", "1"), "unknown field `strength` at the top level; did you mean `inner.strength`?");
        assert_eq!(error("inner.strength", "-1"), "inner.strength = -1: must be at least 0");
        assert_eq!(error("inner.strength", "NaN"), "inner.strength = NaN: must be a finite number (32-bit)");
        assert_eq!(error("inner.strength", "much"), "inner.strength = \"much\": must be a number");
        assert_eq!(error("inner.strength.x", "1"), "inner.strength = {…}: must be a number");
        assert_eq!(error("inner", "1\non = true"), "inner = \"1\\non = true\": must be a section of fields");
        assert_eq!(error("", "1"), "unknown field `` at the top level");
        assert!(error(&"inner.".repeat(100_000), "1").starts_with("unknown field"));
        assert!(error("inner.strength", &"[".repeat(100_000)).contains("must be a number"));
        let got = get(&Outer::default(), "inner.strenth").unwrap_err().to_string();
        assert_eq!(got, "unknown field `strenth` in [inner]; did you mean `strength`?");
    }
}
