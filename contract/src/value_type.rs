//! The types a column may have.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Type of a key, feature or request column in `v1alpha1`. `Timestamp` is whole microseconds, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ValueType {
    /// true or false
    Bool,
    /// signed 32-bit integer
    Int32,
    /// signed 64-bit integer
    Int64,
    /// IEEE 754 binary32; NaN and infinities are values
    Float32,
    /// IEEE 754 binary64; NaN and infinities are values
    Float64,
    /// UTF-8 text
    String,
    /// raw bytes
    Bytes,
    /// microseconds since 1970-01-01T00:00:00Z
    Timestamp,
}

impl ValueType {
    /// Every type, in declaration order.
    pub const ALL: [Self; 8] = [
        Self::Bool,
        Self::Int32,
        Self::Int64,
        Self::Float32,
        Self::Float64,
        Self::String,
        Self::Bytes,
        Self::Timestamp,
    ];

    /// The name used in manifests and contract files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "Bool",
            Self::Int32 => "Int32",
            Self::Int64 => "Int64",
            Self::Float32 => "Float32",
            Self::Float64 => "Float64",
            Self::String => "String",
            Self::Bytes => "Bytes",
            Self::Timestamp => "Timestamp",
        }
    }

    /// Bytes one value takes in the fixed-width section of a row; `None` for types of variable length.
    pub fn fixed_width(self) -> Option<usize> {
        match self {
            Self::Bool => Some(1),
            Self::Int32 | Self::Float32 => Some(4),
            Self::Int64 | Self::Float64 | Self::Timestamp => Some(8),
            Self::String | Self::Bytes => None,
        }
    }

    /// Whether a model can take the value as a number without declared categories.
    pub fn is_numeric(self) -> bool {
        !matches!(self, Self::String | Self::Bytes)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
