//! The online row: one byte string per (entity, view generation). Layout: `docs/reference/online-row.md`.

mod decode;
mod encode;
#[cfg(any(test, feature = "conformance"))]
pub mod exercise;
mod header;

use bytes::Bytes;
use snafu::Snafu;
use triplane_contract::ValueType;

use crate::order::Rank;

pub use decode::{RowDecoder, RowView};
pub use encode::RowEncoder;
pub use header::{Header, RANK_BYTES, Superseded, compare};

/// What is stored for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineRow {
    /// The complete key.
    pub key: crate::key::RowKey,
    /// What decides whether it replaces the stored row; the same as in `bytes`, where stores read it.
    pub rank: Rank,
    /// The encoded row (header included); a tombstone has a header only.
    pub bytes: Bytes,
    /// Physical expiry, microseconds since 1970; `None` never expires.
    pub expires_at_us: Option<i64>,
}

/// Why a row is not encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum RowError {
    /// The view has no schema, more than 16, or two that disagree.
    #[snafu(display("view {view}: {message}"))]
    BadView {
        /// `namespace/name`
        view: String,
        /// What is wrong with its schemas.
        message: String,
    },
    /// A wanted feature is not one of the view's.
    #[snafu(display("view {view} has no feature \"{feature}\""))]
    UnknownFeature {
        /// `namespace/name`
        view: String,
        /// The feature.
        feature: String,
    },
    /// A value has another type than its column.
    #[snafu(display("column {index} is {expected}, the value is {found}"))]
    ColumnType {
        /// Place of the column in the schema, from 0.
        index: usize,
        /// Type of the column.
        expected: ValueType,
        /// Type of the value.
        found: ValueType,
    },
    /// Another number of values than the schema has columns.
    #[snafu(display("{found} values for {expected} columns"))]
    ColumnCount {
        /// Columns of the schema.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// The values of variable length are too long together (4 GiB).
    #[snafu(display("a row of {len} bytes is too long"))]
    TooLong {
        /// Bytes of the row.
        len: usize,
    },
    /// The bytes end before the row does, or go on after it.
    #[snafu(display("a stored row has {len} bytes, its schema needs {needed}"))]
    Length {
        /// Bytes found.
        len: usize,
        /// Bytes needed (at least).
        needed: usize,
    },
    /// A format this build does not read.
    #[snafu(display("a stored row has format {format}: upgrade the reader"))]
    Format {
        /// The format byte.
        format: u8,
    },
    /// Flags that contradict each other or are not known.
    #[snafu(display("a stored row has flags {flags:#04x}: upgrade the reader"))]
    Flags {
        /// The flags byte.
        flags: u8,
    },
    /// A schema id that is not live: its columns are not known here.
    #[snafu(display("a stored row has schema {schema_id}, which is not live"))]
    UnknownSchema {
        /// The id.
        schema_id: u32,
    },
    /// Ends of variable values run backwards or past the row.
    #[snafu(display("a stored row has broken offsets"))]
    Offsets,
    /// Text that is not UTF-8.
    #[snafu(display("column {index} of a stored row is not UTF-8"))]
    Utf8 {
        /// Place of the feature in the wanted list, from 0.
        index: usize,
    },
}

#[cfg(test)]
mod tests;
