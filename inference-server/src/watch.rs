//! A route table in a file: read at the start, looked at again for as long as the server runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use snafu::{ResultExt, Snafu};
use triplane_contract::route::RouteTable;

use crate::server::Handle;
use crate::service::ServeError;

/// Time between two looks at the file. A mounted `ConfigMap` changes by a link that file events do not follow.
const PERIOD: Duration = Duration::from_millis(500);
/// Longest time between two attempts at a content that fails.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// Why a file is not served.
#[derive(Debug, Snafu)]
pub enum WatchError {
    /// The file cannot be read.
    #[snafu(display("cannot read the route table {}: {source}", path.display()))]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The file is no route table.
    #[snafu(display("{} is not a route table: {source}", path.display()))]
    Parse {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: serde_json::Error,
    },
    /// The table cannot be served.
    #[snafu(display("{}: {source}", path.display()))]
    Serve {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: ServeError,
    },
}

/// Serves the table of `path`, and every later content of it; never returns. A table that cannot be served is logged once
/// and the one before goes on. It is tried again, for the failure may pass (a bucket that is away), but ever more seldom.
pub async fn watch(handle: Handle, path: PathBuf) {
    let mut seen = Seen::default();
    loop {
        if let Err(error) = seen.look(&handle, &path).await {
            let message = error.to_string();
            if seen.logged.as_ref() != Some(&message) {
                tracing::error!(error = message, "the route table is not served; the one before goes on");
            }
            seen.logged = Some(message);
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// What became of the contents so far.
#[derive(Default)]
struct Seen {
    served: Option<Vec<u8>>,
    failed: Option<Failed>,
    logged: Option<String>,
}

impl Seen {
    /// Serves the file where its content is new, or failed and is due again.
    async fn look(&mut self, handle: &Handle, path: &Path) -> Result<(), WatchError> {
        let content = tokio::fs::read(path).await.context(ReadSnafu { path })?;
        if self.served.as_ref() == Some(&content) {
            (self.failed, self.logged) = (None, None);
            return Ok(());
        }
        if let Some(failed) = &self.failed
            && failed.holds_back(&content, Instant::now())
        {
            return Ok(());
        }
        let served = serve(handle, path, &content).await;
        *self = match served {
            Ok(()) => Self {
                served: Some(content),
                ..Self::default()
            },
            Err(_) => Self {
                failed: Some(Failed::after(self.failed.as_ref(), content, Instant::now())),
                served: self.served.take(),
                logged: self.logged.take(),
            },
        };
        served
    }
}

async fn serve(handle: &Handle, path: &Path, content: &[u8]) -> Result<(), WatchError> {
    let table: RouteTable = serde_json::from_slice(content).context(ParseSnafu { path })?;
    handle.serve(&table).await.context(ServeSnafu { path })
}

/// A content that could not be served, and when it is tried again: an attempt may read and hash a large model.
struct Failed {
    content: Vec<u8>,
    pause: Duration,
    due: Instant,
}

impl Failed {
    /// The pause doubles while the content stays the same.
    fn after(before: Option<&Self>, content: Vec<u8>, now: Instant) -> Self {
        let pause = match before {
            Some(before) if before.content == content => (before.pause * 2).min(LONGEST_PAUSE),
            _ => PERIOD,
        };
        Self {
            content,
            pause,
            due: now + pause,
        }
    }

    fn holds_back(&self, content: &[u8], now: Instant) -> bool {
        self.content == content && now < self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_table_is_tried_ever_more_seldom_but_always_again() {
        let start = Instant::now();
        let (mut now, mut failed, mut attempts) = (start, None, 0_u32);
        while now < start + Duration::from_hours(1) {
            let held_back = failed
                .as_ref()
                .is_some_and(|failed: &Failed| failed.holds_back(b"bad", now));
            if !held_back {
                attempts += 1;
                failed = Some(Failed::after(failed.as_ref(), b"bad".to_vec(), now));
            }
            now += PERIOD;
        }
        let failed = failed.unwrap();
        assert_eq!(failed.pause, LONGEST_PAUSE);
        assert!((30..=45).contains(&attempts), "{attempts} attempts in an hour");
        assert!(!failed.holds_back(b"bad", failed.due));
    }

    #[test]
    fn another_content_is_tried_at_once() {
        let now = Instant::now();
        let first = Failed::after(None, b"bad".to_vec(), now);
        assert!(first.holds_back(b"bad", now));
        assert!(!first.holds_back(b"good", now));
        let second = Failed::after(Some(&first), b"bad".to_vec(), now);
        assert_eq!(second.pause, 2 * PERIOD);
        assert_eq!(Failed::after(Some(&second), b"worse".to_vec(), now).pause, PERIOD);
    }
}
