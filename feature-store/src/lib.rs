//! One meaning of a feature, offline and online.
//!
//! Everything that decides *which row counts at a moment* and *what is served where a value is missing* is here, once: the
//! point-in-time join, the materializer and the servers call the same functions. IO is in `online` alone.

pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod key;
pub mod online;
pub mod order;
pub mod row;
pub mod semantics;
pub mod value;

pub use clock::{Clock, FixedClock, SystemClock};
pub use value::{Value, ValueRef};
