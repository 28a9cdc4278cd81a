//! Online stores: where the newest row of each key is read in milliseconds.

mod mark;
pub mod memory;
mod piece;
pub mod redis;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use snafu::Snafu;
use triplane_contract::store::OnlineAccess;

pub use self::mark::{Mark, MarkToken, TableId};
pub use self::piece::{PIECE_SLOTS, Piece, SLOTS};
use crate::clock::Clock;
use crate::key::RowKey;
use crate::row::OnlineRow;

/// What the write rule did with each row, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Stored.
    Stored,
    /// The stored row has an equal or larger rank.
    Older,
    /// As `Older`, and the stored row stands in for a retracted one: the writer has to look at all facts of the key.
    OlderThanRetraction,
    /// Past its physical expiry: not stored.
    Expired,
}

/// Why a store did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum OnlineError {
    /// The settings cannot be meant.
    #[snafu(display("online store \"{address}\": {message}"))]
    Misconfigured {
        /// The address as written.
        address: String,
        /// What to change.
        message: String,
    },
    /// No connection, or it broke.
    #[snafu(display("online store {address} is not reachable: {message}"))]
    Unreachable {
        /// `host:port`
        address: String,
        /// Cause.
        message: String,
    },
    /// The store's memory is full; reads go on.
    #[snafu(display("online store {address} is full: {message}"))]
    Full {
        /// `host:port`
        address: String,
        /// Cause.
        message: String,
    },
    /// The login was refused.
    #[snafu(display("online store {address} refused the login: {message}"))]
    Denied {
        /// `host:port`
        address: String,
        /// Cause.
        message: String,
    },
    /// An answer that the protocol does not allow here.
    #[snafu(display("online store {address} gave an unexpected answer: {message}"))]
    Protocol {
        /// `host:port`
        address: String,
        /// Cause.
        message: String,
    },
}

/// The online store of one FeatureStore. Every implementation passes the suite in `tests/online_contract`.
#[async_trait]
pub trait OnlineStore: Send + Sync {
    /// Reads rows, one answer per key in order, `None` where absent. Deadlines are the caller's.
    async fn read(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, OnlineError>;

    /// Writes rows, each atomically: it replaces the stored one iff its rank is larger. One outcome per row in order. Rows of
    /// one call may lie anywhere.
    async fn write(&self, rows: &[OnlineRow]) -> Result<Vec<Written>, OnlineError>;

    /// The mark of each piece, in order of slots. A piece without one gets one first, of `table` and with nothing published:
    /// the rows written from now on are that table's. Marks of other tables stay as they are; the caller has to drop the view.
    async fn marks(&self, view_id: &str, table: TableId) -> Result<Vec<Mark>, OnlineError>;

    /// Advances marks, each in one step, if it still is the one that was read; none goes back. `false`: one was lost or
    /// dropped since, or its piece was cut anew, and so may have been rows. Read the marks again and start over.
    async fn advance_marks(&self, view_id: &str, marks: &[Mark], table_version: i64) -> Result<bool, OnlineError>;

    /// Removes every row and mark of a view generation; returns rows removed. From the first row on until the last, marks say
    /// that rows are being dropped (`Mark::table`), also if this is killed; tokens from before are void. Calls at once join.
    async fn drop_view(&self, view_id: &str) -> Result<u64, OnlineError>;

    /// Answers when the store does.
    async fn ping(&self) -> Result<(), OnlineError>;

    /// The shard that has `key`, as far as is known: shards fail one by one. Below 16,384.
    fn shard_of(&self, key: &RowKey) -> usize;

    /// Prefix of every key of this store.
    fn prefix(&self) -> &str;
}

/// The online store that `access` names; `Memory` is a new, empty store each time. Waits a second at most for a first
/// connection, so that the first request is not slowed; it connects again whenever it has to. An unreachable server is an
/// error of the requests, not of this call, which fails for settings that cannot be meant.
pub async fn connect(access: &OnlineAccess, clock: Arc<dyn Clock>) -> Result<Arc<dyn OnlineStore>, OnlineError> {
    match access.clone() {
        OnlineAccess::Memory => Ok(Arc::new(memory::MemoryStore::new(clock))),
        OnlineAccess::Redis {
            address,
            prefix,
            username,
            password_file,
        } => {
            let settings = redis::Settings {
                address,
                prefix,
                username,
                password_file,
            };
            let store = redis::RedisStore::new(settings, clock)?;
            store.warm().await;
            Ok(Arc::new(store))
        }
    }
}
