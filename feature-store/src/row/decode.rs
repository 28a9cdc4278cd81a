//! Bytes to values, through offsets that are computed once per view.

use std::sync::Arc;

use bytes::Bytes;
use triplane_contract::{Schema, ValueType, View};

use super::RowError;
use super::header::{Header, fixed};
use crate::Value;
use crate::semantics::{RowAge, ViewRule};

/// Live schemas of a view at most.
const MAX_SCHEMAS: usize = 16;

/// Where a wanted feature lies in rows of one schema; offsets count from the first byte after the header.
#[derive(Clone, Copy, Debug)]
struct Slot {
    value_type: ValueType,
    null_byte: usize,
    null_bit: u8,
    at: usize,
    /// Where the end of the variable column before this one is; `None` for the first.
    previous_end_at: Option<usize>,
}

/// Rows of one schema id.
#[derive(Clone, Debug)]
struct Layout {
    schema_id: u32,
    /// Where the variable section begins.
    var_at: usize,
    /// Where the ends of the variable columns are, in order.
    ends_at: Vec<usize>,
    /// One per wanted feature; `None` where rows of this schema do not have it.
    wanted: Vec<Option<Slot>>,
}

/// Decodes rows of one view generation: wanted features to offsets, per live schema id.
#[derive(Clone, Debug)]
pub struct RowDecoder {
    layouts: Arc<[Layout]>,
}

/// A stored row whose structure has been checked. A tombstone has no values.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a> {
    header: Header,
    body: &'a [u8],
    layout: &'a Layout,
}

impl RowDecoder {
    /// Compiles the offsets of `wanted` features, in that order; names may repeat.
    pub fn new<S: AsRef<str>>(view: &View, wanted: &[S]) -> Result<Self, RowError> {
        let bad = |message: String| RowError::BadView {
            view: view.full_name(),
            message,
        };
        if view.schemas.is_empty() || view.schemas.len() > MAX_SCHEMAS {
            return Err(bad(format!(
                "it has {} live schemas, 1 to {MAX_SCHEMAS} are allowed",
                view.schemas.len()
            )));
        }
        let mut features = Vec::with_capacity(wanted.len());
        for name in wanted {
            let name = name.as_ref();
            let found = view.features.iter().find(|f| f.name == name);
            let unknown = || RowError::UnknownFeature {
                view: view.full_name(),
                feature: name.to_owned(),
            };
            features.push((name, found.ok_or_else(unknown)?.value_type));
        }
        let mut layouts: Vec<Layout> = Vec::with_capacity(view.schemas.len());
        for schema in &view.schemas {
            if layouts.iter().any(|l| l.schema_id == schema.id) {
                return Err(bad(format!("schema id {} is listed twice", schema.id)));
            }
            layouts.push(Layout::new(schema, &features).map_err(bad)?);
        }
        // Rows of the current schema, the last one, are the most frequent.
        layouts.reverse();
        Ok(Self {
            layouts: layouts.into(),
        })
    }

    /// Checks a stored row and finds its layout. Never panics, whatever the bytes.
    pub fn open<'a>(&'a self, bytes: &'a [u8]) -> Result<RowView<'a>, RowError> {
        let (header, body_at) = Header::decode(bytes)?;
        let layout = self.layouts.iter().find(|l| l.schema_id == header.schema_id);
        let layout = layout.ok_or(RowError::UnknownSchema {
            schema_id: header.schema_id,
        })?;
        let body = &bytes[body_at..];
        if header.content.is_some() {
            layout.check(body, body_at)?;
        } else if !body.is_empty() {
            return Err(RowError::Length {
                len: bytes.len(),
                needed: body_at,
            });
        }
        Ok(RowView { header, body, layout })
    }
}

impl Layout {
    fn new(schema: &Schema, features: &[(&str, ValueType)]) -> Result<Self, String> {
        let bitmap_len = schema.columns.len().div_ceil(8);
        let (mut at, mut ends_at, mut wanted) = (bitmap_len, Vec::new(), vec![None; features.len()]);
        for (index, column) in schema.columns.iter().enumerate() {
            let previous_end_at = ends_at.last().copied();
            let (null_byte, null_bit) = (index / 8, 1 << (index % 8));
            let slot = Slot {
                value_type: column.value_type,
                null_byte,
                null_bit,
                at,
                previous_end_at,
            };
            for (found, (name, value_type)) in wanted.iter_mut().zip(features) {
                if column.name == *name {
                    if column.value_type != *value_type {
                        return Err(format!(
                            "{name} is {} in schema {}, not {value_type}",
                            column.value_type, schema.id
                        ));
                    }
                    *found = Some(slot);
                }
            }
            if column.value_type.fixed_width().is_none() {
                ends_at.push(at);
            }
            at += column.value_type.fixed_width().unwrap_or(4);
        }
        Ok(Self {
            schema_id: schema.id,
            var_at: at,
            ends_at,
            wanted,
        })
    }

    /// Checks that the columns fill the row exactly and that variable values follow each other.
    fn check(&self, body: &[u8], body_at: usize) -> Result<(), RowError> {
        let length = |needed: usize| {
            Err(RowError::Length {
                len: body_at + body.len(),
                needed: body_at + needed,
            })
        };
        if body.len() < self.var_at {
            return length(self.var_at);
        }
        let mut last = 0;
        for at in &self.ends_at {
            let end = end_at(body, *at).unwrap_or(0);
            if end < last {
                return Err(RowError::Offsets);
            }
            last = end;
        }
        if body.len() - self.var_at == last {
            Ok(())
        } else {
            length(self.var_at + last)
        }
    }
}

impl<'a> RowView<'a> {
    /// The row's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Event time of the row's columns, microseconds; `None` for a tombstone.
    pub fn event_time_us(&self) -> Option<i64> {
        self.header.content.map(|order| order.event_time_us)
    }

    /// The row seen from `as_of_us`; a tombstone is absent.
    pub fn age(&self, rule: &ViewRule, as_of_us: i64) -> RowAge {
        rule.age(self.event_time_us(), as_of_us)
    }

    /// The wanted feature `index`. NULL where it is NULL, where rows of this schema do not have it, and in a tombstone.
    pub fn value(&self, index: usize) -> Result<Value, RowError> {
        let Some(slot) = self.slot(index) else {
            return Ok(Value::Null);
        };
        let value = match slot.value_type {
            ValueType::Bool => self.fixed(slot).map(|[b]| Value::Bool(b != 0)),
            ValueType::Int32 => self.fixed(slot).map(|b| Value::Int32(i32::from_le_bytes(b))),
            ValueType::Int64 => self.fixed(slot).map(|b| Value::Int64(i64::from_le_bytes(b))),
            ValueType::Float32 => self.fixed(slot).map(|b| Value::Float32(f32::from_le_bytes(b))),
            ValueType::Float64 => self.fixed(slot).map(|b| Value::Float64(f64::from_le_bytes(b))),
            ValueType::Timestamp => self.fixed(slot).map(|b| Value::Timestamp(i64::from_le_bytes(b))),
            ValueType::Bytes => self.variable(slot).map(|v| Value::Bytes(Bytes::copy_from_slice(v))),
            ValueType::String => match self.variable(slot).map(std::str::from_utf8) {
                Some(Ok(text)) => Some(Value::String(text.to_owned())),
                Some(Err(_)) => return Err(RowError::Utf8 { index }),
                None => None,
            },
        };
        value.ok_or(RowError::Offsets)
    }

    /// The wanted feature `index` as a model's number, as `Value::as_f64` has it; `None` where `value` is NULL, and for text
    /// and bytes. Nothing is allocated.
    pub fn f64(&self, index: usize) -> Option<f64> {
        let slot = self.slot(index)?;
        match slot.value_type {
            ValueType::Float64 => self.fixed(slot).map(f64::from_le_bytes),
            ValueType::Float32 => self.fixed(slot).map(|b| f64::from(f32::from_le_bytes(b))),
            ValueType::Int64 | ValueType::Timestamp => self.fixed(slot).map(|b| i64::from_le_bytes(b) as f64),
            ValueType::Int32 => self.fixed(slot).map(|b| f64::from(i32::from_le_bytes(b))),
            ValueType::Bool => self.fixed(slot).map(|[b]| f64::from(u8::from(b != 0))),
            ValueType::String | ValueType::Bytes => None,
        }
    }

    /// Where a feature lies; `None` where it has no value.
    fn slot(&self, index: usize) -> Option<&'a Slot> {
        let slot = self.layout.wanted.get(index)?.as_ref()?;
        let nulls = *self.body.get(slot.null_byte)?;
        (nulls & slot.null_bit == 0).then_some(slot)
    }

    fn fixed<const N: usize>(&self, slot: &Slot) -> Option<[u8; N]> {
        fixed(self.body, slot.at)
    }

    fn variable(&self, slot: &Slot) -> Option<&'a [u8]> {
        let start = slot.previous_end_at.map_or(Some(0), |at| end_at(self.body, at))?;
        let end = end_at(self.body, slot.at)?;
        self.body.get(self.layout.var_at..)?.get(start..end)
    }
}

fn end_at(body: &[u8], at: usize) -> Option<usize> {
    fixed(body, at).map(|b| u32::from_le_bytes(b) as usize)
}
