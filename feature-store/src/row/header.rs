//! The header of a row, and the comparison that the write rule makes of two of them.
//!
//! The rank lies at bytes 6 to 38 of every format, in a form that sorts byte by byte: server-side scripts compare it
//! without knowing the format.

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};

use super::RowError;
use crate::order::{Order, Rank};

pub(super) const FORMAT: u8 = 1;
const RETRACTED: u8 = 1;
const TOMBSTONE: u8 = 2;
const SIGN: u64 = 1 << 63;
const RANK_AT: usize = 6;
const KNOWN_RUN_AT: usize = 30;

/// Bytes from the start of a row that the write rule looks at.
pub const RANK_BYTES: usize = 38;

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

/// What the write rule says about a stored row when another one comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Superseded {
    /// The new row replaces it.
    Yes,
    /// It stays.
    No,
    /// It stays and stands in for a retracted row, of which a writer that knows live rows only cannot judge.
    NoRetracted,
}

impl Header {
    /// Appends the header to `out`.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        let retracted = self.rank.known_run > 0;
        let flags = u8::from(retracted) * RETRACTED + u8::from(self.content.is_none()) * TOMBSTONE;
        out.put_u8(FORMAT);
        out.put_u8(flags);
        out.put_u32_le(self.schema_id);
        put_order(out, self.rank.top);
        if retracted {
            out.put_u64(self.rank.known_run);
            if let Some(content) = self.content {
                put_order(out, content);
            }
        }
    }

    /// Reads the header of a row; the second part is where its columns begin. Never panics.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), RowError> {
        let short = |needed| RowError::Length {
            len: bytes.len(),
            needed,
        };
        let [format, flags, ..] = *bytes else {
            return Err(short(KNOWN_RUN_AT));
        };
        if format != FORMAT {
            return Err(RowError::Format { format });
        }
        let (retracted, tombstone) = (flags & RETRACTED != 0, flags & TOMBSTONE != 0);
        if flags & !(RETRACTED | TOMBSTONE) != 0 || (tombstone && !retracted) {
            return Err(RowError::Flags { flags });
        }
        let schema_id = fixed(bytes, 2)
            .map(u32::from_le_bytes)
            .ok_or_else(|| short(KNOWN_RUN_AT))?;
        let top = order(bytes, RANK_AT).ok_or_else(|| short(KNOWN_RUN_AT))?;
        if !retracted {
            return Ok((
                Self {
                    schema_id,
                    content: Some(top),
                    rank: Rank::live(top),
                },
                KNOWN_RUN_AT,
            ));
        }
        let known_run = fixed(bytes, KNOWN_RUN_AT)
            .map(u64::from_be_bytes)
            .ok_or_else(|| short(RANK_BYTES))?;
        let rank = Rank { top, known_run };
        if known_run == 0 {
            return Err(RowError::Flags { flags });
        }
        if tombstone {
            return Ok((
                Self {
                    schema_id,
                    content: None,
                    rank,
                },
                RANK_BYTES,
            ));
        }
        let end = RANK_BYTES + KNOWN_RUN_AT - RANK_AT;
        let content = order(bytes, RANK_BYTES).ok_or_else(|| short(end))?;
        Ok((
            Self {
                schema_id,
                content: Some(content),
                rank,
            },
            end,
        ))
    }
}

/// The write rule on encoded rows, byte for byte what the Redis script does. Bytes too short to hold a rank are no row:
/// they are replaced.
pub fn compare(stored: &[u8], new: &[u8]) -> Superseded {
    let (Some(old_top), Some(new_top)) = (stored.get(RANK_AT..KNOWN_RUN_AT), new.get(RANK_AT..KNOWN_RUN_AT)) else {
        return Superseded::Yes;
    };
    let (old_run, new_run) = (known_run(stored), known_run(new));
    match new_top.cmp(old_top).then(new_run.cmp(&old_run)) {
        Ordering::Greater => Superseded::Yes,
        Ordering::Less if old_run > 0 && new_run == 0 => Superseded::NoRetracted,
        Ordering::Less | Ordering::Equal => Superseded::No,
    }
}

fn known_run(row: &[u8]) -> u64 {
    if row.get(1).is_some_and(|flags| flags & RETRACTED != 0) {
        fixed(row, KNOWN_RUN_AT).map_or(0, u64::from_be_bytes)
    } else {
        0
    }
}

fn put_order(out: &mut BytesMut, order: Order) {
    for part in [order.event_time_us, order.created_time_us, order.sequence] {
        out.put_u64(part as u64 ^ SIGN);
    }
}

fn order(bytes: &[u8], at: usize) -> Option<Order> {
    let part = |i: usize| fixed(bytes, at + 8 * i).map(|b| (u64::from_be_bytes(b) ^ SIGN) as i64);
    Some(Order {
        event_time_us: part(0)?,
        created_time_us: part(1)?,
        sequence: part(2)?,
    })
}

/// `N` bytes at `at`, `None` past the end.
pub(super) fn fixed<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}
