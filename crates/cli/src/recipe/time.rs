//! Times as people write them: `1s`, `1h`, `10y`.

/// Seconds of a year of 365.25 days.
pub const YEAR: f64 = 31_557_600.0;

/// Units and their seconds, longest first.
const UNITS: [(&str, &str, f64); 6] = [
    ("y", "year", YEAR),
    ("mo", "month", YEAR / 12.0),
    ("d", "day", 86_400.0),
    ("h", "hour", 3600.0),
    ("m", "minute", 60.0),
    ("s", "second", 1.0),
];

/// The allowed forms of a time, for errors.
pub const ALLOWED: &str = "a time above 0 with a unit: s, m (minutes), h, d, mo (months) or y, as 10y";

/// Seconds of a time.
pub fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_ascii_alphabetic() && c != 'e').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let length = match unit.trim() {
        "" => 1.0,
        unit => UNITS.iter().find(|(short, long, _)| unit == *short || unit.trim_end_matches('s') == *long)?.2,
    };
    let seconds = number.trim().parse::<f64>().ok()? * length;
    (seconds.is_finite() && seconds > 0.0).then_some(seconds)
}

/// A time in the largest unit of which it has at least one.
pub fn age(seconds: f64) -> String {
    let unit = UNITS.iter().find(|(_, _, length)| seconds >= 0.999 * length);
    let (_, name, length) = unit.unwrap_or(&UNITS[5]);
    let number = format!("{:.2}", seconds / length);
    match number.trim_end_matches('0').trim_end_matches('.') {
        "1" => format!("1 {name}"),
        number => format!("{number} {name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_written() {
        let table = [("1s", 1.0, "1 second"), ("2h", 7200.0, "2 hours"), ("1.5d", 129_600.0, "1.5 days")];
        for (text, length, words) in table {
            assert_eq!((seconds(text), age(length).as_str()), (Some(length), words));
        }
        assert_eq!(seconds("10 years"), seconds("10y"));
        assert_eq!(seconds("3600"), Some(3600.0));
        for wrong in ["", "0s", "-1h", "1 parsec", "nan", "h"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
