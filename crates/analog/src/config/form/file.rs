//! Configurations as files: TOML and JSON.

use std::path::Path;

use serde::Serialize;

use super::section::from_value;
use super::setting::{Range, Setting, join};
use super::value::Value;
use crate::Error;

/// Reads TOML: the defaults, overlaid with the text, validated.
pub(crate) fn from_toml<S: Setting + Default>(text: &str) -> Result<S, Error> {
    let value: Value = toml::from_str(text).map_err(|error| Error::Parse {
        format: "TOML",
        line: error.span().map(|span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count()),
        message: error.message().to_owned(),
    })?;
    from_value(value)
}

/// Reads JSON: the defaults, overlaid with the text, validated.
pub(crate) fn from_json<S: Setting + Default>(text: &str) -> Result<S, Error> {
    from_value(json(text)?)
}

/// Reads a file, TOML or JSON by its extension.
pub(crate) fn from_file<S: Setting + Default>(path: &Path) -> Result<S, Error> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let parse = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("toml") => from_toml,
        Some("json") => from_json,
        _ => return Err(Error::UnknownFormat { path: path.to_owned() }),
    };
    parse(&text(path)?).map_err(|error| error.in_file(path))
}

/// The text of a file.
pub fn text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// All fields as TOML, if they are valid and have a form in files.
pub(crate) fn to_toml<S: Setting + Serialize>(section: &S) -> Result<String, Error> {
    section.check(Range::Any, "")?;
    writable(&section.get(), "")?;
    Ok(toml::to_string(section).expect("a valid configuration is tables of finite numbers, flags and names"))
}

/// All fields as indented JSON, if they are valid and have a form in files.
pub(crate) fn to_json<S: Setting + Serialize>(section: &S) -> Result<String, Error> {
    section.check(Range::Any, "")?;
    writable(&section.get(), "")?;
    Ok(serde_json::to_string_pretty(section)
        .expect("a valid configuration is tables of finite numbers, flags and names"))
}

/// Refuses objects of custom classes.
pub(super) fn writable(value: &Value, at: &str) -> Result<(), Error> {
    match value {
        Value::Custom(object) => Err(Error::Unsupported {
            field: at.to_owned(),
            value: object.clone(),
            reason: "a class that the program defines has no form in files".to_owned(),
        }),
        Value::Table(entries) => entries.iter().try_for_each(|(field, value)| writable(value, &join(at, field))),
        Value::List(items) => items.iter().enumerate().try_for_each(|(i, item)| writable(item, &format!("{at}[{i}]"))),
        _ => Ok(()),
    }
}

/// JSON as a tree.
pub fn json(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = error.to_string();
        Error::Parse {
            format: "JSON",
            line: Some(error.line()).filter(|line| *line > 0),
            message: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
        }
    })
}
