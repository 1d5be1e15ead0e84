//! The text of a recipe as a tree with line numbers, and the fields that the command line sets.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use crate::failure::{Failure, Outcome, did_you_mean};

/// The sections of a recipe, in order.
pub const SECTIONS: [&str; 5] = ["data", "network", "hardware", "training", "chips"];

/// The tree of a recipe.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file, as errors name it.
    name: String,
    table: Table,
    /// The place of each field: a line of the file, or an argument.
    places: BTreeMap<String, String>,
}

impl Document {
    /// Parses a recipe; `name` is the file's, for errors.
    pub fn parse(text: &str, name: &str) -> Outcome<Self> {
        let lines = Lines::of(text);
        let wrong = |error: toml::de::Error| {
            let line = error.span().map_or(1, |span| lines.at(span.start));
            Failure::mistake(format!("not valid TOML: {}\n  --> {name}:{line}", error.message()))
        };
        let spanned = DeTable::parse(text).map_err(wrong)?;
        let mut noting = Noting { lines: &lines, file: name, places: BTreeMap::new() };
        noting.table(spanned.get_ref(), "");
        let places = noting.places;
        let table: Table = toml::from_str(text).map_err(wrong)?;
        let document = Self { name: name.into(), table, places };
        for (section, value) in &document.table {
            if !SECTIONS.contains(&section.as_str()) {
                let near = did_you_mean(section, SECTIONS);
                let allowed = SECTIONS.map(|section| format!("[{section}]")).join(", ");
                return Err(document.at(section, format!("unknown section `{section}`: a recipe has {allowed}{near}")));
            }
            if !value.is_table() {
                return Err(document.at(section, format!("{section} = {value}: must be a section, [{section}]")));
            }
        }
        Ok(document)
    }

    /// Reads a recipe from a file.
    pub fn read(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::mistake(format!("{}: {error}; `ohmgrad init` writes a recipe", path.display()))
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Sets a field by an argument `path=value`; the value is written as in a recipe, but a name needs no quotes.
    pub fn set(&mut self, argument: &str) -> Outcome<()> {
        let Some((path, value)) = argument.split_once('=') else {
            return Err(Failure::mistake(format!("--set {argument}: must be PATH=VALUE, as training.seed=3")));
        };
        self.put(path.trim(), parse_value(value.trim()), &format!("--set {argument}"))
    }

    /// Sets a field to a value; `place` is where it comes from, for errors.
    pub fn put(&mut self, path: &str, value: Value, place: &str) -> Outcome<()> {
        let steps: Vec<&str> = path.split('.').collect();
        let (Some((last, sections)), true) = (steps.split_last(), steps.len() > 1) else {
            let message = format!("`{path}` is not a path: it must be SECTION.FIELD, as training.seed");
            return Err(Failure::mistake(format!("{message}\n  --> {place}")));
        };
        if !SECTIONS.contains(&sections[0]) {
            let near = did_you_mean(sections[0], SECTIONS);
            let message =
                format!("unknown section `{}` in `{path}`: must be one of {}{near}", sections[0], SECTIONS.join(", "));
            return Err(Failure::mistake(format!("{message}\n  --> {place}")));
        }
        let mut table = &mut self.table;
        for step in sections {
            let entry = table.entry(*step).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = entry else {
                return Err(Failure::mistake(format!("{path}: `{step}` is a value, no section\n  --> {place}")));
            };
            table = inner;
        }
        table.insert((*last).into(), value);
        // Fields of the file below this one are replaced, so their places are removed.
        let below = |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.places.retain(|other, _| !below(other));
        self.places.insert(path.into(), place.into());
        Ok(())
    }

    /// A section; empty if the recipe has none.
    pub fn section(&self, name: &'static str) -> Section<'_> {
        let table = self.table.get(name).and_then(Value::as_table);
        Section {
            document: self,
            path: name.into(),
            table: table.cloned().unwrap_or_default(),
            used: vec![],
            described: vec![],
        }
    }

    /// An error about a field, with its place.
    pub fn at(&self, path: &str, message: impl Into<String>) -> Failure {
        // The nearest place that is known: a field that was not written down is in its section.
        let mut path = path;
        let place = loop {
            match (self.places.get(path), path.rfind(['.', '['])) {
                (Some(place), _) => break place.clone(),
                (None, Some(end)) => path = &path[..end],
                (None, None) => break self.name.clone(),
            }
        };
        Failure::mistake(format!("{}\n  --> {place}", message.into()))
    }
}

/// One section of a recipe while it is read: gives fields with their defaults, and remembers what was given.
pub struct Section<'a> {
    /// The recipe.
    pub document: &'a Document,
    path: String,
    table: Table,
    used: Vec<(String, Value)>,
    described: Vec<(String, Json)>,
}

impl Section<'_> {
    /// The value of a field as it stands in the recipe.
    pub fn raw(&mut self, field: &str) -> Option<Value> {
        self.table.remove(field)
    }

    /// Describes a field for the schema, as JSON Schema does.
    pub fn describe(&mut self, field: &str, schema: Json) {
        self.described.push((field.into(), schema));
    }

    /// The fields that were read, as a JSON Schema describes them.
    pub fn described(&mut self) -> Vec<(String, Json)> {
        std::mem::take(&mut self.described)
    }

    /// Returns `true` if the recipe has a field.
    pub fn has(&self, field: &str) -> bool {
        self.table.contains_key(field)
    }

    /// Records a field of the recipe as it is used.
    pub fn record(&mut self, field: &str, value: impl Into<Value>) {
        self.used.push((field.into(), value.into()));
    }

    /// An error about a field.
    pub fn error(&self, field: &str, message: impl Into<String>) -> Failure {
        self.document.at(&format!("{}.{field}", self.path), message)
    }

    fn wrong(&self, field: &str, value: &Value, allowed: &str) -> Failure {
        self.error(field, format!("{}.{field} = {value}: must be {allowed}", self.path))
    }

    /// A whole number of at least `least`.
    pub fn whole(&mut self, field: &str, default: usize, least: usize) -> Outcome<usize> {
        self.describe(field, json!({ "type": "integer", "minimum": least, "default": default }));
        let value = self.raw(field).unwrap_or(Value::Integer(default as i64));
        let number = value.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|&n| n >= least);
        let Some(number) = number else {
            return Err(self.wrong(field, &value, &format!("a whole number of at least {least}")));
        };
        self.record(field, number as i64);
        Ok(number)
    }

    /// A number in a range that `allowed` describes.
    pub fn number(&mut self, field: &str, default: f64, ok: impl Fn(f64) -> bool, allowed: &str) -> Outcome<f64> {
        self.describe(
            field,
            json!({ "type": "number", "default": default, "description": format!("a number {allowed}") }),
        );
        let value = self.raw(field).unwrap_or(Value::Float(default));
        let number = match &value {
            Value::Integer(n) => Some(*n as f64),
            Value::Float(n) => Some(*n),
            _ => None,
        };
        let Some(number) = number.filter(|n| n.is_finite() && ok(*n)) else {
            return Err(self.wrong(field, &value, &format!("a number {allowed}")));
        };
        self.record(field, number);
        Ok(number)
    }

    /// One of some names.
    pub fn choice(&mut self, field: &str, default: &str, names: &[&'static str]) -> Outcome<&'static str> {
        self.describe(field, json!({ "enum": names, "default": default }));
        let value = self.raw(field).unwrap_or(Value::String(default.into()));
        let found = value.as_str().and_then(|text| names.iter().find(|name| **name == text));
        let Some(name) = found else {
            let near = did_you_mean(value.as_str().unwrap_or(""), names.iter().copied());
            return Err(self.wrong(field, &value, &format!("one of {}{near}", names.join(", "))));
        };
        self.record(field, *name);
        Ok(name)
    }

    /// A text, if the recipe has it.
    pub fn text(&mut self, field: &str) -> Outcome<Option<String>> {
        self.describe(field, json!({ "type": "string" }));
        match self.raw(field) {
            None => Ok(None),
            Some(Value::String(text)) => {
                self.record(field, text.clone());
                Ok(Some(text))
            }
            Some(value) => Err(self.wrong(field, &value, "a text in quotes")),
        }
    }

    /// A list of texts, or one; empty if the recipe has none.
    pub fn texts(&mut self, field: &str) -> Outcome<Vec<String>> {
        self.describe(field, json!({ "type": ["array", "string"], "items": { "type": "string" } }));
        let Some(value) = self.raw(field) else { return Ok(vec![]) };
        let texts: Option<Vec<String>> = match &value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let texts = texts.ok_or_else(|| self.wrong(field, &value, "a list of texts"))?;
        self.record(field, value);
        Ok(texts)
    }

    /// A list of whole numbers of at least 1; empty if the recipe has none.
    pub fn sizes(&mut self, field: &str) -> Outcome<Vec<usize>> {
        self.describe(field, json!({ "type": "array", "items": { "type": "integer", "minimum": 1 } }));
        let Some(value) = self.raw(field) else { return Ok(vec![]) };
        let size = |item: &Value| item.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
        let sizes: Option<Vec<usize>> = value.as_array().and_then(|items| items.iter().map(size).collect());
        let sizes = sizes.ok_or_else(|| self.wrong(field, &value, "a list of whole numbers of at least 1"))?;
        self.record(field, value);
        Ok(sizes)
    }

    /// Refuses what is left, as unknown, and gives the fields as they were used.
    pub fn finish(self) -> Outcome<Vec<(String, Value)>> {
        if let Some(field) = self.table.keys().next() {
            let near = did_you_mean(field, self.used.iter().map(|(name, _)| name.as_str()));
            return Err(self.error(field, format!("unknown field `{field}` in [{}]{near}", self.path)));
        }
        Ok(self.used)
    }

    /// The fields that were read so far, without some.
    pub fn used_without(&self, names: &[&str]) -> Vec<(String, Value)> {
        self.used.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect()
    }

    /// Replaces what is recorded of the fields that were read.
    pub fn replace_used(&mut self, used: Vec<(String, Value)>) {
        self.used = used;
    }

    /// Takes all fields of the section that were not read yet.
    pub fn rest(&mut self) -> Table {
        std::mem::take(&mut self.table)
    }
}

/// A value of a command line: as in TOML, or a name without quotes.
pub fn parse_value(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}"));
    parsed.ok().and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.into()))
}

/// The starts of the lines of a text.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(ends.map(|(i, _)| i + 1)).collect())
    }

    /// The number of the line, from 1, that a byte is in.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|&start| start <= byte)
    }
}

/// Notes the place of each field of a file.
struct Noting<'a> {
    lines: &'a Lines,
    file: &'a str,
    places: BTreeMap<String, String>,
}

impl Noting<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &str) {
        for (key, value) in table {
            let name = key.get_ref();
            let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            self.value(value, path, key.span().start);
        }
    }

    /// A field that stands at a byte of the file.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: String, start: usize) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, &path),
            DeValue::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.value(item, format!("{path}[{i}]"), item.span().start);
                }
            }
            _ => {}
        }
        self.places.insert(path, format!("{}:{}", self.file, self.lines.at(start)));
    }
}
