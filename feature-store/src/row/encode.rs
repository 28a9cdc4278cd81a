//! Values to bytes.

use bytes::{BufMut, BytesMut};
use triplane_contract::{ValueType, View};

use super::{Header, RowError};
use crate::order::{Order, Rank};
use crate::value::ValueRef;

/// Encodes rows of one view generation with its current schema.
#[derive(Clone, Debug)]
pub struct RowEncoder {
    schema_id: u32,
    types: Vec<ValueType>,
    fixed_len: usize,
}

impl RowEncoder {
    /// The encoder of `view`'s current schema.
    pub fn new(view: &View) -> Result<Self, RowError> {
        let Some(schema) = view.current_schema() else {
            return Err(RowError::BadView {
                view: view.full_name(),
                message: "it has no schema".to_owned(),
            });
        };
        let types: Vec<ValueType> = schema.columns.iter().map(|c| c.value_type).collect();
        let fixed_len = types.iter().map(|t| t.fixed_width().unwrap_or(4)).sum();
        Ok(Self {
            schema_id: schema.id,
            types,
            fixed_len,
        })
    }

    /// The schema rows are encoded with.
    pub fn schema_id(&self) -> u32 {
        self.schema_id
    }

    /// Types of the columns in encoding order.
    pub fn types(&self) -> &[ValueType] {
        &self.types
    }

    /// Appends a row to `out`: `content` is the order of the row's own columns, equal to `rank.top` unless the row stands in
    /// for a retracted one; `values` are one per column in schema order. On an error `out` is as long as before.
    ///
    /// For bulk use: encode, then `out.split().freeze()` hands out the row without a copy.
    pub fn encode<'v>(
        &self,
        rank: Rank,
        content: Order,
        values: impl IntoIterator<Item = ValueRef<'v>>,
        out: &mut BytesMut,
    ) -> Result<(), RowError> {
        let start = out.len();
        let written = self.put(
            Header {
                schema_id: self.schema_id,
                content: Some(content),
                rank,
            },
            values,
            out,
        );
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// Appends a tombstone to `out`: every row of the key is retracted. `rank.known_run` is at least 1 (`order::key_state`).
    pub fn tombstone(&self, rank: Rank, out: &mut BytesMut) {
        // A tombstone is always the answer to a retraction: run 0 would make it a live row.
        let rank = Rank {
            known_run: rank.known_run.max(1),
            ..rank
        };
        Header {
            schema_id: self.schema_id,
            content: None,
            rank,
        }
        .encode(out);
    }

    fn put<'v>(
        &self,
        header: Header,
        values: impl IntoIterator<Item = ValueRef<'v>>,
        out: &mut BytesMut,
    ) -> Result<(), RowError> {
        let bitmap_len = self.types.len().div_ceil(8);
        out.reserve(64 + bitmap_len + self.fixed_len);
        header.encode(out);
        let bitmap = out.len();
        out.put_bytes(0, bitmap_len + self.fixed_len);
        let (mut at, var) = (bitmap + bitmap_len, bitmap + bitmap_len + self.fixed_len);
        let mut count = 0;
        for (index, value) in values.into_iter().enumerate() {
            count = index + 1;
            let Some(expected) = self.types.get(index).copied() else {
                continue;
            };
            let width = expected.fixed_width().unwrap_or(4);
            match value.value_type() {
                None => out[bitmap + index / 8] |= 1 << (index % 8),
                Some(found) if found != expected => return Err(RowError::ColumnType { index, expected, found }),
                Some(_) => {}
            }
            put_fixed(value, at, out);
            if expected.fixed_width().is_none() {
                put_variable(value, at, var, out)?;
            }
            at += width;
        }
        if count == self.types.len() {
            return Ok(());
        }
        Err(RowError::ColumnCount {
            expected: self.types.len(),
            found: count,
        })
    }
}

/// Writes a value of fixed width at `at`; NULL leaves zeros.
fn put_fixed(value: ValueRef<'_>, at: usize, out: &mut BytesMut) {
    match value {
        ValueRef::Bool(v) => out[at] = u8::from(v),
        ValueRef::Int32(v) => out[at..at + 4].copy_from_slice(&v.to_le_bytes()),
        ValueRef::Float32(v) => out[at..at + 4].copy_from_slice(&v.to_bits().to_le_bytes()),
        ValueRef::Int64(v) | ValueRef::Timestamp(v) => out[at..at + 8].copy_from_slice(&v.to_le_bytes()),
        ValueRef::Float64(v) => out[at..at + 8].copy_from_slice(&v.to_bits().to_le_bytes()),
        ValueRef::Null | ValueRef::String(_) | ValueRef::Bytes(_) => {}
    }
}

/// Appends a value of variable length and writes its end, counted from `var`, at `at`; NULL has no bytes.
fn put_variable(value: ValueRef<'_>, at: usize, var: usize, out: &mut BytesMut) -> Result<(), RowError> {
    match value {
        ValueRef::String(v) => out.extend_from_slice(v.as_bytes()),
        ValueRef::Bytes(v) => out.extend_from_slice(v),
        _ => {}
    }
    let end = u32::try_from(out.len() - var).map_err(|_| RowError::TooLong { len: out.len() })?;
    out[at..at + 4].copy_from_slice(&end.to_le_bytes());
    Ok(())
}
