//! How many rows go into one call.

use super::router::Call;
use crate::key::RowKey;
use crate::online::OnlineRow;

/// Rows of one call of the write rule: Redis serves nobody else meanwhile (about 0.3 ms).
const CALL_ROWS: usize = 64;

/// Calls of the write rule for the rows named by `places`, by slot. Rows of one key keep their order.
pub(super) fn calls_by_slot(rows: &[OnlineRow], places: Vec<usize>) -> Vec<Call> {
    let mut by_slot: Vec<(u16, usize)> = places.into_iter().map(|i| (rows[i].key.slot(), i)).collect();
    by_slot.sort_by_key(|(slot, _)| *slot);
    let same_slot = by_slot.chunk_by(|a, b| a.0 == b.0);
    let cut = same_slot.flat_map(|same| same.chunks(CALL_ROWS));
    let call = |places: &[(u16, usize)]| {
        let size = |i: usize| rows[i].bytes.len() + rows[i].key.as_bytes().len();
        Call {
            slot: places[0].0,
            keys: places.iter().map(|(_, i)| *i).collect(),
            bytes: places.iter().map(|(_, i)| size(*i)).sum(),
        }
    };
    cut.map(call).collect()
}

/// One call for all keys of a hash tag.
pub(super) fn calls_by_tag(keys: &[RowKey]) -> Vec<Call> {
    let mut by_tag: Vec<(&[u8], usize)> = keys.iter().enumerate().map(|(i, key)| (key.hash_tag(), i)).collect();
    by_tag.sort_unstable();
    let same_tag = by_tag.chunk_by(|a, b| a.0 == b.0);
    let call = |places: &[(&[u8], usize)]| Call {
        slot: keys[places[0].1].slot(),
        keys: places.iter().map(|(_, i)| *i).collect(),
        bytes: places.iter().map(|(_, i)| keys[*i].as_bytes().len()).sum(),
    };
    same_tag.map(call).collect()
}

/// One call a key.
pub(super) fn calls_by_key(keys: &[RowKey]) -> Vec<Call> {
    let call = |(i, key): (usize, &RowKey)| Call {
        slot: key.slot(),
        keys: vec![i],
        bytes: key.as_bytes().len(),
    };
    keys.iter().enumerate().map(call).collect()
}
