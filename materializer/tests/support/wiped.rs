//! An online store to which something happens right after some of its writes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use triplane_feature_store::FixedClock;
use triplane_feature_store::key::RowKey;
use triplane_feature_store::online::memory::MemoryStore;
use triplane_feature_store::online::{Mark, OnlineError, OnlineStore, TableId, Written};
use triplane_feature_store::row::OnlineRow;

/// What happens after the n-th write, counted from 1; `true` empties the store.
type After = Box<dyn Fn(usize) -> bool + Send + Sync>;

/// A memory store that can lose everything at once, marks included.
pub struct Wiped {
    inner: Mutex<Arc<MemoryStore>>,
    clock: Arc<FixedClock>,
    writes: AtomicUsize,
    after: After,
}

impl Wiped {
    pub fn new(clock: Arc<FixedClock>, after: impl Fn(usize) -> bool + Send + Sync + 'static) -> Self {
        Self {
            inner: Mutex::new(Arc::new(MemoryStore::new(clock.clone()))),
            clock,
            writes: AtomicUsize::new(0),
            after: Box::new(after),
        }
    }

    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    fn inner(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl OnlineStore for Wiped {
    async fn read(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, OnlineError> {
        self.inner().read(keys).await
    }

    async fn write(&self, rows: &[OnlineRow]) -> Result<Vec<Written>, OnlineError> {
        let written = self.inner().write(rows).await;
        if (self.after)(self.writes.fetch_add(1, Ordering::SeqCst) + 1) {
            *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(MemoryStore::new(self.clock.clone()));
        }
        written
    }

    async fn marks(&self, view_id: &str, table: TableId) -> Result<Vec<Mark>, OnlineError> {
        self.inner().marks(view_id, table).await
    }

    async fn advance_marks(&self, view_id: &str, marks: &[Mark], table_version: i64) -> Result<bool, OnlineError> {
        self.inner().advance_marks(view_id, marks, table_version).await
    }

    async fn drop_view(&self, view_id: &str) -> Result<u64, OnlineError> {
        self.inner().drop_view(view_id).await
    }

    async fn ping(&self) -> Result<(), OnlineError> {
        self.inner().ping().await
    }

    fn shard_of(&self, key: &RowKey) -> usize {
        self.inner().shard_of(key)
    }

    fn prefix(&self) -> &'static str {
        ""
    }
}
