//! Time semantics: which row is visible at a moment, and what is served where a value is missing.

use crate::Value;

/// What is known about one feature of one key at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// The row is visible and the value is not NULL.
    Present = 0,
    /// The row is visible and the value is NULL.
    NullValue = 1,
    /// There is no row at or before the moment.
    NotFound = 2,
    /// The newest row is older than ttl.
    OutsideMaxAge = 3,
}

/// A feature as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The value after `onMissing`.
    pub value: Value,
    /// What was found, before `onMissing`.
    pub status: Status,
    /// The value comes from a row past its ttl (`LastKnown`).
    pub stale: bool,
}
