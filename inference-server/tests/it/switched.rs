//! A store that can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use triplane_feature_store::key::RowKey;
use triplane_feature_store::online::{Mark, OnlineError, OnlineStore, TableId, Written};
use triplane_feature_store::row::OnlineRow;

use crate::world::{Plan, World};

/// A store whose reads go through, never come back, fail, or wait to be let through.
pub(crate) struct Switched {
    inner: Arc<dyn OnlineStore>,
    mode: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    /// Lets one held read through.
    pub(crate) gate: Notify,
}

pub(crate) const THROUGH: usize = 0;
pub(crate) const HANGING: usize = 1;
pub(crate) const FAILING: usize = 2;
pub(crate) const HELD: usize = 3;

#[async_trait]
impl OnlineStore for Switched {
    async fn read(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, OnlineError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        match self.mode.load(Ordering::SeqCst) {
            THROUGH => self.inner.read(keys).await,
            HANGING => std::future::pending().await,
            HELD => {
                self.gate.notified().await;
                self.inner.read(keys).await
            }
            _ => Err(OnlineError::Unreachable {
                address: "store:6379".to_owned(),
                message: "refused".to_owned(),
            }),
        }
    }

    async fn write(&self, rows: &[OnlineRow]) -> Result<Vec<Written>, OnlineError> {
        self.inner.write(rows).await
    }

    async fn marks(&self, view_id: &str, table: TableId) -> Result<Vec<Mark>, OnlineError> {
        self.inner.marks(view_id, table).await
    }

    async fn advance_marks(&self, view_id: &str, marks: &[Mark], table_version: i64) -> Result<bool, OnlineError> {
        self.inner.advance_marks(view_id, marks, table_version).await
    }

    async fn drop_view(&self, view_id: &str) -> Result<u64, OnlineError> {
        self.inner.drop_view(view_id).await
    }

    async fn ping(&self) -> Result<(), OnlineError> {
        self.inner.ping().await
    }

    fn shard_of(&self, key: &RowKey) -> usize {
        self.inner.shard_of(key)
    }

    fn prefix(&self) -> &str {
        self.inner.prefix()
    }
}

/// A world over such a store, with a features timeout of a millisecond.
pub(crate) async fn switched(change: impl FnOnce(&mut Plan)) -> (World, Arc<Switched>) {
    let mut plan = Plan::new().await;
    let store = Arc::new(Switched::over(Arc::clone(&plan.store)));
    plan.store = Arc::clone(&store) as Arc<_>;
    plan.table.features.timeout_us = 1_000;
    change(&mut plan);
    (plan.start().await, store)
}

impl Switched {
    pub(crate) fn over(inner: Arc<dyn OnlineStore>) -> Self {
        Self {
            inner,
            mode: AtomicUsize::new(THROUGH),
            reads: AtomicUsize::new(0),
            gate: Notify::new(),
        }
    }

    pub(crate) fn set(&self, mode: usize) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}
