//! The table at one version.

use std::sync::Arc;

use deltalake_core::DeltaTable;
use deltalake_core::kernel::Action;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore, get_actions};
use deltalake_core::operations::create::CreateBuilder;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use snafu::{ResultExt, Snafu};
use triplane_contract::View;
use url::Url;

use super::file::{DataFile, describe};
use super::schema::{EVENT_DATE, delta_fields};

/// Why the offline table could not be read or written.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum OfflineError {
    /// The Delta log did not answer as it should.
    #[snafu(display("failed to {action} the offline table {root}: {source}"))]
    Log {
        /// What was tried.
        action: &'static str,
        /// Root of the table in the bucket.
        root: String,
        /// Cause.
        #[snafu(source(from(deltalake_core::DeltaTableError, Box::new)))]
        source: Box<deltalake_core::DeltaTableError>,
    },
    /// A data file could not be read or written.
    #[snafu(display("failed to {action} data file {path}: {source}"))]
    File {
        /// What was tried.
        action: &'static str,
        /// Bucket-rooted path.
        path: String,
        /// Cause.
        source: parquet::errors::ParquetError,
    },
    /// Batches do not have the columns they should.
    #[snafu(display("columns of {path} are not those of the view: {source}"))]
    Columns {
        /// Bucket-rooted path.
        path: String,
        /// Cause.
        source: arrow::error::ArrowError,
    },
    /// Other writers commit faster than a run can follow.
    #[snafu(display(
        "the offline table {root} changed under {attempts} attempts to commit run {run}: stop other writers of this table"
    ))]
    Contended {
        /// Root of the table in the bucket.
        root: String,
        /// Run.
        run: u64,
        /// Attempts made.
        attempts: u32,
    },
}

/// The table of one view generation, loaded at one version.
#[derive(Clone, Debug)]
pub struct Table {
    bucket: Arc<dyn ObjectStore>,
    root: String,
    delta: DeltaTable,
}

/// Transactions of runs are recorded in the log under this name.
pub(crate) fn app_id(view: &View) -> String {
    format!(
        "triplane/{}/{}/{}/g{}",
        view.namespace, view.store, view.name, view.generation
    )
}

fn log_store(bucket: &Arc<dyn ObjectStore>, root: &str) -> Result<LogStoreRef, OfflineError> {
    // The log only ever sees this bucket, so the URL names nothing outside. Its host makes the Delta kernel sort listings
    // itself instead of trusting the bucket to: a directory does not list in order.
    let mut location = Url::parse("bucket://any--x-s3/").map_err(|e| OfflineError::Log {
        action: "name",
        root: root.to_owned(),
        source: Box::new(deltalake_core::DeltaTableError::Generic(e.to_string())),
    })?;
    location.set_path(&format!("/{root}"));
    Ok(default_logstore(
        Arc::new(PrefixStore::new(Arc::clone(bucket), Path::from(root))),
        Arc::clone(bucket),
        &location,
        &StorageConfig::default(),
    ))
}

/// Creates the table, empty, in a commit of its own. Losing the race is success.
pub async fn create_if_absent(bucket: &Arc<dyn ObjectStore>, root: &str, view: &View) -> Result<Table, OfflineError> {
    if let Some(table) = Table::open(bucket, root, None).await? {
        return Ok(table);
    }
    let created = CreateBuilder::new()
        .with_log_store(log_store(bucket, root)?)
        .with_table_name(view.full_name())
        .with_columns(delta_fields(view))
        .with_partition_columns([EVENT_DATE])
        .with_commit_properties(CommitProperties::default().with_max_retries(0))
        .await;
    match (created, Table::open(bucket, root, None).await?) {
        (_, Some(table)) => Ok(table),
        (Err(source), None) => Err(OfflineError::Log {
            action: "create",
            root: root.to_owned(),
            source: Box::new(source),
        }),
        (Ok(delta), None) => Ok(Table {
            bucket: Arc::clone(bucket),
            root: root.to_owned(),
            delta,
        }),
    }
}

impl Table {
    /// Loads the table below `root` (bucket-rooted, `layout::view_root`) at `version`, or its newest; `None` where there is none.
    pub async fn open(
        bucket: &Arc<dyn ObjectStore>,
        root: &str,
        version: Option<i64>,
    ) -> Result<Option<Self>, OfflineError> {
        let log = log_store(bucket, root)?;
        let exists = log
            .is_delta_table_location()
            .await
            .context(LogSnafu { action: "find", root })?;
        if !exists {
            return Ok(None);
        }
        let mut delta = DeltaTable::new(log);
        match version.and_then(|v| u64::try_from(v).ok()) {
            Some(version) => delta
                .load_version(version)
                .await
                .context(LogSnafu { action: "load", root })?,
            None => delta.load().await.context(LogSnafu { action: "load", root })?,
        }
        Ok(Some(Self {
            bucket: Arc::clone(bucket),
            root: root.to_owned(),
            delta,
        }))
    }

    /// Version loaded.
    pub fn version(&self) -> i64 {
        self.delta.version().map_or(-1, |v| v as i64)
    }

    /// Bucket the table lies in.
    pub fn bucket(&self) -> &Arc<dyn ObjectStore> {
        &self.bucket
    }

    /// Root in the bucket.
    pub fn root(&self) -> &str {
        &self.root
    }

    pub(crate) fn delta(&self) -> &DeltaTable {
        &self.delta
    }

    /// Active files with their statistics, by path.
    pub fn files(&self) -> Result<Vec<DataFile>, OfflineError> {
        let state = self.delta.snapshot().context(LogSnafu {
            action: "list",
            root: &self.root,
        })?;
        let mut files: Vec<_> = state
            .log_data()
            .iter()
            .map(|file| {
                let path = Path::from(format!("{}/{}", self.root, file.path()));
                describe(
                    path,
                    file.size() as u64,
                    file.stats().as_deref(),
                    &file.partition_values_map(),
                )
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// The last run whose rows are in this version; 0 before the first.
    pub async fn committed_run(&self, view: &View) -> Result<u64, OfflineError> {
        let state = self.delta.snapshot().context(LogSnafu {
            action: "read",
            root: &self.root,
        })?;
        let found = state
            .transaction_version(self.delta.log_store().as_ref(), app_id(view))
            .await;
        let found = found.context(LogSnafu {
            action: "read transactions of",
            root: &self.root,
        })?;
        Ok(found.map_or(0, |run| run as u64))
    }

    /// The smallest run committed by versions in `(after, self.version()]`: `Some(None)` if none of them is a run, `None` if
    /// the log no longer reaches back that far.
    pub async fn first_run_after(&self, view: &View, after: i64) -> Result<Option<Option<u64>>, OfflineError> {
        let app = app_id(view);
        for version in after + 1..=self.version() {
            let entry = self.delta.log_store().read_commit_entry(version as u64).await;
            let Some(bytes) = entry.context(LogSnafu {
                action: "read the log of",
                root: &self.root,
            })?
            else {
                return Ok(None);
            };
            let actions = get_actions(version as u64, &bytes).context(LogSnafu {
                action: "read the log of",
                root: &self.root,
            })?;
            let run = actions.iter().find_map(|action| match action {
                Action::Txn(txn) if txn.app_id == app => Some(txn.version as u64),
                _ => None,
            });
            if run.is_some() {
                return Ok(Some(run));
            }
        }
        Ok(Some(None))
    }
}
