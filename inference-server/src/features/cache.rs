//! The last answer of the store per key, within a number of bytes. It is read only while the store fails.

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use triplane_feature_store::key::RowKey;

use super::Found;

/// Bytes of bookkeeping counted for an entry beside key and row.
const ENTRY_OVERHEAD: usize = 96;
/// Guess of an entry's bytes, to size the table.
const TYPICAL_ENTRY: u64 = 512;

#[derive(Clone)]
struct Weight;

impl Weighter<RowKey, Option<Bytes>> for Weight {
    fn weight(&self, key: &RowKey, row: &Option<Bytes>) -> u64 {
        (ENTRY_OVERHEAD + key.as_bytes().len() + row.as_ref().map_or(0, Bytes::len)) as u64
    }
}

/// Last known answers, absence included: a key that had no row has none while the store fails.
pub struct LastKnown {
    cache: Cache<RowKey, Option<Bytes>, Weight>,
}

impl LastKnown {
    /// A cache of at most `max_bytes`; what is used least goes first.
    pub fn new(max_bytes: u64) -> Self {
        let items = usize::try_from(max_bytes / TYPICAL_ENTRY).unwrap_or(usize::MAX).max(1);
        Self {
            cache: Cache::with_weighter(items, max_bytes, Weight),
        }
    }

    /// Keeps what the store answered.
    pub fn keep(&self, keys: &[RowKey], answers: &[Option<Bytes>]) {
        for (key, answer) in keys.iter().zip(answers) {
            // Most reads repeat what is known: comparing is cheaper than a new entry.
            if self.cache.get(key).is_none_or(|known| known != *answer) {
                self.cache.insert(key.clone(), answer.clone());
            }
        }
    }

    /// What is known about a key.
    pub fn get(&self, key: &RowKey) -> Found {
        self.cache.get(key).map_or(Found::Unavailable, Found::LastKnown)
    }

    /// Bytes in use.
    pub fn bytes(&self) -> u64 {
        self.cache.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> RowKey {
        RowKey::new("", name.as_bytes(), "view")
    }

    #[test]
    fn the_last_answer_is_kept_and_absence_is_an_answer() {
        let known = LastKnown::new(1 << 20);
        known.keep(&[key("a"), key("b")], &[Some(Bytes::from_static(b"old")), None]);
        known.keep(&[key("a")], &[Some(Bytes::from_static(b"new"))]);
        assert_eq!(known.get(&key("a")), Found::LastKnown(Some(Bytes::from_static(b"new"))));
        assert_eq!(known.get(&key("b")), Found::LastKnown(None));
        assert_eq!(known.get(&key("c")), Found::Unavailable);
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let known = LastKnown::new(100_000);
        for index in 0..5_000 {
            known.keep(&[key(&index.to_string())], &[Some(Bytes::from(vec![0; 500]))]);
            assert!(known.bytes() <= 100_000);
        }
        assert!(known.bytes() > 20_000, "it is used");
    }
}
