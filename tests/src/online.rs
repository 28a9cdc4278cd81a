//! What a reader of the online store would be served, from a dump of it.

use std::collections::BTreeMap;

use triplane_contract::View;
use triplane_feature_store::Value;
use triplane_feature_store::row::RowDecoder;

use crate::redis::Entry;

/// Event time, microseconds, and features in declared order, by online key. Tombstones are absent.
pub type Rows = BTreeMap<Vec<u8>, (i64, Vec<Value>)>;

/// The dump with what is drawn at random taken out of it: a mark's token and its table's identity. Rows stay to the byte, and
/// of a mark the version that is published.
pub fn without_tokens(mut dump: BTreeMap<Vec<u8>, Entry>) -> BTreeMap<Vec<u8>, Entry> {
    let is_mark = |key: &[u8]| String::from_utf8_lossy(key).contains("}mark:");
    for (_, entry) in dump.iter_mut().filter(|(key, _)| is_mark(key)) {
        let version = entry
            .value
            .split(|byte| *byte == b' ')
            .next_back()
            .unwrap_or_default()
            .to_vec();
        entry.value = version;
    }
    dump
}

/// The rows of `view` in `dump`.
pub fn rows(dump: &BTreeMap<Vec<u8>, Entry>, view: &View) -> Rows {
    let names: Vec<&str> = view.features.iter().map(|feature| feature.name.as_str()).collect();
    let decoder = RowDecoder::new(view, &names).expect("a valid view");
    let end = format!("}}{}", view.id);
    let of_view = dump.iter().filter(|(key, _)| key.ends_with(end.as_bytes()));
    of_view
        .filter_map(|(key, entry)| {
            let row = decoder.open(&entry.value).expect("a stored row decodes");
            let values = (0..names.len())
                .map(|index| row.value(index).expect("a stored value decodes"))
                .collect();
            Some((key.clone(), (row.event_time_us()?, values)))
        })
        .collect()
}
