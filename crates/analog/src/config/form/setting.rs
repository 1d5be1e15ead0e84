//! Settings of a file: numbers, flags, choices and whole sections, all through one trait.
//!
//! Reading overlays a file on the values that are already there; whatever a file leaves out stays.

use std::fmt::Debug;

use super::schema;
use super::section::Field;
use super::unused::Note;
use super::value::Value;
use crate::Error;

/// Handles an error in a file, given with the path of the refused field. If it returns the error, the reading ends; if
/// it returns `Ok`, the field stays as it is and the reading goes on.
pub type OnError<'a> = &'a mut dyn FnMut(&str, Error) -> Result<(), Error>;

/// The [`OnError`] for files of this library: the first error ends the reading.
pub fn strict(_: &str, error: Error) -> Result<(), Error> {
    Err(error)
}

/// Something that a configuration file can set.
pub trait Setting: Debug {
    /// Overwrites the setting with `value`; fields that a section's table leaves out stay as they are. `at` is the path
    /// for errors, `forward.w_noise`, empty at the top. A section hands the errors of its fields to `on_error`.
    fn overlay(&mut self, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), Error>;

    /// The value in a file.
    fn get(&self) -> Value;

    /// Checks the value: that it is within `range`, and for a section that its rules hold.
    fn check(&self, _range: Range, _at: &str) -> Result<(), Error> {
        Ok(())
    }

    /// Notes the fields that have no effect under the other fields and differ from `by_default`, which holds their
    /// values in the default of the section around them.
    fn unused(&self, _by_default: &Value, _at: &str, _notes: &mut Vec<Note>) {}

    /// The JSON Schema of the values that `overlay` takes; its defaults are the present values.
    fn schema(&self, range: Range) -> Value;

    /// The JSON Schema of a list's item.
    fn item_schema(range: Range) -> Value
    where
        Self: Sized + Default,
    {
        Self::default().schema(range)
    }

    /// The fields of a section, none for anything else.
    fn fields(&self) -> &'static [Field] {
        &[]
    }

    /// The plural that errors use for the items of a list.
    fn plural() -> String
    where
        Self: Sized,
    {
        "sections".to_owned()
    }

    /// The value in a file that stands for an absent item, besides null.
    fn none() -> Value
    where
        Self: Sized,
    {
        Value::Null
    }
}

/// The numbers that a field allows, among the finite ones.
#[derive(Clone, Copy, Debug)]
pub enum Range {
    Any,
    AtLeast(f32),
    Above(f32),
    AtMost(f32),
    Between(f32, f32),
}

/// A range as it is written in a list of fields: `>= 0.0`, `> 0.0`, `<= 1.0`, `0.0..=1.0`, or
/// nothing.
macro_rules! range {
    () => {
        $crate::config::form::setting::Range::Any
    };
    (>= $least:literal) => {
        $crate::config::form::setting::Range::AtLeast($least)
    };
    (> $below:literal) => {
        $crate::config::form::setting::Range::Above($below)
    };
    (<= $most:literal) => {
        $crate::config::form::setting::Range::AtMost($most)
    };
    ($least:literal ..= $most:literal) => {
        $crate::config::form::setting::Range::Between($least, $most)
    };
}
pub(crate) use range;

impl Range {
    fn contains(self, x: f32) -> bool {
        match self {
            Self::Any => true,
            Self::AtLeast(least) => x >= least,
            Self::Above(below) => x > below,
            Self::AtMost(most) => x <= most,
            Self::Between(least, most) => (least..=most).contains(&x),
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Any => "finite".into(),
            Self::AtLeast(least) => format!("at least {least}"),
            Self::Above(below) => format!("above {below}"),
            Self::AtMost(most) => format!("at most {most}"),
            Self::Between(least, most) => format!("from {least} to {most}"),
        }
    }
}

/// The error for a field that has a wrong value.
pub fn invalid(at: &str, value: &Value, allowed: impl Into<String>) -> Error {
    Error::InvalidField { field: at.to_owned(), value: value.to_string(), allowed: allowed.into() }
}

/// The path of a field in a section.
pub fn join(section: &str, field: &str) -> String {
    match section {
        "" => field.to_owned(),
        _ => format!("{section}.{field}"),
    }
}

/// A name for comparison: case and underscores don't count, so that `AbsMax` is near `ABS_MAX`.
pub(crate) fn bare(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// The nearest of `names`, if no more than a third of the letters differ.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = bare(name);
    // A name of twice the length is not near, and comparing takes time and memory in proportion to it.
    let (distance, nearest) = names
        .into_iter()
        .filter(|candidate| name.len() <= 2 * candidate.len())
        .map(|candidate| (strsim::damerau_levenshtein(&name, &bare(candidate)), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= name.len().max(nearest.len()) / 3).then_some(nearest)
}

impl Setting for f32 {
    fn overlay(&mut self, value: Value, at: &str, _: OnError<'_>) -> Result<(), Error> {
        let number = value.as_f32().ok_or_else(|| invalid(at, &value, "a number"))?;
        if !number.is_finite() {
            // Checked here, where the number of the file can still be shown: 1e300 is finite until it becomes an f32.
            return Err(invalid(at, &value, "a finite number (32-bit)"));
        }
        *self = number;
        Ok(())
    }

    fn get(&self) -> Value {
        (*self).into()
    }

    fn check(&self, range: Range, at: &str) -> Result<(), Error> {
        let allowed = match (self.is_finite(), range) {
            (true, range) if range.contains(*self) => return Ok(()),
            (true, range) | (false, range @ Range::Any) => range.describe(),
            (false, range) => format!("finite and {}", range.describe()),
        };
        Err(invalid(at, &self.get(), allowed))
    }

    fn schema(&self, range: Range) -> Value {
        schema::number(range)
    }

    fn plural() -> String {
        "numbers".to_owned()
    }
}

impl Setting for bool {
    fn overlay(&mut self, value: Value, at: &str, _: OnError<'_>) -> Result<(), Error> {
        let Value::Bool(flag) = value else {
            return Err(invalid(at, &value, "true or false"));
        };
        *self = flag;
        Ok(())
    }

    fn get(&self) -> Value {
        Value::Bool(*self)
    }

    fn schema(&self, _: Range) -> Value {
        schema::of("boolean")
    }
}

impl Setting for u32 {
    fn overlay(&mut self, value: Value, at: &str, _: OnError<'_>) -> Result<(), Error> {
        *self = whole(value, at, "a whole number from 0 to 4294967295")?;
        Ok(())
    }

    fn get(&self) -> Value {
        Value::Integer((*self).into())
    }

    fn schema(&self, _: Range) -> Value {
        schema::whole(u32::MAX.into())
    }
}

impl Setting for i64 {
    fn overlay(&mut self, value: Value, at: &str, _: OnError<'_>) -> Result<(), Error> {
        *self = whole(value, at, "a whole number")?;
        Ok(())
    }

    fn get(&self) -> Value {
        Value::Integer(*self)
    }

    fn schema(&self, _: Range) -> Value {
        schema::of("integer")
    }
}

impl Setting for usize {
    fn overlay(&mut self, value: Value, at: &str, _: OnError<'_>) -> Result<(), Error> {
        *self = whole(value, at, "a whole number, at least 0")?;
        Ok(())
    }

    fn get(&self) -> Value {
        i64::try_from(*self).map_or(Value::Number(*self as f64), Value::Integer)
    }

    /// Files hold integers of 64 bits with a sign; `usize::MAX` for "no limit" could not be written
    /// to one.
    fn check(&self, _: Range, at: &str) -> Result<(), Error> {
        match self.get() {
            Value::Integer(_) => Ok(()),
            value => Err(invalid(at, &value, format!("at most {}", i64::MAX))),
        }
    }

    fn schema(&self, _: Range) -> Value {
        schema::whole(i64::MAX)
    }
}

fn whole<T: TryFrom<i64>>(value: Value, at: &str, allowed: &str) -> Result<T, Error> {
    match value {
        Value::Integer(number) => T::try_from(number).ok(),
        _ => None,
    }
    .ok_or_else(|| invalid(at, &value, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Setting>(mut target: T, value: Value) -> Result<T, String> {
        target.overlay(value, "forward.x", &mut strict).map_err(|error| error.to_string())?;
        Ok(target)
    }

    #[test]
    fn an_integer_is_a_number_and_not_the_other_way_round() {
        assert_eq!(read(0.0_f32, Value::Integer(12)), Ok(12.0));
        assert_eq!(
            read(0_u32, Value::Number(1.5)).unwrap_err(),
            "forward.x = 1.5: must be a whole number from 0 to 4294967295"
        );
        assert!(read(0_usize, Value::Integer(-1)).is_err());
    }

    #[test]
    fn a_wrong_type_is_shown_as_the_file_has_it() {
        let error = read(0.0_f32, Value::Text("0.02".into())).unwrap_err();
        assert_eq!(error, "forward.x = \"0.02\": must be a number");
        assert!(read(true, Value::Integer(1)).is_err());
    }

    #[test]
    fn a_number_too_large_for_32_bits_is_no_infinity() {
        let error = read(0.0_f32, Value::Number(1e300)).unwrap_err();
        assert_eq!(error, "forward.x = 1e300: must be a finite number (32-bit)");
    }

    #[test]
    fn nan_and_infinity_are_in_no_range() {
        for range in [Range::Any, range!(>= 0.0), range!(> 0.0), range!(<= 1.0), range!(0.0..=1.0)] {
            for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                assert!(x.check(range, "x").is_err(), "{x} in {range:?}");
            }
        }
        let error = f32::NAN.check(range!(>= 0.0), "x").unwrap_err();
        assert_eq!(error.to_string(), "x = NaN: must be finite and at least 0");
    }

    #[test]
    fn near_means_a_third_of_the_letters() {
        let names = ["w_noise", "w_noise_type", "out_noise"];
        assert_eq!(nearest("w_noise_typ", names), Some("w_noise_type"));
        assert_eq!(nearest("OutNoise", names), Some("out_noise"));
        assert_eq!(nearest("colour", names), None);
    }
}
