//! Rejected rows: counted by cause, written beside the table in the order they were seen, never held in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::ObjectStore;
use serde::{Deserialize, Serialize};
use snafu::{ResultExt, Snafu};
use tokio::io::AsyncWriteExt;
use triplane_contract::run::{RejectCause, RejectCount};
use triplane_contract::version;

use crate::objects::{ObjectError, get_json, put_json};

/// Bytes uploaded at a time.
const CHUNK: usize = 1 << 20;

/// Why rejected rows could not be kept.
#[derive(Debug, Snafu)]
pub enum RejectError {
    /// The scratch folder cannot be written.
    #[snafu(display("failed to write rejected rows to {path}: {source}"))]
    Scratch {
        /// The file.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The bucket cannot be written.
    #[snafu(display("failed to write rejected rows to {path}: {source}"))]
    Upload {
        /// Bucket-rooted path.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The summary cannot be read or written.
    #[snafu(transparent)]
    Summary {
        /// Cause.
        source: ObjectError,
    },
}

/// One rejected row or file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rejected {
    pub(crate) cause: RejectCause,
    /// Rows it stands for.
    pub(crate) rows: u64,
    /// File, or the query's result.
    pub(crate) place: String,
    /// Column at fault; empty for a file.
    pub(crate) column: String,
    /// The value, or what the reader says.
    pub(crate) value: String,
    /// The row as text, column by column.
    pub(crate) row: BTreeMap<String, Option<String>>,
}

impl Rejected {
    fn example(&self) -> String {
        match (self.column.as_str(), self.value.as_str()) {
            ("", value) => format!("{}: {value}", self.place),
            (column, "") => format!("{}: column {column}", self.place),
            (column, value) => format!("{}: column {column}: {value}", self.place),
        }
    }
}

struct Scope {
    counts: BTreeMap<RejectCause, (u64, String)>,
    path: PathBuf,
    lines: Option<BufWriter<File>>,
}

/// Takes rejects of one place (a source, the query's result), in that place's order.
#[derive(Clone)]
pub(crate) struct RejectScope(Arc<Mutex<Scope>>);

impl std::fmt::Debug for RejectScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RejectScope")
    }
}

impl RejectScope {
    fn new(path: PathBuf) -> Self {
        Self(Arc::new(Mutex::new(Scope {
            counts: BTreeMap::new(),
            path,
            lines: None,
        })))
    }

    /// Counts and keeps a reject.
    pub(crate) fn add(&self, rejected: &Rejected) -> std::io::Result<()> {
        let mut scope = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, _) = scope
            .counts
            .entry(rejected.cause)
            .or_insert_with(|| (0, rejected.example()));
        *rows += rejected.rows;
        if scope.lines.is_none() {
            let file = File::options()
                .create(true)
                .truncate(true)
                .read(true)
                .write(true)
                .open(&scope.path)?;
            scope.lines = Some(BufWriter::new(file));
        }
        if let Some(lines) = scope.lines.as_mut() {
            serde_json::to_writer(&mut *lines, rejected)?;
            lines.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// Rejects of one run: per source in the plan's order, then those of the query's result.
pub(crate) struct Rejects {
    folder: PathBuf,
    scopes: Vec<RejectScope>,
}

/// Rejects of a generation up to one run, `_rejected/run-<n>.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RejectSummary {
    version: u32,
    run: u64,
    /// Of this run.
    rejected: Vec<RejectCount>,
    /// Of all runs up to this one.
    pub(crate) total: Vec<RejectCount>,
}

impl Rejects {
    /// Keeps lines in `folder` until they are uploaded.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            scopes: Vec::new(),
        }
    }

    /// The next scope.
    pub(crate) fn scope(&mut self) -> RejectScope {
        let scope = RejectScope::new(self.folder.join(format!("rejected-{}.ndjson", self.scopes.len())));
        self.scopes.push(scope.clone());
        scope
    }

    /// Writes `_rejected/run-<n>.ndjson` (only where there is a line) and `_rejected/run-<n>.json`.
    pub(crate) async fn save(self, bucket: &Arc<dyn ObjectStore>, root: &str, run: u64) -> Result<(), RejectError> {
        let mut counts: BTreeMap<RejectCause, (u64, String)> = BTreeMap::new();
        let path = format!("{root}/_rejected/run-{run}.ndjson");
        let mut upload = object_store::buffered::BufWriter::new(Arc::clone(bucket), path.as_str().into());
        let mut any = false;
        for scope in &self.scopes {
            let (found, lines) = take(scope);
            for (cause, (rows, example)) in found {
                counts.entry(cause).or_insert_with(|| (0, example)).0 += rows;
            }
            if let Some((file_path, lines)) = lines {
                any = true;
                copy(lines, &file_path, &mut upload, &path).await?;
            }
        }
        if any {
            upload.shutdown().await.context(UploadSnafu { path: &path })?;
        }
        let before = summary(bucket, root, run.saturating_sub(1)).await?.total;
        let rejected = to_counts(counts.clone());
        let total = to_counts(merge(before, counts));
        let own = RejectSummary {
            version: version::CURRENT,
            run,
            rejected,
            total,
        };
        Ok(put_json(bucket, &summary_path(root, run), &own).await?)
    }
}

type Lines = (PathBuf, BufWriter<File>);

fn take(scope: &RejectScope) -> (BTreeMap<RejectCause, (u64, String)>, Option<Lines>) {
    let mut scope = scope.0.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = scope.lines.take().map(|lines| (scope.path.clone(), lines));
    (std::mem::take(&mut scope.counts), lines)
}

async fn copy(
    lines: BufWriter<File>,
    file_path: &Path,
    upload: &mut object_store::buffered::BufWriter,
    path: &str,
) -> Result<(), RejectError> {
    let scratch = || ScratchSnafu {
        path: file_path.display().to_string(),
    };
    let mut file = lines
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .context(scratch())?;
    file.seek(SeekFrom::Start(0)).context(scratch())?;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        (&mut file)
            .take(CHUNK as u64)
            .read_to_end(&mut chunk)
            .context(scratch())?;
        if chunk.is_empty() {
            return Ok(());
        }
        upload
            .put(Bytes::from(chunk))
            .await
            .map_err(std::io::Error::from)
            .context(UploadSnafu { path })?;
    }
}

fn merge(before: Vec<RejectCount>, own: BTreeMap<RejectCause, (u64, String)>) -> BTreeMap<RejectCause, (u64, String)> {
    let mut merged: BTreeMap<_, _> = before.into_iter().map(|c| (c.cause, (c.rows, c.example))).collect();
    for (cause, (rows, example)) in own {
        // The newest example is the one somebody can still look at.
        let entry = merged.entry(cause).or_insert_with(|| (0, String::new()));
        *entry = (entry.0 + rows, example);
    }
    merged
}

fn to_counts(counts: BTreeMap<RejectCause, (u64, String)>) -> Vec<RejectCount> {
    counts
        .into_iter()
        .map(|(cause, (rows, example))| RejectCount { cause, rows, example })
        .collect()
}

fn summary_path(root: &str, run: u64) -> String {
    format!("{root}/_rejected/run-{run}.json")
}

/// The summary of `run`; empty where there is none.
pub(crate) async fn summary(bucket: &Arc<dyn ObjectStore>, root: &str, run: u64) -> Result<RejectSummary, ObjectError> {
    Ok(get_json(bucket, &summary_path(root, run)).await?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::{ObjectStoreExt, path::Path as ObjectPath};

    use super::*;

    fn rejected(cause: RejectCause, value: &str) -> Rejected {
        let (place, column) = ("raw/a.parquet".to_owned(), "k".to_owned());
        Rejected {
            cause,
            rows: 1,
            place,
            column,
            value: value.to_owned(),
            row: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn totals_grow_over_runs_and_a_repeated_run_counts_once() {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let folder = tempfile::tempdir().unwrap();
        for (run, rows) in [(1, 2), (2, 3), (2, 3)] {
            let mut rejects = Rejects::new(folder.path());
            let (first, second) = (rejects.scope(), rejects.scope());
            for i in 0..rows {
                second
                    .add(&rejected(RejectCause::NullKey, &format!("{run}/{i}")))
                    .unwrap();
            }
            first.add(&rejected(RejectCause::WrongType, "x")).unwrap();
            rejects.save(&bucket, "v", run).await.unwrap();
        }
        let total = summary(&bucket, "v", 2).await.unwrap().total;
        assert_eq!(
            total.iter().map(|c| (c.cause, c.rows)).collect::<Vec<_>>(),
            [(RejectCause::NullKey, 5), (RejectCause::WrongType, 2)]
        );
        assert_eq!(total[0].example, "raw/a.parquet: column k: 2/0");
        let lines = bucket
            .get(&ObjectPath::from("v/_rejected/run-2.ndjson"))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let causes: Vec<String> = lines
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice::<serde_json::Value>(line).unwrap()["cause"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(causes, ["WrongType", "NullKey", "NullKey", "NullKey"]);
    }

    #[tokio::test]
    async fn a_run_without_rejects_writes_no_lines_and_keeps_the_totals() {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let folder = tempfile::tempdir().unwrap();
        let mut rejects = Rejects::new(folder.path());
        rejects.scope().add(&rejected(RejectCause::NullEventTime, "")).unwrap();
        rejects.save(&bucket, "v", 1).await.unwrap();
        Rejects::new(folder.path()).save(&bucket, "v", 2).await.unwrap();
        assert_eq!(summary(&bucket, "v", 2).await.unwrap().total.len(), 1);
        assert!(
            bucket
                .head(&ObjectPath::from("v/_rejected/run-2.ndjson"))
                .await
                .is_err()
        );
    }
}
