//! A configuration file as a tree of values that are not yet assigned to fields.
//!
//! The trees of the parsers are not enough: that of `serde_json` turns NaN into null, that of `toml` has no null, and
//! both write the `f32` 0.02 as 0.019999999552965164.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value of a configuration file. Tables keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Table(Vec<(String, Value)>),
    /// An object of a custom class, as it prints; it has no form in files.
    Custom(String),
}

impl From<f32> for Value {
    /// The `f64` with the shortest decimals of the `f32`, so that 0.02 is written 0.02.
    fn from(number: f32) -> Self {
        let digits = number.to_string();
        Self::Number(digits.parse().expect("a float parses what a float prints"))
    }
}

impl Value {
    /// The number as an `f32`, rounded once, from its decimals: a second rounding, of the `f64`, could break a tie
    /// wrongly.
    pub(crate) fn as_f32(&self) -> Option<f32> {
        match *self {
            Self::Number(number) => number.to_string().parse().ok(),
            Self::Integer(number) => Some(number as f32),
            _ => None,
        }
    }

    /// The value at a path; at an empty path the value itself.
    pub(crate) fn find(&self, path: &str) -> Option<&Self> {
        let mut steps = path.split('.').filter(|step| !step.is_empty());
        steps.try_fold(self, |value, step| match value {
            Self::Table(entries) => entries.iter().find(|(field, _)| field == step).map(|(_, value)| value),
            _ => None,
        })
    }
}

/// Prints the value as in TOML on one line, a table as `{…}`; numbers are printed as people write them.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            // Display would write 1e-20 with all its zeros.
            Self::Number(value) if *value != 0.0 && !(1e-5..1e16).contains(&value.abs()) && value.is_finite() => {
                write!(f, "{value:e}")
            }
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::List(values) => {
                let values: Vec<_> = values.iter().map(Self::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
            Self::Table(_) => f.write_str("{…}"),
            Self::Custom(object) => f.write_str(object),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            // TOML has no null: an absent value is left out.
            Self::Table(entries) => serializer.collect_map(
                entries.iter().filter(|(_, value)| *value != Self::Null).map(|(field, value)| (field, value)),
            ),
            Self::Custom(object) => Err(S::Error::custom(format_args!("{object} has no form in files"))),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Number(value as f64), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let (mut entries, mut earlier) = (Vec::new(), HashSet::new());
        while let Some((field, value)) = map.next_entry::<String, Value>()? {
            // JSON parsers take the last one without an error.
            if !earlier.insert(field.clone()) {
                return Err(A::Error::custom(format_args!("`{field}` is given twice")));
            }
            entries.push((field, value));
        }
        Ok(Value::Table(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f32_survives_its_decimals() {
        let special = [0.0, -0.0, f32::MIN_POSITIVE, 1e-45, f32::MAX, f32::MIN, 1.0 / 126.0, 571_428.6];
        let spread = (0..100_000_u32).map(|n| f32::from_bits(n.wrapping_mul(2_654_435_761))).filter(|x| x.is_finite());
        for number in special.into_iter().chain(spread) {
            let value = Value::from(number);
            assert_eq!(value.as_f32().map(f32::to_bits), Some(number.to_bits()), "{number:e}");
            let json = serde_json::to_string(&value).unwrap();
            let back: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(back.as_f32().map(f32::to_bits), Some(number.to_bits()), "{json}");
        }
    }

    #[test]
    fn numbers_print_as_people_write_them() {
        let printed = [0.02_f32, 12.0, -1.0, 0.0, 571_428.56, 1e-20].map(|x| Value::from(x).to_string());
        assert_eq!(printed, ["0.02", "12", "-1", "0", "571428.56", "1e-20"]);
    }

    #[test]
    fn a_key_given_twice_is_an_error() {
        let error = serde_json::from_str::<Value>(r#"{"a": 1, "b": 2, "a": 3}"#).unwrap_err();
        assert!(error.to_string().starts_with("`a` is given twice"), "{error}");
    }

    #[test]
    fn toml_keeps_nan() {
        let value: Value = toml::from_str("x = nan").unwrap();
        assert!(matches!(&value, Value::Table(entries) if entries[0].1.as_f32().is_some_and(f32::is_nan)));
    }
}
