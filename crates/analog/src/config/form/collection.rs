//! Settings that contain settings: optional ones, lists, and tables by number.

use super::schema;
use super::section::Field;
use super::setting::{OnError, Range, Setting, invalid, join};
use super::unused::Note;
use super::value::Value;
use crate::Error;

/// An optional value; null if it is absent. An absent section is written as `{ type = "None" }`.
impl<T: Setting + Default> Setting for Option<T> {
    fn overlay(&mut self, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), Error> {
        if value == Value::Null || value == T::none() {
            *self = None;
            return Ok(());
        }
        match self {
            Some(inner) => inner.overlay(value, at, on_error),
            None => {
                let mut inner = T::default();
                inner.overlay(value, at, on_error)?;
                *self = Some(inner);
                Ok(())
            }
        }
    }

    fn get(&self) -> Value {
        self.as_ref().map_or_else(T::none, Setting::get)
    }

    fn check(&self, range: Range, at: &str) -> Result<(), Error> {
        self.as_ref().map_or(Ok(()), |inner| inner.check(range, at))
    }

    fn unused(&self, by_default: &Value, at: &str, notes: &mut Vec<Note>) {
        self.iter().for_each(|inner| inner.unused(by_default, at, notes));
    }

    fn schema(&self, range: Range) -> Value {
        let inner = self.as_ref().map_or_else(|| T::default().schema(range), |inner| inner.schema(range));
        let none = Some(T::none()).filter(|none| *none != Value::Null).map(schema::constant);
        schema::any_of([inner, schema::of("null")].into_iter().chain(none).collect())
    }

    fn fields(&self) -> &'static [Field] {
        T::default().fields()
    }
}

/// A list. One from a file replaces the whole list; its items start from their defaults.
impl<T: Setting + Default> Setting for Vec<T> {
    fn overlay(&mut self, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), Error> {
        let Value::List(values) = value else {
            return Err(invalid(at, &value, format!("a list of {}", T::plural())));
        };
        let mut list: Vec<T> = Vec::new();
        list.resize_with(values.len(), T::default);
        for (i, (item, value)) in list.iter_mut().zip(values).enumerate() {
            item.overlay(value, &format!("{at}[{i}]"), &mut *on_error)?;
        }
        *self = list;
        Ok(())
    }

    fn get(&self) -> Value {
        Value::List(self.iter().map(Setting::get).collect())
    }

    fn check(&self, range: Range, at: &str) -> Result<(), Error> {
        self.iter().enumerate().try_for_each(|(i, item)| item.check(range, &format!("{at}[{i}]")))
    }

    /// No defaults are passed on: an item is of a class, which has its own defaults, or is not a section.
    fn unused(&self, _: &Value, at: &str, notes: &mut Vec<Note>) {
        self.iter().enumerate().for_each(|(i, item)| item.unused(&Value::Null, &format!("{at}[{i}]"), notes));
    }

    fn schema(&self, range: Range) -> Value {
        schema::list(T::item_schema(range), None)
    }

    fn plural() -> String {
        format!("lists of {}", T::plural())
    }
}

/// A list of fixed length.
impl<const N: usize> Setting for [f32; N] {
    fn overlay(&mut self, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), Error> {
        let mut numbers = Vec::new();
        match &value {
            Value::List(values) if values.len() == N => numbers.overlay(value, at, on_error)?,
            _ => return Err(invalid(at, &value, format!("a list of {N} numbers"))),
        }
        self.copy_from_slice(&numbers);
        Ok(())
    }

    fn get(&self) -> Value {
        self.to_vec().get()
    }

    fn check(&self, range: Range, at: &str) -> Result<(), Error> {
        self.to_vec().check(range, at)
    }

    fn schema(&self, range: Range) -> Value {
        schema::list(schema::number(range), Some(N))
    }
}

/// Lists of numbers, each under a number such as a time, in ascending order; in files a table whose field names are
/// these numbers. A table from a file replaces the whole table.
impl Setting for Vec<(f32, Vec<f32>)> {
    fn overlay(&mut self, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), Error> {
        let allowed = "a table from numbers to lists of numbers";
        let Value::Table(entries) = value else {
            return Err(invalid(at, &value, allowed));
        };
        let mut table = Vec::new();
        for (field, value) in entries {
            let place = join(at, &field);
            let key =
                field.parse().map_err(|_| invalid(&place, &value, format!("under a number: {at} is {allowed}")))?;
            let mut list = Vec::new();
            list.overlay(value, &place, &mut *on_error)?;
            table.push((key, list));
        }
        table.sort_by(|(a, _), (b, _): &(f32, _)| a.total_cmp(b));
        *self = table;
        Ok(())
    }

    fn get(&self) -> Value {
        let name = |number: &f32| Value::from(*number).to_string();
        Value::Table(self.iter().map(|(number, list)| (name(number), list.get())).collect())
    }

    fn check(&self, range: Range, at: &str) -> Result<(), Error> {
        if let Some(pair) = self.windows(2).find(|pair| pair[0].0.total_cmp(&pair[1].0).is_ge()) {
            return Err(invalid(at, &pair[1].0.get(), format!("above {}: the numbers ascend", pair[0].0)));
        }
        self.iter().try_for_each(|(number, list)| {
            number.check(Range::Any, at)?;
            list.check(range, &join(at, &Value::from(*number).to_string()))
        })
    }

    fn schema(&self, range: Range) -> Value {
        schema::by_name(schema::list(schema::number(range), None))
    }
}

#[cfg(test)]
mod tests {
    use super::super::setting::strict;
    use super::*;

    fn read<T: Setting + Default>(json: &str) -> Result<T, String> {
        let mut target = T::default();
        target.overlay(serde_json::from_str(json).unwrap(), "x", &mut strict).map_err(|error| error.to_string())?;
        Ok(target)
    }

    #[test]
    fn null_is_an_absent_value() {
        assert_eq!(read::<Option<f32>>("null"), Ok(None));
        assert_eq!(read::<Option<f32>>("2"), Ok(Some(2.0)));
        assert_eq!(read::<Option<f32>>("\"2\"").unwrap_err(), "x = \"2\": must be a number");
        let mut number = None::<f32>;
        number.overlay(Value::Bool(true), "x", &mut strict).unwrap_err();
        assert_eq!(number, None);
    }

    #[test]
    fn a_list_names_the_number_that_is_wrong() {
        let mut list = vec![1.0_f32];
        list.overlay(Value::List(vec![Value::Number(0.5), Value::Number(-2.0)]), "x", &mut strict).unwrap();
        assert_eq!(list, [0.5, -2.0]);
        let error = list.overlay(Value::List(vec![Value::Number(0.5), Value::Number(f64::NAN)]), "x", &mut strict);
        assert_eq!(error.unwrap_err().to_string(), "x[1] = NaN: must be a finite number (32-bit)");
        assert_eq!(read::<Vec<f32>>("1").unwrap_err(), "x = 1: must be a list of numbers");
    }

    #[test]
    fn tables_name_the_number_that_is_wrong() {
        assert_eq!(read::<Vec<Vec<f32>>>("[[1, 2], [3]]"), Ok(vec![vec![1.0, 2.0], vec![3.0]]));
        assert_eq!(read::<Vec<Vec<f32>>>("[[1, 2], 3]").unwrap_err(), "x[1] = 3: must be a list of numbers");
        assert_eq!(read::<Vec<Vec<f32>>>("[[1, true]]").unwrap_err(), "x[0][1] = true: must be a number");
        assert_eq!(read::<Vec<Vec<f32>>>("3").unwrap_err(), "x = 3: must be a list of lists of numbers");
        assert_eq!(read::<[f32; 2]>("[1, 2]"), Ok([1.0, 2.0]));
        assert_eq!(read::<[f32; 2]>("[1]").unwrap_err(), "x = [1]: must be a list of 2 numbers");
    }

    #[test]
    fn numbers_as_names_ascend() {
        let table: Vec<(f32, Vec<f32>)> = read(r#"{"86400.0": [2], "1": [1, 0.5]}"#).unwrap();
        assert_eq!(table, [(1.0, vec![1.0, 0.5]), (86_400.0, vec![2.0])]);
        assert_eq!(read(&serde_json::to_string(&table.get()).unwrap()), Ok(table));
        let error = read::<Vec<(f32, Vec<f32>)>>(r#"{"day": [1]}"#).unwrap_err();
        assert!(error.starts_with("x.day = [1]: must be under a number"), "{error}");
        let twice = vec![(1.0, vec![]), (1.0, vec![])];
        assert!(twice.check(Range::Any, "x").unwrap_err().to_string().starts_with("x = 1: must be above 1"));
        assert!(vec![(1.0, vec![-1.0])].check(Range::AtLeast(0.0), "x").is_err());
    }
}
