//! A route table in a file: read at the start, looked at again for as long as the server runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use snafu::{ResultExt, Snafu};
use triplane_contract::route::RouteTable;

use crate::server::Handle;
use crate::service::ServeError;

/// Time between two looks at the file. A mounted `ConfigMap` changes by a link that file events do not follow.
const PERIOD: Duration = Duration::from_millis(500);

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
/// and the one before goes on; a failure that may pass (a bucket that is away) is tried again.
pub async fn watch(handle: Handle, path: PathBuf) {
    let mut served: Option<Vec<u8>> = None;
    let mut failed: Option<String> = None;
    loop {
        match next(&handle, &path, served.as_deref()).await {
            Ok(Some(content)) => (served, failed) = (Some(content), None),
            Ok(None) => failed = None,
            Err(error) => {
                let message = error.to_string();
                if failed.as_ref() != Some(&message) {
                    tracing::error!(error = message, "the route table is not served; the one before goes on");
                }
                failed = Some(message);
            }
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Serves the file where its content is another than `served`.
async fn next(handle: &Handle, path: &Path, served: Option<&[u8]>) -> Result<Option<Vec<u8>>, WatchError> {
    let content = tokio::fs::read(path).await.context(ReadSnafu { path })?;
    if served == Some(content.as_slice()) {
        return Ok(None);
    }
    let table: RouteTable = serde_json::from_slice(&content).context(ParseSnafu { path })?;
    handle.serve(&table).await.context(ServeSnafu { path })?;
    Ok(Some(content))
}
