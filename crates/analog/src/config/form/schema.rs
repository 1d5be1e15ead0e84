//! The pieces of a JSON Schema, which is made from the same lists of fields as everything else about a configuration.

use super::setting::{Range, Setting};
use super::value::Value;

/// The JSON Schema (draft 2020-12) of a single setting.
pub(crate) fn document<S: Setting + Default>(name: &str) -> String {
    let mut schema = table([
        ("$schema", text("https://json-schema.org/draft/2020-12/schema")),
        ("title", text(format!("ohmgrad {name}"))),
    ]);
    extend(&mut schema, S::default().schema(Range::Any));
    serde_json::to_string_pretty(&schema).expect("a tree of names and finite numbers")
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(entries.map(|(name, value)| (name.to_owned(), value)).into())
}

fn extend(schema: &mut Value, with: Value) {
    if let (Value::Table(schema), Value::Table(with)) = (schema, with) {
        schema.extend(with);
    }
}

/// Any value of a JSON type.
pub(crate) fn of(kind: &str) -> Value {
    table([("type", text(kind))])
}

pub(crate) fn constant(value: Value) -> Value {
    table([("const", value)])
}

pub(crate) fn one_of(names: &[&str]) -> Value {
    table([("enum", Value::List(names.iter().map(|name| text(*name)).collect()))])
}

pub(crate) fn any_of(schemas: Vec<Value>) -> Value {
    table([("anyOf", Value::List(schemas))])
}

pub(crate) fn number(range: Range) -> Value {
    let mut schema = of("number");
    let mut limit = |name: &str, value: f32| extend(&mut schema, table([(name, value.into())]));
    match range {
        Range::Any => {}
        Range::AtLeast(least) => limit("minimum", least),
        Range::Above(below) => limit("exclusiveMinimum", below),
        Range::AtMost(most) => limit("maximum", most),
        Range::Between(least, most) => {
            limit("minimum", least);
            limit("maximum", most);
        }
    }
    schema
}

pub(crate) fn whole(most: i64) -> Value {
    table([("type", text("integer")), ("minimum", Value::Integer(0)), ("maximum", Value::Integer(most))])
}

/// A list of a fixed number of items, or of any number.
pub(crate) fn list(items: Value, length: Option<usize>) -> Value {
    let mut schema = table([("type", text("array")), ("items", items)]);
    if let Some(length) = length.and_then(|length| i64::try_from(length).ok()) {
        extend(&mut schema, table([("minItems", Value::Integer(length)), ("maxItems", Value::Integer(length))]));
    }
    schema
}

/// A table that allows any names of fields.
pub(crate) fn by_name(items: Value) -> Value {
    table([("type", text("object")), ("additionalProperties", items)])
}

/// A field with its documentation and its default; the fields of a section carry their own defaults.
pub(crate) fn field(name: &str, documentation: &str, default: Value, schema: Value) -> (String, Value) {
    let mut described = table([("description", text(paragraphs(documentation)))]);
    extend(&mut described, schema);
    if !matches!(default, Value::Table(_)) {
        extend(&mut described, table([("default", default)]));
    }
    (name.to_owned(), described)
}

/// Lines of a doc comment, joined within a paragraph.
fn paragraphs(documentation: &str) -> String {
    let trimmed: Vec<&str> = documentation.lines().map(str::trim).collect();
    let paragraphs = trimmed.split(|line| line.is_empty()).filter(|lines| !lines.is_empty());
    paragraphs.map(|lines| lines.join(" ")).collect::<Vec<_>>().join("\n\n")
}

pub(crate) fn section(fields: Vec<(String, Value)>) -> Value {
    table([
        ("type", text("object")),
        ("properties", Value::Table(fields)),
        ("additionalProperties", Value::Bool(false)),
    ])
}

/// A section with the name of its class in `type`, which may be left out where the section has this class already.
pub(crate) fn class(name: &str, section: Value, required: bool) -> Value {
    let Value::Table(mut entries) = section else { return section };
    if let Some((_, Value::Table(fields))) = entries.iter_mut().find(|(entry, _)| entry == "properties") {
        fields.insert(0, ("type".into(), constant(text(name))));
    }
    if required {
        entries.push(("required".into(), Value::List(vec![text("type")])));
    }
    Value::Table(entries)
}
