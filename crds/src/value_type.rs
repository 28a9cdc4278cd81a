//! Types a column may have in `v1alpha1`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Type of a key, a feature or a value of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(
    description = "Type of the column: Bool, Int32, Int64, Float32, Float64, String, Bytes or Timestamp \
    (microseconds, UTC)."
)]
pub enum ValueType {
    /// true or false
    Bool,
    /// signed 32-bit integer
    Int32,
    /// signed 64-bit integer
    Int64,
    /// IEEE 754 binary32
    Float32,
    /// IEEE 754 binary64
    Float64,
    /// UTF-8 text
    String,
    /// raw bytes
    Bytes,
    /// microseconds since 1970-01-01T00:00:00Z
    Timestamp,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
