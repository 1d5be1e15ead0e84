//! The JSON that `tools/export_rpu_config.py` writes.
//!
//! `{"aihwkit": VERSION, "rpu_config": {"class": …, "bases": […], "fields": {…}}}`; an object has its class and all of
//! its fields, a dictionary is `{"entries": [[key, value], …]}`, a class or a function is `{"opaque": TEXT}`.

use crate::node::{Node, Object};
use ohmgrad_analog::Error;
use ohmgrad_analog::config::form::value::Value;

pub(crate) fn parse(text: &str) -> Result<Node, Error> {
    match entry(ohmgrad_analog::config::form::file::json(text)?, "rpu_config") {
        Some(config) => node(config),
        None => Err(wrong("no `rpu_config`: this JSON is not from export_rpu_config.py")),
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::Parse { format: "aihwkit configuration", line: None, message: message.into() }
}

fn entry(value: Value, name: &str) -> Option<Value> {
    let Value::Table(mut entries) = value else { return None };
    let index = entries.iter().position(|(field, _)| field == name)?;
    Some(entries.swap_remove(index).1)
}

fn node(value: Value) -> Result<Node, Error> {
    Ok(match value {
        Value::Null => Node::None,
        Value::Bool(flag) => Node::Bool(flag),
        Value::Integer(number) => Node::Integer(number),
        Value::Number(number) => Node::Number(number),
        Value::Text(text) => Node::Text(text),
        Value::Custom(_) => unreachable!("a file holds no objects"),
        Value::List(items) => Node::List(items.into_iter().map(node).collect::<Result<_, _>>()?),
        Value::Table(entries) => {
            let (mut class, mut bases, mut fields) = (None, vec![], vec![]);
            for (key, value) in entries {
                match (key.as_str(), value) {
                    ("class", Value::Text(name)) => class = Some(name),
                    ("bases", Value::List(names)) => {
                        bases = names
                            .into_iter()
                            .filter_map(|name| match name {
                                Value::Text(name) => Some(name),
                                _ => None,
                            })
                            .collect();
                    }
                    ("fields", Value::Table(values)) => {
                        for (field, value) in values {
                            fields.push((field, node(value)?));
                        }
                    }
                    ("opaque", Value::Text(text)) => return Ok(Node::Opaque(text)),
                    ("entries", Value::List(pairs)) => return dict(pairs),
                    (key, value) => return Err(wrong(format!("`{key}` = {value} in an object"))),
                }
            }
            let class = class.ok_or_else(|| wrong("an object without its class"))?;
            Node::Object(Object { class, bases, fields })
        }
    })
}

fn dict(pairs: Vec<Value>) -> Result<Node, Error> {
    let pair = |pair: Value| match pair {
        Value::List(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([key, value]) => Ok((node(key)?, node(value)?)),
            Err(_) => Err(wrong("an entry of a dictionary that is not a pair")),
        },
        _ => Err(wrong("an entry of a dictionary that is not a pair")),
    };
    Ok(Node::Dict(pairs.into_iter().map(pair).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_dictionaries_and_the_rest() {
        let node = parse(
            r#"{"aihwkit": "1.1.0", "rpu_config": {"class": "A", "bases": ["B"], "fields": {
                "x": [1, 0.5, null, true, "NONE"], "d": {"entries": [[1.0, 2]]}, "t": {"opaque": "<class 'A'>"}}}}"#,
        )
        .unwrap();
        assert_eq!(node.to_string(), "A(x=[1, 0.5, None, True, NONE], d={1: 2}, t=<class 'A'>)");
        assert!(matches!(node, Node::Object(object) if object.is("A") && object.is("B") && !object.is("C")));
    }

    #[test]
    fn other_json_is_refused() {
        for text in [
            "{}",
            "[]",
            "{\"rpu_config\": {\"fields\": {}}}",
            "{\"rpu_config\": {\"class\": 1}}",
            "{\"rpu_config\": {\"entries\": [[1]]}}",
            "{\"rpu_config\": ",
        ] {
            assert!(matches!(parse(text), Err(Error::Parse { .. })), "{text}");
        }
    }
}
