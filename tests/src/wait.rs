//! Waiting for a condition instead of for a time, and for futures where there is no runtime.

use std::time::{Duration, Instant};

/// Asks `condition` until it holds; panics with `what` after `within`.
pub async fn until(what: &str, within: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + within;
    while !condition().await {
        assert!(Instant::now() < end, "gave up after {within:?} waiting until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The outcome of `future`, whether or not the caller is inside a runtime: it runs on a thread of its own.
pub fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    std::thread::scope(|scope| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = scope.spawn(|| runtime.expect("a runtime").block_on(future)).join();
        outcome.expect("the future panicked")
    })
}
