//! Typed values.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use snafu::Snafu;
use triplane_contract::ValueType;
use triplane_contract::sentinel::{self, Sentinel};

/// One value of a column. Equality of floats is equality of bits: NaN equals itself, 0.0 differs from -0.0.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value.
    Null,
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
    Bytes(Bytes),
    /// microseconds since 1970, UTC
    Timestamp(i64),
}

/// A value borrowed from where it lies (a column, a `Value`): what rows are encoded from.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// No value.
    Null,
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
    String(&'a str),
    /// raw bytes
    Bytes(&'a [u8]),
    /// microseconds since 1970, UTC
    Timestamp(i64),
}

/// Why a text is not a value of a type.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum ValueError {
    /// The text does not name a value of the type exactly.
    #[snafu(display("\"{text}\" is not a {value_type}: write {expected}"))]
    Text {
        /// The text, cut to 64 characters.
        text: String,
        /// The type asked for.
        value_type: ValueType,
        /// What would be accepted.
        expected: &'static str,
    },
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int32(a), Self::Int32(b)) => a == b,
            (Self::Int64(a), Self::Int64(b)) | (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::Float32(a), Self::Float32(b)) => a.to_bits() == b.to_bits(),
            (Self::Float64(a), Self::Float64(b)) => a.to_bits() == b.to_bits(),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Value {
    /// The type, `None` for NULL.
    pub fn value_type(&self) -> Option<ValueType> {
        self.borrowed().value_type()
    }

    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The same value, borrowed.
    pub fn borrowed(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Bool(v) => ValueRef::Bool(*v),
            Self::Int32(v) => ValueRef::Int32(*v),
            Self::Int64(v) => ValueRef::Int64(*v),
            Self::Float32(v) => ValueRef::Float32(*v),
            Self::Float64(v) => ValueRef::Float64(*v),
            Self::String(v) => ValueRef::String(v),
            Self::Bytes(v) => ValueRef::Bytes(v),
            Self::Timestamp(v) => ValueRef::Timestamp(*v),
        }
    }

    /// Reads the typed sentinel of a manifest (`triplane_contract::sentinel`): exact for every type.
    pub fn parse(value_type: ValueType, text: &str) -> Result<Self, ValueError> {
        let parsed = sentinel::parse(value_type, text);
        let parsed = parsed.map_err(|expected| ValueError::Text {
            text: shortened(text),
            value_type,
            expected,
        })?;
        Ok(match parsed {
            Sentinel::Bool(v) => Self::Bool(v),
            Sentinel::Int32(v) => Self::Int32(v),
            Sentinel::Int64(v) => Self::Int64(v),
            Sentinel::Float32(v) => Self::Float32(v),
            Sentinel::Float64(v) => Self::Float64(v),
            Sentinel::String(v) => Self::String(v),
            Sentinel::Bytes(v) => Self::Bytes(v.into()),
            Sentinel::Timestamp(v) => Self::Timestamp(v),
        })
    }

    /// The value as a column of type `to` takes it: unchanged where the types agree, an integer as Float64 where that is
    /// exact; `None` for any other difference of type.
    pub fn converted(self, to: ValueType) -> Option<Self> {
        match (self, to) {
            (Self::Null, _) => Some(Self::Null),
            (value, to) if value.value_type() == Some(to) => Some(value),
            (Self::Int32(v), ValueType::Float64) => Some(Self::Float64(f64::from(v))),
            (Self::Int64(v), ValueType::Float64) => exact_f64(v).map(Self::Float64),
            _ => None,
        }
    }

    /// The value as a model's number: Bool as 0 or 1, Timestamp in microseconds; integers beyond 2^53 are rounded. `None`
    /// for NULL, text and bytes.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Bool(v) => Some(f64::from(u8::from(*v))),
            Self::Int32(v) => Some(f64::from(*v)),
            Self::Int64(v) | Self::Timestamp(v) => Some(*v as f64),
            Self::Float32(v) => Some(f64::from(*v)),
            Self::Float64(v) => Some(*v),
            Self::Null | Self::String(_) | Self::Bytes(_) => None,
        }
    }
}

impl ValueRef<'_> {
    /// The type, `None` for NULL.
    pub fn value_type(&self) -> Option<ValueType> {
        match self {
            Self::Null => None,
            Self::Bool(_) => Some(ValueType::Bool),
            Self::Int32(_) => Some(ValueType::Int32),
            Self::Int64(_) => Some(ValueType::Int64),
            Self::Float32(_) => Some(ValueType::Float32),
            Self::Float64(_) => Some(ValueType::Float64),
            Self::String(_) => Some(ValueType::String),
            Self::Bytes(_) => Some(ValueType::Bytes),
            Self::Timestamp(_) => Some(ValueType::Timestamp),
        }
    }
}

/// For messages: text is quoted, bytes are base64, both are cut to 64 characters; NULL is `null`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(v) => v.fmt(f),
            Self::Int32(v) => v.fmt(f),
            Self::Int64(v) => v.fmt(f),
            Self::Float32(v) => v.fmt(f),
            Self::Float64(v) => v.fmt(f),
            Self::String(v) => write!(f, "{:?}", shortened(v)),
            Self::Bytes(v) => f.write_str(&shortened(&BASE64.encode(&v[..v.len().min(64)]))),
            Self::Timestamp(v) => match jiff::Timestamp::from_microsecond(*v) {
                Ok(t) => t.fmt(f),
                Err(_) => write!(f, "{v} us since 1970"),
            },
        }
    }
}

/// `value` as Float64, `None` where that would round.
pub fn exact_f64(value: i64) -> Option<f64> {
    let float = value as f64;
    // Through i128: the way back to i64 saturates, so i64::MAX would pass for exact.
    (float as i128 == i128::from(value)).then_some(float)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value_type: ValueType, text: &str) -> Option<Value> {
        Value::parse(value_type, text).ok()
    }

    #[test]
    fn sentinels_are_exact_for_every_type() {
        assert_eq!(parse(ValueType::Bool, "true"), Some(Value::Bool(true)));
        assert_eq!(parse(ValueType::Int32, "-2147483648"), Some(Value::Int32(i32::MIN)));
        assert_eq!(
            parse(ValueType::Int64, "9007199254740993"),
            Some(Value::Int64(9_007_199_254_740_993))
        );
        assert_eq!(
            parse(ValueType::Int64, "-9223372036854775808"),
            Some(Value::Int64(i64::MIN))
        );
        assert_eq!(parse(ValueType::Float32, "0.1"), Some(Value::Float32(0.1)));
        assert_eq!(parse(ValueType::Float64, "-0"), Some(Value::Float64(-0.0)));
        assert_eq!(
            parse(ValueType::Float64, "-inf"),
            Some(Value::Float64(f64::NEG_INFINITY))
        );
        assert!(matches!(parse(ValueType::Float64, "NaN"), Some(Value::Float64(v)) if v.is_nan()));
        assert_eq!(parse(ValueType::String, ""), Some(Value::String(String::new())));
        assert_eq!(
            parse(ValueType::Bytes, "AP8="),
            Some(Value::Bytes(Bytes::from_static(&[0, 255])))
        );
        assert_eq!(
            parse(ValueType::Timestamp, "1969-12-31T23:59:59.999999Z"),
            Some(Value::Timestamp(-1))
        );
        assert_eq!(
            parse(ValueType::Timestamp, "1970-01-01T01:00:00+01:00"),
            Some(Value::Timestamp(0))
        );
    }

    #[test]
    fn texts_that_would_round_or_do_not_parse_are_refused() {
        for (value_type, text) in [
            (ValueType::Bool, "1"),
            (ValueType::Int32, "2147483648"),
            (ValueType::Int64, "9223372036854775808"),
            (ValueType::Int64, "1.0"),
            (ValueType::Float64, "1e999"),
            (ValueType::Float32, "1e39"),
            (ValueType::Float64, ""),
            (ValueType::Bytes, "AP8"),
            (ValueType::Timestamp, "2013-10-01"),
            (ValueType::Timestamp, "2013-10-01T00:00:00.0000001Z"),
        ] {
            let error = Value::parse(value_type, text).unwrap_err().to_string();
            assert!(error.contains(value_type.name()) && error.contains("write "), "{error}");
        }
    }

    #[test]
    fn only_exact_integers_become_float64() {
        assert_eq!(
            Value::Int64(1 << 53).converted(ValueType::Float64),
            Some(Value::Float64(9_007_199_254_740_992.0))
        );
        assert_eq!(Value::Int64((1 << 53) + 1).converted(ValueType::Float64), None);
        assert_eq!(Value::Int64(i64::MAX).converted(ValueType::Float64), None);
        assert_eq!(
            Value::Int64(i64::MIN).converted(ValueType::Float64),
            Some(Value::Float64(i64::MIN as f64))
        );
        assert_eq!(
            Value::Int32(-7).converted(ValueType::Float64),
            Some(Value::Float64(-7.0))
        );
        assert_eq!(Value::Int32(7).converted(ValueType::Int64), None);
        assert_eq!(Value::Int32(7).converted(ValueType::Float32), None);
        assert_eq!(Value::Float32(0.5).converted(ValueType::Float64), None);
        assert_eq!(Value::Null.converted(ValueType::Bytes), Some(Value::Null));
    }

    #[test]
    fn messages_stay_short_and_quote_text() {
        assert_eq!(Value::String("a\"b".into()).to_string(), r#""a\"b""#);
        assert!(Value::Bytes(vec![7; 1 << 20].into()).to_string().len() < 100);
        assert_eq!(Value::Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(
            Value::Timestamp(i64::MAX).to_string(),
            "9223372036854775807 us since 1970"
        );
    }

    #[test]
    fn floats_are_equal_by_bits() {
        assert_eq!(Value::Float64(f64::NAN), Value::Float64(f64::NAN));
        assert_ne!(Value::Float64(0.0), Value::Float64(-0.0));
    }
}
