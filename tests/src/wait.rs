//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

/// Asks `condition` until it holds; panics with `what` after `within`.
pub async fn until(what: &str, within: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + within;
    while !condition().await {
        assert!(Instant::now() < end, "gave up after {within:?} waiting until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
