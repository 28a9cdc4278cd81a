//! Materialization: what a run is told, what it plans, what it reports.

use serde::{Deserialize, Serialize};

use crate::View;
use crate::store::StoreAccess;

/// A named Parquet source: every object below `path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Table name in the query.
    pub name: String,
    /// Bucket-rooted folder.
    pub path: String,
    /// Column that places a source row in time.
    pub timestamp_column: String,
}

/// How rows of a view are made from its sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transform {
    /// Sources by name; exactly one where `query` is `None`.
    pub sources: Vec<Source>,
    /// SQL over the sources; `None` takes the source's columns as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Column of the result that is the event time.
    pub timestamp_column: String,
    /// Column of the result that is the created time; `None`: when the plan's newest object was learned of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_column: Option<String>,
    /// How far from its own event time the source rows are that a result row is made of.
    #[serde(default)]
    pub lookback_us: i64,
}

/// What a materialization Job is told (`run.json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSpec {
    /// Contract version.
    pub version: u32,
    /// The view generation to bring up to date.
    pub view: View,
    /// How its rows are made.
    pub transform: Transform,
    /// Where they go.
    pub store: StoreAccess,
    /// Memory the run may use, bytes.
    pub memory_limit_bytes: u64,
}

/// One object of a plan. A removed object is listed with `removed` and its last known range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedObject {
    /// Name of the source it belongs to.
    pub source: String,
    /// Bucket-rooted path.
    pub path: String,
    /// `ETag` at planning time.
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// Last-Modified, microseconds.
    pub last_modified_us: i64,
    /// Smallest time in the source's timestamp column; `None`: no row, all NULL, or unreadable.
    pub min_us: Option<i64>,
    /// Largest time.
    pub max_us: Option<i64>,
    /// The object is gone: it counts as empty from this run on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// Why the object could not be read at planning time; its rows are rejected with `UnreadableFile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// `_triplane/runs/<n>.json`, written once by put-if-absent: the objects that arrived since run n-1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunPlan {
    /// Contract version.
    pub version: u32,
    /// Number of the run, from 1.
    pub run: u64,
    /// The clock when the plan was made: rows more than 5 minutes later are rejected, on every attempt alike.
    pub planned_at_us: i64,
    /// Arrivals, sorted by (source, path).
    pub arrived: Vec<PlannedObject>,
}

/// Why a row was put into `_rejected/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RejectCause {
    /// An entity key is NULL.
    NullKey,
    /// The event time is NULL.
    NullEventTime,
    /// A column has another type than declared and no exact conversion.
    WrongType,
    /// A declared column is missing in the file.
    MissingColumn,
    /// Event time more than 5 minutes after the plan.
    FutureEventTime,
    /// The file cannot be read as Parquet.
    UnreadableFile,
}

/// Rows rejected for one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectCount {
    /// The cause.
    pub cause: RejectCause,
    /// Rows (files for `UnreadableFile`).
    pub rows: u64,
    /// One example for the message: file, column, value.
    pub example: String,
}

/// What a run reports: cumulative totals of the view generation, so that a lost report heals on the next run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// Contract version.
    pub version: u32,
    /// Last run that is committed and published; 0 before the first.
    pub run: u64,
    /// Version of the Delta table.
    pub table_version: i64,
    /// Rows in the table, superseded and deleted ones included.
    pub rows: u64,
    /// Rows appended by this run.
    pub rows_appended: u64,
    /// Bytes of the table's data files.
    pub bytes: u64,
    /// Newest event time in the table.
    pub newest_event_us: Option<i64>,
    /// Rows written online by this run.
    pub rows_published: u64,
    /// Rejected rows by cause, all runs of the generation.
    pub rejected: Vec<RejectCount>,
    /// Peak resident memory of the process, bytes; 0 where the platform does not tell.
    pub peak_memory_bytes: u64,
    /// Wall time of this run, microseconds.
    pub elapsed_us: i64,
}
