//! The online store inside the process: `triplane dev` and tests.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use bytes::Bytes;

use super::mark::fresh_token;
use super::{Mark, MarkToken, OnlineError, OnlineStore, PIECE_SLOTS, Piece, SLOTS, TableId, Written};
use crate::clock::Clock;
use crate::key::RowKey;
use crate::row::{OnlineRow, Superseded, compare};

struct Stored {
    bytes: Bytes,
    expires_at_us: Option<i64>,
}

#[derive(Default)]
struct Shard {
    rows: HashMap<RowKey, Stored>,
}

/// Rows in maps of this process, one per piece of the key space; expiry follows the clock given.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    shards: Vec<RwLock<Shard>>,
    marks: RwLock<HashMap<(String, Piece), Mark>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let shards = (0..SLOTS / PIECE_SLOTS).map(|_| RwLock::default()).collect();
        Self {
            clock,
            shards,
            marks: RwLock::default(),
        }
    }

    fn shard(&self, key: &RowKey) -> &RwLock<Shard> {
        &self.shards[usize::from(key.slot() / PIECE_SLOTS)]
    }

    fn write_one(&self, row: &OnlineRow, now_us: i64) -> Written {
        let expired = |at: Option<i64>| at.is_some_and(|at| at <= now_us);
        if expired(row.expires_at_us) {
            return Written::Expired;
        }
        let mut shard = write(self.shard(&row.key));
        if let Some(stored) = shard.rows.get(&row.key).filter(|stored| !expired(stored.expires_at_us)) {
            match compare(&stored.bytes, &row.bytes) {
                Superseded::Yes => {}
                Superseded::No => return Written::Older,
                Superseded::NoRetracted => return Written::OlderThanRetraction,
            }
        }
        let stored = Stored {
            bytes: row.bytes.clone(),
            expires_at_us: row.expires_at_us,
        };
        shard.rows.insert(row.key.clone(), stored);
        Written::Stored
    }
}

#[async_trait]
impl OnlineStore for MemoryStore {
    async fn read(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, OnlineError> {
        let now_us = self.clock.now_us();
        let read_one = |key: &RowKey| {
            let shard = read(self.shard(key));
            let stored = shard.rows.get(key)?;
            stored
                .expires_at_us
                .is_none_or(|at| at > now_us)
                .then(|| stored.bytes.clone())
        };
        Ok(keys.iter().map(read_one).collect())
    }

    async fn write(&self, rows: &[OnlineRow]) -> Result<Vec<Written>, OnlineError> {
        let now_us = self.clock.now_us();
        Ok(rows.iter().map(|row| self.write_one(row, now_us)).collect())
    }

    async fn marks(&self, view_id: &str, table: TableId) -> Result<Vec<Mark>, OnlineError> {
        let mut marks = write(&self.marks);
        let fresh = |piece| Mark {
            piece,
            token: MarkToken(fresh_token()),
            table: Some(table),
            published: None,
        };
        let mut ensure = |piece| {
            let mark = marks.entry((view_id.to_owned(), piece)).or_insert_with(|| fresh(piece));
            mark.clone()
        };
        Ok(Piece::whole().into_iter().map(&mut ensure).collect())
    }

    async fn advance_marks(&self, view_id: &str, given: &[Mark], table_version: i64) -> Result<bool, OnlineError> {
        let mut marks = write(&self.marks);
        let mut settled = true;
        for given in given {
            match marks.get_mut(&(view_id.to_owned(), given.piece)) {
                Some(mark) if mark.token == given.token => mark.published = mark.published.max(Some(table_version)),
                _ => settled = false,
            }
        }
        Ok(settled)
    }

    async fn drop_view(&self, view_id: &str) -> Result<u64, OnlineError> {
        // Held to the end: nobody gets a mark for rows that would be dropped yet.
        let mut marks = write(&self.marks);
        marks.retain(|(id, _), _| id != view_id);
        let mut removed = 0;
        for shard in &self.shards {
            let mut shard = write(shard);
            let before = shard.rows.len();
            shard.rows.retain(|key, _| key.view_id() != view_id.as_bytes());
            removed += before - shard.rows.len();
        }
        Ok(removed as u64)
    }

    async fn ping(&self) -> Result<(), OnlineError> {
        Ok(())
    }

    fn shard_of(&self, _key: &RowKey) -> usize {
        0
    }

    fn prefix(&self) -> &'static str {
        ""
    }
}

/// A map is whole after every statement that changes it, so a panic elsewhere does not spoil it.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
