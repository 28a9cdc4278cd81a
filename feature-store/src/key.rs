//! Online keys: `<prefix>{<entity>}<view id>`, `<entity>` being base64url (no padding) of the entity encoding.
//!
//! The encoding is the format byte 1, then per key value, in the order of the keys' *names*: the type's tag and the value;
//! fixed-width types as little-endian bytes, text and bytes with their length before them (LEB128). No encoding is the
//! prefix of another of the same types, so different entities never share a key. A view without keys has the format byte
//! alone. All views of an entity share the hash tag and so the slot.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use snafu::{Snafu, ensure};
use triplane_contract::{Column, ValueType, View};

use crate::Value;
use crate::online::{Piece, SLOTS};
use crate::value::ValueRef;

const FORMAT: u8 = 1;
/// What follows the hash tag of a mark, before the view id. No view id has a colon, so no row has such a key.
const MARK: &str = "mark:";

/// A complete online key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey(Vec<u8>);

/// Why key values do not make a key.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum KeyError {
    /// A key value is NULL: it never matches.
    #[snafu(display("key \"{key}\" is NULL: give it a value"))]
    NullKey {
        /// Name of the key.
        key: String,
    },
    /// A key value has another type than the view declares.
    #[snafu(display("key \"{key}\" is {found}, the view declares {expected}"))]
    KeyType {
        /// Name of the key.
        key: String,
        /// Declared type.
        expected: ValueType,
        /// Type of the value.
        found: ValueType,
    },
    /// Another number of values than the view has keys.
    #[snafu(display("{found} key values for {expected} keys"))]
    KeyCount {
        /// Keys of the view.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A prefix with braces would move the hash tag.
    #[snafu(display("prefix \"{prefix}\" of the online store: remove the braces"))]
    Prefix {
        /// The prefix.
        prefix: String,
    },
}

impl RowKey {
    /// Puts a key together from an entity encoding (`encode_entity`). The prefix has no braces.
    pub fn new(prefix: &str, entity: &[u8], view_id: &str) -> Self {
        let mut key = String::with_capacity(prefix.len() + entity.len().div_ceil(3) * 4 + 2 + view_id.len());
        key.push_str(prefix);
        key.push('{');
        URL_SAFE_NO_PAD.encode_string(entity, &mut key);
        key.push('}');
        key.push_str(view_id);
        Self(key.into_bytes())
    }

    /// Where a view generation keeps the mark of a piece: in the piece's first slot.
    pub fn mark(prefix: &str, view_id: &str, piece: Piece) -> Self {
        let tag = mark_tag(piece.first);
        Self(format!("{prefix}{{m{tag}}}{MARK}{view_id}").into_bytes())
    }

    /// A key that is in a store already; `None` where it is none of a store with `prefix`.
    pub(crate) fn stored(prefix: &str, key: Vec<u8>) -> Option<Self> {
        let opened = key
            .strip_prefix(prefix.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&b'{'));
        opened.then_some(Self(key))
    }

    /// Whether it is a row or a mark of the view generation.
    pub(crate) fn is_of(&self, view_id: &str) -> bool {
        let end = self.view_id();
        end.strip_prefix(MARK.as_bytes()).unwrap_or(end) == view_id.as_bytes()
    }

    /// Whether it is a mark.
    pub(crate) fn is_mark(&self) -> bool {
        self.view_id().starts_with(MARK.as_bytes())
    }

    /// The bytes sent to the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What the slot is computed from: the text between the first brace and the next closing one.
    pub fn hash_tag(&self) -> &[u8] {
        let Some(open) = self.0.iter().position(|b| *b == b'{') else {
            return &self.0;
        };
        match self.0[open + 1..].iter().position(|b| *b == b'}') {
            Some(len) if len > 0 => &self.0[open + 1..open + 1 + len],
            _ => &self.0,
        }
    }

    /// The view id a row key ends with: what follows the hash tag.
    pub fn view_id(&self) -> &[u8] {
        self.0
            .iter()
            .rposition(|b| *b == b'}')
            .map_or(&[], |close| &self.0[close + 1..])
    }

    /// Slot of the key in a Redis Cluster, below 16,384.
    pub fn slot(&self) -> u16 {
        slot_of(self.hash_tag())
    }
}

fn slot_of(tag: &[u8]) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(tag) % SLOTS
}

/// The smallest n for which the hash tag `m<n>` lies in `slot`. An entity never starts with `m`: its format byte makes it an
/// `A`. All are found at the first call, in some milliseconds.
fn mark_tag(slot: u16) -> u32 {
    static TAGS: LazyLock<Vec<u32>> = LazyLock::new(|| {
        let mut tags = vec![None; usize::from(SLOTS)];
        let mut left = tags.len();
        for n in 0.. {
            let tag = &mut tags[usize::from(slot_of(format!("m{n}").as_bytes()))];
            left -= usize::from(tag.is_none());
            tag.get_or_insert(n);
            if left == 0 {
                break;
            }
        }
        tags.into_iter().flatten().collect()
    });
    TAGS.get(usize::from(slot)).copied().unwrap_or_default()
}

/// Encodes key values (in the order of the keys' *names*, so that views that list the same keys differently share a slot)
/// injectively onto the end of `out`. `None` when a value is NULL; `out` is then as long as before.
pub fn encode_entity<'a>(values_by_key_name: impl IntoIterator<Item = ValueRef<'a>>, out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    out.push(FORMAT);
    for value in values_by_key_name {
        if encode_value(value, out).is_none() {
            out.truncate(start);
            return None;
        }
    }
    Some(())
}

fn encode_value(value: ValueRef<'_>, out: &mut Vec<u8>) -> Option<()> {
    match value {
        ValueRef::Null => return None,
        ValueRef::Bool(v) => out.extend([1, u8::from(v)]),
        ValueRef::Int32(v) => tagged(out, 2, &v.to_le_bytes()),
        ValueRef::Int64(v) => tagged(out, 3, &v.to_le_bytes()),
        ValueRef::Float32(v) => tagged(out, 4, &v.to_bits().to_le_bytes()),
        ValueRef::Float64(v) => tagged(out, 5, &v.to_bits().to_le_bytes()),
        ValueRef::String(v) => length_prefixed(out, 6, v.as_bytes()),
        ValueRef::Bytes(v) => length_prefixed(out, 7, v),
        ValueRef::Timestamp(v) => tagged(out, 8, &v.to_le_bytes()),
    }
    Some(())
}

fn tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn length_prefixed(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    let mut len = bytes.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(bytes);
}

/// Makes the keys of one view generation.
#[derive(Clone, Debug)]
pub struct KeyEncoder {
    prefix: String,
    view_id: String,
    keys: Vec<Column>,
    by_name: Vec<usize>,
}

impl KeyEncoder {
    /// The encoder of `view` in the store with key prefix `prefix`.
    pub fn new(prefix: &str, view: &View) -> Result<Self, KeyError> {
        check_prefix(prefix)?;
        let mut by_name: Vec<usize> = (0..view.keys.len()).collect();
        by_name.sort_by(|a, b| view.keys[*a].name.cmp(&view.keys[*b].name));
        Ok(Self {
            prefix: prefix.to_owned(),
            view_id: view.id.clone(),
            keys: view.keys.clone(),
            by_name,
        })
    }

    /// The keys in declared order.
    pub fn keys(&self) -> &[Column] {
        &self.keys
    }

    /// The key of the entity with `values`, one per key in *declared* order. Types are checked.
    pub fn key(&self, values: &[Value]) -> Result<RowKey, KeyError> {
        let mut entity = Vec::with_capacity(32);
        self.encode_into(values, &mut entity)?;
        Ok(RowKey::new(&self.prefix, &entity, &self.view_id))
    }

    /// The key of an entity that is already encoded (`encode_into`).
    pub fn key_of_entity(&self, entity: &[u8]) -> RowKey {
        RowKey::new(&self.prefix, entity, &self.view_id)
    }

    /// Appends the entity encoding of `values`, one per key in *declared* order, to `out`.
    pub fn encode_into(&self, values: &[Value], out: &mut Vec<u8>) -> Result<(), KeyError> {
        let (expected, found) = (self.keys.len(), values.len());
        ensure!(expected == found, KeyCountSnafu { expected, found });
        for (column, value) in self.keys.iter().zip(values) {
            match value.value_type() {
                None => return NullKeySnafu { key: &column.name }.fail(),
                Some(found) if found != column.value_type => {
                    return KeyTypeSnafu {
                        key: &column.name,
                        expected: column.value_type,
                        found,
                    }
                    .fail();
                }
                Some(_) => {}
            }
        }
        // NULL was refused above.
        let _ = encode_entity(self.by_name.iter().map(|i| values[*i].borrowed()), out);
        Ok(())
    }
}

/// Refuses a store prefix that would move the hash tag.
pub fn check_prefix(prefix: &str) -> Result<(), KeyError> {
    ensure!(!prefix.contains(['{', '}']), PrefixSnafu { prefix });
    Ok(())
}

#[cfg(test)]
mod tests;
