//! The commit of a run: its files and its transaction, in the snapshot that was checked.

use std::collections::HashMap;

use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError};
use deltalake_core::kernel::{Action, Add, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use serde_json::{Value, json};
use snafu::ResultExt;
use triplane_contract::View;

use super::file::{Stats, time_text};
use super::schema::{EVENT_DATE, EVENT_TIME, SEQUENCE};
use super::table::{LogSnafu, OfflineError, Table, app_id};
use super::write::WrittenFile;

/// What is committed.
pub struct RunCommit<'a> {
    /// The view generation.
    pub view: &'a View,
    /// Number of the run.
    pub run: u64,
    /// When the run was planned, microseconds.
    pub planned_at_us: i64,
    /// Files of the run; none is a run that changed nothing.
    pub files: &'a [WrittenFile],
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The run is in the table.
    Committed,
    /// The table moved on since the snapshot: load it again and look.
    Stale,
}

/// Commits at exactly `table.version() + 1`, or not at all. Delta's own conflict check lets a later writer with the same
/// transaction through, so a table that moved is not retried here.
pub async fn commit_run(table: &Table, commit: &RunCommit<'_>) -> Result<CommitOutcome, OfflineError> {
    let state = table.delta().snapshot().context(LogSnafu {
        action: "read",
        root: table.root(),
    })?;
    let properties = CommitProperties::default()
        .with_max_retries(0)
        .with_cleanup_expired_logs(Some(false))
        .with_application_transaction(Transaction::new(app_id(commit.view), commit.run as i64));
    let operation = DeltaOperation::Write {
        mode: SaveMode::Append,
        partition_by: Some(vec![EVENT_DATE.to_owned()]),
        predicate: None,
    };
    let actions = commit
        .files
        .iter()
        .map(|file| Action::Add(add(file, commit.planned_at_us)))
        .collect();
    let done = CommitBuilder::from(properties)
        .with_actions(actions)
        .build(Some(state as &dyn TableReference), table.delta().log_store(), operation)
        .await;
    match done {
        Ok(_) => Ok(CommitOutcome::Committed),
        Err(
            DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::MaxCommitAttempts(_) | TransactionError::VersionAlreadyExists(_),
            },
        ) => Ok(CommitOutcome::Stale),
        Err(source) => Err(OfflineError::Log {
            action: "commit to",
            root: table.root().to_owned(),
            source: Box::new(source),
        }),
    }
}

fn add(file: &WrittenFile, planned_at_us: i64) -> Add {
    let bounds = |event_us: i64, sequence: i64| -> HashMap<String, Value> {
        let time = time_text(event_us).map(|text| (EVENT_TIME.to_owned(), json!(text)));
        time.into_iter()
            .chain([(SEQUENCE.to_owned(), json!(sequence))])
            .collect()
    };
    let stats = Stats {
        num_records: file.rows,
        min_values: bounds(file.event_us.0, file.sequence.0),
        max_values: bounds(file.event_us.1, file.sequence.1),
        null_count: [EVENT_TIME, SEQUENCE].map(|name| (name.to_owned(), json!(0))).into(),
    };
    Add {
        path: file.path.clone(),
        partition_values: HashMap::from([(EVENT_DATE.to_owned(), Some(file.date.clone()))]),
        size: file.size as i64,
        modification_time: planned_at_us.div_euclid(1000),
        data_change: true,
        stats: serde_json::to_string(&stats).ok(),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}
