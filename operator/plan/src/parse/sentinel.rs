//! Whether a `default` is a value of its feature's type. The text itself travels on: it is exact for every type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use triplane_contract::ValueType;

/// What to write where `text` is no value of `value_type`; `None` where it is one.
pub fn fault(value_type: ValueType, text: &str) -> Option<&'static str> {
    let (valid, form) = match value_type {
        ValueType::Bool => (matches!(text, "true" | "false"), "true or false"),
        ValueType::Int32 => (
            text.parse::<i32>().is_ok(),
            "a whole number of 32 bits, for example \"-1\"",
        ),
        ValueType::Int64 => (
            text.parse::<i64>().is_ok(),
            "a whole number of 64 bits, for example \"-1\"",
        ),
        ValueType::Float32 => (is_float(text, text.parse::<f32>().map(f64::from)), FLOAT),
        ValueType::Float64 => (is_float(text, text.parse::<f64>()), FLOAT),
        ValueType::String => (true, "any text"),
        ValueType::Bytes => (
            STANDARD.decode(text).is_ok(),
            "base64 with padding, for example \"AAE=\"",
        ),
        ValueType::Timestamp => (
            is_timestamp(text),
            "a time to the microsecond, for example \"2026-01-31T00:00:00Z\"",
        ),
    };
    (!valid).then_some(form)
}

const FLOAT: &str = "a number in range, \"NaN\", \"inf\" or \"-inf\"";

/// A number too large for its type parses as infinity: only a text that says so may mean it.
fn is_float<E>(text: &str, parsed: Result<f64, E>) -> bool {
    let word = text.trim_start_matches(['+', '-']);
    parsed.is_ok_and(|v| v.is_finite() || ["nan", "inf", "infinity"].iter().any(|w| word.eq_ignore_ascii_case(w)))
}

fn is_timestamp(text: &str) -> bool {
    text.parse::<jiff::Timestamp>()
        .is_ok_and(|time| time.subsec_nanosecond() % 1_000 == 0)
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
            assert_eq!(fault(value_type, good), None, "{value_type}");
            assert!(
                fault(value_type, bad).is_some_and(|form| !form.is_empty()),
                "{value_type}"
            );
        }
        assert_eq!(fault(ValueType::String, ""), None);
    }
}
