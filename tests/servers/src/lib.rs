//! Real Redis servers and clusters on free ports, which tests may stop, kill, empty and bring back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a harness fails by panicking"
)]

mod cluster;
mod migration;
mod snapshot;
mod standalone;

pub use cluster::RedisCluster;
pub use migration::Migration;
pub use snapshot::{Entry, Snapshot, dump};
pub use standalone::{Redis, free_port};
