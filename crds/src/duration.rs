//! Durations in Go syntax: `50ms`, `12h`, `1h30m`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration as the user wrote it. [`Duration::micros`] says how long it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(pub String);

/// The text is not a duration of whole microseconds that fits an `i64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError {
    /// What was written.
    pub text: String,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a duration: write it like 50ms, 90s, 12h or 1h30m",
            self.text
        )
    }
}

impl std::error::Error for DurationError {}

/// CEL over a duration: zero or longer.
pub(crate) const NOT_NEGATIVE: &str = "duration(self) >= duration('0s')";

/// CEL over a duration: longer than zero.
pub(crate) const POSITIVE: &str = "duration(self) > duration('0s')";

/// What the schema lets through; the CEL rules say the rest in words.
pub const PATTERN: &str = "^(0|-?([0-9]{1,6}([.][0-9]{1,6})?(us|ms|s|m|h)){1,5})$";

/// Units from the longest name to the shortest, so that `ms` is not read as `m`.
const UNITS: [(&str, i128); 5] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
];

/// Parses a duration to whole microseconds. Fractions are exact or refused.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    parse_micros(text).ok_or_else(|| DurationError { text: text.to_owned() })
}

fn parse_micros(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let (unit, micros) = UNITS.iter().find(|(unit, _)| tail.starts_with(unit))?;
        total = total.checked_add(scale(number, *micros)?)?;
        rest = &tail[unit.len()..];
    }
    i64::try_from(sign * total).ok()
}

/// `number` times `unit`, if that is whole.
fn scale(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.len() > 12 {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let base = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = fraction.checked_mul(unit)?;
    if part % base != 0 {
        return None;
    }
    whole.checked_mul(unit)?.checked_add(part / base)
}

impl Duration {
    /// Whole microseconds.
    pub fn micros(&self) -> Result<i64, DurationError> {
        parse(&self.0)
    }
}

impl From<&str> for Duration {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 32, "pattern": PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_become_microseconds() {
        for (text, micros) in [
            ("0", 0),
            ("0s", 0),
            ("50ms", 50_000),
            ("7us", 7),
            ("1h30m", 5_400_000_000),
            ("1.5h", 5_400_000_000),
            ("336h", 1_209_600_000_000),
            ("0.000001s", 1),
            ("-5s", -5_000_000),
        ] {
            assert_eq!(parse(text), Ok(micros), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_of_microseconds_is_refused_by_name() {
        for text in [
            "",
            "-",
            "5",
            "5 s",
            "s",
            "1d",
            "1.s",
            ".5s",
            "0.5us",
            "1..5s",
            "9999999999999999h",
            "+5s",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
