//! The server over real sockets, with the in-process store.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod answers;
mod client;
mod crowd;
mod degraded;
mod drain;
mod gather;
mod limits;
mod switched;
mod tables;
mod v2;
mod verify;
mod world;
