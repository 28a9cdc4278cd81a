//! Typed values.

use bytes::Bytes;
use triplane_contract::ValueType;

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

    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}
