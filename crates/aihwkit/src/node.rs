//! A Python object as it was printed or exported, before it is interpreted.

use std::fmt;

use ohmgrad_analog::config::form::class::TYPE;
use ohmgrad_analog::config::form::value::Value;

/// A Python value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Integer(i64),
    Number(f64),
    /// A string, or the name of a member of an enumeration.
    Text(String),
    List(Vec<Node>),
    Dict(Vec<(Node, Node)>),
    Object(Object),
    /// An object without a value here: a class, a function.
    Opaque(String),
}

/// An instance of a class, with its fields in their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub class: String,
    /// Classes that it inherits from, nearest first, where they are known.
    pub bases: Vec<String>,
    pub fields: Vec<(String, Node)>,
}

impl Object {
    /// Returns `true` if the object is of the class or inherits from it, as far as is known.
    pub fn is(&self, class: &str) -> bool {
        self.class == class || self.bases.iter().any(|base| base == class)
    }

    pub fn get(&self, field: &str) -> Option<&Node> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, node)| node)
    }

    pub fn get_mut(&mut self, field: &str) -> Option<&mut Node> {
        self.fields.iter_mut().find(|(name, _)| name == field).map(|(_, node)| node)
    }

    pub fn take(&mut self, field: &str) -> Option<Node> {
        let index = self.fields.iter().position(|(name, _)| name == field)?;
        Some(self.fields.remove(index).1)
    }
}

impl Node {
    /// The value at a path, as Python would print it; `type` is the class of an object without a field of that name.
    pub fn show(&self, path: &str) -> Option<String> {
        let (field, rest) = path.split_once('.').map_or((path, None), |(field, rest)| (field, Some(rest)));
        let (field, index) = field.split_once('[').map_or((field, None), |(field, index)| (field, Some(index)));
        let Self::Object(object) = self else { return None };
        let mut node = match object.get(field) {
            None if field == TYPE => return Some(object.class.clone()),
            node => node?,
        };
        if let (Some(index), Self::List(items)) = (index, node) {
            node = items.get(index.strip_suffix(']')?.parse::<usize>().ok()?)?;
        }
        rest.map_or_else(|| Some(node.to_string()), |rest| node.show(rest))
    }

    /// The value as a configuration file has it. An object becomes the table of its fields; if `classes` is `true`, its
    /// class is a choice and becomes `type`, unless it has a field of that name.
    pub fn into_value(self, classes: bool) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Integer(number) => Value::Integer(number),
            Self::Number(number) => Value::Number(number),
            Self::Text(text) | Self::Opaque(text) => Value::Text(text),
            Self::List(items) => Value::List(items.into_iter().map(|item| item.into_value(true)).collect()),
            Self::Dict(entries) => {
                Value::Table(entries.into_iter().map(|(key, item)| (key.to_string(), item.into_value(true))).collect())
            }
            Self::Object(object) => {
                let mut table: Vec<_> =
                    object.fields.into_iter().map(|(field, node)| (field, node.into_value(true))).collect();
                if classes && table.iter().all(|(field, _)| field != "type") {
                    table.insert(0, ("type".into(), Value::Text(object.class)));
                }
                Value::Table(table)
            }
        }
    }
}

/// One line, nearly as Python prints it.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, items: Vec<String>| f.write_str(&items.join(", "));
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{}", Value::Number(*number)),
            Self::Text(text) | Self::Opaque(text) => f.write_str(text),
            Self::List(items) => {
                f.write_str("[")?;
                list(f, items.iter().map(Self::to_string).collect())?;
                f.write_str("]")
            }
            Self::Dict(entries) => {
                f.write_str("{")?;
                list(f, entries.iter().map(|(key, item)| format!("{key}: {item}")).collect())?;
                f.write_str("}")
            }
            Self::Object(object) => {
                write!(f, "{}(", object.class)?;
                list(f, object.fields.iter().map(|(field, node)| format!("{field}={node}")).collect())?;
                f.write_str(")")
            }
        }
    }
}
