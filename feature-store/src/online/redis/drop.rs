//! Removes the rows of a view, node by node.

use redis::Cmd;

use super::batch::calls_by_key;
use super::mark::Claim;
use super::node::{Lane, Map, Node};
use super::{OnlineError, RedisStore, RowKey};

/// Keys that one SCAN step looks at: 1 ms of Redis at most.
const SCAN_COUNT: usize = 1_000;

impl RedisStore {
    /// Removes rows of the view, and marks that are not the claim's: those of pieces as they were cut before. Stops where the
    /// claim no longer holds: whoever it was shared with has ended, everything is gone and what is found is new.
    pub(super) async fn remove_rows(&self, map: &Map, view_id: &str, claim: &Claim) -> Result<u64, OnlineError> {
        let mut removed = 0;
        for node in map.primaries() {
            let mut cursor = 0;
            loop {
                let (next, found) = self.scan(node, view_id, cursor).await?;
                let found: Vec<RowKey> = found.into_iter().filter(|key| !claim.has(key)).collect();
                if !found.is_empty() {
                    if !self.holds(claim).await? {
                        return Ok(removed);
                    }
                    removed += self.unlink(&found).await?;
                }
                if next == 0 {
                    break;
                }
                cursor = next;
            }
        }
        Ok(removed)
    }

    /// One step over the keys of a node: rows and marks of the view.
    async fn scan(&self, node: &Node, view_id: &str, cursor: u64) -> Result<(u64, Vec<RowKey>), OnlineError> {
        let pattern = format!("{}{{*}}*{view_id}", escape_glob(&self.prefix));
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
        let scan = &scan;
        let step = node
            .writes
            .run(|mut connection| async move { scan.query_async::<(u64, Vec<Vec<u8>>)>(&mut connection).await });
        let (next, found) = step.await?;
        let keys = found.into_iter().filter_map(|key| RowKey::stored(&self.prefix, key));
        Ok((next, keys.filter(|key| key.is_of(view_id)).collect()))
    }

    /// Removes keys; gives how many of them were rows.
    async fn unlink(&self, keys: &[RowKey]) -> Result<u64, OnlineError> {
        let command = |places: &[usize]| -> Cmd {
            let mut command = redis::cmd("UNLINK");
            for i in places {
                command.arg(keys[*i].as_bytes());
            }
            command
        };
        let mut removed = 0;
        let count = |places: &[usize], gone: u64| {
            removed += gone.min(places.iter().filter(|i| !keys[**i].is_mark()).count() as u64);
            Ok(())
        };
        self.run(Lane::Writes, calls_by_key(keys), command, count).await?;
        Ok(removed)
    }
}

/// Text as a SCAN pattern that matches it alone.
fn escape_glob(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
