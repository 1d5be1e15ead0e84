//! Sections: structs whose fields are listed once, with meaning, default and range.

use std::fmt;

use super::setting::{Setting, invalid, join, nearest};
use super::value::Value;
use crate::Error;

/// A section from the list of its fields: the struct with its documentation, its defaults, ranges,
/// file form and printing.
///
/// ```text
/// parameters! {
///     /// What the section is about.
///     pub struct Clip {
///         /// Largest magnitude, in units of the tile weights.
///         fixed_value: f32 = 1.0, [> 0.0];
///     }
/// }
/// impl Rules for Clip {}
/// ```
///
/// A field whose name is a word of the language says what files call it: `kind as "type": Kind = Kind::None;`.
///
/// Fields may be sections themselves. Rules that take more than one field to check go into
/// [`Rules`].
macro_rules! parameters {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[doc = $doc:literal])* $field:ident $(as $file:literal)?: $type:ty = $default:expr $(, [$($range:tt)+])?;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $(
                $(#[doc = $doc])*
                #[doc = ""]
                $(#[doc = concat!("In files: `", $file, "`.")] #[doc(alias = $file)])?
                #[doc = concat!(
                    "Default: `", stringify!($default), "`"
                    $(, "; allowed: `", stringify!($($range)+), "`")?
                )]
                pub $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            /// Checks the range of every field, and the rules between them.
            ///
            /// # Errors
            ///
            /// The first field that has a value it may not have, with what is allowed.
            pub fn validate(&self) -> Result<(), $crate::Error> {
                use $crate::config::setting::{Range, Setting};
                Setting::check(self, Range::Any, "")
            }
        }

        impl $crate::config::setting::Setting for $name {
            const FIELDS: &'static [&'static str] = &[$($crate::config::section::field_name!($field $($file)?)),*];

            fn set(
                &mut self,
                value: $crate::config::value::Value,
                at: &str,
            ) -> Result<(), $crate::Error> {
                use $crate::config::{section, setting::{self, Setting}};
                for (field, value) in section::entries(value, at)? {
                    let path = setting::join(at, &field);
                    match field.as_str() {
                        $(name if name == $crate::config::section::field_name!($field $($file)?) => {
                            Setting::set(&mut self.$field, value, &path)?
                        })*
                        _ => {
                            let inner = [$(($crate::config::section::field_name!($field $($file)?), <$type as Setting>::FIELDS)),*];
                            section::unknown::<Self>(&field, &value, at, &inner)?
                        }
                    }
                }
                Ok(())
            }

            fn get(&self) -> $crate::config::value::Value {
                use $crate::config::{setting::Setting, value::Value};
                let fields = [$(($crate::config::section::field_name!($field $($file)?), Setting::get(&self.$field))),*];
                Value::Table(fields.map(|(field, value)| (field.to_owned(), value)).into())
            }

            fn check(
                &self,
                _: $crate::config::setting::Range,
                at: &str,
            ) -> Result<(), $crate::Error> {
                use $crate::config::{section::Rules, setting::{Setting, join, range}};
                $(
                    let range = range!($($($range)+)?);
                    Setting::check(&self.$field, range, &join(at, $crate::config::section::field_name!($field $($file)?)))?;
                )*
                Rules::rules(self, at)
            }

            fn schema(&self, _: $crate::config::setting::Range) -> $crate::config::value::Value {
                use $crate::config::{schema, setting::{Setting, range}};
                schema::section(vec![$(schema::field(
                    $crate::config::section::field_name!($field $($file)?),
                    concat!($($doc, "\n"),*),
                    Setting::get(&self.$field),
                    Setting::schema(&self.$field, range!($($($range)+)?)),
                )),*])
            }
        }

        /// What differs from the defaults.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::config::section::show(self, stringify!($name), f)
            }
        }

        /// All fields, numbers with as few digits as name them.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let value = $crate::config::setting::Setting::get(self);
                serde::Serialize::serialize(&value, serializer)
            }
        }

        /// A field left out has its default; the result is validated.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = serde::Deserialize::deserialize(deserializer)?;
                $crate::config::section::from_value(value).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use parameters;

/// The name of a field in files: its own, unless the list gives another.
macro_rules! field_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $file:literal) => {
        $file
    };
}
pub(crate) use field_name;

/// What a section's list of fields can't say.
pub(crate) trait Rules: Setting + Default {
    /// Rules between fields; each field is within its range already.
    fn rules(&self, _at: &str) -> Result<(), Error> {
        Ok(())
    }

    /// What to say to a field that the reference has and this section doesn't: nothing if it is
    /// really unknown, `Ok` where the value asks for what happens anyway, else the reason.
    fn absent(_field: &str, _value: &Value) -> Option<Result<(), &'static str>> {
        None
    }

    /// A word in brackets after the name when printed.
    fn note(&self) -> Option<&'static str> {
        None
    }
}

/// The defaults, overlaid with what a file says, validated.
pub(crate) fn from_value<S: Rules>(value: Value) -> Result<S, Error> {
    let mut section = S::default();
    section.set(value, "")?;
    section.check(super::setting::Range::Any, "")?;
    Ok(section)
}

pub(crate) fn entries(value: Value, at: &str) -> Result<Vec<(String, Value)>, Error> {
    match value {
        Value::Table(entries) => Ok(entries),
        _ => Err(invalid(if at.is_empty() { "configuration" } else { at }, &value, "a section of fields")),
    }
}

/// The answer to a field that the section doesn't have; `inner` are its fields with the fields of
/// those that are sections.
pub(crate) fn unknown<S: Rules>(
    field: &str,
    value: &Value,
    at: &str,
    inner: &[(&'static str, &'static [&'static str])],
) -> Result<(), Error> {
    match S::absent(field, value) {
        Some(Ok(())) => Ok(()),
        Some(Err(reason)) => {
            Err(Error::Unsupported { field: join(at, field), value: value.to_string(), reason: reason.to_owned() })
        }
        None => {
            let forgotten_header = inner.iter().find(|(_, fields)| fields.contains(&field));
            Err(Error::UnknownField {
                field: field.to_owned(),
                section: at.to_owned(),
                suggestion: match forgotten_header {
                    Some((section, _)) => Some(join(section, field)),
                    None => nearest(field, S::FIELDS).map(str::to_owned),
                },
            })
        }
    }
}

/// Prints what differs from the defaults: fields on the first line, then a line for each section.
pub(crate) fn show<S: Rules>(section: &S, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let changed = changes(section.get(), S::default().get());
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

/// The entries of `now` that `default` doesn't have; of sections, again only those entries.
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

#[cfg(test)]
mod tests {
    use super::Rules;

    parameters! {
        /// A section within a section, as later parts of a configuration will be.
        #[derive(Copy)]
        pub struct Inner {
            /// Has a range.
            strength: f32 = 0.5, [>= 0.0];
        }
    }
    impl Rules for Inner {}

    parameters! {
        /// A section with a field and a section whose defaults are not its own.
        pub struct Outer {
            /// A field.
            on: bool = false;
            /// A section.
            inner: Inner = Inner { strength: 2.0 };
        }
    }
    impl Rules for Outer {}

    #[test]
    fn what_a_file_leaves_out_is_the_outer_default() {
        let outer: Outer = toml::from_str("on = true\n[inner]").unwrap();
        assert_eq!(outer, Outer { on: true, inner: Inner { strength: 2.0 } });
        assert_eq!(toml::from_str::<Inner>("").unwrap().strength, 0.5);
    }

    #[test]
    fn errors_carry_the_path() {
        let outer = Outer { inner: Inner { strength: -1.0 }, ..Default::default() };
        assert_eq!(outer.validate().unwrap_err().to_string(), "inner.strength = -1: must be at least 0");
        assert!(outer.inner.validate().is_err());
        let error = toml::from_str::<Outer>("inner = 3").unwrap_err();
        assert_eq!(error.message(), "inner = 3: must be a section of fields");
    }

    #[test]
    fn a_forgotten_header_is_suggested() {
        let error = toml::from_str::<Outer>("strength = 3").unwrap_err();
        assert_eq!(error.message(), "unknown field `strength` at the top level; did you mean `inner.strength`?");
    }

    #[test]
    fn printing_names_what_changed() {
        let outer = Outer { on: true, inner: Inner { strength: 0.25 } };
        assert_eq!(outer.to_string(), "Outer: on = true\n  inner: strength = 0.25");
        assert_eq!(Outer::default().to_string(), "Outer: all defaults");
    }
}
