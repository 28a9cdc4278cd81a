//! Reading rows under one budget, and what is answered when the store does not.

pub mod breaker;
mod cache;
mod reader;

use bytes::Bytes;

pub use cache::LastKnown;
pub use reader::{Failure, Fetched, Reader};

/// What is known about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The store's answer; `None`: there is no row.
    Live(Option<Bytes>),
    /// The store failed; this is its last answer.
    LastKnown(Option<Bytes>),
    /// The store failed and the key was not asked lately.
    Unavailable,
}
