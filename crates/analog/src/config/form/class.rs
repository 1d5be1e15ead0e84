//! Choices between classes: sections whose `type` is the name of a class, under the reference's names.

/// An enum with a variant for each class of a trait, and one for a class that the program defines.
///
/// In a file it is a section with the class's name in `type`. Without `type` the class stays as it is, so that a file
/// may change one parameter of the default. The clause `none` adds a variant for no object: `None` as the class's name,
/// or null in JSON.
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
        #[non_exhaustive]
        pub enum $name {
            $($(#[$none_doc])* $none,)?
            $(
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!("In files: `type = \"", $spelling, "\"`.")]
                #[doc(alias = $spelling)]
                $variant($class),
            )*
            /// A class that the program defines. It has no form in files.
            Custom(std::sync::Arc<dyn $trait>),
        }

        impl $name {
            /// The object of the chosen class; `None` for the variant of the clause `none`.
            fn object(&self) -> Option<&dyn $trait> {
                match self {
                    $(Self::$none => None,)?
                    $(Self::$variant(class) => Some(class),)*
                    Self::Custom(class) => Some(class.as_ref()),
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
                Self::Custom(class)
            }
        }

        /// Custom classes are equal if they are the same object.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$none, Self::$none) => true,)?
                    $((Self::$variant(a), Self::$variant(b)) => a == b,)*
                    (Self::Custom(a), Self::Custom(b)) => std::sync::Arc::ptr_eq(a, b),
                    _ => false,
                }
            }
        }

        const _: () = {
            use $crate::config::form::class::{Class, Classes};
            use $crate::config::form::setting::Setting;

            impl Classes for $name {
                const NAMES: &'static [&'static str] = &[$($spelling,)* $(stringify!($none))?];

                fn named(name: &str) -> Self {
                    match name {
                        $($spelling => Self::$variant(Default::default()),)*
                        $(stringify!($none) => Self::$none,)?
                        _ => unreachable!("a name of the list"),
                    }
                }

                fn class(&self) -> Class<'_> {
                    match self {
                        $(Self::$none => Class::Empty(stringify!($none)),)?
                        $(Self::$variant(class) => Class::Section($spelling, class),)*
                        Self::Custom(class) => Class::Custom(class),
                    }
                }

                fn section_mut(&mut self) -> Option<&mut dyn Setting> {
                    match self {
                        $(Self::$variant(class) => Some(class),)*
                        _ => None,
                    }
                }
            }
        };

        $crate::config::form::class::class_setting!($name);
    };
}
pub(crate) use classes;

/// Implements [`Setting`] for a type with [`Classes`].
macro_rules! class_setting {
    ($name:ident) => {
        const _: () = {
            use $crate::config::form::class::{self, Class, Classes};
            use $crate::config::form::schema;
            use $crate::config::form::setting::{OnError, Range, Setting};
            use $crate::config::form::unused::Note;
            use $crate::config::form::value::Value;

            impl Setting for $name {
                fn overlay(&mut self, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), $crate::Error> {
                    class::overlay(self, value, at, on_error)
                }

                fn get(&self) -> Value {
                    class::get(self.class())
                }

                fn check(&self, range: Range, at: &str) -> Result<(), $crate::Error> {
                    match self.class() {
                        Class::Section(_, section) => section.check(range, at),
                        Class::Empty(_) | Class::Custom(_) => Ok(()),
                    }
                }

                fn unused(&self, _: &Value, at: &str, notes: &mut Vec<Note>) {
                    if let Class::Section(name, section) = self.class() {
                        // Fields are compared with the defaults of their class, not with those of the section around
                        // it.
                        section.unused(&Self::named(name).get(), at, notes);
                    }
                }

                fn schema(&self, range: Range) -> Value {
                    class::schema(self, range)
                }

                // A class in a list may hold such a list itself, so the schema of an item allows any fields.
                fn item_schema(_: Range) -> Value {
                    schema::of("object")
                }
            }
        };
    };
}
pub(crate) use class_setting;

use std::fmt::Debug;

use super::choice::position;
use super::schema;
use super::setting::{OnError, Range, Setting, invalid, join};
use super::value::Value;
use crate::Error;

/// The field that holds the class's name.
pub const TYPE: &str = "type";

/// The name in `type` if there is no object.
pub(crate) const NONE: &str = "None";

/// A choice between classes.
pub trait Classes {
    /// The names of the classes in files, with `None` if the object may be absent.
    const NAMES: &'static [&'static str];

    /// An object of the class with its default fields.
    fn named(name: &str) -> Self;

    /// The class that is chosen.
    fn class(&self) -> Class<'_>;

    /// The fields of the object, if it has any that files can set.
    fn section_mut(&mut self) -> Option<&mut dyn Setting>;
}

/// The class of an object.
#[derive(Debug)]
pub enum Class<'a> {
    /// A class with fields, by its name.
    Section(&'static str, &'a dyn Setting),
    /// A class without fields, by its name.
    Empty(&'static str),
    /// A class that the program defines.
    Custom(&'a dyn Debug),
}

/// The name of the chosen class; `own` for a custom class.
pub(crate) fn name<C: Classes>(chosen: &C) -> &'static str {
    match chosen.class() {
        Class::Section(name, _) | Class::Empty(name) => name,
        Class::Custom(_) => "own",
    }
}

/// Sets the class from the field `type`, if it is there, then the other fields.
pub(crate) fn overlay<C: Classes>(target: &mut C, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), Error> {
    let null = C::NAMES.contains(&NONE);
    let mut fields = match value {
        Value::Null if null => return overlay(target, none(), at, on_error),
        Value::Table(fields) => fields,
        value => {
            let null = if null { ", or null" } else { "" };
            return Err(invalid(at, &value, format!("a section of fields with a `type`{null}")));
        }
    };
    if let Some(index) = fields.iter().position(|(field, _)| field == TYPE) {
        let name = C::NAMES[position(fields.remove(index).1, &join(at, TYPE), C::NAMES, &[])?];
        match target.class() {
            Class::Section(now, _) | Class::Empty(now) if now == name => {}
            _ => *target = C::named(name),
        }
    }
    match target.section_mut() {
        Some(section) => section.overlay(Value::Table(fields), at, on_error),
        None => match fields.into_iter().next() {
            None => Ok(()),
            Some((field, _)) => Err(Error::UnknownField { field, section: at.to_owned(), suggestion: None }),
        },
    }
}

/// The value in a file.
pub(crate) fn get(class: Class<'_>) -> Value {
    let named = |name: &str| vec![(TYPE.to_owned(), Value::Text(name.to_owned()))];
    match class {
        Class::Section(name, section) => match section.get() {
            Value::Table(fields) => Value::Table(named(name).into_iter().chain(fields).collect()),
            other => other,
        },
        Class::Empty(name) => Value::Table(named(name)),
        Class::Custom(object) => Value::Custom(format!("{object:?}")),
    }
}

/// The section that stands for the absence of an object.
pub(crate) fn none() -> Value {
    get(Class::Empty(NONE))
}

/// The schemas of all classes; `type` may be left out for the chosen one, if it has fields.
pub(crate) fn schema<C: Classes>(target: &C, range: Range) -> Value {
    let class = |name: &&str| match (target.class(), C::named(name).class()) {
        (Class::Section(now, section), _) if now == *name => schema::class(name, section.schema(range), false),
        (_, Class::Section(_, section)) => schema::class(name, section.schema(range), true),
        _ => schema::class(name, schema::section(vec![]), true),
    };
    let (none, classes): (Vec<_>, Vec<_>) = C::NAMES.iter().partition(|name| **name == NONE);
    let null = none.iter().map(|_| schema::of("null"));
    schema::any_of(classes.iter().chain(&none).map(class).chain(null).collect())
}
