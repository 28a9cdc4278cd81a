//! The online store on Redis: one server, or a cluster of them.
//!
//! Keys of one command always share a hash tag (reads) or a slot (writes). Where a slot is, `discovery` finds out and `router`
//! follows; a single server is a cluster of one node that never changes.

pub mod acl;
mod batch;
mod discovery;
mod drop;
mod error;
mod link;
mod mark;
mod node;
mod redirect;
mod router;
mod script;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::try_join_all;
use redis::{Cmd, FromRedisValue};
use tokio::time::Instant;

use self::discovery::Discovery;
use self::node::{Lane, Login, Node};
use self::router::Call;
use self::script::RowWrite;
use super::{Mark, OnlineError, OnlineRow, OnlineStore, RowKey, TableId, Written};
use crate::clock::Clock;
use crate::key::check_prefix;

/// Redis adds the time of day to an expiry; this stays in range for any clock (30,000 years).
const LONGEST_PX_MS: i64 = 1_000_000_000_000_000;

/// How long a view is dropped again while slots change hands, and between two attempts.
const PATIENCE: Duration = Duration::from_mins(2);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Rows as strings of Redis.
pub(super) struct RedisStore {
    prefix: String,
    clock: Arc<dyn Clock>,
    discovery: Discovery,
}

/// Where the store is and who asks.
pub(super) struct Settings {
    /// `host:port` of a server, of a node of a cluster, or of a name that leads to any of them.
    pub(super) address: String,
    pub(super) prefix: String,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<String>,
}

impl RedisStore {
    /// A store that connects when it is first asked.
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, OnlineError> {
        let Settings {
            address,
            prefix,
            username,
            password_file,
        } = settings;
        let misconfigured = |message: String| OnlineError::Misconfigured {
            address: address.clone(),
            message,
        };
        check_prefix(&prefix).map_err(|error| misconfigured(error.to_string()))?;
        let login = Login {
            username,
            password_file,
        };
        let seed = Node::new(&address, &login).ok_or_else(|| misconfigured("write it as host:port".to_owned()))?;
        Ok(Self {
            prefix,
            clock,
            discovery: Discovery::new(seed, login),
        })
    }

    /// Opens the connections for reads ahead of the first one.
    pub(super) async fn warm(&self) {
        // The links have logged the failure and try again with the next request.
        let Ok(map) = self.discovery.map().await else { return };
        futures::future::join_all(map.primaries().iter().map(|node| node.reads.connected())).await;
    }

    fn protocol(&self, message: impl Into<String>) -> OnlineError {
        OnlineError::Protocol {
            address: self.discovery.address().to_owned(),
            message: message.into(),
        }
    }

    /// Runs calls, each made a command by `encode`, and gives each answer to `take`.
    async fn run<T: FromRedisValue + Send>(
        &self,
        lane: Lane,
        calls: Vec<Call>,
        encode: impl Fn(&[usize]) -> Cmd + Sync,
        mut take: impl FnMut(&[usize], T) -> Result<(), OnlineError> + Send,
    ) -> Result<(), OnlineError> {
        router::run(&self.discovery, lane, calls, &encode, &mut take).await
    }
}

#[async_trait]
impl OnlineStore for RedisStore {
    async fn read(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, OnlineError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mget = |places: &[usize]| {
            let mut command = redis::cmd("MGET");
            for i in places {
                command.arg(keys[*i].as_bytes());
            }
            command
        };
        let mut rows = vec![None; keys.len()];
        let keep = |places: &[usize], found: Vec<Option<Bytes>>| {
            if found.len() != places.len() {
                return Err(self.protocol(format!("{} values for {} keys", found.len(), places.len())));
            }
            for (i, row) in places.iter().zip(found) {
                rows[*i] = row;
            }
            Ok(())
        };
        self.run(Lane::Reads, batch::calls_by_tag(keys), mget, keep).await?;
        Ok(rows)
    }

    async fn write(&self, rows: &[OnlineRow]) -> Result<Vec<Written>, OnlineError> {
        let now_us = self.clock.now_us();
        let alive = |row: &OnlineRow| row.expires_at_us.is_none_or(|at| at > now_us);
        let places: Vec<usize> = (0..rows.len()).filter(|i| alive(&rows[*i])).collect();
        let rule = |places: &[usize]| {
            let row = |i: &usize| RowWrite {
                key: &rows[*i].key,
                bytes: &rows[*i].bytes,
                px_ms: px_ms(&rows[*i], now_us),
            };
            script::write_call(places.iter().map(row))
        };
        let mut out = vec![Written::Expired; rows.len()];
        let note = |places: &[usize], codes: Vec<i64>| {
            if codes.len() != places.len() {
                return Err(self.protocol(format!("{} outcomes for {} rows", codes.len(), places.len())));
            }
            for (i, code) in places.iter().zip(codes) {
                let outcome = script::outcome(code);
                out[*i] = outcome.ok_or_else(|| self.protocol(format!("outcome {code} of the write rule")))?;
            }
            Ok(())
        };
        self.run(Lane::Writes, batch::calls_by_slot(rows, places), rule, note)
            .await?;
        Ok(out)
    }

    async fn marks(&self, view_id: &str, table: TableId) -> Result<Vec<Mark>, OnlineError> {
        self.ensure_marks(view_id, table).await
    }

    async fn advance_marks(&self, view_id: &str, marks: &[Mark], table_version: i64) -> Result<bool, OnlineError> {
        self.advance(view_id, marks, table_version).await
    }

    async fn drop_view(&self, view_id: &str) -> Result<u64, OnlineError> {
        let (mut removed, mut pause) = (0, FIRST_PAUSE);
        let give_up = Instant::now() + PATIENCE;
        loop {
            let pieces = self.discovery.refresh().await?.pieces();
            let claim = self.claim(view_id, &pieces).await?;
            // The claim may have been made on a primary that was not known before.
            let before = self.discovery.refresh().await?;
            removed += self.remove_rows(&before, view_id, &claim).await?;
            let after = self.discovery.refresh().await?;
            if before.topology().moving || after.topology().moving {
                // A key on its way may have left the one node behind the look and reached the other one before: it moves once.
                removed += self.remove_rows(&after, view_id, &claim).await?;
            }
            let stayed = before.topology().has_owners_of(after.topology()) && after.pieces() == pieces;
            if stayed && self.release(&claim).await? {
                return Ok(removed);
            }
            if Instant::now() >= give_up {
                return Err(
                    self.protocol("slots change hands or servers start again too often to drop a view: try again")
                );
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn ping(&self) -> Result<(), OnlineError> {
        let map = self.discovery.map().await?;
        let ping = |node: &Arc<Node>| {
            let reads = node.reads.clone();
            async move {
                let ping = |mut connection| async move { redis::cmd("PING").exec_async(&mut connection).await };
                reads.run(ping).await
            }
        };
        let answered = try_join_all(map.primaries().iter().map(ping)).await;
        if answered.is_err() {
            self.discovery.suspect();
        }
        answered.map(|_| ())
    }

    fn shard_of(&self, key: &RowKey) -> usize {
        self.discovery.known().map_or(0, |map| map.shard(key.slot()))
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// Time until a row's expiry by our clock, rounded up; 0 where it has none. Relative, because the server's clock is another.
fn px_ms(row: &OnlineRow, now_us: i64) -> i64 {
    let left = |at: i64| (i128::from(at) - i128::from(now_us) + 999) / 1_000;
    row.expires_at_us
        .map_or(0, |at| left(at).clamp(1, LONGEST_PX_MS.into()) as i64)
}
