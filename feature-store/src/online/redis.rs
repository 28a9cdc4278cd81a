//! The online store on one Redis server.
//!
//! Keys of one command always share a hash tag (reads) or a slot (writes), so that a cluster is served by the same commands.

mod batch;
mod error;
mod link;
mod mark;
mod script;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, Pipeline, RedisResult, ServerErrorKind};

use self::batch::Call;
use self::link::{Endpoint, Link};
use self::mark::Claim;
use self::script::RowWrite;
use super::{Mark, MarkToken, OnlineError, OnlineRow, OnlineStore, Piece, RowKey, TableId, WriteMode, Written};
use crate::clock::Clock;
use crate::key::check_prefix;

/// Keys that one SCAN step looks at: 1 ms of Redis at most.
const SCAN_COUNT: usize = 1_000;
/// Redis adds the time of day to an expiry; this stays in range for any clock (30,000 years).
const LONGEST_PX_MS: i64 = 1_000_000_000_000_000;

/// Rows as strings of one Redis server.
pub(super) struct RedisStore {
    prefix: String,
    clock: Arc<dyn Clock>,
    /// Reads have a connection of their own: they do not queue behind bulk writes.
    reads: Link,
    writes: Link,
}

/// Where the server is and who asks.
pub(super) struct Settings {
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
        let host_and_port = address
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let Some((host, port)) = host_and_port.filter(|(host, _)| !host.is_empty()) else {
            return Err(misconfigured("write it as host:port".to_owned()));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let endpoint = Endpoint {
            address,
            host,
            port,
            username,
            password_file,
        };
        Ok(Self {
            prefix,
            clock,
            reads: Link::new(endpoint.clone()),
            writes: Link::new(endpoint),
        })
    }

    /// Opens the connection for reads ahead of the first one.
    pub(super) async fn warm(&self) {
        // The link has logged the failure and tries again with the next request.
        let _ = self.reads.connected().await;
    }

    fn protocol(&self, message: impl Into<String>) -> OnlineError {
        OnlineError::Protocol {
            address: self.writes.address().to_owned(),
            message: message.into(),
        }
    }

    async fn set_all(&self, rows: &[OnlineRow], places: &[usize], now_us: i64) -> Result<(), OnlineError> {
        for pipeline in batch::pipelines(rows, places) {
            let mut commands = Pipeline::with_capacity(pipeline.len());
            for i in pipeline {
                commands.cmd("SET").arg(rows[i].key.as_bytes()).arg(&rows[i].bytes[..]);
                if let px @ 1.. = px_ms(&rows[i], now_us) {
                    commands.arg("PX").arg(px);
                }
                commands.ignore();
            }
            let commands = &commands;
            self.writes
                .run(|mut connection| async move { commands.exec_async(&mut connection).await })
                .await?;
        }
        Ok(())
    }

    /// Runs the write rule over calls of one pipeline and puts the outcomes into their places.
    async fn apply_rule(
        &self,
        rows: &[OnlineRow],
        calls: Vec<Call>,
        now_us: i64,
        out: &mut [Written],
    ) -> Result<(), OnlineError> {
        let mut open = calls;
        // A second round where the server did not know the script: only for the calls that were not run.
        for round in 0..2 {
            let mut commands = Pipeline::with_capacity(open.len());
            commands.ignore_errors();
            for call in &open {
                let row = |i: &usize| RowWrite {
                    key: &rows[*i].key,
                    bytes: &rows[*i].bytes,
                    px_ms: px_ms(&rows[*i], now_us),
                };
                commands.add_command(script::write_call(call.iter().map(row)));
            }
            let answers = self.writes.run(|connection| query_each(&commands, connection)).await?;
            let mut unknown = Vec::new();
            for (call, answer) in open.into_iter().zip(answers) {
                match answer {
                    Ok(codes) => self.note_codes(&call, &codes, out)?,
                    Err(error) if round == 0 && is_no_script(&error) => unknown.push(call),
                    Err(error) => return Err(error::classify(self.writes.address(), &error)),
                }
            }
            if unknown.is_empty() {
                return Ok(());
            }
            self.writes.run(script::load).await?;
            open = unknown;
        }
        Ok(())
    }

    fn note_codes(&self, call: &Call, codes: &[i64], out: &mut [Written]) -> Result<(), OnlineError> {
        if codes.len() != call.len() {
            return Err(self.protocol(format!("{} outcomes for {} rows", codes.len(), call.len())));
        }
        for (i, code) in call.iter().zip(codes) {
            out[*i] =
                script::outcome(*code).ok_or_else(|| self.protocol(format!("outcome {code} of the write rule")))?;
        }
        Ok(())
    }

    fn mark_keys(&self, view_id: &str) -> Vec<RowKey> {
        Piece::all()
            .map(|piece| RowKey::mark(&self.prefix, view_id, piece))
            .collect()
    }

    async fn unlink(&self, keys: &[Vec<u8>]) -> Result<u64, OnlineError> {
        let mut commands = Pipeline::with_capacity(keys.len());
        for key in keys {
            commands.cmd("UNLINK").arg(key);
        }
        let commands = &commands;
        let removed: Vec<u64> = self
            .writes
            .run(|mut connection| async move { commands.query_async(&mut connection).await })
            .await?;
        Ok(removed.iter().sum())
    }

    async fn remove_rows(&self, view_id: &str, claim: &Claim) -> Result<u64, OnlineError> {
        let (head, pattern) = (
            format!("{}{{", self.prefix),
            format!("{}{{*}}{view_id}", escape_glob(&self.prefix)),
        );
        let (mut cursor, mut removed) = (0_u64, 0);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
            let scan = &scan;
            let (next, mut found): (u64, Vec<Vec<u8>>) = self
                .writes
                .run(|mut connection| async move { scan.query_async(&mut connection).await })
                .await?;
            found.retain(|key| key.starts_with(head.as_bytes()));
            if !found.is_empty() {
                // Where a call that joined has ended, everything is gone and what is found is new.
                if !self.holds(claim).await? {
                    return Ok(removed);
                }
                removed += self.unlink(&found).await?;
            }
            if next == 0 {
                return Ok(removed);
            }
            cursor = next;
        }
    }
}

#[async_trait]
impl OnlineStore for RedisStore {
    async fn read(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, OnlineError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut by_tag: Vec<(&[u8], usize)> = keys.iter().enumerate().map(|(i, key)| (key.hash_tag(), i)).collect();
        by_tag.sort_unstable();
        let mut commands = Pipeline::new();
        for group in by_tag.chunk_by(|a, b| a.0 == b.0) {
            commands.cmd("MGET");
            for (_, i) in group {
                commands.arg(keys[*i].as_bytes());
            }
        }
        let commands = &commands;
        let answers: Vec<Vec<Option<Bytes>>> = self
            .reads
            .run(|mut connection| async move { commands.query_async(&mut connection).await })
            .await?;
        let mut rows = vec![None; keys.len()];
        let mut found = answers.into_iter().flatten();
        for (_, i) in by_tag {
            rows[i] = found.next().ok_or_else(|| self.protocol("fewer values than keys"))?;
        }
        Ok(rows)
    }

    async fn write(&self, rows: &[OnlineRow], mode: WriteMode) -> Result<Vec<Written>, OnlineError> {
        let now_us = self.clock.now_us();
        let alive = |row: &OnlineRow| row.expires_at_us.is_none_or(|at| at > now_us);
        let places: Vec<usize> = (0..rows.len()).filter(|i| alive(&rows[*i])).collect();
        let mut out = vec![Written::Expired; rows.len()];
        match mode {
            WriteMode::FirstFill => {
                self.set_all(rows, &places, now_us).await?;
                for i in places {
                    out[i] = Written::Stored;
                }
            }
            WriteMode::Rule => {
                for calls in batch::calls_by_slot(rows, places) {
                    self.apply_rule(rows, calls, now_us, &mut out).await?;
                }
            }
        }
        Ok(out)
    }

    async fn marks(&self, view_id: &str, table: TableId) -> Result<Vec<Mark>, OnlineError> {
        let mut marks = Vec::new();
        for (piece, key) in Piece::all().zip(self.mark_keys(view_id)) {
            marks.push(self.ensure_mark(&key, piece, table).await?);
        }
        Ok(marks)
    }

    async fn advance_mark(
        &self,
        view_id: &str,
        piece: Piece,
        token: &MarkToken,
        table_version: i64,
    ) -> Result<bool, OnlineError> {
        let key = RowKey::mark(&self.prefix, view_id, piece);
        self.advance(&key, token, table_version).await
    }

    async fn drop_view(&self, view_id: &str) -> Result<u64, OnlineError> {
        let mut removed = 0;
        loop {
            let claim = self.claim(view_id).await?;
            removed += self.remove_rows(view_id, &claim).await?;
            if self.release(&claim).await? {
                return Ok(removed);
            }
        }
    }

    async fn ping(&self) -> Result<(), OnlineError> {
        let ping =
            |mut connection: MultiplexedConnection| async move { redis::cmd("PING").exec_async(&mut connection).await };
        self.reads.run(ping).await
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }
}

async fn query_each(
    commands: &Pipeline,
    mut connection: MultiplexedConnection,
) -> RedisResult<Vec<RedisResult<Vec<i64>>>> {
    commands.query_async(&mut connection).await
}

fn is_no_script(error: &redis::RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Time until a row's expiry by our clock, rounded up; 0 where it has none. Relative, because the server's clock is another.
fn px_ms(row: &OnlineRow, now_us: i64) -> i64 {
    let left = |at: i64| (i128::from(at) - i128::from(now_us) + 999) / 1_000;
    row.expires_at_us
        .map_or(0, |at| left(at).clamp(1, LONGEST_PX_MS.into()) as i64)
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
