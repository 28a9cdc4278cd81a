//! An online store behind a gate.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use triplane_feature_store::key::RowKey;
use triplane_feature_store::online::{Mark, OnlineError, OnlineStore, TableId, Written};
use triplane_feature_store::row::OnlineRow;

use super::Gate;
use super::gate::die;

/// `inner`, every call of which goes through the gate.
pub struct KillableOnline {
    inner: Arc<dyn OnlineStore>,
    gate: Arc<Gate>,
}

impl KillableOnline {
    /// Puts `inner` behind `gate`.
    pub fn new(inner: Arc<dyn OnlineStore>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

#[async_trait]
impl OnlineStore for KillableOnline {
    async fn read(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, OnlineError> {
        let call = self.gate.enter("online.read", "");
        let result = self.inner.read(keys).await;
        self.gate.leave(call);
        result
    }

    async fn write(&self, rows: &[OnlineRow]) -> Result<Vec<Written>, OnlineError> {
        let call = self.gate.enter("online.write", &rows.len().to_string());
        if self.gate.is_halfway(call) {
            self.inner.write(&rows[..rows.len() / 2]).await?;
            die();
        }
        let result = self.inner.write(rows).await;
        self.gate.leave(call);
        result
    }

    async fn marks(&self, view_id: &str, table: TableId) -> Result<Vec<Mark>, OnlineError> {
        let call = self.gate.enter("online.marks", view_id);
        let result = self.inner.marks(view_id, table).await;
        self.gate.leave(call);
        result
    }

    async fn advance_marks(&self, view_id: &str, marks: &[Mark], table_version: i64) -> Result<bool, OnlineError> {
        let call = self.gate.enter("online.advance_marks", view_id);
        let result = self.inner.advance_marks(view_id, marks, table_version).await;
        self.gate.leave(call);
        result
    }

    async fn drop_view(&self, view_id: &str) -> Result<u64, OnlineError> {
        let call = self.gate.enter("online.drop_view", view_id);
        let result = self.inner.drop_view(view_id).await;
        self.gate.leave(call);
        result
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
