//! Choices between names, spelt in files as the reference spells its enumerators.

/// An enum whose variants have a spelling in files.
///
/// `absent` lists names that the reference has and that do not exist here, with the reason.
macro_rules! choices {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $spelling:literal,)* }
        $(absent { $($gone:literal: $reason:literal,)* })?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!("In files: `\"", $spelling, "\"`.")]
                #[doc(alias = $spelling)]
                $variant,
            )*
        }

        impl $name {
            /// All choices, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            const NAMES: &[&str] = &[$($spelling),*];

            const ABSENT: &[(&str, &str)] = &[$($(($gone, $reason)),*)?];

            /// The name in files, which is the reference's.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $spelling,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        const _: () = {
            use $crate::config::form::choice::position;
            use $crate::config::form::schema;
            use $crate::config::form::setting::{OnError, Range, Setting};
            use $crate::config::form::value::Value;

            impl Setting for $name {
                fn overlay(&mut self, value: Value, at: &str, _: OnError<'_>) -> Result<(), $crate::Error> {
                    *self = Self::ALL[position(value, at, Self::NAMES, Self::ABSENT)?];
                    Ok(())
                }

                fn get(&self) -> Value {
                    Value::Text(self.name().to_owned())
                }

                fn schema(&self, _: Range) -> Value {
                    schema::one_of(Self::NAMES)
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.name())
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let value = serde::Deserialize::deserialize(deserializer)?;
                    position(value, stringify!($name), Self::NAMES, Self::ABSENT)
                        .map(|index| Self::ALL[index])
                        .map_err(serde::de::Error::custom)
                }
            }
        };
    };
}
pub(crate) use choices;

use super::setting::{bare, invalid, nearest};
use super::value::Value;
use crate::Error;

/// The index of the value in `names`.
pub(crate) fn position(
    value: Value,
    at: &str,
    names: &[&'static str],
    absent: &[(&str, &str)],
) -> Result<usize, Error> {
    let allowed = names.join(", ");
    let Value::Text(text) = value else {
        return Err(invalid(at, &value, format!("one of {allowed}")));
    };
    if let Some(index) = names.iter().position(|name| *name == text) {
        return Ok(index);
    }
    if let Some((_, reason)) = absent.iter().find(|(name, _)| bare(name) == bare(&text)) {
        return Err(Error::Unsupported {
            field: at.to_owned(),
            value: Value::Text(text).to_string(),
            reason: format!("{reason}; must be one of {allowed}"),
        });
    }
    Err(Error::UnknownValue {
        field: at.to_owned(),
        suggestion: nearest(&text, names.iter().copied()).map(str::to_owned),
        value: text,
        allowed,
    })
}
