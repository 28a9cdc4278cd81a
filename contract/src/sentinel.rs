//! The typed sentinel of a manifest: a value as text, exact for every type. Integers are written in full, floats with `NaN`,
//! `inf` and `-inf`, bytes as base64 with padding, timestamps as RFC 3339 with at most six fraction digits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::ValueType;

/// What a text says.
#[derive(Clone, Debug, PartialEq)]
pub enum Sentinel {
    /// true or false
    Bool(bool),
    /// 32-bit integer
    Int32(i32),
    /// 64-bit integer
    Int64(i64),
    /// binary32
    Float32(f32),
    /// binary64
    Float64(f64),
    /// text
    String(String),
    /// raw bytes
    Bytes(Vec<u8>),
    /// microseconds since 1970, UTC
    Timestamp(i64),
}

/// Reads a text as a value of `value_type`; the error says what to write instead.
pub fn parse(value_type: ValueType, text: &str) -> Result<Sentinel, &'static str> {
    let (parsed, form) = match value_type {
        ValueType::Bool => (text.parse().ok().map(Sentinel::Bool), "true or false"),
        ValueType::Int32 => (
            text.parse().ok().map(Sentinel::Int32),
            "a whole number of 32 bits, for example \"-1\"",
        ),
        ValueType::Int64 => (
            text.parse().ok().map(Sentinel::Int64),
            "a whole number of 64 bits, for example \"-1\"",
        ),
        ValueType::Float32 => {
            let parsed = text
                .parse()
                .ok()
                .filter(|v: &f32| v.is_finite() || names_non_finite(text));
            (parsed.map(Sentinel::Float32), FLOAT)
        }
        ValueType::Float64 => {
            let parsed = text
                .parse()
                .ok()
                .filter(|v: &f64| v.is_finite() || names_non_finite(text));
            (parsed.map(Sentinel::Float64), FLOAT)
        }
        ValueType::String => (Some(Sentinel::String(text.to_owned())), "any text"),
        ValueType::Bytes => (
            STANDARD.decode(text).ok().map(Sentinel::Bytes),
            "base64 with padding, for example \"AAE=\"",
        ),
        ValueType::Timestamp => (
            timestamp(text).map(Sentinel::Timestamp),
            "a time to the microsecond, for example \"2026-01-31T00:00:00Z\"",
        ),
    };
    parsed.ok_or(form)
}

const FLOAT: &str = "a number in range, \"NaN\", \"inf\" or \"-inf\"";

/// A number too large for its type parses as infinity: only a text that says so may mean it.
fn names_non_finite(text: &str) -> bool {
    let word = text.trim_start_matches(['+', '-']);
    ["nan", "inf", "infinity"]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name))
}

/// Microseconds of an RFC 3339 time; `None` where it is malformed or finer than a microsecond.
fn timestamp(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    (time.subsec_nanosecond() % 1_000 == 0).then(|| time.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_accepts_its_own_values_and_says_what_it_wants_otherwise() {
        for (value_type, good, bad) in [
            (ValueType::Bool, "true", "True"),
            (ValueType::Int32, "-2147483648", "2147483648"),
            (ValueType::Int64, "9007199254740993", "1.0"),
            (ValueType::Float32, "NaN", "ten"),
            (ValueType::Float32, "-inf", "1e39"),
            (ValueType::Float64, "-1e-3", ""),
            (ValueType::Float64, "Infinity", "1e999"),
            (ValueType::Bytes, "AAE=", "AAE"),
            (ValueType::Timestamp, "1969-12-31T23:59:59.999999Z", "0"),
            (
                ValueType::Timestamp,
                "2026-01-01T00:00:00+01:00",
                "2026-01-01T00:00:00.0000001Z",
            ),
        ] {
            assert!(parse(value_type, good).is_ok(), "{value_type}");
            assert!(
                parse(value_type, bad).is_err_and(|form| !form.is_empty()),
                "{value_type}"
            );
        }
        assert_eq!(parse(ValueType::String, ""), Ok(Sentinel::String(String::new())));
    }
}
