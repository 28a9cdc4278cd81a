//! Online keys: `<prefix>{<entity>}<view id>`, `<entity>` being base64url (no padding) of the entity encoding.

use crate::Value;

/// A complete online key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey(Vec<u8>);

impl RowKey {
    /// The bytes sent to the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Encodes key values (in the order of the keys' *names*, so that views that list the same keys differently share a slot)
/// injectively: a format byte, then per value a type tag and its length-prefixed bytes. `None` when a value is NULL.
pub fn encode_entity(values_by_key_name: &[Value], out: &mut Vec<u8>) -> Option<()> {
    let _ = (values_by_key_name, out);
    None
}
