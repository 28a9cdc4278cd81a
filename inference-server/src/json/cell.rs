//! One JSON value as a value of a column.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use triplane_contract::ValueType;
use triplane_feature_store::Value;

/// Reads the text of one JSON value as `value_type`; `null` is NULL. The error says what would be accepted.
pub(crate) fn cell(value_type: ValueType, json: &str) -> Result<Value, String> {
    if json == "null" {
        return Ok(Value::Null);
    }
    let value = match value_type {
        ValueType::Bool => json.parse().ok().map(Value::Bool),
        ValueType::Int32 => integer(json).and_then(|text| text.parse().ok()).map(Value::Int32),
        ValueType::Int64 => integer(json).and_then(|text| text.parse().ok()).map(Value::Int64),
        ValueType::Float32 => number(json)
            .and_then(|text| text.parse().ok())
            .filter(|v: &f32| v.is_finite())
            .map(Value::Float32),
        ValueType::Float64 => number(json)
            .and_then(|text| text.parse().ok())
            .filter(|v: &f64| v.is_finite())
            .map(Value::Float64),
        ValueType::String => text(json).map(Value::String),
        ValueType::Bytes => text(json)
            .and_then(|text| BASE64.decode(text).ok())
            .map(|bytes| Value::Bytes(bytes.into())),
        ValueType::Timestamp => match integer(json) {
            Some(micros) => micros.parse().ok().map(Value::Timestamp),
            None => text(json).and_then(|text| Value::parse(ValueType::Timestamp, &text).ok()),
        },
    };
    value.ok_or_else(|| {
        format!(
            "{} is not a {value_type}: send {}",
            shortened(json),
            accepted(value_type)
        )
    })
}

fn accepted(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Bool => "true, false or null",
        ValueType::Int32 => "a whole number from -2147483648 to 2147483647, or null",
        ValueType::Int64 => "a whole number of 64 bits, or null",
        ValueType::Float32 | ValueType::Float64 => "a number in range, or null where it is missing",
        ValueType::String => "text in quotes, or null",
        ValueType::Bytes => "base64 with padding in quotes, or null",
        ValueType::Timestamp => "microseconds since 1970 as a whole number, RFC 3339 in quotes, or null",
    }
}

/// The text of a number; other JSON values begin with something else.
fn number(json: &str) -> Option<&str> {
    json.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        .then_some(json)
}

/// The digits of a whole number. `18.0` is one: many clients know only floats.
fn integer(json: &str) -> Option<&str> {
    let text = number(json)?;
    match text.split_once('.') {
        Some((digits, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => Some(digits),
        Some(_) => None,
        None => Some(text),
    }
}

fn text(json: &str) -> Option<String> {
    json.starts_with('"').then(|| serde_json::from_str(json).ok()).flatten()
}

fn shortened(json: &str) -> String {
    match json.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", json.get(..end).unwrap_or_default()),
        None => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        assert_eq!(
            cell(ValueType::Int64, "9007199254740993"),
            Ok(Value::Int64(9007199254740993))
        );
        assert_eq!(
            cell(ValueType::Int64, "-9223372036854775808"),
            Ok(Value::Int64(i64::MIN))
        );
        assert_eq!(cell(ValueType::Int64, "18.0"), Ok(Value::Int64(18)));
        assert_eq!(cell(ValueType::Float64, "0.1"), Ok(Value::Float64(0.1)));
        // Through a double this would round twice.
        assert_eq!(
            cell(ValueType::Float32, "1.00000017881393432617187499"),
            Ok(Value::Float32(1.0000001))
        );
        assert_eq!(cell(ValueType::Float64, "-0.0"), Ok(Value::Float64(-0.0)));
        assert_eq!(
            cell(ValueType::Float64, "9007199254740993"),
            Ok(Value::Float64(9007199254740992.0))
        );
    }

    #[test]
    fn every_other_type_is_refused_with_what_is_accepted() {
        for (value_type, json) in [
            (ValueType::Int32, "2147483648"),
            (ValueType::Int64, "1.5"),
            (ValueType::Int64, "1e3"),
            (ValueType::Int64, "\"1\""),
            (ValueType::Float64, "1e999"),
            (ValueType::Float64, "\"1.0\""),
            (ValueType::Float64, "true"),
            (ValueType::Float32, "1e39"),
            (ValueType::String, "12"),
            (ValueType::Bool, "0"),
            (ValueType::Bytes, "\"AP8\""),
            (ValueType::Timestamp, "\"yesterday\""),
            (ValueType::String, "{}"),
        ] {
            let error = cell(value_type, json).unwrap_err();
            assert!(error.contains(value_type.name()) && error.contains("send "), "{error}");
        }
    }

    #[test]
    fn text_times_and_null_are_values() {
        assert_eq!(
            cell(ValueType::String, r#""J\u0046K""#),
            Ok(Value::String("JFK".to_owned()))
        );
        assert_eq!(cell(ValueType::Timestamp, "-1"), Ok(Value::Timestamp(-1)));
        assert_eq!(
            cell(ValueType::Timestamp, r#""1970-01-01T00:00:00.000001Z""#),
            Ok(Value::Timestamp(1))
        );
        for value_type in ValueType::ALL {
            assert_eq!(cell(value_type, "null"), Ok(Value::Null));
        }
    }
}
