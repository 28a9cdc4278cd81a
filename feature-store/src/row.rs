//! The online row: one byte string per (entity, view generation). Layout: `docs/reference/online-row.md`.

use bytes::Bytes;

use crate::order::{Order, Rank};

/// What is stored for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineRow {
    /// The complete key.
    pub key: crate::key::RowKey,
    /// What decides whether it replaces the stored row.
    pub rank: Rank,
    /// The encoded row (header included); a tombstone has a header only.
    pub bytes: Bytes,
    /// Physical expiry, microseconds since 1970; `None` never expires.
    pub expires_at_us: Option<i64>,
}

/// Header of a decoded row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Schema the columns were encoded with.
    pub schema_id: u32,
    /// Order of the row's own content; `None` for a tombstone.
    pub content: Option<Order>,
    /// Rank of the row.
    pub rank: Rank,
}
