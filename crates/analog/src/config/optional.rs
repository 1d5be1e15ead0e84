//! Settings that may be left out, and then follow from others.

use super::converter::ConverterConfig;
use super::setting::{Range, Setting};
use super::value::Value;
use crate::Error;

/// In files: left out, or in JSON null.
macro_rules! optional {
    ($($type:ty),*) => {$(
        impl Setting for Option<$type> {
            fn set(&mut self, value: Value, at: &str) -> Result<(), Error> {
                match value {
                    Value::Null => *self = None,
                    value => self.get_or_insert_default().set(value, at)?,
                }
                Ok(())
            }

            fn get(&self) -> Value {
                self.as_ref().map_or(Value::Null, Setting::get)
            }

            fn check(&self, range: Range, at: &str) -> Result<(), Error> {
                self.as_ref().map_or(Ok(()), |value| value.check(range, at))
            }
        }
    )*};
}

optional!(f32, Vec<f32>, ConverterConfig);
