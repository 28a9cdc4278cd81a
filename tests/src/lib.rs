//! Harness of the suites that cross crates: real Redis, real processes, a network that misbehaves on demand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    clippy::unwrap_in_result,
    reason = "a harness that cannot do its work fails the test, and the panic is the message"
)]

pub mod balancer;
pub mod child;
pub mod delta;
pub mod dev;
pub mod fixture;
pub mod flights;
pub mod http;
pub mod kill;
pub mod load;
pub mod minio;
pub mod online;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod run;
pub mod s3_proxy;
pub mod serving;
pub mod start;
pub mod vectors;
pub mod wait;
pub mod world;
