//! Choices between classes: sections that say in `type` which class they are, under the reference's names.

/// An enum with a variant for each class of a trait, and one for a class of the program's own.
///
/// In a file it is a section with the class's name in `type`. Without `type` it is the class that the section has
/// already, so that a file may change one parameter of the default. The clause `none` adds a variant for "nothing", the
/// class name `None` or JSON's null.
macro_rules! classes {
    (
        $(#[$meta:meta])*
        pub enum $name:ident of $trait:path {
            $($(#[$doc:meta])* $variant:ident($class:ty) = $spelling:literal,)*
        }
        $(none $(#[$none_doc:meta])* $none:ident)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub enum $name {
            $($(#[$none_doc])* $none,)?
            $(
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!("In files: `type = \"", $spelling, "\"`.")]
                #[doc(alias = $spelling)]
                $variant($class),
            )*
            /// A class of the program's own. It has no form in files.
            Own(std::sync::Arc<dyn $trait>),
        }

        impl $name {
            const NAMES: &[&str] = &[$($spelling,)* $(stringify!($none))?];

            /// The class behind the trait that all share.
            fn class(&self) -> Option<&dyn $trait> {
                match self {
                    $(Self::$none => None,)?
                    $(Self::$variant(class) => Some(class),)*
                    Self::Own(class) => Some(class.as_ref()),
                }
            }
        }

        $(
            impl From<$class> for $name {
                fn from(class: $class) -> Self {
                    Self::$variant(class)
                }
            }
        )*

        impl From<std::sync::Arc<dyn $trait>> for $name {
            fn from(class: std::sync::Arc<dyn $trait>) -> Self {
                Self::Own(class)
            }
        }

        /// Classes of the program's own are equal if they are the same object.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$none, Self::$none) => true,)?
                    $((Self::$variant(a), Self::$variant(b)) => a == b,)*
                    (Self::Own(a), Self::Own(b)) => std::sync::Arc::ptr_eq(a, b),
                    _ => false,
                }
            }
        }

        impl $crate::config::setting::Setting for $name {
            fn set(&mut self, value: $crate::config::value::Value, at: &str) -> Result<(), $crate::Error> {
                use $crate::config::{class, setting::Setting};
                let none = Self::NAMES.contains(&class::NONE);
                let (name, fields) = class::split(value, at, Self::NAMES, none)?;
                match name {
                    None => {}
                    $(Some(name) if name == stringify!($none) => *self = Self::$none,)?
                    $(
                        Some($spelling) if matches!(self, Self::$variant(_)) => {}
                        Some($spelling) => *self = Self::$variant(Default::default()),
                    )*
                    Some(_) => unreachable!("a name of the list"),
                }
                match self {
                    $(Self::$none => class::without_fields(fields, at),)?
                    $(Self::$variant(class) => Setting::set(class, fields, at),)*
                    Self::Own(_) => class::without_fields(fields, at),
                }
            }

            fn get(&self) -> $crate::config::value::Value {
                use $crate::config::{class, setting::Setting, value::Value};
                match self {
                    $(Self::$none => class::named(stringify!($none), Value::Table(vec![])),)?
                    $(Self::$variant(class) => class::named($spelling, Setting::get(class)),)*
                    Self::Own(class) => Value::Own(format!("{class:?}")),
                }
            }

            fn check(&self, range: $crate::config::setting::Range, at: &str) -> Result<(), $crate::Error> {
                use $crate::config::setting::Setting;
                match self {
                    $(Self::$none => Ok(()),)?
                    $(Self::$variant(class) => Setting::check(class, range, at),)*
                    Self::Own(_) => Ok(()),
                }
            }

            fn schema(&self, range: $crate::config::setting::Range) -> $crate::config::value::Value {
                use $crate::config::{schema, setting::Setting};
                let mut classes = vec![$(match self {
                    Self::$variant(class) => schema::class($spelling, Setting::schema(class, range), false),
                    _ => schema::class($spelling, Setting::schema(&<$class>::default(), range), true),
                }),*];
                if Self::NAMES.contains(&$crate::config::class::NONE) {
                    classes.extend(schema::none());
                }
                schema::any_of(classes)
            }
        }
    };
}
pub(crate) use classes;

use super::choice::position;
use super::section::entries;
use super::setting::{invalid, join};
use super::value::Value;
use crate::Error;

/// The field that holds the class's name.
pub(crate) const TYPE: &str = "type";

/// The name of no class.
pub(crate) const NONE: &str = "None";

/// A section's class, if it names one, and its other fields.
pub(crate) fn split(
    value: Value,
    at: &str,
    names: &[&'static str],
    none: bool,
) -> Result<(Option<&'static str>, Value), Error> {
    let mut fields = match value {
        Value::Null if none => return Ok((Some(NONE), Value::Table(vec![]))),
        Value::Table(_) => entries(value, at)?,
        value => {
            let null = if none { ", or null" } else { "" };
            return Err(invalid(at, &value, format!("a section of fields with a `type`{null}")));
        }
    };
    let name = match fields.iter().position(|(field, _)| field == TYPE) {
        None => None,
        Some(index) => Some(names[position(fields.remove(index).1, &join(at, TYPE), names, &[])?]),
    };
    Ok((name, Value::Table(fields)))
}

/// The form of a class in a file.
pub(crate) fn named(name: &str, fields: Value) -> Value {
    let mut entries = vec![(TYPE.to_owned(), Value::Text(name.to_owned()))];
    if let Value::Table(fields) = fields {
        entries.extend(fields);
    }
    Value::Table(entries)
}

/// Refuses fields where there is nothing that could have any.
pub(crate) fn without_fields(fields: Value, at: &str) -> Result<(), Error> {
    match entries(fields, at)?.into_iter().next() {
        None => Ok(()),
        Some((field, _)) => Err(Error::UnknownField { field, section: at.to_owned(), suggestion: None }),
    }
}
