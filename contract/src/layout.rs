//! Where things lie in a bucket. Paths are relative to the bucket, `/`-separated, without a leading slash.

use crate::View;

/// `<prefix>/<namespace>/<store>`: Triplane writes only below it.
pub fn store_root(prefix: &str, namespace: &str, store: &str) -> String {
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() {
        format!("{namespace}/{store}")
    } else {
        format!("{prefix}/{namespace}/{store}")
    }
}

/// Owner marker of a store root; a foreign one is refused.
pub fn owner_marker(store_root: &str) -> String {
    format!("{store_root}/_triplane/owner.json")
}

/// The object that shows that the bucket refuses to overwrite what is there: written once, if absent.
pub fn preflight(store_root: &str) -> String {
    format!("{store_root}/_triplane/preflight.json")
}

/// Root of one view generation: the Delta table with `_triplane/runs` and `_rejected` beside `_delta_log`.
pub fn view_root(store_root: &str, view: &View) -> String {
    format!("{store_root}/views/{}/g{}", view.name, view.generation)
}

/// The plan of run `n`.
pub fn run_plan(view_root: &str, run: u64) -> String {
    format!("{view_root}/_triplane/runs/{run}.json")
}

/// Folder of notes on objects that run `n` found changed since it was planned.
pub fn changed_objects(view_root: &str, run: u64) -> String {
    format!("{view_root}/_triplane/changed/{run}")
}

/// Root of one version of a training set.
pub fn training_set_root(store_root: &str, name: &str, version: &str) -> String {
    format!("{store_root}/training-sets/{name}/{version}")
}

/// Short id of a view generation in online keys: 8 characters of `[A-Za-z0-9_-]` (48 bits of FNV-1a, 64 bit, over the
/// length-prefixed names and the generation, high bits first).
pub fn view_id(namespace: &str, store: &str, view: &str, generation: u32) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for part in [namespace, store, view] {
        eat(&(part.len() as u32).to_le_bytes());
        eat(part.as_bytes());
    }
    eat(&generation.to_le_bytes());
    (0..8)
        .map(|i| char::from(ALPHABET[((hash >> (58 - 6 * i)) & 63) as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_generation_and_by_where_a_name_ends() {
        let id = view_id("flights", "flights", "airport-weather", 1);
        assert_eq!(id.len(), 8);
        assert_ne!(id, view_id("flights", "flights", "airport-weather", 2));
        assert_ne!(view_id("a", "bc", "d", 1), view_id("ab", "c", "d", 1));
    }

    #[test]
    fn an_empty_prefix_leaves_no_leading_slash() {
        assert_eq!(store_root("", "ns", "s"), "ns/s");
        assert_eq!(store_root("/features/", "ns", "s"), "features/ns/s");
    }
}
