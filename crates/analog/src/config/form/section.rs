//! Sections: structs whose fields are listed once, with meaning, default and range.

/// A section from the list of its fields: the struct with its documentation, its defaults, ranges,
/// file form and printing.
///
/// ```text
/// parameters! {
///     /// Clipping of weights.
///     pub struct Clip {
///         /// Largest magnitude, in units of the tile weights.
///         fixed_value: f32 = 1.0, [> 0.0];
///     }
/// }
/// impl Rules for Clip {}
/// ```
///
/// A field may have another name in files, such as a Rust keyword: `kind as "type": Kind = Kind::None;`.
///
/// Fields may be sections themselves. Rules between fields go into [`Rules`].
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
            /// The first field with an invalid value, and the allowed values.
            pub fn validate(&self) -> Result<(), $crate::Error> {
                use $crate::config::form::setting::{Range, Setting};
                Setting::check(self, Range::Any, "")
            }
        }

        const _: () = {
            use $crate::config::form::section::{self, Field, Section};
            use $crate::config::form::setting::{Setting, range};
            use $crate::config::form::{print, value::Value};

            impl Section for $name {
                const NAME: &'static str = stringify!($name);

                const FIELDS: &'static [Field] = &[$(Field {
                    name: section::field_name!($field $($file)?),
                    documentation: concat!($($doc, "\n"),*),
                    range: range!($($($range)+)?),
                }),*];

                fn settings(&self) -> Vec<&dyn Setting> {
                    vec![$(&self.$field),*]
                }

                fn settings_mut(&mut self) -> Vec<&mut dyn Setting> {
                    vec![$(&mut self.$field),*]
                }
            }

            /// Prints the fields that differ from the defaults.
            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    print::show(self, f)
                }
            }

            /// Writes all fields; a number has the fewest digits that give the same `f32`.
            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    Setting::get(self).serialize(serializer)
                }
            }

            /// A field left out has its default; the result is validated.
            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    section::from_value(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
                }
            }
        };
    };
}
pub(crate) use parameters;

/// The name of a field in files: the field's own, unless another is given.
macro_rules! field_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $file:literal) => {
        $file
    };
}
pub(crate) use field_name;

use super::setting::{OnError, Range, Setting, invalid, join, nearest, strict};
use super::unused::{Note, Unused};
use super::value::Value;
use super::{class, schema};
use crate::Error;

/// A field of a section.
#[derive(Debug)]
pub struct Field {
    /// The name in files.
    pub name: &'static str,
    /// The doc comment, line by line.
    pub documentation: &'static str,
    /// The numbers that it allows.
    pub range: Range,
}

/// The trait of all sections; [`parameters!`] implements it from a list of fields.
pub(crate) trait Section: Rules {
    /// The struct's name.
    const NAME: &'static str;

    /// The fields, in the order of the list.
    const FIELDS: &'static [Field];

    /// The values of the fields, in their order.
    fn settings(&self) -> Vec<&dyn Setting>;

    /// The values of the fields, in their order.
    fn settings_mut(&mut self) -> Vec<&mut dyn Setting>;
}

/// Rules of a section beyond its list of fields.
pub(crate) trait Rules: Setting + Default {
    /// Rules between fields; each field is within its range already.
    fn rules(&self, _at: &str) -> Result<(), Error> {
        Ok(())
    }

    /// The result for a field that the section does not have: `None` if the reference does not have it either, `Ok` if
    /// the field may be ignored, else the reason for an error.
    fn absent(_field: &str, _value: &Value) -> Option<Result<(), &'static str>> {
        None
    }

    /// Notes fields that have no effect under the other fields. Inner sections note their own fields.
    fn without_effect(&self, _unused: &mut Unused<'_>) {}

    /// A remark that is printed in brackets after the name.
    fn note(&self) -> Option<&'static str> {
        None
    }
}

impl<S: Section> Setting for S {
    fn overlay(&mut self, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), Error> {
        overlay(S::FIELDS, &mut self.settings_mut(), S::absent, (value, at), on_error)
    }

    fn get(&self) -> Value {
        get(S::FIELDS, &self.settings())
    }

    fn check(&self, _: Range, at: &str) -> Result<(), Error> {
        check(S::FIELDS, &self.settings(), at)?;
        self.rules(at)
    }

    fn unused(&self, by_default: &Value, at: &str, notes: &mut Vec<Note>) {
        self.without_effect(&mut Unused::new(self.get(), by_default.clone(), at, notes));
        unused(S::FIELDS, &self.settings(), (by_default, at), notes);
    }

    fn schema(&self, _: Range) -> Value {
        schema_of(S::FIELDS, &self.settings())
    }

    fn fields(&self) -> &'static [Field] {
        S::FIELDS
    }

    fn none() -> Value {
        class::none()
    }
}

// The walks over fields take the list of fields as an argument, so that they are compiled once for all sections.

/// The type of [`Rules::absent`].
type Absent = fn(&str, &Value) -> Option<Result<(), &'static str>>;

fn overlay(
    fields: &[Field],
    settings: &mut [&mut dyn Setting],
    absent: Absent,
    (value, at): (Value, &str),
    on_error: OnError<'_>,
) -> Result<(), Error> {
    for (name, value) in entries(value, at)? {
        let path = join(at, &name);
        let read = match fields.iter().position(|field| field.name == name) {
            Some(index) => settings[index].overlay(value, &path, &mut *on_error),
            None => match absent(&name, &value) {
                Some(Ok(())) => Ok(()),
                Some(Err(reason)) => {
                    Err(Error::Unsupported { field: path.clone(), value: value.to_string(), reason: reason.to_owned() })
                }
                None => Err(unknown(fields, settings, &name, at)),
            },
        };
        read.or_else(|error| on_error(&path, error))?;
    }
    Ok(())
}

fn get(fields: &[Field], settings: &[&dyn Setting]) -> Value {
    let fields = fields.iter().zip(settings);
    Value::Table(fields.map(|(field, setting)| (field.name.to_owned(), setting.get())).collect())
}

fn check(fields: &[Field], settings: &[&dyn Setting], at: &str) -> Result<(), Error> {
    let mut fields = fields.iter().zip(settings);
    fields.try_for_each(|(field, setting)| setting.check(field.range, &join(at, field.name)))
}

fn unused(fields: &[Field], settings: &[&dyn Setting], (by_default, at): (&Value, &str), notes: &mut Vec<Note>) {
    for (field, setting) in fields.iter().zip(settings) {
        let by_default = by_default.find(field.name).unwrap_or(&Value::Null);
        setting.unused(by_default, &join(at, field.name), notes);
    }
}

fn schema_of(fields: &[Field], settings: &[&dyn Setting]) -> Value {
    let field = |(field, setting): (&Field, &&dyn Setting)| {
        schema::field(field.name, field.documentation, setting.get(), setting.schema(field.range))
    };
    schema::section(fields.iter().zip(settings).map(field).collect())
}

/// The defaults, overlaid with the content of a file, validated.
pub(crate) fn from_value<S: Setting + Default>(value: Value) -> Result<S, Error> {
    let mut section = S::default();
    section.overlay(value, "", &mut strict)?;
    section.check(Range::Any, "")?;
    Ok(section)
}

fn entries(value: Value, at: &str) -> Result<Vec<(String, Value)>, Error> {
    match value {
        Value::Table(entries) => Ok(entries),
        _ => Err(invalid(if at.is_empty() { "configuration" } else { at }, &value, "a section of fields")),
    }
}

/// The error for a field that the section doesn't have. If an inner section has the field, the file lacks the header of
/// that section, and the error suggests its path.
fn unknown(fields: &[Field], settings: &[&mut dyn Setting], name: &str, at: &str) -> Error {
    let mut inner = fields.iter().zip(settings);
    let inner = inner.find(|(_, setting)| setting.fields().iter().any(|field| field.name == name));
    Error::UnknownField {
        field: name.to_owned(),
        section: at.to_owned(),
        suggestion: match inner {
            Some((section, _)) => Some(join(section.name, name)),
            None => nearest(name, fields.iter().map(|field| field.name)).map(str::to_owned),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::Rules;

    parameters! {
        /// A section within a section.
        #[derive(Copy)]
        pub struct Inner {
            /// A field with a range.
            strength: f32 = 0.5, [>= 0.0];
        }
    }
    impl Rules for Inner {}

    parameters! {
        /// A section with a field, and with an inner section that has other defaults here.
        pub struct Outer {
            /// A field.
            on: bool = false;
            /// A section.
            inner: Inner = Inner { strength: 2.0 };
        }
    }
    impl Rules for Outer {}

    #[test]
    fn fields_left_out_have_the_outer_default() {
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
    fn printing_names_changed_fields() {
        let outer = Outer { on: true, inner: Inner { strength: 0.25 } };
        assert_eq!(outer.to_string(), "Outer: on = true\n  inner: strength = 0.25");
        assert_eq!(Outer::default().to_string(), "Outer: all defaults");
    }
}
